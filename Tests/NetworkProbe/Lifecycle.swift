import CLinux
import Linux
import Network
import OCI
import SystemPackage

/// Two containers come and go; what the host holds before, between and after.
func lifecycle(_ directory: String) throws {
    let host = try Host(directory)
    let first = try host.attach("first", ["8080:80", "127.0.0.1:8081:80", "9000:9000/udp"])
    let server = try first.node.visit { try serve("first", port: 80) }
    print("attached:", host.summary, first.attachment.address, ask("127.0.0.1", 8080))
    print("record:", first.attachment.json["Ports"]?.text ?? "none")
    try first.node.visit { print("sysctls:", sysctls) }

    print("conflict:", failure { try host.attach("second", ["8080:80"]) })
    print("conflict with one address:", failure { try host.attach("second", ["127.0.0.1:8080:80"]) })
    print("conflict of datagrams:", failure { try host.attach("second", ["9000:80/udp"]) })
    print("without IPv6:", failure { try host.attach("second", ["[2001:db8::1]:8082:80"]) })
    print("after the conflicts:", host.summary)
    let ranged = try host.attach("ranged", ["8080-8085:80"])
    print("range:", ranged.attachment.hostPorts)
    ranged.node.kill()
    try ranged.attachment.release()

    server.kill()
    first.node.kill()
    try first.attachment.release()
    print("released:", host.summary)
    let second = try host.attach("second", ["8080:80"])
    print("again:", host.summary, second.attachment.address)
    second.node.kill()
    try second.attachment.release()
    try removeNetwork(host.network)
    print("removed:", Route.index(of: host.network.link) == nil ? "no link" : "a link")
    let third = try host.attach("third")
    print("made again:", third.attachment.address)
}

/// A port that a listener of the host has, and one that only old connections linger on.
func ports(_ directory: String) throws {
    let host = try Host(directory)
    let daemon = try serve("daemon", [127, 0, 0, 1], port: 8080)
    print("taken by the host:", failure { try host.attach("web", ["8080:80"]) })
    _ = ask("127.0.0.1", 8080)  // the daemon closes first: its port is in TIME_WAIT
    daemon.kill()
    let web = try host.attach("web", ["8080:80", "0:81"])
    print("after it ended:", web.attachment.hostPorts[0])
    print("chosen by the kernel:", web.attachment.hostPorts[1] > 1023 ? "yes" : "no")
    print("for others:", failure { try serve("late", port: 8080) })
    let chosen = UInt16(web.attachment.hostPorts[1])
    print("the chosen one for others:", failure { try serve("late", port: chosen) })
    print("without a server:", ask("127.0.0.1", 8080))
    withExtendedLifetime(web) {}
}

/// Another monitor takes a container over.
func adopt(_ directory: String) throws {
    let host = try Host(directory)
    let node = try Node()
    var record = JSON.null
    do {
        let mappings = try PortMapping.parse("8080:80")
        let lost = try Attachment.reserve(Endpoint(host.network), container: "web", ports: mappings)
        try lost.connect(node.pidfd)
        record = lost.json
    }
    let server = try node.visit { try serve("web", port: 80) }
    let adopted = try Attachment.adopt(record)
    print("adopted:", adopted.json == record ? "same record" : "another record", host.summary)
    print("reached:", ask("127.0.0.1", 8080))
    print("held:", failure { try host.attach("other", ["8080:80"]) })
    var netfilter = try NetlinkSocket(.netfilter)
    try netfilter.transactAtOnce([Nftables.removeTable(host.network.table)])
    print("without the table:", ask("127.0.0.1", 8080))
    withExtendedLifetime(adopted) {}
    server.kill()
    node.kill()
    print("damaged:", failure { try Attachment.adopt(.object([])) })
}

/// Leases of a subnet with 13 places.
func leases(_ directory: String) throws {
    let standard = try Host(directory)
    guard let subnet = IPv4Subnet("10.99.0.0/28") else { return }
    let network = BridgeNetwork(
        name: "small", link: "small", table: "small", subnet: subnet, leases: standard.network.leases)
    let reserve = { try Attachment.reserve(Endpoint(network), container: $0, ports: []) }
    let held = try Node()
    let first = try reserve("first")
    try first.connect(held.pidfd)
    let rest = try (0..<12).map { try reserve("more\($0)") }
    print("first and last:", first.address, rest.last?.address ?? "none")
    print("full:", failure { try reserve("late") })
    // A dead container whose link lives on keeps its address until the sweep has removed the link.
    try rest[3].release()
    print("freed one:", try reserve("next").address)
    print("full again:", failure { try reserve("late") })
    try sweepNetworks(leases: network.leases) { $0 != "first" }
    print("swept:", try reserve("late").address, try held.visit { Route.index(of: "eth0") == nil })
}

