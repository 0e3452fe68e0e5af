/// An http or https URL, taken apart. What a registry sends (Location, realm) is parsed here and nowhere else.
struct WebURL: Hashable, Sendable, CustomStringConvertible {
    enum Scheme: String, Sendable { case http, https }

    let scheme: Scheme
    /// Lower case; an IPv6 address without its brackets.
    let host: String
    let port: Int
    /// Path and query, as they go into the request; starts with a slash.
    let target: String

    init(scheme: Scheme, host: String, port: Int, target: String) {
        (self.scheme, self.host, self.port, self.target) = (scheme, host, port, target)
    }

    /// Takes an absolute URL of at most 8 KiB in printable ASCII. Refused: other schemes, user names, hosts that
    /// look like numbers without being an address (`0x7f.1` is one more way to write 127.0.0.1).
    init(_ text: String) throws(RegistryError) {
        guard text.utf8.count <= 8192, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
            throw RegistryError(.invalid, "URL \"\(escaped(text.prefix(128)))\" is too long or not printable")
        }
        guard let colon = text.firstRange(of: "://"),
            let scheme = Scheme(rawValue: text[..<colon.lowerBound].lowercased())
        else { throw RegistryError(.refused, "URL \"\(escaped(text))\" is neither http nor https") }
        let rest = text[colon.upperBound...].prefix { $0 != "#" }
        let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        guard let (host, port) = WebURL.splitAuthority(rest[..<end]) else {
            throw RegistryError(.refused, "URL \"\(escaped(text.prefix { $0 != "?" }))\" has no valid host")
        }
        let tail = rest[end...]
        self.init(
            scheme: scheme, host: host, port: port ?? (scheme == .https ? 443 : 80),
            target: tail.hasPrefix("/") ? String(tail) : "/" + tail)
    }

    /// A URL below the host `authority` (`host[:port]`, brackets for IPv6).
    init(scheme: Scheme, authority: String, target: String) throws(RegistryError) {
        try self.init("\(scheme)://\(authority)\(target)")
    }

    /// What a Location header means when it answers a request for this URL (RFC 9110, 10.2.2).
    func resolving(_ location: String) throws(RegistryError) -> WebURL {
        if location.hasPrefix("//") { return try WebURL("\(scheme):\(location)") }
        let head = location.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        if head.contains(":") { return try WebURL(location) }
        if location.hasPrefix("/") { return try WebURL("\(scheme)://\(authority)\(location)") }
        let path = target.prefix { $0 != "?" }
        if location.hasPrefix("?") { return try WebURL("\(scheme)://\(authority)\(path)\(location)") }
        let directory = path[...(path.lastIndex(of: "/") ?? path.startIndex)]
        return try WebURL("\(scheme)://\(authority)\(directory)\(location)")
    }

    /// This URL with `name=value` added to its query.
    func adding(_ name: String, _ value: String) -> WebURL {
        let sign = target.contains("?") ? (target.hasSuffix("?") || target.hasSuffix("&") ? "" : "&") : "?"
        return WebURL(
            scheme: scheme, host: host, port: port,
            target: "\(target)\(sign)\(percentEncoded(name))=\(percentEncoded(value))")
    }

    /// The Host header: the port only where it is not the scheme's own.
    var authority: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return port == (scheme == .https ? 443 : 80) ? name : "\(name):\(port)"
    }

    /// For messages: without the query, which may hold a signature.
    var description: String { "\(scheme)://\(authority)\(target.prefix { $0 != "?" })" }

    /// `host[:port]`; nil when it is neither a name nor an address.
    static func splitAuthority(_ text: Substring) -> (host: String, port: Int?)? {
        var host = text
        var port: Int?
        if let colon = text.lastIndex(of: ":"), !text[colon...].contains("]") {
            let digits = text[text.index(after: colon)...]
            guard digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
            if !digits.isEmpty {
                guard let number = UInt16(digits), number > 0 else { return nil }
                port = Int(number)
            }
            host = text[..<colon]
        }
        if host.hasPrefix("["), host.hasSuffix("]") {
            let inner = String(host.dropFirst().dropLast()).lowercased()
            return IPAddress(inner)?.bytes.count == 16 ? (inner, port) : nil
        }
        return isName(host) ? (host.lowercased(), port) : nil
    }

    /// A host name of letters, digits, dashes, underscores and dots, or a dotted IPv4 address.
    private static func isName(_ host: Substring) -> Bool {
        let labels = host.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard host.utf8.count <= 253, let last = labels.last else { return false }
        for label in labels {
            let isWord = label.allSatisfy {
                ($0 >= 0x30 && $0 <= 0x39) || ($0 | 0x20 >= 0x61 && $0 | 0x20 <= 0x7a)
                    || $0 == UInt8(ascii: "-")
                    || $0 == UInt8(ascii: "_")
            }
            guard !label.isEmpty, isWord else { return false }
        }
        guard let first = last.first, first >= 0x30, first <= 0x39 else { return true }
        return IPAddress(String(host))?.bytes.count == 4
    }
}

/// For a query: all but RFC 3986's unreserved bytes become %XX.
func percentEncoded(_ text: String) -> String {
    var result = ""
    for byte in text.utf8 {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"):
            result.unicodeScalars.append(Unicode.Scalar(byte))
        default:
            let digits = String(byte, radix: 16, uppercase: true)
            result += digits.utf8.count == 1 ? "%0\(digits)" : "%\(digits)"
        }
    }
    return result
}

/// Resolves %XX; what is no escape stays.
func percentDecoded(_ text: some StringProtocol) -> [UInt8] {
    let bytes = Array(text.utf8)
    var (out, at) = ([UInt8](), 0)
    while at < bytes.count {
        let code = bytes[at...].dropFirst().prefix(2)
        if bytes[at] == UInt8(ascii: "%"), code.count == 2,
            let byte = UInt8(String(decoding: code, as: UTF8.self), radix: 16)
        {
            out.append(byte)
            at += 3
        } else {
            out.append(bytes[at])
            at += 1
        }
    }
    return out
}
