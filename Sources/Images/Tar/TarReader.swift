/// Reads a tar in one pass: ustar, pax, GNU and v7 headers, hard links, devices, sparse files and extended
/// attributes. Names are bytes in reused buffers; nothing is allocated for an entry.
struct TarReader: ~Copyable {
    var stream: ByteStream
    /// The entry that `next` stopped at.
    private(set) var entry = TarEntry()
    /// Its name as it stands in the archive, and a link's target.
    private(set) var path = PathBuffer()
    private(set) var link = PathBuffer()
    /// Of all entries so far.
    private(set) var newest: Int64 = 0
    private(set) var entries = 0

    private(set) var records = PaxRecords()
    private var global = PaxRecords()
    /// The content of an extension header; made when there is one.
    private var body = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    /// Bytes of content and of padding that are still in the stream.
    private var left: UInt64 = 0, padding: UInt64 = 0
    private var extent = 0, extentUsed: UInt64 = 0
    private var ended = false

    init(_ stream: consuming ByteStream) { self.stream = stream }
    deinit { body.deallocate() }

    /// Goes to the next entry, past what is left of the content of the last; false at the end.
    mutating func next() throws(ImageError) -> Bool {
        if ended { return false }
        guard try stream.skip(left + padding) else { throw Self.truncated }
        (left, padding) = (0, 0)
        records.reset(to: global)
        for _ in 0..<TarLimit.headers {
            let header = try stream.peek(TarFields.block)
            if header.isEmpty, !records.hasPath { return finish() }  // archives without end blocks exist
            guard header.count == TarFields.block else { throw Self.truncated }
            if TarFields.isZero(header) { return try readEnd() }
            guard TarFields.hasValidChecksum(header) else {
                throw .invalid("bad checksum of header \(entries + 1) (not a tar, or damaged)")
            }
            if try readHeader(header) { return true }
        }
        throw .invalid("more than \(TarLimit.headers) extension headers before one entry")
    }

    /// The next piece of the entry's content; nil after the last. Holes are not given.
    mutating func nextChunk() throws(ImageError) -> TarChunk? {
        guard left > 0 else { return nil }
        guard records.sparse.isSparse else {
            let bytes = try stream.take(left)
            if bytes.isEmpty { throw Self.truncated }
            defer { left -= UInt64(bytes.count) }
            return TarChunk(offset: entry.size - left, bytes: bytes)
        }
        let extents = records.sparse.extents
        while extentUsed == extents[extent].count {  // the map was checked: its sum is `left` at the start
            (extent, extentUsed) = (extent + 1, 0)
        }
        let bytes = try stream.take(extents[extent].count - extentUsed)
        if bytes.isEmpty { throw Self.truncated }
        defer {
            extentUsed += UInt64(bytes.count)
            left -= UInt64(bytes.count)
        }
        return TarChunk(offset: extents[extent].offset + extentUsed, bytes: bytes)
    }

    private static var truncated: ImageError { .invalid("archive ends early (truncated?)") }

    private mutating func finish() -> Bool {
        ended = true
        return false
    }

    /// Two zero blocks end an archive; what follows is padding, or garbage that only the digest covers.
    private mutating func readEnd() throws(ImageError) -> Bool {
        stream.consume(TarFields.block)
        let second = try stream.peek(TarFields.block)
        guard second.isEmpty || TarFields.isZero(second) else {
            throw .invalid("lone zero block within the archive")
        }
        return finish()
    }

    /// Takes one header in; true when it is an entry, false when it says something about the next one.
    private mutating func readHeader(_ header: UnsafeRawBufferPointer) throws(ImageError) -> Bool {
        let type = header[156]
        switch type {
        case UInt8(ascii: "x"), UInt8(ascii: "X"): try readPax(header)
        case UInt8(ascii: "g"): try readGlobalPax(header)
        case UInt8(ascii: "L"), UInt8(ascii: "K"): try readLongName(header, isLink: type == UInt8(ascii: "K"))
        case UInt8(ascii: "V"):  // a volume label; what was said of it holds for nothing else
            stream.consume(TarFields.block)
            records.reset(to: global)
        default:
            try readEntry(header, type)
            return true
        }
        return false
    }

