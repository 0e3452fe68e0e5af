import OCI

/// The functions of a template: Go's and docker's, by name.
enum TemplateFunctions {
    static let names: Set<String> = [
        "json", "join", "lower", "upper", "split", "title", "truncate", "pad", "println", "print", "printf",
        "len",
        "index", "slice", "eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not",
    ]

    /// Calls a function; the error is what stands after Go's `error calling NAME: `.
    static func call(_ name: String, _ arguments: [JSON]) throws(UsageError) -> JSON {
        switch name {
        case "and", "or": return try last(arguments)
        case "not": return .bool(!isTrue(try only(arguments)))
        case "json": return .string(try only(arguments).text)
        case "lower": return .string(try text(arguments, 0, of: 1).lowercased())
        case "upper": return .string(try text(arguments, 0, of: 1).uppercased())
        case "title": return .string(title(try text(arguments, 0, of: 1)))
        case "print": return .string(joined(arguments))
        case "println": return .string(arguments.map(printed).joined(separator: " ") + "\n")
        case "printf": return .string(try TemplatePrintf.format(arguments))
        case "join":
            let separator = try text(arguments, 1, of: 2)
            guard case .array(let list) = arguments[0] else { throw wrongType("list", arguments[0]) }
            return .string(list.map(printed).joined(separator: separator))
        case "split": return try split(try text(arguments, 0, of: 2), by: try text(arguments, 1, of: 2))
        case "truncate":
            let text = try text(arguments, 0, of: 2)
            return .string(String(text.prefix(max(0, try integer(arguments, 1)))))
        case "pad":
            let text = try text(arguments, 0, of: 3)
            let (before, after) = (try integer(arguments, 1), try integer(arguments, 2))
            return .string(text.isEmpty ? text : spaces(before) + text + spaces(after))
        case "len": return .int(Int64(try length(try only(arguments))))
        case "index": return try index(arguments)
        case "slice": return try slice(arguments)
        default: return try compare(name, arguments)
        }
    }

    /// In a table's heading every function hands its text on.
    static func heading(_ arguments: [JSON]) -> JSON {
        arguments.first { $0.string != nil } ?? arguments.first ?? .string("")
    }

    /// Go's truth: not zero, not empty, not nil.
    static func isTrue(_ value: JSON) -> Bool {
        switch value {
        case .null: false
        case .bool(let bool): bool
        case .int(let int): int != 0
        case .unsigned(let int): int != 0
        case .double(let number): number != 0
        case .string(let text): !text.isEmpty
        case .array(let array): !array.isEmpty
        case .object(let members): !members.isEmpty
        }
    }

    /// Members of what is a struct in docker's types, which Go prints without their names.
    private static let structs: Set<[String]> = [
        ["HostIp", "HostPort"], ["Name", "MaximumRetryCount"], ["Type", "Config"], ["Name", "Hard", "Soft"],
    ]

    /// As Go's `%v`: `[a b]`, `map[k:v]` in the order of the keys.
    static func printed(_ value: JSON) -> String {
        switch value {
        case .null: "<nil>"
        case .bool(let bool): bool ? "true" : "false"
        case .int(let int): String(int)
        case .unsigned(let int): String(int)
        case .double(let number): "\(number)"
        case .string(let text): text
        case .array(let array): "[" + array.map(printed).joined(separator: " ") + "]"
        case .object(let members) where structs.contains(members.map(\.name)):
            "{" + members.map { printed($0.value) }.joined(separator: " ") + "}"
        case .object(let members) where !members.isEmpty && members.allSatisfy { $0.value == .object([]) }:
            // A set: its values are structs without members.
            "map[" + members.map(\.name).sorted().map { "\($0):{}" }.joined(separator: " ") + "]"
        case .object(let members):
            "map["
                + members.sorted { $0.name < $1.name }.map { "\($0.name):\(printed($0.value))" }
                .joined(separator: " ") + "]"
        }
    }

    /// Go's Print puts a blank between two arguments when neither is a string.
    private static func joined(_ arguments: [JSON]) -> String {
        var result = ""
        for (index, argument) in arguments.enumerated() {
            if index > 0, argument.string == nil, arguments[index - 1].string == nil { result += " " }
            result += printed(argument)
        }
        return result
    }

    private static func title(_ text: String) -> String {
        var result = ""
        var atStart = true
        for character in text {
            result += atStart ? character.uppercased() : String(character)
            atStart = !(character.isLetter || character.isNumber || character == "_" || character == "'")
        }
        return result
    }

