/// A name of an image as a user types it: `[registry[:port]/]path[:tag][@digest]` (distribution, reference.go's
/// grammar). Short names mean docker.io, and official ones docker.io/library, as in docker.
public struct Reference: Hashable, Sendable, CustomStringConvertible {
    /// `docker.io` unless given.
    public let registry: String
    /// `library/busybox`, `team/app`.
    public let path: String
    /// `latest` when neither tag nor digest was given; nil with only a digest.
    public let tag: String?
    public let digest: Digest?

    /// Parses what was typed. Errors say what is wrong in docker's words.
    public init(_ text: String) throws(ReferenceError) {
        var rest = Substring(text)
        var digest: Digest?
        if let at = rest.firstIndex(of: "@") {
            guard let parsed = Digest(String(rest[rest.index(after: at)...])) else { throw ReferenceError(text) }
            digest = parsed
            rest = rest[..<at]
        }
        var tag: String?
        if let colon = rest.lastIndex(of: ":"), !rest[colon...].contains("/") {
            tag = String(rest[rest.index(after: colon)...])
            rest = rest[..<colon]
        }
        var registry = "docker.io"
        if let slash = rest.firstIndex(of: "/") {
            let first = rest[..<slash]
            if first.contains(".") || first.contains(":") || first == "localhost" {
                registry = first == "index.docker.io" ? "docker.io" : String(first)
                rest = rest[rest.index(after: slash)...]
            }
        }
        var path = String(rest)
        if path.utf8.contains(where: { $0 >= 0x41 && $0 <= 0x5a }) {
            throw ReferenceError(text, "repository name must be lowercase")
        }
        guard Reference.isPath(path), tag.map(Reference.isTag) ?? true, Reference.isRegistry(registry) else {
            throw ReferenceError(text)
        }
        if path.utf8.count > 255 { throw ReferenceError(text, "repository name must not be more than 255 characters") }
        if Digest(hex: path) != nil {
            throw ReferenceError(text, "cannot specify 64-byte hexadecimal strings")
        }
        if registry == "docker.io", !path.contains("/") { path = "library/" + path }
        self.registry = registry
        self.path = path
        self.tag = tag ?? (digest == nil ? "latest" : nil)
        self.digest = digest
    }

    /// What docker prints: no `docker.io/library/`, the tag, or else the digest.
    public var description: String { name + (tag.map { ":\($0)" } ?? digest.map { "@\($0)" } ?? "") }

    /// What docker prints in the REPOSITORY column.
    public var name: String {
        guard registry == "docker.io" else { return "\(registry)/\(path)" }
        return path.hasPrefix("library/") ? String(path.dropFirst(8)) : path
    }

    /// The whole name with its tag, the key of an image in the store: `docker.io/library/busybox:latest`.
    public var canonical: String { "\(registry)/\(path)" + (tag.map { ":\($0)" } ?? "") + (digest.map { "@\($0)" } ?? "") }

    private static func isWord(_ byte: UInt8) -> Bool {
        (byte >= 0x30 && byte <= 0x39) || (byte >= 0x61 && byte <= 0x7a)
    }

    /// Components of `[a-z0-9]+` joined by `.`, `_`, `__` or dashes, joined by `/`.
    private static func isPath(_ path: String) -> Bool {
        path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).allSatisfy { part in
            guard let first = part.first, let last = part.last, isWord(first), isWord(last) else { return false }
            return part.split(whereSeparator: isWord).allSatisfy { separator in
                let text = String(decoding: separator, as: UTF8.self)
                return text == "." || text == "_" || text == "__" || text.utf8.allSatisfy { $0 == UInt8(ascii: "-") }
            }
        }
    }

    private static func isTag(_ tag: String) -> Bool {
        func allowed(_ b: UInt8) -> Bool { isWord(b | 0x20) && b != 0x40 || b == UInt8(ascii: "_") || isDigit(b) }
        func isDigit(_ b: UInt8) -> Bool { b >= 0x30 && b <= 0x39 }
        guard let first = tag.utf8.first, allowed(first), tag.utf8.count <= 128 else { return false }
        return tag.utf8.allSatisfy { allowed($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") }
    }

    private static func isRegistry(_ registry: String) -> Bool {
        let parts = registry.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count <= 2, let host = parts.first, !host.isEmpty else { return false }
        if parts.count == 2, UInt16(parts[1]) == nil { return false }
        return host.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
            guard let first = label.utf8.first, let last = label.utf8.last else { return false }
            return isWord(first | 0x20) && isWord(last | 0x20)
                && label.utf8.allSatisfy { isWord($0 | 0x20) || $0 == UInt8(ascii: "-") }
        }
    }
}

/// A text that names no image.
public struct ReferenceError: Error, Equatable, Sendable, CustomStringConvertible {
    public let description: String
    init(_ text: String, _ why: String = "invalid reference format") {
        description = "invalid image name \"\(text)\": \(why)"
    }
}
