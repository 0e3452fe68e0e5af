import OCI

/// What a registry knows a user by.
public struct Credential: Equatable, Sendable {
    /// May be empty with an identity token.
    public var username: String
    public var password: String
    /// A refresh token that stands for the password (`identitytoken` of config.json).
    public var identityToken: String?

    /// A name with a password or with an identity token.
    public init(username: String, password: String, identityToken: String? = nil) {
        (self.username, self.password, self.identityToken) = (username, password, identityToken)
    }

    /// The value of a Basic authorization.
    var basic: String { "Basic " + Base64.encode(Array("\(username):\(password)".utf8)) }
}

/// Which registry a user means, and which key of config.json its credentials stand under.
public enum CredentialKey {
    static let hubNames = ["docker.io", "index.docker.io", "registry-1.docker.io"]
    private static let hubKey = "https://index.docker.io/v1/"

    /// `docker.io`'s is the address of its index, as docker writes it.
    static func of(_ registry: String) -> String {
        let host = hostName(registry)
        return hubNames.contains(host) ? hubKey : host
    }

    /// The registry that a user means, `host[:port]`, whatever path stands behind: `docker.io` for nothing and for Docker
    /// Hub's other names.
    public static func registry(_ server: String) -> String {
        let host = String(hostName(server).prefix { $0 != "/" })
        return host.isEmpty || hubNames.contains(host) ? "docker.io" : host
    }

    /// `host[:port]` of what a user or an old config.json has: without scheme, `/v1/` and `/v2/`.
    static func hostName(_ text: String) -> String {
        var rest = Substring(text)
        for scheme in ["https://", "http://"] where rest.hasPrefix(scheme) {
            rest = rest.dropFirst(scheme.count)
        }
        for tail in ["/", "/v1", "/v2"] where rest.hasSuffix(tail) { rest = rest.dropLast(tail.count) }
        return String(rest)
    }
}
