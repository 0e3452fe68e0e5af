/// As much of TOML 1.0 as registries.conf is written in: tables, arrays of tables, strings, booleans, integers,
/// arrays and inline tables of those, comments. Dates, floats and multi-line strings are refused.
indirect enum TOML: Equatable {
    case string(String)
    case bool(Bool)
    case integer(Int64)
    case array([TOML])
    case table(Table)

    /// Names to values, in no order.
    struct Table: Equatable {
        var members: [String: TOML] = [:]
    }

    static func parse(_ text: String) throws(TOMLError) -> Table {
        var parser = TOMLParser(Array(text.utf8))
        do throws(TOMLError) { return try parser.document() } catch {
            throw TOMLError("line \(parser.line): \(error.description)")
        }
    }
}

/// What is wrong with a TOML document.
struct TOMLError: Error, Equatable {
    let description: String
    init(_ description: String) { self.description = description }
}

extension TOML.Table {
    func string(_ name: String) throws(TOMLError) -> String? {
        guard let value = members[name] else { return nil }
        guard case .string(let text) = value else { throw TOMLError("\(name) is not a string") }
        return text
    }

    /// False when absent.
    func bool(_ name: String) throws(TOMLError) -> Bool {
        guard let value = members[name] else { return false }
        guard case .bool(let flag) = value else { throw TOMLError("\(name) is not true or false") }
        return flag
    }

    /// Empty when absent.
    func strings(_ name: String) throws(TOMLError) -> [String] {
        guard let value = members[name] else { return [] }
        guard case .array(let elements) = value else { throw TOMLError("\(name) is not an array") }
        var texts: [String] = []
        for element in elements {
            guard case .string(let text) = element else {
                throw TOMLError("\(name) is not an array of strings")
            }
            texts.append(text)
        }
        return texts
    }

    /// An array of tables; empty when absent.
    func tables(_ name: String) throws(TOMLError) -> [TOML.Table] {
        guard let value = members[name] else { return [] }
        guard case .array(let elements) = value else { throw TOMLError("\(name) is not an array of tables") }
        var tables: [TOML.Table] = []
        for element in elements {
            guard case .table(let table) = element else {
                throw TOMLError("\(name) is not an array of tables")
            }
            tables.append(table)
        }
        return tables
    }

    /// Sets what a dotted key names; tables on the way are made, of arrays the last element is meant.
    mutating func set(_ path: ArraySlice<String>, _ value: TOML) throws(TOMLError) {
        guard let first = path.first else { return }
        if path.count == 1 {
            guard members[first] == nil else { throw TOMLError("\(first) is given twice") }
            members[first] = value
            return
        }
        try inside(first) { table throws(TOMLError) in try table.set(path.dropFirst(), value) }
    }

    /// Adds an element to the array of tables that a path names.
    mutating func append(_ path: ArraySlice<String>) throws(TOMLError) {
        guard let first = path.first else { return }
        if path.count > 1 {
            return try inside(first) { table throws(TOMLError) in try table.append(path.dropFirst()) }
        }
        guard case .array(let elements) = members[first] ?? .array([]) else {
            throw TOMLError("\(first) is not an array of tables")
        }
        members[first] = .array(elements + [.table(TOML.Table())])
    }

    /// Makes the table that a path names, when it is not there.
    mutating func make(_ path: ArraySlice<String>) throws(TOMLError) {
        guard let first = path.first else { return }
        try inside(first) { table throws(TOMLError) in try table.make(path.dropFirst()) }
    }

    private mutating func inside(
        _ name: String, _ body: (inout TOML.Table) throws(TOMLError) -> Void
    ) throws(TOMLError) {
        switch members[name] {
        case nil:
            var table = TOML.Table()
            try body(&table)
            members[name] = .table(table)
        case .table(var table):
            try body(&table)
            members[name] = .table(table)
        case .array(var elements):
            guard case .table(var table) = elements.popLast() else {
                throw TOMLError("\(name) is not a table")
            }
            try body(&table)
            members[name] = .array(elements + [.table(table)])
        default: throw TOMLError("\(name) is not a table")
        }
    }
}

private struct TOMLParser {
    private let bytes: [UInt8]
    private var at = 0
    private(set) var line = 1
    private var levels = 16

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func document() throws(TOMLError) -> TOML.Table {
        var document = TOML.Table()
        var current: [String] = []
        while true {
            skipBlank(lines: true)
            guard at < bytes.count else { return document }
            if take("[") {
                let isArray = take("[")
                current = try key()
                guard take("]"), !isArray || take("]") else { throw TOMLError("] is missing") }
                if isArray { try document.append(current[...]) } else { try document.make(current[...]) }
            } else {
                let name = try key()
                guard take("=") else { throw TOMLError("= is missing after \(name.joined(separator: "."))") }
                skipBlank(lines: false)
                try document.set((current + name)[...], try value())
            }
            skipBlank(lines: false)
            guard at == bytes.count || bytes[at] == 0x0a else { throw TOMLError("something after the value") }
        }
    }

