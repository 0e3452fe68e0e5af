import Linux
import Runtime

/// One attached client: its socket and what it wants.
final class Client {
    let socket: FD
    /// Nil until its hello has come.
    var streams: ClientMessage.Streams?
    var keys = DetachKeys([])
    /// Nothing more is read from it until the process has taken its input.
    var waitsForInput = false
    var isGone = false

    /// Output waits for it as long as it takes; without it for `grace`.
    var isWaitedFor: Bool
    /// Since when it has taken nothing of the output that waits for it; no more is read meanwhile.
    private(set) var behindSince: ContinuousClock.Instant?
    /// Bytes of output that went on without it.
    private(set) var missed: UInt64 = 0
    /// Messages that it had not taken at the process's end.
    private(set) var rest: [[UInt8]] = []

    /// As long as nobody waits for ever, a container stands still for a client that takes nothing.
    static let grace = Duration.seconds(5)
    /// What is kept after the end: more than a pipe holds.
    private static let restLimit = 4 << 20

    init(_ socket: consuming FD, isWaitedFor: Bool = false) {
        _ = try? socket.setNonBlocking(true)  // a socket always can
        self.socket = socket
        self.isWaitedFor = isWaitedFor
    }

    var isBehind: Bool { behindSince != nil }
    /// At the end: it has not taken all there was.
    var isLate: Bool { missed > 0 || !rest.isEmpty }

    /// What it wants to hear of: room for output that waits, or for the word that some went by.
    var awaited: PollEvents {
        let output: PollEvents = isBehind || missed > 0 ? .writable : []
        return waitsForInput ? output : output.union(.readable)
    }

    /// How long it is still waited for; nil: for ever, or not at all.
    var graceLeft: Int32? {
        guard let behindSince, !isWaitedFor else { return nil }
        let left = (behindSince + Self.grace - ContinuousClock.now) / .milliseconds(1)
        return Int32(max(0, left.rounded(.up)))
    }

    /// Hands on a piece of output. One that is over for it is counted; one that it has no room for makes it be behind.
    func take(_ kind: UInt8, _ body: UnsafeRawBufferPointer) {
        if missed > 0 {
            missed += UInt64(body.count)
        } else if send([kind], body) {
            behindSince = nil
        } else {
            behindSince = behindSince ?? .now
        }
    }

    /// Output goes on without one whose time is up, and that has still no room for what waits.
    func passOver(_ kind: UInt8, _ body: UnsafeRawBufferPointer) {
        take(kind, body)
        guard isBehind else { return }
        missed = UInt64(body.count)
        behindSince = nil
    }

    /// Tells it what it has missed, once it takes something again.
    func tellMissed() {
        guard missed > 0, rest.isEmpty, send(MonitorMessage.missed(bytes: missed).bytes) else { return }
        missed = 0
    }

    /// After the process's end nobody is slowed down: what a client has no room for waits here.
    func keep(_ kind: UInt8, _ body: UnsafeRawBufferPointer) {
        behindSince = nil
        let kept = rest.reduce(0) { $0 + $1.count }
        if missed > 0 || kept + body.count > Self.restLimit {
            missed += UInt64(body.count)
        } else if !rest.isEmpty || !send([kind], body) {
            rest.append([kind] + body)
        }
    }

    /// The last message stands behind what is late.
    func append(_ last: MonitorMessage) {
        if missed > 0 { rest.append(MonitorMessage.missed(bytes: missed).bytes) }
        rest.append(last.bytes)
    }

    /// Sends of what is late as much as there is room for.
    func sendRest() {
        while !isGone, let message = rest.first, send(message) { rest.removeFirst() }
    }

    private func waitForRoom(milliseconds: Int32) {
        var poll = Poll()
        poll.add(socket, .writable)
        _ = try? poll.wait(milliseconds: milliseconds)  // the answer is whether there is room
    }

    /// Sends a message without waiting; a client that is gone is marked so. False when its buffer is full.
    func send(_ head: [UInt8], _ body: UnsafeRawBufferPointer = .init(start: nil, count: 0)) -> Bool {
        do {
            return try socket.sendMessage(head, body)
        } catch {
            isGone = true
            return true
        }
    }

    /// The next message; nil when none waits. Who has gone, or says what is no message, is marked so.
    func receive() -> ClientMessage? {
        var count: Int?
        let buffer = [UInt8](unsafeUninitializedCapacity: MonitorMessage.limit) { space, used in
            do { count = try socket.receiveMessage(into: UnsafeMutableRawBufferPointer(space)) } catch {
                count = 0
            }
            used = count ?? 0
        }
        guard let count else { return nil }
        let message = count == 0 ? nil : ClientMessage(buffer[..<count])
        if message == nil { isGone = true }
        return message
    }

    /// Tells a client that nothing was started. What it has said is read before: a socket that is closed with unread
    /// messages shows its peer a reset in the place of ours.
    func refuse(_ error: RuntimeError) {
        var buffer = [UInt8](repeating: 0, count: MonitorMessage.limit)
        buffer.withUnsafeMutableBytes { bytes in
            // A client that is gone is found so by the answer.
            while let count = try? socket.receiveMessage(into: bytes), count > 0 {}
        }
        sendLast(.failed(code: error.exitCode, error.description))
    }

    /// Sends a last message: waits for room a moment, then gives up on the client.
    func sendLast(_ message: MonitorMessage) {
        for _ in 0..<50 where !isGone {
            if send(message.bytes) { return }
            waitForRoom(milliseconds: 100)  // a client that never reads loses its last message
        }
    }
}
