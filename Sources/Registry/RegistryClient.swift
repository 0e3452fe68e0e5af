import NIOCore
import NIOHTTP1
import NIOSSL
public import OCI
import Synchronization

/// A client of registries (distribution-spec 1.1): one a process. It knows nothing of our store: who calls it keeps
/// and verifies what it hands out.
public final class RegistryClient: Sendable {
    let configuration: RegistryConfiguration
    let transport: Transport
    let authenticator: Authenticator
    /// What hosts that may speak plain HTTP were found to speak, by `host[:port]`.
    let schemes = Mutex<[String: WebURL.Scheme]>([:])

    /// Makes two threads for connections; nothing is sent yet.
    public init(configuration: RegistryConfiguration, credentials: CredentialStore) {
        self.configuration = configuration
        transport = Transport(configuration)
        authenticator = Authenticator(credentials, transport)
    }

    /// A client with other credentials over the same connections, to try a login.
    init(sharing other: RegistryClient, login credentials: CredentialStore) {
        (configuration, transport) = (other.configuration, other.transport)
        authenticator = Authenticator(credentials, transport, isLogin: true)
    }

    /// Runs `body` with a client that is shut down after it.
    public static func with<R>(
        _ configuration: RegistryConfiguration, _ credentials: CredentialStore,
        _ body: (RegistryClient) async throws -> R
    ) async throws -> R {
        let client = RegistryClient(configuration: configuration, credentials: credentials)
        do {
            let result = try await body(client)
            await client.shutdown()
            return result
        } catch {
            await client.shutdown()
            throw error
        }
    }

    /// Closes all connections and ends the threads. Nothing may be under way.
    public func shutdown() async { await transport.shutdown() }
}

/// A manifest or index as a registry has it.
public struct RemoteManifest: Equatable, Sendable {
    /// As the document says, else as the Content-Type header says.
    public let mediaType: String
    /// At most 4 MiB, a JSON object.
    public let bytes: [UInt8]
    /// Of `bytes`, computed.
    public let digest: Digest

    /// What points to it.
    var descriptor: Descriptor {
        Descriptor(mediaType: mediaType, digest: digest, size: Int64(bytes.count))
    }
}

/// One request to a registry's API; what is needed to send it again.
struct Call {
    var method = HTTPMethod.GET
    var endpoint: Endpoint
    var target: Target
    var headers = HTTPHeaders()
    var body = WebRequest.Body.none
    /// `pull`, `pull,push`; nil for no repository (the login's ping).
    var actions: String? = "pull"
    /// A second repository that is read, of a mount.
    var otherRepository: String?

    enum Target {
        /// Below `/v2/`.
        case path(String)
        /// Where a registry's Location led.
        case url(WebURL)
    }

    init(_ method: HTTPMethod = .GET, at endpoint: Endpoint, path: String) {
        (self.method, self.endpoint, target) = (method, endpoint, .path(path))
    }

    var scopes: [String] {
        guard let actions else { return [] }
        let other = otherRepository.map { ["repository:\($0):pull"] } ?? []
        return ["repository:\(endpoint.repository):\(actions)"] + other
    }
}

extension RegistryClient {
    /// Sends a call until it succeeds or has had its tries; `body` reads the response, whatever its status, and
    /// throws errors that say whether trying again may help.
    func perform<R>(_ call: Call, _ body: (WebResponse) async throws -> R) async throws -> R {
        try await retrying { try await once(call, body) }
    }

    /// Tries again what may pass, with longer and longer waits.
    func retrying<R>(_ body: () async throws -> R) async throws -> R {
        let backoff = Backoff(configuration)
        var attempt = 0
        while true {
            do {
                return try await body()
            } catch let error as RegistryError {
                guard let wait = backoff.wait(after: attempt, error, jitter: .random(in: 0...1)) else {
                    throw error
                }
                try await Task.sleep(for: wait)
                attempt += 1
            }
        }
    }

    /// Sends a call over https, or over http where that is allowed and nothing else is spoken.
    func once<R>(_ call: Call, _ body: (WebResponse) async throws -> R) async throws -> R {
        let path: String
        switch call.target {
        case .url(let url): return try await exchange(call, url, body)
        case .path(let text): path = text
        }
        let authority = call.endpoint.authority
        func url(_ scheme: WebURL.Scheme) throws(RegistryError) -> WebURL {
            try WebURL(scheme: scheme, authority: authority, target: "/v2/\(path)")
        }
        let known = call.endpoint.mayBePlain ? schemes.withLock { $0[authority] } : .https
        if let known { return try await exchange(call, try url(known), body) }
        do {
            try await probe(try url(.https), call.endpoint)
            schemes.withLock { $0[authority] = .https }
        } catch let error as Transport.ConnectFailure {
            let isProxys = error.proxy != nil && !(error.cause is NIOSSLError)
            let hasPort = WebURL.splitAuthority(Substring(authority))?.1 != nil
            guard !isProxys, RegistryError.meansPlainHTTP(error.cause, hasPort: hasPort) else {
                throw RegistryError.of(error, authority, registry: call.endpoint.registry)
            }
            schemes.withLock { $0[authority] = .http }
        } catch {
            throw RegistryError.of(error, authority, registry: call.endpoint.registry)
        }
        return try await once(call, body)
    }

