import NIOCore
import NIOHTTP1
public import OCI

extension RegistryClient {
    /// Streams a blob from `offset` on. `started` is called once, before the first bytes, with where they really
    /// start: 0 when the registry sends only whole blobs. A download that is cut is taken up again where it was.
    /// Checked here is the size; the digest is for the caller, who has the bytes before `offset`, and who asks again
    /// without mirrors when one of them sent something else. What `receive` and `started` throw is thrown on. Answers
    /// whether a mirror sent some of it.
    @discardableResult
    public func blob(
        _ descriptor: Descriptor, of repository: Reference, from offset: Int64 = 0, usingMirrors: Bool = true,
        receive: (_ bytes: UnsafeRawBufferPointer) throws -> Void, started: (Int64) throws -> Void = { _ in }
    ) async throws -> Bool {
        guard (0...descriptor.size).contains(offset) else {
            throw RegistryError(
                .invalid, "blob \(descriptor.digest): offset \(offset) of \(descriptor.size) bytes")
        }
        if offset == descriptor.size {
            try started(offset)
            return false
        }
        var download = BlobDownload(descriptor, offset)
        var last = RegistryError(.configuration, "\(repository): no registry")
        for endpoint in try configuration.endpoints(for: repository, forPull: usingMirrors) {
            do {
                try await download.run(self, endpoint, receive, started)
                return download.isFromMirror
            } catch let error as SourceError {
                throw error.cause
            } catch {
                last = RegistryError.of(error, "blob \(descriptor.digest.short)")
                if last.kind == .cancelled { throw last }
            }
        }
        throw last
    }

    /// The size of a blob that a repository has; nil when it has none.
    public func hasBlob(_ digest: Digest, in repository: Reference) async throws(RegistryError) -> Int64? {
        try await push(to: repository) { endpoint in
            var call = Call(.HEAD, at: endpoint, path: "\(endpoint.repository)/blobs/\(digest)")
            call.actions = "pull,push"
            return try await perform(call) { response in
                switch response.status {
                case 200:
                    guard let text = response.header("Content-Length") else { return 0 }
                    return Int64(text)
                case 404: return nil
                default: throw PushError.of(response, Problem([]), repository)
                }
            }
        }
    }
}

/// How far a blob is, over several connections and endpoints.
private struct BlobDownload {
    let descriptor: Descriptor
    private let offset: Int64
    /// Up to where the receiver has bytes; nil until the first response.
    private var position: Int64?
    /// A mirror has sent some of it.
    private(set) var isFromMirror = false
    /// The registry has refused a range.
    private var mustBeWhole = false

    init(_ descriptor: Descriptor, _ offset: Int64) { (self.descriptor, self.offset) = (descriptor, offset) }

    /// Downloads the rest; as long as bytes arrive, a cut connection costs no try.
    mutating func run(
        _ client: RegistryClient, _ endpoint: Endpoint,
        _ receive: (UnsafeRawBufferPointer) throws -> Void, _ started: (Int64) throws -> Void
    ) async throws {
        let backoff = Backoff(client.configuration)
        var attempt = 0
        let first = position
        defer { if endpoint.isMirror, position != first { isFromMirror = true } }
        while true {
            let before = position ?? offset
            do {
                return try await once(client, endpoint, receive, started)
            } catch let error as RegistryError {
                if (position ?? offset) - before >= 1 << 20 { attempt = 0 }
                guard let wait = backoff.wait(after: attempt, error, jitter: .random(in: 0...1)) else {
                    throw error
                }
                try await Task.sleep(for: wait)
                attempt += 1
            }
        }
    }

    private mutating func once(
        _ client: RegistryClient, _ endpoint: Endpoint,
        _ receive: (UnsafeRawBufferPointer) throws -> Void, _ started: (Int64) throws -> Void
    ) async throws {
        let from = mustBeWhole ? 0 : position ?? offset
        var call = Call(at: endpoint, path: "\(endpoint.repository)/blobs/\(descriptor.digest)")
        if from > 0 { call.headers.add(name: "Range", value: "bytes=\(from)-") }
        var download = self
        defer { self = download }
        let pace = Pace(client.configuration)
        let isDone = try await client.once(call) { response in
            try await download.take(response, from: from, pace, receive, started)
        }
        if !isDone { try await download.once(client, endpoint, receive, started) }
    }

