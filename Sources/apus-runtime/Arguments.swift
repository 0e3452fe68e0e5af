import Runtime

/// One flag of a command: its names without dashes, the first of which is the key.
struct Flag: Sendable {
    let names: [String]
    let takesValue: Bool

    /// `bundle,b=` takes a value, `force,f` takes none.
    init(_ text: String) {
        takesValue = text.hasSuffix("=")
        names = (takesValue ? text.dropLast() : text[...]).split(separator: ",").map(String.init)
    }
}

/// The words after a command's name, sorted as runc sorts them: flags (`--name value`, `--name=value`, one or two
/// dashes) end at `--`, and at the first other word where the words after it are somebody else's.
struct Arguments {
    private var values: [String: [String]] = [:]
    /// What follows the flags.
    var words: [String] = []

    /// `mixed`: flags may also stand behind other words.
    init(_ all: some Sequence<String>, flags: [Flag], mixed: Bool = false) throws(RuntimeError) {
        var rest = Array(all)[...]
        while let word = rest.first {
            guard word.hasPrefix("-"), word != "-" else {
                guard mixed else { break }
                words.append(word)
                rest = rest.dropFirst()
                continue
            }
            rest = rest.dropFirst()
            if word == "--" { break }
            let body = word.drop { $0 == "-" }
            let equals = body.firstIndex(of: "=")
            let name = String(equals.map { body[..<$0] } ?? body)
            guard let flag = flags.first(where: { $0.names.contains(name) }) else {
                throw RuntimeError("flag provided but not defined: -\(name)")
            }
            var value = equals.map { String(body[body.index(after: $0)...]) }
            if flag.takesValue, value == nil {
                guard let next = rest.first else { throw RuntimeError("flag needs an argument: -\(name)") }
                value = next
                rest = rest.dropFirst()
            }
            values[flag.names[0], default: []].append(value ?? "true")
        }
        words += rest
    }

    func has(_ name: String) -> Bool { values[name].map { $0.last != "false" } ?? false }

    /// The last value given; an empty one counts as absent, as runc has it.
    subscript(name: String) -> String? { values[name]?.last.flatMap { $0.isEmpty ? nil : $0 } }

    /// Every value given.
    func all(_ name: String) -> [String] { values[name] ?? [] }

    func number<N: FixedWidthInteger>(_ name: String) throws(RuntimeError) -> N? {
        guard let text = self[name] else { return nil }
        guard let number = N(text) else { throw RuntimeError("invalid value \"\(text)\" for flag -\(name)") }
        return number
    }

    /// The words that a command takes, by their names in its usage.
    func positional(_ range: ClosedRange<Int>, _ command: String) throws(RuntimeError) -> [String] {
        guard range.contains(words.count) else {
            let wanted =
                range.lowerBound == range.upperBound
                ? "exactly \(range.lowerBound)" : "\(range.lowerBound) to \(range.upperBound)"
            throw RuntimeError("\"\(command)\" requires \(wanted) argument(s), not \(words.count)")
        }
        return words
    }
}
