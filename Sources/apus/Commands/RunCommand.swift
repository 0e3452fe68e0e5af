import Engine
import Linux
import SystemPackage

/// `run` and `create`.
enum RunCommand {
    static let run = Command(
        "run", group: "container", "IMAGE [COMMAND] [ARG...]", "Create and run a new container from an image",
        words: Command.atLeast(1), stopsAtWord: true, flags: RunFlags.common + RunFlags.run
    ) { arguments, session in
        try withCode(125) { try start(arguments, session) }
    }

    static let create = Command(
        "create", group: "container", "IMAGE [COMMAND] [ARG...]", "Create a new container",
        words: Command.atLeast(1), stopsAtWord: true, flags: RunFlags.common
    ) { arguments, session in
        try withCode(1) {
            let options = try options(arguments, session, path: "create")
            let containers = try session.containers()
            let idFile = try IDFile(options.host.idFile)
            let created = try containers.create(
                options, puller: session.puller(policy: options.pull, isQuiet: options.quiet))
            try idFile.write(created.id)
            session.debug("created container \(created.id)")
            session.debugPlan(created.id, containers)
            containers.release(created.id)
            try Standard.out("\(created.id)\n")
            return 0
        }
    }

    /// Errors of the engine carry their own code; all others get this one.
    static func withCode(_ code: Int32, _ body: () throws -> Int32) throws -> Int32 {
        do { return try body() } catch let error as FlagError { throw error } catch let error
            as CommandFailure
        {
            throw error
        } catch {
            throw CommandFailure(
                "\(error)", code: code == 125 ? (error as? EngineError)?.exitCode ?? code : code)
        }
    }

    /// Everything that was typed, checked. What is wrong ends with code 125; what only docker's daemon would find, with 1
    /// in `create`.
    static func options(_ arguments: Arguments, _ session: Session, path: String) throws -> RunOptions {
        let configuration = try session.configuration()
        var options: RunOptions
        do {
            options = try RunOptions(arguments, client: try session.client())
            try configuration.complete(&options.host, security: arguments.values("security-opt")) {
                arguments.value($0) != nil
            }
        } catch let error as FlagError {
            throw error
        } catch let error as UsageError where error.isOfEngine {
            throw CommandFailure("\(error)", code: path == "create" ? 1 : 125)
        } catch {
            throw CommandFailure.usage("apus: \(error)", nil, code: 125, help: "apus \(path)")
        }
        do { try options.validate(processors: HostInfo.processorCount()) } catch {
            throw CommandFailure("\(error)", code: path == "create" ? 1 : 125)
        }
        if options.host.network == .host, !options.host.ports.isEmpty || options.host.publishesAll {
            Standard.error("WARNING: Published ports are discarded when using host network mode")
        }
        if options.host.mounts.contains(where: \.wantsLabel) {
            Standard.error("WARNING: :z and :Z have no effect here: apus sets no SELinux labels")
        }
        return options
    }

    private static func start(_ arguments: Arguments, _ session: Session) throws -> Int32 {
        var options = try options(arguments, session, path: "run")
        options.proxiesSignals = arguments.isOn("sig-proxy")
        options.detachKeys = try RunOptions.detachKeys(arguments.value("detach-keys") ?? "")
        if arguments.isOn("detach") {
            guard arguments.values("attach").isEmpty else {
                throw CommandFailure.bare("conflicting options: cannot specify both --attach and --detach")
            }
            options.attach = []
        }
        try Terminals.requireInput(terminal: options.terminal, stdin: options.attach.contains(.stdin))
        let containers = try session.containers()
        let idFile = try IDFile(options.host.idFile)
        let created = try containers.create(
            options, puller: session.puller(policy: options.pull, isQuiet: options.quiet))
        let id = created.id
        try idFile.write(id)
        session.debug("created container \(id)")
        session.debugPlan(id, containers)
        if let text = PublishedPorts.warning(for: options.host) { Standard.error("WARNING: \(text)") }
        let hello = Hello(
            options.attach, keys: options.detachKeys,
            lossless: Terminals.takesEveryByte(options.attach, terminal: options.terminal))
        if options.isDetached {
            // Of a container that does not start, too (docker): a script can remove what was made.
            let failure: ClientOutcome?
            do { failure = try ClientLoop.awaitStart(try containers.start(created, hello: hello)) } catch {
                try Standard.out("\(id)\n")
                throw error
            }
            try Standard.out("\(id)\n")
            return try failure.map(Attached.code) ?? 0
        }
        // Blocked before the start: a signal that comes in between waits for the process.
        let signals = try Attached.signals(proxied: options.proxiesSignals)
        let socket = try containers.start(created, hello: hello)
        return try Attached.run(
            socket, of: .init(containers: containers, id: id), input: options.attach.contains(.stdin),
            terminal: options.terminal, signals: signals, proxied: options.proxiesSignals)
    }
}

/// The file of `--cidfile`: made before the container, so that two calls never share one, and gone again when no
/// container came of it.
private final class IDFile {
    private let path: FilePath?
    /// Made by us, and empty.
    private var isOurs = false

    init(_ path: String?) throws {
        self.path = path.map { FilePath($0) }
        guard let path = self.path else { return }
        do throws(SysError) {
            _ = try FD.open(path, [.writeOnly, .create, .exclusive], mode: 0o644)
            isOurs = true
        } catch {
            guard error.errno == .fileExists else {
                throw UsageError("failed to create the container ID file: \(error)")
            }
            throw UsageError(
                "container ID file found, make sure the other container isn't running or delete \(path)")
        }
    }

    func write(_ id: String) throws {
        guard let path else { return }
        isOurs = false
        try FD.open(path, .writeOnly).writeAll(Array(id.utf8))
    }

    deinit {
        guard let path, isOurs, let name = path.lastComponent else { return }
        let parent = path.removingLastComponent()
        // The container's own error is the one to report.
        _ = try? FD.open(parent.isEmpty ? "." : parent, [.readOnly, .directory]).remove(FilePath(name.string))
    }
}
