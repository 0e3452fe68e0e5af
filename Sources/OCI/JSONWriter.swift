extension JSON {
    /// The document in one line without spaces, members in their order: the same value gives the same bytes.
    public var bytes: [UInt8] {
        var out: [UInt8] = []
        write(to: &out, indent: nil, level: 0)
        return out
    }

    /// The document with four spaces a level, as `docker inspect` prints it.
    public var pretty: String {
        var out: [UInt8] = []
        write(to: &out, indent: 4, level: 0)
        return String(decoding: out, as: UTF8.self)
    }

    /// The document in one line as text.
    public var text: String { String(decoding: bytes, as: UTF8.self) }

    private func write(to out: inout [UInt8], indent: Int?, level: Int) {
        switch self {
        case .null: out.append(contentsOf: "null".utf8)
        case .bool(let value): out.append(contentsOf: (value ? "true" : "false").utf8)
        case .int(let value): out.append(contentsOf: String(value).utf8)
        case .unsigned(let value): out.append(contentsOf: String(value).utf8)
        case .double(let value): out.append(contentsOf: "\(value)".utf8)
        case .string(let value): JSON.write(value, to: &out)
        case .array(let elements):
            JSON.write(elements, to: &out, "[", "]", indent, level) { element, out in
                element.write(to: &out, indent: indent, level: level + 1)
            }
        case .object(let members):
            JSON.write(members, to: &out, "{", "}", indent, level) { member, out in
                JSON.write(member.name, to: &out)
                out.append(contentsOf: (indent == nil ? ":" : ": ").utf8)
                member.value.write(to: &out, indent: indent, level: level + 1)
            }
        }
    }

    private static func write<Element>(
        _ elements: [Element], to out: inout [UInt8], _ open: String, _ close: String, _ indent: Int?,
        _ level: Int, _ body: (Element, inout [UInt8]) -> Void
    ) {
        out.append(contentsOf: open.utf8)
        for (i, element) in elements.enumerated() {
            if i > 0 { out.append(UInt8(ascii: ",")) }
            if let indent { breakLine(&out, indent * (level + 1)) }
            body(element, &out)
        }
        if let indent, !elements.isEmpty { breakLine(&out, indent * level) }
        out.append(contentsOf: close.utf8)
    }

    private static func breakLine(_ out: inout [UInt8], _ spaces: Int) {
        out.append(0x0a)
        out.append(contentsOf: repeatElement(0x20, count: spaces))
    }

    private static func write(_ string: String, to out: inout [UInt8]) {
        out.append(UInt8(ascii: "\""))
        for byte in string.utf8 {
            switch byte {
            case UInt8(ascii: "\""): out.append(contentsOf: "\\\"".utf8)
            case UInt8(ascii: "\\"): out.append(contentsOf: "\\\\".utf8)
            case 0x0a: out.append(contentsOf: "\\n".utf8)
            case 0x0d: out.append(contentsOf: "\\r".utf8)
            case 0x09: out.append(contentsOf: "\\t".utf8)
            case 0..<0x20, 0x7f:
                let hex = String(byte, radix: 16)
                out.append(contentsOf: "\\u00\(hex.count == 1 ? "0" : "")\(hex)".utf8)
            default: out.append(byte)
            }
        }
        out.append(UInt8(ascii: "\""))
    }
}
