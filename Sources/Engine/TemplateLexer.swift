/// Where in a template something stands: Go's line from 1 and byte column from 0.
struct TemplatePosition: Equatable, Sendable {
    var line = 1
    var column = 0
}

/// A word of an action, or the text between actions.
struct TemplateToken: Equatable, Sendable {
    enum Kind: Equatable, Sendable {
        case text(String)
        case open, close
        /// `.Name` gives Name; `.` alone is `dot`.
        case field(String)
        case dot
        /// `$x` gives x, `$` the empty text.
        case variable(String)
        case word(String)
        case string(String)
        case integer(Int64)
        case number(Double)
        case leftParenthesis, rightParenthesis, pipe, declare, assign, comma
    }
    var kind: Kind
    var at: TemplatePosition
    /// Tells `.A .B`, two words, from `.A.B`, one.
    var afterSpace = false
}

/// Cuts a template of Go's text/template into tokens.
struct TemplateLexer {
    private let bytes: [UInt8]
    private var index = 0
    private var position = TemplatePosition()
    private var tokens: [TemplateToken] = []

    static func tokens(_ template: String) throws(TemplateError) -> [TemplateToken] {
        var lexer = TemplateLexer(bytes: Array(template.utf8))
        try lexer.run()
        return lexer.tokens
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    private mutating func run() throws(TemplateError) {
        var trimsNext = false
        while index < bytes.count {
            let start = index
            let at = position
            while index < bytes.count, !looking(at: "{{") { advance() }
            var text = bytes[start..<index]
            if trimsNext { text = text.drop(while: TemplateLexer.isSpace) }
            guard index < bytes.count else { return addText(text, at) }
            advance(2)
            if looking(at: "-"), index + 1 < bytes.count, TemplateLexer.isSpace(bytes[index + 1]) {
                advance()
                while let last = text.last, TemplateLexer.isSpace(last) { text.removeLast() }
            }
            addText(text, at)
            trimsNext = try action()
        }
    }

    private mutating func addText(_ text: ArraySlice<UInt8>, _ at: TemplatePosition) {
        if !text.isEmpty { add(.text(String(decoding: text, as: UTF8.self)), at) }
    }

    /// Reads an action to its `}}`; true when the text after it loses its leading blanks.
    private mutating func action() throws(TemplateError) -> Bool {
        if try comment() { return closesWithTrim() }
        add(.open, position)
        var space = false
        while true {
            guard index < bytes.count else { throw error("unclosed action") }
            if looking(at: "}}") || looking(at: "-}}") && space {
                add(.close, position)
                return closesWithTrim()
            }
            if TemplateLexer.isSpace(bytes[index]) {
                space = true
                advance()
            } else {
                try word(afterSpace: space)
                space = false
            }
        }
    }

    private mutating func closesWithTrim() -> Bool {
        let trims = looking(at: "-")
        advance(trims ? 3 : 2)
        return trims
    }

    private mutating func comment() throws(TemplateError) -> Bool {
        var probe = index
        while probe < bytes.count, TemplateLexer.isSpace(bytes[probe]) { probe += 1 }
        guard probe + 1 < bytes.count, bytes[probe] == UInt8(ascii: "/"),
            bytes[probe + 1] == UInt8(ascii: "*")
        else {
            return false
        }
        while index < bytes.count, !looking(at: "*/") { advance() }
        guard index < bytes.count else { throw error("unclosed comment") }
        advance(2)
        while index < bytes.count, TemplateLexer.isSpace(bytes[index]) { advance() }
        guard looking(at: "}}") || looking(at: "-}}") else {
            throw error("comment ends before closing delimiter")
        }
        return true
    }

    private mutating func word(afterSpace: Bool) throws(TemplateError) {
        let at = position
        let kind: TemplateToken.Kind
        switch bytes[index] {
        case UInt8(ascii: "\""): kind = .string(try quoted())
        case UInt8(ascii: "`"): kind = .string(try rawString())
        case UInt8(ascii: "."):
            advance()
            let name = identifier()
            kind = name.isEmpty ? .dot : .field(name)
        case UInt8(ascii: "$"):
            advance()
            kind = .variable(identifier())
        case UInt8(ascii: "("): kind = single(.leftParenthesis)
        case UInt8(ascii: ")"): kind = single(.rightParenthesis)
        case UInt8(ascii: "|"): kind = single(.pipe)
        case UInt8(ascii: ","): kind = single(.comma)
        case UInt8(ascii: "="): kind = single(.assign)
        case UInt8(ascii: ":"):
            guard looking(at: ":=") else { throw error("expected :=") }
            advance(2)
            kind = .declare
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"): kind = try number()
        default:
            let name = identifier()
            guard !name.isEmpty else {
                throw error(
                    "unexpected bad character \(String(decoding: [bytes[index]], as: UTF8.self)) in command")
            }
            kind = .word(name)
        }
        tokens.append(TemplateToken(kind: kind, at: at, afterSpace: afterSpace))
    }

    private mutating func single(_ kind: TemplateToken.Kind) -> TemplateToken.Kind {
        advance()
        return kind
    }

    private mutating func identifier() -> String {
        let start = index
        while index < bytes.count, TemplateLexer.isWord(bytes[index]) { advance() }
        return String(decoding: bytes[start..<index], as: UTF8.self)
    }

    private mutating func number() throws(TemplateError) -> TemplateToken.Kind {
        let start = index
        advance()
        while index < bytes.count, TemplateLexer.isWord(bytes[index]) || bytes[index] == UInt8(ascii: ".") {
            advance()
        }
        let text = String(decoding: bytes[start..<index], as: UTF8.self)
        if let integer = Int64(text) { return .integer(integer) }
        if let number = Double(text), number.isFinite { return .number(number) }
        throw error("bad number syntax: \"\(text)\"")
    }

    private mutating func rawString() throws(TemplateError) -> String {
        advance()
        let start = index
        while index < bytes.count, bytes[index] != UInt8(ascii: "`") { advance() }
        guard index < bytes.count else { throw error("unterminated raw quoted string") }
        let text = String(decoding: bytes[start..<index], as: UTF8.self)
        advance()
        return text
    }

    private mutating func quoted() throws(TemplateError) -> String {
        advance()
        var out: [UInt8] = []
        while index < bytes.count, bytes[index] != UInt8(ascii: "\""), bytes[index] != 0x0a {
            if bytes[index] == UInt8(ascii: "\\") {
                advance()
                guard index < bytes.count else { break }
                switch bytes[index] {
                case UInt8(ascii: "n"): out.append(0x0a)
                case UInt8(ascii: "t"): out.append(0x09)
                case UInt8(ascii: "r"): out.append(0x0d)
                case UInt8(ascii: "\\"), UInt8(ascii: "\""), UInt8(ascii: "'"): out.append(bytes[index])
                default: throw error("invalid escape in a quoted string")
                }
            } else {
                out.append(bytes[index])
            }
            advance()
        }
        guard index < bytes.count, bytes[index] == UInt8(ascii: "\"") else {
            throw error("unterminated quoted string")
        }
        advance()
        return String(decoding: out, as: UTF8.self)
    }

    private mutating func add(_ kind: TemplateToken.Kind, _ at: TemplatePosition) {
        tokens.append(TemplateToken(kind: kind, at: at))
    }

    private func error(_ text: String) -> TemplateError {
        TemplateError("template: :\(position.line): \(text)")
    }

    private func looking(at text: StaticString) -> Bool {
        text.withUTF8Buffer { wanted in
            index + wanted.count <= bytes.count
                && wanted.indices.allSatisfy { bytes[index + $0] == wanted[$0] }
        }
    }

    private mutating func advance(_ count: Int = 1) {
        for _ in 0..<count where index < bytes.count {
            if bytes[index] == 0x0a {
                position.line += 1
                position.column = 0
            } else {
                position.column += 1
            }
            index += 1
        }
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) }

    private static func isWord(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "_") || byte >= 0x80 || (byte >= 0x30 && byte <= 0x39)
            || (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7a)
    }
}

/// What is wrong with a template or with what it asks of the data, in Go's words.
public struct TemplateError: Error, Equatable, Sendable, CustomStringConvertible {
    /// `template: :1: unclosed action`.
    public let description: String
    /// Takes the line.
    public init(_ description: String) { self.description = description }
}
