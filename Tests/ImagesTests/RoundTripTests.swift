import Linux
import OCI
import Support
import SystemPackage
import Testing

@testable import Images

/// What was unpacked, packed and unpacked again is the same tree: cases that the fuzzers found.
@Suite(.enabled(if: isRoot, "unpacking sets owners"))
struct RoundTripTests {
    private static func name(_ count: Int) -> String { String(repeating: "n", count: count) }

    static let trees: [HostileImage] = [
        .init("names around the length of a field") { tar in
            for count in [99, 100, 101, 155, 156, 255] {
                tar.longName(Array(name(count).utf8)); tar.file("x")
                tar.longName(Array(("d/" + name(count)).utf8)); tar.directory("x")
            }
        },
        .init("hard links to a symlink, a FIFO and a device") { tar in
            tar.symlink("s", to: "gone"); tar.hardLink("s2", to: "s")
            tar.header(Array("f".utf8), type: "6"); tar.hardLink("f2", to: "f")
            tar.device("n", 1, 3); tar.hardLink("n2", to: "n")
        },
        .init("links with slashes at their ends") { tar in
            tar.symlink("a", to: "d/"); tar.symlink("b", to: "d//"); tar.symlink("c", to: "/")
        },
        .init("whiteouts") {
            $0.file(".wh.a"); $0.file("d/.wh.a"); $0.file("d/.wh.b")
        },
        .init("a whiteout of a directory that has one") {
            $0.file("l/.wh.a"); $0.file(".wh.l")
        },
        .init("a directory that a link leads to") {
            $0.symlink("l", to: "d/e"); $0.file("l/f")
        },
        .init("times before 1970") { tar in
            tar.pax("mtime", "-0.5"); tar.file("a")
            tar.pax("mtime", "-2.000000001"); tar.file("b")
        },
    ]

    @Test(arguments: trees) func aLayerThatIsPackedIsTheSameTree(case: HostileImage) throws {
        try withScratch { scratch in
            let first = SharedFD(try FD.directory(scratch.appending("first"), make: true))
            try unpack(FD.inMemory("tar", `case`.layers[0]), to: first)
            let tar = try FD.inMemory("again", [])
            var packer = TreePacker(to: try tar.duplicate(), .copied)
            let digest = try packer.pack(first).digest
            try tar.rewind()
            let second = SharedFD(try FD.directory(scratch.appending("second"), make: true))
            try unpack(tar.duplicate(), to: second)
            var comparison = TreeComparison()
            #expect(try comparison.difference(first.fd, second.fd) == nil)
            var again = TreePacker(to: try FD.inMemory("again", []), .copied)
            #expect(try again.pack(second).digest == digest)
        }
    }

    private func unpack(_ tar: consuming FD, to root: SharedFD) throws {
        var reader = TarReader(try ByteStream(tar))
        var unpacker = Unpacker(into: root, rules: UnpackRules())
        try unpacker.unpack(&reader)
    }

    /// Many zeros, which a reader would take for a bomb.
    @Test(arguments: [ArchiveCompression.gzip, .zstd])
    func whatIsPackedHereCanBeUnpackedHere(form: ArchiveCompression) throws {
        let zeros = try FD.inMemory("zeros", [])
        try zeros.setSize(128 << 20)
        let packed = try FD.inMemory("packed", [])
        guard let compressor = try Compressor(form) else { throw TestFailure("nothing is compressed") }
        let size = try compressor.pack(zeros, to: packed).size
        try packed.rewind()
        var stream = try ByteStream(try packed.duplicate())
        try stream.drain()
        #expect(stream.plainCount == 128 << 20 && stream.rawCount == size)
        try packed.rewind()
        try withScratch { scratch in
            let bytes = try packed.readAll(limit: 1 << 20)
            #expect(try run(["\(form)", "-dc"], input: bytes, in: scratch).count == 128 << 20)
        }
    }

    @Test func anExportKeepsNanosecondsBefore1970() throws {
        try withScratch { scratch in
            let tree = try FD.directory(scratch.appending("tree"), make: true)
            try tree.replace("a", with: [])
            try tree.setTimes(of: "a", seconds: -2, nanoseconds: 999_999_999)
            let tar = try FD.inMemory("tar", [])
            try exportRoot(tree, to: tar)
            try tar.rewind()
            var reader = TarReader(try ByteStream(tar))
            #expect(try reader.next())
            #expect(try reader.next())
            #expect(reader.entry.seconds == -2 && reader.entry.nanoseconds == 999_999_999)
        }
    }

    @Test func aNameOfAWhiteoutCannotBePackedIntoALayer() throws {
        try withScratch { scratch in
            let tree = SharedFD(try FD.directory(scratch.appending("tree"), make: true))
            try tree.fd.replace(".wh.a", with: [])
            var packer = TreePacker(to: try FD.inMemory("tar", []), .copied)
            #expect(throws: ImageError.self) { try packer.pack(tree) }
            try exportRoot(tree.fd, to: FD.inMemory("tar", []))
        }
    }

    @Test func whatIsSaidOfAVolumeLabelHoldsForNothingElse() throws {
        let tar = RawTar.make { tar in
            tar.pax([("uid", Array("7".utf8)), ("path", Array("b".utf8))])
            tar.header(Array("label".utf8), type: "V")
            tar.file("a")
        }
        var reader = TarReader(try ByteStream(FD.inMemory("tar", tar)))
        #expect(try reader.next())
        #expect(reader.entry.uid == 0 && Array(reader.path.bytes) == Array("a".utf8))
    }

    @Test func ofTwoPaxHeadersTheLastCounts() throws {
        let tar = RawTar.make { tar in
            tar.pax([("uid", Array("7".utf8)), ("path", Array("b".utf8))])
            tar.pax([("gid", Array("8".utf8))])
            tar.file("a")
        }
        var reader = TarReader(try ByteStream(FD.inMemory("tar", tar)))
        #expect(try reader.next())
        #expect(reader.entry.uid == 0 && reader.entry.gid == 8)
        #expect(Array(reader.path.bytes) == Array("a".utf8))
    }
}
