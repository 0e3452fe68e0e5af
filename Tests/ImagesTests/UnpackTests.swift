import Images
import Linux
import OCI
import SystemPackage
import Testing

/// Hostile layer tars: the corpus of 86 cases, by their numbers, and what must become of each.
@Suite(.enabled(if: isRoot, "unpacking sets owners and makes devices"))
struct UnpackTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let tar: [UInt8]
        let want: [String]
        init(_ name: String, want: [String] = [], _ build: (inout RawTar) -> Void) {
            (testDescription, self.want, tar) = (name, want, RawTar.make(build))
        }
        init(_ name: String, raw: [UInt8], want: [String] = []) {
            (testDescription, tar, self.want) = (name, raw, want)
        }
    }

    static func long(_ count: Int) -> String { String(repeating: "n", count: count) }

    static let refused: [Case] = [
        Case("02 dotdot") { $0.file("../evil") },
        Case("03 dotdot in the middle") { $0.file("a/../../evil") },
        Case("07 hard link to an absolute path") { $0.hardLink("h", to: "/etc/passwd") },
        Case("08 hard link with dotdot") { $0.hardLink("h", to: "../../etc/passwd") },
        Case("09 hard link through a symlink") {
            $0.symlink("d", to: "/etc")
            $0.hardLink("h", to: "d/passwd")
        },
        Case("14 whiteout of dotdot") { $0.file(".wh...") },
        Case("15 whiteout of dot") { $0.file(".wh..") },
        Case("16 whiteout of nothing") { $0.file(".wh.") },
        Case("26 forged whiteout") { $0.device("x", 0, 0) },
        Case("37 path of 5000") {
            $0.longName(Array((0..<50).map { _ in long(99) }.joined(separator: "/").utf8)); $0.file("x")
        },
        Case("38 component of 300") {
            $0.longName(Array(long(300).utf8)); $0.file("x")
        },
        Case("40 NUL in a pax path") {
            $0.pax("path", "a\u{0}b"); $0.file("x")
        },
        Case("43 pax header of 1 GiB") { $0.header(Array("p".utf8), type: "x", size: 1 << 30) },
        Case("44 negative pax size") {
            $0.pax("size", "-5"); $0.file("x")
        },
        Case("45 base-256 size, the largest") { t in
            t.header(Array("x".utf8), fields: [(124, [0x80] + [UInt8](repeating: 0xff, count: 11))])
        },
        Case("46 base-256 size, negative") { t in
            t.header(Array("x".utf8), fields: [(124, [UInt8](repeating: 0xff, count: 12))])
        },
        Case("47 truncated", raw: Array(RawTar.make { $0.file("x", long(3000)) }.prefix(2048))),
        Case("47b truncated header", raw: Array(RawTar.make { $0.file("x") }.prefix(300))),
        Case("50 bad checksum") { $0.header(Array("x".utf8), badChecksum: true) },
        Case("52 sparse parts overlap") {
            $0.pax([
                ("GNU.sparse.map", Array("0,512,256,512".utf8)), ("GNU.sparse.size", Array("4096".utf8)),
                ("GNU.sparse.name", Array("s".utf8)),
            ])
            $0.header(Array("x".utf8), size: 1024)
            $0.data([UInt8](repeating: 1, count: 1024))
        },
        Case("53 a million sparse parts") {
            $0.pax([("GNU.sparse.major", Array("1".utf8)), ("GNU.sparse.realsize", Array("4096".utf8))])
            $0.header(Array("x".utf8), size: 1024)
            $0.data(Array("1000000\n".utf8) + [UInt8](repeating: 0, count: 1016))
        },
        Case("55 uid 2^32") {
            $0.pax("uid", "4294967296"); $0.file("x")
        },
        Case("55b uid 2^32-1") {
            $0.pax("uid", "4294967295"); $0.file("x")
        },
        Case("55c gid -1") { t in
            t.header(Array("x".utf8), fields: [(116, [UInt8](repeating: 0xff, count: 8))])
        },
        Case("56 unknown type") { $0.header(Array("x".utf8), type: "Q") },
        Case("58 root as a symlink") { $0.symlink("/", to: "/etc") },
        Case("59 root dot as a symlink") { $0.symlink(".", to: "/etc") },
        Case("61 empty name") { $0.file("") },
        Case("63 hard link to a directory") {
            $0.directory("d"); $0.hardLink("h", to: "d")
        },
        Case("64 hard link to itself") { $0.hardLink("h", to: "h") },
        Case("65 hard link before its target") {
            $0.hardLink("h", to: "f"); $0.file("f")
        },
        Case("66 symlink to nothing") { $0.symlink("s", to: "") },
        Case("74 xattr of 1 MiB less") {
            $0.pax([("SCHILY.xattr.user.big", [UInt8](repeating: 1, count: 100_000))])
            $0.file("x")
        },
        Case("74b xattr larger than the file system takes") {
            $0.pax([("SCHILY.xattr.user.big", [UInt8](repeating: 1, count: 60_000))])
            $0.file("x")
        },
        Case("81 chain of 50 symlinks") { t in
            for i in 0..<50 { t.symlink("l\(i)", to: "l\(i + 1)") }
            t.directory("l50")
            t.file("l0/x")
        },
        Case("82 symlink loop") {
            $0.symlink("a", to: "b"); $0.symlink("b", to: "a"); $0.file("a/x")
        },
        Case("84 parent is a file") {
            $0.file("f"); $0.file("f/x")
        },
        Case("hard link to a whiteout") {
            $0.file(".wh.w"); $0.hardLink("h", to: "w")
        },
        Case("entry below a whiteout") { $0.file(".wh.w/x") },
        Case(
            "lone zero block",
            raw: RawTar.make { $0.file("a") }.prefix(512) + [UInt8](repeating: 0, count: 512)
                + RawTar.make { $0.file("b") }),
        Case("pax record without an end") { t in
            t.header(Array("p".utf8), type: "x", size: 9)
            t.data(Array("9 path=ab".utf8))
        },
        Case("pax record length too large") { t in
            t.header(Array("p".utf8), type: "x", size: 9)
            t.data(Array("99 path=\n".utf8))
        },
        Case("pax record length of zero") { t in
            t.header(Array("p".utf8), type: "x", size: 9)
            t.data(Array("0 path=a\n".utf8))
        },
        Case("not a tar", raw: [UInt8](repeating: 0x41, count: 4096)),
        Case("empty", raw: []),
        Case("old sparse map out of the file") { t in
            t.header(
                Array("s".utf8), type: "S", size: 512, magic: "ustar  \u{0}",
                fields: [
                    (386, Array("00000010000\u{0}00000001000\u{0}".utf8)), (483, Array("00000001000".utf8)),
                ])
            t.data([UInt8](repeating: 1, count: 512))
        },
    ]

    @Test("is refused, and leaves nothing behind", arguments: refused)
    func isRefused(_ test: Case) throws {
        try withScratch { scratch in
            let store = try ImageStore(root: scratch.appending("store"))
            #expect(throws: ImageError.self) { _ = try store.tree(ofImporting: test.tar, scratch) }
            #expect(try store.images().isEmpty)
            #expect(try listing(scratch.appending("store/layers")).isEmpty)
            #expect(try listing(scratch.appending("store/staging")).isEmpty)
            #expect(try listing(scratch.appending("store/blobs/sha256")).isEmpty)
        }
    }

    static let placed: [Case] = [
        Case("01 absolute path", want: ["etc directory 755", "etc/x file 644 1"]) { $0.file("/etc/x", "1") },
        Case(
            "04 write through an absolute symlink",
            want: [
                "canary directory 755", "canary/f file 644 1", "l -> /canary",
            ]
        ) {
            $0.symlink("l", to: "/canary"); $0.file("l/f", "1")
        },
        Case(
            "05 write through a relative symlink",
            want: [
                "canary directory 755", "canary/f file 644 1", "d directory 755", "d/l -> ../../../canary",
            ]
        ) {
            $0.symlink("d/l", to: "../../../canary"); $0.file("d/l/f", "1")
        },
        Case("06 symlink then a file of its name", want: ["a file 644 new", "v file 644 old"]) {
            $0.file("v", "old"); $0.symlink("a", to: "v"); $0.file("a", "new")
        },
        Case("10 hard link to a symlink, then written", want: ["h file 644 1", "s -> /canary"]) {
            $0.symlink("s", to: "/canary"); $0.hardLink("h", to: "s"); $0.file("h", "1")
        },
        Case(
            "13 whiteout through a symlink",
            want: [
                "canary directory 755", "canary/f character 0:0", "l -> /canary",
            ]
        ) {
            $0.symlink("l", to: "/canary"); $0.file("l/.wh.f")
        },
        Case(
            "17 opaque through a symlink", want: ["canary directory 755", "canary opaque=y", "l -> /canary"]
        ) {
            $0.symlink("l", to: "/canary"); $0.file("l/.wh..wh..opq")
        },
        Case("19 aufs's notes", want: ["a file 644 1"]) {
            $0.directory(".wh..wh.plnk"); $0.file(".wh..wh.plnk/1.2", "x"); $0.file(".wh..wh.aufs");
            $0.file("a", "1")
        },
        Case("20 whiteout of the same layer's file", want: ["w file 644 1"]) {
            $0.file("w", "1"); $0.file(".wh.w")
        },
        Case("21 whiteout as a directory", want: ["q character 0:0"]) { $0.directory(".wh.q") },
        Case("22 duplicate", want: ["a file 644 two"]) {
            $0.file("a", "one"); $0.file("a", "two")
        },
        Case("23 type flip", want: ["a file 644 x"]) {
            $0.directory("a"); $0.file("a/b", "1"); $0.symlink("a", to: "/"); $0.file("a", "x")
        },
        Case(
            "24 directory becomes a symlink with children",
            want: [
                "canary directory 755", "canary/g file 644 2", "d -> /canary",
            ]
        ) {
            $0.directory("d"); $0.file("d/f", "1"); $0.symlink("d", to: "/canary"); $0.file("d/g", "2")
        },
        Case(
            "a link keeps its target's mode when it took a directory's name",
            want: ["d -> e", "e directory 711"]
        ) {
            $0.directory("e", mode: 0o711)
            $0.directory("d", mode: 0o777)
            $0.symlink("d", to: "e")
        },
        Case("25 devices", want: ["n character 1:3"]) { $0.device("n", 1, 3) },
        Case("12 directory over a symlink", want: ["canary directory 700", "l directory 777"]) {
            $0.directory("canary", mode: 0o700); $0.symlink("l", to: "/canary");
            $0.directory("l", mode: 0o777)
        },
        Case("33 setuid", want: ["s file 6755 "]) { $0.file("s", mode: 0o6755) },
        Case("34 FIFO then a file", want: ["p file 644 1"]) {
            $0.header(Array("p".utf8), type: "6"); $0.file("p", "1")
        },
        Case("42 terminal escapes in a name", want: ["a\u{1b}[31mb file 644 "]) { $0.file("a\u{1b}[31mb") },
        Case(
            "48 no end blocks",
            raw: {
                var t = RawTar(); t.file("a", "1"); return t.bytes
            }(), want: ["a file 644 1"]),
        Case(
            "49 garbage after the end", raw: RawTar.make { $0.file("a", "1") } + [1, 2, 3],
            want: ["a file 644 1"]),
        Case("54 extreme times", want: ["a file 644 ", "b file 644 "]) { t in
            t.header(
                Array("a".utf8), fields: [(136, [0x80, 0, 0, 0, 0x7f] + [UInt8](repeating: 0xff, count: 7))])
            t.pax("mtime", "-99999999999.5")
            t.file("b")
        },
        Case("57 global pax path", want: ["a file 644 "]) {
            $0.pax([("path", Array("/evil".utf8))], type: "g"); $0.file("a")
        },
        Case("60 root of mode 0", want: ["a file 644 "]) {
            $0.directory("./", mode: 0); $0.file("./a")
        },
        Case("62 file with a slash", want: ["d directory 644"]) { $0.file("d/") },
        Case("64b hard link to itself, there", want: ["h file 644 1"]) {
            $0.file("h", "1"); $0.hardLink("h", to: "h")
        },
        Case("67 case", want: ["A file 644 ", "a file 644 "]) {
            $0.file("A"); $0.file("a")
        },
        Case("72 directory of mode 0", want: ["d directory 0", "d/x file 644 1"]) {
            $0.directory("d", mode: 0); $0.file("d/x", "1")
        },
        Case("85 whiteout, then made anew", want: ["r directory 755", "r opaque=y", "r/b file 644 "]) {
            $0.file(".wh.r"); $0.directory("r"); $0.file("r/b")
        },
        Case(
            "85b the same without an entry for it", want: ["r directory 755", "r opaque=y", "r/b file 644 "]
        ) {
            $0.file(".wh.r"); $0.file("r/b")
        },
        Case("85c the whiteout last", want: ["r directory 755", "r opaque=y", "r/b file 644 "]) {
            $0.directory("r"); $0.file("r/b"); $0.file(".wh.r")
        },
        Case(
            "opaque directory drops its whiteouts", want: ["d directory 755", "d opaque=y", "d/k file 644 "]
        ) {
            $0.file("d/.wh.a"); $0.file("d/k"); $0.file("d/.wh..wh..opq"); $0.file("d/.wh.b")
            $0.directory("d")
        },
        Case("volume label", want: ["a file 644 "]) {
            $0.header(Array("label".utf8), type: "V"); $0.file("a")
        },
        Case("version 7", want: ["a file 644 1"]) { t in
            t.header(Array("a".utf8), type: "\0", size: 1, magic: "")
            t.data([0x31])
        },
        Case("link entry with a size and no content", want: ["a file 644 1", "b file 644 1"]) { t in
            t.file("a", "1")
            t.header(Array("b".utf8), type: "1", size: 1, link: Array("a".utf8))
        },
    ]

    @Test("is placed below the root", arguments: placed)
    func isPlaced(_ test: Case) throws {
        try withScratch { scratch in
            let store = try ImageStore(root: scratch.appending("store"))
            #expect(try listing(try store.tree(ofImporting: test.tar, scratch)) == test.want)
        }
    }
}
