import Linux
import NIOHTTP1
public import OCI

extension RegistryClient {
    /// The largest manifest or index that is taken.
    static let manifestLimit = 4 << 20

    /// A manifest or index by tag or digest, from a mirror where there is one that has it. With a digest its bytes
    /// have that digest. Errors are docker's where users know them.
    public func manifest(_ reference: Reference) async throws(RegistryError) -> RemoteManifest {
        let digest = reference.digest
        let name = digest?.description ?? reference.tag ?? "latest"
        return try await fromEachEndpoint(of: reference) { endpoint in
            var call = Call(at: endpoint, path: "\(endpoint.repository)/manifests/\(name)")
            call.headers.add(name: "Accept", value: acceptedManifests.joined(separator: ", "))
            return try await perform(call) { response in
                let limit = response.status == 200 ? RegistryClient.manifestLimit : 65536
                let body = try await response.bytes(limit: limit)
                guard response.status == 200 else {
                    throw PullError.of(response, Problem(body), reference, digest)
                }
                return try RemoteManifest(response, body, digest: digest)
            }
        }
    }

    /// Asks mirrors first; the error of the registry itself is the one that is told.
    func fromEachEndpoint<R>(
        of reference: Reference, _ body: (Endpoint) async throws -> R
    ) async throws(RegistryError) -> R {
        var last = RegistryError(.configuration, "\(reference): no registry")
        for endpoint in try configuration.endpoints(for: reference, forPull: true) {
            do {
                return try await body(endpoint)
            } catch {
                last = RegistryError.of(error, reference.name)
                if last.kind == .cancelled { throw last }
            }
        }
        throw last
    }
}

private let acceptedManifests = [
    MediaType.index, MediaType.manifest, MediaType.dockerManifestList, MediaType.dockerManifest,
]

extension RemoteManifest {
    /// Checks what a registry sent: digest, JSON, and that header and document agree on its type.
    init(_ response: WebResponse, _ body: [UInt8], digest wanted: Digest?) throws(RegistryError) {
        let digest = Digest(sha256: SHA256.hex(of: body))
        // With a tag the header is all there is to compare with; one in another form says nothing.
        let hint = response.header("Docker-Content-Digest").flatMap { Digest($0) }
        guard digest == wanted ?? hint ?? digest else {
            throw RegistryError(
                .invalid,
                "\(response.url): the manifest has digest \(digest), not \(wanted ?? hint ?? digest)")
        }
        do throws(JSONError) {
            let document = try JSON(parsing: body)
            guard document.members != nil else { throw JSONError("not an object") }
            let header = response.header("Content-Type").map { RemoteManifest.plain($0) }
            let type = try document.optionalString("mediaType")
            let known = header.flatMap { acceptedManifests.contains($0) ? $0 : nil }
            guard let found = type ?? known else {
                throw JSONError(
                    "media type \(escaped(header ?? "none")) is no manifest or index that is read here")
            }
            guard acceptedManifests.contains(found), known ?? found == found else {
                throw JSONError(
                    "media type \(escaped(found)), sent as \(escaped(header ?? "none")), is not taken")
            }
            (mediaType, bytes, self.digest) = (found, body, digest)
        } catch {
            throw RegistryError(.invalid, "\(response.url): not a valid manifest: \(error)")
        }
    }

    /// A Content-Type without its parameters.
    private static func plain(_ type: String) -> String {
        String(type.prefix { $0 != ";" }.split(separator: " ").first ?? "").lowercased()
    }
}

/// docker's words for what a pull is refused with.
enum PullError {
    static func of(
        _ response: WebResponse, _ problem: Problem, _ reference: Reference, _ digest: Digest?
    ) -> RegistryError {
        let name = reference.name
        let shown = digest.map { "\(name)@\($0)" } ?? "\(name):\(reference.tag ?? "latest")"
        switch (response.status, problem.code) {
        case (401, _), (403, _), (_, "DENIED"), (_, "UNAUTHORIZED"):
            let words = problem.text ?? "denied: requested access to the resource is denied"
            return RegistryError(
                .denied,
                "pull access denied for \(name), repository does not exist or may require 'apus login': \(words)"
            )
        case (404, "NAME_UNKNOWN"):
            return RegistryError(.notFound, "repository \(name) not found: \(problem.text ?? "name unknown")")
        case (404, _):
            return RegistryError(
                .notFound,
                "manifest for \(shown) not found: \(problem.text ?? "manifest unknown: manifest unknown")")
        default: return Problem.server(response, problem)
        }
    }
}
