import Images
import Linux
import OCI
import Support
import SystemPackage
import Testing

/// What tars may hold, and how they may be packed.
@Suite(.enabled(if: isRoot, "unpacking sets owners"))
struct FormatTests {
    private func withTree(of tar: [UInt8], _ body: (borrowing FD) throws -> Void) throws {
        try withScratch { scratch in
            let store = try ImageStore(root: scratch.appending("store"))
            try body(try FD.directory(try store.tree(ofImporting: tar, scratch)))
        }
    }

    @Test func ownerModeAndTimesAreTheArchives() throws {
        let tar = RawTar.make { t in
            t.pax([("mtime", Array("1500000000.25".utf8)), ("uid", Array("3000000".utf8))])
            t.file("a", "x", mode: 0o4751, gid: 7)
            t.directory("d", mode: 0o1777)
            t.file("d/b")
            t.header(Array("l".utf8), type: "2", uid: 5, mtime: 1_400_000_000, link: Array("gone".utf8))
        }
        try withTree(of: tar) { tree in
            let a = try #require(try tree.status(of: "a" as FilePath))
            #expect(a.permissions == 0o4751 && a.uid == 3_000_000 && a.gid == 7)
            #expect(a.mtime == (1_500_000_000, 250_000_000))
            let d = try #require(try tree.status(of: "d" as FilePath))
            #expect(d.permissions == 0o1777 && d.mtime.seconds == 1_600_000_000)
            let l = try #require(try tree.status(of: "l" as FilePath))
            #expect(l.uid == 5 && l.mtime.seconds == 1_400_000_000)
        }
    }

    @Test func namesAreKeptByteForByte() throws {
        let name: [UInt8] = [0x61, 0xff, 0xfe, 0x1b, 0x5b]
        let long = Array(String(repeating: "d/", count: 120).utf8) + name
        let tar = RawTar.make { t in
            t.header(name)
            t.longName(long)
            t.file("short")
            t.pax([("path", Array("p/".utf8) + name)])
            t.file("short")
            t.header(Array("u".utf8), fields: [(345, Array("prefix".utf8))])
        }
        try withTree(of: tar) { tree in
            func path(_ bytes: [UInt8]) -> FilePath {
                (bytes + [0]).map { CChar(bitPattern: $0) }.withUnsafeBufferPointer {
                    $0.baseAddress.map { FilePath(platformString: $0) } ?? ""
                }
            }
            for bytes in [name, long, Array("p/".utf8) + name, Array("prefix/u".utf8)] {
                #expect(throws: Never.self) { _ = try tree.open(path(bytes), resolve: [.beneath]) }
            }
        }
    }

    @Test func hardLinksShareAFile() throws {
        let tar = RawTar.make { t in
            t.file("d/a", "1")
            t.hardLink("b", to: "./d/a")
            t.hardLink("/c", to: "/d/a")
        }
        try withTree(of: tar) { tree in
            let (b, c) = (try tree.status(of: "b" as FilePath), try tree.status(of: "c" as FilePath))
            #expect(b?.links == 3 && b?.inode == c?.inode)
        }
    }

    @Test func attributesAreKeptByAllowList() throws {
        let capability: [UInt8] = [1, 0, 0, 2, 0, 32] + [UInt8](repeating: 0, count: 14)
        let tar = RawTar.make { t in
            t.pax([
                ("SCHILY.xattr.security.capability", capability), ("SCHILY.xattr.user.note", [0, 1]),
                ("LIBARCHIVE.xattr.user.b%20c", Array("aGk=".utf8)),
                ("SCHILY.xattr.trusted.overlay.opaque", [0x79]), ("SCHILY.xattr.user.overlay.opaque", [0x79]),
                ("SCHILY.xattr.trusted.overlay.redirect", Array("/etc".utf8)),
                ("SCHILY.xattr.security.selinux", [0x78]), ("SCHILY.xattr.security.ima", [1]),
            ])
            t.file("f", "x", mode: 0o755, uid: 9)
        }
        try withTree(of: tar) { tree in
            let file = try tree.open("f", resolve: [.noSymlinks])
            #expect(try file.attributeNames() == ["security.capability", "user.b c", "user.note"])
            #expect(try file.attributeIfSet("security.capability") == capability)
            #expect(try file.attributeIfSet("user.b c") == Array("hi".utf8))
        }
    }

