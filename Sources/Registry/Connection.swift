import Linux
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// What two requests must have in common to share a connection.
struct ConnectionKey: Hashable, Sendable {
    let scheme: WebURL.Scheme
    let host: String
    let port: Int
    /// Whose certificates were used.
    let trust: Trust
    let proxy: Proxy?
}

/// One HTTP/1.1 connection: one exchange at a time.
final class Connection: Sendable {
    let key: ConnectionKey
    let channel: any Channel
    let queue: ResponseQueue
    /// Where the other side is; of a tunnel, what its text says.
    let place: IPAddress.Place
    /// How long the other side may be silent.
    let silence: Duration

    init(
        key: ConnectionKey, channel: any Channel, queue: ResponseQueue, place: IPAddress.Place,
        silence: Duration
    ) {
        (self.key, self.channel, self.queue) = (key, channel, queue)
        (self.place, self.silence) = (place, silence)
    }

    /// Whether it can serve another exchange.
    var isUsable: Bool { channel.isActive && queue.failure == nil && !queue.hasAnswer }

    func close() { channel.close(mode: .all, promise: nil) }

    /// Writes one part and waits until the kernel has it; cancelling closes the connection.
    func write(_ part: HTTPClientRequestPart) async throws {
        queue.setWaiting(true)
        try await withTaskCancellationHandler {
            // On the loop, not here: a task may have to wait for its turn.
            try await channel.writeAndFlush(part).always { [queue] _ in queue.setWaiting(false) }.get()
        } onCancel: {
            close()
        }
    }
}

/// Makes connections.
struct Connector: Sendable {
    let group: MultiThreadedEventLoopGroup
    let connectTime: TimeAmount
    let silence: TimeAmount

    /// Connects to the first of some addresses that answers, at most `connectTime` for the last of them.
    func connect(
        _ key: ConnectionKey, to addresses: [IPAddress], place: IPAddress.Place?, tls: NIOSSLContext?
    ) async throws -> Connection {
        var failure: any Error = ConnectionError.closed
        for (i, address) in addresses.enumerated() {
            let isLast = i == addresses.count - 1
            do {
                let time = isLast ? connectTime : min(connectTime, .seconds(3))
                return try await connect(
                    key, to: address, place: place ?? address.place, tls: tls, within: time)
            } catch {
                failure = error
                if error is NIOSSLError || error is CancellationError { throw error }
            }
        }
        throw failure
    }

    private func connect(
        _ key: ConnectionKey, to address: IPAddress, place: IPAddress.Place, tls: NIOSSLContext?,
        within time: TimeAmount
    ) async throws -> Connection {
        let queue = ResponseQueue()
        let loop = group.next()
        let tunnel = key.proxy != nil && tls != nil ? loop.makePromise(of: Void.self) : nil
        let ready = tls.map { _ in loop.makePromise(of: Void.self) }
        let bootstrap = ClientBootstrap(group: loop).connectTimeout(time)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 1 << 17))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tunnel {
                        let handler = ProxyTunnel(
                            to: "\(key.host.contains(":") ? "[\(key.host)]" : key.host):\(key.port)",
                            authorization: key.proxy?.authorization, opened: tunnel)
                        try channel.pipeline.syncOperations.addHandler(handler, name: "tunnel")
                    } else {
                        try addHTTP(to: channel, queue, key, tls, ready)
                    }
                }
            }
        let channel: any Channel
        do {
            channel = try await bootstrap.connect(
                to: try address.socketAddress(port: key.proxy?.port ?? key.port)
            ).get()
        } catch {
            tunnel?.fail(error)
            ready?.fail(error)
            throw error
        }
        // Closing makes both promises fail. A connection that is ready cancels this on the loop: a task may have to wait
        // for its turn.
        let limit = loop.scheduleTask(in: time) {
            queue.fail(ConnectionError.silent(time))
            channel.close(promise: nil)
        }
        let tunnelled = tunnel?.futureResult.flatMap {
            channel.pipeline.removeHandler(name: "tunnel")
        }.flatMapThrowing { try addHTTP(to: channel, queue, key, tls, ready) }
        let opened = (tunnelled ?? loop.makeSucceededVoidFuture()).flatMap {
            ready?.futureResult ?? loop.makeSucceededVoidFuture()
        }
        do {
            try await opened.always { _ in limit.cancel() }.get()
        } catch {
            ready?.fail(error)
            channel.close(promise: nil)
            throw queue.failure ?? error
        }
        return Connection(
            key: key, channel: channel, queue: queue, place: place, silence: .nanoseconds(silence.nanoseconds)
        )
    }

    private func addHTTP(
        to channel: any Channel, _ queue: ResponseQueue, _ key: ConnectionKey, _ tls: NIOSSLContext?,
        _ ready: EventLoopPromise<Void>?
    ) throws {
        let pipeline = channel.pipeline.syncOperations
        if let tls {
            // An address stands in no SNI.
            let address = IPAddress(key.host)
            let name = address == nil ? key.host : nil
            try pipeline.addHandler(try NIOSSLClientHandler(context: tls, serverHostname: name))
            if let address, key.trust.verifies { try pipeline.addHandler(AddressCheck(address)) }
        }
        try pipeline.addHandler(HTTPRequestEncoder())
        try pipeline.addHandler(
            ByteToMessageHandler(
                HTTPResponseDecoder(
                    leftOverBytesStrategy: .dropBytes, informationalResponseStrategy: .forward)))
        try pipeline.addHandler(ResponseHandler(queue, silence: silence, handshake: ready))
    }
}

extension IPAddress {
    fileprivate func socketAddress(port: Int) throws -> SocketAddress {
        guard scope != 0 else {
            return try SocketAddress(packedIPAddress: ByteBuffer(bytes: bytes), port: port)
        }
        return try SocketAddress(ipAddress: "\(description)%\(scope)", port: port)
    }
}