/// What dead containers left, among it a port that a living one has by now.
func sweep(_ directory: String) throws {
    let host = try Host(directory)
    do {
        let lost = try host.attach("dead", ["8080:80", "8081:80"])
        lost.node.kill()
    }  // the monitor is gone too: its ports are free, its elements are not
    let web = try host.attach("web", ["8080:80"])
    let server = try web.node.visit { try serve("web", port: 80) }
    print("before:", host.summary)
    try sweepNetworks(leases: host.network.leases) { $0 == "web" }
    print("after:", host.summary, ask("127.0.0.1", 8080))
    try sweepNetworks(leases: host.network.leases) { $0 == "web" }
    print("again:", host.summary)
    _ = server
}

/// `--network none`.
func loopback(_ directory: String) throws {
    let node = try Node()
    try configureLoopbackOnly(node.pidfd)
    try node.visit {
        let server = try serve("own", port: 80)
        print("own:", ask("127.0.0.1", 80))
        print("sysctls:", sysctls)
        server.kill()
    }
}

/// Another table that drops what is forwarded.
func foreign(_ directory: String) throws {
    let host = try Host(directory)
    _ = try host.attach("web")
    print("alone:", try foreignForwardDrop() ?? "nothing")
    var netfilter = try NetlinkSocket(.netfilter)
    var chain = Nftables.makeChain("FORWARD", in: "wall", type: "filter", hook: .forward, priority: 0)
    chain.add(5, big: 0)  // the last policy counts: drop
    try netfilter.transactAtOnce([Nftables.makeTable("wall"), chain])
    print("with a wall:", try foreignForwardDrop() ?? "nothing")
}

/// How long an attachment takes; for people, no test asserts it.
func time(_ directory: String) throws {
    let host = try Host(directory)
    _ = try host.attach("first")
    let nodes = try (0..<50).map { _ in try Node() }
    let clock = ContinuousClock()
    var attachments: [Attachment] = []
    var reserve = Duration.zero
    let attach = try clock.measure {
        for (i, node) in nodes.enumerated() {
            let mappings = try PortMapping.parse("\(8000 + i):80")
            let start = clock.now
            let one = try Attachment.reserve(
                Endpoint(host.network), container: "c\(i)", ports: mappings)
            reserve += clock.now - start
            try one.connect(node.pidfd)
            attachments.append(one)
        }
    }
    let sweep = try clock.measure { try sweepNetworks(leases: host.network.leases) { _ in true } }
    let release = try clock.measure { for one in attachments { try one.release() } }
    print("attach \(attach / 50), reserve of it \(reserve / 50)")
    print("release \(release / 50), sweep of 50 alive \(sweep)")
}

private func failure(_ body: () throws -> some Any) -> String {
    do {
        _ = try body()
        return "none"
    } catch {
        return "\(error)"
    }
}

private var sysctls: String {
    let names = [
        "ping_group_range", "ip_unprivileged_port_start", "../ipv6/conf/eth0/disable_ipv6",
        "../ipv6/conf/eth0/accept_ra",
    ]
    return names.map { name in
        let bytes = try? FD.open(FilePath("/proc/sys/net/ipv4/\(name)")).readAll(limit: 64)
        return String(decoding: bytes ?? [45], as: UTF8.self).split { $0.isWhitespace }.joined(separator: "-")
    }.joined(separator: " ")
}

extension Attachment {
    fileprivate var hostPorts: [Int] {
        (json["ports"]?.array ?? []).compactMap { $0["hostPort"]?.int.map(Int.init) }
    }
}

extension Host {
    fileprivate var summary: String {
        "\((try? leases().count) ?? -1) leases, \((try? elements()) ?? -1) elements, \(links) links"
    }

    /// Links of containers in this namespace.
    private var links: Int {
        let lines = (try? FD.open("/proc/self/net/dev").readAll(limit: 1 << 20)) ?? []
        return String(decoding: lines, as: UTF8.self).split(separator: "\n").count {
            $0.drop { $0 == " " }.hasPrefix("av")
        }
    }
}
