import Engine
import Linux

/// The program `apus`: global options, then one command. Only that command's flags are ever looked at.
enum Program {
    static let version = "0.1.0"

    /// Runs a command line without the program's name; the result is the exit code.
    static func run(_ typed: [String], environment: [String]) -> Int32 {
        var session = Session(environment: environment)
        var rest = typed[...]
        do {
            if let code = try globalOptions(&rest, &session) { return code }
            guard let name = rest.popFirst() else {
                try Standard.out(Help.text(CommandList.sections))
                return 0
            }
            return try dispatch(name, Array(rest), session)
        } catch let error as CommandFailure {
            Standard.error(error.isNamed ? "apus: \(error)" : "\(error)")
            return error.code
        } catch {
            Standard.error("apus: \(error)")
            return 1
        }
    }

    /// Takes what stands before the command; a code when there is nothing more to do.
    private static func globalOptions(_ rest: inout ArraySlice<String>, _ session: inout Session) throws
        -> Int32?
    {
        while let word = rest.first, word.hasPrefix("-") {
            rest.removeFirst()
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(
                String.init)
            switch parts[0] {
            case "--help":
                try Standard.out(Help.text(CommandList.sections))
                return 0
            case "--version", "-v":
                try Standard.out("apus version \(version)\n")
                return 0
            case "--debug", "-D": session.debugs = true
            case "--root", "--run":
                guard let value = parts.count == 2 ? parts[1] : rest.popFirst() else {
                    return refuse("flag needs an argument: \(parts[0])")
                }
                if parts[0] == "--root" { session.root = value } else { session.run = value }
            default:
                return refuse(
                    word.hasPrefix("--")
                        ? "unknown flag: \(parts[0])"
                        : "unknown shorthand flag: '\(word.dropFirst().prefix(1))' in \(word)")
            }
        }
        return nil
    }

    private static func refuse(_ why: String) -> Int32 {
        Standard.error(
            "\(why)\n\nUsage:  apus [OPTIONS] COMMAND [ARG...]\n\nRun 'apus --help' for more information")
        return 125
    }

    private static func dispatch(_ name: String, _ rest: [String], _ session: Session) throws -> Int32 {
        let commands = CommandList.all
        if name == "help" { return try help(rest, commands) }
        if let command = commands.first(where: { !name.isEmpty && $0.name == name }) {
            return try command.run(rest, path: name, session: session)
        }
        guard commands.contains(where: { $0.group == name }) else {
            Standard.error("apus: unknown command: apus \(name)\n\nRun 'apus --help' for more information")
            return 1
        }
        guard let verb = rest.first, verb != "--help" else {
            try Standard.out(Help.group(name, commands))
            return 0
        }
        guard let command = commands.first(where: { $0.group == name && $0.groupNames.contains(verb) }) else {
            Standard.error(
                "apus: unknown command: apus \(name) \(verb)\n\nUsage:  apus \(name)\n\n"
                    + "Run 'apus \(name) --help' for more information")
            return 1
        }
        return try command.run(Array(rest.dropFirst()), path: "\(name) \(verb)", session: session)
    }

    private static func help(_ topics: [String], _ commands: [Command]) throws -> Int32 {
        guard let topic = topics.first else {
            try Standard.out(Help.text(CommandList.sections))
            return 0
        }
        if commands.contains(where: { $0.group == topic }) {
            try Standard.out(Help.group(topic, commands))
        } else if let command = commands.first(where: { $0.name == topic }) {
            try Standard.out(Help.text(command, path: topic))
        } else {
            Standard.error("unknown help topic: \(topics.joined(separator: " "))")
            return 1
        }
        return 0
    }
}
