import Linux
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import SystemPackage

extension RegistryError {
    /// Any error of an exchange as ours: `subject` is the URL, `registry` whose settings hold for it.
    static func of(
        _ error: any Error, _ subject: String, registry: String = "HOST[:PORT]"
    ) -> RegistryError {
        switch error {
        case let error as RegistryError: error
        case let error as Transport.ConnectFailure: ofConnect(error, subject, registry)
        case is CancellationError: RegistryError(.cancelled, "\(subject): cancelled")
        default: ofExchange(error, subject, registry)
        }
    }

    private static func ofConnect(
        _ failure: Transport.ConnectFailure, _ place: String, _ registry: String
    ) -> RegistryError {
        let error = failure.cause
        // Of what is said through a tunnel the proxy has no part.
        let isProxys = !(error is NIOSSLError || error is NIOSSLExtraError || error is CancellationError)
        let proxy = isProxys ? failure.proxy.map { ": proxyconnect tcp: \($0.host):\($0.port)" } ?? "" : ""
        let subject = place + proxy
        switch error {
        case let error as RegistryError: return error.within(subject)
        case is CancellationError: return RegistryError(.cancelled, "\(subject): cancelled")
        case let error as ResolveError:
            let passes = error.description.hasPrefix("Temporary")
            return RegistryError(
                .network, "\(subject): \(error)", passes ? .passing(retryAfter: nil) : .lasting)
        case ChannelError.connectTimeout(let time):
            return RegistryError(
                .network, "\(subject): no connection within \(time.nanoseconds / 1_000_000) ms",
                .passing(retryAfter: nil))
        case let error as IOError:
            return RegistryError(.network, "\(subject): connect: \(reason(error))")
        case _ where isCertificateFailure(error):
            return RegistryError(.network, "\(subject): the certificate is not trusted: \(tlsWords(error))")
                .hinting(
                    "put its authority into /etc/apus/certs.d/\(registry)/ca.crt, or allow it with insecure = true in "
                        + "registries.conf")
        case _ where error is NIOSSLError && meansPlainHTTP(error):
            return RegistryError(.network, "\(subject): http: server gave HTTP response to HTTPS client")
                .hinting(
                    "to allow that, put [[registry]], location = \"\(registry)\", insecure = true into "
                        + "/etc/apus/registries.conf")
        default: return ofExchange(error, subject, registry)
        }
    }

    private static func ofExchange(
        _ error: any Error, _ subject: String, _ registry: String
    ) -> RegistryError {
        let cause: String
        switch error {
        case ConnectionError.silent(let time): cause = "not a byte for \(time.nanoseconds / 1_000_000) ms"
        case ConnectionError.slow: cause = "the answer comes too slowly"
        case ConnectionError.preliminary:
            return RegistryError(.invalid, "\(subject): no answer but preliminary ones (1xx)")
        case ConnectionError.closed, HTTPParserError.invalidEOFState: cause = "the connection was cut"
        case let error as IOError: cause = reason(error)
        case let error as HTTPParserError:
            return RegistryError(.invalid, "\(subject): the response is no HTTP that is read here (\(error))")
        case _ where isOurCertificateRefused(error):
            return RegistryError(.network, "\(subject): our certificate is not taken: \(tlsWords(error))")
                .hinting("put one that is, NAME.cert and NAME.key, into /etc/apus/certs.d/\(registry)")
        case is NIOSSLError, is NIOSSLExtraError, is BoringSSLError: cause = "TLS: \(tlsWords(error))"
        case ChannelError.ioOnClosedChannel, ChannelError.outputClosed, ChannelError.alreadyClosed:
            cause = "the connection was cut"
        default: cause = "\(error)"
        }
        return RegistryError(.network, "\(subject): \(cause)", .passing(retryAfter: nil))
    }

    private static func reason(_ error: IOError) -> String {
        Errno(rawValue: error.errnoCode).description
    }

    /// Whether a TLS connection that did not come about means that plain HTTP is spoken there: what answers is no TLS, or
    /// nobody listens at 443 and the port of HTTP is another one. One that was cut, was slow or showed a certificate that
    /// is not trusted does not; nor does a registry that is only just starting at the one port that was named.
    static func meansPlainHTTP(_ error: any Error, hasPort: Bool = true) -> Bool {
        if let error = error as? IOError {
            return !hasPort && error.errnoCode == Errno.connectionRefused.rawValue
        }
        let words = ["WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNEXPECTED_MESSAGE", "UNKNOWN_PROTOCOL"]
        return error is NIOSSLError && words.contains { "\(error)".contains($0) }
    }

    /// Whether TLS ended because of who the other side is: then nothing else is tried.
    static func isCertificateFailure(_ error: any Error) -> Bool {
        if error is NIOSSLExtraError { return true }
        return error is NIOSSLError && "\(error)".contains("CERTIFICATE_VERIFY_FAILED")
    }

    /// Whether the other side wants to know who we are, and has not heard it; with TLS 1.3 it says so after the handshake.
    private static func isOurCertificateRefused(_ error: any Error) -> Bool {
        let words = [
            "CERTIFICATE_REQUIRED", "ALERT_BAD_CERTIFICATE", "ALERT_UNKNOWN_CA", "CERTIFICATE_UNKNOWN",
        ]
        guard error is NIOSSLError || error is BoringSSLError else { return false }
        return words.contains { "\(error)".contains($0) }
    }

    /// BoringSSL's reason (`certificate verify failed`) without the places in its sources.
    private static func tlsWords(_ error: any Error) -> String {
        if error as? NIOSSLExtraError == .failedToValidateHostname { return "it is for another host" }
        let text = "\(error)"
        if let start = text.firstRange(of: "OPENSSL_internal:") {
            let reason = text[start.upperBound...].prefix { $0 != " " }.lowercased()
            return escaped(String(reason.map { $0 == "_" ? " " : $0 }))
        }
        return escaped(text.split(separator: "\n").first ?? "failed")
    }
}
