import Engine
import Linux

/// `start`.
enum StartCommand {
    static let start = Command(
        "start", group: "container", "CONTAINER [CONTAINER...]", "Start one or more stopped containers",
        words: Command.atLeast(1),
        flags: [
            .toggle("attach", "a", "Attach STDOUT/STDERR and forward signals"),
            .value("detach-keys", "Override the key sequence for detaching a container"),
            .toggle("interactive", "i", "Attach container's STDIN"),
        ] + Flag.later("checkpoint", "checkpoint-dir")
    ) { arguments, session in
        let containers = try session.containers()
        if arguments.isOn("attach") || arguments.isOn("interactive") {
            guard arguments.words.count == 1 else {
                throw CommandFailure.bare("you cannot start and attach multiple containers at once")
            }
            return try attached(arguments, containers, session)
        }
        return try EachName.run(arguments.words) { name in
            let id = try containers.records.find(name)
            let host = try containers.records.read(id).config.host
            session.debugPlan(id, containers)
            if let text = PublishedPorts.warning(for: host) { Standard.error("WARNING: \(text)") }
            if let socket = try containers.start(id, hello: Hello([], keys: [])),
                let failure = try ClientLoop.awaitStart(socket)
            {
                _ = try Attached.code(of: failure)
            }
            try Standard.out("\(name)\n")
        }
    }

    private static func attached(
        _ arguments: Arguments, _ containers: Containers, _ session: Session
    ) throws -> Int32 {
        let id = try containers.records.find(arguments.words[0])
        session.debugPlan(id, containers)
        let config = try containers.records.read(id).config
        let input = arguments.isOn("interactive") && config.openStdin
        let streams: RunOptions.Streams = input ? [.stdin, .stdout, .stderr] : [.stdout, .stderr]
        let keys = try RunOptions.detachKeys(arguments.value("detach-keys") ?? "")
        let hello = Hello(
            streams, keys: keys, lossless: Terminals.takesEveryByte(streams, terminal: config.terminal))
        let signals = try Attached.signals(proxied: true)
        let target = Attached.Target(containers: containers, id: id)
        if let socket = try containers.start(id, hello: hello) {
            do {
                return try Attached.run(
                    socket, of: target, input: input, terminal: config.terminal, signals: signals)
            } catch let error as CommandFailure {
                // Only `run` tells by its code why a start failed.
                throw CommandFailure(error.description)
            }
        }
        let socket = try containers.attach(id, hello: Hello(streams, keys: keys))
        return try Attached.run(
            socket, of: target, input: input, terminal: config.terminal, signals: signals)
    }
}

/// `attach`.
enum AttachCommand {
    static let attach = Command(
        "attach", group: "container", "CONTAINER",
        "Attach local standard input, output, and error streams to a running container", words: 1...1,
        flags: [
            .value("detach-keys", "Override the key sequence for detaching a container"),
            .toggle("no-stdin", "Do not attach STDIN"),
            .toggle("sig-proxy", "Proxy all received signals to the process", default: true),
        ]
    ) { arguments, session in
        let containers = try session.containers()
        let record = try containers.records.read(named: arguments.words[0])
        guard record.state.isRunning else {
            throw CommandFailure("You cannot attach to a stopped container, start it first")
        }
        if record.state.isPaused {
            throw CommandFailure("You cannot attach to a paused container, unpause it first")
        }
        if record.state.isRestarting {
            throw CommandFailure("You cannot attach to a restarting container, wait until it is running")
        }
        let input = record.config.openStdin && !arguments.isOn("no-stdin")
        // As docker does: also where the container takes no input.
        try Terminals.requireInput(
            terminal: record.config.terminal, stdin: !arguments.isOn("no-stdin"))
        let streams: RunOptions.Streams = input ? [.stdin, .stdout, .stderr] : [.stdout, .stderr]
        let keys = try RunOptions.detachKeys(arguments.value("detach-keys") ?? "")
        let proxied = arguments.isOn("sig-proxy")
        let signals = try Attached.signals(proxied: proxied)
        let id = record.config.id
        let socket = try containers.attach(id, hello: Hello(streams, keys: keys))
        if record.config.terminal { ClientLoop.askForPicture(socket) }
        return try Attached.run(
            socket, of: .init(containers: containers, id: id), input: input,
            terminal: record.config.terminal, signals: signals, proxied: proxied, detachedCode: 1)
    }
}
