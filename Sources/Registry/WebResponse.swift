import NIOCore
import NIOHTTP1

/// A response, read by one task. What is not read closes the connection.
final class WebResponse {
    let head: HTTPResponseHead
    let url: WebURL
    let connection: Connection
    /// Whether the body was read to its end.
    private(set) var isComplete = false

    init(head: HTTPResponseHead, url: WebURL, connection: Connection) {
        (self.head, self.url, self.connection) = (head, url, connection)
    }

    var status: Int { Int(head.status.code) }

    /// A header; the first one where it is there several times.
    func header(_ name: String) -> String? { head.headers.first(name: name) }

    /// The next bytes of the body; nil at its end.
    func next() async throws -> ByteBuffer? {
        while !isComplete {
            switch try await connection.queue.next() {
            case .head: throw RegistryError(.invalid, "\(url): two responses to one request")
            case .body(let bytes): return bytes
            case .end: isComplete = true
            }
        }
        return nil
    }

    /// The whole body, refused when it is longer than `limit` bytes, or when it takes four times as long as the
    /// other side may be silent: a byte now and then keeps nobody waiting for ever.
    func bytes(limit: Int) async throws -> [UInt8] {
        if let text = header("Content-Length"), let length = Int64(text), length > Int64(limit) {
            throw RegistryError(.invalid, "\(url): \(length) bytes where at most \(limit) are taken")
        }
        let end = ContinuousClock.now + connection.silence * 4
        var all: [UInt8] = []
        while let bytes = try await next() {
            guard ContinuousClock.now < end else { throw ConnectionError.slow }
            guard bytes.readableBytes <= limit - all.count else {
                throw RegistryError(.invalid, "\(url): more than the \(limit) bytes that are taken")
            }
            all.append(contentsOf: bytes.readableBytesView)
        }
        return all
    }

    /// Reads a short rest, so that the connection can be used again; what does not come within seconds closes it.
    func skip() async throws {
        let queue = connection.queue
        let limit = connection.channel.eventLoop.scheduleTask(in: .seconds(2)) {
            queue.fail(ConnectionError.slow)
        }
        defer { limit.cancel() }
        var left = 65536
        do {
            while left > 0, let bytes = try await next() { left -= bytes.readableBytes }
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            // The head is all that was wanted.
            connection.close()
        }
    }
}

/// Where the body of a request goes.
final class Upload {
    private let connection: Connection
    private var left: Int64

    init(_ connection: Connection, length: Int64) { (self.connection, left) = (connection, length) }

    /// Sends bytes, and waits until the kernel has them.
    func write(_ bytes: ByteBuffer) async throws {
        left -= Int64(bytes.readableBytes)
        guard left >= 0 else {
            throw SourceError(RegistryError(.invalid, "the source is longer than it said"))
        }
        do {
            try await connection.write(.body(.byteBuffer(bytes)))
        } catch {
            if connection.queue.hasAnswer { throw EarlyAnswer() }
            throw error
        }
        if connection.queue.hasAnswer { throw EarlyAnswer() }
    }

    /// Runs the source; false when the other side answered before the end. Its own errors become `SourceError`.
    func run(_ source: (Upload) async throws -> Void) async throws -> Bool {
        do {
            try await source(self)
        } catch is EarlyAnswer {
            return false
        }
        guard left == 0 else {
            throw SourceError(RegistryError(.invalid, "the source is shorter than it said"))
        }
        return true
    }

    private struct EarlyAnswer: Error {}
}

/// An error of ours while a body was made, as opposed to one of the connection.
struct SourceError: Error {
    let cause: any Error
    init(_ cause: any Error) { self.cause = cause }
}
