/// A value of D-Bus (its specification, "Type system"): the kinds that systemd's manager takes.
indirect enum DBusValue: Equatable, Sendable {
    case string(String)
    case objectPath(String)
    case bool(Bool)
    case int32(Int32)
    case uint32(UInt32)
    case uint64(UInt64)
    case bytes([UInt8])
    case uint32s([UInt32])
    case strings([String])
    /// `a(sv)`.
    case properties([DBusProperty])
    /// `a(sa(sv))` without elements: units that go with the first.
    case noUnits

    var signature: String {
        switch self {
        case .string: "s"
        case .objectPath: "o"
        case .bool: "b"
        case .int32: "i"
        case .uint32: "u"
        case .uint64: "t"
        case .bytes: "ay"
        case .uint32s: "au"
        case .strings: "as"
        case .properties: "a(sv)"
        case .noUnits: "a(sa(sv))"
        }
    }
}

/// A name and a value, as `a(sv)` holds them.
struct DBusProperty: Equatable, Sendable {
    let name: String
    let value: DBusValue
    init(_ name: String, _ value: DBusValue) { (self.name, self.value) = (name, value) }
}

/// Writes values little-endian, each aligned to its size from the beginning of the message.
struct DBusWriter {
    private(set) var bytes: [UInt8] = []

    mutating func align(_ size: Int) {
        while bytes.count % size != 0 { bytes.append(0) }
    }

    mutating func number(_ value: some FixedWidthInteger) {
        let size = value.bitWidth / 8
        align(size)
        for i in 0..<size { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * i))) }
    }

    mutating func text(_ text: String) {
        number(UInt32(text.utf8.count))
        bytes += text.utf8
        bytes.append(0)
    }

    mutating func signature(_ text: String) {
        bytes.append(UInt8(truncatingIfNeeded: text.utf8.count))  // ours are short
        bytes += text.utf8
        bytes.append(0)
    }

    /// An array: its length counts from the first element, which is aligned to `alignment`.
    mutating func array(alignment: Int, _ write: (inout DBusWriter) -> Void) {
        number(UInt32(0))
        let lengthAt = bytes.count - 4
        align(alignment)
        let start = bytes.count
        write(&self)
        let length = UInt32(bytes.count - start)
        for i in 0..<4 { bytes[lengthAt + i] = UInt8(truncatingIfNeeded: length >> (8 * i)) }
    }

    mutating func value(_ value: DBusValue) {
        switch value {
        case .string(let text), .objectPath(let text): self.text(text)
        case .bool(let flag): number(UInt32(flag ? 1 : 0))
        case .int32(let number): self.number(number)
        case .uint32(let number): self.number(number)
        case .uint64(let number): self.number(number)
        case .bytes(let bytes): array(alignment: 1) { $0.bytes += bytes }
        case .uint32s(let numbers): array(alignment: 4) { for number in numbers { $0.number(number) } }
        case .strings(let texts): array(alignment: 4) { for text in texts { $0.text(text) } }
        case .properties(let properties):
            array(alignment: 8) { for property in properties { $0.property(property) } }
        case .noUnits: array(alignment: 8) { _ in }
        }
    }

    private mutating func property(_ property: DBusProperty) {
        align(8)
        text(property.name)
        signature(property.value.signature)
        value(property.value)
    }
}

/// A call of a method.
struct DBusCall: Equatable, Sendable {
    var destination: String
    var path: String
    var interface: String
    var member: String
    var arguments: [DBusValue] = []

    func bytes(serial: UInt32) -> [UInt8] {
        var body = DBusWriter()
        for argument in arguments { body.value(argument) }
        var message = DBusWriter()
        for byte: UInt8 in [UInt8(ascii: "l"), 1, 0, 1] { message.number(byte) }
        message.number(UInt32(body.bytes.count))
        message.number(serial)
        message.array(alignment: 8) { fields in
            let signature = arguments.map(\.signature).joined()
            let all: [(UInt8, DBusValue)] = [
                (1, .objectPath(path)), (2, .string(interface)), (3, .string(member)),
                (6, .string(destination)),
            ]
            for (code, value) in all {
                fields.align(8)
                fields.number(code)
                fields.signature(value.signature)
                fields.value(value)
            }
            guard !signature.isEmpty else { return }
            fields.align(8)
            fields.number(UInt8(8))
            fields.signature("g")
            fields.signature(signature)
        }
        message.align(8)
        return message.bytes + body.bytes
    }
}

/// What came over the bus is not D-Bus, or more than we take.
struct DBusError: Error, Equatable, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// Reads values from bytes that are not to be trusted.
struct DBusReader {
    private let bytes: ArraySlice<UInt8>
    private let start: Int
    private let isBigEndian: Bool
    private(set) var at: Int