    /// The content of an extension header, in `body`. `header` is no longer valid afterwards.
    private mutating func readBody(
        _ header: UnsafeRawBufferPointer
    ) throws(ImageError) -> UnsafeRawBufferPointer {
        let size = try TarFields.size(TarFields.slice(header, 124, 12), "size")
        guard size <= UInt64(TarLimit.header) else {
            throw .invalid("extension header of \(size) bytes: more than \(TarLimit.header)")
        }
        stream.consume(TarFields.block)
        if body.isEmpty { body = .allocate(byteCount: TarLimit.header, alignment: 16) }
        var count = 0
        while count < Int(size) {
            let bytes = try stream.take(size - UInt64(count))
            if bytes.isEmpty { throw Self.truncated }
            UnsafeMutableRawBufferPointer(rebasing: body[count...]).copyMemory(from: bytes)
            count += bytes.count
        }
        guard try stream.skip(Self.paddingAfter(size)) else { throw Self.truncated }
        return UnsafeRawBufferPointer(rebasing: body[..<count])
    }

    private static func paddingAfter(_ size: UInt64) -> UInt64 { (512 - size % 512) % 512 }

    private mutating func readPax(_ header: UnsafeRawBufferPointer) throws(ImageError) {
        var parser = PaxParser(try readBody(header))
        if records.isFromPax { records.reset(to: global) }
        records.isFromPax = true
        while try parser.next() { try records.apply(parser.key, parser.value, path: &path, link: &link) }
    }

    private mutating func readGlobalPax(_ header: UnsafeRawBufferPointer) throws(ImageError) {
        var parser = PaxParser(try readBody(header))
        while try parser.next() { try global.applyOwnerOrTime(parser.key, parser.value) }
        records.reset(to: global)
    }

    private mutating func readLongName(_ header: UnsafeRawBufferPointer, isLink: Bool) throws(ImageError) {
        let text = TarFields.text(try readBody(header))
        if isLink {
            link.clear()
            try link.append(text)
            records.hasLink = true
        } else {
            path.clear()
            try path.append(text)
            records.hasPath = true
        }
    }

    private mutating func readEntry(_ header: UnsafeRawBufferPointer, _ type: UInt8) throws(ImageError) {
        entries += 1
        guard entries <= TarLimit.entries else { throw .invalid("more than \(TarLimit.entries) entries") }
        try readNames(header)
        entry.kind = try kind(header, type)
        entry.mode =
            UInt32(truncatingIfNeeded: try TarFields.signed(TarFields.slice(header, 100, 8), "mode")) & 0o7777
        entry.uid = try id(records.uid, header, 108, "uid")
        entry.gid = try id(records.gid, header, 116, "gid")
        var time = records.time
        if time == nil { time = (try TarFields.signed(TarFields.slice(header, 136, 12), "mtime"), 0) }
        // Times before 1901 or after 2486 fit no file system that we know; the kernel clamps further.
        (entry.seconds, entry.nanoseconds) = (min(max(time?.0 ?? 0, -(1 << 31)), 1 << 34), time?.1 ?? 0)
        newest = max(newest, entry.seconds)
        var stored = records.size
        if stored == nil { stored = try TarFields.size(TarFields.slice(header, 124, 12), "size") }
        try startContent(header, type, stored: stored ?? 0)
    }

    private func id(
        _ recorded: UInt32?, _ header: UnsafeRawBufferPointer, _ at: Int, _ what: String
    ) throws(ImageError) -> UInt32 {
        if let recorded { return recorded }
        return try TarFields.id(try TarFields.signed(TarFields.slice(header, at, 8), what), what)
    }