    /// Makes a connection, which the next request will use.
    private func probe(_ url: WebURL, _ endpoint: Endpoint) async throws {
        try await transport.exchange(WebRequest(.GET, try url.resolving("/v2/")), access(to: endpoint)) {
            response in
            try await response.skip()
        }
    }

    func access(to endpoint: Endpoint) -> Access {
        Access(
            trust: Trust(registry: endpoint.registry, isOwn: true, verifies: !endpoint.isInsecure),
            places: nil)
    }
}

/// What a response means for the one who asked.
private enum Step<R> {
    case done(R)
    case challenged([Challenge], IPAddress.Place)
    case redirected(WebURL, IPAddress.Place)
}

extension RegistryClient {
    /// Sends one call, answers challenges and follows redirects: at most 5, never from https to http, and off the
    /// host that was asked without its credentials, its client certificate and its freedom of addresses.
    private func exchange<R>(
        _ call: Call, _ start: WebURL, _ body: (WebResponse) async throws -> R
    ) async throws -> R {
        var (url, redirects, challenges) = (start, 0, 0)
        var place = call.knownPlace
        var refused: String?
        while true {
            let isOwn = call.isOwn(url)
            let claim = call.claim(url, isOwn: isOwn)
            let access = isOwn ? access(to: call.endpoint) : foreign(call.endpoint, place)
            var request = WebRequest(call.method, url, call.headers)
            request.headers.replaceOrAdd(name: "Accept-Encoding", value: "identity")
            request.body = call.body
            let authorization = authenticator.known(for: claim)
            if let authorization { request.headers.replaceOrAdd(name: "Authorization", value: authorization) }
            let step: Step<R>
            do {
                step = try await transport.exchange(request, access) { response in
                    try await self.step(call, response, mayAnswer: challenges < 2, body)
                }
            } catch let error as SourceError {
                throw error
            } catch {
                throw RegistryError.of(error, "\(call.method) \(url)", registry: call.endpoint.registry)
            }
            switch step {
            case .done(let result): return result
            case .challenged(let found, let here):
                if isOwn { place = here }
                refused = authorization
                challenges += 1
                let realm = foreign(call.endpoint, isOwn ? place : nil)
                _ = try await authenticator.answer(found, for: claim, refused: refused, access: realm)
            case .redirected(let next, let here):
                if isOwn { place = here }
                redirects += 1
                guard redirects <= 5 else { throw RegistryError(.refused, "\(start): more than 5 redirects") }
                guard url.scheme == .http || next.scheme == .https else {
                    throw RegistryError(.refused, "\(url): redirect from https to \(next)")
                }
                url = next
                challenges = 0
            }
        }
    }

    private func step<R>(
        _ call: Call, _ response: WebResponse, mayAnswer: Bool, _ body: (WebResponse) async throws -> R
    ) async throws -> Step<R> {
        let place = response.connection.place
        let mayFollow = call.method == .GET || call.method == .HEAD
        switch response.status {
        case 401 where mayAnswer:
            let challenges = Challenge.parse(response.head.headers["WWW-Authenticate"])
            guard !challenges.isEmpty else { return .done(try await body(response)) }
            try await response.skip()
            return .challenged(challenges, place)
        case 301, 302, 303, 307, 308:
            guard mayFollow, let location = response.header("Location") else {
                throw RegistryError(
                    .refused, "\(response.url): a redirect that is not followed (\(response.status))")
            }
            try await response.skip()
            do { return .redirected(try response.url.resolving(location), place) } catch {
                throw error.within("\(response.url): redirect")
            }
        default: return .done(try await body(response))
        }
    }

    /// What a host may be that a registry sent us to: anywhere else, or where the registry itself is.
    private func foreign(_ endpoint: Endpoint, _ place: IPAddress.Place?) -> Access {
        Access(
            trust: Trust(registry: endpoint.registry, isOwn: false, verifies: true),
            places: [.elsewhere, place ?? .elsewhere])
    }
}

extension Call {
    /// Whether a URL is the registry itself: the same scheme, host and port as its API.
    func isOwn(_ url: WebURL) -> Bool {
        // The authority was taken apart before the first request.
        guard let (host, port) = WebURL.splitAuthority(Substring(endpoint.authority)) else { return false }
        let isOwnPort = url.port == (port ?? (url.scheme == .https ? 443 : 80))
        return url.host == host && isOwnPort && (url.scheme == .https || endpoint.mayBePlain)
    }

    func claim(_ url: WebURL, isOwn: Bool) -> Claim {
        Claim(
            registry: isOwn ? endpoint.registry : nil, authority: url.authority, scopes: scopes,
            realmHosts: isOwn ? endpoint.realmHosts : [],
            mayBePlain: isOwn ? endpoint.mayBePlain : url.scheme == .http,
            isInsecure: isOwn && endpoint.isInsecure)
    }

    /// Where the registry is when its text says so already.
    var knownPlace: IPAddress.Place? { endpoint.isLoopback ? .loopback : nil }
}