    init(_ bytes: ArraySlice<UInt8>, isBigEndian: Bool = false) {
        (self.bytes, start, at) = (bytes, bytes.startIndex, bytes.startIndex)
        self.isBigEndian = isBigEndian
    }

    var isAtEnd: Bool { at >= bytes.endIndex }

    mutating func align(_ size: Int) throws(DBusError) {
        let rest = (at - start) % size
        if rest != 0 { _ = try take(size - rest) }
    }

    mutating func take(_ count: Int) throws(DBusError) -> ArraySlice<UInt8> {
        guard count >= 0, count <= bytes.endIndex - at else { throw DBusError("a message ends too early") }
        defer { at += count }
        return bytes[at..<(at + count)]
    }

    mutating func byte() throws(DBusError) -> UInt8 { try take(1).first ?? 0 }

    mutating func uint32() throws(DBusError) -> UInt32 {
        try align(4)
        let word = try take(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        return isBigEndian ? word : word.byteSwapped
    }

    mutating func text() throws(DBusError) -> String {
        let length = Int(try uint32())
        let text = try take(length)
        _ = try byte()
        return String(decoding: text, as: UTF8.self)
    }

    mutating func signature() throws(DBusError) -> String {
        let length = Int(try byte())
        let text = try take(length)
        _ = try byte()
        return String(decoding: text, as: UTF8.self)
    }
}

/// A message that came: of its header what we look at, and the texts and numbers of its body.
struct DBusMessage: Equatable, Sendable {
    enum Kind: UInt8 { case call = 1, answer, error, signal }
    /// The part whose length is fixed.
    static let headerSize = 16
    static let limit = 1 << 20

    let kind: Kind
    private(set) var interface = ""
    private(set) var member = ""
    private(set) var errorName = ""
    private(set) var sender = ""
    /// The call that this answers; 0 is none.
    private(set) var replySerial: UInt32 = 0
    /// As far as it is of texts, also in variants, and 32-bit numbers.
    private(set) var body: [DBusValue] = []

    /// The length of the whole message that starts with these bytes, at least `headerSize` of them.
    static func size(_ bytes: ArraySlice<UInt8>) throws(DBusError) -> Int {
        var reader = DBusReader(bytes, isBigEndian: bytes.first == UInt8(ascii: "B"))
        _ = try reader.take(4)
        let body = Int(try reader.uint32())
        _ = try reader.uint32()
        let fields = Int(try reader.uint32())
        guard body <= limit, fields <= limit else { throw DBusError("a message is too long") }
        return headerSize + (fields + 7) / 8 * 8 + body
    }

    init(_ bytes: ArraySlice<UInt8>) throws(DBusError) {
        guard let order = bytes.first, order == UInt8(ascii: "l") || order == UInt8(ascii: "B") else {
            throw DBusError("a message of no byte order")
        }
        var reader = DBusReader(bytes, isBigEndian: order == UInt8(ascii: "B"))
        _ = try reader.byte()
        guard let kind = Kind(rawValue: try reader.byte()) else {
            throw DBusError("a message of no known kind")
        }
        self.kind = kind
        guard try reader.take(2).last == 1 else { throw DBusError("a message of another version") }
        _ = try reader.uint32()
        _ = try reader.uint32()
        let fields = Int(try reader.uint32())
        let end = reader.at + fields
        var signature = ""
        while reader.at < end { try readField(&reader, &signature) }
        try reader.align(8)
        body = try Self.readBody(&reader, signature)
    }

    /// Whether it is this signal of one sender, by its unique name.
    func isSignal(_ member: String, of interface: String, from sender: String) -> Bool {
        kind == .signal && self.member == member && self.interface == interface && self.sender == sender
    }

    private mutating func readField(
        _ reader: inout DBusReader, _ signature: inout String
    ) throws(DBusError) {
        try reader.align(8)
        let code = try reader.byte()
        switch (code, try reader.signature()) {
        case (_, "s"), (_, "o"):
            let text = try reader.text()
            switch code {
            case 2: interface = text
            case 3: member = text
            case 4: errorName = text
            case 7: sender = text
            default: break
            }
        case (5, "u"): replySerial = try reader.uint32()
        case (_, "u"): _ = try reader.uint32()
        case (8, "g"): signature = try reader.signature()
        default: throw DBusError("a header field of no known type")
        }
    }

    private static func readBody(
        _ reader: inout DBusReader, _ signature: String
    ) throws(DBusError) -> [DBusValue] {
        var body: [DBusValue] = []
        for type in signature {
            switch type {
            case "s": body.append(.string(try reader.text()))
            case "o": body.append(.objectPath(try reader.text()))
            case "u": body.append(.uint32(try reader.uint32()))
            // A property; ours are texts.
            case "v":
                guard try reader.signature() == "s" else { return body }
                body.append(.string(try reader.text()))
            default: return body
            }
        }
        return body
    }
}
