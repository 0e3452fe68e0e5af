import Linux
import NIOHTTP1
import OCI
import Testing

@testable import Registry

private let alice = Credential(username: "alice", password: "secret")

@Test func offTheHostNoCredentialsAreSent() async throws {
    let registry = try FakeRegistry()
    try await withClient([registry.host: alice]) { client in
        let (bytes, blob) = try sample(1000)
        try await client.upload(bytes, to: try registry.repository("basic"))
        #expect(try await client.download(blob, of: try registry.repository("basic")).bytes == bytes)
        #expect(try await client.download(blob, of: try registry.repository("away")).bytes == bytes)
        let log = try await registry.log()
        let own = log.filter {
            $0["port"] == .string("own") && $0["path"]?.string?.contains("/basic/") == true
        }
        #expect(own.contains { $0["authorization"]?.string == alice.basic })
        let other = log.filter { $0["port"] == .string("other") }
        #expect(other.count == 1 && other.allSatisfy { $0["authorization"] == nil })
    }
}

@Test func fiveRedirectsAreFollowedAndNoMore() async throws {
    let registry = try FakeRegistry()
    try await withClient { client in
        let (bytes, blob) = try sample(1000)
        try await client.upload(bytes, to: try registry.repository("good"))
        #expect(try await client.download(blob, of: try registry.repository("hops")).bytes == bytes)
        let error = await failure { try await client.download(blob, of: try registry.repository("loop")) }
        #expect(error?.kind == .refused && error?.description.contains("more than 5 redirects") == true)
    }
}

@Test func filesAreFetchedWithoutCredentials() async throws {
    let registry = try FakeRegistry()
    try await withClient([registry.host: alice]) { client in
        let (bytes, blob) = try sample(1000)
        try await client.upload(bytes, to: try registry.repository("good"))
        func fetch(_ mood: String) async throws -> [UInt8] {
            var found: [UInt8] = []
            let url = "http://\(registry.host)/v2/\(mood)/app/blobs/\(blob.digest)"
            try await RegistryClient.file(at: url, client.configuration) { found += $0 }
            return found
        }
        for mood in ["good", "away", "hops"] { #expect(try await fetch(mood) == bytes, "\(mood)") }
        let loop = await failure { try await fetch("loop") }
        #expect(loop?.description.contains("more than 5 redirects") == true)
        let denied = await failure { try await fetch("basic") }
        #expect(denied != nil)
        #expect(
            try await registry.log().allSatisfy {
                $0["path"]?.string?.contains("/basic/") != true || $0["authorization"] == nil
            })
        let absent = await failure {
            let url = "http://\(registry.host)/v2/good/none"
            try await RegistryClient.file(at: url, client.configuration) { _ in }
        }
        #expect(absent?.description.contains("404") == true, "\(String(describing: absent))")
    }
}

@Test(arguments: ["to-metadata", "to-metadata6", "to-mapped", "to-file", "to-number"])
func redirectsToForbiddenPlacesAreNotFollowed(_ mood: String) async throws {
    let registry = try FakeRegistry()
    try await withClient { client in
        let error = await failure { try await client.manifest(try registry.repository(mood)) }
        #expect(error?.kind == .refused, "\(String(describing: error))")
    }
}

@Test func aRegistryElsewhereMayNotLeadToLoopback() async throws {
    // The rule itself: what the transport does with the places that a registry elsewhere may name.
    let registry = try FakeRegistry()
    try await withClient { client in
        let trust = Trust(registry: "registry.example", isOwn: false, verifies: true)
        for host in ["127.0.0.1", "localhost"] {
            let url = try WebURL("http://\(host):\(registry.port)/v2/")
            let error = await failure {
                do {
                    try await client.transport.exchange(
                        WebRequest(.GET, url), Access(trust: trust, places: [.elsewhere])
                    ) { try await $0.skip() }
                } catch { throw RegistryError.of(error, "GET \(url)") }
            }
            #expect(error?.kind == .refused)
        }
        #expect(try await registry.log().isEmpty)
    }
}

@Test func basicCredentialsAreSentOnlyWhenAskedFor() async throws {
    let registry = try FakeRegistry()
    try await withClient([registry.host: alice]) { client in
        let name = try registry.repository("basic")
        let (bytes, _) = try sample(10)
        try await client.upload(bytes, to: name)
        let log = try await registry.log().filter { $0["path"]?.string?.contains("/basic/") == true }
        #expect(log.first?["authorization"] == nil)
        #expect(log.dropFirst().allSatisfy { $0["authorization"]?.string == alice.basic })
    }
}

