import OCI
import SystemPackage

@testable import Registry

/// What a registry says in headers, what users and files write: all of it text, tried as each.
enum RegistryPart {
    static func run(_ bytes: [UInt8]) {
        let text = String(decoding: bytes, as: UTF8.self)
        attempt { try readFile(text) }
        readChallenges(text)
        attempt { try readURL(text) }
        attempt { try readReference(text) }
        expect(Base64.decode(Base64.encode(bytes).utf8) == bytes, "base64 is not read back")
        if let decoded = Base64.decode(text.utf8) {
            let sign = Base64.encode(decoded).prefix { $0 != "=" }
            expect(text.prefix { $0 != "=" } == sign, "base64 has two forms")
        }
        expect(percentDecoded(percentEncoded(text)) == Array(text.utf8), "an escape is not read back")
        attempt { _ = try Proxies(environment: ["HTTPS_PROXY=\(text)", "NO_PROXY=\(text)"]) }
        if let address = IPAddress(text) { _ = address.place }
    }

    private static func attempt(_ body: () throws -> Void) {
        do { try body() } catch { report(error) }
    }

    /// registries.conf, and where names lead with it.
    private static func readFile(_ text: String) throws {
        var configuration = RegistryConfiguration()
        try configuration.add(text, from: "/registries.conf")
        let prefixes = configuration.registries.map(\.prefix)
        expect(Set(prefixes).count == prefixes.count, "two tables have one prefix")
        for name in ["a", "localhost:5000/a/b:c", "quay.io/a", "a.example.com/b@sha256:" + digits] {
            let reference = try Reference(name)
            for forPull in [true, false] {
                attempt {
                    let found = try configuration.endpoints(for: reference, forPull: forPull)
                    expect(found.contains { !$0.isMirror } || forPull, "a push without its registry")
                    expect(!found.isEmpty, "a name leads nowhere")
                    for endpoint in found { _ = (endpoint.mayBePlain, endpoint.authority) }
                }
            }
        }
    }

    private static let digits = String(repeating: "0", count: 64)

    private static func readChallenges(_ text: String) {
        let lines = text.split(separator: "\n").map(String.init)
        for challenge in Challenge.parse(lines) + Challenge.parse([text]) {
            let scheme = challenge.scheme
            expect(
                !scheme.isEmpty && scheme == scheme.lowercased(), "a scheme is not what it is compared with")
            for place in ["registry.example.com", "localhost:5000"] {
                attempt { try readRealm(challenge, place) }
            }
        }
    }

    /// A realm is asked with credentials only on the registry's own site, and never in the clear unless it is.
    private static func readRealm(_ challenge: Challenge, _ authority: String) throws {
        guard let realm = challenge.parameters["realm"] else { return }
        let claim = Claim(
            registry: authority, authority: authority, scopes: ["repository:a:pull"], realmHosts: [],
            mayBePlain: authority.hasPrefix("localhost"), isInsecure: false)
        let url = try TokenRealm.check(realm, claim, hasCredential: true)
        expect(url.scheme == .https || claim.mayBePlain, "credentials in the clear")
        let host = WebURL.splitAuthority(Substring(authority))?.host ?? ""
        expect(TokenRealm.isSameSite(host, url.host), "credentials for another site")
        let request = TokenRealm.request(
            url, service: challenge.parameters["service"],
            scopes: TokenRealm.scopes(claim.scopes, challenge.parameters["scope"]),
            Credential(username: "u", password: "p"), wantsRefresh: true)
        let isSame = request.url.scheme == url.scheme && request.url.authority == url.authority
        expect(isSame, "a service or a scope changes the host")
        check(request.url)
    }

    private static func readURL(_ text: String) throws {
        let base = try WebURL("https://registry.example.com:5000/v2/a/blobs/uploads/1?state=b")
        attempt { check(try base.resolving(text)) }
        let url = try WebURL(text)
        check(url)
        expect(try WebURL("\(url.scheme)://\(url.authority)\(url.target)") == url, "a URL is not read back")
        attempt { check(try url.resolving("../b?c")) }
    }

    /// It goes into the first line of a request, and its host into a header and a certificate's check.
    private static func check(_ url: WebURL) {
        let bytes = Array(url.target.utf8) + Array(url.host.utf8)
        expect(bytes.allSatisfy { $0 > 0x20 && $0 < 0x7f }, "a URL holds a blank or a control character")
        expect(url.target.hasPrefix("/") && !url.target.contains("#"), "a target is no path")
        expect(
            !url.host.isEmpty && url.host == url.host.lowercased(), "a host is not what it is compared with")
        expect((1...65_535).contains(url.port), "a port is none")
    }

    private static func readReference(_ text: String) throws {
        let reference = try Reference(text)
        expect(try Reference(reference.canonical) == reference, "a name is not read back")
        let shown = try Reference(reference.description)
        expect(
            shown.registry == reference.registry && shown.path == reference.path, "a shown name is another")
        let target = "/v2/\(reference.path)/manifests/\(reference.tag ?? "")"
        check(try WebURL(scheme: .https, authority: reference.registry, target: target))
    }
}
