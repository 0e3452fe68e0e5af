import Images
import Linux
public import OCI
import Registry
public import SystemPackage

/// Registries as the store's pulls and pushes see them.
struct Registries: ImageSource, ImageDestination {
    fileprivate let client: RegistryClient

    /// Runs `body` with a client for the registries of this host's configuration; without credentials of its own it has
    /// this user's, and `warn` hears why there are none.
    static func with<R>(
        _ environment: [String: String], _ credentials: CredentialStore? = nil,
        warn: @escaping @Sendable (String) -> Void = { _ in }, _ body: (Registries) async throws -> R
    ) async throws -> R {
        try await RegistryClient.with(
            try RegistryConfiguration.load(environment: environment.variables),
            credentials ?? CredentialStore(environment: environment.variables, warn: warn)
        ) { try await body(Registries(client: $0)) }
    }

    func manifest(_ reference: Reference) async throws -> SourceDocument {
        let manifest = try await client.manifest(reference)
        return SourceDocument(mediaType: manifest.mediaType, bytes: manifest.bytes)
    }

    func tags(of repository: Reference) async throws -> [String] {
        try await client.tags(of: repository)
    }

    func blob(
        _ blob: Descriptor, of repository: Reference, from offset: Int64, usingMirrors: Bool,
        start: (Int64) throws -> Void, receive: (UnsafeRawBufferPointer) throws -> Void
    ) async throws -> Bool {
        try await client.blob(
            blob, of: repository, from: offset, usingMirrors: usingMirrors, receive: receive, started: start)
    }

    func has(_ blob: Descriptor, in repository: Reference) async throws -> Bool {
        try await client.hasBlob(blob.digest, in: repository) != nil
    }

    func mount(_ blob: Descriptor, from other: Reference, to repository: Reference) async throws -> Bool {
        try await client.mountBlob(blob.digest, to: repository, from: other)
    }

    func upload(
        _ blob: Descriptor, from file: borrowing FD, to repository: Reference,
        progress: @escaping (Int64) -> Void
    ) async throws {
        let content = Content(try file.duplicate())
        try await client.uploadBlob(blob, to: repository) { offset, buffer in
            let count = try content.file.read(into: buffer, at: offset)
            progress(offset + Int64(count))
            return count
        }
    }

    func put(manifest: [UInt8], _ descriptor: Descriptor, as name: Reference) async throws {
        try await client.putManifest(manifest, mediaType: descriptor.mediaType, to: name)
    }
}

/// A file that closures share.
private final class Content: Sendable {
    let file: FD
    init(_ file: consuming FD) { self.file = file }
}

extension ImageCatalog {
    /// Pulls images; `environment` says where the user's credentials and proxies are.
    @discardableResult
    public func pull(
        _ name: Reference, _ choice: PullChoice, environment: [String: String],
        report: @escaping @Sendable (PullEvent) -> Void
    ) async throws -> [PulledImage] {
        guard name.name != "scratch" else { throw EngineError("'scratch' is a reserved name", exitCode: 1) }
        return try await Registries.with(environment, warn: { report(.warning($0)) }) { registries in
            let pulled = try await ImagePuller(into: store, from: registries, report: report).pull(
                name, choice)
            for image in pulled { tell("pull", "\(image.name)", image.name.repository) }
            return pulled
        }
    }

    /// Pushes the images of these names to where the names say, one after the other.
    public func push(
        _ names: [Reference], environment: [String: String],
        report: @escaping @Sendable (PushEvent) -> Void
    ) async throws {
        try await Registries.with(environment, warn: { report(.warning($0)) }) { registries in
            let pusher = ImagePusher(of: store, to: registries, report: report)
            for name in names {
                _ = try await pusher.push(name)
                tell("push", "\(name)", name.repository)
            }
        }
    }

    /// Makes an image of the tar that lies at a URL; `environment` says where the user's proxies are.
    public func importRoot(
        from url: String, as name: String?, message: String?, changes: [String], environment: [String: String]
    ) async throws -> Digest {
        let file = try store.scratchFile()
        let configuration = try RegistryConfiguration.load(environment: environment.variables)
        try await RegistryClient.file(at: url, configuration) { try file.writeAll($0) }
        try file.rewind()
        return try importRoot(file, as: name, message: message, changes: changes)
    }

    /// The tags that a repository has here, in their order.
    public func tags(of repository: Reference) throws -> [Reference] {
        let names = try storedTags(of: repository)
        guard !names.isEmpty else {
            throw EngineError(
                "An image does not exist locally with the tag: \(repository.name)", exitCode: 1)
        }
        return names
    }
}

extension [String: String] {
    /// As a program's environment has them.
    fileprivate var variables: [String] { map { "\($0.key)=\($0.value)" } }
}

/// A registry as `login` names it.
public struct RegistryServer: Sendable {
    /// `host[:port]`; `docker.io` for docker's own.
    public let host: String
    /// docker's text for it.
    public var title: String { host == "docker.io" ? "https://index.docker.io/v1/" : host }

    /// Nil means docker's own; `https://host/v1/` is its host.
    public init(_ text: String?) throws(UsageError) {
        host = CredentialKey.registry(text ?? "")
        let isHost = host == "docker.io" || (try? Reference("\(host)/x"))?.registry == host
        // A scheme alone names none.
        guard isHost, host != "docker.io" || text?.contains(host) ?? true else {
            throw UsageError("invalid registry: \"\(text ?? "")\" is not host[:port]")
        }
    }
}

/// Logging in to registries, and out.
public struct RegistryLogin: Sendable {
    private let environment: [String: String]
    private var store: CredentialStore { CredentialStore(environment: environment.variables) }

    /// Where credentials are kept.
    public enum Place: Equatable, Sendable {
        /// Readable to whoever can read the file; `isNew`: no password stood there before.
        case file(FilePath, isNew: Bool)
        case helper(String)
    }

    public init(environment: [String: String]) { self.environment = environment }

    /// Asks the registry, and keeps what it accepts.
    public func login(_ user: String, _ password: String, to server: RegistryServer) async throws -> Place {
        let accepted = try await check(Credential(username: user, password: password), at: server)
        switch try store.save(accepted, for: server.host) {
        case .file(let path, let isNew): return .file(path, isNew: isNew)
        case .helper(let name): return .helper(name)
        }
    }

    /// The user whose credentials are kept for a registry; empty with a token alone, nil for none.
    public func user(at server: RegistryServer) throws -> String? {
        try store.replaceable(for: server.host)?.username
    }

    /// Asks the registry whether it still accepts what is kept. Answers why not; nil when it does.
    public func tryAgain(at server: RegistryServer) async throws -> String? {
        guard let kept = try store.replaceable(for: server.host) else { return "no credentials are stored" }
        do {
            let accepted = try await check(kept, at: server)
            if accepted != kept { _ = try store.save(accepted, for: server.host) }
            return nil
        } catch let error as RegistryError where error.kind == .denied {
            return "\(error)"
        }
    }

    private func check(_ credential: Credential, at server: RegistryServer) async throws -> Credential {
        try await Registries.with(environment, CredentialStore(fixed: [:])) {
            try await $0.client.checkLogin(server: server.host, credential)
        }
    }

    /// False when there were no credentials.
    public func logout(from server: RegistryServer) throws -> Bool { try store.erase(server.host) }
}
