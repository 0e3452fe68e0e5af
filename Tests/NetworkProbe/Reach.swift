import CLinux
import Linux
import Network
import SystemPackage

/// Who reaches what: security's table of published ports, from the host, a neighbour and other containers.
func reach(_ directory: String) throws {
    let host = try Host(directory)
    let neighbour = try host.neighbour()
    let web = try host.attach("web", ["8080:80", "127.0.0.1:8081:80"])
    let other = try host.attach("other")
    let servers = try web.node.visit { [try serve("web", port: 80), try serve("hidden", port: 9999)] }
    let daemon = try serve("daemon", [127, 0, 0, 1], port: 2375)
    let outside = try neighbour.visit { try serve("outside", port: 7000) }
    let (address, gateway) = (web.attachment.address, host.network.gateway.description)

    print("host 127.0.0.1:8080", ask("127.0.0.1", 8080))
    print("host gateway:8080", ask(gateway, 8080))
    print("host 192.0.2.1:8080", ask("192.0.2.1", 8080))
    print("host 127.0.0.1:8081", ask("127.0.0.1", 8081))
    print("host container:80", ask(address, 80))
    try neighbour.visit {
        print("neighbour 192.0.2.1:8080", ask("192.0.2.1", 8080))
        print("neighbour 192.0.2.1:8081", ask("192.0.2.1", 8081))
        print("neighbour gateway:8080", ask(gateway, 8080))
        for port in [8080, 8081, 2375] as [UInt16] {
            print("neighbour 127.0.0.1:\(port)", ask("127.0.0.1", port))
        }
        print("neighbour container:80", ask(address, 80))
        print("neighbour container:9999", ask(address, 9999))
    }
    try other.node.visit {
        print("container container:9999", ask(address, 9999))
        print("container 192.0.2.1:8080", ask("192.0.2.1", 8080))
        print("container gateway:8080", ask(gateway, 8080))
        print("container 192.0.2.1:8081", ask("192.0.2.1", 8081))
        print("container outside:7000", ask("192.0.2.2", 7000))
    }
    print("forger 127.0.0.1:2375", try forger(host).visit { ask("127.0.0.1", 2375) })
    print("itself 192.0.2.1:8080", try web.node.visit { ask("192.0.2.1", 8080) })
    try withoutRules(host, neighbour, address)
    withExtendedLifetime((web, other, servers, daemon, outside)) {}
}

/// That the probes are worth something: what the rules alone keep away.
private func withoutRules(_ host: Host, _ neighbour: Node, _ address: String) throws {
    var netfilter = try NetlinkSocket(.netfilter)
    try netfilter.transactAtOnce([Nftables.removeTable(host.network.table)])
    try neighbour.visit {
        print("unguarded 127.0.0.1:2375", ask("127.0.0.1", 2375))
        print("unguarded container:9999", ask(address, 9999))
    }
}

/// A container that sends what is for 127.0.0.0/8 to its gateway.
private func forger(_ host: Host) throws -> Node {
    let (node, _) = try host.attach("forger")
    try node.visit {
        var socket = try NetlinkSocket(.route)
        var lower = NetlinkMessage(
            type: 16, flags: .request, fixed: Array(repeating: 0, count: 12) + [1, 0, 0, 0],
            subject: "set lo down")
        lower.add(3, "lo")
        try socket.transact([lower])
        try FD.open("/proc/sys/net/ipv4/conf/eth0/route_localnet", .writeOnly).writeAll([49])
    }
    return node
}
