/// Changes archives so that they stay archives, most of the time: headers keep a checksum that fits, extension headers
/// the size of their records. The same archive and seed give the same one.
struct TarMutator {
    private struct Item {
        var header: [UInt8]
        /// Filled up to a block.
        var body: [UInt8]
    }
    private var items: [Item] = []
    private var tail: [UInt8] = []
    private var random: FuzzRandom

    /// Nil for bytes that are no plain tar.
    static func mutate(_ bytes: [UInt8], seed: UInt64) -> [UInt8]? {
        guard var mutator = TarMutator(bytes, seed) else { return nil }
        for _ in 0...mutator.random.below(4) { mutator.change() }
        return mutator.bytes
    }

    private init?(_ bytes: [UInt8], _ seed: UInt64) {
        random = FuzzRandom(seed)
        var rest = bytes[...]
        while rest.count >= 512, rest.prefix(512).contains(where: { $0 != 0 }), items.count < 64 {
            let header = Array(rest.prefix(512))
            rest = rest.dropFirst(512)
            let hasBody = [0, 0x30, 0x37, 0x53, 0x78, 0x67, 0x4c, 0x4b].contains(header[156])
            let digits = header[124..<136].prefix { (0x30...0x37).contains($0) }.suffix(6)
            let size = hasBody ? digits.reduce(0) { $0 << 3 | Int($1 - 0x30) } : 0
            let body = Array(rest.prefix((size + 511) / 512 * 512))
            rest = rest.dropFirst(body.count)
            items.append(Item(header: header, body: body))
        }
        tail = Array(rest)
        if items.isEmpty { return nil }
    }

    private var bytes: [UInt8] {
        var copy = self
        // Now and then a sum that does not fit.
        let isRight = copy.random.below(32) != 0
        for i in copy.items.indices where isRight { copy.items[i].header = Self.summed(copy.items[i].header) }
        return copy.items.flatMap { $0.header + $0.body } + tail
    }

    private static func summed(_ header: [UInt8]) -> [UInt8] {
        var block = header
        block.replaceSubrange(148..<156, with: [UInt8](repeating: 0x20, count: 8))
        let sum = block.reduce(0) { $0 + Int($1) }
        block.replaceSubrange(148..<155, with: octal(sum, 6) + [0])
        return block
    }

    private static func octal(_ value: Int, _ width: Int) -> [UInt8] {
        let text = String(value, radix: 8)
        return Array((String(repeating: "0", count: max(width - text.count, 0)) + text).utf8.suffix(width))
    }

    private mutating func change() {
        let at = random.below(items.count)
        switch random.below(14) {
        case 0: put(oddNumber(12), 124, in: at)
        case 1:
            let field = [100, 108, 116, 329, 337][random.below(5)]
            put(oddNumber(8), field, in: at)
        case 2: put(oddNumber(12), 136, in: at)
        case 3: items[at].header[156] = Array("0123456SxgLKXVA7\0".utf8)[random.below(17)]
        case 4: put(padded(Self.names[random.below(Self.names.count)], 100), 0, in: at)
        case 5: put(padded(Self.names[random.below(Self.names.count)], 100), 157, in: at)
        case 6: put(padded(Self.names[random.below(Self.names.count)], 155), 345, in: at)
        case 7: put(Self.magics[random.below(Self.magics.count)], 257, in: at)
        case 8, 9: items.insert(newExtension(), at: at)
        case 10: items.insert(items[random.below(items.count)], at: at)
        case 11: if items.count > 1 { items.remove(at: at) }
        case 12: changeBody(of: at)
        default: putSparseMap(in: at)
        }
    }

    private mutating func put(_ field: [UInt8], _ at: Int, in item: Int) {
        items[item].header.replaceSubrange(at..<(at + field.count), with: field)
    }

    private func padded(_ text: [UInt8], _ width: Int) -> [UInt8] {
        text.prefix(width) + [UInt8](repeating: 0, count: max(width - text.count, 0))
    }

    /// Octal, base-256, or nothing that is a number.
    private mutating func oddNumber(_ width: Int) -> [UInt8] {
        switch random.below(8) {
        case 0: return [0x80] + [UInt8](repeating: 0, count: width - 2) + [UInt8(random.below(256))]
        case 1: return [UInt8](repeating: 0xff, count: width)
        case 2: return [0x80] + [UInt8](repeating: 0xff, count: width - 1)
        case 3: return [0x80, 0, 0, 0] + (4..<width).map { _ in UInt8(random.below(256)) }
        case 4:
            return padded(Array(["", " ", "-1", "8", "7777777", " 17 ", "1 2"][random.below(7)].utf8), width)
        default:
            let value = [0, 1, 5, 511, 512, 513, 0o7777, 65_534, 1 << 20, 0o7777777][random.below(10)]
            return padded(Self.octal(value, width - 1), width)
        }
    }

