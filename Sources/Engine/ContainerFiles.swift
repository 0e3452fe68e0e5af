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
        to directory: borrowing FD, hostname: String, _ options: HostOptions, _ resolvConf: ResolvConf
    ) throws {
        let names =
            options.network == .host ? (try? FD.open("/etc/hosts").readAll(limit: 1 << 20)) ?? [] : nil
        let texts = [
            (
                "hosts",
                hosts(extra: options.extraHosts, host: names.map { String(decoding: $0, as: UTF8.self) })
            ), ("hostname", hostname + "\n"),
            ("resolv.conf", resolvConf.text(options)),
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
        let host = ResolvConf(of: new)
        let now = try directory.contents(of: "resolv.conf") ?? []
        guard now == Array(host.text(old).utf8) else { return }
        let file = try directory.open("resolv.conf", [.writeOnly, .truncate], resolve: [.beneath])
        try file.writeAll(Array(host.text(new).utf8))
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
}
