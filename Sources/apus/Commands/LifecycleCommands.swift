import Engine
import Linux

/// `restart`, `pause`, `unpause`, `update` and `boot`.
enum LifecycleCommands {
    static let restart = Command(
        "restart", group: "container", "CONTAINER [CONTAINER...]", "Restart one or more containers",
        words: Command.atLeast(1), flags: EndCommands.stopFlags
    ) { arguments, session in
        let (timeout, signal) = (try EndCommands.timeout(arguments), try EndCommands.signal(arguments))
        let containers = try session.containers()
        return try EachName.run(arguments.words) { name in
            try containers.beginRestart(try containers.records.find(name), timeout: timeout, signal: signal)
        } finish: { name, ending in
            try containers.finishRestart(ending)
            try Standard.out("\(name)\n")
        }
    }

    static let pause = Command(
        "pause", group: "container", "CONTAINER [CONTAINER...]",
        "Pause all processes within one or more containers", words: Command.atLeast(1)
    ) { arguments, session in
        try each(arguments, session) { containers, id in try containers.setPaused(id, true) }
    }

    static let unpause = Command(
        "unpause", group: "container", "CONTAINER [CONTAINER...]",
        "Unpause all processes within one or more containers", words: Command.atLeast(1)
    ) { arguments, session in
        try each(arguments, session) { containers, id in try containers.setPaused(id, false) }
    }

    static let update = Command(
        "update", group: "container", "CONTAINER [CONTAINER...]",
        "Update configuration of one or more containers", words: Command.atLeast(1),
        flags: [
            .value("restart", "Restart policy to apply when a container exits"),
            .value(
                "publish-from", nil, "container",
                "Let the published ports of that container lead to this one, without a refused connection"),
        ] + RunFlags.resources
            + Flag.later("blkio-weight") + Flag.ignored("cpu-rt-period", "cpu-rt-runtime", "kernel-memory")
    ) { arguments, session in
        var change = Containers.Update()
        change.limits = try Limits(arguments)
        // Of those that are given: `--memory 0` asks for nothing, and is no mistake.
        let changes = (RunFlags.resources.map(\.name) + ["restart"]).contains { arguments.value($0) != nil }
        if let policy = arguments.value("restart") {
            var options = HostOptions()
            try options.setRestart(policy)
            change.restart = options.restart
        }
        if let old = arguments.value("publish-from") {
            guard arguments.words.count == 1 else {
                throw CommandFailure("the ports of a container can lead to one other container")
            }
            let containers = try session.containers()
            try containers.movePorts(
                from: try containers.records.find(old), to: try containers.records.find(arguments.words[0]))
            guard changes else {
                try Standard.out("\(arguments.words[0])\n")
                return 0
            }
        }
        guard changes else {
            throw CommandFailure.bare("you must provide one or more flags when using this command")
        }
        let chosen = change
        return try each(arguments, session) { containers, id in
            for warning in try containers.update(id, chosen) { Standard.error("apus: \(warning)") }
        }
    }

    static let rename = Command(
        "rename", group: "container", "CONTAINER NEW_NAME", "Rename a container", words: 2...2
    ) { arguments, session in
        let containers = try session.containers()
        let (old, new) = (arguments.words[0], arguments.words[1])
        if old.isEmpty || new.isEmpty {
            throw CommandFailure("Neither old nor new names may be empty")
        }
        try containers.rename(
            try containers.records.find(old), to: new.hasPrefix("/") ? String(new.dropFirst()) : new)
        return 0
    }

    static let boot = Command(
        "boot", "", "Start the containers whose restart policy asks for it, after the host has booted"
    ) { _, session in
        let containers = try session.containers()
        return try EachName.run(try containers.namesForBoot()) { name in
            try containers.finishRestart(
                try containers.beginRestart(try containers.records.find(name), timeout: nil))
            try Standard.out("\(name)\n")
        }
    }

    private static func each(
        _ arguments: Arguments, _ session: Session, _ body: (Containers, String) throws -> Void
    ) throws -> Int32 {
        let containers = try session.containers()
        return try EachName.run(arguments.words) { name in
            try body(containers, try containers.records.find(name))
            try Standard.out("\(name)\n")
        }
    }
}