    private static func split(_ text: String, by separator: String) throws(UsageError) -> JSON {
        if separator.isEmpty { return .array(text.map { .string(String($0)) }) }
        return .array(
            text.split(separator: separator, omittingEmptySubsequences: false).map { .string(String($0)) })
    }

    private static func length(_ value: JSON) throws(UsageError) -> Int {
        switch value {
        case .string(let text): return text.utf8.count
        case .array(let array): return array.count
        case .object(let members): return members.count
        case .null: return 0
        default: throw UsageError("len of type \(typeName(value))")
        }
    }

    /// A key that a map lacks gives the empty text, as a map of strings does.
    private static func index(_ arguments: [JSON]) throws(UsageError) -> JSON {
        guard var value = arguments.first else { throw UsageError("want at least 1 got 0") }
        for key in arguments.dropFirst() {
            switch (value, key) {
            case (.array(let array), .int(let at)):
                guard at >= 0, at < array.count else {
                    throw UsageError(
                        "index out of range: \(at)")
                }
                value = array[Int(at)]
            case (.object, .string(let name)): value = value[name] ?? .string("")
            case (.null, _): throw UsageError("index of untyped nil")
            case (.array, _): throw UsageError("cannot index slice/array with type \(typeName(key))")
            default: throw UsageError("can't index item of type \(typeName(value))")
            }
        }
        return value
    }

    private static func slice(_ arguments: [JSON]) throws(UsageError) -> JSON {
        guard let value = arguments.first, arguments.count <= 3 else {
            throw UsageError("too many slice indexes")
        }
        let count = try length(value)
        let from = arguments.count > 1 ? try integer(arguments, 1) : 0
        let to = arguments.count > 2 ? try integer(arguments, 2) : count
        guard from >= 0, from <= to, to <= count else {
            throw UsageError("index out of range: \(from), \(to)")
        }
        switch value {
        case .array(let array): return .array(Array(array[from..<to]))
        case .string(let text): return .string(String(decoding: Array(text.utf8)[from..<to], as: UTF8.self))
        default: throw UsageError("can't slice item of type \(typeName(value))")
        }
    }

    /// `eq` takes several to compare with; the others two.
    private static func compare(_ name: String, _ arguments: [JSON]) throws(UsageError) -> JSON {
        guard let first = arguments.first, arguments.count > 1 else {
            throw UsageError("missing argument for comparison")
        }
        if name == "eq" {
            for other in arguments.dropFirst() where try order(first, other) == 0 { return .bool(true) }
            return .bool(false)
        }
        guard arguments.count == 2 else {
            throw UsageError("wrong number of args: want 2 got \(arguments.count)")
        }
        let order = try order(first, arguments[1])
        switch name {
        case "ne": return .bool(order != 0)
        case "lt": return .bool(order < 0)
        case "le": return .bool(order <= 0)
        case "gt": return .bool(order > 0)
        default: return .bool(order >= 0)
        }
    }

    /// Below, at or above 0 as the first comes before, with or after the second.
    private static func order(_ a: JSON, _ b: JSON) throws(UsageError) -> Int {
        switch (a, b) {
        case (.int(let a), .int(let b)): return a < b ? -1 : (a == b ? 0 : 1)
        case (.string(let a), .string(let b)): return a < b ? -1 : (a == b ? 0 : 1)
        case (.double(let a), .double(let b)): return a < b ? -1 : (a == b ? 0 : 1)
        case (.int(let a), .double(let b)): return Double(a) < b ? -1 : (Double(a) == b ? 0 : 1)
        case (.double(let a), .int(let b)): return a < Double(b) ? -1 : (a == Double(b) ? 0 : 1)
        case (.bool(let a), .bool(let b)): return a == b ? 0 : 1
        case (.null, .null): return 0
        case (.null, _), (_, .null): return 1
        default: throw UsageError("incompatible types for comparison")
        }
    }

    private static func only(_ arguments: [JSON]) throws(UsageError) -> JSON {
        guard arguments.count == 1 else {
            throw UsageError("wrong number of args: want 1 got \(arguments.count)")
        }
        return arguments[0]
    }

    private static func last(_ arguments: [JSON]) throws(UsageError) -> JSON {
        guard let last = arguments.last else {
            throw UsageError("wrong number of args: want at least 1 got 0")
        }
        return last
    }

    private static func text(_ arguments: [JSON], _ at: Int, of count: Int) throws(UsageError) -> String {
        guard arguments.count == count else {
            throw UsageError("wrong number of args: want \(count) got \(arguments.count)")
        }
        guard case .string(let text) = arguments[at] else { throw wrongType("string", arguments[at]) }
        return text
    }

