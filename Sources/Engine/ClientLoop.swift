public import Linux
import Monitor
import SystemPackage

/// What the user's side of an attached process ended with.
public enum ClientOutcome: Equatable, Sendable {
    case exited(code: Int32)
    case detached
    /// The process was not started: exit code and reason.
    case failed(code: Int32, String)
    /// This side alone ends, as a signal would end it: its terminal is gone, or the signal cannot be handed on.
    case left(signal: Int32)
    /// The monitor went away without a word.
    case lost
}

/// Connects the user's standard streams with a monitor, for run, start -a, attach and exec.
public struct ClientLoop: ~Copyable {
    private let socket: FD
    private let forwardsInput: Bool
    private let isTerminal: Bool
    /// 0 or 1, where that is a terminal before a terminal of the container.
    private let ownTerminal: CInt?
    private let signals: SignalDescriptor?
    private var inputOpen: Bool
    private var buffer = [UInt8](repeating: 0, count: MonitorMessage.limit)
    private var pending: [UInt8] = []
    /// What standard output and standard error take at once when they have room.
    private let room = (StandardStream.room(1), StandardStream.room(2))
    /// The same where they are terminals, for writes that do not wait.
    private let unwaitingOutput = StandardStream.unwaiting(1)
    private let unwaitingError = StandardStream.unwaiting(2)
    /// A way for signals past input that the process does not take; false where there is none.
    private let sendsBeside: (Int32) -> Bool

    /// Whether signals are the process's; else they end this side.
    private let proxiesSignals: Bool

    /// `signals` are handed to the process, or end this side; SIGWINCH resizes the terminal.
    public init(
        socket: consuming FD, input: Bool, terminal: Bool, signals: consuming SignalDescriptor?,
        proxiesSignals: Bool = true, sendsBeside: @escaping (Int32) -> Bool = { _ in false }
    ) {
        _ = try? socket.setNonBlocking(true)  // a socket always can
        self.socket = socket
        forwardsInput = input
        isTerminal = terminal
        self.signals = signals
        inputOpen = input
        self.proxiesSignals = proxiesSignals
        self.sendsBeside = sendsBeside
        ownTerminal = terminal ? [0, 1].first(where: Terminal.isTerminal) : nil
    }

    /// Waits only for the start: what a detached run does.
    public static func awaitStart(_ socket: borrowing FD) throws(SysError) -> ClientOutcome? {
        switch try next(socket) {
        case .started: return nil
        case .failed(let code, let text): return .failed(code: code, text)
        case .exited(let code): return .exited(code: code)
        default: return .lost
        }
    }

    /// A program draws its window again when that changes its size; what comes next has the size that it is.
    public static func askForPicture(_ socket: borrowing FD) {
        guard var size = Terminal.windowSize(0) else { return }
        (size.rows, size.columns) = (size.rows &+ 1, size.columns &+ 1)
        _ = try? socket.sendMessage(ClientMessage.resize(size).bytes)  // a monitor that is gone needs no size
    }

    /// The next message of a monitor; nil when it is gone.
    static func next(_ socket: borrowing FD) throws(SysError) -> MonitorMessage? {
        var buffer = [UInt8](repeating: 0, count: MonitorMessage.limit)
        return try receive(socket, &buffer).flatMap { MonitorMessage(buffer[..<$0]) }
    }

    /// Runs to the end of the process, or of the connection.
    public mutating func run() throws(SysError) -> ClientOutcome {
        let raw = isTerminal && forwardsInput ? try? RawMode(0) : nil  // no terminal: nothing to set
        defer { raw?.restore() }
        if isTerminal, let size = Terminal.windowSize(0) { send(.resize(size)) }
        var poll = Poll()
        while true {
            poll.reset()
            let fromMonitor = poll.add(socket, pending.isEmpty ? .readable : [.readable, .writable])
            let fromUser = inputOpen && pending.isEmpty ? poll.add(raw: 0, .readable) : nil
            let fromSignals = addSignals(to: &poll)
            _ = try poll.wait(milliseconds: -1)
            if let p = fromSignals, !poll[p].isEmpty, let signal = forwardSignals() {
                return .left(signal: signal)
            }
            if poll[fromMonitor].contains(.writable) { try sendPending() }
            if let p = fromUser, !poll[p].isEmpty {
                try forwardInput()
                if !inputOpen, hasLostTerminal { return .left(signal: Signal.hangUp) }
            }
            if !poll[fromMonitor].isDisjoint(with: [.readable, .hungUp, .failed]), let end = try takeMessage()
            {
                return end
            }
        }
    }

    private func addSignals(to poll: inout Poll) -> Int? {
        switch signals {
        case .some(let signals): poll.add(signals.fd, .readable)
        case .none: nil
        }
    }

