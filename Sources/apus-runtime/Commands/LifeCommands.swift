import Linux
import OCI
import Runtime
import SystemPackage

private let creationFlags = [
    "bundle,b=", "config,f=", "console-socket=", "pid-file=", "pidfd-socket=", "no-pivot", "no-new-keyring",
    "preserve-fds=", "no-subreaper",
]

extension Context {
    /// What `create` and `run` have in common.
    fileprivate func creation(_ command: String, waitsForStart: Bool) throws(RuntimeError) -> CreateOptions {
        var options = CreateOptions(
            id: try onlyID(command), root: root, bundle: path("bundle") ?? ".", waitsForStart: waitsForStart)
        options.configuration = path("config")
        (options.pidFile, options.consoleSocket) = (path("pid-file"), path("console-socket"))
        options.pidfdSocket = path("pidfd-socket")
        options.cgroupDriver = cgroupDriver
        options.hasKeyring = !arguments.has("no-new-keyring")
        options.preservedDescriptors = try arguments.preservedDescriptors()
        options.warn = warn
        options.debug = { [log] in log.debug($0) }
        return options
    }
}

extension Context {
    /// What could not be removed is said; the exit code is that of the container's program all the same (runc).
    fileprivate func removeAfterRun(_ id: String) {
        if arguments.has("keep") { return }
        do throws(RuntimeError) {
            try deleteContainer(id, force: true, root: root, warn: warn)
        } catch {
            log.error(error.description)
        }
    }
}

extension Command {
    static let create = Command(
        "create", "[FLAGS] ID", "make a container that waits for start", flags: creationFlags
    ) { context throws(RuntimeError) in
        _ = try createContainer(context.creation("create", waitsForStart: true))
        return 0
    }

    static let run = Command(
        "run", "[FLAGS] ID", "make a container and run its program",
        flags: creationFlags + ["detach,d", "keep"]
    ) { context throws(RuntimeError) in
        var options = try context.creation("run", waitsForStart: false)
        options.detaches = context.arguments.has("detach")
        var container = try createContainer(options)
        if options.detaches { return 0 }
        do throws(RuntimeError) {
            let code = try Foreground.stay(with: container.takeProcess())
            context.removeAfterRun(options.id)
            return code
        } catch {
            // Nobody holds it any more.
            context.removeAfterRun(options.id)
            throw error
        }
    }

    static let start = Command("start", "ID", "run the program of a created container") {
        context throws(RuntimeError) in
        try startContainer(context.onlyID("start"), root: context.root, warn: context.warn)
        return 0
    }

    static let state = Command("state", "ID", "print the state of a container as JSON") {
        context throws(RuntimeError) in
        let directory = try StateDirectory.open(context.onlyID("state"), root: context.root)
        Standard.out(try containerState(directory).pretty + "\n")
        return 0
    }

    static let kill = Command(
        "kill", "[--all] ID [SIGNAL]", "send a signal, TERM by default, to the container's first process",
        flags: ["all,a"]
    ) { context throws(RuntimeError) in
        let words = try context.arguments.positional(1...2, "kill")
        let name = words.count == 2 ? words[1] : "TERM"
        // 0 asks whether the process is there.
        guard let signal = name == "0" ? 0 : Signal.number(name) else {
            throw RuntimeError("unknown signal \"\(name)\"")
        }
        try killContainer(words[0], signal: signal, all: context.arguments.has("all"), root: context.root)
        return 0
    }

    static let delete = Command(
        "delete", "[--force] ID", "remove what create made; --force kills what still runs", flags: ["force,f"]
    ) { context throws(RuntimeError) in
        try deleteContainer(
            context.onlyID("delete"), force: context.arguments.has("force"), root: context.root,
            warn: context.warn)
        return 0
    }

    static let list = Command(
        "list", "[--format table|json] [-q]", "list the containers of this root",
        flags: ["format,f=", "quiet,q"]
    ) { context throws(RuntimeError) in
        let states = try allStates(context)
        switch context.arguments["format"] ?? "table" {
        case _ where context.arguments.has("quiet"):
            for state in states { Standard.out((state["id"]?.string ?? "") + "\n") }
        case "json": Standard.out(JSON.array(states).text + "\n")
        case "table": Standard.out(table(states))
        case let other: throw RuntimeError("invalid format option: \(other)")
        }
        return 0
    }

    static let checkpoint = Command(
        "checkpoint", "ID", "not supported: apus-runtime has no CRIU", flags: ["image-path=", "work-path="]
    ) { context throws(RuntimeError) in
        throw RuntimeError(
            "checkpoint is not supported: containers cannot be saved and restored by this runtime")
    }

    static let restore = Command(
        "restore", "ID", "not supported: apus-runtime has no CRIU",
        flags: ["image-path=", "work-path=", "bundle,b="]
    ) { context throws(RuntimeError) in
        throw RuntimeError(
            "restore is not supported: containers cannot be saved and restored by this runtime")
    }
}

/// One that is being removed while we look is left out.
private func allStates(_ context: Context) throws(RuntimeError) -> [JSON] {
    var states: [JSON] = []
    for id in try StateDirectory.all(root: context.root, mustExist: context.isRootGiven) {
        do throws(RuntimeError) {
            states.append(try containerState(StateDirectory.open(id, root: context.root)))
        } catch {
            guard error.kind == .notThere else {
                context.log.warning("\(error)")
                continue
            }
        }
    }
    return states
}

private func table(_ states: [JSON]) -> String {
    var rows = [["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]]
    for state in states {
        rows.append([
            state["id"]?.string ?? "", "\(state["pid"]?.int ?? 0)", state["status"]?.string ?? "",
            state["bundle"]?.string ?? "", state["created"]?.string ?? "", state["owner"]?.string ?? "",
        ])
    }
    let widths = rows[0].indices.map { column in rows.map { $0[column].utf8.count }.max() ?? 0 }
    return rows.map { row in
        zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.utf8.count + 3) }.joined()
            + "\n"
    }.joined()
}
