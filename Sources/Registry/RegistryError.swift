import Linux

/// Why something about a registry failed, in one line: operation, subject, cause and, where there is one, the
/// fix. What a registry said stands in it escaped.
public struct RegistryError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What a caller may want to tell apart.
    public enum Kind: Equatable, Sendable {
        /// The registry has no such manifest, blob or repository.
        case notFound
        /// The registry wants other credentials, or does not let these in.
        case denied
        /// A rule of ours: a redirect to http, an address that no registry may name, a blocked registry.
        case refused
        /// The registry answered, but not with what it was asked for.
        case invalid
        /// The registry had trouble of its own (429, 5xx).
        case server(status: Int)
        /// No connection, or one that broke or went silent.
        case network
        /// A file of ours: registries.conf, config.json, a certificate, a credential helper.
        case configuration
        /// The task was cancelled.
        case cancelled
    }
    /// Which kind of failure.
    public let kind: Kind
    /// The whole line, without a full stop.
    public let description: String
    /// Whether asking again may help, and how long a registry wants us to wait before.
    var trouble = Trouble.lasting

    enum Trouble: Equatable, Sendable { case lasting, passing(retryAfter: Duration?) }

    init(_ kind: Kind, _ description: String, _ trouble: Trouble = .lasting) {
        (self.kind, self.description, self.trouble) = (kind, description, trouble)
    }

    init(_ error: SysError) { self.init(.configuration, error.description) }

    /// The same error, said of something.
    func within(_ subject: String) -> RegistryError {
        RegistryError(kind, "\(subject): \(description)", trouble)
    }

    /// The same error with what the user can do.
    func hinting(_ fix: String) -> RegistryError {
        RegistryError(kind, "\(description) (\(fix))", trouble)
    }
}

/// Runs calls of Linux; their errors become ours.
func kernel<R: ~Copyable>(_ body: () throws(SysError) -> R) throws(RegistryError) -> R {
    do { return try body() } catch { throw RegistryError(error) }
}

/// A registry's words for a message: one line of at most 512 characters, nothing that a terminal would act on.
func escaped(_ text: some StringProtocol) -> String {
    var result = ""
    for scalar in text.unicodeScalars.prefix(512) {
        switch scalar.value {
        case 0x20..<0x7f: result.unicodeScalars.append(scalar)
        case 0x0a: result += " "
        default: result += "\\u{\(String(scalar.value, radix: 16))}"
        }
    }
    return result
}
