import Engine
import Linux

/// The user's side of an attached process: run, start -a, attach and exec.
enum Attached {
    /// Those that are handed on; without `proxied` only the change of the window's size.
    static func signals(proxied: Bool) throws -> SignalDescriptor {
        proxied ? try .allProxied() : try SignalDescriptor([Signal.windowChange])
    }

    /// Connects the standard streams until the process ends: its exit code, or docker's for what went wrong.
    static func run(
        _ socket: consuming FD, input: Bool, terminal: Bool, signals: consuming SignalDescriptor,
        detachedCode: Int32 = 0
    ) throws -> Int32 {
        var loop = ClientLoop(socket: socket, input: input, terminal: terminal, signals: signals)
        let outcome = try loop.run()
        if outcome == .detached, detachedCode != 0 { Standard.error("read escape sequence") }
        return outcome == .detached ? detachedCode : try code(of: outcome)
    }

    static func code(of outcome: ClientOutcome) throws -> Int32 {
        switch outcome {
        case .exited(let code): return code
        case .detached: return 0
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
    /// A terminal in the container that the user's input is not would take the keys of nobody.
    static func requireInput(terminal: Bool, stdin: Bool) throws {
        guard terminal, stdin, !Terminal.isTerminal(0) else { return }
        throw CommandFailure.bare("the input device is not a TTY")
    }
}