    static func integer(_ arguments: [JSON], _ at: Int) throws(UsageError) -> Int {
        guard case .int(let value) = arguments[at] else { throw wrongType("int", arguments[at]) }
        return Int(clamping: value)
    }

    private static func wrongType(_ wanted: String, _ value: JSON) -> UsageError {
        UsageError("wrong type for value; expected \(wanted); got \(typeName(value))")
    }

    static func typeName(_ value: JSON) -> String {
        switch value {
        case .null: "nil"
        case .bool: "bool"
        case .int, .unsigned: "int"
        case .double: "float64"
        case .string: "string"
        case .array: "[]interface {}"
        case .object: "map[string]interface {}"
        }
    }

    /// Go's strconv.Quote.
    static func quoted(_ text: String) -> String {
        let short: [Unicode.Scalar: String] = [
            "\u{7}": "\\a", "\u{8}": "\\b", "\u{c}": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t",
            "\u{b}": "\\v",
            "\\": "\\\\", "\"": "\\\"",
        ]
        var result = "\""
        for scalar in text.unicodeScalars {
            if let escape = short[scalar] {
                result += escape
            } else if escapeControls(String(scalar)) != String(scalar) {
                let digits = String(scalar.value, radix: 16)
                let width = scalar.value < 0x80 ? 2 : 4
                let fill = String(repeating: "0", count: max(0, width - digits.count))
                result += (width == 2 ? "\\x" : "\\u") + fill + digits
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    /// At most a thousand: a template must not be able to fill the memory.
    static func spaces(_ count: Int) -> String { String(repeating: " ", count: min(max(0, count), 1000)) }
}

/// Go's Printf for the verbs that templates use: `%s %d %v %q %t %x %%`, with `-`, `0`, a width and a precision.
enum TemplatePrintf {
    static func format(_ arguments: [JSON]) throws(UsageError) -> String {
        guard case .string(let format)? = arguments.first else {
            throw UsageError("wrong type for value; expected string")
        }
        var rest = Array(arguments.dropFirst())[...]
        var result = ""
        var characters = Substring(format)
        while let character = characters.popFirst() {
            guard character == "%" else {
                result.append(character)
                continue
            }
            var left = false
            var zeros = false
            while let flag = characters.first, flag == "-" || flag == "0" {
                if flag == "-" { left = true } else { zeros = true }
                characters.removeFirst()
            }
            let digits = characters.prefix { $0.isNumber }
            characters = characters.dropFirst(digits.count)
            let precision = takePrecision(&characters)
            guard let verb = characters.popFirst() else { return result + "%!(NOVERB)" }
            if verb == "%" {
                result += "%"
                continue
            }
            guard let value = rest.popFirst() else {
                result += "%!\(verb)(MISSING)"
                continue
            }
            let text = cut(shown(value, verb), verb, to: precision)
            let padding = max(0, min(Int(digits) ?? 0, 1000) - text.count)
            let fill = String(repeating: zeros && !left ? "0" : " ", count: padding)
            result += left ? text + fill : fill + text
        }
        if rest.isEmpty { return result }
        let extra = rest.map { "\(TemplateFunctions.typeName($0))=\(TemplateFunctions.printed($0))" }
        return result + "%!(EXTRA \(extra.joined(separator: ", ")))"
    }

    private static func takePrecision(_ characters: inout Substring) -> Int? {
        guard characters.first == "." else { return nil }
        characters.removeFirst()
        let digits = characters.prefix { $0.isNumber }
        characters = characters.dropFirst(digits.count)
        return min(Int(digits) ?? 0, 1000)
    }

    /// Texts get at most so many characters, numbers at least so many digits.
    private static func cut(_ text: String, _ verb: Character, to precision: Int?) -> String {
        guard let precision else { return text }
        switch verb {
        case "s", "v": return String(text.prefix(precision))
        case "d", "x": return String(repeating: "0", count: max(0, precision - text.count)) + text
        default: return text
        }
    }

    private static func shown(_ value: JSON, _ verb: Character) -> String {
        switch (verb, value) {
        case ("v", _): TemplateFunctions.printed(value)
        case ("s", .string(let text)): text
        case ("s", .array): TemplateFunctions.printed(value)
        case ("q", .string(let text)): TemplateFunctions.quoted(text)
        case ("d", .int(let int)): String(int)
        case ("x", .int(let int)): String(int, radix: 16)
        case ("t", .bool(let bool)): bool ? "true" : "false"
        default: "%!\(verb)(\(TemplateFunctions.typeName(value))=\(TemplateFunctions.printed(value)))"
        }
    }
}
