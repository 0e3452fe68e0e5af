import Linux
import Network
import SystemPackage

/// A container's resolv.conf, as it follows from the host's.
struct ResolvConf {
    /// The host's text; empty on a host without one.
    let host: String

    /// Takes the text as it is.
    init(host: String) { self.host = host }

    /// What the host has now. Where systemd-resolved answers for it, that has a file of the servers it asks: its own
    /// address is of no use to a container.
    init(of options: HostOptions) {
        let standard = Self.read("/etc/resolv.conf")
        let isResolved = nameServers(resolvConf: standard).map { "\($0)" } == ["127.0.0.53"]
        let upstream =
            isResolved && options.network != .host ? Self.read("/run/systemd/resolve/resolv.conf") : ""
        host = upstream.isEmpty ? standard : upstream
    }

    private static func read(_ path: FilePath) -> String {
        let bytes = (try? FD.open(path).readAll(limit: 1 << 20)) ?? []  // a host without one
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The address at which a container's monitor answers.
    static let nameService = "127.0.0.11"

    /// Whether a container needs the name service to ask the host's servers, on the default bridge too: all of them are at
    /// the host's own loopback, where no container reaches them.
    func needsHost(_ options: HostOptions) -> Bool {
        guard options.dns.isEmpty else { return false }
        switch options.network {
        case .none, .host, .container: return false
        case .bridge, .named: break
        }
        let servers = nameServers(resolvConf: host)
        return !servers.isEmpty && servers.allSatisfy(\.isLoopback)
    }

    /// The host's file without servers that only the host reaches, unless the container shares its network; what
    /// the user gave replaces its kind.
    func text(_ options: HostOptions) -> String {
        var servers: [String] = []
        var search: [String] = []
        var settings: [String] = []
        for line in host.split(separator: "\n") {
            let words = line.split(whereSeparator: \.isWhitespace).map(String.init)
            guard let key = words.first, words.count > 1 else { continue }
            switch key {
            case "nameserver" where options.network == .host || !isLoopback(line):
                servers.append(words[1])
            case "search", "domain": search = Array(words.dropFirst())
            case "options": settings += words.dropFirst()
            default: break
            }
        }
        // What is no address is the container's to judge.
        func isLoopback(_ line: Substring) -> Bool {
            nameServers(resolvConf: String(line)).contains(where: \.isLoopback)
        }
        if !options.dns.isEmpty { servers = options.dns }
        // The container's own, which asks those servers.
        if options.hasNames || needsHost(options) { servers = [Self.nameService] }
        if !options.dnsSearch.isEmpty { search = options.dnsSearch.filter { $0 != "." } }
        if !options.dnsOptions.isEmpty { settings = options.dnsOptions }
        // The first question is for the name as it is: it may be a container's.
        if options.hasNames, !settings.contains(where: { $0.hasPrefix("ndots:") }) {
            settings.append("ndots:0")
        }
        var lines: [String] = []
        if !search.isEmpty { lines.append("search \(search.joined(separator: " "))") }
        lines += servers.map { "nameserver \($0)" }
        if !settings.isEmpty { lines.append("options \(settings.joined(separator: " "))") }
        return lines.map { $0 + "\n" }.joined()
    }
}

extension HostOptions {
    /// Whether containers find each other by name in one of its networks.
    fileprivate var hasNames: Bool { endpoints.contains { $0.network != "bridge" } }
}
