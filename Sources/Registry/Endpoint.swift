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
        return Endpoint(registry: host, repository: path, isInsecure: insecure, isMirror: isMirror)
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
    /// Whether a name (`host[:port]/path`) lies below the prefix, whole components only. A prefix that is a host alone
    /// means all its ports.
    func matches(_ name: String) -> Bool {
        let name = ComparedName(name)
        if prefix.hasPrefix("*.") { return name.host.hasSuffix(prefix.dropFirst(1).lowercased()) }
        let own = ComparedName(prefix)
        guard name.host == own.host, own.isHostAlone || name.port == own.port else { return false }
        return own.path.isEmpty || name.path == own.path || name.path.hasPrefix("\(own.path)/")
    }

    /// The name, which matches, with `location` in the prefix's place.
    func rewrite(_ name: String, to location: String) -> String {
        if location.isEmpty || location == prefix { return name }
        if prefix.hasPrefix("*.") { return location + name.drop { $0 != "/" } }
        let own = ComparedName(prefix)
        let authority = name.prefix { $0 != "/" }
        let path = name.dropFirst(authority.count).dropFirst(own.path.isEmpty ? 0 : own.path.count + 1)
        let port = authority.lastIndex(of: ":").map { authority[$0...] } ?? ""
        return location + (own.isHostAlone && !port.contains("]") ? port : "") + path
    }

    /// What two prefixes for the same have in common.
    var key: String {
        let own = ComparedName(prefix)
        return "\(own.host):\(own.isHostAlone ? "" : String(own.port))/\(own.path)"
    }
}

/// `host[:port][/path]` such that two spellings of the same are equal: the case of a host, its default port, the
/// zeros of an IPv6 address and the names of Docker Hub's API make no other registry.
private struct ComparedName {
    let host: String
    /// 443 where none is written.
    let port: Int
    let path: Substring
    /// Neither port nor path are written.
    let isHostAlone: Bool

    init(_ text: String) {
        let authority = text.prefix { $0 != "/" }
        path = text.dropFirst(authority.count).drop { $0 == "/" }
        // What is no host is like nothing but itself.
        let (name, port) = WebURL.splitAuthority(authority) ?? (String(authority), nil)
        host = CredentialKey.hubNames.contains(name) ? "docker.io" : IPAddress(name)?.description ?? name
        self.port = port ?? 443
        isHostAlone = port == nil && path.isEmpty
    }
}
