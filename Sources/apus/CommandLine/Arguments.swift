import Engine

/// What was typed after a command's name, by its flags.
struct Arguments: Equatable, Sendable {
    private var given: [String: [String]] = [:]
    private let flags: [Flag]
    /// The words that belong to no flag.
    private(set) var words: [String] = []
    /// Names of flags that were given and have no effect.
    private(set) var ignored: [String] = []

    /// Parses as docker does (pflag): `-it`, `-p80:80`, `-e=A`, `--name=x`, `--name x`, `--rm=false`, `--` ends the
    /// flags, and so does the first word where `stopsAtWord` (what follows is the container's).
    init(parsing typed: [String], flags: [Flag], stopsAtWord: Bool) throws(FlagError) {
        self.flags = flags
        var rest = typed[...]
        while let word = rest.popFirst() {
            if word == "--" {
                words += rest
                break
            } else if word.hasPrefix("--") {
                try takeLong(word, &rest)
            } else if word.hasPrefix("-"), word != "-" {
                try takeShort(word, &rest)
            } else if stopsAtWord {
                words = [word] + rest
                break
            } else {
                words.append(word)
            }
        }
    }

    private mutating func takeLong(_ word: String, _ rest: inout ArraySlice<String>) throws(FlagError) {
        let body = word.dropFirst(2)
        let equals = body.firstIndex(of: "=")
        let name = String(body[..<(equals ?? body.endIndex)])
        if name.isEmpty || name.hasPrefix("-") { throw FlagError("bad flag syntax: \(word)") }
        guard let flag = flags.first(where: { $0.name == name || $0.alias == name }) else {
            throw FlagError("unknown flag: --\(name)")
        }
        if let equals {
            try set(flag, String(body[body.index(after: equals)...]))
        } else if flag.isToggle {
            try set(flag, "true")
        } else if let value = rest.popFirst() {
            try set(flag, value)
        } else {
            throw FlagError("flag needs an argument: --\(name)")
        }
    }

    /// `-abc`: toggles until one takes a value, which is the rest of the word or the next one.
    private mutating func takeShort(_ word: String, _ rest: inout ArraySlice<String>) throws(FlagError) {
        var letters = word.dropFirst()
        while let letter = letters.popFirst() {
            guard let flag = flags.first(where: { $0.short == letter }) else {
                throw FlagError("unknown shorthand flag: '\(letter)' in -\(letter)\(letters)")
            }
            if letters.first == "=" {
                return try set(flag, String(letters.dropFirst()))
            } else if flag.isToggle {
                try set(flag, "true")
            } else if !letters.isEmpty {
                return try set(flag, String(letters))
            } else if let value = rest.popFirst() {
                return try set(flag, value)
            } else {
                throw FlagError("flag needs an argument: '\(letter)' in -\(letter)")
            }
        }
    }

    private mutating func set(_ flag: Flag, _ value: String) throws(FlagError) {
        switch flag.standing {
        case .works: break
        case .later:
            // Off is what it is anyway.
            if flag.isToggle, parseBool(value) == false { return }
            throw FlagError("--\(flag.name) is not supported yet")
        case .ignored:
            if !ignored.contains(flag.name) { ignored.append(flag.name) }
            return
        case .accepted: return
        case .constant:
            if parseBool(value) == true { return }
            throw FlagError("--\(flag.name)=\(value) is not supported yet")
        }
        if flag.isToggle, parseBool(value) == nil {
            throw refusal(flag, value, "strconv.ParseBool: parsing \"\(value)\": invalid syntax")
        }
        given[flag.name, default: []].append(value)
    }

    /// The error of a flag's value.
    func refusal(_ name: String, _ value: String, _ why: any Error) -> FlagError {
        FlagError("invalid argument \"\(value)\" for \"\(flag(name)?.shown ?? name)\" flag: \(why)")
    }

    private func refusal(_ flag: Flag, _ value: String, _ why: String) -> FlagError {
        FlagError("invalid argument \"\(value)\" for \"\(flag.shown)\" flag: \(why)")
    }

    private func flag(_ name: String) -> Flag? {
        let flag = flags.first { $0.name == name }
        precondition(flag != nil, "a command reads --\(name), which it does not declare")
        return flag
    }
}

extension Arguments {
    /// Whether a toggle is on.
    func isOn(_ name: String) -> Bool {
        guard case .toggle(let standard)? = flag(name)?.kind else { return false }
        return given[name]?.last.flatMap(parseBool) ?? standard
    }

    /// The value given last; nil when there was none.
    func value(_ name: String) -> String? { flag(name).flatMap { given[$0.name]?.last } }

    /// The value given last; nil also where it is empty, as of a script's variable that is not set.
    func text(_ name: String) -> String? { value(name).flatMap { $0.isEmpty ? nil : $0 } }

    /// Every value given, in order.
    func values(_ name: String) -> [String] { flag(name).flatMap { given[$0.name] } ?? [] }

    /// The value given last in its final type; `parse` says why it is none.
    func parsed<T>(_ name: String, _ parse: (String) throws -> T) throws -> T? {
        try value(name).map { try parsed($0, of: name, parse) }
    }

    /// Every value given, in its final type.
    func eachParsed<T>(_ name: String, _ parse: (String) throws -> T) throws -> [T] {
        try values(name).map { try parsed($0, of: name, parse) }
    }

    /// What a repeated flag of labels says; of one key the last counts.
    func labels(_ name: String) throws -> [String: String] {
        Dictionary(try eachParsed(name, { try EnvFile.label($0) }).map { ($0.key, $0.value) }) { $1 }
    }

    /// Every `--filter` that is not empty. One that has no value is a flag's error, one that is not known the command's.
    func eachFilter(_ add: (String) throws(UsageError) -> Void) throws {
        for text in values("filter") where !text.isEmpty {
            do throws(UsageError) { try add(text) } catch {
                if text.contains("=") { throw error }
                throw refusal("filter", text, error)
            }
        }
    }

    private func parsed<T>(_ value: String, of name: String, _ parse: (String) throws -> T) throws -> T {
        do { return try parse(value) } catch let error as UsageError where error.isOfEngine {
            throw error
        } catch {
            throw refusal(name, value, error)
        }
    }

    /// A whole number, with Go's text otherwise.
    static func integer(_ text: String) throws(UsageError) -> Int {
        guard let value = Int(text) else {
            throw UsageError("strconv.ParseInt: parsing \"\(text)\": invalid syntax")
        }
        return value
    }
}
