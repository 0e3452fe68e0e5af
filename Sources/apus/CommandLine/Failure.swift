import Engine

/// A flag or its value that is wrong: it ends the command with code 125.
struct FlagError: Error, Equatable, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// What ends a command: a text for stderr and an exit code.
struct CommandFailure: Error, Equatable, CustomStringConvertible {
    let description: String
    let code: Int32
    /// Whether `apus: ` stands before it; docker leaves it out of some of its texts.
    let isNamed: Bool

    init(_ description: String, code: Int32 = 1) {
        (self.description, self.code, isNamed) = (description, code, true)
    }

    private init(bare description: String, code: Int32) {
        (self.description, self.code, isNamed) = (description, code, false)
    }

    /// A complaint about a command line, in docker's form: how the command is used and where to read more stand below it.
    static func usage(_ complaint: String, _ usage: String?, code: Int32, help path: String) -> CommandFailure
    {
        let hint = "Run '\(path) --help' for more information"
        let parts = [complaint] + (usage.map { [$0] } ?? []) + [hint]
        return .bare(parts.joined(separator: "\n\n"), code: code)
    }

    /// A text without the program's name.
    static func bare(_ description: String, code: Int32 = 1) -> CommandFailure {
        CommandFailure(bare: description, code: code)
    }
}

/// Commands that take several names go on past an error and end with 1.
enum EachName {
    /// How many are begun before the first is waited for, as with docker; each has a few descriptors.
    private static let mostAtOnce = 50

    /// Side by side: it takes as long as the slowest one. What is printed has the names' order.
    static func run<Begun>(
        _ names: [String], begin: (String) throws -> Begun, finish: (String, Begun) throws -> Void
    ) throws -> Int32 {
        var waiting = names[...]
        var begun: [Result<Begun, any Error>] = []
        return try run(names) { name in
            while begun.count < mostAtOnce, let next = waiting.popFirst() {
                begun.append(Result { try begin(next) })
            }
            try finish(name, begun.removeFirst().get())
        }
    }

    static func run(_ names: [String], failureCode: Int32 = 1, _ body: (String) throws -> Void) throws
        -> Int32
    {
        var code: Int32 = 0
        for name in names {
            do { try body(name) } catch {
                Standard.error("apus: \(error)")
                code = failureCode
            }
        }
        return code
    }
}
