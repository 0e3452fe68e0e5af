import OCI
import Synchronization
public import SystemPackage

/// The credentials of a user: docker's config.json and the helpers that it names.
public struct CredentialStore: Sendable {
    private enum Source: Sendable {
        /// A directory with config.json; nil when the user has no home.
        case directory(FilePath?)
        /// By the key that config.json has for a registry.
        case fixed([String: Credential])
    }
    private let source: Source
    private let environment: [String]
    private let warnings: Warnings?

    /// $DOCKER_CONFIG, else ~/.docker. `environment` is also what helpers get. `warn` hears once of a file that cannot be
    /// read and of a helper that is not installed: then no credentials are known. Without it these are errors.
    public init(environment: [String], warn: (@Sendable (String) -> Void)? = nil) {
        func value(_ name: String) -> String? {
            environment.first { $0.hasPrefix("\(name)=") }.map { String($0.dropFirst(name.utf8.count + 1)) }
                .flatMap { $0.isEmpty ? nil : $0 }
        }
        let directory = value("DOCKER_CONFIG") ?? value("HOME").map { "\($0)/.docker" }
        source = .directory(directory.map { FilePath($0) })
        self.environment = environment
        warnings = warn.map { Warnings($0) }
    }

    /// Credentials that stand in no file, by registry (`host[:port]`, `docker.io`): `--creds`, a client's header.
    public init(fixed: [String: Credential]) {
        var byKey: [String: Credential] = [:]
        for (registry, credential) in fixed { byKey[CredentialKey.of(registry)] = credential }
        (source, environment, warnings) = (.fixed(byKey), [], nil)
    }

    /// What is known for a registry; nil for none. A helper that fails is an error, never "none": otherwise a
    /// private image's name would be asked for without credentials elsewhere (CVE-2021-41092). Blocks.
    public func credential(for registry: String) throws(RegistryError) -> Credential? {
        let key = CredentialKey.of(registry)
        switch source {
        case .fixed(let known): return known[key]
        case .directory(nil): return nil
        case .directory(let directory?):
            guard let found = try found(for: key, in: directory) else { return nil }
            switch found {
            case .file(let credential): return credential
            case .helper(let helper): return try helper.credential(for: key)
            }
        }
    }

    private enum Found {
        case file(Credential?)
        case helper(CredentialHelper)
    }

    /// Where a key's credentials are; nil when that cannot be known, of which `warnings` hear.
    private func found(for key: String, in directory: FilePath) throws(RegistryError) -> Found? {
        do {
            let config = try ConfigFile(in: directory)
            guard let helper = config.helper(for: key) else { return .file(try config.credential(for: key)) }
            return .helper(try CredentialHelper(helper, environment: environment))
        } catch {
            guard let warnings else { throw error }
            warnings.say("\(error): no credentials are used")
            return nil
        }
    }

    /// What is known for a registry, to try it again at a login. One that cannot be read is about to be replaced.
    public func replaceable(for registry: String) throws(RegistryError) -> Credential? {
        guard case .directory(let directory?) = source else { return try credential(for: registry) }
        let key = CredentialKey.of(registry)
        let config = try ConfigFile(in: directory)
        guard let helper = config.helper(for: key) else { return try? config.credential(for: key) }
        return try CredentialHelper(helper, environment: environment).credential(for: key)
    }

    /// Keeps a registry's credentials, in the helper that config.json names for it, else in the file. Answers
    /// where.
    public func save(_ credential: Credential, for registry: String) throws(RegistryError) -> SavedPlace {
        let (directory, key) = try writable(registry)
        let config = try ConfigFile(in: directory)
        if let helper = config.helper(for: key) {
            try CredentialHelper(helper, environment: environment).store(credential, for: key)
            _ = try forget(key, config, in: directory)
            return .helper(helper)
        }
        // A damaged entry held no password that anybody could use.
        let hadPassword = (try? config.credential(for: key))?.password.isEmpty == false
        try ConfigFile.change(in: directory) { config throws(RegistryError) in
            config.set(credential, for: key)
        }
        return .file(directory.appending("config.json"), isNew: !hadPassword && !credential.password.isEmpty)
    }

    /// Forgets a registry's credentials; false when there were none.
    public func erase(_ registry: String) throws(RegistryError) -> Bool {
        let (directory, key) = try writable(registry)
        let config = try ConfigFile(in: directory)
        guard let helper = config.helper(for: key) else { return try forget(key, config, in: directory) }
        let wasKnown = try CredentialHelper(helper, environment: environment).erase(key)
        return try forget(key, config, in: directory) || wasKnown
    }

    /// Takes a key out of the file, where it may stand from before there was a helper; false when it does not.
    private func forget(
        _ key: String, _ config: ConfigFile, in directory: FilePath
    ) throws(RegistryError) -> Bool {
        guard config.hasEntry(for: key) else { return false }
        try ConfigFile.change(in: directory) { config throws(RegistryError) in config.remove(key) }
        return true
    }

    private func writable(_ registry: String) throws(RegistryError) -> (FilePath, String) {
        guard case .directory(let directory?) = source else {
            throw RegistryError(
                .configuration, "no place for credentials: neither DOCKER_CONFIG nor HOME is set")
        }
        return (directory, CredentialKey.of(registry))
    }

    /// Where credentials were put.
    public enum SavedPlace: Equatable, Sendable {
        /// In this config.json; `isNew`: a password stands there now, readable by anyone who may read the file, and
        /// did not before. docker warns of it.
        case file(FilePath, isNew: Bool)
        /// By `docker-credential-NAME`.
        case helper(String)
    }
}

/// Warnings, each said once.
private final class Warnings: Sendable {
    private let said = Mutex<Set<String>>([])
    private let body: @Sendable (String) -> Void

    init(_ body: @escaping @Sendable (String) -> Void) { self.body = body }

    func say(_ text: String) {
        if said.withLock({ $0.insert(text).inserted }) { body(text) }
    }
}
