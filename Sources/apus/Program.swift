import Engine
import Linux

/// The program `apus`: global options, then one command.
enum Program {
    static let version = "0.1.0"

    /// Runs a command line without the program's name; the result is the exit code.
    static func run(_ typed: [String], environment: [String]) -> Int32 {
        var session = Session(environment: environment)
        var rest = typed[...]
        do {
            if try globalOptions(&rest, &session) { return 0 }
            guard let name = rest.popFirst() else {
                Standard.error(Help.text(CommandList.sections))
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

    /// Takes what stands before the command; true when there is nothing more to do.
    private static func globalOptions(_ rest: inout ArraySlice<String>, _ session: inout Session) throws
        -> Bool
    {
        while let word = rest.first, word.hasPrefix("-") {
            rest.removeFirst()
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(
                String.init)
            switch parts[0] {
            case "--help", "-h":
                try Standard.out(Help.text(CommandList.sections))
                return true
            case "--version", "-v":
                try Standard.out("apus version \(version)\n")
                return true
            case "--debug", "-D": session.debugs = true
            case "--root", "--run", "--config", "--log-level", "-l":
                guard let value = parts.count == 2 ? parts[1] : rest.popFirst() else {
                    throw misuse("flag needs an argument: \(parts[0])")
                }
                if parts[0] == "--root" { session.root = value }
                if parts[0] == "--run" { session.run = value }
                if parts[0] == "--config" { session.environment["DOCKER_CONFIG"] = value }
                if ["--log-level", "-l"].contains(parts[0]) {
                    guard logLevels.contains(value) else {
                        throw CommandFailure.bare("unable to parse logging level: \(value)")
                    }
                    if value == "debug" { session.debugs = true }
                }
            case "--host", "-H", "--context", "-c":
                throw CommandFailure(
                    "\(parts[0]) is not supported: there is no daemon to connect to, apus works on this host "
                        + "(another root: --root, APUS_ROOT)", code: 125)
            default: throw misuse("unknown flag: \(parts[0])")
            }
        }
        return false
    }

    private static let logLevels: Set = [
        "debug", "info", "warn", "warning", "error", "fatal", "panic", "trace",
    ]

    private static func misuse(_ complaint: String) -> CommandFailure {
        .usage(complaint, "Usage:  apus [OPTIONS] COMMAND", code: 125, help: "apus")
    }

    private static func dispatch(_ name: String, _ rest: [String], _ session: Session) throws -> Int32 {
        let commands = CommandList.all
        if name == "help" { return try help(rest, commands) }
        if let command = commands.first(where: { !name.isEmpty && $0.name == name }) {
            return try command.run(rest, path: name, session: session)
        }
        if let sentence = LaterCommands.refusal(of: name, rest) { throw CommandFailure.bare(sentence) }
        guard commands.contains(where: { !name.isEmpty && $0.group == name }) else {
            throw CommandFailure.usage("apus: unknown command: apus \(name)", nil, code: 1, help: "apus")
        }
        guard let verb = rest.first else {
            Standard.error(Help.group(name, commands))
            return 0
        }
        if ["--help", "-h"].contains(verb) {
            try Standard.out(Help.group(name, commands))
            return 0
        }
        guard let command = commands.first(where: { $0.group == name && $0.groupNames.contains(verb) }) else {
            throw CommandFailure.usage(
                "apus: unknown command: apus \(name) \(verb)", "Usage:  apus \(name) COMMAND", code: 1,
                help: "apus \(name)")
        }
        return try command.run(Array(rest.dropFirst()), path: "\(name) \(verb)", session: session)
    }

    private static func help(_ topics: [String], _ commands: [Command]) throws -> Int32 {
        guard let topic = topics.first else {
            try Standard.out(Help.text(CommandList.sections))
            return 0
        }
        if topics.count > 1,
            let command = commands.first(where: {
                $0.group == topic && $0.groupNames.contains(topics[1])
            })
        {
            try Standard.out(Help.text(command, path: "\(topic) \(topics[1])"))
        } else if let command = commands.first(where: { $0.name == topic && !topic.isEmpty }) {
            try Standard.out(Help.text(command, path: topic))
        } else if commands.contains(where: { $0.group == topic }) {
            try Standard.out(Help.group(topic, commands))
        } else {
            throw CommandFailure.bare("unknown help topic: \(topics.joined(separator: " "))")
        }
        return 0
    }
}