@Test func withoutCredentialsBasicIsRefusedInDockersWords() async throws {
    let registry = try FakeRegistry()
    try await withClient { client in
        let error = await failure { try await client.manifest(try registry.repository("basic")) }
        #expect(error?.kind == .denied && error?.description.contains("no basic auth credentials") == true)
        #expect(error?.description.contains("apus login \(registry.host)") == true)
    }
    let wrong = Credential(username: "alice", password: "wrong")
    try await withClient([registry.host: wrong]) { client in
        let error = await failure { try await client.manifest(try registry.repository("basic")) }
        #expect(error?.description.hasSuffix("unauthorized: incorrect username or password") == true)
    }
}

@Test func aLoginThatARedirectLeadsToIsNotOurs() async throws {
    let registry = try FakeRegistry()
    try await withClient([registry.host: alice]) { client in
        let (_, blob) = try sample(10)
        let error = await failure {
            try await client.download(blob, of: try registry.repository("away-basic"))
        }
        let there = "no basic auth credentials for 127.0.0.1:\(registry.otherPort), where the registry led us"
        #expect(error?.description.hasSuffix(there) == true, "\(String(describing: error))")
    }
}

@Test func nobodyWaitsForTheEndOfARefusal() async throws {
    let registry = try FakeRegistry()
    try await withClient([registry.host: alice]) { client in
        let error = await failure { try await client.manifest(try registry.repository("slow-login")) }
        #expect(error?.kind == .notFound)
        // Its whole body was not waited for.
        let log = try await registry.log()
        #expect(log.allSatisfy { $0["method"] != .string("DRIPPED") })
    }
}

@Test(arguments: ["bearer", "realm-other"])
func tokensAreFetchedOnceForAScope(_ mood: String) async throws {
    let registry = try FakeRegistry()
    let refresh = Credential(username: "", password: "", identityToken: "refresh")
    for credentials in [[:], [registry.host: alice], [registry.host: refresh]] {
        try await withClient(credentials) { client in
            let before = try await registry.log().count
            let name = try registry.repository(mood)
            let (bytes, blob) = try sample(1000)
            try await client.upload(bytes, to: name)
            for _ in 0..<3 { #expect(try await client.download(blob, of: name).bytes == bytes) }
            let log = try await registry.log().dropFirst(before)
            let tokens = log.filter { $0["path"]?.string?.hasPrefix("/token") == true }
            // One to push, one to pull.
            #expect(tokens.count == 2)
        }
    }
}

@Test func aTokenThatIsNotTakenIsAnError() async throws {
    let registry = try FakeRegistry()
    try await withClient { client in
        let error = await failure { try await client.manifest(try registry.repository("refused")) }
        #expect(error?.kind == .denied)
    }
    try await withClient([registry.host: Credential(username: "bob", password: "x")]) { client in
        let error = await failure { try await client.manifest(try registry.repository("bearer")) }
        #expect(error?.description.hasSuffix("unauthorized: incorrect username or password") == true)
    }
}

@Test(arguments: ["realm-link", "realm-site"])
func credentialsGoToNoOtherSite(_ mood: String) async throws {
    let registry = try FakeRegistry()
    try await withClient([registry.host: alice]) { client in
        let error = await failure { try await client.manifest(try registry.repository(mood)) }
        #expect(error?.kind == .refused, "\(String(describing: error))")
    }
}

@Test func withoutCredentialsMetadataIsNotAskedForATokenEither() async throws {
    let registry = try FakeRegistry()
    try await withClient { client in
        let error = await failure { try await client.manifest(try registry.repository("realm-link")) }
        #expect(error?.kind == .refused && error?.description.contains("metadata") == true)
    }
}

@Test func aLoginIsTriedAtTheRegistry() async throws {
    let registry = try FakeRegistry(login: true)
    try await withClient { client in
        let kept = try await client.checkLogin(server: registry.host, alice)
        #expect(kept == alice)
        let error = await failure {
            try await client.checkLogin(server: registry.host, Credential(username: "alice", password: "no"))
        }
        #expect(error?.kind == .denied)
        #expect(error?.description.hasSuffix("unauthorized: incorrect username or password") == true)
    }
}
