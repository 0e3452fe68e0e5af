import OCI

/// One place where a repository is found: a mirror, or the registry itself.
struct Endpoint: Hashable, Sendable {
    /// `host[:port]` as the user or registries.conf has it; `docker.io` for Docker Hub.
    let registry: String
    /// `library/busybox`.
    let repository: String
    /// Plain HTTP or an unverified certificate will do.
    let isInsecure: Bool
    let isMirror: Bool
    /// Hosts of other sites that may see its credentials.
    var realmHosts: [String] = []

    /// Where its API is: Docker Hub's is not where its name says.
    var authority: String { registry == "docker.io" ? "registry-1.docker.io" : registry }

    /// Plain HTTP is tried as docker does: for loopback, and where it was allowed.
    var mayBePlain: Bool { isInsecure || isLoopback }

    /// By its text: a name that DNS sends to loopback gets no less security.
    var isLoopback: Bool {
        guard let host = WebURL.splitAuthority(Substring(authority))?.host else { return false }
        if let address = IPAddress(host) { return address.place == .loopback }
        return host == "localhost"
    }

    init(
        registry: String, repository: String, isInsecure: Bool = false, isMirror: Bool = false,
        realmHosts: [String] = []
    ) {
        (self.registry, self.repository, self.isInsecure) = (registry, repository, isInsecure)
        (self.isMirror, self.realmHosts) = (isMirror, realmHosts)
    }
}

extension RegistryConfiguration {
    /// Where a reference is looked for, mirrors first (`forPull`), each once.
    func endpoints(for reference: Reference, forPull: Bool) throws(RegistryError) -> [Endpoint] {
        let name = "\(reference.registry)/\(reference.path)"
        guard let table = table(for: name) else {
            return [endpoint(name, insecure: false, isMirror: false)].compactMap { $0 }
        }
        guard !table.isBlocked else {
            throw RegistryError(
                .refused,
                "registry \(table.prefix) is blocked in registries.conf, which \(reference) belongs to")
        }
        let mirrors = forPull ? table.mirrors.filter { $0.use.includes(reference) } : []
        var found = mirrors.compactMap { mirror in
            endpoint(table.rewrite(name, to: mirror.location), insecure: mirror.isInsecure, isMirror: true)
        }
        if var own = endpoint(
            table.rewrite(name, to: table.location), insecure: table.isInsecure, isMirror: false)
        {
            own.realmHosts = table.realmHosts
            found.append(own)
        }
        guard !found.isEmpty else {
            throw RegistryError(
                .configuration,
                "registries.conf gives \(reference) no valid location: \"\(escaped(table.location))\"")
        }
        return found
    }

    /// The table of the longest prefix.
    func table(for name: String) -> RegistryTable? {
        var best: RegistryTable?
        for table in registries where table.matches(name) {
            if table.prefix.utf8.count > best?.prefix.utf8.count ?? -1 { best = table }
        }
        return best
    }

    /// `host[:port]/path` taken apart; nil when there is no path or no host.
    private func endpoint(_ name: String, insecure: Bool, isMirror: Bool) -> Endpoint? {
        guard let slash = name.firstIndex(of: "/") else { return nil }
        let host = String(name[..<slash])
        let path = String(name[name.index(after: slash)...])
        guard WebURL.splitAuthority(Substring(host)) != nil, !path.isEmpty else { return nil }
        return Endpoint(
            registry: host, repository: path, isInsecure: insecure || insecureHosts.contains(host),
            isMirror: isMirror)
    }
}

extension RegistryTable.Mirror.Use {
    func includes(_ reference: Reference) -> Bool {
        switch self {
        case .all: true
        case .digestOnly: reference.digest != nil
        case .tagOnly: reference.digest == nil
        }
    }
}

extension RegistryTable {
    /// Whether a name (`host[:port]/path`) lies below the prefix, whole components only.
    func matches(_ name: String) -> Bool {
        if prefix.hasPrefix("*.") {
            let host = name.prefix { $0 != "/" && $0 != ":" }
            return host.hasSuffix(prefix.dropFirst(1))
        }
        guard name.hasPrefix(prefix) else { return false }
        let rest = name.dropFirst(prefix.count)
        return rest.isEmpty || rest.hasPrefix("/") || (!prefix.contains("/") && rest.hasPrefix(":"))
    }

    /// The name with `location` in the prefix's place.
    func rewrite(_ name: String, to location: String) -> String {
        if location.isEmpty || location == prefix { return name }
        if prefix.hasPrefix("*.") { return location + name.drop { $0 != "/" } }
        return location + name.dropFirst(prefix.count)
    }
}
