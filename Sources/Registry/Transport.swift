import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization

/// One request, without what the transport adds (Host, User-Agent, Content-Length).
struct WebRequest {
    var method: HTTPMethod
    var url: WebURL
    var headers = HTTPHeaders()
    var body = Body.none

    enum Body {
        case none
        case bytes([UInt8])
        /// So many bytes, written by `source`.
        case stream(length: Int64, source: (Upload) async throws -> Void)
    }

    init(_ method: HTTPMethod, _ url: WebURL, _ headers: HTTPHeaders = [:]) {
        (self.method, self.url, self.headers) = (method, url, headers)
    }
}

/// Which hosts a request may reach, and with which certificates.
struct Access: Sendable {
    var trust: Trust
    /// Where the host may be; nil for the registry itself, which the user named.
    var places: Set<IPAddress.Place>?
}

/// HTTP/1.1 over connections that are kept: no redirects, no credentials, no second tries but for a kept connection
/// that was closed meanwhile.
final class Transport: Sendable {
    private let configuration: RegistryConfiguration
    private let trust: TrustStore
    private let idle = Mutex<[ConnectionKey: [Connection]]>([:])
    private let connector: Connector
    private let group: MultiThreadedEventLoopGroup
    /// For calls that block: names to addresses, credential helpers.
    let blocking: NIOThreadPool

    init(_ configuration: RegistryConfiguration) {
        self.configuration = configuration
        trust = TrustStore(configuration)
        group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        blocking = NIOThreadPool(numberOfThreads: 2)
        blocking.start()
        connector = Connector(
            group: group, connectTime: TimeAmount(configuration.connectTime),
            silence: TimeAmount(configuration.silence))
    }

    func shutdown() async {
        for connections in idle.withLock({ $0.values }) {
            for connection in connections { connection.close() }
        }
        // Both fail only when they were shut down before.
        try? await group.shutdownGracefully()
        try? await blocking.shutdownGracefully()
    }

    /// Sends a request and hands its response to `body`, which reads as much of it as it likes.
    func exchange<R>(
        _ request: WebRequest, _ access: Access, _ body: (WebResponse) async throws -> R
    ) async throws -> R {
        while true {
            let (connection, isKept): (Connection, Bool)
            do { (connection, isKept) = try await self.connection(for: request.url, access) } catch {
                throw ConnectFailure(cause: error, proxy: configuration.proxies.proxy(for: request.url))
            }
            do {
                let (head, isSent) = try await send(request, over: connection)
                let response = WebResponse(head: head, url: request.url, connection: connection)
                defer { finish(response, isSent: isSent) }
                if request.method == .HEAD || head.status == .noContent || head.status == .notModified {
                    try await response.skip()
                }
                return try await body(response)
            } catch let error as StaleConnection {
                connection.close()
                // Closed by the other side while it was kept: what changes nothing is asked again. Of an upload's
                // bytes nobody knows whether they arrived.
                let mayRepeat = request.method != .PUT
                guard isKept, mayRepeat, !(error.cause is CancellationError) else { throw error.cause }
            }
        }
    }

    /// No connection came about, perhaps to the proxy: nothing was sent.
    struct ConnectFailure: Error {
        let cause: any Error
        let proxy: Proxy?
    }

    /// A connection that failed before any answer.
    private struct StaleConnection: Error { let cause: any Error }

    /// Answers the head of the response, and whether all of the request was sent before it came.
    private func send(
        _ request: WebRequest, over connection: Connection
    ) async throws -> (HTTPResponseHead, isSent: Bool) {
        do {
            let isSent = try await write(request, to: connection)
            guard case .head(let head) = try await connection.queue.next() else {
                throw RegistryError(.invalid, "response without a head")
            }
            return (head, isSent)
        } catch let error as SourceError {
            connection.close()
            throw error
        } catch {
            throw StaleConnection(cause: error)
        }
    }

