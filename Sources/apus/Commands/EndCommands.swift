import Engine
import Linux

/// `stop`, `kill`, `wait` and `rm`.
enum EndCommands {
    static let stop = Command(
        "stop", group: "container", "CONTAINER [CONTAINER...]", "Stop one or more running containers",
        words: Command.atLeast(1),
        flags: stopFlags
    ) { arguments, session in
        let timeout = try timeout(arguments)
        let signal = try signal(arguments)
        let containers = try session.containers()
        return try EachName.run(arguments.words) { name in
            try containers.beginStop(try containers.records.find(name), timeout: timeout, signal: signal)
        } finish: { name, ending in
            try containers.finishStop(ending)
            try Standard.out("\(name)\n")
        }
    }

    static let kill = Command(
        "kill", group: "container", "CONTAINER [CONTAINER...]", "Kill one or more running containers",
        words: Command.atLeast(1), flags: [.value("signal", "s", "string", "Signal to send to the container")]
    ) { arguments, session in
        let signal = try signal(arguments) ?? Signal.kill
        let containers = try session.containers()
        return try EachName.run(arguments.words) { name in
            do { return try containers.beginKill(try containers.records.find(name), signal: signal) } catch {
                throw EngineError("Cannot kill container: \(name): \(error)", exitCode: 1)
            }
        } finish: { name, ending in
            try containers.finishKill(ending)
            try Standard.out("\(name)\n")
        }
    }

    static let wait = Command(
        "wait", group: "container", "CONTAINER [CONTAINER...]",
        "Block until one or more containers stop, then print their exit codes", words: Command.atLeast(1)
    ) { arguments, session in
        let containers = try session.containers()
        return try EachName.run(arguments.words) { name in
            try containers.beginWait(try containers.records.find(name))
        } finish: { _, waiting in
            try Standard.out("\(try containers.finishWait(waiting))\n")
        }
    }

    static let remove = Command(
        "rm", group: "container", as: ["rm", "remove"], "CONTAINER [CONTAINER...]",
        "Remove one or more containers",
        words: Command.atLeast(1),
        flags: [
            .toggle("force", "f", "Force the removal of a running container (uses SIGKILL)"),
            .toggle("volumes", "v", "Remove anonymous volumes associated with the container"),
        ] + Flag.later("link", toggle: true)
    ) { arguments, session in
        let (force, volumes) = (arguments.isOn("force"), arguments.isOn("volumes"))
        let containers = try session.containers()
        return try EachName.run(arguments.words) { name -> Result<Removal, any Error> in
            let id: String
            do { id = try containers.records.find(name) } catch {
                guard force, !name.isEmpty else { throw error }
                return .failure(error)
            }
            return .success(try containers.beginRemove(id, force: force))
        } finish: { name, found in
            switch found {
            case .success(let removal):
                try containers.finishRemove(removal, volumes: volumes)
                try Standard.out("\(name)\n")
            // docker: what is already gone is what was asked for.
            case .failure(let error): Standard.error("apus: \(error)")
            }
        }
    }

    static let stopFlags: [Flag] = [
        .value("signal", "s", "string", "Signal to send to the container"),
        .value("timeout", "t", "int", "Seconds to wait before killing the container (-1: for ever)"),
        .value("time", nil, "int", "The same as --timeout"),
    ]

    static func timeout(_ arguments: Arguments) throws -> Int? {
        try arguments.parsed("timeout", Arguments.integer) ?? arguments.parsed("time", Arguments.integer)
    }

    static func signal(_ arguments: Arguments) throws -> Int32? {
        guard let name = arguments.text("signal") else { return nil }
        guard let signal = Signal.number(name) else { throw CommandFailure("Invalid signal: \(name)") }
        return signal
    }
}
