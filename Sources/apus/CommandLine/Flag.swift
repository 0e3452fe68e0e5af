/// One flag of a command: what is parsed, shown by --help and completed comes from here.
struct Flag: Equatable, Sendable {
    /// What follows its name.
    enum Kind: Equatable, Sendable {
        /// Nothing, or `=true`, `=false`.
        case toggle(default: Bool)
        /// A word, shown in the help as this; the last one given counts.
        case value(String)
        /// The same, and every one given counts.
        case list(String)
    }

    /// What becomes of it.
    enum Standing: Equatable, Sendable {
        case works
        /// docker has it, apus does not: refused with a sentence, never ignored.
        case later
        /// It has no meaning on Linux or for this engine: a warning, nothing else.
        case ignored
        /// What it asks for is so anyway: taken without a word.
        case accepted
        /// The same of a toggle that is always on: only `=false` is refused.
        case constant
    }

    let name: String
    let short: Character?
    let kind: Kind
    let help: String
    let standing: Standing
    private(set) var alias: String?

    private init(
        _ name: String, _ short: Character?, _ kind: Kind, _ help: String, _ standing: Standing = .works
    ) {
        (self.name, self.short, self.kind, self.help, self.standing) = (name, short, kind, help, standing)
    }

    static func toggle(_ name: String, _ help: String, default value: Bool = false) -> Flag {
        Flag(name, nil, .toggle(default: value), help)
    }

    static func toggle(
        _ name: String, _ short: Character, _ help: String, default value: Bool = false
    ) -> Flag {
        Flag(name, short, .toggle(default: value), help)
    }

    static func value(_ name: String, _ help: String) -> Flag { value(name, nil, "string", help) }

    static func value(_ name: String, _ short: Character, _ help: String) -> Flag {
        value(name, short, "string", help)
    }

    static func value(_ name: String, _ short: Character?, _ word: String, _ help: String) -> Flag {
        Flag(name, short, .value(word), help)
    }

    static func list(_ name: String, _ help: String) -> Flag { list(name, nil, "list", help) }

    static func list(_ name: String, _ short: Character, _ help: String) -> Flag {
        list(name, short, "list", help)
    }

    static func list(_ name: String, _ short: Character?, _ word: String, _ help: String) -> Flag {
        Flag(name, short, .list(word), help)
    }

    /// Flags with a value (or, with `toggle`, without) that are refused.
    static func later(_ names: String..., toggle: Bool = false) -> [Flag] {
        names.map { Flag($0, nil, toggle ? .toggle(default: false) : .value(""), "", .later) }
    }

    /// Flags that are accepted with a warning.
    static func ignored(_ names: String..., toggle: Bool = false) -> [Flag] {
        names.map { Flag($0, nil, toggle ? .toggle(default: false) : .value(""), "", .ignored) }
    }

    /// Flags that ask for what is so anyway.
    static func accepted(_ names: String..., toggle: Bool = false) -> [Flag] {
        names.map { Flag($0, nil, toggle ? .toggle(default: false) : .value(""), "", .accepted) }
    }

    /// A toggle with a short name that does.
    static func accepted(_ name: String, _ short: Character) -> Flag {
        Flag(name, short, .toggle(default: false), "", .accepted)
    }

    /// Toggles that are always on.
    static func constant(_ names: String...) -> [Flag] {
        names.map { Flag($0, nil, .toggle(default: true), "", .constant) }
    }

    /// The same flag, known by another name too, which the help leaves out as docker's does.
    func or(_ alias: String) -> Flag {
        var copy = self
        copy.alias = alias
        return copy
    }

    /// As errors name it: `-m, --memory`.
    var shown: String { (short.map { "-\($0), " } ?? "") + "--\(name)" }

    var isToggle: Bool { if case .toggle = kind { true } else { false } }
}
