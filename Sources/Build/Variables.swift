/// Expands variables, quotes and escapes in an instruction's words, as BuildKit does (its shell lexer's forms):
/// `$v ${v} ${v:-w} ${v-w} ${v:+w} ${v+w} ${v:?e} ${v?e} ${v#p} ${v##p} ${v%p} ${v%%p} ${v/p/r} ${v//p/r}`.
struct VariableExpander {
    /// Answers a variable's value; nil when it is not set.
    typealias Lookup = (String) -> String?

    /// What one instruction may grow to: doubling in every line must not fill the memory.
    static let largestResult = 1 << 20
    static let deepestNesting = 64

    let escape: Unicode.Scalar
    let lookup: Lookup
    /// In a heredoc quotes are text, and an escape only works before `$` and itself.
    var keepsQuotes = false

    /// `lookup` is asked for each variable; it may note which were used.
    init(escape: Unicode.Scalar = "\\", lookup: @escaping Lookup) {
        (self.escape, self.lookup) = (escape, lookup)
    }

    /// The text as one word.
    func word(_ text: String) throws(DockerfileError) -> String {
        // Most words hold nothing to expand.
        if text.utf8.allSatisfy({ $0 != 0x24 && $0 != 0x27 && $0 != 0x22 && $0 != 0x5c && $0 != 0x60 }) {
            return text
        }
        var scanner = ExpansionScanner(text, self)
        return try scanner.process(until: nil, rawEscapes: false)
    }

    /// The text as words: blanks separate them, also blanks that come out of a variable, but not quoted ones.
    func words(_ text: String) throws(DockerfileError) -> [String] {
        var scanner = ExpansionScanner(text, self)
        _ = try scanner.process(until: nil, rawEscapes: false)
        return scanner.finishedWords()
    }
}

private struct ExpansionScanner {
    private let text: [Unicode.Scalar]
    private let expander: VariableExpander
    private var at = 0
    private var depth = 0
    private var grown = 0
    private var words: [String] = []
    private var current = String.UnicodeScalarView()
    private var inWord = false

    init(_ text: String, _ expander: VariableExpander) {
        (self.text, self.expander) = (Array(text.unicodeScalars), expander)
    }

    private var peek: Unicode.Scalar? { at < text.count ? text[at] : nil }

    private mutating func next() -> Unicode.Scalar? {
        guard at < text.count else { return nil }
        at += 1
        return text[at - 1]
    }

    mutating func finishedWords() -> [String] {
        if inWord { words.append(String(current)) }
        inWord = false
        return words
    }

    /// Up to `stop`, or up to the end. With `rawEscapes` the escape character stays: patterns read it.
    mutating func process(until stop: Unicode.Scalar?, rawEscapes: Bool) throws(DockerfileError) -> String {
        depth += 1
        defer { depth -= 1 }
        guard depth <= VariableExpander.deepestNesting else {
            throw DockerfileError("substitutions nested too deep")
        }
        var result = String.UnicodeScalarView()
        while let scalar = peek {
            if scalar == stop {
                at += 1
                return String(result)
            }
            let isOutermost = depth == 1
            switch scalar {
            case "'" where !expander.keepsQuotes, "\"" where !expander.keepsQuotes:
                let piece = scalar == "'" ? try singleQuoted() : try doubleQuoted()
                result.append(contentsOf: piece.unicodeScalars)
                if isOutermost { addQuoted(piece) }
            case "$":
                let piece = try dollar()
                result.append(contentsOf: piece.unicodeScalars)
                if isOutermost { for scalar in piece.unicodeScalars { addSplitting(scalar) } }
            default:
                at += 1
                guard scalar == expander.escape else {
                    result.append(scalar)
                    if isOutermost { addSplitting(scalar) }
                    continue
                }
                let isText = expander.keepsQuotes && peek != "$" && peek != expander.escape
                if rawEscapes || isText { result.append(scalar) }
                guard let escaped = next() else { break }
                result.append(escaped)
                if isOutermost { addQuoted(String(escaped)) }
            }
        }
        guard let stop else { return String(result) }
        throw DockerfileError("unexpected end of statement while looking for matching \(stop)")
    }

    private mutating func addQuoted(_ piece: String) {
        current.append(contentsOf: piece.unicodeScalars)
        inWord = true
    }

    private mutating func addSplitting(_ scalar: Unicode.Scalar) {
        if scalar.properties.isWhitespace {
            if inWord { words.append(String(current)) }
            (current, inWord) = (String.UnicodeScalarView(), false)
        } else {
            current.append(scalar)
            inWord = true
        }
    }

    private mutating func singleQuoted() throws(DockerfileError) -> String {
        at += 1
        var result = String.UnicodeScalarView()
        while let scalar = next() {
            if scalar == "'" { return String(result) }
            result.append(scalar)
        }
        throw DockerfileError("unexpected end of statement while looking for matching single-quote")
    }

    private mutating func doubleQuoted() throws(DockerfileError) -> String {
        at += 1
        var result = String.UnicodeScalarView()
        while let scalar = peek {
            if scalar == "$" {
                result.append(contentsOf: try dollar().unicodeScalars)
                continue
            }
            at += 1
            if scalar == "\"" { return String(result) }
            // Only these can be escaped here; before all others the escape character is itself.
            if scalar == expander.escape, let escaped = peek,
                escaped == "\"" || escaped == "$" || escaped == expander.escape
            {
                at += 1
                result.append(escaped)
            } else {
                result.append(scalar)
            }
        }
        throw DockerfileError("unexpected end of statement while looking for matching double-quote")
    }

