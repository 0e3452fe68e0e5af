import Linux
import NIOPosix
import OCI
import Synchronization

/// Who asks: the credentials of one registry, for what.
struct Claim: Hashable, Sendable {
    /// The registry whose credentials may be used, as config.json knows it; nil for a host that it sent us to.
    let registry: String?
    /// `host[:port]` that the request goes to.
    let authority: String
    /// `repository:library/busybox:pull`.
    let scopes: [String]
    /// Hosts of other sites that may see the credentials.
    let realmHosts: [String]
    /// http for the token server is as good as for the registry.
    let mayBePlain: Bool
    /// Its certificate is not verified, nor that of a token server on the same host.
    let isInsecure: Bool
}

/// Answers challenges: tokens are kept for each claim until they expire, Basic for as long as the process lives.
final class Authenticator: Sendable {
    private struct Token: Sendable {
        let value: String
        let end: ContinuousClock.Instant
    }
    private let credentials: CredentialStore
    private let transport: Transport
    private let tokens = Mutex<[Claim: Token]>([:])
    private let basics = Mutex<[String: String]>([:])
    /// At a login: ask token servers for a refresh token, and the one that came.
    private let isLogin: Bool
    private let refresh = Mutex<String?>(nil)

    init(_ credentials: CredentialStore, _ transport: Transport, isLogin: Bool = false) {
        (self.credentials, self.transport, self.isLogin) = (credentials, transport, isLogin)
    }

    /// The credential to keep after a login: a refresh token, when one came, in place of the password.
    func refreshed(_ credential: Credential) -> Credential {
        guard let token = refresh.withLock({ $0 }) else { return credential }
        return Credential(username: credential.username, password: "", identityToken: token)
    }

    /// What is known to be right without asking.
    func known(for claim: Claim) -> String? {
        if let token = tokens.withLock({ $0[claim] }), token.end > .now { return "Bearer \(token.value)" }
        return claim.registry.flatMap { registry in basics.withLock { $0[registry] } }
    }

    /// The authorization that answers a challenge; `refused` is what was sent and did not do.
    func answer(
        _ challenges: [Challenge], for claim: Claim, refused: String?, access: Access
    ) async throws -> String {
        let credential = try await credential(for: claim)
        if let bearer = challenges.first(where: { $0.scheme == "bearer" }) {
            let grant = try await token(bearer, credential, claim, access)
            if let token = grant.refresh { refresh.withLock { $0 = token } }
            let lifetime = min(max(grant.seconds, 60), 86400)
            let end = ContinuousClock.now + .seconds(lifetime) - .seconds(min(lifetime / 4, 15))
            tokens.withLock { $0[claim] = Token(value: grant.token, end: end) }
            return "Bearer \(grant.token)"
        }
        guard challenges.contains(where: { $0.scheme == "basic" }) else {
            throw RegistryError(
                .denied, "unauthorized: \(claim.authority) asks for no kind of login that is known here")
        }
        guard let registry = claim.registry else {
            throw RegistryError(
                .denied, "no basic auth credentials for \(claim.authority), where the registry led us")
        }
        guard let credential, !credential.username.isEmpty else {
            throw RegistryError(.denied, "no basic auth credentials").hinting(
                "log in: apus login \(registry)")
        }
        guard refused != credential.basic else {
            basics.withLock { _ = $0.removeValue(forKey: registry) }
            throw RegistryError(.denied, "unauthorized: incorrect username or password")
        }
        basics.withLock { $0[registry] = credential.basic }
        return credential.basic
    }

    /// What stands in config.json; helpers block, so that happens on a thread of its own.
    private func credential(for claim: Claim) async throws -> Credential? {
        guard let registry = claim.registry else { return nil }
        let credentials = self.credentials
        return try await transport.blocking.runIfActive { try credentials.credential(for: registry) }
    }

    /// What a token server gives.
    struct Grant {
        let token: String
        let refresh: String?
        let seconds: Int64
    }

    private func token(
        _ challenge: Challenge, _ credential: Credential?, _ claim: Claim, _ access: Access
    ) async throws -> Grant {
        guard let realm = challenge.parameters["realm"] else {
            throw RegistryError(.invalid, "\(claim.authority): a Bearer challenge without a realm")
        }
        let url = try TokenRealm.check(realm, claim, hasCredential: credential != nil)
        let scopes = TokenRealm.scopes(claim.scopes, challenge.parameters["scope"])
        let request = TokenRealm.request(
            url, service: challenge.parameters["service"], scopes: scopes, credential, wantsRefresh: isLogin)
        var place = access
        let isOwn = WebURL.splitAuthority(Substring(claim.authority))?.host == url.host
        place.trust = Trust(
            registry: access.trust.registry, isOwn: isOwn && claim.registry != nil,
            verifies: !(isOwn && claim.isInsecure))
        do {
            return try await transport.exchange(request, place) { response in
                let body = try await response.bytes(limit: 1 << 20)
                guard response.status == 200 else {
                    throw TokenRealm.refusal(response, body, credential != nil)
                }
                return try Authenticator.grant(body, url)
            }
        } catch {
            throw RegistryError.of(error, "\(url)")
        }
    }

    /// Reads a token server's answer.
    static func grant(_ body: [UInt8], _ url: WebURL) throws(RegistryError) -> Grant {
        do throws(JSONError) {
            let document = try JSON(parsing: body)
            let name = document["token"] == nil ? "access_token" : "token"
            let token = try document.requireString(name)
            // It goes into a header: what would end the line is no token.
            guard !token.isEmpty, token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
                throw JSONError("token is not printable")
            }
            return Grant(
                token: token, refresh: try document.optionalString("refresh_token"),
                seconds: document["expires_in"]?.int ?? 60)
        } catch {
            throw RegistryError(.invalid, "\(url): the token server's answer cannot be read: \(error)")
        }
    }
}
