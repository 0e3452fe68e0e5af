public import Linux
import Monitor
import OCI
import SystemPackage

/// Starting, attaching and entering.
extension Containers {
    /// Starts a container that was just made, with the lock that came with it.
    public func start(_ created: consuming Created, hello: Hello) throws -> FD {
        tellAttach(created.config, hello)
        return try launcher.start(paths.container(created.id), lock: created.lock, hello: hello.message)
    }

    /// Starts a container that is there; nil when it runs already.
    public func start(_ id: String, hello: Hello) throws -> FD? {
        Sweeper(paths: paths).sweep(id)
        let record = try records.read(id)
        if record.state.isPaused {
            throw EngineError("cannot start a paused container, try unpause instead", exitCode: 1)
        }
        guard !record.state.isRunning else { return nil }
        try refreshNetworks(record.config)
        let lock: FD
        do { lock = try RunLock.make(id, paths: paths) } catch let error as EngineError {
            if try records.read(id).state.isRunning { return nil }  // another command was first
            throw error
        }
        // Removed before we had it.
        guard try records.exists(id) else {
            release(id)
            throw Records.missing(id)
        }
        tellAttach(record.config, hello)
        return try launcher.start(paths.container(id), lock: lock, hello: hello.message)
    }

    private func tellAttach(_ config: ContainerConfig, _ hello: Hello) {
        if hello.hasStreams { tell("attach", config) }
    }

    /// Something has happened to a container.
    func tell(_ action: String, _ config: ContainerConfig, _ more: [String: String] = [:]) {
        EventSource(of: config, paths).tell(action, config.id, more)
    }

    /// Connects to the monitor of a running container.
    public func attach(_ id: String, hello: Hello) throws -> FD {
        var last = SysError(call: "sendmsg", subject: "attach", errno: .brokenPipe)
        for _ in 0..<200 {
            let socket = try connect(id)
            do throws(SysError) {
                _ = try socket.sendMessage(hello.message.bytes)
                // One whose record is damaged can still be attached to.
                if hello.hasStreams, let config = try? records.read(id).config { tellAttach(config, hello) }
                return socket
            } catch { last = error }
            // Its monitor is leaving: soon the record says so, or another one listens.
            guard last.errno == .brokenPipe || last.errno == .connectionReset else { throw last }
            Kernel.sleep(milliseconds: 10)
        }
        throw last
    }

    /// A socket to the container's monitor. One that was killed is replaced first, and takes a moment to listen.
    func connect(_ id: String) throws -> FD {
        Sweeper(paths: paths).sweep(id)
        var last = SysError(call: "connect", subject: "attach", errno: .noSuchFileOrDirectory)
        for _ in 0..<200 {
            do throws(SysError) {
                return try FD.open(paths.runContainer(id), [.readOnly, .directory]).connectForMessages(
                    to: "attach")
            } catch { last = error }
            guard try records.read(id).state.isRunning else {
                throw EngineError("container \(id) is not running", exitCode: 1)
            }
            Kernel.sleep(milliseconds: 10)
        }
        throw EngineError("cannot reach the monitor of container \(id.prefix(12)): \(last)", exitCode: 1)
    }

    /// Starts one more process in a running container.
    public func exec(_ id: String, _ options: ExecOptions, hello: Hello) throws -> FD {
        Sweeper(paths: paths).sweep(id)
        let record = try records.read(id)
        if record.state.isPaused {
            throw EngineError(
                "Container \(record.config.name) is paused, unpause the container before exec", exitCode: 1)
        }
        if record.state.isRestarting {
            throw EngineError(
                "Container \(id) is restarting, wait until the container is running", exitCode: 1)
        }
        guard case .running(let pid, let startTime, _) = record.state.phase else {
            throw EngineError("Container \(id) is not running", exitCode: 1)
        }
        let kept = try request(of: id)
        var process = kept.spec.process
        process.terminal = options.terminal
        process.consoleSize = options.size.map { .init(height: $0.rows, width: $0.columns) }
        process.args = options.command
        process.env = execEnvironment(kept.spec.process.env, options)
        if let directory = options.workingDirectory { process.cwd = directory }
        if options.isPrivileged {
            let all = try ProcessCapabilities.current(last: CapabilitySet.lastOfKernel).permitted.names
            var capabilities = RuntimeSpec.Capabilities()
            (capabilities.bounding, capabilities.effective, capabilities.permitted) = (all, all, all)
            process.capabilities = capabilities
        }
        let exec = ExecRequest(
            id: id, pid: pid, startTime: startTime, process: process, user: options.user ?? kept.user,
            additionalGroups: options.user == nil ? kept.additionalGroups : [],
            seccomp: options.isPrivileged ? .unconfined : kept.seccomp,
            seccompCache: kept.seccompCache, cgroup: kept.cgroup, opensStdin: options.openStdin,
            events: kept.events)
        return try launcher.exec(exec, hello: hello.message)
    }

    /// The container's own, then what was asked for; HOME is the new user's.
    private func execEnvironment(_ own: [String], _ options: ExecOptions) -> [String] {
        var environment = own
        if options.user != nil { environment.removeAll { $0.hasPrefix("HOME=") } }
        if options.terminal, !environment.contains(where: { $0.hasPrefix("TERM=") }) {
            environment.append("TERM=xterm")
        }
        ContainerConfig.apply(options.env, to: &environment)
        return environment
    }

    func request(of id: String) throws -> MonitorRequest {
        let directory = try records.directory(of: id)
        do {
            return try MonitorRequest(JSON(parsing: try directory.contents(of: "request.json") ?? []))
        } catch let error as JSONError {
            throw EngineError("container \(id.prefix(12)) is damaged: request.json: \(error)")
        }
    }
}

/// What an attached client wants.
public struct Hello: Equatable, Sendable {
    let message: ClientMessage
    /// A client that has none only waits.
    let hasStreams: Bool

    /// `keys` detach it from a terminal. Output waits for one that is `lossless` as long as it takes.
    public init(_ streams: RunOptions.Streams, keys: [UInt8], lossless: Bool = false) {
        var wanted: ClientMessage.Streams = []
        if streams.contains(.stdin) { wanted.insert(.stdin) }
        if streams.contains(.stdout) { wanted.insert(.stdout) }
        if streams.contains(.stderr) { wanted.insert(.stderr) }
        hasStreams = !wanted.isEmpty
        if lossless { wanted.insert(.lossless) }
        message = .hello(wanted, detachKeys: keys)
    }
}

/// `exec`'s options.
public struct ExecOptions: Equatable, Sendable {
    public var command: [String]
    public var terminal = false
    public var isPrivileged = false
    public var openStdin = false
    public var env: [String] = []
    public var user: String?
    public var workingDirectory: String?
    public var size: WindowSize?

    public init(command: [String]) { self.command = command }
}
