import Engine

/// One command of the program: how it is called, what it takes, and what it does.
struct Command: Sendable {
    let name: String
    /// `container` or `image` with the names it has there; empty for what is in no group.
    let group: String
    let groupNames: [String]
    /// What follows its name in the usage line.
    let usage: String
    /// One sentence without a full stop.
    let summary: String
    /// How many words it takes.
    let words: ClosedRange<Int>
    /// Flags end at the first word; what follows is the container's command line.
    let stopsAtWord: Bool
    let flags: [Flag]
    /// Does it; the result is the exit code.
    let body: @Sendable (Arguments, Session) throws -> Int32

    init(
        _ name: String, group: String = "", as groupNames: [String] = [], _ usage: String, _ summary: String,
        words: ClosedRange<Int> = 0...0, stopsAtWord: Bool = false, flags: [Flag] = [],
        body: @escaping @Sendable (Arguments, Session) throws -> Int32
    ) {
        (self.name, self.group, self.usage, self.summary) = (name, group, usage, summary)
        self.groupNames = groupNames.isEmpty && !group.isEmpty ? [name] : groupNames
        (self.words, self.stopsAtWord, self.flags, self.body) = (words, stopsAtWord, flags, body)
    }

    /// Any number from `least` on.
    static func atLeast(_ least: Int) -> ClosedRange<Int> { least...Int.max }

    /// Parses, then does it. `path` is how it was called, `container ls`. Usage errors end as docker's do: with
    /// 125 for a bad flag, with 1 for too few or too many words.
    func run(_ typed: [String], path: String, session: Session) throws -> Int32 {
        if let asked = typed.firstIndex(where: isHelp), !stopsAtWord || asked == 0 || wantsHelp(typed) {
            try Standard.out(Help.text(self, path: path))
            return 0
        }
        do {
            let arguments = try Arguments(parsing: typed, flags: flags, stopsAtWord: stopsAtWord)
            if let complaint = miscount(arguments.words.count) {
                throw misuse("apus: 'apus \(path)' \(complaint)", path, code: 1)
            }
            for name in arguments.ignored {
                Standard.error("WARNING: --\(name) has no effect here and is ignored")
            }
            return try sweeping(session) { try body(arguments, session) }
        } catch let error as FlagError {
            throw misuse("\(error)", path, code: 125)
        }
    }

    /// `-h`, too, where the command has no flag of that letter.
    private func isHelp(_ word: String) -> Bool {
        word == "--help" || (word == "-h" && !flags.contains { $0.short == "h" })
    }

    private func misuse(_ complaint: String, _ path: String, code: Int32) -> CommandFailure {
        .usage(complaint, usageLine(path), code: code, help: "apus \(path)")
    }

    /// Adopts containers whose monitor was killed. Commands that start one do it afterwards, so that a start costs
    /// the same however many others run.
    private func sweeping(_ session: Session, _ work: () throws -> Int32) throws -> Int32 {
        if ["completion", "version"].contains(name) { return try work() }
        let sweeper = Sweeper(paths: try session.paths())
        let isStart = ["run", "create", "start", "exec", "build"].contains(name)
        if !isStart { sweeper.sweep() }
        defer { if isStart { sweeper.sweep() } }
        return try work()
    }

    /// Whether a wish for help stands among the flags and not in the container's command line.
    private func wantsHelp(_ typed: [String]) -> Bool {
        var before: [String] = []
        for word in typed {
            if isHelp(word) { break }
            before.append(word)
        }
        // A word that ends the flags, or a bad flag, comes first.
        guard let arguments = try? Arguments(parsing: before, flags: flags, stopsAtWord: true) else {
            return false
        }
        return arguments.words.isEmpty
    }

    func usageLine(_ path: String) -> String {
        "Usage:  apus \(path)" + (flags.isEmpty ? "" : " [OPTIONS]") + (usage.isEmpty ? "" : " \(usage)")
    }

    private func miscount(_ count: Int) -> String? {
        if words.contains(count) { return nil }
        func arguments(_ n: Int) -> String { n == 1 ? "1 argument" : "\(n) arguments" }
        if words.upperBound == 0 { return "accepts no arguments" }
        if words.upperBound == .max { return "requires at least \(arguments(words.lowerBound))" }
        if words.lowerBound == words.upperBound { return "requires \(arguments(words.lowerBound))" }
        if words.lowerBound == 0 { return "requires at most \(arguments(words.upperBound))" }
        return "requires at least \(words.lowerBound) and at most \(arguments(words.upperBound))"
    }
}
