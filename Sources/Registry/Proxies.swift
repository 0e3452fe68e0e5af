import OCI

/// Which proxy a URL is fetched through, by the environment, as docker reads it (Go's httpproxy).
struct Proxies: Equatable, Sendable {
    /// HTTP_PROXY: of plain URLs.
    var plain: Proxy?
    /// HTTPS_PROXY.
    var secure: Proxy?
    /// NO_PROXY's entries in lower case.
    var exceptions: [String] = []

    /// No proxy.
    init() {}

    /// Reads HTTP_PROXY, HTTPS_PROXY and NO_PROXY, in lower case too, out of `NAME=value` texts.
    init(environment: [String]) throws(RegistryError) {
        func value(_ name: String) -> String {
            for form in [name, name.lowercased()] {
                if let found = environment.first(where: { $0.hasPrefix("\(form)=") }) {
                    let text = String(found.dropFirst(form.utf8.count + 1))
                    if !text.isEmpty { return text }
                }
            }
            return ""
        }
        plain = try Proxy(value("HTTP_PROXY"), from: "HTTP_PROXY")
        secure = try Proxy(value("HTTPS_PROXY"), from: "HTTPS_PROXY")
        exceptions = value("NO_PROXY").lowercased().split { $0 == "," || $0 == " " }.map(String.init)
    }

    /// The proxy for a URL; nil for a direct connection, always so on loopback.
    func proxy(for url: WebURL) -> Proxy? {
        guard let proxy = url.scheme == .https ? secure : plain else { return nil }
        if url.host == "localhost" || IPAddress(url.host)?.place == .loopback { return nil }
        return exceptions.contains { Proxies.matches($0, url) } ? nil : proxy
    }

    /// One entry: `*`, `domain` and what lies below it, `.domain` only below, an address, a network, each perhaps
    /// with a port.
    private static func matches(_ entry: String, _ url: WebURL) -> Bool {
        if entry == "*" { return true }
        if let slash = entry.firstIndex(of: "/") {
            guard let network = IPAddress(String(entry[..<slash])), let address = IPAddress(url.host),
                let bits = Int(entry[entry.index(after: slash)...])
            else { return false }
            return address.isIn(network, bits: bits)
        }
        if IPAddress(entry) != nil { return entry == url.host }
        var text = Substring(entry)
        if let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]) {
            guard port == url.port else { return false }
            text = text[..<colon]
        }
        if text.hasPrefix("*.") { text = text.dropFirst() }
        if text.hasPrefix(".") { return url.host.hasSuffix(text) }
        return url.host == text || url.host.hasSuffix(".\(text)")
    }
}

extension IPAddress {
    fileprivate func isIn(_ network: IPAddress, bits: Int) -> Bool {
        guard bytes.count == network.bytes.count, (0...bytes.count * 8).contains(bits) else { return false }
        for (i, (own, other)) in zip(bytes, network.bytes).enumerated() {
            let here = min(8, max(0, bits - 8 * i))
            let mask = UInt8(truncatingIfNeeded: 0xff00 >> here)
            if own & mask != other & mask { return false }
        }
        return true
    }
}

/// An HTTP proxy.
struct Proxy: Hashable, Sendable {
    let host: String
    let port: Int
    /// `Proxy-Authorization`; nil without a user name.
    let authorization: String?

    /// `[http://][user:password@]host[:port]`; nil for an empty text.
    init?(_ text: String, from variable: String) throws(RegistryError) {
        guard !text.isEmpty else { return nil }
        var rest = Substring(text)
        if let scheme = rest.firstRange(of: "://") {
            guard rest[..<scheme.lowerBound].lowercased() == "http" else {
                throw RegistryError(
                    .configuration,
                    "\(variable): proxies of kind \(escaped(rest[..<scheme.lowerBound])) are not known"
                ).hinting("set it to http://host:port")
            }
            rest = rest[scheme.upperBound...]
        }
        rest = rest.prefix { $0 != "/" }
        var authorization: String?
        if let at = rest.lastIndex(of: "@") {
            authorization = "Basic " + Base64.encode(percentDecoded(rest[..<at]))
            rest = rest[rest.index(after: at)...]
        }
        guard let (host, port) = WebURL.splitAuthority(rest) else {
            throw RegistryError(.configuration, "\(variable): no valid host in the proxy's URL")
                .hinting("set it to http://host:port")
        }
        (self.host, self.port, self.authorization) = (host, port ?? 80, authorization)
    }
}
