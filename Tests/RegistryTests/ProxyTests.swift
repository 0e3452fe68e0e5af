import Linux
import OCI
import Testing

@testable import Registry

private func through(_ registry: FakeRegistry) throws -> Proxies {
    let proxy = "http://bob:pw@127.0.0.1:\(registry.proxyPort)"
    return try Proxies(environment: ["HTTP_PROXY=\(proxy)", "HTTPS_PROXY=\(proxy)"])
}

private let bob = Credential(username: "bob", password: "pw").basic

@Test func tlsGoesThroughAProxysTunnel() async throws {
    let scratch = try Scratch()
    let authority = try Authority(in: scratch.path)
    let registry = try FakeRegistry(certificate: authority.certificate, key: authority.key)
    let proxies = try through(registry)
    let (bytes, blob) = try sample(100_000)
    try await withClient([:]) {
        ($0.proxies, $0.systemCertificates) = (proxies, authority.root)
    } _: { client in
        let name = try Reference("registry.example/good/app")
        try await client.upload(bytes, to: name)
        #expect(try await client.download(blob, of: name).bytes == bytes)
        let tunnels = try await registry.log().filter { $0["method"] == .string("CONNECT") }
        #expect(!tunnels.isEmpty)
        for tunnel in tunnels {
            #expect(tunnel["path"]?.string == "registry.example:443" && tunnel["proxy"]?.string == bob)
        }
        // The proxy's credentials are for the proxy.
        #expect(
            try await registry.log().allSatisfy { $0["method"] == .string("CONNECT") || $0["proxy"] == nil })
        let forbidden = await failure { try await client.manifest(try Reference("forbidden.example/app")) }
        #expect(forbidden?.description.contains("the proxy answered \"HTTP/1.1 403 Forbidden\"") == true)
    }
}

@Test func plainRequestsAreGivenToAProxyWhole() async throws {
    let registry = try FakeRegistry()
    let proxies = try through(registry)
    let (bytes, blob) = try sample(1000)
    try await withClient([:]) {
        ($0.proxies, $0.registries) = (proxies, [insecure("registry.example")])
    } _: { client in
        let name = try Reference("registry.example/good/app")
        try await client.upload(bytes, to: name)
        #expect(try await client.download(blob, of: name).bytes == bytes)
        let proxied = try await registry.log().filter { $0["port"] == .string("proxy") }
        #expect(proxied.count >= 3)
        for request in proxied {
            #expect(request["path"]?.string?.hasPrefix("http://registry.example/v2/") == true)
            #expect(request["proxy"]?.string == bob)
        }
    }
}

@Test func aDeadProxyIsNamed() async throws {
    let proxies = try Proxies(environment: ["HTTPS_PROXY=http://bob:pw@127.0.0.1:1"])
    for tables in [[], [insecure("registry.example")]] {
        try await withClient {
            ($0.proxies, $0.registries) = (proxies, tables)
        } _: { client in
            let error = await failure { try await client.manifest(try Reference("registry.example/app")) }
            let words = error?.description ?? ""
            #expect(
                words.hasSuffix(": proxyconnect tcp: 127.0.0.1:1: connect: Connection refused"), "\(words)")
        }
    }
}

/// A registry that speaks plain HTTP, behind the proxy's tunnel.
@Test func whereTLSMeetsPlainHTTPThatIsSaidWithItsFix() async throws {
    let registry = try FakeRegistry()
    let proxies = try through(registry)
    try await withClient {
        $0.proxies = proxies
    } _: { client in
        let error = await failure {
            try await client.manifest(try Reference("registry.example:5000/good/app"))
        }
        let words = error?.description ?? ""
        #expect(words.contains(": http: server gave HTTP response to HTTPS client ("), "\(words)")
        #expect(words.contains("location = \"registry.example:5000\", insecure = true"), "\(words)")
    }
}

@Test func throughAProxyTheTextOfAnAddressIsChecked() async throws {
    let registry = try FakeRegistry()
    let proxies = try through(registry)
    try await withClient([:]) {
        ($0.proxies, $0.registries) = (proxies, [insecure("registry.example")])
    } _: { client in
        for mood in ["to-metadata", "to-mapped", "to-plain"] {
            let error = await failure {
                try await client.manifest(try Reference("registry.example/\(mood)/app"))
            }
            #expect(error?.kind == .refused, "\(mood): \(String(describing: error))")
        }
    }
}

/// A proxy that answers in a registry's place has a certificate for its own address.
@Test(arguments: [
    ("IP:127.0.0.1,DNS:192.0.2.7", false), ("IP:192.0.2.7,IP:2001:db8::7", true),
])
func aTunnelToAnAddressEndsAtThatAddress(_ names: String, _ isTaken: Bool) async throws {
    let scratch = try Scratch()
    let authority = try Authority(in: scratch.path, for: names)
    let registry = try FakeRegistry(certificate: authority.certificate, key: authority.key)
    let proxies = try through(registry)
    let hosts = ["192.0.2.7", "[2001:db8::7]"]
    let alice = Credential(username: "alice", password: "secret")
    try await withClient(Dictionary(uniqueKeysWithValues: hosts.map { ($0, alice) })) {
        ($0.proxies, $0.systemCertificates) = (proxies, authority.root)
    } _: { client in
        for host in hosts {
            let error = await failure { try await client.manifest(try Reference("\(host)/basic/app")) }
            #expect(error?.kind == (isTaken ? .notFound : .network), "\(host): \(String(describing: error))")
        }
    }
    let log = try await registry.log()
    #expect(log.filter { $0["method"] == .string("CONNECT") }.count >= hosts.count)
    #expect(log.contains { $0["authorization"]?.string != nil } == isTaken)
}