    /// White space and comments; with `lines` also their ends.
    private mutating func skipBlank(lines: Bool) {
        while at < bytes.count {
            switch bytes[at] {
            case 0x20, 0x09, 0x0d: at += 1
            case 0x0a where lines:
                at += 1
                line += 1
            case UInt8(ascii: "#"):
                while at < bytes.count, bytes[at] != 0x0a { at += 1 }
            default: return
            }
        }
    }

    private mutating func take(_ byte: Unicode.Scalar) -> Bool {
        guard at < bytes.count, bytes[at] == UInt8(ascii: byte) else { return false }
        at += 1
        return true
    }

    /// A dotted key, with the blanks around it.
    private mutating func key() throws(TOMLError) -> [String] {
        var parts: [String] = []
        repeat {
            skipBlank(lines: false)
            if take("\"") {
                parts.append(try basicString())
            } else if take("'") {
                parts.append(try literalString())
            } else {
                parts.append(try bareKey())
            }
            skipBlank(lines: false)
        } while take(".")
        guard parts.count <= 8 else { throw TOMLError("a key of more than 8 parts") }
        return parts
    }

    private mutating func bareKey() throws(TOMLError) -> String {
        let start = at
        while at < bytes.count, isWord(bytes[at]) { at += 1 }
        guard at > start else { throw TOMLError("a key is missing") }
        return String(decoding: bytes[start..<at], as: UTF8.self)
    }

    private func isWord(_ byte: UInt8) -> Bool {
        (byte >= 0x30 && byte <= 0x39) || (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7a)
            || byte == UInt8(ascii: "-")
            || byte == UInt8(ascii: "_")
    }

    private mutating func value() throws(TOMLError) -> TOML {
        guard levels > 0 else { throw TOMLError("nested too deep") }
        levels -= 1
        defer { levels += 1 }
        if take("\"") { return .string(try basicString()) }
        if take("'") { return .string(try literalString()) }
        if take("[") { return .array(try array()) }
        if take("{") { return .table(try inlineTable()) }
        let start = at
        while at < bytes.count, isWord(bytes[at]) || bytes[at] == UInt8(ascii: "+") { at += 1 }
        let word = String(decoding: bytes[start..<at], as: UTF8.self)
        switch word {
        case "true": return .bool(true)
        case "false": return .bool(false)
        default:
            guard let number = Int64(word.filter { $0 != "_" }) else {
                throw TOMLError("a value of a kind that is not read here: \"\(escaped(word))\"")
            }
            return .integer(number)
        }
    }

    private mutating func array() throws(TOMLError) -> [TOML] {
        var elements: [TOML] = []
        while true {
            skipBlank(lines: true)
            if take("]") { return elements }
            elements.append(try value())
            skipBlank(lines: true)
            if take("]") { return elements }
            guard take(",") else { throw TOMLError(", or ] is missing in an array") }
        }
    }

    private mutating func inlineTable() throws(TOMLError) -> TOML.Table {
        var table = TOML.Table()
        skipBlank(lines: false)
        if take("}") { return table }
        while true {
            let name = try key()
            guard take("=") else { throw TOMLError("= is missing") }
            skipBlank(lines: false)
            try table.set(name[...], try value())
            skipBlank(lines: false)
            if take("}") { return table }
            guard take(",") else { throw TOMLError(", or } is missing in a table") }
        }
    }

    private mutating func literalString() throws(TOMLError) -> String {
        let start = at
        while at < bytes.count, bytes[at] != UInt8(ascii: "'"), bytes[at] != 0x0a { at += 1 }
        let text = String(decoding: bytes[start..<at], as: UTF8.self)
        guard take("'"), !(text.isEmpty && at < bytes.count && bytes[at] == UInt8(ascii: "'")) else {
            throw TOMLError("a string does not end on its line")
        }
        return text
    }

    private mutating func basicString() throws(TOMLError) -> String {
        var text: [UInt8] = []
        while at < bytes.count, bytes[at] != 0x0a {
            let byte = bytes[at]
            at += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard !(text.isEmpty && at < bytes.count && bytes[at] == byte) else {
                    throw TOMLError("strings of several lines are not read here")
                }
                return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"): text.append(try escape())
            default: text.append(byte)
            }
        }
        throw TOMLError("a string does not end on its line")
    }

    private mutating func escape() throws(TOMLError) -> UInt8 {
        guard at < bytes.count else { throw TOMLError("a string does not end") }
        let byte = bytes[at]
        at += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): return byte
        case UInt8(ascii: "n"): return 0x0a
        case UInt8(ascii: "t"): return 0x09
        default: throw TOMLError("an escape that is not read here")
        }
    }
}
