extension JSON {
    /// Parses one document, nothing after it but white space. Refused: more than 64 levels, duplicate names,
    /// strings that are not UTF-8, numbers out of range, anything RFC 8259 does not allow.
    public init(parsing bytes: [UInt8], depth: Int = 64) throws(JSONError) {
        var result: Result<JSON, JSONError> = .failure(JSONError("empty document"))
        bytes.withUnsafeBufferPointer { buffer in
            var parser = JSONParser(buffer, depth: depth)
            do throws(JSONError) { result = .success(try parser.document()) } catch {
                result = .failure(error)
            }
        }
        self = try result.get()
    }

    /// Parses the UTF-8 of a string.
    public init(parsing text: String) throws(JSONError) { try self.init(parsing: Array(text.utf8)) }
}

private struct JSONParser {
    private let bytes: UnsafeBufferPointer<UInt8>
    private var at = 0
    private var levels: Int

    init(_ bytes: UnsafeBufferPointer<UInt8>, depth: Int) { (self.bytes, levels) = (bytes, depth) }

    mutating func document() throws(JSONError) -> JSON {
        let value = try value()
        skipSpace()
        guard at == bytes.count else { throw unexpected("after the document") }
        return value
    }

    private func unexpected(_ place: String) -> JSONError {
        at < bytes.count
            ? JSONError("unexpected byte 0x\(String(bytes[at], radix: 16)) \(place) at offset \(at)")
            : JSONError("unexpected end \(place) at offset \(at)")
    }

    private mutating func skipSpace() {
        while at < bytes.count {
            switch bytes[at] {
            case 0x20, 0x0a, 0x0d, 0x09: at += 1
            default: return
            }
        }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard at < bytes.count, bytes[at] == byte else { return false }
        at += 1
        return true
    }

    private mutating func value() throws(JSONError) -> JSON {
        skipSpace()
        guard at < bytes.count else { throw unexpected("where a value belongs") }
        switch bytes[at] {
        case UInt8(ascii: "{"): return try nested { parser throws(JSONError) in try parser.object() }
        case UInt8(ascii: "["): return try nested { parser throws(JSONError) in try parser.array() }
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return try number()
        }
    }

    private mutating func nested(
        _ body: (inout JSONParser) throws(JSONError) -> JSON
    ) throws(JSONError) -> JSON {
        guard levels > 0 else { throw JSONError("nested too deep at offset \(at)") }
        levels -= 1
        at += 1
        let value = try body(&self)
        levels += 1
        return value
    }

    private mutating func word(_ text: StaticString, _ value: JSON) throws(JSONError) -> JSON {
        for i in 0..<text.utf8CodeUnitCount {
            guard take(text.utf8Start[i]) else { throw unexpected("in a literal") }
        }
        return value
    }

    private mutating func object() throws(JSONError) -> JSON {
        var members: [JSON.Member] = []
        var names = Set<String>()
        skipSpace()
        if take(UInt8(ascii: "}")) { return .object([]) }
        while true {
            skipSpace()
            guard at < bytes.count, bytes[at] == UInt8(ascii: "\"") else {
                throw unexpected("where a name belongs")
            }
            let name = try string()
            guard isNew(name, among: members, &names) else { throw JSONError("duplicate name \"\(name)\"") }
            skipSpace()
            guard take(UInt8(ascii: ":")) else { throw unexpected("after a name") }
            members.append(JSON.Member(name, try value()))
            skipSpace()
            if take(UInt8(ascii: "}")) { return .object(members) }
            guard take(UInt8(ascii: ",")) else { throw unexpected("in an object") }
        }
    }

    /// Small objects are compared by a walk; from 16 members on by a set, so that no document costs n
    /// squared. Names that Unicode calls equivalent count as duplicates, because a dictionary could hold
    /// only one of them.
    private func isNew(_ name: String, among members: [JSON.Member], _ names: inout Set<String>) -> Bool {
        if members.count < 16 { return !members.contains { $0.name == name } }
        if names.isEmpty { names = Set(members.map(\.name)) }
        return names.insert(name).inserted
    }

