/// A name of an image as a user types it: `[registry[:port]/]path[:tag][@digest]` (distribution,
/// reference.go's grammar). Short names mean docker.io, and official ones docker.io/library, as in docker.
public struct Reference: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// `docker.io` unless given.
    public let registry: String
    /// `library/busybox`, `team/app`.
    public let path: String
    /// `latest` when neither tag nor digest was given; nil with only a digest.
    public let tag: String?
    /// The content that was asked for.
    public let digest: Digest?

    /// Parses what was typed. Errors say what is wrong in docker's words.
    public init(_ text: String) throws(ReferenceError) {
        if Digest(hex: text) != nil {
            throw ReferenceError(
                "invalid repository name (\(text)), cannot specify 64-byte hexadecimal strings")
        }
        var rest = Substring(text)
        digest = try Reference.takeDigest(&rest)
        let tag = Reference.takeTag(&rest)
        registry = Reference.takeRegistry(&rest)
        let name = String(rest)
        path = registry == "docker.io" && !name.utf8.contains(UInt8(ascii: "/")) ? "library/\(name)" : name
        if name.utf8.contains(where: { $0 >= 0x41 && $0 <= 0x5a }) {
            throw ReferenceError("invalid reference format: repository name (\(path)) must be lowercase")
        }
        guard Reference.isPath(name), tag.map(Reference.isTag) ?? true, Reference.isRegistry(registry) else {
            throw ReferenceError("invalid reference format: \"\(text)\"")
        }
        guard path.utf8.count <= 255 else {
            throw ReferenceError("repository name must not be more than 255 characters")
        }
        self.tag = tag ?? (digest == nil ? "latest" : nil)
    }

    /// Whether what was typed says a tag or a digest: without one some commands mean all tags.
    public static func hasTagOrDigest(_ text: String) -> Bool {
        var rest = Substring(text)
        return text.contains("@") || takeTag(&rest) != nil
    }

    /// What follows `@`.
    private static func takeDigest(_ rest: inout Substring) throws(ReferenceError) -> Digest? {
        guard let at = rest.firstIndex(of: "@") else { return nil }
        let text = String(rest[rest.index(after: at)...])
        guard let digest = Digest(text) else {
            throw ReferenceError("invalid reference format: \"\(text)\" is not sha256:<64 hex digits>")
        }
        rest = rest[..<at]
        return digest
    }

    /// What follows the last colon, unless a slash comes after it: then that was a port's.
    private static func takeTag(_ rest: inout Substring) -> String? {
        guard let colon = rest.lastIndex(of: ":"), !rest[colon...].contains("/") else { return nil }
        defer { rest = rest[..<colon] }
        return String(rest[rest.index(after: colon)...])
    }

    /// What comes before the first slash, when it can only be a host: it has a dot, a colon or a capital
    /// letter, or is localhost.
    private static func takeRegistry(_ rest: inout Substring) -> String {
        guard let slash = rest.firstIndex(of: "/") else { return "docker.io" }
        let first = rest[..<slash]
        guard isHost(first) else { return "docker.io" }
        rest = rest[rest.index(after: slash)...]
        return first == "index.docker.io" ? "docker.io" : String(first)
    }

    private static func isHost(_ first: Substring) -> Bool {
        first == "localhost"
            || first.utf8.contains {
                $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: ":") || isCapital($0)
            }
    }

    /// What docker prints: no `docker.io/library/`, the tag, or else the digest.
    public var description: String { name + (tag.map { ":\($0)" } ?? digest.map { "@\($0)" } ?? "") }

    /// What docker prints in the REPOSITORY column.
    public var name: String {
        let parts = path.split(separator: "/")
        // What would be read as another registry keeps its own.
        guard registry == "docker.io", parts.count < 2 || !Self.isHost(parts[0]) else {
            return "\(registry)/\(path)"
        }
        return parts.count == 2 && parts[0] == "library" ? String(parts[1]) : path
    }

    /// The whole name with its tag, the key of an image in the store: `docker.io/library/busybox:latest`.
    public var canonical: String {
        "\(registry)/\(path)" + (tag.map { ":\($0)" } ?? "") + (digest.map { "@\($0)" } ?? "")
    }

    /// `docker.io/library/busybox`: what holds its tags and digests.
    public var repository: String { "\(registry)/\(path)" }

    /// In the order of their canonical names.
    public static func < (a: Reference, b: Reference) -> Bool { a.canonical < b.canonical }

    /// This content of the same repository, whatever its tag.
    public func at(_ digest: Digest) -> Reference {
        Reference(registry: registry, path: path, tag: nil, digest: digest)
    }

    private init(registry: String, path: String, tag: String?, digest: Digest?) {
        (self.registry, self.path, self.tag, self.digest) = (registry, path, tag, digest)
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }
    private static func isCapital(_ byte: UInt8) -> Bool { byte >= 0x41 && byte <= 0x5a }
    /// `[a-z0-9]`.
    private static func isWord(_ byte: UInt8) -> Bool { isDigit(byte) || (byte >= 0x61 && byte <= 0x7a) }
    /// `[A-Za-z0-9]`.
    private static func isAlphanumeric(_ byte: UInt8) -> Bool { isWord(byte) || isCapital(byte) }

    /// Components of `[a-z0-9]+` joined by `.`, `_`, `__` or dashes, joined by `/`.
    private static func isPath(_ path: String) -> Bool {
        path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).allSatisfy { part in
            guard let first = part.first, let last = part.last, isWord(first), isWord(last) else {
                return false
            }
            return part.split(whereSeparator: isWord).allSatisfy { separator in
                let text = String(decoding: separator, as: UTF8.self)
                return text == "." || text == "_" || text == "__"
                    || text.utf8.allSatisfy { $0 == UInt8(ascii: "-") }
            }
        }
    }

    /// `[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}`.
    private static func isTag(_ tag: String) -> Bool {
        func isFirst(_ byte: UInt8) -> Bool { isAlphanumeric(byte) || byte == UInt8(ascii: "_") }
        guard let first = tag.utf8.first, isFirst(first), tag.utf8.count <= 128 else { return false }
        return tag.utf8.allSatisfy { isFirst($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") }
    }

    /// A host name, an IPv4 address or an IPv6 address in brackets, and perhaps a port.
    private static func isRegistry(_ registry: String) -> Bool {
        var host = Substring(registry)
        if let colon = host.lastIndex(of: ":"), !host[colon...].contains("]") {
            let port = host[host.index(after: colon)...]
            guard port.utf8.allSatisfy(isDigit), UInt16(port) != nil else { return false }
            host = host[..<colon]
        }
        if host.hasPrefix("[") { return isIPv6(host) }
        return host.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy {
            label in
            guard let first = label.first, let last = label.last else { return false }
            return isAlphanumeric(first) && isAlphanumeric(last)
                && label.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") }
        }
    }

    private static func isIPv6(_ host: Substring) -> Bool {
        guard host.hasSuffix("]"), host.utf8.count > 2 else { return false }
        return host.utf8.dropFirst().dropLast().allSatisfy { byte in
            isDigit(byte) || byte == UInt8(ascii: ":") || (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x66)
        }
    }
}

/// A text that names no image.
public struct ReferenceError: Error, Equatable, Sendable, CustomStringConvertible {
    /// In docker's words.
    public let description: String
    init(_ description: String) { self.description = description }
}
