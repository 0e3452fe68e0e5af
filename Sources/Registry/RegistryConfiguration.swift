import SystemPackage

/// How registries are reached: containers' registries.conf (a subset of version 2), certificates, proxies, limits.
public struct RegistryConfiguration: Sendable {
    /// The `[[registry]]` tables, in the order they are read; a later one takes the place of an earlier one of its prefix.
    var registries: [RegistryTable] = []
    /// Directories with one subdirectory a registry (`HOST[:PORT]/*.crt`, `*.cert` and `*.key`).
    var certificateDirectories: [FilePath] = [
        "/etc/apus/certs.d", "/etc/docker/certs.d", "/etc/containers/certs.d",
    ]
    /// HTTP_PROXY, HTTPS_PROXY and NO_PROXY.
    var proxies = Proxies()
    /// A file of certificates in place of the system's (SSL_CERT_FILE).
    var systemCertificates: FilePath?
    /// What every request says of us.
    var userAgent = "apus"
    /// How long a connection may take, its TLS handshake too.
    var connectTime = Duration.seconds(10)
    /// How long the other side may be silent while we wait for it.
    var silence = Duration.seconds(30)
    /// Fewer bytes of a blob in a second, for as long as `silence`, are as good as none.
    var slowest = 1024
    /// How often something is tried again after trouble that may pass.
    var retries = 4
    /// The wait before the first new try; it doubles with each.
    var firstWait = Duration.milliseconds(500)
    /// The longest wait, also when a registry asks for more (Retry-After).
    var longestWait = Duration.seconds(60)

    /// The defaults, without any file.
    init() {}
}

/// One `[[registry]]` of registries.conf.
struct RegistryTable: Equatable, Sendable {
    /// What it applies to: `host[:port][/path...]` or `*.domain`.
    var prefix: String
    /// What takes the prefix's place.
    var location: String
    /// Plain HTTP or an unverified certificate will do.
    var isInsecure = false
    /// Pulls and pushes are refused.
    var isBlocked = false
    /// Tried before `location`, in this order, for pulls.
    var mirrors: [Mirror] = []
    /// Hosts of other sites that may be given this registry's credentials for tokens (ours: `token-realm-hosts`).
    var realmHosts: [String] = []

    /// One `[[registry.mirror]]`.
    struct Mirror: Equatable, Sendable {
        /// `host[:port][/path...]`.
        var location: String
        /// Plain HTTP or an unverified certificate will do.
        var isInsecure = false
        /// `pull-from-mirror`: which references it is asked for.
        var use = Use.all
        /// `all`, `digest-only`, `tag-only`.
        enum Use: String, Sendable {
            case all
            case digestOnly = "digest-only"
            case tagOnly = "tag-only"
        }
        /// A mirror that is asked for everything.
        init(location: String) { self.location = location }
    }

    /// A table that changes nothing.
    init(prefix: String, location: String? = nil) {
        (self.prefix, self.location) = (prefix, location ?? prefix)
    }
}
