import Linux
import NIOSSL
import Synchronization
import SystemPackage

/// Which certificates count for a connection.
struct Trust: Hashable, Sendable {
    /// The registry (`host[:port]`) on whose behalf it is made: its directory in certs.d has further roots.
    let registry: String
    /// To the registry itself: our client certificate is shown.
    let isOwn: Bool
    /// False only where the user said so.
    let verifies: Bool
}

/// The TLS settings, made once for each kind of trust.
final class TrustStore: Sendable {
    private let contexts = Mutex<[Trust: NIOSSLContext]>([:])
    private let directories: [FilePath]
    private let systemCertificates: FilePath?

    init(_ configuration: RegistryConfiguration) {
        directories = configuration.certificateDirectories
        systemCertificates = configuration.systemCertificates
    }

    func context(for trust: Trust) throws(RegistryError) -> NIOSSLContext {
        if let known = contexts.withLock({ $0[trust] }) { return known }
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        tls.applicationProtocols = ["http/1.1"]
        if let systemCertificates { tls.trustRoots = .file(systemCertificates.string) }
        for directory in directories {
            try add(directory.appending(trust.registry), trust, to: &tls)
        }
        if !trust.verifies { tls.certificateVerification = .none }
        do {
            let context = try NIOSSLContext(configuration: tls)
            contexts.withLock { $0[trust] = context }
            return context
        } catch {
            throw RegistryError(.configuration, "TLS for \(trust.registry): \(error)")
                .hinting(
                    "check the files of \(trust.registry) in \(directories.map(\.string).joined(separator: ", "))"
                )
        }
    }

    /// What docker reads in a registry's directory: `*.crt` are roots, `X.cert` and `X.key` are ours.
    private func add(
        _ directory: FilePath, _ trust: Trust, to tls: inout TLSConfiguration
    ) throws(RegistryError) {
        let names = try kernel { () throws(SysError) in try FD.namesIfThere(in: directory) }
        for name in names where name.hasSuffix(".crt") {
            let path = directory.appending(name)
            tls.additionalTrustRoots.append(
                .certificates(try read(path) { try NIOSSLCertificate.fromPEMFile($0) }))
        }
        guard trust.isOwn, let name = names.first(where: { $0.hasSuffix(".cert") }) else { return }
        let key = directory.appending("\(name.dropLast(5)).key")
        let chain = try read(directory.appending(name)) { try NIOSSLCertificate.fromPEMFile($0) }
        tls.certificateChain = chain.map { .certificate($0) }
        tls.privateKey = .privateKey(try read(key) { try NIOSSLPrivateKey(file: $0, format: .pem) })
    }

    private func read<T>(_ path: FilePath, _ body: (String) throws -> T) throws(RegistryError) -> T {
        do { return try body(path.string) } catch {
            throw RegistryError(.configuration, "read \(path): not a PEM file of its kind (\(error))")
        }
    }
}