    static let sparse: [(String, [UInt8])] = {
        let size = 2 << 30
        let content = [UInt8](repeating: 0x41, count: 512)
        let name = ("GNU.sparse.name", Array("s".utf8))
        let real = String(size)
        func octal(_ n: Int) -> [UInt8] {
            let text = String(n, radix: 8)
            return Array((String(repeating: "0", count: 11 - text.count) + text).utf8) + [0x20]
        }
        return [
            (
                "old",
                RawTar.make { t in
                    t.header(
                        Array("s".utf8), type: "S", size: 512, magic: "ustar  \u{0}",
                        fields: [
                            (386, octal(1 << 30) + octal(512) + octal(size) + octal(0)), (483, octal(size)),
                        ])
                    t.data(content)
                }
            ),
            (
                "pax 0.0",
                RawTar.make { t in
                    t.pax([
                        ("GNU.sparse.size", Array(real.utf8)), ("GNU.sparse.numblocks", Array("1".utf8)),
                        ("GNU.sparse.offset", Array("1073741824".utf8)),
                        ("GNU.sparse.numbytes", Array("512".utf8)),
                    ])
                    t.header(Array("s".utf8), size: 512)
                    t.data(content)
                }
            ),
            (
                "pax 0.1",
                RawTar.make { t in
                    t.pax([
                        ("GNU.sparse.size", Array(real.utf8)),
                        ("GNU.sparse.map", Array("1073741824,512".utf8)), name,
                    ])
                    t.header(Array("x".utf8), size: 512)
                    t.data(content)
                }
            ),
            (
                "pax 1.0",
                RawTar.make { t in
                    t.pax([
                        ("GNU.sparse.major", Array("1".utf8)), ("GNU.sparse.minor", Array("0".utf8)),
                        ("GNU.sparse.realsize", Array(real.utf8)), name,
                    ])
                    t.header(Array("x".utf8), size: 1024)
                    let map = Array("1\n1073741824\n512\n".utf8)
                    t.data(map + [UInt8](repeating: 0, count: 512 - map.count) + content)
                }
            ),
        ]
    }()

    @Test("sparse files keep their holes", arguments: sparse)
    func sparseFiles(_ form: String, _ tar: [UInt8]) throws {
        try withTree(of: tar) { tree in
            let status = try #require(try tree.status(of: "s" as FilePath))
            #expect(status.size == 2 << 30 && status.blocks <= 64)
        }
    }

    @Test func deepTreesAreMadeAndRemoved() throws {
        try withScratch { scratch in
            let store = try ImageStore(root: scratch.appending("store"))
            let path = Array(repeating: "d", count: 1500).joined(separator: "/")
            let tar = RawTar.make { t in
                for depth in stride(from: 1, through: 1500, by: 1) {
                    t.longName(Array(path.utf8.prefix(depth * 2 - 1)))
                    t.directory("x")
                }
                t.longName(Array((path + "/f").utf8))
                t.file("x", "1")
            }
            let file = try openFile(tar, in: scratch)
            let image = try store.importRoot(file, as: try Reference("deep"), process: .init(), comment: nil)
            #expect(image.size == 1)
            _ = try store.remove("deep", force: false, use: { StoreUse() })
            #expect(try listing(scratch.appending("store/layers")).isEmpty)
        }
    }

