import Support

/// What only several layers, a packing, a document or a start can do, by its number in the corpus of 86 attack images.
/// `/srv` is the image's own in a container, on the host it is the canary.
extension HostileImage {
    private static func image(
        _ name: String, _ want: [String], _ builds: ((inout RawTar) -> Void)...
    ) -> HostileImage {
        HostileImage(name, .placed(want), builds.map { RawTar.make($0) })
    }

    /// With an attribute of this name on a directory that is in the layer below too.
    private static func attribute(_ number: String, _ name: String, _ value: String) -> HostileImage {
        image("\(number) attribute \(name)", ["d directory 755", "d/below file 644 1", "d/above file 644 2"])
        {
            $0.directory("d")
            $0.file("d/below", "1")
        } _: {
            $0.pax("SCHILY.xattr.\(name)", value)
            $0.directory("d")
            $0.file("d/above", "2")
        }
    }

    static let stacked: [HostileImage] = [
        // A directory of its own hides the link below, as overlayfs has it.
        image(
            "11 write through a symlink of a lower layer",
            ["evil directory 755", "evil/f file 644 1", "srv absent"]
        ) {
            $0.symlink("evil", to: "/srv")
        } _: {
            $0.file("evil/f", "1")
        },
        image("12 a directory over a lower layer's symlink", ["l directory 777"]) {
            $0.symlink("l", to: "/srv")
        } _: {
            $0.directory("l", mode: 0o777)
        },
        image(
            "13 whiteout through a symlink, the victim below",
            ["srv directory 755", "srv/f absent", "l -> /srv"]
        ) {
            $0.file("srv/f", "victim")
        } _: {
            $0.symlink("l", to: "/srv")
            $0.file("l/.wh.f")
        },
        image("18 opaque at the root", ["lower absent", "y file 644 1", "bin/sh -> /bin/busybox"]) {
            $0.file("lower", "1")
        } _: {
            $0.file(".wh..wh..opq")
            $0.file("y", "1")
            $0.directory("bin")
            $0.symlink("bin/sh", to: "/bin/busybox")
            for name in ["stat", "cat", "readlink", "cp"] { $0.symlink("bin/\(name)", to: "/bin/busybox") }
            $0.header(Array("bin/busybox".utf8), mode: 0o755, size: busybox.count)
            $0.data(busybox)
        },
        image("20 whiteout of a name that is in both layers", ["w file 644 2"]) {
            $0.file("w", "1")
        } _: {
            $0.file("w", "2")
            $0.file(".wh.w")
        },
        image("21 whiteout as a directory, its name below", ["q absent", ".wh.q absent"]) {
            $0.file("q", "1")
        } _: {
            $0.directory(".wh.q")
        },
        attribute("27", "trusted.overlay.opaque", "y"), attribute("28", "trusted.overlay.redirect", "/etc"),
        attribute("29", "trusted.overlay.metacopy", ""), attribute("30", "user.overlay.opaque", "y"),
        attribute("32", "security.selinux", "system_u:object_r:etc_t:s0"),
        attribute("32b", "security.ima", "1"),
        image("35 a file over a lower layer's FIFO", ["p file 644 1"]) {
            $0.header(Array("p".utf8), type: "6")
        } _: {
            $0.file("p", "1")
        },
        image("39 a tree of 1,500 levels", ["d directory 755"]) { t in
            let path = String(repeating: "d/", count: 1500)
            for depth in 1...1500 {
                t.longName(Array(path.utf8.prefix(depth * 2 - 1)))
                t.directory("x")
            }
        },
        image("51 a sparse file of 1 TiB", ["s sparse 1099511627776 8"]) { sparse(1 << 40, &$0) },
        image("51b a sparse file of 2 GiB", ["s sparse 2147483648 8"]) { sparse(2 << 30, &$0) },
        image("73 an access list of POSIX", ["acl file 640 1"]) { t in
            // Version 2: the owner, user 7, the group, the mask, others.
            let entries: [(UInt8, UInt8, UInt32)] = [
                (1, 6, .max), (2, 4, 7), (4, 4, .max), (0x10, 4, .max), (0x20, 0, .max),
            ]
            var value: [UInt8] = [2, 0, 0, 0]
            for (tag, rights, id) in entries {
                value += [tag, 0, rights, 0] + (0..<4).map { UInt8(truncatingIfNeeded: id >> ($0 * 8)) }
            }
            t.pax([("SCHILY.xattr.system.posix_acl_access", value)])
            t.file("acl", "1", mode: 0o640)
        },
        image(
            "85 whiteout, then made anew over a lower one",
            ["r directory 755", "r/a absent", "r/b file 644 2"]
        ) {
            $0.file("r/a", "1")
        } _: {
            $0.file(".wh.r")
            $0.directory("r")
            $0.file("r/b", "2")
        },
        // Content below what is mounted there in every container.
        image("68 content in proc and sys", ["proc/x absent", "sys/x absent"]) {
            $0.file("proc/x", "1")
            $0.file("sys/x", "1")
        },
        image("70 dev/null is a symlink", ["dev/null character 1:3", "srv absent"]) {
            $0.symlink("dev/null", to: "/srv/f")
        },
        image("71 a user database that is a symlink", ["etc/passwd -> /../../../srv/passwd"]) {
            $0.symlink("etc/passwd", to: "/../../../srv/passwd")
            $0.file("srv/passwd", "root:x:0:0::/:/bin/sh\n")
        },
    ]

