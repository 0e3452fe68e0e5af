import Linux
import NIOHTTP1
import OCI
import SystemPackage
import Synchronization
import Testing

@testable import Registry

/// The misbehaving registry (registry.py beside this file), for one test.
final class FakeRegistry: Sendable {
    private let process: Pidfd
    private let input: FD
    /// Of the registry, and of the host that it sends us to.
    let port: Int
    let otherPort: Int
    /// Of a proxy for which every name is the registry.
    let proxyPort: Int

    private let isSecure: Bool

    /// `login`: the API's root wants credentials too.
    init(
        certificate: FilePath? = nil, key: FilePath? = nil, login: Bool = false,
        script: FilePath = FilePath(#filePath)
    ) throws {
        isSecure = certificate != nil
        let program = script.removingLastComponent().appending("registry.py").string
        let python = try #require(FakeRegistry.find("python3"))
        let stdin = try Pipe()
        let stdout = try Pipe()
        let files = [certificate, key].compactMap { $0?.string }
        process = try Process.spawnHeld(
            path: python, arguments: ["python3", program] + files,
            environment: Process.environment + (login ? ["LOGIN=1"] : []),
            stdio: [stdin.read.raw, stdout.write.raw, -1])
        input = try stdin.write.duplicate()
        let output = stdout.takeRead()
        var text: [UInt8] = []
        while !text.contains(0x0a) {
            let more = try output.readSome(limit: 256)
            try #require(!more.isEmpty, "registry.py did not start")
            text += more
        }
        let ports = String(decoding: text, as: UTF8.self).split { $0 == " " || $0 == "\n" }.compactMap {
            Int($0)
        }
        try #require(ports.count == 3)
        (port, otherPort, proxyPort) = (ports[0], ports[1], ports[2])
    }

    deinit {
        _ = try? process.send(signal: Signal.kill)  // ours; nothing to do about it if it has ended
        _ = try? process.reap(wait: true)  // as above
    }

    /// `127.0.0.1:PORT`.
    var host: String { "127.0.0.1:\(port)" }

    /// The repository that behaves as `mood` says.
    func repository(_ mood: String, tag: String = "latest") throws -> Reference {
        try Reference("\(host)/\(mood)/app:\(tag)")
    }

    /// What it was asked so far.
    func log() async throws -> [JSON] {
        let url = try WebURL("\(isSecure ? "https" : "http")://\(host)/log")
        let access = Access(trust: Trust(registry: "log", isOwn: true, verifies: false), places: nil)
        return try await withClient { client in
            let body = try await client.transport.exchange(WebRequest(.GET, url), access) {
                try await $0.bytes(limit: 8 << 20)
            }
            return try #require(try JSON(parsing: body).array)
        }
    }

    static func find(_ program: String) -> FilePath? {
        let path = Process.environment.first { $0.hasPrefix("PATH=") }?.dropFirst(5) ?? "/usr/bin"
        return path.split(separator: ":").map { FilePath(String($0)).appending(program) }
            // What cannot be opened is not there.
            .first { (try? FD.open($0, [.path])) != nil }
    }
}

/// A client that gives up soon and knows the credentials given, by registry.
func withClient<R>(
    _ credentials: [String: Credential] = [:], _ change: (inout RegistryConfiguration) -> Void = { _ in },
    _ body: (RegistryClient) async throws -> R
) async throws -> R {
    var configuration = RegistryConfiguration()
    configuration.firstWait = .milliseconds(10)
    configuration.certificateDirectories = []
    change(&configuration)
    return try await RegistryClient.with(configuration, CredentialStore(fixed: credentials), body)
}

/// Bytes that are the same each time, and what points to them.
func sample(_ count: Int) throws -> (bytes: [UInt8], descriptor: Descriptor) {
    let block = (0..<65521).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
    var bytes: [UInt8] = []
    while bytes.count < count { bytes += block.prefix(count - bytes.count) }
    return (bytes, try descriptor(of: bytes))
}

func descriptor(of bytes: [UInt8], _ type: String = MediaType.layer) throws -> Descriptor {
    let digest = try #require(Digest(hex: SHA256.hex(of: bytes)))
    return Descriptor(mediaType: type, digest: digest, size: Int64(bytes.count))
}

extension RegistryClient {
    func upload(_ bytes: [UInt8], to repository: Reference) async throws {
        try await uploadBlob(try descriptor(of: bytes), to: repository) { offset, buffer in
            let part = bytes[Int(offset)...].prefix(buffer.count)
            buffer.copyBytes(from: part)
            return part.count
        }
    }

    /// A whole blob, from `offset` on; where the registry started.
    func download(
        _ descriptor: Descriptor, of repository: Reference, from offset: Int64 = 0
    ) async throws -> (bytes: [UInt8], start: Int64?) {
        var (bytes, start) = ([UInt8](), Int64?.none)
        try await blob(descriptor, of: repository, from: offset) {
            bytes.append(contentsOf: $0)
        } started: {
            #expect(start == nil)
            start = $0
        }
        return (bytes, start)
    }
}

/// The error that a call ends with.
func failure<R>(_ body: () async throws -> R) async -> RegistryError? {
    do {
        _ = try await body()
        Issue.record("no error")
        return nil
    } catch let error as RegistryError {
        return error
    } catch {
        Issue.record("not a RegistryError: \(error)")
        return nil
    }
}

/// As registries.conf says with `insecure = true`.
func insecure(_ host: String) -> RegistryTable {
    var table = RegistryTable(prefix: host)
    table.isInsecure = true
    return table
}
