import Linux
import OCI
import Support
import SystemPackage
import Testing

@testable import Images

/// Archives with random damage: each is read to its end or refused, and nothing traps. The damage is the same
/// in every run.
struct MutationTests {
    private struct Random: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state
        }
    }

    /// Entries of every form.
    private static let seed = RawTar.make { t in
        t.pax([("path", Array("a/b".utf8)), ("size", Array("5".utf8)), ("mtime", Array("1.5".utf8))])
        t.file("x", "12345")
        t.longName(Array(String(repeating: "l/", count: 90).utf8))
        t.directory("x")
        t.pax([
            ("GNU.sparse.major", Array("1".utf8)), ("GNU.sparse.realsize", Array("4096".utf8)),
            ("SCHILY.xattr.user.a", [1, 2]), ("LIBARCHIVE.xattr.user.b", Array("aGk=".utf8)),
        ])
        t.header(Array("s".utf8), size: 1024)
        t.data(
            Array("1\n1024\n512\n".utf8) + [UInt8](repeating: 0, count: 501)
                + [UInt8](repeating: 7, count: 512))
        t.header(
            Array("o".utf8), type: "S", size: 512, magic: "ustar  \u{0}",
            fields: [(386, Array("00000001000 00000001000 ".utf8)), (483, Array("00000002000 ".utf8))])
        t.data([UInt8](repeating: 1, count: 512))
        t.hardLink("h", to: "a/b")
        t.device("n", 1, 3)
        t.pax([("uid", Array("7".utf8))], type: "g")
        t.file("last")
    }

    private func damaged(_ random: inout Random) -> [UInt8] {
        var tar = Self.seed
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            let at = Int.random(in: 0..<tar.count, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: tar[at] = UInt8.random(in: 0...255, using: &random)
            case 1: tar[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 2:
                tar[at] = [0, 0x20, 0x30, 0x37, 0x39, 0x80, 0xff, 0x0a].randomElement(using: &random) ?? 0
            default: tar.removeSubrange(at..<min(at + 512, tar.count))
            }
            if tar.isEmpty { return tar }
        }
        // Most damage would stop at the checksum: headers get one that fits.
        for start in stride(from: 0, to: tar.count - 511, by: 512) where tar[start + 257] == UInt8(ascii: "u")
        {
            for i in 148..<156 { tar[start + i] = 0x20 }
            let text = String(tar[start..<(start + 512)].reduce(0) { $0 + Int($1) }, radix: 8)
            for (i, byte) in (String(repeating: "0", count: 6 - text.utf8.count) + text).utf8.enumerated() {
                tar[start + 148 + i] = byte
            }
            tar[start + 154] = 0
        }
        return tar
    }

    @Test func damagedArchivesAreReadOrRefused() throws {
        try withScratch { scratch in
            var random = Random(state: 0x5eed_0000_1234_9876)
            var (read, refused) = (0, 0)
            for _ in 0..<200 {
                let file = try openFile(damaged(&random), in: scratch)
                do {
                    var reader = TarReader(try ByteStream(file))
                    var path = EntryPath()
                    while try reader.next() {
                        try path.set(reader.path.bytes)
                        while let chunk = try reader.nextChunk() { #expect(chunk.bytes.count > 0) }
                    }
                    try reader.stream.drain()
                    read += 1
                } catch { refused += 1 }
            }
            #expect(read > 5 && refused > 5)
        }
    }
}
