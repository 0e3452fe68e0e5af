import Linux
import Monitor
import OCI
import SystemPackage

/// Waiting, signals and removing.
extension Containers {
    /// Begins to wait for a container's end; several are waited for side by side.
    public func beginWait(_ id: String) throws -> Waiting {
        do {
            return Waiting(id, try attach(id, hello: Hello([], keys: [])))
        } catch let error as EngineError {
            // Gone or damaged: the first error says so.
            guard let record = try? records.read(id) else { throw error }
            if case .exited(let code) = record.state.phase { return Waiting(id, code: code ?? 255) }
            if case .created = record.state.phase { return Waiting(id, code: record.state.failedStartCode) }
            throw error
        }
    }

    /// Its exit code, at once when it does not run. 255 when nobody knows it.
    public func finishWait(_ waiting: Waiting) throws -> Int32 {
        guard let socket = waiting.socket.take() else { return waiting.code }
        return try awaitEnd(socket) ?? recordedEnd(waiting.id) ?? 255
    }

    /// Nil when the monitor was leaving already and said nothing.
    func awaitEnd(_ socket: consuming FD) throws -> Int32? {
        var loop = ClientLoop(socket: socket, input: false, terminal: false, signals: nil)
        guard case .exited(let code) = try loop.run() else { return nil }
        return code
    }

    /// The exit code that stands in the record; a container that is gone or still runs has none.
    public func recordedEnd(_ id: String) -> Int32? {
        guard case .exited(let code?)? = try? records.read(id).state.phase else { return nil }
        return code
    }

    /// Sends a signal to a running container's first process. As with docker, it is not started again after it.
    public func beginKill(_ id: String, signal: Int32) throws -> Waiting {
        let stop = try records.read(id).config.process.stopSignal.flatMap(Signal.number)
        let ends = signal == Signal.kill || signal == stop ?? signal
        guard let asked = try ask(.kill(signal, ends: ends), id) else {
            throw EngineError("Container \(id) is not running", exitCode: 1)
        }
        guard signal == Signal.kill else { return Waiting(id) }
        return Waiting(id, asked.takeSocket())
    }

    /// Comes back when what SIGKILL ends has ended: whoever says `kill X && rm X` wants that.
    public func finishKill(_ waiting: Waiting) throws {
        if let socket = waiting.socket.take() { _ = try awaitEnd(socket) }
    }

    /// Hands a signal to the first process, by a connection of its own: on that of a client, input that is not taken may
    /// stand before it. False when it cannot be reached.
    public func signal(_ id: String, _ number: Int32) -> Bool {
        (try? connect(id).sendMessage(ClientMessage.signal(number).bytes)) ?? false
    }

    /// The first process, proven by its start time to be the container's.
    func running(_ id: String) throws -> Pidfd? {
        guard case .running(let pid, let startTime, _) = try records.read(id).state.phase else { return nil }
        return try Pidfd.find(pid: pid, startTime: startTime)
    }

    /// Lets all processes of a running container stand still, or go on.
    public func setPaused(_ id: String, _ wanted: Bool) throws {
        let text = "Container \(id) is not \(wanted ? "running" : "paused")"
        guard try ask(wanted ? .pause : .unpause, id) != nil else {
            throw EngineError(text, exitCode: 1)
        }
    }

    /// A monitor that has agreed to something.
    struct Asked: ~Copyable {
        private let socket: FD
        /// Of the process whose end it agreed to; 0: none runs.
        let pid: Int32

        init(socket: consuming FD, pid: Int32) {
            self.socket = socket
            self.pid = pid
        }

        consuming func takeSocket() -> FD { socket }
    }

    /// Asks a container's monitor; nil when the container does not run. Between two runs a monitor leaves those who are
    /// connected: they ask again.
    func ask(_ request: ControlRequest, _ id: String) throws -> Asked? {
        for _ in 0..<500 {
            guard let socket = try attachIfRunning(id) else { return nil }
            if let pid = try answer(to: request, socket) { return Asked(socket: socket, pid: pid) }
            guard try records.exists(id), try records.read(id).state.isRunning else { return nil }
            Kernel.sleep(milliseconds: 10)
        }
        throw EngineError("the monitor of container \(id.prefix(12)) does not answer", exitCode: 1)
    }