    /// Reads one response; false when the blob is to be asked for again without a range.
    private mutating func take(
        _ response: WebResponse, from: Int64, _ pace: Pace,
        _ receive: (UnsafeRawBufferPointer) throws -> Void, _ started: (Int64) throws -> Void
    ) async throws -> Bool {
        let start: Int64
        switch response.status {
        case 200: start = 0
        case 206 where from > 0: start = try rangeStart(response, from)
        case 416 where from > 0:
            mustBeWhole = true
            return false
        default:
            throw BlobDownload.failure(response, Problem(try await response.bytes(limit: 65536)), descriptor)
        }
        if let text = response.header("Content-Length"), let length = Int64(text),
            length != descriptor.size - start
        {
            throw sizeError(response.url, "\(length) bytes from \(start)")
        }
        if position == nil {
            do { try started(start) } catch { throw SourceError(error) }
            position = start
        }
        try await stream(response, at: start, pace, receive)
        return true
    }

    private mutating func stream(
        _ response: WebResponse, at start: Int64, _ pace: Pace,
        _ receive: (UnsafeRawBufferPointer) throws -> Void
    ) async throws {
        var (at, pace) = (start, pace)
        while let bytes = try await pace.measuring({ try await response.next() }) {
            let count = Int64(bytes.readableBytes)
            guard count <= descriptor.size - at else { throw sizeError(response.url, "more bytes") }
            let known = (position ?? start) - at
            at += count
            // What the receiver has already is skipped: the registry ignored the range.
            guard known < count else { continue }
            do {
                try bytes.withUnsafeReadableBytes { all in
                    try receive(UnsafeRawBufferPointer(rebasing: all.dropFirst(Int(max(known, 0)))))
                }
            } catch { throw SourceError(error) }
            position = at
        }
        guard at == descriptor.size else {
            throw RegistryError(
                .network, "\(response.url): cut after \(at) of \(descriptor.size) bytes",
                .passing(retryAfter: nil))
        }
    }

    /// Where a 206 starts (Content-Range, RFC 9110, 14.4): where it was asked to.
    private func rangeStart(_ response: WebResponse, _ from: Int64) throws(RegistryError) -> Int64 {
        let text = response.header("Content-Range") ?? ""
        let parts = text.split { $0 == " " || $0 == "-" || $0 == "/" }
        guard parts.count == 4, parts[0] == "bytes", Int64(parts[1]) == from,
            parts[3] == "*" || Int64(parts[3]) == descriptor.size
        else {
            throw RegistryError(
                .invalid,
                "\(response.url): asked for bytes \(from)- of \(descriptor.size), got \"\(escaped(text))\"")
        }
        return from
    }

    private func sizeError(_ url: WebURL, _ found: String) -> RegistryError {
        RegistryError(.invalid, "\(url): \(found) where the blob has \(descriptor.size)")
    }

    private static func failure(
        _ response: WebResponse, _ problem: Problem, _ descriptor: Descriptor
    ) -> RegistryError {
        switch response.status {
        case 401, 403:
            return RegistryError(
                .denied,
                "\(response.url): \(problem.text ?? "denied: requested access to the resource is denied")")
        case 404:
            return RegistryError(
                .notFound,
                "blob \(descriptor.digest) not found: \(problem.text ?? "blob unknown to registry")")
        default: return Problem.server(response, problem)
        }
    }
}

/// Ends a download whose bytes come so slowly that it would hold up whoever waits for the same blob. The time that we
/// take for what came does not count.
struct Pace {
    /// In bytes a second.
    private let slowest: Double
    private let window: Duration
    private var waited = Duration.zero
    private var count = 0

    init(_ configuration: RegistryConfiguration) {
        (slowest, window) = (Double(configuration.slowest), configuration.silence)
    }

    mutating func measuring(_ next: () async throws -> ByteBuffer?) async throws -> ByteBuffer? {
        let before = ContinuousClock.now
        guard let bytes = try await next() else { return nil }
        waited += before.duration(to: .now)
        count += bytes.readableBytes
        if waited >= window {
            guard Double(count) >= slowest * (waited / .seconds(1)) else { throw ConnectionError.slow }
            (waited, count) = (.zero, 0)
        }
        return bytes
    }
}