    private mutating func kind(_ header: UnsafeRawBufferPointer, _ type: UInt8) throws(ImageError) -> TarKind
    {
        switch type {
        case 0, UInt8(ascii: "0"), UInt8(ascii: "7"):
            // Version 7 had no type for directories but the slash.
            return path.bytes.last == UInt8(ascii: "/") ? .directory : .file
        case UInt8(ascii: "S"): return .file
        case UInt8(ascii: "1"): return .hardLink
        case UInt8(ascii: "2"): return .symlink
        case UInt8(ascii: "3"):
            let (major, minor) = try deviceNumbers(header)
            return .character(major: major, minor: minor)
        case UInt8(ascii: "4"):
            let (major, minor) = try deviceNumbers(header)
            return .block(major: major, minor: minor)
        case UInt8(ascii: "5"): return .directory
        case UInt8(ascii: "6"): return .fifo
        default: throw .invalid("entry \(quoted(path.bytes)) has the unknown type \(quoted([type]))")
        }
    }

    private func deviceNumbers(_ header: UnsafeRawBufferPointer) throws(ImageError) -> (UInt32, UInt32) {
        (
            try TarFields.deviceNumber(TarFields.slice(header, 329, 8), max: 0xfff),
            try TarFields.deviceNumber(TarFields.slice(header, 337, 8), max: 0xfffff)
        )
    }

    private mutating func readNames(_ header: UnsafeRawBufferPointer) throws(ImageError) {
        if !records.hasLink {
            link.clear()
            try link.append(TarFields.text(TarFields.slice(header, 157, 100)))
        }
        if records.hasPath { return }
        path.clear()
        // Only POSIX ustar has a prefix; GNU keeps other things there, and star cuts it at 131.
        if header[257...262].elementsEqual("ustar\0".utf8) {
            let isStar = header[508...511].elementsEqual("tar\0".utf8)
            let prefix = TarFields.text(TarFields.slice(header, 345, isStar ? 131 : 155))
            try path.append(prefix)
            if !prefix.isEmpty { try path.append(UInt8(ascii: "/")) }
        }
        try path.append(TarFields.text(TarFields.slice(header, 0, 100)))
    }

    /// Consumes the header, and sets what of the stream is content.
    private mutating func startContent(
        _ header: UnsafeRawBufferPointer, _ type: UInt8, stored: UInt64
    ) throws(ImageError) {
        (extent, extentUsed, left) = (0, 0, 0)
        padding = Self.paddingAfter(stored)
        guard entry.kind == .file else {
            stream.consume(TarFields.block)
            // Some writers give links the size of their target, without content. Directories have none
            // either.
            let hasContent = entry.kind == .directory && type != UInt8(ascii: "5") && stored > 0
            if hasContent { throw .invalid("file \(quoted(path.bytes)) has a name that ends in a slash") }
            (entry.size, padding) = (0, 0)
            return
        }
        left = stored
        if type == UInt8(ascii: "S") { return try startOldSparse(header, stored) }
        stream.consume(TarFields.block)
        entry.size = stored
        guard records.sparse.isSparse else { return }
        if records.sparse.mapIsInData { left -= try records.sparse.readMap(from: &stream, stored: stored) }
        try records.sparse.check(stored: left)
        entry.size = records.sparse.realSize ?? stored
    }

    private mutating func startOldSparse(
        _ header: UnsafeRawBufferPointer, _ stored: UInt64
    ) throws(ImageError) {
        records.sparse.reset()
        records.sparse.setRealSize(try TarFields.size(TarFields.slice(header, 483, 12), "size"))
        try records.sparse.addOld(TarFields.slice(header, 386, 96))
        var more = header[482] != 0
        stream.consume(TarFields.block)
        while more {
            let block = try stream.peek(TarFields.block)
            guard block.count == TarFields.block else { throw Self.truncated }
            try records.sparse.addOld(TarFields.slice(block, 0, 504))
            more = block[504] != 0
            stream.consume(TarFields.block)
        }
        try records.sparse.check(stored: stored)
        entry.size = records.sparse.realSize ?? stored
    }
}