    /// A header that says something of the next one.
    private mutating func newExtension() -> Item {
        let type = ["x", "x", "x", "x", "g", "L", "K"][random.below(7)]
        var body: [UInt8] = []
        if type == "L" || type == "K" {
            body = Self.names[random.below(Self.names.count)] + [0]
        } else {
            for _ in 0...random.below(3) { body += record() }
        }
        var header = [UInt8](repeating: 0, count: 512)
        header.replaceSubrange(0..<1, with: Array("x".utf8))
        header.replaceSubrange(124..<135, with: Self.octal(body.count, 11))
        header[156] = Array(type.utf8)[0]
        header.replaceSubrange(257..<265, with: Self.magics[0])
        return Item(header: header, body: body + [UInt8](repeating: 0, count: (512 - body.count % 512) % 512))
    }

    private mutating func record() -> [UInt8] {
        let key = Self.keys[random.below(Self.keys.count)]
        let value =
            random.below(2) == 0
            ? Array(Self.values[random.below(Self.values.count)].utf8)
            : Self.names[random.below(Self.names.count)]
        let rest = key.utf8.count + value.count + 3
        var length = rest + 1
        while length != rest + String(length).utf8.count { length += 1 }
        // Now and then a length that does not fit.
        if random.below(16) == 0 { length += random.below(5) - 2 }
        return Array("\(length) \(key)=".utf8) + value + [0x0a]
    }

    private mutating func changeBody(of at: Int) {
        guard !items[at].body.isEmpty else {
            tail = random.below(2) == 0 ? [] : [UInt8](repeating: 0, count: random.below(1025)) + tail
            return
        }
        switch random.below(3) {
        case 0: items[at].body.removeLast(min(items[at].body.count, 1 + random.below(600)))
        case 1: items[at].body += items[at].body
        default:
            let place = random.below(min(items[at].body.count, 128))
            items[at].body[place] = Array("0189=\n, /\0".utf8)[random.below(10)]
        }
    }

    /// GNU's map of a sparse file, in a header of type S.
    private mutating func putSparseMap(in at: Int) {
        items[at].header[156] = UInt8(ascii: "S")
        var map: [UInt8] = []
        for _ in 0..<4 { map += oddNumber(12) + oddNumber(12) }
        put(map, 386, in: at)
        put([UInt8(random.below(2))] + oddNumber(12), 482, in: at)
    }

    private static let magics: [[UInt8]] = [
        Array("ustar\u{0}00".utf8), Array("ustar  \u{0}".utf8), [UInt8](repeating: 0, count: 8),
        Array("ustar\u{0}  ".utf8),
    ]
    /// Of entries and of what links lead to; a climb out would end beside the root, in the canary.
    private static let names: [[UInt8]] =
        [
            "", ".", "./", "/", "..", "a", "b", "d", "d/", "d/a", "d/e/f", "l", "l/", "l/x", "l/y/z", "f",
            "h", "./a",
            "a//b", "../canary", "../canary/victim", "../../canary/victim", "d/../a", "/../canary/victim",
            "/d/a",
            "/tmp/apus-fuzz-escape/x", "/proc/self/cwd/x", ".wh.a", ".wh.d", ".wh.l", "d/.wh.a", "l/.wh.a",
            ".wh.",
            ".wh..", ".wh...", ".wh..wh..opq", "d/.wh..wh..opq", "l/.wh..wh..opq", ".wh..wh.plnk",
            ".wh..wh.plnk/a",
            ".wh.a/b", "d/.wh..wh..opq/x", "a\u{1b}[0m", "e\u{301}",
        ].map { Array($0.utf8) }
        + [99, 100, 101, 155, 255, 256, 300].map { [UInt8](repeating: UInt8(ascii: "n"), count: $0) }
        + [[0xff, 0xfe], [0x61, 0, 0x62], Array(String(repeating: "p/", count: 120).utf8)]
        + [Array(String(repeating: "d/", count: 2048).utf8)]
    private static let keys = [
        "path", "linkpath", "size", "uid", "gid", "mtime", "atime", "comment", "hdrcharset", "",
        "SCHILY.xattr.user.a", "SCHILY.xattr.user.b", "SCHILY.xattr.trusted.overlay.opaque",
        "SCHILY.xattr.user.overlay.opaque", "SCHILY.xattr.security.capability", "SCHILY.xattr.",
        "SCHILY.xattr.security.ima",
        "SCHILY.xattr.system.posix_acl_access", "LIBARCHIVE.xattr.user.c", "LIBARCHIVE.xattr.user.%64%",
        "SCHILY.filetype",
        "GNU.sparse.major", "GNU.sparse.minor", "GNU.sparse.name", "GNU.sparse.realsize", "GNU.sparse.size",
        "GNU.sparse.map", "GNU.sparse.offset", "GNU.sparse.numbytes", "GNU.sparse.numblocks",
    ]
    private static let values = [
        "", "0", "1", "5", "7", "512", "1024", "4096", "1.5", "-1", "-1.000000001", "-9223372036854775808",
        "1e9",
        "4294967294", "4294967295", "4294967296", "9223372036854775807", "18446744073709551616", "0,512",
        "0,0,512,0",
        "512,512", "1024,512,0,1", "0,1,2", "aGk=", "y", "1\n1024\n512\n", "1.9999999999", "1.",
        "\u{1}\u{0}\u{0}\u{2}\u{0}\u{4}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}",
    ]
}
