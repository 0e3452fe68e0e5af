import NIOCore
import NIOHTTP1
import NIOTLS
import Synchronization

/// What comes back on a connection, from the event loop's thread to the one task that reads it. Holds at most about
/// `limit` bytes of bodies: beyond that the connection is not read.
final class ResponseQueue: Sendable {
    fileprivate struct State {
        var parts = CircularBuffer<HTTPClientResponsePart>()
        var buffered = 0
        var failure: (any Error)?
        var reader: CheckedContinuation<Void, any Error>?
        /// Since when somebody waits for the other side, to read or to write.
        var waitingSince: NIODeadline?
        var resume: (@Sendable () -> Void)?
    }
    private let state = Mutex(State())
    private let limit = 1 << 20

    /// Takes a part. The handler's side.
    func push(_ part: HTTPClientResponsePart) {
        let reader = state.withLock { state in
            state.append(part)
            state.waitingSince = nil
            return state.takeReader()
        }
        reader?.resume()
    }

    /// Ends the exchange: what is queued can still be read, then `error` is thrown.
    func fail(_ error: any Error) {
        let reader = state.withLock { state in
            if state.failure == nil { state.failure = error }
            state.waitingSince = nil
            return state.takeReader()
        }
        reader?.resume()
    }

    /// Whether to read on; if not, `resume` is called once there is room.
    func hasRoom(orCall resume: @escaping @Sendable () -> Void) -> Bool {
        state.withLock { state in
            if state.buffered < limit || state.failure != nil { return true }
            state.resume = resume
            return false
        }
    }

    /// Whether something was answered that nobody has read yet: a registry may refuse an upload half-way.
    var hasAnswer: Bool { state.withLock { !$0.parts.isEmpty } }
    /// Why nothing more will come.
    var failure: (any Error)? { state.withLock { $0.failure } }

    /// How long somebody has been waiting for the other side.
    func waiting(at now: NIODeadline) -> TimeAmount? {
        state.withLock { state in state.waitingSince.map { now - $0 } }
    }

    /// Starts (or ends) a wait that is not the reader's: a write.
    func setWaiting(_ on: Bool) { state.withLock { $0.waitingSince = on ? .now() : nil } }

    /// The next part; waits for it.
    func next() async throws -> HTTPClientResponsePart {
        while true {
            if let part = try take() { return part }
            try await withTaskCancellationHandler {
                try await withCheckedThrowingContinuation { (reader: CheckedContinuation<Void, any Error>) in
                    let isReady = state.withLock { state in
                        if !state.parts.isEmpty || state.failure != nil { return true }
                        state.reader = reader
                        state.waitingSince = .now()
                        return false
                    }
                    if isReady { reader.resume() }
                }
            } onCancel: {
                fail(CancellationError())
            }
        }
    }

    private func take() throws -> HTTPClientResponsePart? {
        let (part, resume) = try state.withLock { state in
            guard let part = state.parts.popFirst() else {
                if let failure = state.failure { throw failure }
                return (HTTPClientResponsePart?.none, (@Sendable () -> Void)?.none)
            }
            if case .body(let bytes) = part { state.buffered -= bytes.readableBytes }
            guard state.buffered < limit / 2 else { return (part, nil) }
            defer { state.resume = nil }
            return (part, state.resume)
        }
        resume?()
        return part
    }
}

extension ResponseQueue.State {
    /// Adds a part; small pieces of a body become one, which costs a registry's chunk of one byte its weight.
    mutating func append(_ part: HTTPClientResponsePart) {
        guard case .body(var bytes) = part else { return parts.append(part) }
        buffered += bytes.readableBytes
        guard bytes.readableBytes < 4096, case .body(var all)? = parts.last, all.readableBytes < 65536 else {
            return parts.append(part)
        }
        // Taken out first: its bytes would be copied each time.
        parts.removeLast()
        all.writeBuffer(&bytes)
        parts.append(.body(all))
    }

    fileprivate mutating func takeReader() -> CheckedContinuation<Void, any Error>? {
        defer { reader = nil }
        return reader
    }
}

/// The last handler of a connection: fills its queue, holds reading back while that is full, and ends a wait that
/// takes longer than `silence`.
final class ResponseHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundIn = HTTPClientRequestPart
    typealias OutboundOut = HTTPClientRequestPart

    private let queue: ResponseQueue
    private let silence: TimeAmount
    private var isHeld = false
    /// How many 1xx came since the last answer; beyond the limit nothing more is taken.
    private var preliminary = 0
    private static let preliminaryLimit = 16
    private var watch: RepeatedTask?
    /// Kept when the connection is ready for a request; nil when it is from the start.
    private var handshake: EventLoopPromise<Void>?

    init(_ queue: ResponseQueue, silence: TimeAmount, handshake: EventLoopPromise<Void>?) {
        (self.queue, self.silence, self.handshake) = (queue, silence, handshake)
    }

    private func endHandshake(_ result: Result<Void, any Error>) {
        handshake?.completeWith(result)
        handshake = nil
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSUserEvent.handshakeCompleted = event { endHandshake(.success(())) }
        context.fireUserInboundEventTriggered(event)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let step = TimeAmount.nanoseconds(max(silence.nanoseconds / 8, 10_000_000))
        let (queue, silence, channel) = (queue, silence, context.channel)
        watch = context.eventLoop.scheduleRepeatedTask(initialDelay: step, delay: step) { _ in
            guard let waited = queue.waiting(at: .now()), waited >= silence else { return }
            queue.fail(ConnectionError.silent(silence))
            channel.close(promise: nil)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) { watch?.cancel() }

    func read(context: ChannelHandlerContext) {
        let (loop, bound) = (context.eventLoop, NIOLoopBound(self, eventLoop: context.eventLoop))
        let boundContext = NIOLoopBound(context, eventLoop: loop)
        let hasRoom = queue.hasRoom {
            loop.execute { bound.value.resume(boundContext.value) }
        }
        if hasRoom { context.read() } else { isHeld = true }
    }

    private func resume(_ context: ChannelHandlerContext) {
        guard isHeld else { return }
        isHeld = false
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        guard preliminary <= ResponseHandler.preliminaryLimit else { return }
        guard case .head(let head) = part, (100..<200).contains(head.status.code),
            head.status != .switchingProtocols
        else {
            preliminary = 0
            return queue.push(part)
        }
        // `100 Continue` and its like say nothing that is of use here.
        preliminary += 1
        if preliminary > ResponseHandler.preliminaryLimit {
            errorCaught(context: context, error: ConnectionError.preliminary)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        endHandshake(.failure(ConnectionError.closed))
        queue.fail(ConnectionError.closed)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        endHandshake(.failure(error))
        queue.fail(error)
        context.close(promise: nil)
    }
}

/// How a connection fails beyond what the socket and TLS say.
enum ConnectionError: Error {
    /// The other side closed it.
    case closed
    /// Not a byte for this long.
    case silent(TimeAmount)
    /// A document or a blob that comes too slowly.
    case slow
    /// One 1xx after the other in place of an answer.
    case preliminary
}
