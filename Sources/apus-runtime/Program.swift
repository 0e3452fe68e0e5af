import Linux
import Monitor
import OCI
import Runtime
import SystemPackage

/// The command line of an OCI runtime, in runc's words; crun's are understood where they differ.
enum Program {
    static let version = "0.1.0"

    private static let globalFlags = [
        "root=", "log=", "log-format=", "debug", "systemd-cgroup", "rootless=", "cgroup-manager=", "criu=",
        "version,v", "help,h",
    ].map(Flag.init)

    static let commands: [Command] =
        [
            .create, .run, .start, .state, .kill, .delete, .exec, .list, .ps, .pause, .resume, .update,
            .events, .spec, .features,
            .checkpoint, .restore,
        ]

    /// Runs one command line; answers the exit code.
    static func run(_ all: [String]) -> Int32 {
        if all.count == 3, all[1] == "monitor", let monitor = MonitorCommand(rawValue: all[2]) {
            return monitor.run()
        }
        var log = Log(file: nil, format: .text, isVerbose: false)
        do throws(RuntimeError) {
            let global = try Arguments(all.dropFirst(), flags: globalFlags)
            log = try makeLog(global)
            return try dispatch(global, log)
        } catch {
            log.error(error.description)
            return error.exitCode == 125 ? 1 : error.exitCode
        }
    }

    private static func makeLog(_ global: Arguments) throws(RuntimeError) -> Log {
        let format = global["log-format"] ?? "text"
        guard let format = Log.Format(rawValue: format) else {
            throw RuntimeError("invalid log-format: \(format)")
        }
        let file = global["log"].map { FilePath($0) }
        return Log(file: file, format: format, isVerbose: global.has("debug"))
    }

    private static func dispatch(_ global: Arguments, _ log: Log) throws(RuntimeError) -> Int32 {
        if global.has("version") {
            Standard.out("apus-runtime version \(version)\nspec: \(RuntimeSpec.newestVersion)\n")
            return 0
        }
        guard let name = global.words.first, !global.has("help"), name != "help" else {
            Standard.out(help)
            return 0
        }
        guard let command = commands.first(where: { $0.name == name }) else {
            throw RuntimeError("No help topic for '\(name)': apus-runtime --help lists the commands")
        }
        // The words after the id of `exec` and `ps` are for other programs.
        let arguments = try Arguments(
            global.words.dropFirst(), flags: command.flags, mixed: !["exec", "ps"].contains(name))
        if arguments.has("help") {
            Standard.out(command.help)
            return 0
        }
        let root = global["root"].map { FilePath($0) } ?? defaultRoot
        return try command.run(
            Context(
                root: root, isRootGiven: global["root"] != nil, log: log, cgroupDriver: try driver(global),
                arguments: arguments))
    }

    /// `--systemd-cgroup`, or crun's word for it.
    private static func driver(_ global: Arguments) throws(RuntimeError) -> CgroupDriver {
        if global.has("systemd-cgroup") { return .systemd }
        guard let word = global["cgroup-manager"] else { return .cgroupfs }
        guard let driver = CgroupDriver(rawValue: word) else {
            throw RuntimeError("invalid cgroup-manager: \(word); it is cgroupfs, systemd or disabled")
        }
        return driver
    }

    /// Below /run, which a reboot empties; an ordinary user's own place.
    private static var defaultRoot: FilePath {
        guard Process.effectiveUser != 0,
            let entry = Process.environment.first(where: { $0.hasPrefix("XDG_RUNTIME_DIR=") })
        else { return "/run/apus-runtime" }
        return FilePath(String(entry.dropFirst(16))).appending("apus-runtime")
    }

    private static var help: String {
        let width = 12
        let lines = commands.map { command in
            let padding = String(repeating: " ", count: max(1, width - command.name.utf8.count))
            return "  \(command.name)\(padding)\(command.summary)"
        }
        return """
            NAME:
               apus-runtime - an OCI runtime: makes and runs containers from bundles, called by container engines

            USAGE:
               apus-runtime [--root DIR] [--log FILE] [--log-format text|json] [--debug] [--systemd-cgroup]
                            [--rootless BOOL] [--cgroup-manager cgroupfs|systemd|disabled] COMMAND ...

            COMMANDS:
            \(lines.joined(separator: "\n"))

            apus-runtime COMMAND --help says what a command takes.

            """
    }
}

/// Standard output.
enum Standard {
    static func out(_ text: String) {
        try? StandardStream.write(1, Array(text.utf8)[...])  // nobody reads: nothing to tell
    }
}
