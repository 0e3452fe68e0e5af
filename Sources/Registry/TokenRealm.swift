import NIOHTTP1
import OCI

/// The token server that a challenge names (distribution, token.md): what it may be, and what it is asked.
enum TokenRealm {
    /// The realm's URL. Refused: http for a registry that must be https, and credentials for another site than the
    /// registry's unless registries.conf allows it. The address is checked when it is connected to.
    static func check(_ realm: String, _ claim: Claim, hasCredential: Bool) throws(RegistryError) -> WebURL {
        let url: WebURL
        do { url = try WebURL(realm) } catch {
            throw error.within("\(claim.authority): realm of its challenge")
        }
        guard url.scheme == .https || claim.mayBePlain else {
            throw RegistryError(
                .refused,
                "\(claim.authority): its realm \(url) is not https, and would see credentials in the clear")
        }
        let host = WebURL.splitAuthority(Substring(claim.authority))?.host ?? ""
        let allowed = claim.realmHosts + wellKnown(host)
        guard !hasCredential || isSameSite(host, url.host) || allowed.contains(url.host) else {
            throw RegistryError(
                .refused,
                "\(claim.authority): its realm \(url) is another site, which does not get its credentials"
            ).hinting(
                "allow it: token-realm-hosts = [\"\(url.host)\"] at its [[registry]] in registries.conf")
        }
        return url
    }

    /// Registries that are known to have their logins on another site.
    private static func wellKnown(_ host: String) -> [String] {
        host == "registry.redhat.io" || host == "registry.connect.redhat.com" ? ["sso.redhat.com"] : []
    }

    /// Two names below one registrable domain, as far as their text tells (two labels, three below short
    /// second levels like `co.uk`); addresses and single names only when they are the same.
    static func isSameSite(_ a: String, _ b: String) -> Bool {
        if a == b { return true }
        func isLoopback(_ host: String) -> Bool { host == "localhost" || IPAddress(host)?.place == .loopback }
        if isLoopback(a), isLoopback(b) { return true }
        guard IPAddress(a) == nil, IPAddress(b) == nil else { return false }
        func site(_ host: String) -> ArraySlice<Substring>? {
            let labels = host.split(separator: ".")
            guard labels.count >= 2 else { return nil }
            let isShort = labels[labels.count - 1].count == 2 && labels[labels.count - 2].count <= 3
            return labels.count >= (isShort ? 3 : 2) ? labels.suffix(isShort ? 3 : 2) : nil
        }
        guard let one = site(a), let other = site(b) else { return false }
        return one == other
    }

    /// What is asked for: ours, and what the registry says that it wants.
    static func scopes(_ own: [String], _ asked: String?) -> [String] {
        var all = own
        for scope in (asked ?? "").split(separator: " ").map(String.init) where !all.contains(scope) {
            all.append(scope)
        }
        return all
    }

    /// GET with Basic, or with a refresh token POST (distribution, oauth.md).
    static func request(
        _ url: WebURL, service: String?, scopes: [String], _ credential: Credential?, wantsRefresh: Bool
    ) -> WebRequest {
        if let refresh = credential?.identityToken {
            var form = [
                "grant_type=refresh_token", "client_id=apus", "refresh_token=\(percentEncoded(refresh))",
            ]
            if let service { form.append("service=\(percentEncoded(service))") }
            if !scopes.isEmpty { form.append("scope=\(percentEncoded(scopes.joined(separator: " ")))") }
            var request = WebRequest(.POST, url, ["Content-Type": "application/x-www-form-urlencoded"])
            request.body = .bytes(Array(form.joined(separator: "&").utf8))
            return request
        }
        var target = url
        if let service { target = target.adding("service", service) }
        for scope in scopes { target = target.adding("scope", scope) }
        guard let credential, !credential.username.isEmpty else { return WebRequest(.GET, target) }
        target = target.adding("account", credential.username)
        if wantsRefresh { target = target.adding("client_id", "apus").adding("offline_token", "true") }
        return WebRequest(.GET, target, ["Authorization": credential.basic])
    }

    /// What a token server's refusal means.
    static func refusal(_ response: WebResponse, _ body: [UInt8], _ hadCredential: Bool) -> RegistryError {
        let problem = Problem(body)
        switch response.status {
        case 401 where hadCredential:
            return RegistryError(.denied, "unauthorized: incorrect username or password")
        case 401, 403:
            return RegistryError(
                .denied, problem.text ?? "denied: requested access to the resource is denied")
        case 300..<400:
            return RegistryError(.refused, "\(response.url): a token server that redirects is not followed")
        default: return Problem.server(response, problem)
        }
    }
}
