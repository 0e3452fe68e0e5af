import Linux
import Monitor
import OCI
import SystemPackage

/// Stopping, waiting and removing.
extension Containers {
    /// Waits for a container's end: its exit code, at once when it does not run. 255 when nobody knows it.
    public func wait(_ id: String) throws -> Int32 {
        let socket: FD
        do {
            socket = try attach(id, hello: Hello([], keys: []))
        } catch let error as EngineError {
            guard let record = try? records.read(id) else { throw error }
            if case .exited(let code) = record.state.phase { return code ?? 255 }
            if case .created = record.state.phase { return record.state.failedStartCode }
            throw error
        }
        return try awaitEnd(socket) ?? recordedCode(id)
    }

    /// Nil when the monitor was leaving already and said nothing.
    private func awaitEnd(_ socket: consuming FD) throws -> Int32? {
        var loop = ClientLoop(socket: socket, input: false, terminal: false, signals: nil)
        guard case .exited(let code) = try loop.run() else { return nil }
        return code
    }

    /// The exit code that stands in the record; a container that is gone or still runs has none.
    private func recordedCode(_ id: String) -> Int32 {
        guard case .exited(let code?)? = try? records.read(id).state.phase else { return 255 }
        return code
    }

    /// Sends a signal to a running container's first process.
    public func kill(_ id: String, signal: Int32) throws {
        Sweeper(paths: paths).sweep(id)
        guard let process = try running(id), try process.send(signal: signal) else {
            throw EngineError("Cannot kill container: \(id): Container \(id) is not running", exitCode: 1)
        }
    }

    /// The first process, proven by its start time to be the container's.
    private func running(_ id: String) throws -> Pidfd? {
        guard case .running(let pid, let startTime, _) = try records.read(id).state.phase else { return nil }
        return try Pidfd.find(pid: pid, startTime: startTime)
    }

    /// The stop signal, then after `timeout` seconds (the container's own, or 10; negative: never) a kill. Comes
    /// back when the container's record says that it has ended.
    public func stop(_ id: String, timeout: Int?, signal chosen: Int32? = nil) throws {
        let record = try records.read(id)
        guard record.state.isRunning else { return }
        guard let socket = try attachIfRunning(id) else { return }
        let signal = chosen ?? record.config.process.stopSignal.flatMap(Signal.number) ?? Signal.terminate
        if let process = try running(id) {
            try process.send(signal: signal)
            let seconds = timeout ?? record.config.stopTimeout ?? 10
            if try !waitForEnd(process, seconds: seconds) { try process.send(signal: Signal.kill) }
        }
        _ = try awaitEnd(socket)
    }

    /// Nil when the container has ended.
    private func attachIfRunning(_ id: String) throws -> FD? {
        do { return try attach(id, hello: Hello([], keys: [])) } catch {
            guard try running(id) != nil else { return nil }
            throw error
        }
    }

    private func waitForEnd(_ process: borrowing Pidfd, seconds: Int) throws -> Bool {
        var poll = Poll()
        poll.add(process.fd, .readable)
        let limit = seconds < 0 ? -1 : Int32(clamping: min(seconds, 2_000_000) * 1000)
        return try poll.wait(milliseconds: limit) > 0
    }

    /// Removes a container; a running one only by force. `volumes` takes its nameless volumes with it.
    public func remove(_ id: String, force: Bool, volumes: Bool) throws {
        Sweeper(paths: paths).sweep(id)
        let record: Records.Record
        do {
            record = try records.read(id)
        } catch {
            // What cannot be read can still be removed, on demand.
            guard force, (error as? EngineError)?.description.contains("is damaged") == true else {
                throw error
            }
            return try records.remove(id, name: nil)
        }
        if record.state.isRunning {
            guard force else {
                throw EngineError(
                    "You cannot remove a running container \(id). Stop the container before attempting removal or "
                        + "force remove", exitCode: 1)
            }
            try killAndWait(id)
        }
        release(id)
        try records.remove(id, name: record.config.name)
        if volumes { try Volumes(paths).removeAnonymous(of: record.config) }
    }

    private func killAndWait(_ id: String) throws {
        guard let socket = try attachIfRunning(id) else { return }
        if let process = try running(id) { try process.send(signal: Signal.kill) }
        _ = try awaitEnd(socket)
    }
}