    /// False when the other side answered before the end.
    private func write(_ request: WebRequest, to connection: Connection) async throws -> Bool {
        let isForwarded = connection.key.proxy != nil && request.url.scheme == .http
        var head = HTTPRequestHead(
            version: .http1_1, method: request.method,
            uri: isForwarded ? "http://\(request.url.authority)\(request.url.target)" : request.url.target,
            headers: request.headers)
        head.headers.replaceOrAdd(name: "Host", value: request.url.authority)
        head.headers.replaceOrAdd(name: "User-Agent", value: configuration.userAgent)
        if isForwarded, let authorization = connection.key.proxy?.authorization {
            head.headers.replaceOrAdd(name: "Proxy-Authorization", value: authorization)
        }
        let needsLength: [HTTPMethod] = [.POST, .PUT]
        switch request.body {
        case .none:
            if needsLength.contains(request.method) {
                head.headers.replaceOrAdd(name: "Content-Length", value: "0")
            }
            connection.channel.write(HTTPClientRequestPart.head(head), promise: nil)
        case .bytes(let bytes):
            head.headers.replaceOrAdd(name: "Content-Length", value: String(bytes.count))
            connection.channel.write(HTTPClientRequestPart.head(head), promise: nil)
            connection.channel.write(
                HTTPClientRequestPart.body(.byteBuffer(ByteBuffer(bytes: bytes))), promise: nil)
        case .stream(let length, let source):
            head.headers.replaceOrAdd(name: "Content-Length", value: String(length))
            try await connection.write(.head(head))
            let upload = Upload(connection, length: length)
            guard try await upload.run(source) else { return false }
        }
        try await connection.write(.end(nil))
        return true
    }

    /// Keeps the connection when both sides are done with the exchange, else closes it: what comes next would be taken for
    /// the rest of a request that was not sent whole.
    private func finish(_ response: WebResponse, isSent: Bool) {
        let connection = response.connection
        guard isSent, response.isComplete, response.head.isKeepAlive, connection.isUsable else {
            return connection.close()
        }
        let isKept = idle.withLock { idle in
            guard idle[connection.key, default: []].count < 16 else { return false }
            idle[connection.key, default: []].append(connection)
            return true
        }
        if !isKept { connection.close() }
    }

    private func connection(for url: WebURL, _ access: Access) async throws -> (Connection, isKept: Bool) {
        let proxy = configuration.proxies.proxy(for: url)
        let key = ConnectionKey(
            scheme: url.scheme, host: url.host, port: url.port, trust: access.trust, proxy: proxy)
        while let kept = idle.withLock({ $0[key]?.popLast() }) {
            if kept.isUsable, access.places?.contains(kept.place) ?? true { return (kept, true) }
            kept.close()
        }
        let tls = url.scheme == .https ? try trust.context(for: access.trust, host: url.host) : nil
        let addresses = try await addresses(of: url, proxy, access)
        let place = proxy == nil ? nil : textualPlace(of: url)
        return (try await connector.connect(key, to: addresses, place: place, tls: tls), false)
    }

    /// Where a host is that only a proxy will look up.
    private func textualPlace(of url: WebURL) -> IPAddress.Place {
        IPAddress(url.host)?.place
            ?? (url.host == "localhost" || url.host.hasSuffix(".localhost") ? .loopback : .elsewhere)
    }

    /// The addresses to connect to. Those that `access` does not allow are refused here, after the look-up: a name
    /// that a registry chose may stand for any address.
    private func addresses(of url: WebURL, _ proxy: Proxy?, _ access: Access) async throws -> [IPAddress] {
        let name = proxy?.host ?? url.host
        let found: [IPAddress]
        if let literal = IPAddress(name) {
            found = [literal]
        } else {
            found = try await blocking.runIfActive { IPAddress.resolve(name) }.get()
        }
        guard let places = access.places else { return found }
        let reached = proxy == nil ? found.map(\.place) : [textualPlace(of: url)]
        if let bad = reached.first(where: { !places.contains($0) }) {
            throw RegistryError(
                .refused, "\(url.host) is \(bad.words), where no registry elsewhere may lead us")
        }
        return found
    }
}

extension IPAddress.Place {
    fileprivate var words: String {
        switch self {
        case .elsewhere: "another host"
        case .loopback: "this host itself (loopback)"
        case .link: "a link-local or metadata address"
        case .nowhere: "no host's address"
        }
    }
}

extension TimeAmount {
    init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        self = .nanoseconds(
            seconds.multipliedReportingOverflow(by: 1_000_000_000).partialValue + attoseconds / 1_000_000_000)
    }
}
