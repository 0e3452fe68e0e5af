import Linux
import SystemPackage

/// The loop of one process: its output goes to the log and the clients, the clients' input to it. One chunk is
/// under way at a time; while a client has not taken it, no more is read, so that a slow reader slows the process
/// down as a pipe would, and nothing is held in memory. One that takes nothing at all is passed over after a while,
/// unless it is the one that the process was started for.
final class Session {
    private let pidfd: Pidfd
    private var io: ProcessIO
    private let reception: Reception?
    private let perform: (ControlRequest, Client) -> MonitorMessage
    private let health: HealthCheck?
    /// The container's name service; another one when its networks change.
    var names: NameService?
    /// Hears of clients that leave.
    private let onLeave: (Client) -> Void
    private var log: LogSink?
    private let closesStdinWithClient: Bool
    private let endsWithClient: Bool
    private var clients: [Client]
    private var chunk = [UInt8](repeating: 0, count: MonitorMessage.limit - 1)
    private var chunkCount = 0
    private var chunkKind = MonitorMessage.stdoutKind
    private var input: [UInt8] = []
    private var inputEnds = false
    private var hasEnded = false
    private var last: MonitorMessage?

    init(
        pidfd: consuming Pidfd, io: consuming ProcessIO, reception: Reception?, log: consuming LogSink?,
        clients: [Client], closesStdinWithClient: Bool, endsWithClient: Bool = false,
        health: HealthCheck? = nil, onLeave: @escaping (Client) -> Void = { _ in },
        perform: @escaping (ControlRequest, Client) -> MonitorMessage
    ) {
        self.endsWithClient = endsWithClient
        self.pidfd = pidfd
        self.io = io
        self.reception = reception
        self.perform = perform
        self.health = health
        self.onLeave = onLeave
        self.log = log
        self.clients = clients
        self.closesStdinWithClient = closesStdinWithClient
    }

    /// Runs until the process has ended and all it wrote has gone its ways.
    func run() throws(SysError) {
        var poll = Poll()
        while !(hasEnded && isDrained) {
            poll.reset()
            let positions = Positions(self, &poll)
            let names = names
            let asked = names?.add(to: &poll)
            _ = try poll.wait(milliseconds: hasEnded ? 0 : patience)
            try handle(poll, positions)
            if let names, let asked { names.step(poll, asked) }
            if !hasEnded, let health {
                health.step(isReady: positions.health.map { !poll[$0].isEmpty } ?? false)
            }
        }
        log?.finish()
    }

    /// How long nothing may happen; -1: for ever.
    private var patience: Int32 {
        let parts = [health?.milliseconds, names?.milliseconds, reception?.door.milliseconds]
        let ends = parts.compactMap(\.self).filter { $0 >= 0 }
        return (ends + clients.compactMap(\.graceLeft)).min() ?? -1
    }

    /// No check of the container's health goes on.
    func endChecks() { health?.end() }

    /// Tells the clients how it ended: first those that have room for it.
    func finish(_ last: MonitorMessage) {
        clients.removeAll { $0.streams == nil || (!$0.isLate && $0.send(last.bytes)) }
        self.last = last
    }

    /// Then the others, side by side. `isLast`: nothing else is to be done, and who is waited for may take its time; else a
    /// further run waits, for nobody who only looks on.
    func finishLate(isLast: Bool) {
        guard let last else { return }
        let end = ContinuousClock.now + Client.grace
        for client in clients { client.append(last) }
        while true {
            for client in clients { client.sendRest() }
            let isOver = ContinuousClock.now >= end
            clients.removeAll { client in
                client.isGone || client.rest.isEmpty
                    || (client.isWaitedFor ? isOver && !isLast : isOver || !isLast)
            }
            if clients.isEmpty { return }
            var poll = Poll()
            for client in clients { poll.add(client.socket, .writable) }
            let isBounded = !isLast || clients.contains { !$0.isWaitedFor }
            let left = (end - .now) / .milliseconds(1)
            // Whatever it says, each is tried again.
            _ = try? poll.wait(milliseconds: isBounded ? Int32(max(0, left.rounded(.up))) : -1)
        }
    }

    /// The pid of the process, as long as it has not been reaped.
    func withPidfd<R>(_ body: (borrowing Pidfd) -> R) -> R { body(pidfd) }

    private var isBehind: Bool { clients.contains { $0.isBehind && !$0.isGone } }
    private var isDrained: Bool { io.output == nil && io.error == nil && !isBehind }

    /// Where the descriptors of a round stand in its poll.
    private struct Positions {
        var pidfd: Int?
        var output: Int?
        var error: Int?
        var input: Int?
        var listener: Int?
        var health: Int?
        var clients: [Int] = []