    private mutating func dollar() throws(DockerfileError) -> String {
        at += 1
        let value: String
        if peek == "{" {
            at += 1
            value = try braced()
        } else {
            let name = name()
            if name.isEmpty { return "$" }
            value = expander.lookup(name) ?? ""
        }
        grown += value.utf8.count
        if grown > VariableExpander.largestResult {
            throw DockerfileError("variables expand to more than 1 MiB", isSyntax: false)
        }
        return value
    }

    /// Letters, digits and `_`; digits alone; or one of the shell's own (`$?`), which are never set here.
    private mutating func name() -> String {
        guard let first = peek, first.isASCII else { return "" }
        let start = at
        if "@*#?-$!".unicodeScalars.contains(first) {
            at += 1
        } else if first.properties.numericType != nil {
            while let scalar = peek, scalar.isASCII, scalar.properties.numericType != nil { at += 1 }
        } else {
            while let scalar = peek, scalar.isNamePart { at += 1 }
        }
        var name = String.UnicodeScalarView()
        name.append(contentsOf: text[start..<at])
        return String(name)
    }

    /// After `${`.
    private mutating func braced() throws(DockerfileError) -> String {
        switch peek {
        case nil: throw DockerfileError("syntax error: missing '}'")
        case "{", "}", ":": throw DockerfileError("syntax error: bad substitution")
        default: break
        }
        let name = name()
        guard let modifier = next() else { throw DockerfileError("syntax error: missing '}'") }
        let value = expander.lookup(name)
        switch modifier {
        case "}":
            return value ?? ""
        case ":":
            guard let second = next(), "+-?".unicodeScalars.contains(second) else {
                throw DockerfileError(
                    "unsupported modifier (:\(at > 0 ? String(text[at - 1]) : "")) in substitution")
            }
            return try choose(second, name, value?.isEmpty == true ? nil : value, wasEmpty: value != nil)
        case "+", "-", "?":
            return try choose(modifier, name, value, wasEmpty: false)
        case "#", "%":
            return try trim(modifier, value ?? "")
        case "/":
            return try replace(in: value ?? "")
        default:
            throw DockerfileError("unsupported modifier (\(modifier)) in substitution")
        }
    }

    private mutating func operand(until stop: Unicode.Scalar, raw: Bool) throws(DockerfileError) -> String {
        do throws(DockerfileError) {
            return try process(until: stop, rawEscapes: raw)
        } catch {
            if at >= text.count { throw DockerfileError("syntax error: missing '\(stop)'") }
            throw error
        }
    }

    private mutating func choose(
        _ modifier: Unicode.Scalar, _ name: String, _ value: String?, wasEmpty: Bool
    ) throws(DockerfileError) -> String {
        let word = try operand(until: "}", raw: false)
        switch modifier {
        case "-": return value ?? word
        case "+": return value == nil ? "" : word
        default:
            if let value { return value }
            let reason = word.isEmpty ? "not allowed to be \(wasEmpty ? "empty" : "unset")" : word
            throw DockerfileError("\(name): \(reason)", isSyntax: false)
        }
    }

    private mutating func trim(_ modifier: Unicode.Scalar, _ value: String) throws(DockerfileError) -> String
    {
        var word = try operand(until: "}", raw: true)
        let longest = word.unicodeScalars.first == modifier
        if longest { word.removeFirst() }
        let pattern = try ShellPattern(word, escape: expander.escape)
        let scalars = Array(value.unicodeScalars)
        if modifier == "#" {
            guard let ends = pattern.matches(scalars[...]) else { return value }
            return string(scalars[(longest ? ends.longest : ends.shortest)...])
        }
        guard let ends = pattern.reversed().matches(scalars.reversed()[...]) else { return value }
        return string(scalars[..<(scalars.count - (longest ? ends.longest : ends.shortest))])
    }

    private mutating func replace(in value: String) throws(DockerfileError) -> String {
        let replacesAll = peek == "/"
        if replacesAll { at += 1 }
        let pattern = try ShellPattern(try operand(until: "/", raw: true), escape: expander.escape)
        let replacement = try operand(until: "}", raw: false).unicodeScalars
        let scalars = Array(value.unicodeScalars)
        var result = String.UnicodeScalarView()
        var position = 0
        while position < scalars.count {
            if let ends = pattern.matches(scalars[position...]), ends.longest > 0 {
                result.append(contentsOf: replacement)
                position += ends.longest
                if !replacesAll { break }
            } else {
                result.append(scalars[position])
                position += 1
            }
            if result.count > VariableExpander.largestResult {
                throw DockerfileError("variables expand to more than 1 MiB", isSyntax: false)
            }
        }
        result.append(contentsOf: scalars[position...])
        return String(result)
    }

    private func string(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
        var view = String.UnicodeScalarView()
        view.append(contentsOf: scalars)
        return String(view)
    }
}

extension Unicode.Scalar {
    fileprivate var isNamePart: Bool {
        isASCII && (properties.isAlphabetic || properties.numericType != nil || self == "_")
    }
}
