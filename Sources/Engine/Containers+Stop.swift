import Linux
import Monitor
import OCI

/// A container that has been told to end: several are told before the first is waited for.
public final class Ending {
    fileprivate let record: Records.Record
    /// nil: the container does not run, or nothing of it is waited for.
    fileprivate var socket: FD?
    fileprivate var process: Pidfd?
    /// Of the clock that nobody sets; nil: it may take for ever.
    fileprivate var deadline: Timestamp?

    fileprivate init(_ record: Records.Record) { self.record = record }
}

/// Stopping and restarting.
extension Containers {
    /// Sends the stop signal. `finishStop` waits, for `timeout` seconds from now (the container's own, or 10;
    /// negative: for ever), before it kills.
    public func beginStop(_ id: String, timeout: Int?, signal: Int32? = nil) throws -> Ending {
        let ending = Ending(try records.read(id))
        guard ending.record.state.isRunning, let asked = try ask(.stop, id) else { return ending }
        try tell(ending, asked.pid, timeout: timeout, signal: signal)
        ending.socket = asked.takeSocket()
        return ending
    }

    /// Comes back when the container's record says that it has ended.
    public func finishStop(_ ending: Ending) throws {
        guard let socket = ending.socket.take() else { return }
        try killInTime(ending)
        _ = try awaitEnd(socket)
        tell("stop", ending.record.config)
    }

    /// The same of a container that `finishRestart` starts again; its address and ports stay its own.
    public func beginRestart(_ id: String, timeout: Int?, signal: Int32? = nil) throws -> Ending {
        let ending = Ending(try records.read(id))
        guard ending.record.state.isRunning, let asked = try ask(.restart, id) else { return ending }
        if asked.pid > 0 { try tell(ending, asked.pid, timeout: timeout, signal: signal) }
        ending.socket = asked.takeSocket()
        return ending
    }

    /// Comes back when it runs.
    public func finishRestart(_ ending: Ending) throws {
        try restart(ending)
        tell("restart", ending.record.config)
    }

    private func restart(_ ending: Ending) throws {
        let id = ending.record.config.id
        if let socket = ending.socket.take() {
            if ending.process != nil {
                try killInTime(ending)
                _ = try awaitEnd(socket)
            }
            return try awaitRestart(id)
        }
        if let socket = try start(id, hello: Hello([], keys: [])),
            case .failed(let code, let text) = try ClientLoop.awaitStart(socket)
        {
            throw EngineError("Cannot restart container \(id): \(text)", exitCode: code)
        }
    }

    private func awaitRestart(_ id: String) throws {
        let hello = Hello([], keys: [])
        do {
            if try ClientLoop.awaitStart(attach(id, hello: hello)) == nil { return }
        } catch is EngineError {}  // it does not run: why is in its record
        let state = try records.read(id).state
        // It may have ended again by now.
        guard !state.isRunning, !state.error.isEmpty else { return }
        throw EngineError("Cannot restart container \(id): \(state.error)", exitCode: 1)
    }

    /// The signal that ends it, to the process of which its monitor spoke.
    private func tell(_ ending: Ending, _ pid: Int32, timeout: Int?, signal chosen: Int32?) throws {
        let config = ending.record.config
        let signal = chosen ?? config.process.stopSignal.flatMap(Signal.number) ?? Signal.terminate
        // Another one is the next run's.
        guard let process = try running(config.id), process.pid == pid else { return }
        try process.send(signal: signal)
        tell("kill", config, ["signal": String(signal)])
        ending.process = consume process
        let seconds = timeout ?? config.stopTimeout ?? 10
        guard seconds >= 0 else { return }
        let now = Timestamp.sinceBoot()
        ending.deadline = Timestamp(
            seconds: now.seconds + Int64(min(seconds, 2_000_000)), nanoseconds: now.nanoseconds)
    }

    private func killInTime(_ ending: Ending) throws {
        guard let process = ending.process.take() else { return }
        var poll = Poll()
        poll.add(process.fd, .readable)
        let left = ending.deadline.map { max(0, $0.elapsed(since: .sinceBoot())) * 1000 }
        if try poll.wait(milliseconds: left.map { Int32($0.rounded(.up)) } ?? -1) == 0 {
            try process.send(signal: Signal.kill)
            tell("kill", ending.record.config, ["signal": String(Signal.kill)])
        }
    }
}
