import NIOCore
import NIOHTTP1
public import OCI

extension RegistryClient {
    /// Asks to make another repository's blob known in this one (cross-repository mount); false when the registry
    /// does not: then the blob is uploaded. Both are on the same registry.
    public func mountBlob(
        _ digest: Digest, to repository: Reference, from other: Reference
    ) async throws(RegistryError) -> Bool {
        guard repository.registry == other.registry else { return false }
        return try await push(to: repository) { endpoint in
            let query = "mount=\(percentEncoded(digest.description))&from=\(percentEncoded(other.path))"
            var call = Call(.POST, at: endpoint, path: "\(endpoint.repository)/blobs/uploads/?\(query)")
            (call.actions, call.otherRepository) = ("pull,push", other.path)
            let answer: (isMounted: Bool, session: WebURL?)
            do {
                answer = try await perform(call) { response in
                    let problem = Problem(try await response.bytes(limit: 65536))
                    switch response.status {
                    case 201: return (true, nil)
                    case 202: return (false, try self.location(response))
                    // A registry that does not mount.
                    case 400..<500 where ![408, 425, 429].contains(response.status): return (false, nil)
                    default: throw PushError.of(response, problem, repository)
                    }
                }
            } catch let error as RegistryError {
                // Who may not read the other repository uploads; a token server tells it, too.
                guard error.kind == .denied || error.kind == .notFound else { throw error }
                return false
            }
            if let session = answer.session { await cancel(session, call) }
            return answer.isMounted
        }
    }

    /// Uploads a blob of known size and digest in one request. `read` fills the buffer from an offset and answers how
    /// many bytes; it may be asked for the same bytes again. What it throws is thrown on.
    public func uploadBlob(
        _ descriptor: Descriptor, to repository: Reference,
        read: @escaping (_ offset: Int64, _ buffer: UnsafeMutableRawBufferPointer) throws -> Int
    ) async throws {
        try await uploading(to: repository) { endpoint in
            let session = try await startUpload(at: endpoint, repository)
            var call = Call(.PUT, at: endpoint, path: "")
            call.target = .url(session.adding("digest", descriptor.digest.description))
            call.actions = "pull,push"
            call.headers.add(name: "Content-Type", value: "application/octet-stream")
            call.body = .stream(length: descriptor.size) { upload in
                try await upload.write(descriptor.size, from: read)
            }
            try await finish(call, repository)
        }
    }

    /// Puts a manifest or index under the reference's tag, or else under its digest. What it names is there already.
    public func putManifest(
        _ bytes: [UInt8], mediaType: String, to reference: Reference
    ) async throws(RegistryError) {
        try await push(to: reference) { endpoint in
            let name = reference.tag ?? reference.digest?.description ?? "latest"
            var call = Call(.PUT, at: endpoint, path: "\(endpoint.repository)/manifests/\(name)")
            call.actions = "pull,push"
            call.headers.add(name: "Content-Type", value: mediaType)
            call.body = .bytes(bytes)
            try await perform(call) { response in
                let problem = Problem(try await response.bytes(limit: 65536))
                guard [200, 201, 202].contains(response.status) else {
                    throw PushError.of(response, problem, reference)
                }
            }
        }
    }

    /// The registry itself: nothing is pushed to a mirror.
    func pushEndpoint(of repository: Reference) throws(RegistryError) -> Endpoint {
        guard let endpoint = try configuration.endpoints(for: repository, forPull: false).last else {
            throw RegistryError(.configuration, "\(repository): no registry")
        }
        return endpoint
    }

    func push<R>(
        to repository: Reference, _ body: (Endpoint) async throws -> R
    ) async throws(RegistryError) -> R {
        let endpoint = try pushEndpoint(of: repository)
        do { return try await body(endpoint) } catch { throw RegistryError.of(error, repository.name) }
    }

    /// A whole upload, from its beginning when something passing went wrong.
    private func uploading(to repository: Reference, _ body: (Endpoint) async throws -> Void) async throws {
        let endpoint = try pushEndpoint(of: repository)
        do {
            try await retrying { try await body(endpoint) }
        } catch let error as SourceError {
            throw error.cause
        }
    }
}

extension RegistryClient {
    private func startUpload(at endpoint: Endpoint, _ repository: Reference) async throws -> WebURL {
        var call = Call(.POST, at: endpoint, path: "\(endpoint.repository)/blobs/uploads/")
        call.actions = "pull,push"
        return try await once(call) { response in
            let problem = Problem(try await response.bytes(limit: 65536))
            guard response.status == 202 else { throw PushError.of(response, problem, repository) }
            return try self.location(response)
        }
    }

    private func finish(_ call: Call, _ repository: Reference) async throws {
        try await once(call) { response in
            let problem = Problem(try await response.bytes(limit: 65536))
            guard [201, 202, 204].contains(response.status) else {
                throw PushError.of(response, problem, repository)
            }
        }
    }

    /// Gives up an upload; a registry that cannot forget it forgets it by itself some day.
    private func cancel(_ session: WebURL, _ from: Call) async {
        var call = from
        (call.method, call.target) = (.DELETE, .url(session))
        try? await once(call) { try await $0.skip() }
    }

    /// Where an upload goes on. The rules of redirects hold: nothing moves from https to http.
    private func location(_ response: WebResponse) throws(RegistryError) -> WebURL {
        guard let text = response.header("Location") else {
            throw RegistryError(.invalid, "\(response.url): no Location to upload to")
        }
        let url: WebURL
        do { url = try response.url.resolving(text) } catch {
            throw error.within("\(response.url): Location")
        }
        guard response.url.scheme == .http || url.scheme == .https else {
            throw RegistryError(.refused, "\(response.url): upload moved from https to \(url)")
        }
        return url
    }
}

extension Upload {
    /// Sends `size` bytes, read in pieces.
    func write(
        _ size: Int64, from read: (_ offset: Int64, _ buffer: UnsafeMutableRawBufferPointer) throws -> Int
    ) async throws {
        var offset: Int64 = 0
        while offset < size {
            let capacity = Int(min(1 << 17, size - offset))
            var buffer = ByteBuffer()
            do {
                try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: capacity) { space in
                    let n = try read(offset, UnsafeMutableRawBufferPointer(rebasing: space[..<capacity]))
                    return min(max(n, 0), capacity)
                }
            } catch { throw SourceError(error) }
            guard buffer.readableBytes > 0 else {
                throw SourceError(
                    RegistryError(.invalid, "blob to upload: ends at \(offset) of \(size) bytes"))
            }
            offset += Int64(buffer.readableBytes)
            try await write(buffer)
        }
    }
}

/// docker's words for what a push is refused with.
enum PushError {
    static func of(_ response: WebResponse, _ problem: Problem, _ reference: Reference) -> RegistryError {
        switch (response.status, problem.code) {
        case (401, _), (_, "UNAUTHORIZED"):
            return RegistryError(.denied, problem.text ?? "unauthorized: authentication required")
                .hinting("log in: apus login \(reference.registry)")
        case (403, _), (_, "DENIED"):
            return RegistryError(
                .denied,
                "push to \(reference.name): "
                    + (problem.text ?? "denied: requested access to the resource is denied"))
        case (404, _):
            return RegistryError(
                .notFound,
                "push to \(reference.name): \(problem.text ?? "the registry does not know the repository")")
        case (400..<500, _) where problem.text != nil && response.status != 429 && response.status != 408:
            return RegistryError(.invalid, "push to \(reference.name): \(problem.text ?? "")")
        default: return Problem.server(response, problem)
        }
    }
}
