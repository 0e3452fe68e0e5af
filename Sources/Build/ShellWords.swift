/// Splits at blanks outside quotes; quotes and escapes stay in the words, for the expansion that comes later.
func splitRawWords(_ text: String, escape: Unicode.Scalar) -> [String] {
    var words: [String] = []
    var word = String.UnicodeScalarView()
    var inWord = false
    var quote: Unicode.Scalar?
    var scalars = text.unicodeScalars.makeIterator()
    while let scalar = scalars.next() {
        if scalar == escape, quote != "'" {
            word.append(scalar)
            if let escaped = scalars.next() { word.append(escaped) }
            inWord = true
        } else if quote == nil, scalar.properties.isWhitespace {
            if inWord { words.append(String(word)) }
            (word, inWord) = (String.UnicodeScalarView(), false)
        } else {
            if quote == nil, scalar == "'" || scalar == "\"" {
                quote = scalar
            } else if scalar == quote {
                quote = nil
            }
            word.append(scalar)
            inWord = true
        }
    }
    if inWord { words.append(String(word)) }
    return words
}

/// The flags `--name[=value]` at the start of an instruction's arguments, and what follows them.
struct InstructionFlags {
    private(set) var values: [(name: String, value: String?)] = []
    let rest: String

    init(_ text: String, escape: Unicode.Scalar) throws(DockerfileError) {
        var rest = text.trimmingBlanks()
        while rest.hasPrefix("--") {
            let word = Self.firstWord(rest, escape: escape)
            rest = String(rest.unicodeScalars.dropFirst(word.length)).trimmingBlanks()
            if word.text == "--" { break }
            let body = word.text.dropFirst(2)
            let equals = body.firstIndex(of: "=")
            let name = String(equals.map { body[..<$0] } ?? body)
            let value = equals.map { String(body[body.index(after: $0)...]) }
            if values.contains(where: { $0.name == name }), name != "mount" {
                throw DockerfileError("duplicate flag specified: \(name)")
            }
            values.append((name, value))
        }
        self.rest = rest
    }

    /// A flag's value. A flag that was read is taken away; `finish` complains about the others.
    mutating func take(_ name: String) throws(DockerfileError) -> String? {
        guard let at = values.firstIndex(where: { $0.name == name }) else { return nil }
        guard let value = values[at].value, !value.isEmpty else {
            throw DockerfileError("missing a value on flag: \(name)")
        }
        values.remove(at: at)
        return value
    }

    /// Refuses flags that nobody took; `known` are docker's that are not supported here.
    func finish(_ keyword: String, unsupported known: [String] = []) throws(DockerfileError) {
        guard let first = values.first else { return }
        if known.contains(first.name) {
            throw DockerfileError("\(keyword) --\(first.name) is not supported", isSyntax: false)
        }
        throw DockerfileError("unknown flag: --\(first.name)")
    }

    /// A word with quotes and escapes removed, and how many scalars it took.
    private static func firstWord(_ text: String, escape: Unicode.Scalar) -> (text: String, length: Int) {
        var word = String.UnicodeScalarView()
        var length = 0
        var quote: Unicode.Scalar?
        var scalars = text.unicodeScalars.makeIterator()
        while let scalar = scalars.next() {
            if quote == nil, scalar.properties.isWhitespace { break }
            length += 1
            if scalar == escape, quote != "'" {
                if let escaped = scalars.next() {
                    word.append(escaped)
                    length += 1
                }
            } else if quote == nil, scalar == "'" || scalar == "\"" {
                quote = scalar
            } else if scalar == quote {
                quote = nil
            } else {
                word.append(scalar)
            }
        }
        return (String(word), length)
    }
}