    /// A file that is a hole up to its last block.
    private static func sparse(_ size: Int, _ tar: inout RawTar) {
        tar.pax([
            ("GNU.sparse.size", Array("\(size)".utf8)), ("GNU.sparse.map", Array("\(size - 512),512".utf8)),
            ("GNU.sparse.name", Array("s".utf8)),
        ])
        tar.header(Array("x".utf8), size: 512)
        tar.data([UInt8](repeating: 0x41, count: 512))
    }

    private static let busybox: [UInt8] = (try? readBytes("/bin/busybox")) ?? []  // no test runs without it

    /// What can be unpacked, but not be started or not as this user.
    static let startless: [HostileImage] = {
        func image(_ name: String, _ reason: String, user: String = "", _ build: (inout RawTar) -> Void)
            -> HostileImage
        {
            var image = HostileImage(name, .notRun(reason), [RawTar.make(build)])
            image.user = user
            return image
        }
        return [
            image("36 a user database that is a FIFO", "not a regular file", user: "app") {
                $0.header(Array("etc/passwd".utf8), type: "6")
            },
            image("68b proc is a symlink", "proc") { $0.symlink("proc", to: "/srv") },
            image("68c sys is a symlink", "sys") { $0.symlink("sys", to: "../../../srv") },
            image("69 dev is a symlink", "dev") { $0.symlink("dev", to: "/srv") },
            image("71b a user who is only in the host's database", "evil", user: "evil") {
                $0.symlink("etc/passwd", to: "/../../../../../../../../srv/passwd")
            },
        ]
    }()

    /// What the last layer's packing and the documents can say.
    static let packed: [HostileImage] = {
        let plain = RawTar.make {
            $0.file("a", "1"); $0.file("b", String(repeating: "2", count: 5000))
        }
        func image(_ name: String, _ outcome: Outcome, _ packing: String?, _ lie: Lie = .none) -> HostileImage
        {
            var image = HostileImage(name, outcome, [plain])
            (image.packing, image.lie) = (packing, lie)
            return image
        }
        var bomb = HostileImage(
            "77 a bomb", .refused,
            [RawTar.make { $0.header(Array("bomb".utf8), size: 256 << 20) }])
        bomb.packing = "{ head -c 512; head -c 268435456 /dev/zero; head -c 1024 /dev/zero; } | gzip -9"
        return [
            image("75 gzip of two members", .placed(["a file 644 1"]), "head -c 700 | gzip; gzip"),
            image("76 garbage after gzip", .refused, "gzip; echo garbage"),
            image("76b gzip that is cut", .refused, "gzip | head -c 60"),
            bomb,
            image("78 another diff_id", .refused, nil, .diffID),
            image("79 another digest", .refused, nil, .digest),
            image("80 another size", .refused, nil, .size),
        ]
    }()
}
