import OCI

/// What the extension headers before an entry said: pax records (POSIX.1-2001), GNU and star ones.
/// Paths go straight into the reader's buffers; this holds the rest.
struct PaxRecords {
    /// The parts of an attribute inside `bytes`.
    struct Attribute {
        let name: Range<Int>
        let value: Range<Int>
    }

    /// A pax header was read; another one before the same entry takes its place.
    var isFromPax = false
    var hasPath = false
    var hasLink = false
    var size: UInt64?
    var uid: UInt32?
    var gid: UInt32?
    var time: (Int64, UInt32)?
    private(set) var attributes: [Attribute] = []
    /// Names (with a NUL behind) and values of the attributes.
    private(set) var bytes: [UInt8] = []
    var sparse = SparseRecords()

    mutating func reset(to global: PaxRecords) {
        (isFromPax, hasPath, hasLink, size) = (false, false, false, nil)
        (uid, gid, time) = (global.uid, global.gid, global.time)
        attributes.removeAll(keepingCapacity: true)
        bytes.removeAll(keepingCapacity: true)
        sparse.reset()
    }

    mutating func addAttribute(_ name: UnsafeRawBufferPointer, _ value: some Collection<UInt8>)
        throws(ImageError)
    {
        guard bytes.count + name.count + value.count < TarLimit.attributes else {
            throw .invalid("extended attributes of more than \(TarLimit.attributes) bytes (E2BIG)")
        }
        guard !name.isEmpty, name.count <= 255, !name.contains(0) else {
            throw .invalid("bad name of an extended attribute")
        }
        let start = bytes.count
        bytes.append(contentsOf: name)
        bytes.append(0)
        bytes.append(contentsOf: value)
        attributes.append(
            Attribute(name: start..<(start + name.count), value: (start + name.count + 1)..<bytes.count))
    }

    /// One `key=value`. An empty value takes back what an earlier header said.
    mutating func apply(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, path: inout PathBuffer,
        link: inout PathBuffer
    ) throws(ImageError) {
        if key.starts(with: "SCHILY.xattr.".utf8) {
            return try addAttribute(UnsafeRawBufferPointer(rebasing: key[13...]), value)
        }
        if key.starts(with: "LIBARCHIVE.xattr.".utf8) { return try addEncodedAttribute(key, value) }
        if key.starts(with: "GNU.sparse.".utf8) {
            if key.elementsEqual("GNU.sparse.name".utf8) {
                sparse.hasName = true
                return try setPath(value, &path)
            }
            return try sparse.apply(UnsafeRawBufferPointer(rebasing: key[11...]), value)
        }
        if key.elementsEqual("path".utf8) { return sparse.hasName ? () : try setPath(value, &path) }
        if key.elementsEqual("linkpath".utf8) {
            link.clear()
            try link.append(value)
            hasLink = !value.isEmpty
        } else if key.elementsEqual("size".utf8) {
            size = value.isEmpty ? nil : try TarFields.decimal(value, "size")
        } else {
            try applyOwnerOrTime(key, value)
        }
    }

    /// The records that a global header may set for all that follow; a path or a size for all would be
    /// nonsense.
    mutating func applyOwnerOrTime(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) throws(ImageError) {
        if key.elementsEqual("uid".utf8) {
            uid = value.isEmpty ? nil : try TarFields.id(Int64(try TarFields.decimal(value, "uid")), "uid")
        } else if key.elementsEqual("gid".utf8) {
            gid = value.isEmpty ? nil : try TarFields.id(Int64(try TarFields.decimal(value, "gid")), "gid")
        } else if key.elementsEqual("mtime".utf8) {
            time = value.isEmpty ? nil : try TarFields.time(value)
        }
    }

    private mutating func setPath(_ value: UnsafeRawBufferPointer, _ path: inout PathBuffer)
        throws(ImageError)
    {
        path.clear()
        try path.append(value)
        hasPath = !value.isEmpty
    }

    /// libarchive's form: the name URL-encoded, the value in base64.
    private mutating func addEncodedAttribute(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) throws(ImageError) {
        guard let name = percentDecoded(key[17...]), let value = Base64.decode(value) else {
            throw .invalid("bad encoding of an extended attribute")
        }
        var failure: ImageError?
        name.withUnsafeBytes { name in
            do throws(ImageError) { try addAttribute(name, value) } catch { failure = error }
        }
        if let failure { throw failure }
    }
}

/// Splits a header's content into its `LENGTH KEY=VALUE\n` records.
struct PaxParser {
    private let body: UnsafeRawBufferPointer
    private var at = 0
    private(set) var key: UnsafeRawBufferPointer
    private(set) var value: UnsafeRawBufferPointer

    init(_ body: UnsafeRawBufferPointer) { (self.body, key, value) = (body, body, body) }

    /// Goes to the next record; false after the last.
    mutating func next() throws(ImageError) -> Bool {
        guard at < body.count else { return false }
        let rest = body[at...]
        guard let blank = rest.prefix(8).firstIndex(of: 0x20) else { throw .invalid("bad pax record length") }
        let length = try TarFields.decimal(body[at..<blank], "pax record length")
        guard length > UInt64(blank - at) + 2, length <= UInt64(rest.count) else {
            throw .invalid("bad pax record length")
        }
        let end = at + Int(length)
        let record = body[(blank + 1)..<(end - 1)]
        guard body[end - 1] == 0x0a, let equals = record.firstIndex(of: UInt8(ascii: "=")),
            equals > record.startIndex
        else { throw .invalid("bad pax record") }
        key = UnsafeRawBufferPointer(rebasing: body[(blank + 1)..<equals])
        value = UnsafeRawBufferPointer(rebasing: body[(equals + 1)..<(end - 1)])
        guard !key.contains(0) else { throw .invalid("pax key holds a NUL") }
        at = end
        return true
    }
}

private func percentDecoded(_ text: some Collection<UInt8>) -> [UInt8]? {
    var out: [UInt8] = []
    var rest = text.makeIterator()
    while let byte = rest.next() {
        guard byte == UInt8(ascii: "%") else {
            out.append(byte)
            continue
        }
        guard let high = rest.next(), let low = rest.next(),
            let value = UInt8(String(decoding: [high, low], as: UTF8.self), radix: 16)
        else { return nil }
        out.append(value)
    }
    return out
}