    /// Modes and times of more directories than are noted in memory.
    @Test func manyLongDirectoriesGetTheirModes() throws {
        try withScratch { scratch in
            let store = try ImageStore(root: scratch.appending("store"))
            let path = Array(repeating: String(repeating: "d", count: 200), count: 18).joined(separator: "/")
            let tar = RawTar.make { t in
                for number in 0..<500 {
                    t.longName(Array("\(path)/\(number)".utf8))
                    t.header(Array("x".utf8), type: "5", mode: 0o700 + number % 8, mtime: 1_000_000 + number)
                }
            }
            let file = try openFile(tar, in: scratch)
            let image = try store.importRoot(file, as: nil, process: .init(), comment: nil)
            let tree = try FD.directory(try store.layerDirectories(of: image)[0]).open(FilePath(path))
            for number in 0..<500 {
                let status = try #require(try tree.status(of: FilePath("\(number)")))
                #expect(
                    status.permissions == UInt32(0o700 + number % 8)
                        && status.mtime.seconds == Int64(1_000_000 + number))
            }
        }
    }

    @Test func anAttributesNameIsText() throws {
        try withScratch { scratch in
            let tar = RawTar.make { t in
                let record = RawTar.record("SCHILY.xattr.user.?", [1])
                let body = record.map { $0 == UInt8(ascii: "?") ? 0xff : $0 }
                t.header(Array("PaxHeader".utf8), type: "x", size: body.count)
                t.data(body)
                t.file("x")
            }
            let store = try ImageStore(root: scratch.appending("store"))
            #expect {
                try store.importRoot(try openFile(tar, in: scratch), as: nil, process: .init(), comment: nil)
            } throws: { "\($0)".contains("the name of an extended attribute is not UTF-8") }
        }
    }

    // MARK: compression

    static let plain = RawTar.make { $0.file("a", String(repeating: "hello ", count: 100_000)) }

    @Test("all forms give the same layer", arguments: [["gzip", "-c"], ["zstd", "-q", "-c"]])
    func compressions(_ command: [String]) throws {
        try withScratch { scratch in
            let store = try ImageStore(root: scratch.appending("store"))
            let packed = try run(command, input: Self.plain, in: scratch)
            let images = try [Self.plain, packed].map { bytes in
                let file = try openFile(bytes, in: scratch)
                return try store.importRoot(file, as: nil, process: .init(), comment: nil)
            }
            #expect(images[0].config.diffIDs == images[1].config.diffIDs)
            #expect(images[0].id == images[1].id && images[0].digest != images[1].digest)
            let first = try run(command, input: Array(Self.plain.prefix(1000)), in: scratch)
            let second = try run(command, input: Array(Self.plain.dropFirst(1000)), in: scratch)
            let parts = try openFile(first + second, in: scratch)
            let joined = try store.importRoot(parts, as: nil, process: .init(), comment: nil)
            #expect(joined.config.diffIDs == images[0].config.diffIDs)
            for bad in [packed + [1, 2, 3, 4, 5, 6], Array(packed.dropLast(5)), Array(packed.prefix(40))] {
                #expect(throws: ImageError.self) { _ = try store.tree(ofImporting: bad, scratch) }
            }
            var flipped = packed
            flipped[packed.count / 2] ^= 0x55
            #expect(throws: ImageError.self) { _ = try store.tree(ofImporting: flipped, scratch) }
        }
    }

    @Test(
        "77 a bomb is refused, its bytes are given back",
        arguments: [["gzip", "-9c"], ["zstd", "-19", "-qc"]])
    func bomb(_ command: [String]) throws {
        try withScratch { scratch in
            let store = try ImageStore(root: scratch.appending("store"))
            var tar = RawTar()
            tar.header(Array("bomb".utf8), size: 128 << 20)
            tar.data([UInt8](repeating: 0, count: 128 << 20))
            let packed = try run(command, input: tar.closed, in: scratch)
            #expect(throws: ImageError.self) { _ = try store.tree(ofImporting: packed, scratch) }
            #expect(try listing(scratch.appending("store/staging")).isEmpty)
        }
    }

    @Test(
        "what is not unpacked here is named",
        arguments: [
            ("bzip2", [0x42, 0x5a, 0x68, 0x39]), ("xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]),
        ] as [(String, [UInt8])])
    func refusedCompressions(_ name: String, _ magic: [UInt8]) throws {
        try withScratch { scratch in
            let file = try openFile(magic + [UInt8](repeating: 0, count: 600), in: scratch)
            let target = try FD.directory(scratch.appending("t"), make: true)
            #expect(try looksLikeArchive(file))
            #expect {
                try unpackArchive(file, into: target)
            } throws: { "\($0)".contains("\(name) is not supported") }
        }
    }

    @Test func archivesAreUnpackedPlainBelowAPath() throws {
        try withScratch { scratch in
            let root = try FD.directory(scratch.appending("root"), make: true)
            try root.makeSymlink("opt", to: "/usr")
            let tar = RawTar.make { t in
                t.directory("./")
                t.file("bin/.wh.x", "1", uid: 9)
                t.symlink("bin/s", to: "../../../../etc")
                t.file("bin/s/y", "2")
                t.hardLink("z", to: "bin/.wh.x")
            }
            let file = try openFile(tar, in: scratch)
            #expect(try looksLikeArchive(file))
            try unpackArchive(file, into: root, at: "/opt/a", owner: (3, 4))
            #expect(
                try listing(scratch.appending("root")) == [
                    "etc directory 755", "etc/y file 644 2", "opt -> /usr", "usr directory 755",
                    "usr/a directory 755",
                    "usr/a/bin directory 755", "usr/a/bin/.wh.x file 644 1", "usr/a/bin/s -> ../../../../etc",
                    "usr/a/z file 644 1",
                ])
            let status = try root.open("usr/a/z", resolve: [.beneath]).status()
            #expect(status.uid == 3 && status.gid == 4)
        }
    }
}
