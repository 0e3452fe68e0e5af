import Linux
import OCI
import SystemPackage
import Testing

@testable import Registry

/// Debian's docker-registry (distribution) with TLS and passwords, on a free port.
private final class Distribution: Sendable {
    private let process: Pidfd
    let port: Int
    var host: String { "127.0.0.1:\(port)" }

    static let isInstalled =
        FakeRegistry.find("docker-registry") != nil && FakeRegistry.find("htpasswd") != nil

    init(in scratch: Scratch, _ authority: Authority) throws {
        // Nobody else takes it in the moment between: the kernel gives ephemeral ports in turn.
        port = Int(try HostPort(address: [127, 0, 0, 1], port: 0, .tcp).number)
        let (path, program) = (scratch.path, try #require(FakeRegistry.find("docker-registry")))
        try run(["htpasswd", "-Bbc", "-C", "4", "\(path)/htpasswd", "alice", "secret"])
        let config = """
            version: 0.1
            log: {level: error}
            storage: {filesystem: {rootdirectory: \(path)/data}, delete: {enabled: true}}
            auth: {htpasswd: {realm: tests, path: \(path)/htpasswd}}
            http:
              addr: 127.0.0.1:\(port)
              secret: tests
              tls: {certificate: \(authority.certificate), key: \(authority.key)}
            """
        try scratch.directory.replace("config.yml", with: Array(config.utf8))
        let null = try FD.open("/dev/null", [.readWrite])
        process = try Process.spawnHeld(
            path: program, arguments: ["docker-registry", "serve", "\(path)/config.yml"],
            environment: Process.environment, stdio: [null.raw, null.raw, null.raw])
    }

    deinit {
        _ = try? process.send(signal: Signal.kill)  // ours; nothing to do about it if it has ended
        _ = try? process.reap(wait: true)  // as above
    }
}

@Suite(.enabled(if: Distribution.isInstalled, "docker-registry and htpasswd are not installed"))
struct DistributionTests {
    private let alice = Credential(username: "alice", password: "secret")

    @Test func whatIsPushedToDistributionIsPulledBack() async throws {
        let scratch = try Scratch()
        let authority = try Authority(in: scratch.path)
        let registry = try Distribution(in: scratch, authority)
        let trusted = try scratch.directory.openMaking(FilePath("certs.d/\(registry.host)"))
        try trusted.replace("ca.crt", with: try scratch.directory.contents(of: "ca.crt") ?? [])
        try await withClient([registry.host: alice]) {
            $0.certificateDirectories = [scratch.path.appending("certs.d")]
        } _: { client in
            try await logIn(client, registry.host)
            try await roundTrip(client, registry.host)
            try await mounts(client, registry.host)
            let name = try Reference("\(registry.host)/team/app:absent")
            let absent = await failure { try await client.manifest(name) }
            #expect(absent?.description.hasPrefix("manifest for \(name) not found: manifest unknown") == true)
        }
        try await withClient([:]) {
            $0.certificateDirectories = [scratch.path.appending("certs.d")]
        } _: { client in
            let error = await failure {
                try await client.manifest(try Reference("\(registry.host)/team/app"))
            }
            #expect(error?.description.contains("no basic auth credentials") == true)
        }
    }

    /// Also waits until it listens.
    private func logIn(_ client: RegistryClient, _ host: String) async throws {
        for _ in 0..<300 {
            do {
                #expect(try await client.checkLogin(server: host, alice) == alice)
                break
            } catch {
                guard error.description.contains("refused") else { throw error }
                try await Task.sleep(for: .milliseconds(100))
            }
        }
        let wrong = await failure {
            try await client.checkLogin(server: host, Credential(username: "alice", password: "no"))
        }
        #expect(wrong?.description.hasSuffix("unauthorized: incorrect username or password") == true)
    }

    private func roundTrip(_ client: RegistryClient, _ host: String) async throws {
        let name = try Reference("\(host)/team/app:v1")
        let (layer, blob) = try sample(3 << 20)
        let config = Array(
            #"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#.utf8)
        #expect(try await client.hasBlob(blob.digest, in: name) == nil)
        try await client.upload(layer, to: name)
        try await client.upload(config, to: name)
        #expect(try await client.hasBlob(blob.digest, in: name) == blob.size)
        let manifest = Manifest(config: try descriptor(of: config, MediaType.config), layers: [blob])
        try await client.putManifest(manifest.json.bytes, mediaType: MediaType.manifest, to: name)
        let remote = try await client.manifest(name)
        #expect(remote.bytes == manifest.json.bytes && remote.mediaType == MediaType.manifest)
        #expect(try await client.download(blob, of: name).bytes == layer)
        let (rest, start) = try await client.download(blob, of: name, from: 1 << 20)
        #expect(start == 1 << 20 && rest == Array(layer[(1 << 20)...]))
        let index = Index(manifests: [remote.descriptor])
        let list = try Reference("\(host)/team/app:list")
        try await client.putManifest(index.json.bytes, mediaType: MediaType.index, to: list)
        #expect(try await client.manifest(list).mediaType == MediaType.index)
        #expect(try await client.manifest(list.at(remote.digest)) == remote)
        #expect(try await client.tags(of: name).sorted() == ["list", "v1"])
    }

    private func mounts(_ client: RegistryClient, _ host: String) async throws {
        let (name, other) = (try Reference("\(host)/team/app"), try Reference("\(host)/team/other"))
        let (bytes, blob) = try sample((9 << 20) + 1)
        try await client.upload(bytes, to: name)
        #expect(try await client.hasBlob(blob.digest, in: other) == nil)
        #expect(try await client.mountBlob(blob.digest, to: other, from: name))
        #expect(try await client.download(blob, of: other).bytes == bytes)
        let (_, absent) = try sample(5)
        #expect(try await client.mountBlob(absent.digest, to: other, from: name) == false)
    }
}
