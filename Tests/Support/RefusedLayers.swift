// What its name says has no comment.

/// Layers that no engine may take, by their numbers in the corpus of 86 attack images.
extension HostileImage {
    static func long(_ count: Int) -> String { String(repeating: "n", count: count) }

    public static let refused: [HostileImage] = [
        HostileImage("02 dotdot") { $0.file("../evil") },
        HostileImage("03 dotdot in the middle") { $0.file("a/../../evil") },
        HostileImage("07 hard link to an absolute path") { $0.hardLink("h", to: "/etc/passwd") },
        HostileImage("08 hard link with dotdot") { $0.hardLink("h", to: "../../etc/passwd") },
        HostileImage("09 hard link through a symlink") {
            $0.symlink("d", to: "/etc")
            $0.hardLink("h", to: "d/passwd")
        },
        HostileImage("14 whiteout of dotdot") { $0.file(".wh...") },
        HostileImage("15 whiteout of dot") { $0.file(".wh..") },
        HostileImage("16 whiteout of nothing") { $0.file(".wh.") },
        HostileImage("26 forged whiteout") { $0.device("x", 0, 0) },
        HostileImage("37 path of 5000") {
            $0.longName(Array((0..<50).map { _ in long(99) }.joined(separator: "/").utf8)); $0.file("x")
        },
        HostileImage("38 component of 300") {
            $0.longName(Array(long(300).utf8)); $0.file("x")
        },
        HostileImage("39 a path of 3,000 levels") { t in
            t.longName(Array(repeating: UInt8(ascii: "d"), count: 3000).flatMap { [$0, 0x2f] })
            t.directory("x")
        },
        HostileImage("40 NUL in a pax path") {
            $0.pax("path", "a\u{0}b"); $0.file("x")
        },
        HostileImage("43 pax header of 1 GiB") { $0.header(Array("p".utf8), type: "x", size: 1 << 30) },
        HostileImage("44 negative pax size") {
            $0.pax("size", "-5"); $0.file("x")
        },
        HostileImage("45 base-256 size, the largest") { t in
            t.header(Array("x".utf8), fields: [(124, [0x80] + [UInt8](repeating: 0xff, count: 11))])
        },
        HostileImage("46 base-256 size, negative") { t in
            t.header(Array("x".utf8), fields: [(124, [UInt8](repeating: 0xff, count: 12))])
        },
        HostileImage("47 truncated", raw: Array(RawTar.make { $0.file("x", long(3000)) }.prefix(2048))),
        HostileImage("47b truncated header", raw: Array(RawTar.make { $0.file("x") }.prefix(300))),
        HostileImage("50 bad checksum") { $0.header(Array("x".utf8), badChecksum: true) },
        HostileImage("52 sparse parts overlap") {
            $0.pax([
                ("GNU.sparse.map", Array("0,512,256,512".utf8)), ("GNU.sparse.size", Array("4096".utf8)),
                ("GNU.sparse.name", Array("s".utf8)),
            ])
            $0.header(Array("x".utf8), size: 1024)
            $0.data([UInt8](repeating: 1, count: 1024))
        },
        HostileImage("53 a million sparse parts") {
            $0.pax([("GNU.sparse.major", Array("1".utf8)), ("GNU.sparse.realsize", Array("4096".utf8))])
            $0.header(Array("x".utf8), size: 1024)
            $0.data(Array("1000000\n".utf8) + [UInt8](repeating: 0, count: 1016))
        },
        HostileImage("55 uid 2^32") {
            $0.pax("uid", "4294967296"); $0.file("x")
        },
        HostileImage("55b uid 2^32-1") {
            $0.pax("uid", "4294967295"); $0.file("x")
        },
        HostileImage("55c gid -1") { t in
            t.header(Array("x".utf8), fields: [(116, [UInt8](repeating: 0xff, count: 8))])
        },
        HostileImage("56 unknown type") { $0.header(Array("x".utf8), type: "Q") },
        HostileImage("58 root as a symlink") { $0.symlink("/", to: "/etc") },
        HostileImage("59 root dot as a symlink") { $0.symlink(".", to: "/etc") },
        HostileImage("61 empty name") { $0.file("") },
        HostileImage("63 hard link to a directory") {
            $0.directory("d"); $0.hardLink("h", to: "d")
        },
        HostileImage("64 hard link to itself") { $0.hardLink("h", to: "h") },
        HostileImage("65 hard link before its target") {
            $0.hardLink("h", to: "f"); $0.file("f")
        },
        HostileImage("66 symlink to nothing") { $0.symlink("s", to: "") },
        HostileImage("74 xattr of 1 MiB less") {
            $0.pax([("SCHILY.xattr.user.big", [UInt8](repeating: 1, count: 100_000))])
            $0.file("x")
        },
        HostileImage("74b xattr larger than the file system takes") {
            $0.pax([("SCHILY.xattr.user.big", [UInt8](repeating: 1, count: 60_000))])
            $0.file("x")
        },
        HostileImage("81 chain of 50 symlinks") { t in
            for i in 0..<50 { t.symlink("l\(i)", to: "l\(i + 1)") }
            t.directory("l50")
            t.file("l0/x")
        },
        HostileImage("82 symlink loop") {
            $0.symlink("a", to: "b"); $0.symlink("b", to: "a"); $0.file("a/x")
        },
        HostileImage("84 parent is a file") {
            $0.file("f"); $0.file("f/x")
        },
        HostileImage("hard link to a whiteout") {
            $0.file(".wh.w"); $0.hardLink("h", to: "w")
        },
        HostileImage("entry below a whiteout") { $0.file(".wh.w/x") },
        HostileImage(
            "lone zero block",
            raw: RawTar.make { $0.file("a") }.prefix(512) + [UInt8](repeating: 0, count: 512)
                + RawTar.make { $0.file("b") }),
        HostileImage("pax record without an end") { t in
            t.header(Array("p".utf8), type: "x", size: 9)
            t.data(Array("9 path=ab".utf8))
        },
        HostileImage("pax record length too large") { t in
            t.header(Array("p".utf8), type: "x", size: 9)
            t.data(Array("99 path=\n".utf8))
        },
        HostileImage("pax record length of zero") { t in
            t.header(Array("p".utf8), type: "x", size: 9)
            t.data(Array("0 path=a\n".utf8))
        },
        HostileImage("not a tar", raw: [UInt8](repeating: 0x41, count: 4096)),
        HostileImage("empty", raw: []),
        HostileImage("old sparse map out of the file") { t in
            t.header(
                Array("s".utf8), type: "S", size: 512, magic: "ustar  \u{0}",
                fields: [
                    (386, Array("00000010000\u{0}00000001000\u{0}".utf8)), (483, Array("00000001000".utf8)),
                ])
            t.data([UInt8](repeating: 1, count: 512))
        },
    ]
}