    private mutating func array() throws(JSONError) -> JSON {
        var elements: [JSON] = []
        skipSpace()
        if take(UInt8(ascii: "]")) { return .array([]) }
        while true {
            elements.append(try value())
            skipSpace()
            if take(UInt8(ascii: "]")) { return .array(elements) }
            guard take(UInt8(ascii: ",")) else { throw unexpected("in an array") }
        }
    }

    private mutating func number() throws(JSONError) -> JSON {
        let start = at
        _ = take(UInt8(ascii: "-"))
        let digits = at
        while at < bytes.count, bytes[at] >= 0x30, bytes[at] <= 0x39 { at += 1 }
        guard at > digits else { throw unexpected("where a value belongs") }
        if bytes[digits] == 0x30, at - digits > 1 {
            throw JSONError("number with a leading zero at offset \(start)")
        }
        var isInteger = true
        if take(UInt8(ascii: ".")) {
            isInteger = false
            try skipDigits()
        }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            isInteger = false
            _ = take(UInt8(ascii: "+")) || take(UInt8(ascii: "-"))
            try skipDigits()
        }
        let text = String(decoding: bytes[start..<at], as: UTF8.self)
        if isInteger, let int = Int64(text) { return .int(int) }
        if isInteger, let unsigned = UInt64(text) { return .unsigned(unsigned) }
        guard let double = Double(text), double.isFinite else {
            throw JSONError("number out of range: \(text)")
        }
        return .double(double)
    }

    private mutating func skipDigits() throws(JSONError) {
        let start = at
        while at < bytes.count, bytes[at] >= 0x30, bytes[at] <= 0x39 { at += 1 }
        guard at > start else { throw unexpected("in a number") }
    }

    private mutating func string() throws(JSONError) -> String {
        at += 1
        let start = at
        while at < bytes.count, bytes[at] != UInt8(ascii: "\""), bytes[at] != UInt8(ascii: "\\"),
            bytes[at] >= 0x20
        {
            at += 1
        }
        if at < bytes.count, bytes[at] == UInt8(ascii: "\"") {
            at += 1
            return try utf8(UnsafeBufferPointer(rebasing: bytes[start..<at - 1]))
        }
        var text = Array(bytes[start..<at])
        while true {
            guard at < bytes.count, bytes[at] >= 0x20 else { throw unexpected("in a string") }
            let byte = bytes[at]
            at += 1
            switch byte {
            case UInt8(ascii: "\""): return try utf8(text)
            case UInt8(ascii: "\\"): try escape(into: &text)
            default: text.append(byte)
            }
        }
    }

    private func utf8(_ text: some Sequence<UInt8>) throws(JSONError) -> String {
        guard let string = String(validating: text, as: UTF8.self) else {
            throw JSONError("string is not UTF-8 before offset \(at)")
        }
        return string
    }

    private mutating func escape(into text: inout [UInt8]) throws(JSONError) {
        guard at < bytes.count else { throw unexpected("in an escape") }
        let byte = bytes[at]
        at += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0c)
        case UInt8(ascii: "n"): text.append(0x0a)
        case UInt8(ascii: "r"): text.append(0x0d)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"): text.append(contentsOf: String(try scalar()).utf8)
        default: throw JSONError("unknown escape at offset \(at - 1)")
        }
    }

    private mutating func scalar() throws(JSONError) -> Unicode.Scalar {
        let first = try hex4()
        if (0xd800..<0xdc00).contains(first), at + 1 < bytes.count, bytes[at] == UInt8(ascii: "\\"),
            bytes[at + 1] == UInt8(ascii: "u")
        {
            at += 2
            let second = try hex4()
            guard (0xdc00..<0xe000).contains(second) else {
                throw JSONError("lone surrogate at offset \(at)")
            }
            return Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00)) ?? "\u{fffd}"
        }
        guard let scalar = Unicode.Scalar(first) else { throw JSONError("lone surrogate at offset \(at)") }
        return scalar
    }

    private mutating func hex4() throws(JSONError) -> UInt32 {
        guard at + 4 <= bytes.count,
            bytes[at..<at + 4].allSatisfy({
                ($0 >= 0x30 && $0 <= 0x39) || ($0 | 0x20 >= 0x61 && $0 | 0x20 <= 0x66)
            }),
            let value = UInt32(String(decoding: bytes[at..<at + 4], as: UTF8.self), radix: 16)
        else { throw unexpected("in a \\u escape") }
        at += 4
        return value
    }
}
