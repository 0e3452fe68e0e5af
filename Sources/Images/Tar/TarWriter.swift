import Linux
import OCI

/// Takes bytes into a file through one buffer, with their digest, and compresses them when that is wished.
struct ByteSink: ~Copyable {
    private static let size = 256 << 10
    private let target: FD
    private var compressor: Compressor?
    private let buffer = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
    private var count = 0
    private var hash = SHA256()
    private(set) var total: UInt64 = 0

    init(_ target: consuming FD, _ compressor: consuming Compressor? = nil) {
        self.target = target
        self.compressor = compressor
    }
    deinit { buffer.deallocate() }

    mutating func write(_ bytes: UnsafeRawBufferPointer) throws(ImageError) {
        var rest = bytes
        while !rest.isEmpty {
            if count == Self.size { try flush() }
            let now = UnsafeRawBufferPointer(rebasing: rest.prefix(Self.size - count))
            UnsafeMutableRawBufferPointer(start: buffer + count, count: now.count).copyMemory(from: now)
            count += now.count
            rest = UnsafeRawBufferPointer(rebasing: rest[now.count...])
        }
    }

    mutating func write(_ bytes: [UInt8]) throws(ImageError) {
        var failure: ImageError?
        bytes.withUnsafeBytes { do throws(ImageError) { try write($0) } catch { failure = error } }
        if let failure { throw failure }
    }

    mutating func writeZeros(_ number: Int) throws(ImageError) {
        try write([UInt8](repeating: 0, count: number))
    }

    /// Reads up to `limit` bytes of a file straight into the buffer; 0 at its end.
    mutating func read(from file: borrowing FD, limit: UInt64) throws(ImageError) -> Int {
        if count == Self.size { try flush() }
        let room = UnsafeMutableRawBufferPointer(
            start: buffer + count, count: Int(min(limit, UInt64(Self.size - count))))
        do {
            let got = try file.read(into: room)
            count += got
            return got
        } catch { throw ImageError(error) }
    }

    private mutating func flush(isLast: Bool = false) throws(ImageError) {
        let bytes = UnsafeRawBufferPointer(start: buffer, count: count)
        hash.update(bytes)
        total += UInt64(count)
        let isPacked: Void? = try compressor?.feed(bytes, isLast: isLast) { part throws(SysError) in
            try target.writeAll(part)
        }
        if isPacked == nil { try kernel { () throws(SysError) in try target.writeAll(bytes) } }
        count = 0
    }

    /// What comes last is in the file too. Nothing may follow.
    mutating func finish() throws(ImageError) { try flush(isLast: true) }

    /// Of everything written, before compression; the last call.
    mutating func digest() throws(ImageError) -> Digest {
        try finish()
        return Digest(sha256: hash.hex())
    }
}

/// Writes a tar that depends on nothing but what it is given: ustar headers, pax records only where ustar has
/// no room, no names of users, whole seconds.
struct TarWriter: ~Copyable {
    var sink: ByteSink
    /// What ustar's eleven octal digits hold.
    private static let largest: UInt64 = (1 << 33) - 1

    init(_ sink: consuming ByteSink) { self.sink = sink }

    /// Writes the header of one entry. The caller writes `entry.size` bytes of a file's content, then `pad`.
    mutating func add(
        _ path: [UInt8], _ entry: TarEntry, link: [UInt8] = [],
        attributes: [(name: String, value: [UInt8])] = []
    ) throws(ImageError) {
        var records: [UInt8] = []
        let parts = Self.split(path)
        if parts == nil { Self.add("path", path, to: &records) }
        if link.count > 100 { Self.add("linkpath", link, to: &records) }
        if entry.size > Self.largest { Self.add("size", Array(String(entry.size).utf8), to: &records) }
        if entry.uid > 0o7777777 { Self.add("uid", Array(String(entry.uid).utf8), to: &records) }
        if entry.gid > 0o7777777 { Self.add("gid", Array(String(entry.gid).utf8), to: &records) }
        if let time = Self.time(entry) { Self.add("mtime", Array(time.utf8), to: &records) }
        for attribute in attributes {
            Self.add("SCHILY.xattr." + attribute.name, attribute.value, to: &records)
        }
        if !records.isEmpty {
            var header = TarEntry()
            header.size = UInt64(records.count)
            header.mode = 0o644
            try sink.write(Self.header([], Array("PaxHeader".utf8), header, type: "x", link: []))
            try sink.write(records)
            try pad(UInt64(records.count))
        }
        try sink.write(
            Self.header(
                parts?.prefix ?? [], parts?.name ?? Array(path.prefix(100)), entry,
                type: Self.type(entry.kind),
                link: Array(link.prefix(100))))
    }

