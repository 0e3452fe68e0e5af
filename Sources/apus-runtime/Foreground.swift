import Linux
import Runtime
import SystemPackage

/// Stays with a process until it ends: hands our signals on to it and, when it has a terminal, moves bytes between
/// that and ours.
enum Foreground {
    /// Answers its exit code, 128 + n for signal n.
    static func stay(with process: consuming RunningProcess) throws(RuntimeError) -> Int32 {
        var process = process
        do throws(SysError) {
            let signals = try SignalDescriptor.allProxied()
            if let console = process.console.take() {
                let relay = try Relay(console)
                try relay.run(process.pidfd, signals)
            } else {
                try wait(process.pidfd, signals)
            }
            return try process.pidfd.reap(wait: true)?.code ?? 255
        } catch {
            throw RuntimeError("unable to wait for the container process: \(error)")
        }
    }

    private static func wait(_ pidfd: borrowing Pidfd, _ signals: borrowing SignalDescriptor) throws(SysError)
    {
        var poll = Poll()
        poll.add(pidfd.fd, .readable)
        poll.add(signals.fd, .readable)
        while true {
            _ = try poll.wait(milliseconds: -1)
            while let signal = signals.next() { try forward(signal, to: pidfd) }
            if poll[0].contains(.readable) { return }
        }
    }

    /// All but what is about ourselves: the end of a child, urgent data.
    fileprivate static func forward(_ signal: Int32, to pidfd: borrowing Pidfd) throws(SysError) {
        guard signal != Signal.child, signal != Signal.urgent else { return }
        try pidfd.send(signal: signal)
    }
}

/// Our standard streams on one side, the terminal of a container on the other.
private final class Relay {
    private let console: FD
    private let mode: RawMode?
    private var toConsole: ArraySlice<UInt8> = []
    private var hasInput = true

    init(_ console: consuming FD) throws(SysError) {
        try console.setNonBlocking(true)
        self.console = console
        mode = Terminal.isTerminal(0) ? try RawMode(0, keepsOutput: true) : nil
        resize()
    }

    private func resize() {
        guard let size = Terminal.windowSize(0) else { return }
        try? Terminal.setWindowSize(console, size)  // a size that cannot be set is no reason to end
    }

    func run(_ pidfd: borrowing Pidfd, _ signals: borrowing SignalDescriptor) throws(SysError) {
        defer { mode?.restore() }
        var poll = Poll()
        var isOpen = true
        while true {
            poll.reset()
            poll.add(pidfd.fd, .readable)
            poll.add(signals.fd, .readable)
            let out =
                isOpen ? poll.add(console, toConsole.isEmpty ? .readable : [.readable, .writable]) : nil
            let input = hasInput && toConsole.isEmpty ? poll.add(raw: 0, .readable) : nil
            _ = try poll.wait(milliseconds: -1)
            while let signal = signals.next() {
                if signal == Signal.windowChange {
                    resize()
                } else {
                    try Foreground.forward(signal, to: pidfd)
                }
            }
            if let input, !poll[input].isEmpty { try readInput() }
            if let out, !poll[out].isEmpty {
                flushInput()
                isOpen = try moveOutput()
            }
            if poll[0].contains(.readable) {
                while isOpen, try moveOutput(untilEmpty: true) {}
                return
            }
        }
    }

    private func readInput() throws(SysError) {
        let bytes = try StandardStream.readInput(limit: 4096)
        hasInput = !bytes.isEmpty
        toConsole = bytes[...]
        flushInput()
    }

    /// What does not fit stays for the next round; a terminal that is gone takes nothing more.
    private func flushInput() {
        while !toConsole.isEmpty {
            do throws(SysError) {
                toConsole = toConsole.dropFirst(try console.writeSome(Array(toConsole)))
            } catch {
                if error.errno != .wouldBlock { toConsole = [] }
                return
            }
        }
    }

    /// False when there is nothing more: at its end, or with `untilEmpty` when nothing waits.
    private func moveOutput(untilEmpty: Bool = false) throws(SysError) -> Bool {
        do throws(SysError) {
            let bytes = try console.readSome(limit: 32768)
            guard !bytes.isEmpty else { return false }
            try StandardStream.write(1, bytes[...])
            return true
        } catch {
            if error.errno == .wouldBlock { return !untilEmpty }
            if error.errno == .ioError { return false }  // no process has it open any more
            throw error
        }
    }
}
