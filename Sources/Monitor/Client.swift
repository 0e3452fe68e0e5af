import Linux

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