    /// The pid; nil when there was no answer.
    private func answer(to request: ControlRequest, _ socket: borrowing FD) throws -> Int32? {
        do {
            _ = try socket.sendMessage(ClientMessage.control(request).bytes)
            while true {
                switch try ClientLoop.next(socket) {
                case .done(let pid): return pid
                case .failed(_, let text): throw EngineError(text, exitCode: 1)
                case .exited, nil: return nil
                case .started, .stdout, .stderr, .missed, .detached: continue
                }
            }
        } catch let error as SysError {
            guard error.errno == .brokenPipe || error.errno == .connectionReset else { throw error }
            return nil
        }
    }

    /// Nil when the container has ended.
    func attachIfRunning(_ id: String) throws -> FD? {
        do { return try attach(id, hello: Hello([], keys: [])) } catch {
            guard try running(id) != nil || records.read(id).state.isRestarting else { return nil }
            throw error
        }
    }

    /// Begins to remove a container: a running one, which only goes by force, is told to end.
    public func beginRemove(_ id: String, force: Bool) throws -> Removal {
        Sweeper(paths: paths).sweep(id)
        let removal: Removal
        do {
            removal = Removal(id, try records.read(id), isForced: force)
        } catch {
            // What cannot be read can still be removed, on demand.
            guard force, (error as? EngineError)?.description.contains("is damaged") == true else {
                throw error
            }
            let removal = Removal(id, nil, isForced: true)
            // It may run all the same.
            removal.socket = try? ask(.kill(Signal.kill, ends: true), id)?.takeSocket()
            return removal
        }
        guard let state = removal.record?.state, state.isRunning else { return removal }
        guard force else {
            let before = state.isPaused ? "Unpause and then stop" : "Stop"
            throw EngineError(
                "You cannot remove a \(state.status) container \(id). \(before) the container before "
                    + "attempting removal or force remove", exitCode: 1)
        }
        if let asked = try ask(.kill(Signal.kill, ends: true), id) { removal.socket = asked.takeSocket() }
        return removal
    }

    /// Comes back when it is gone. `volumes` takes its nameless volumes with it.
    public func finishRemove(_ removal: Removal, volumes: Bool) throws {
        let id = removal.id
        if let socket = removal.socket.take() { _ = try awaitEnd(socket) }
        guard let record = removal.record else { return try records.remove(id, name: nil) }
        guard let lock = try lockForRemoval(removal) else {
            // One with --rm goes by itself; else it was named twice.
            if record.state.isRunning, record.config.host.removesItself { return }
            throw Records.missing(id)
        }
        defer { withExtendedLifetime(lock) {} }  // closing it ends the lock
        defer { release(id) }
        // Of a monitor that died after the sweep.
        (try? request(of: id))?.removeCgroup()
        try records.remove(id, name: record.config.name)
        tell("destroy", record.config)
        if volumes { try Volumes(paths).removeAnonymous(of: record.config) }
    }

    /// Nobody starts, runs or changes what is removed: its run directory is ours from here on. Nil when it is gone. One
    /// that was started meanwhile is killed again, by force.
    private func lockForRemoval(_ removal: Removal) throws -> RunLock.Removal? {
        let id = removal.id
        for _ in 0..<20 {
            guard try records.exists(id) else { return nil }
            if let lock = try RunLock.makeForRemoval(id, paths: paths) {
                guard try records.exists(id) else {
                    release(id)
                    return nil
                }
                if try !records.read(id).state.isRunning { return lock }
            }
            // Another one's, or its monitor is dead: a sweep finds out.
            Sweeper(paths: paths).sweep(id)
            guard try records.exists(id), try records.read(id).state.isRunning else { continue }
            guard removal.isForced else {
                throw EngineError(
                    "container \(id) has just been started: stop it first, or use -f", exitCode: 1)
            }
            if let asked = try ask(.kill(Signal.kill, ends: true), id) {
                _ = try awaitEnd(asked.takeSocket())
            }
        }
        throw RunLock.busy(id)
    }
}

/// A container whose end is waited for.
public final class Waiting {
    fileprivate let id: String
    /// nil: there is nothing to wait for.
    fileprivate var socket: FD?
    fileprivate let code: Int32

    fileprivate init(_ id: String, _ socket: consuming FD? = nil, code: Int32 = 0) {
        (self.id, self.code) = (id, code)
        self.socket = socket
    }
}

/// A container that is about to be removed.
public final class Removal {
    fileprivate let id: String
    /// nil: it cannot be read.
    fileprivate let record: Records.Record?
    /// Of one that has been told to end.
    fileprivate var socket: FD?

    fileprivate let isForced: Bool

    fileprivate init(_ id: String, _ record: Records.Record?, isForced: Bool) {
        (self.id, self.record, self.isForced) = (id, record, isForced)
    }
}
