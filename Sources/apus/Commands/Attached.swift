import Engine
import Linux

/// The user's side of an attached process: run, start -a, attach and exec.
enum Attached {
    /// The container whose first process it is.
    struct Target {
        let containers: Containers
        let id: String
    }

    /// Those that are handed on; without `proxied` the change of the window's size, and those that end this side, which
    /// undoes first what it has done to the terminal.
    static func signals(proxied: Bool) throws -> SignalDescriptor {
        proxied ? try .allProxied() : try SignalDescriptor([Signal.windowChange] + Signal.endings)
    }

    /// Connects the standard streams until the process ends: its exit code, or docker's for what went wrong.
    static func run(
        _ socket: consuming FD, of target: Target?, input: Bool, terminal: Bool,
        signals: consuming SignalDescriptor, proxied: Bool = true, detachedCode: Int32 = 0
    ) throws -> Int32 {
        var loop = ClientLoop(
            socket: socket, input: input, terminal: terminal, signals: signals, proxiesSignals: proxied
        ) { signal in
            guard let target else { return false }
            return target.containers.signal(target.id, signal)
        }
        let outcome = try loop.run()
        if outcome == .detached, detachedCode != 0 { Standard.error("read escape sequence") }
        if outcome == .lost, let target, let code = target.containers.recordedEnd(target.id) {
            Standard.error("the container has ended meanwhile, and the end of its output is missing here")
            return code
        }
        return outcome == .detached ? detachedCode : try code(of: outcome)
    }

    static func code(of outcome: ClientOutcome) throws -> Int32 {
        switch outcome {
        case .exited(let code): return code
        case .detached: return 0
        case .left(let signal): return 128 + signal
        case .failed(let code, let text): throw CommandFailure(text, code: code)
        case .lost:
            throw CommandFailure(
                "the container's monitor has ended without a word; see apus ps -a for the container",
                code: 125)
        }
    }
}

/// Terminals of the user.
enum Terminals {
    /// Whether output goes to something else than a terminal, where each byte counts.
    static func takesEveryByte(_ streams: RunOptions.Streams, terminal: Bool) -> Bool {
        let error = streams.contains(.stderr) && !terminal
        return (streams.contains(.stdout) && !Terminal.isTerminal(1)) || (error && !Terminal.isTerminal(2))
    }

    /// A terminal in the container that the user's input is not would take the keys of nobody.
    static func requireInput(terminal: Bool, stdin: Bool) throws {
        guard terminal, stdin, !Terminal.isTerminal(0) else { return }
        throw CommandFailure.bare("the input device is not a TTY")
    }
}
