import Linux
import Runtime

/// One attached client: its socket and what it wants.
final class Client {
    let socket: FD
    /// Nil until its hello has come.
    var streams: ClientMessage.Streams?
    var keys = DetachKeys([])
    /// Output it has not taken yet; while there is any, the container's output is not read.
    var isBehind = false
    var isGone = false

    init(_ socket: consuming FD, streams: ClientMessage.Streams? = nil) {
        _ = try? socket.setNonBlocking(true)  // a socket always can
        self.socket = socket
        self.streams = streams
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
        var buffer = [UInt8](repeating: 0, count: MonitorMessage.limit)
        var count: Int?
        buffer.withUnsafeMutableBytes {
            do { count = try socket.receiveMessage(into: $0) } catch { count = 0 }
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
            var poll = Poll()
            poll.add(socket, .writable)
            _ = try? poll.wait(milliseconds: 100)  // a client that never reads loses its last message
        }
    }
}
