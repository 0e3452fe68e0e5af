// What its name says has no comment.

/// Layers that look harmful and have a meaning, by their numbers in the corpus of 86 attack images. What they aim at is
/// `/srv`: in a container that is the image's own, on the host it is the canary.
extension HostileImage {
    public static let placed: [HostileImage] = [
        HostileImage("01 absolute path", want: ["etc directory 755", "etc/x file 644 1"]) {
            $0.file("/etc/x", "1")
        },
        HostileImage(
            "04 write through an absolute symlink",
            want: [
                "srv directory 755", "srv/f file 644 1", "l -> /srv",
            ]
        ) {
            $0.symlink("l", to: "/srv"); $0.file("l/f", "1")
        },
        HostileImage(
            "05 write through a relative symlink",
            want: [
                "srv directory 755", "srv/f file 644 1", "d directory 755",
                "d/l -> ../../../../../../../../../srv",
            ]
        ) {
            $0.symlink("d/l", to: "../../../../../../../../../srv"); $0.file("d/l/f", "1")
        },
        HostileImage("06 symlink then a file of its name", want: ["a file 644 new", "v file 644 old"]) {
            $0.file("v", "old"); $0.symlink("a", to: "v"); $0.file("a", "new")
        },
        HostileImage("10 hard link to a symlink, then written", want: ["h file 644 1", "s -> /srv"]) {
            $0.symlink("s", to: "/srv"); $0.hardLink("h", to: "s"); $0.file("h", "1")
        },
        HostileImage(
            "13 whiteout through a symlink",
            want: [
                "srv directory 755", "srv/f character 0:0", "l -> /srv",
            ]
        ) {
            $0.symlink("l", to: "/srv"); $0.file("l/.wh.f")
        },
        HostileImage(
            "17 opaque through a symlink", want: ["srv directory 755", "srv opaque=y", "l -> /srv"]
        ) {
            $0.symlink("l", to: "/srv"); $0.file("l/.wh..wh..opq")
        },
        HostileImage("19 aufs's notes", want: ["a file 644 1"]) {
            $0.directory(".wh..wh.plnk"); $0.file(".wh..wh.plnk/1.2", "x"); $0.file(".wh..wh.aufs");
            $0.file("a", "1")
        },
        HostileImage("20 whiteout of the same layer's file", want: ["w file 644 1"]) {
            $0.file("w", "1"); $0.file(".wh.w")
        },
        HostileImage("21 whiteout as a directory", want: ["q character 0:0"]) { $0.directory(".wh.q") },
        HostileImage("22 duplicate", want: ["a file 644 two"]) {
            $0.file("a", "one"); $0.file("a", "two")
        },
        HostileImage("23 type flip", want: ["a file 644 x"]) {
            $0.directory("a"); $0.file("a/b", "1"); $0.symlink("a", to: "/"); $0.file("a", "x")
        },
        HostileImage(
            "24 directory becomes a symlink with children",
            want: [
                "srv directory 755", "srv/g file 644 2", "d -> /srv",
            ]
        ) {
            $0.directory("d"); $0.file("d/f", "1"); $0.symlink("d", to: "/srv"); $0.file("d/g", "2")
        },
        HostileImage(
            "a link keeps its target's mode when it took a directory's name",
            want: ["d -> e", "e directory 711"]
        ) {
            $0.directory("e", mode: 0o711)
            $0.directory("d", mode: 0o777)
            $0.symlink("d", to: "e")
        },
        HostileImage(
            "directories made through a link that is replaced",
            want: [
                "t directory 755", "t/d directory 711", "t/e directory 755", "t/e/f file 644 1",
                "l file 644 x",
            ]
        ) {
            $0.directory("t"); $0.symlink("l", to: "t")
            $0.directory("l/d", mode: 0o711); $0.file("l/e/f", "1"); $0.file("l", "x")
        },
        HostileImage(
            "a directory's mode is not that of another one below a link in its parent's place",
            want: ["c directory 755", "c/b directory 711", "a -> c"]
        ) {
            $0.directory("c"); $0.directory("c/b", mode: 0o711)
            $0.directory("a"); $0.directory("a/b", mode: 0o777); $0.symlink("a", to: "c")
        },
        HostileImage("25 devices", want: ["n character 1:3"]) { $0.device("n", 1, 3) },
        HostileImage("12 directory over a symlink", want: ["srv directory 700", "l directory 777"]) {
            $0.directory("srv", mode: 0o700); $0.symlink("l", to: "/srv");
            $0.directory("l", mode: 0o777)
        },
        HostileImage("33 setuid", want: ["s file 6755 "]) { $0.file("s", mode: 0o6755) },
        HostileImage("34 FIFO then a file", want: ["p file 644 1"]) {
            $0.header(Array("p".utf8), type: "6"); $0.file("p", "1")
        },
        HostileImage("42 terminal escapes in a name", want: ["a\u{1b}[31mb file 644 "]) {
            $0.file("a\u{1b}[31mb")
        },
        HostileImage(
            "48 no end blocks",
            raw: {
                var t = RawTar(); t.file("a", "1"); return t.bytes
            }(), want: ["a file 644 1"]),
        HostileImage(
            "49 garbage after the end", raw: RawTar.make { $0.file("a", "1") } + [1, 2, 3],
            want: ["a file 644 1"]),
        HostileImage("54 extreme times", want: ["a file 644 ", "b file 644 "]) { t in
            t.header(
                Array("a".utf8), fields: [(136, [0x80, 0, 0, 0, 0x7f] + [UInt8](repeating: 0xff, count: 7))])
            t.pax("mtime", "-99999999999.5")
            t.file("b")
        },
        HostileImage("57 global pax path", want: ["a file 644 "]) {
            $0.pax([("path", Array("/evil".utf8))], type: "g"); $0.file("a")
        },
        HostileImage("60 root of mode 0", want: ["a file 644 "]) {
            $0.directory("./", mode: 0); $0.file("./a")
        },
        HostileImage("62 file with a slash", want: ["d directory 644"]) { $0.file("d/") },
        HostileImage("64b hard link to itself, there", want: ["h file 644 1"]) {
            $0.file("h", "1"); $0.hardLink("h", to: "h")
        },
        HostileImage("67 case", want: ["A file 644 ", "a file 644 "]) {
            $0.file("A"); $0.file("a")
        },
        HostileImage("72 directory of mode 0", want: ["d directory 0", "d/x file 644 1"]) {
            $0.directory("d", mode: 0); $0.file("d/x", "1")
        },
        HostileImage("85 whiteout, then made anew", want: ["r directory 755", "r opaque=y", "r/b file 644 "])
        {
            $0.file(".wh.r"); $0.directory("r"); $0.file("r/b")
        },
        HostileImage(
            "85b the same without an entry for it", want: ["r directory 755", "r opaque=y", "r/b file 644 "]
        ) {
            $0.file(".wh.r"); $0.file("r/b")
        },
        HostileImage("85c the whiteout last", want: ["r directory 755", "r opaque=y", "r/b file 644 "]) {
            $0.directory("r"); $0.file("r/b"); $0.file(".wh.r")
        },
        HostileImage(
            "opaque directory drops its whiteouts", want: ["d directory 755", "d opaque=y", "d/k file 644 "]
        ) {
            $0.file("d/.wh.a"); $0.file("d/k"); $0.file("d/.wh..wh..opq"); $0.file("d/.wh.b")
            $0.directory("d")
        },
        HostileImage("volume label", want: ["a file 644 "]) {
            $0.header(Array("label".utf8), type: "V"); $0.file("a")
        },
        HostileImage("version 7", want: ["a file 644 1"]) { t in
            t.header(Array("a".utf8), type: "\0", size: 1, magic: "")
            t.data([0x31])
        },
        HostileImage("link entry with a size and no content", want: ["a file 644 1", "b file 644 1"]) { t in
            t.file("a", "1")
            t.header(Array("b".utf8), type: "1", size: 1, link: Array("a".utf8))
        },
    ]
}
