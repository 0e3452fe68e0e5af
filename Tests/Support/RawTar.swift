// What its name says has no comment.

/// Builds tars byte by byte, so that malformed ones can be made.
public struct RawTar {
    public var bytes: [UInt8] = []

    public init() {}

    /// One header. `size` and `fields` (offset and bytes) stand over what is computed.
    public mutating func header(
        _ name: [UInt8], type: Character = "0", mode: Int = 0o644, uid: Int = 0, gid: Int = 0, size: Int = 0,
        mtime: Int = 1_600_000_000, link: [UInt8] = [], major: Int = 0, minor: Int = 0,
        magic: String = "ustar\u{0}00", fields: [(Int, [UInt8])] = [], badChecksum: Bool = false
    ) {
        var block = [UInt8](repeating: 0, count: 512)
        func put(_ at: Int, _ value: some Sequence<UInt8>) {
            for (i, byte) in value.enumerated() { block[at + i] = byte }
        }
        func octal(_ value: Int, _ width: Int) -> [UInt8] {
            let text = String(value, radix: 8)
            return Array((String(repeating: "0", count: max(width - text.count, 0)) + text).utf8)
        }
        put(0, name.prefix(100))
        put(100, octal(mode, 7))
        put(108, octal(uid, 7))
        put(116, octal(gid, 7))
        put(124, octal(size, 11))
        put(136, octal(mtime, 11))
        put(156, [type == "\0" ? 0 : type.asciiValue ?? 0])
        put(157, link.prefix(100))
        put(257, magic.utf8)
        put(329, octal(major, 7))
        put(337, octal(minor, 7))
        for (at, value) in fields { put(at, value) }
        put(148, [UInt8](repeating: 0x20, count: 8))
        let sum = block.reduce(0) { $0 + Int($1) } + (badChecksum ? 1 : 0)
        put(148, octal(sum, 6) + [0, 0x20])
        bytes += block
    }

    public mutating func data(_ content: [UInt8]) {
        bytes += content
        bytes += [UInt8](repeating: 0, count: (512 - content.count % 512) % 512)
    }

    public mutating func file(
        _ name: String, _ content: String = "", mode: Int = 0o644, uid: Int = 0, gid: Int = 0,
        mtime: Int = 1_600_000_000
    ) {
        header(
            Array(name.utf8), mode: mode, uid: uid, gid: gid, size: content.utf8.count, mtime: mtime)
        data(Array(content.utf8))
    }

    public mutating func directory(_ name: String, mode: Int = 0o755) {
        header(Array(name.utf8), type: "5", mode: mode)
    }
    public mutating func symlink(_ name: String, to target: String) {
        header(Array(name.utf8), type: "2", link: Array(target.utf8))
    }
    public mutating func hardLink(_ name: String, to target: String) {
        header(Array(name.utf8), type: "1", link: Array(target.utf8))
    }
    public mutating func device(_ name: String, _ major: Int, _ minor: Int) {
        header(Array(name.utf8), type: "3", major: major, minor: minor)
    }

    public static func record(_ key: String, _ value: [UInt8]) -> [UInt8] {
        let rest = key.utf8.count + value.count + 3
        var length = rest + 1
        while length != rest + String(length).utf8.count { length += 1 }
        return Array("\(length) \(key)=".utf8) + value + [0x0a]
    }

    public mutating func pax(_ records: [(String, [UInt8])], type: Character = "x") {
        let body = records.flatMap { Self.record($0.0, $0.1) }
        header(Array("PaxHeader".utf8), type: type, size: body.count)
        data(body)
    }
    public mutating func pax(_ key: String, _ value: String) { pax([(key, Array(value.utf8))]) }

    public mutating func longName(_ name: [UInt8], type: Character = "L") {
        header(Array("././@LongLink".utf8), type: type, size: name.count + 1, magic: "ustar  \u{0}")
        data(name + [0])
    }

    /// With the end blocks.
    public var closed: [UInt8] { bytes + [UInt8](repeating: 0, count: 1024) }

    public static func make(_ build: (inout RawTar) -> Void) -> [UInt8] {
        var tar = RawTar()
        build(&tar)
        return tar.closed
    }
}