    /// Fills content of `size` bytes up to a block.
    mutating func pad(_ size: UInt64) throws(ImageError) {
        try sink.writeZeros(Int((512 - size % 512) % 512))
    }

    /// A whole small file.
    mutating func add(_ path: String, file bytes: [UInt8], mode: UInt32 = 0o644) throws(ImageError) {
        var entry = TarEntry()
        (entry.mode, entry.size) = (mode, UInt64(bytes.count))
        try add(Array(path.utf8), entry)
        try sink.write(bytes)
        try pad(entry.size)
    }

    /// The content of `file`: exactly `size` bytes, or an error when it has become shorter.
    mutating func addContent(of file: borrowing FD, size: UInt64) throws(ImageError) {
        var left = size
        while left > 0 {
            let got = try sink.read(from: file, limit: left)
            guard got > 0 else { throw .invalid("file became shorter while it was read") }
            left -= UInt64(got)
        }
        try pad(size)
    }

    /// The two zero blocks of the end.
    mutating func finish() throws(ImageError) {
        try sink.writeZeros(1024)
        try sink.finish()
    }

    /// A time that ustar has no room for, as a decimal number.
    private static func time(_ entry: TarEntry) -> String? {
        if entry.nanoseconds > 0 {
            let isBefore = entry.seconds < 0
            let digits = String(isBefore ? 1_000_000_000 - entry.nanoseconds : entry.nanoseconds)
            return "\(isBefore ? "-" : "")\(isBefore ? -(entry.seconds + 1) : entry.seconds)."
                + String(repeating: "0", count: 9 - digits.utf8.count) + digits
        }
        return entry.seconds < 0 || entry.seconds > Int64(largest) ? String(entry.seconds) : nil
    }

    private static func type(_ kind: TarKind) -> StaticString {
        switch kind {
        case .file: "0"
        case .hardLink: "1"
        case .symlink: "2"
        case .character: "3"
        case .block: "4"
        case .directory: "5"
        case .fifo: "6"
        }
    }

    /// `LENGTH KEY=VALUE\n`, where LENGTH counts its own digits.
    private static func add(_ key: String, _ value: [UInt8], to records: inout [UInt8]) {
        let rest = key.utf8.count + value.count + 3
        var length = rest + String(rest).utf8.count
        if String(length).utf8.count != String(rest).utf8.count { length = rest + String(length).utf8.count }
        records += Array("\(length) \(key)=".utf8) + value + [0x0a]
    }

    /// Name and prefix as ustar wants them; nil when they do not fit.
    private static func split(_ path: [UInt8]) -> (prefix: [UInt8], name: [UInt8])? {
        if path.count <= 100 { return ([], path) }
        let slash = path.dropLast().lastIndex { $0 == UInt8(ascii: "/") } ?? 0
        for at in stride(from: min(155, slash), to: 0, by: -1) where path[at] == UInt8(ascii: "/") {
            if path.count - at - 1 <= 100 { return (Array(path[..<at]), Array(path[(at + 1)...])) }
            break
        }
        return nil
    }

    private static func header(
        _ prefix: [UInt8], _ name: [UInt8], _ entry: TarEntry, type: StaticString, link: [UInt8]
    ) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: 512)
        func put(_ bytes: some Sequence<UInt8>, _ at: Int) {
            for (i, byte) in bytes.enumerated() { block[at + i] = byte }
        }
        func octal(_ value: UInt64, _ at: Int, _ digits: Int) {
            let text = String(value, radix: 8)
            // Too large for the field: a pax record has it, and old readers see zero.
            let fitting = text.utf8.count <= digits ? text : "0"
            put((String(repeating: "0", count: digits - fitting.utf8.count) + fitting).utf8, at)
        }
        put(name, 0)
        octal(UInt64(entry.mode), 100, 7)
        octal(UInt64(entry.uid), 108, 7)
        octal(UInt64(entry.gid), 116, 7)
        octal(entry.size, 124, 11)
        octal(UInt64(max(entry.seconds, 0)), 136, 11)
        put("        ".utf8, 148)
        put(UnsafeBufferPointer(start: type.utf8Start, count: 1), 156)
        put(link, 157)
        put("ustar\u{0}00".utf8, 257)
        if case .character(let major, let minor) = entry.kind { device(major, minor) }
        if case .block(let major, let minor) = entry.kind { device(major, minor) }
        func device(_ major: UInt32, _ minor: UInt32) {
            octal(UInt64(major), 329, 7)
            octal(UInt64(minor), 337, 7)
        }
        put(prefix, 345)
        let sum = block.reduce(UInt64(0)) { $0 + UInt64($1) }
        octal(sum, 148, 6)
        put([0, 0x20], 154)
        return block
    }
}
