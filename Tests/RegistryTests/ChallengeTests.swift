import NIOHTTP1
import Testing

@testable import Registry

@Test func aBearerChallengeIsTakenApart() {
    let header = #"Bearer realm="https://auth.example/token",service="a, b",scope="repository:x:pull,push""#
    #expect(
        Challenge.parse([header]) == [
            Challenge(
                scheme: "bearer",
                parameters: [
                    "realm": "https://auth.example/token", "service": "a, b",
                    "scope": "repository:x:pull,push",
                ])
        ])
}

@Test func severalChallengesAreKeptApart() {
    let found = Challenge.parse([#"Negotiate, Basic realm="a \"b\"", charset=UTF-8"#, "BEARER realm=r"])
    #expect(found.map(\.scheme) == ["negotiate", "basic", "bearer"])
    #expect(found[1].parameters == ["realm": "a \"b\"", "charset": "UTF-8"])
    #expect(found[2].parameters == ["realm": "r"])
}

@Test(arguments: [
    "", ",,,", "=", "realm=x", "Bearer realm=\"open", "Bearer realm=\"a\\", "\"\"\"", "Bearer =",
])
func damagedChallengesEndQuietly(_ text: String) {
    let found = Challenge.parse([text])
    #expect(found.count <= 1 && found.allSatisfy { $0.parameters.isEmpty })
}

@Test func ofARepeatedParameterTheFirstCounts() {
    #expect(Challenge.parse(["Bearer realm=a, realm=b"]).first?.parameters["realm"] == "a")
}

@Test func errorsOfRegistriesAreReadAndEscaped() {
    let body = Array("{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"no\\u001b[31m tag\"}]}".utf8)
    #expect(Problem(body).text == "manifest unknown: no\\u{1b}[31m tag")
    for text in ["", "<html>", "[]", "{\"errors\":{}}", "{\"errors\":[7]}"] {
        #expect(Problem(Array(text.utf8)).text == nil)
    }
}

private func wait(_ attempt: Int, _ trouble: RegistryError.Trouble, jitter: Double = 1) -> Duration? {
    Backoff(RegistryConfiguration()).wait(
        after: attempt, RegistryError(.network, "x", trouble), jitter: jitter)
}

@Test func waitsDoubleAndEnd() {
    let waits = (0...4).map { wait($0, .passing(retryAfter: nil)) }
    #expect(waits == [.milliseconds(500), .seconds(1), .seconds(2), .seconds(4), nil])
    #expect(wait(0, .passing(retryAfter: nil), jitter: 0) == .milliseconds(250))
    #expect(wait(0, .lasting) == nil)
}

@Test func retryAfterIsKeptUpToOurPatience() {
    #expect(wait(0, .passing(retryAfter: .seconds(7))) == .seconds(7))
    #expect(wait(3, .passing(retryAfter: .seconds(1))) == .seconds(4))
    #expect(wait(0, .passing(retryAfter: .seconds(61))) == nil)
}

@Test func aWaitNeverGrowsBeyondTheLongest() {
    var backoff = Backoff(RegistryConfiguration())
    backoff.retries = .max
    let error = RegistryError(.network, "x", .passing(retryAfter: nil))
    #expect(backoff.wait(after: 1_000_000, error, jitter: 9) == .seconds(60))
}

private func claim(_ authority: String, plain: Bool = false, hosts: [String] = []) -> Claim {
    Claim(
        registry: authority, authority: authority, scopes: ["repository:x:pull"], realmHosts: hosts,
        mayBePlain: plain, isInsecure: false)
}

@Test(arguments: [
    ("registry-1.docker.io", "https://auth.docker.io/token"),
    ("gitlab.example:5050", "https://gitlab.example/jwt"),
    ("registry.a.co.uk", "https://auth.a.co.uk/t"), ("10.0.0.1:5000", "https://10.0.0.1/t"),
    ("registry.redhat.io", "https://sso.redhat.com/auth"),
])
func realmsOfTheSameSiteGetCredentials(_ registry: String, _ realm: String) throws {
    _ = try TokenRealm.check(realm, claim(registry), hasCredential: true)
}

@Test(arguments: [
    ("registry.a.com", "https://auth.b.com/t"), ("registry.a.co.uk", "https://auth.b.co.uk/t"),
    ("10.0.0.1", "https://10.0.0.2/t"), ("registry.com", "https://com/t"), ("registry", "https://auth/t"),
])
func realmsOfOtherSitesGetNone(_ registry: String, _ realm: String) throws {
    #expect(throws: RegistryError.self) {
        try TokenRealm.check(realm, claim(registry), hasCredential: true)
    }
    _ = try TokenRealm.check(realm, claim(registry), hasCredential: false)
    let host = try WebURL(realm).host
    _ = try TokenRealm.check(realm, claim(registry, hosts: [host]), hasCredential: true)
}

@Test(arguments: [
    "http://registry.a.com/t", "file:///t", "https://", "//x/t", "https://user@registry.a.com/t",
])
func realmsThatAreNotHTTPSAreRefused(_ realm: String) {
    for hasCredential in [true, false] {
        #expect(throws: RegistryError.self) {
            try TokenRealm.check(realm, claim("registry.a.com"), hasCredential: hasCredential)
        }
    }
}

@Test func tokensAreAskedForWithAllScopes() throws {
    let url = try WebURL("https://auth.example/token?a=b")
    let scopes = TokenRealm.scopes(["repository:x:pull"], "repository:x:pull repository:y:pull")
    let user = Credential(username: "al ice", password: "p:w")
    let get = TokenRealm.request(url, service: "s&t", scopes: scopes, user, wantsRefresh: true)
    #expect(
        get.url.target
            == "/token?a=b&service=s%26t&scope=repository%3Ax%3Apull&scope=repository%3Ay%3Apull&account=al%20ice"
            + "&client_id=apus&offline_token=true")
    #expect(get.headers.first(name: "Authorization") == user.basic)
    let refresh = Credential(username: "", password: "", identityToken: "a+b")
    let post = TokenRealm.request(url, service: "s", scopes: scopes, refresh, wantsRefresh: false)
    guard case .bytes(let form) = post.body else { return #expect(Bool(false)) }
    #expect(post.method == .POST && post.url == url && post.headers.first(name: "Authorization") == nil)
    #expect(
        String(decoding: form, as: UTF8.self).contains("refresh_token=a%2Bb&service=s&scope=repository%3Ax"))
}
