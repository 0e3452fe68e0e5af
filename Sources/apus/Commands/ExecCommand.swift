import Engine
import Linux

/// `exec`.
enum ExecCommand {
    static let exec = Command(
        "exec", group: "container", "CONTAINER COMMAND [ARG...]", "Execute a command in a running container",
        words: Command.atLeast(2), stopsAtWord: true,
        flags: [
            .toggle("detach", "d", "Detached mode: run command in the background"),
            .value("detach-keys", "Override the key sequence for detaching a container"),
            .list("env", "e", "Set environment variables"),
            .list("env-file", "Read in a file of environment variables"),
            .toggle("interactive", "i", "Keep STDIN open even if not attached"),
            .toggle("privileged", "Give extended privileges to the command"),
            .toggle("tty", "t", "Allocate a pseudo-TTY"),
            .value("user", "u", "Username or UID (format: <name|uid>[:<group|gid>])"),
            .value("workdir", "w", "Working directory inside the container"),
        ]
    ) { arguments, session in
        var options = ExecOptions(command: Array(arguments.words.dropFirst()))
        options.terminal = arguments.isOn("tty")
        options.openStdin = arguments.isOn("interactive")
        options.isPrivileged = arguments.isOn("privileged")
        options.env = try RunOptions.environment(arguments, session.client())
        options.user = arguments.text("user")
        options.workingDirectory = arguments.text("workdir")
        if let directory = options.workingDirectory, !directory.hasPrefix("/") {
            throw CommandFailure(
                "the working directory '\(directory)' is invalid, it needs to be an absolute path")
        }
        return try run(options, arguments, session)
    }

    private static func run(_ asked: ExecOptions, _ arguments: Arguments, _ session: Session) throws -> Int32
    {
        var options = asked
        let keys = try RunOptions.detachKeys(arguments.value("detach-keys") ?? "")
        let isDetached = arguments.isOn("detach")
        let containers = try session.containers()
        // docker's order: who has no such container has no use for a terminal.
        let id = try containers.records.find(arguments.words[0])
        try Terminals.requireInput(terminal: options.terminal, stdin: options.openStdin && !isDetached)
        if isDetached {
            let socket = try containers.exec(id, options, hello: Hello([], keys: []))
            if case .failed(_, let text)? = try ClientLoop.awaitStart(socket) { throw CommandFailure(text) }
            return 0
        }
        if options.terminal { options.size = Terminal.windowSize(0) }
        let streams: RunOptions.Streams =
            options.openStdin ? [.stdin, .stdout, .stderr] : [.stdout, .stderr]
        let signals = try Attached.signals(proxied: true)
        let socket = try containers.exec(id, options, hello: Hello(streams, keys: keys))
        return try Attached.run(
            socket, of: nil, input: options.openStdin, terminal: options.terminal, signals: signals,
            detachedCode: 1)
    }
}
