import OCI
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

    /// $DOCKER_CONFIG, else ~/.docker. `environment` is also what helpers get.
    public init(environment: [String]) {
        func value(_ name: String) -> String? {
            environment.first { $0.hasPrefix("\(name)=") }.map { String($0.dropFirst(name.utf8.count + 1)) }
                .flatMap { $0.isEmpty ? nil : $0 }
        }
        let directory = value("DOCKER_CONFIG") ?? value("HOME").map { "\($0)/.docker" }
        self.init(directory: directory.map { FilePath($0) }, environment: environment)
    }

    /// The config.json of a directory.
    public init(directory: FilePath?, environment: [String]) {
        (source, self.environment) = (.directory(directory), environment)
    }

    /// Credentials that stand in no file, by registry (`host[:port]`, `docker.io`): `--creds`, a client's header.
    public init(fixed: [String: Credential]) {
        var byKey: [String: Credential] = [:]
        for (registry, credential) in fixed { byKey[CredentialKey.of(registry)] = credential }
        (source, environment) = (.fixed(byKey), [])
    }

    /// What is known for a registry; nil for none. A helper that fails is an error, never "none": otherwise a
    /// private image's name would be asked for without credentials elsewhere (CVE-2021-41092). Blocks.
    public func credential(for registry: String) throws(RegistryError) -> Credential? {
        let key = CredentialKey.of(registry)
        guard case .directory(let directory) = source else {
            if case .fixed(let known) = source { return known[key] }
            return nil
        }
        guard let directory else { return nil }
        let config = try ConfigFile(in: directory)
        if let helper = try config.helper(for: key) {
            return try CredentialHelper(helper, environment: environment).credential(for: key)
        }
        return try config.credential(for: key)
    }

    /// Keeps a registry's credentials, in the helper that config.json names for it, else in the file. Answers
    /// where.
    public func save(_ credential: Credential, for registry: String) throws(RegistryError) -> SavedPlace {
        let (directory, key) = try writable(registry)
        let config = try ConfigFile(in: directory)
        if let helper = try config.helper(for: key) {
            try CredentialHelper(helper, environment: environment).store(credential, for: key)
            return .helper(helper)
        }
        try ConfigFile.change(in: directory) { config throws(RegistryError) in
            config.set(credential, for: key)
        }
        return .file(directory.appending("config.json"))
    }

    /// Forgets a registry's credentials; false when there were none.
    public func erase(_ registry: String) throws(RegistryError) -> Bool {
        let (directory, key) = try writable(registry)
        let config = try ConfigFile(in: directory)
        if let helper = try config.helper(for: key) {
            try CredentialHelper(helper, environment: environment).erase(key)
            return true
        }
        guard try config.credential(for: key) != nil else { return false }
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
        /// In this config.json, readable by anyone who may read the file: docker warns of it.
        case file(FilePath)
        /// By `docker-credential-NAME`.
        case helper(String)
    }
}
