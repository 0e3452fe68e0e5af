import Linux
import OCI
import SystemPackage
import Testing

@testable import Registry

/// Runs a program to its end.
func run(_ arguments: [String], environment: [String] = Process.environment) throws {
    let program = try #require(FakeRegistry.find(arguments[0]), "\(arguments[0]) is not installed")
    let null = try FD.open("/dev/null", [.readWrite])
    let process = try Process.spawnHeld(
        path: program, arguments: arguments, environment: environment, stdio: [null.raw, null.raw, null.raw])
    let status = try process.reap(wait: true)
    try #require(status?.code == 0, "\(arguments.joined(separator: " ")): \(String(describing: status))")
}

/// A certificate authority and one certificate of it for 127.0.0.1, localhost and registry.example, or for what is
/// said.
struct Authority {
    let root: FilePath
    let certificate: FilePath
    let key: FilePath

    init(
        in directory: FilePath, for names: String = "IP:127.0.0.1,DNS:localhost,DNS:registry.example"
    ) throws {
        (root, certificate) = (directory.appending("ca.crt"), directory.appending("server.pem"))
        key = directory.appending("server-key.pem")
        let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        let rootKey = directory.appending("ca-key.pem")
        try run(
            ["openssl", "req", "-x509", "-subj", "/CN=tests"] + curve + [
                "-keyout", "\(rootKey)", "-out", "\(root)",
            ])
        let extensions = [
            "-addext", "subjectAltName=\(names)", "-addext",
            "basicConstraints=CA:FALSE",
        ]
        try run(
            ["openssl", "req", "-x509", "-CA", "\(root)", "-CAkey", "\(rootKey)", "-subj", "/CN=registry"]
                + curve
                + extensions + ["-keyout", "\(key)", "-out", "\(certificate)"])
    }
}

@Test func aCertificateOfACustomAuthorityIsTrustedWhereItWasPut() async throws {
    let scratch = try Scratch()
    let authority = try Authority(in: scratch.path)
    let registry = try FakeRegistry(certificate: authority.certificate, key: authority.key)
    let trusted = try scratch.directory.openMaking(FilePath("certs.d/\(registry.host)"))
    try trusted.replace("ca.crt", with: try scratch.directory.contents(of: "ca.crt") ?? [])
    let (bytes, blob) = try sample(100_000)
    try await withClient([:]) {
        $0.certificateDirectories = [scratch.path.appending("certs.d")]
    } _: { client in
        let good = try registry.repository("good")
        try await client.upload(bytes, to: good)
        #expect(try await client.download(blob, of: good).bytes == bytes)
        // The roots of a registry count for the storage that it leads to.
        #expect(try await client.download(blob, of: try registry.repository("away")).bytes == bytes)
        #expect(try await client.download(blob, of: try registry.repository("cut")).bytes == bytes)
        let plain = await failure { try await client.manifest(try registry.repository("to-plain")) }
        #expect(
            plain?.kind == .refused && plain?.description.contains("redirect from https to http:") == true)
        // By name too: a second directory for a second name.
        let name = try Reference("localhost:\(registry.port)/good/app")
        let error = await failure { try await client.download(blob, of: name) }
        #expect(error?.description.contains("certificate is not trusted") == true)
    }
}

@Test func anUnknownCertificateIsRefusedUnlessTheHostIsInsecure() async throws {
    let scratch = try Scratch()
    let authority = try Authority(in: scratch.path)
    let registry = try FakeRegistry(certificate: authority.certificate, key: authority.key)
    let (bytes, blob) = try sample(1000)
    let good = try registry.repository("good")
    try await withClient { client in
        let error = await failure { try await client.upload(bytes, to: good) }
        #expect(error?.kind == .network)
        let words =
            "\(registry.host): the certificate is not trusted: certificate verify failed (put its authority into "
            + "/etc/apus/certs.d/\(registry.host)/ca.crt, or "
        #expect(error?.description.hasPrefix(words) == true, "\(String(describing: error))")
    }
    try await withClient([:]) {
        $0.registries = [insecure(registry.host)]
    } _: { client in
        try await client.upload(bytes, to: good)
        #expect(try await client.download(blob, of: good).bytes == bytes)
    }
    try await withClient([:]) {
        $0.systemCertificates = authority.root
    } _: { client in
        let got = try await client.download(blob, of: good)
        #expect(got.bytes == bytes)
    }
}

@Test func aCertificateForAnotherNameIsRefused() async throws {
    let scratch = try Scratch()
    let authority = try Authority(in: scratch.path, for: "IP:127.0.0.9,DNS:127.0.0.1,DNS:other.example")
    let registry = try FakeRegistry(certificate: authority.certificate, key: authority.key)
    try await withClient([:]) {
        $0.systemCertificates = authority.root
    } _: { client in
        for host in ["127.0.0.1", "localhost"] {
            let error = await failure {
                try await client.manifest(try Reference("\(host):\(registry.port)/good/app"))
            }
            #expect(error?.kind == .network)
            #expect(
                error?.description.contains("the certificate is not trusted: it is for another host") == true,
                "\(String(describing: error))")
        }
    }
}

@Test func damagedCertificatesAreNamed() async throws {
    let scratch = try Scratch()
    let directory = try scratch.directory.openMaking("127.0.0.1:1")
    try directory.replace("ca.crt", with: Array("no certificate".utf8))
    try await withClient([:]) {
        $0.certificateDirectories = [scratch.path]
    } _: { client in
        let error = await failure { try await client.manifest(try Reference("127.0.0.1:1/app")) }
        #expect(error?.kind == .configuration)
        #expect(error?.description.contains("\(scratch.path)/127.0.0.1:1/ca.crt") == true)
    }
}
