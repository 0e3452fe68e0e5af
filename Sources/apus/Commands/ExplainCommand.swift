import Engine
import OCI

/// `explain`.
enum ExplainCommand {
    static let explain = Command(
        "explain", "run [OPTIONS] IMAGE [COMMAND] [ARG...]", "Show what a run would do, and do none of it",
        words: Command.atLeast(1), stopsAtWord: true,
        flags: [.value("format", nil, "string", "json: the plan with the OCI document, else a text")]
    ) { arguments, session in
        var words = arguments.words
        if words.first == "container" { words.removeFirst() }
        guard let name = words.first, ["run", "create"].contains(name) else {
            throw CommandFailure(
                "explain: what can be explained is run and create, not \(words.first ?? "container")")
        }
        let format = arguments.value("format") ?? ""
        guard ["", "json"].contains(format) else {
            throw CommandFailure("explain: --format is json or nothing, not \(format)")
        }
        let command = name == "run" ? RunCommand.run : RunCommand.create
        if words.dropFirst().first == "--help" {
            try Standard.out(Help.text(command, path: name))
            return 0
        }
        let typed: Arguments
        do {
            typed = try Arguments(parsing: Array(words.dropFirst()), flags: command.flags, stopsAtWord: true)
        } catch let error as FlagError {
            throw CommandFailure.usage("\(error)", command.usageLine(name), code: 125, help: "apus \(name)")
        }
        guard !typed.words.isEmpty else { throw CommandFailure("explain: \(name) needs an image") }
        return try RunCommand.withCode(125) {
            let options = try RunCommand.options(typed, session, path: name)
            let plan = try session.containers().plan(options)
            try Standard.show(format == "json" ? plan.json.pretty + "\n" : plan.text)
            return 0
        }
    }
}