    /// One message of the monitor's: its length, 0 when the monitor is gone, nil when none waits.
    static func receive(_ socket: borrowing FD, _ buffer: inout [UInt8]) throws(SysError) -> Int? {
        var result: Result<Int?, SysError> = .success(nil)
        buffer.withUnsafeMutableBytes { bytes in
            do throws(SysError) { result = .success(try socket.receiveMessage(into: bytes)) } catch {
                result = .failure(error)
            }
        }
        return try result.get()
    }

    private mutating func takeMessage() throws(SysError) -> ClientOutcome? {
        guard let count = try Self.receive(socket, &buffer) else { return nil }
        guard count > 0 else { return .lost }
        // Output is written from where it was received.
        switch buffer[0] {
        case MonitorMessage.stdoutKind: return try write(1, count)
        case MonitorMessage.stderrKind: return try write(2, count)
        default: break
        }
        switch MonitorMessage(buffer[..<count]) {
        case .missed(let bytes): try tellMissed(bytes)
        case .failed(let code, let text): return .failed(code: code, text)
        case .exited(let code): return .exited(code: code)
        case .detached: return .detached
        default: break
        }
        return nil
    }

    /// Output that nobody reads keeps no signal from the process. The user's end may be gone (`| head -1`): the process
    /// hears of it by its own means, as with docker.
    private mutating func write(_ target: CInt, _ count: Int) throws(SysError) -> ClientOutcome? {
        var poll = Poll()
        var rest = buffer[1..<count]
        let descriptor = target == 1 ? unwaitingOutput.raw : unwaitingError.raw
        do {
            while !rest.isEmpty {
                poll.reset()
                let toUser = poll.add(raw: descriptor ?? target, .writable)
                let fromSignals = addSignals(to: &poll)
                _ = try poll.wait(milliseconds: -1)
                if let p = fromSignals, !poll[p].isEmpty, let signal = forwardSignals() {
                    return .left(signal: signal)
                }
                guard !poll[toUser].isEmpty else { continue }
                rest = rest.dropFirst(
                    try StandardStream.writeSome(
                        target, rest.prefix(target == 1 ? room.0 : room.1), by: descriptor))
            }
        } catch {
            if hasLostTerminal { return .left(signal: Signal.hangUp) }
            guard error.errno == .brokenPipe else { throw error }
        }
        return nil
    }

    private func tellMissed(_ bytes: UInt64) throws(SysError) {
        let end = ownTerminal == nil ? "\n" : "\r\n"
        let text =
            "\(end)apus: \(bytes) bytes of output are left out here: nothing was read for some seconds\(end)"
        try StandardStream.write(2, Array(text.utf8)[...])
    }

    /// Whoever sat before it has gone: every call on it fails.
    private var hasLostTerminal: Bool { ownTerminal.map { Terminal.windowSize($0) == nil } ?? false }

    private mutating func forwardInput() throws(SysError) {
        pending = try StandardStream.readInput(
            limit: MonitorMessage.limit - 1, after: [ClientMessage.stdinKind])
        if pending.count == 1 {
            inputOpen = false
            pending = ClientMessage.stdinEnd.bytes
        }
        try sendPending()
    }

    private mutating func sendPending() throws(SysError) {
        guard !pending.isEmpty else { return }
        do {
            if try socket.sendMessage(pending) { pending = [] }
        } catch {
            // The monitor is gone: its last message is still to be read.
            guard error.errno == .brokenPipe || error.errno == .connectionReset else { throw error }
            pending = []
            inputOpen = false
        }
    }

    /// Nil, or the signal that ends this side.
    private func forwardSignals() -> Int32? {
        while let signal = nextSignal() {
            if signal == Signal.windowChange, isTerminal {
                if let size = Terminal.windowSize(0) { send(.resize(size)) }
            } else if ![Signal.child, Signal.urgent, Signal.pipe, Signal.windowChange].contains(signal) {
                if !proxiesSignals || (signal == Signal.hangUp && hasLostTerminal) { return signal }
                if sendsBeside(signal) { continue }
                let isSent = send(.signal(signal))
                if Signal.endings.contains(signal), !isSent || !hasBeenTaken { return signal }
            }
        }
        return nil
    }

    /// Whether the monitor has read all that was sent, for which it is given a moment: it reads no more while the
    /// process does not take its input.
    private var hasBeenTaken: Bool {
        for _ in 0..<20 {
            if socket.hasBeenRead { return true }
            Kernel.sleep(milliseconds: 10)
        }
        return false
    }

    private func nextSignal() -> Int32? {
        switch signals {
        case .some(let signals): signals.next()
        case .none: nil
        }
    }

    /// False when there is no room.
    @discardableResult
    private func send(_ message: ClientMessage) -> Bool {
        (try? socket.sendMessage(message.bytes)) ?? true  // a monitor that is gone needs no signal
    }
}
