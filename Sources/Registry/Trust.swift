import Linux
import NIOCore
import NIOSSL
import NIOTLS
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
    private struct Kind: Hashable {
        let trust: Trust
        let comparesName: Bool
    }
    private let contexts = Mutex<[Kind: NIOSSLContext]>([:])
    private let directories: [FilePath]
    private let systemCertificates: FilePath?

    init(_ configuration: RegistryConfiguration) {
        directories = configuration.certificateDirectories
        systemCertificates = configuration.systemCertificates
    }

    /// With an address as host the certificate's chain is verified here; whose it is, `AddressCheck` finds out.
    func context(for trust: Trust, host: String) throws(RegistryError) -> NIOSSLContext {
        let kind = Kind(trust: trust, comparesName: IPAddress(host) == nil)
        if let known = contexts.withLock({ $0[kind] }) { return known }
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        tls.applicationProtocols = ["http/1.1"]
        if let systemCertificates { tls.trustRoots = .file(systemCertificates.string) }
        for directory in directories {
            try add(directory.appending(trust.registry), trust, to: &tls)
        }
        if !kind.comparesName { tls.certificateVerification = .noHostnameVerification }
        if !trust.verifies { tls.certificateVerification = .none }
        do {
            let context = try NIOSSLContext(configuration: tls)
            contexts.withLock { $0[kind] = context }
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
        guard names.contains("\(name.dropLast(5)).key") else {
            throw RegistryError(
                .configuration, "\(directory) has \(name), but not its key: \(key) is missing")
        }
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

/// Compares a certificate with the address in its URL, before anything is sent. NIOSSL would compare it with the other
/// end of the socket, which behind a proxy is the proxy.
final class AddressCheck: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let address: IPAddress
    init(_ address: IPAddress) { self.address = address }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSUserEvent.handshakeCompleted = event {
            do {
                let certificate = try context.pipeline.syncOperations.nioSSL_peerCertificate()
                guard certificate?.isFor(address) == true else {
                    throw NIOSSLExtraError.failedToValidateHostname
                }
            } catch {
                context.fireErrorCaught(error)
                return context.close(promise: nil)
            }
        }
        context.fireUserInboundEventTriggered(event)
    }
}

extension NIOSSLCertificate {
    /// Whether one of its alternative names is this address (RFC 9110, 4.3.5); its common name never is.
    fileprivate func isFor(_ address: IPAddress) -> Bool {
        _subjectAlternativeNames().contains {
            $0.nameType == .ipAddress && $0.contents.elementsEqual(address.bytes)
        }
    }
}