        init(_ session: Session, _ poll: inout Poll) {
            if !session.hasEnded { pidfd = poll.add(session.pidfd.fd, .readable) }
            if !session.isBehind {
                if session.io.output != nil { output = session.io.addOutput(to: &poll) }
                if session.io.error != nil { error = session.io.addError(to: &poll) }
            }
            if !session.input.isEmpty { input = session.io.addInput(to: &poll) }
            listener = session.reception?.door.add(to: &poll)
            health = session.health?.add(to: &poll)
            for client in session.clients {
                let wanted = client.awaited
                // One that is asked for nothing would still report that it has gone, again and again.
                clients.append(wanted.isEmpty ? poll.add(raw: -1, []) : poll.add(client.socket, wanted))
            }
        }
    }

    private func handle(_ poll: Poll, _ at: Positions) throws(SysError) {
        if let p = at.input, !poll[p].isEmpty { writeInput() }
        for (client, p) in zip(clients, at.clients) where !poll[p].isEmpty { serve(client, poll[p]) }
        for client in clients where client.graceLeft == 0 { withChunk(client.passOver) }
        dropGone()
        if let p = at.listener, !poll[p].isEmpty, let reception {
            clients += reception.arrivals()
            // Who has said nothing yet makes room; a command tries again.
            if reception.door.isShut { clients.removeAll { $0.streams == nil } }
        }
        if let p = at.pidfd, !poll[p].isEmpty {
            hasEnded = true
            for client in clients where client.isBehind { withChunk(client.keep) }
        }
        guard !isBehind else { return }
        func isReady(_ position: Int?) -> Bool { position.map { !poll[$0].isEmpty } ?? false }
        if hasEnded || isReady(at.output) { try readOutput() }
        if !isBehind, hasEnded || isReady(at.error) { try readError() }
    }

    // MARK: from the process

    private func readOutput() throws(SysError) {
        guard let state = io.readOutput(into: &chunk, afterEnd: hasEnded) else { return }
        chunkCount = state
        chunkKind = MonitorMessage.stdoutKind
        deliver(.stdout)
    }

    private func readError() throws(SysError) {
        guard let state = io.readError(into: &chunk, afterEnd: hasEnded) else { return }
        chunkCount = state
        chunkKind = MonitorMessage.stderrKind
        deliver(.stderr)
    }

    /// To the clients first: they pass it on while it is written down.
    private func deliver(_ stream: LogStream) {
        let wanted: ClientMessage.Streams = chunkKind == MonitorMessage.stdoutKind ? .stdout : .stderr
        for client in clients where client.streams?.contains(wanted) == true {
            withChunk(hasEnded ? client.keep : client.take)
        }
        dropGone()
        chunk.withUnsafeBytes { bytes in
            log?.write(UnsafeRawBufferPointer(rebasing: bytes[..<chunkCount]), stream)
        }
    }

    private func withChunk(_ body: (UInt8, UnsafeRawBufferPointer) -> Void) {
        chunk.withUnsafeBytes { body(chunkKind, UnsafeRawBufferPointer(rebasing: $0[..<chunkCount])) }
    }

    // MARK: from the clients

    private func serve(_ client: Client, _ events: PollEvents) {
        if client.isBehind, events.contains(.writable) { withChunk(client.take) }
        if events.contains(.writable) { client.tellMissed() }
        guard !client.waitsForInput, !events.isDisjoint(with: [.readable, .hungUp, .failed]) else { return }
        if let message = client.receive() { handle(message, from: client) }
    }

    /// Whether they were found gone when something was read from them or sent to them.
    private func dropGone() {
        for client in clients where client.isGone { leave(client) }
        clients.removeAll { $0.isGone }
    }

    private func leave(_ client: Client) {
        if !hasEnded { onLeave(client) }
        if client.streams?.contains(.stdin) == true, closesStdinWithClient { endInput() }
        if endsWithClient { _ = try? pidfd.send(signal: Signal.kill) }  // it may have ended by itself
    }

    private func handle(_ message: ClientMessage, from client: Client) {
        switch message {
        case .hello(let streams, let keys):
            client.streams = streams
            if streams.contains(.lossless) { client.isWaitedFor = true }
            client.keys = DetachKeys(io.isTerminal ? keys : [])
            withPidfd { client.sendLast(.started(pid: $0.pid)) }
        case .stdin(let bytes):
            let (forward, detached) = client.keys.filter(bytes)
            if input.isEmpty { input = forward } else { input += forward }
            if !input.isEmpty { writeInput() }
            client.waitsForInput = !input.isEmpty
            if detached {
                client.sendLast(.detached)
                clients.removeAll { $0 === client }
            }
        case .stdinEnd: if closesStdinWithClient { endInput() }
        case .resize(let size): io.resize(size)
        case .signal(let number):
            _ = try? pidfd.send(signal: number)  // the process may just have ended
        case .control(let request): client.sendLast(perform(request, client))
        }
    }

    /// Once all that is under way has been written.
    private func endInput() {
        inputEnds = true
        if input.isEmpty { io.closeInput() }
    }

    private func writeInput() {
        let written = io.writeInput(input)
        input.removeFirst(written)
        guard input.isEmpty else { return }
        for client in clients { client.waitsForInput = false }
        if inputEnds { io.closeInput() }
    }
}
