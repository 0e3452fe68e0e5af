import Linux
import OCI
import SystemPackage

/// The texts of /etc/hosts, /etc/hostname and /etc/resolv.conf of a container. Pure.
enum ContainerFiles {
    /// docker's lines; `extra` are `name:address`. The container's own line is added by its monitor.
    static func hosts(extra: [String], host: String? = nil) -> String {
        let standard = [
            "127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback", "fe00::0\tip6-localnet",
            "ff00::0\tip6-mcastprefix", "ff02::1\tip6-allnodes", "ff02::2\tip6-allrouters",
        ]
        // In the host's network the host's own names hold.
        var lines = host.map { $0.split(separator: "\n").map(String.init) } ?? standard
        for entry in extra {
            let parts = entry.split(separator: ":", maxSplits: 1).map(String.init)
            if parts.count == 2 { lines.append("\(parts[1])\t\(parts[0])") }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Writes the three files into a container's directory.
    static func write(
        to directory: borrowing FD, hostname: String, _ options: HostOptions
    ) throws {
        let host = (try? FD.open("/etc/resolv.conf").readAll(limit: 1 << 20)) ?? []  // a host without one
        let names =
            options.network == .host ? (try? FD.open("/etc/hosts").readAll(limit: 1 << 20)) ?? [] : nil
        let texts = [
            (
                "hosts",
                hosts(extra: options.extraHosts, host: names.map { String(decoding: $0, as: UTF8.self) })
            ), ("hostname", hostname + "\n"),
            ("resolv.conf", resolvConf(host: String(decoding: host, as: UTF8.self), options)),
        ]
        for (name, text) in texts {
            let file = try directory.open(
                FilePath(name), [.writeOnly, .create, .truncate], mode: 0o600, resolve: [.beneath])
            try file.writeAll(Array(text.utf8))
            try Kernel.changeMode(file, 0o644)
        }
    }

    /// Writes resolv.conf again, in place: the container has the file mounted. What somebody wrote into it stays.
    static func rewriteResolvConf(in directory: borrowing FD, from old: HostOptions, to new: HostOptions)
        throws
    {
        let host = (try? FD.open("/etc/resolv.conf").readAll(limit: 1 << 20)) ?? []  // a host without one
        let text = String(decoding: host, as: UTF8.self)
        let now = try directory.contents(of: "resolv.conf") ?? []
        guard now == Array(resolvConf(host: text, old).utf8) else { return }
        let file = try directory.open("resolv.conf", [.writeOnly, .truncate], resolve: [.beneath])
        try file.writeAll(Array(resolvConf(host: text, new).utf8))
    }

    /// Binds them over the image's own.
    static func mounts(of directory: FilePath, isReadOnly: Bool, except taken: Set<String> = [])
        -> [RuntimeSpec.Mount]
    {
        ["hosts", "hostname", "resolv.conf"].filter { !taken.contains("/etc/\($0)") }.map {
            RuntimeSpec.Mount(
                destination: "/etc/\($0)", type: "bind", source: directory.appending($0).string,
                options: ["bind", "rprivate", "nosuid", "nodev", isReadOnly ? "ro" : "rw"])
        }
    }

    /// The names on the container's own line: `web`, or `web.example.org web`.
    static func ownNames(_ config: ContainerConfig) -> String {
        let host = config.effectiveHostname
        let whole = config.domainname.map { "\(host).\($0)" } ?? host
        guard whole.contains(".") else { return host }
        return "\(whole) \(host.prefix { $0 != "." })"
    }

    /// The host's file without servers that only the host reaches, unless the container shares its network; what
    /// the user gave replaces its kind.
    static func resolvConf(host: String, _ options: HostOptions) -> String {
        var servers: [String] = []
        var search: [String] = []
        var settings: [String] = []
        for line in host.split(separator: "\n") {
            let words = line.split(whereSeparator: \.isWhitespace).map(String.init)
            guard let key = words.first, words.count > 1 else { continue }
            switch key {
            case "nameserver" where options.network == .host || !isLoopback(words[1]):
                servers.append(words[1])
            case "search", "domain": search = Array(words.dropFirst())
            case "options": settings += words.dropFirst()
            default: break
            }
        }
        if !options.dns.isEmpty { servers = options.dns }
        let hasNames = options.endpoints.contains { $0.network != "bridge" }
        // The container's own, which asks those servers.
        if hasNames { servers = ["127.0.0.11"] }
        if !options.dnsSearch.isEmpty { search = options.dnsSearch.filter { $0 != "." } }
        if !options.dnsOptions.isEmpty { settings = options.dnsOptions }
        // The first question is for the name as it is: it may be a container's.
        if hasNames, !settings.contains(where: { $0.hasPrefix("ndots:") }) { settings.append("ndots:0") }
        var lines: [String] = []
        if !search.isEmpty { lines.append("search \(search.joined(separator: " "))") }
        lines += servers.map { "nameserver \($0)" }
        if !settings.isEmpty { lines.append("options \(settings.joined(separator: " "))") }
        return lines.map { $0 + "\n" }.joined()
    }

    private static func isLoopback(_ address: String) -> Bool {
        address.hasPrefix("127.") || address == "::1"
    }
}
