import Linux
import Network

/// Two networks and an internal one: who reaches whom.
func siblings(_ directory: String) throws {
    let host = try Host(directory)
    let neighbour = try host.neighbour()
    let blue = try host.another("blue", "10.1.0.0/24")
    let inner = try host.another("inner", "10.2.0.0/24") { $0.isInternal = true }
    let web = try host.attach("web", ["8080:80"])
    let (one, two) = (try host.attach("one", to: blue), try host.attach("two", to: blue))
    let (hidden, guest) = (try host.attach("hidden", to: inner), try host.attach("guest", to: inner))
    let servers = try [("web", web), ("one", one), ("hidden", hidden)].map { name, container in
        try container.node.visit { try serve(name, port: 80) }
    }
    let outside = try neighbour.visit { try serve("outside", port: 7000) }
    try two.node.visit {
        print("same network", ask(one.attachment.address, 80))
        print("other network", ask(web.attachment.address, 80))
        print("other network's published port", ask("192.0.2.1", 8080))
        print("internal network", ask(hidden.attachment.address, 80))
        print("outside", ask("192.0.2.2", 7000))
    }
    try guest.node.visit {
        print("internal to itself", ask(hidden.attachment.address, 80))
        print("internal to another", ask(one.attachment.address, 80))
        try route(through: inner)
        print("internal to another by a route", ask(one.attachment.address, 80))
        print("internal to outside", ask("192.0.2.2", 7000))
        print("internal to a published port", ask("192.0.2.1", 8080))
    }
    print("host to internal", ask(hidden.attachment.address, 80))
    do { try removeNetwork(blue) } catch { print("in use:", error) }
    for one in [one, two] { try one.attachment.release() }
    try removeNetwork(blue)
    print("after a removal", try neighbour.visit { ask("192.0.2.1", 8080) })
    withExtendedLifetime((web, one, two, hidden, guest, servers, outside)) {}
}

private func route(through network: BridgeNetwork) throws {
    var socket = try NetlinkSocket(.route)
    try socket.transact([Route.addDefault(gateway: network.gateway.bytes)])
}

/// The table of published ports again, for IPv6.
func reach6(_ directory: String) throws {
    let host = try Host(directory)
    let neighbour = try host.neighbour()
    let blue = try host.another("blue", "10.1.0.0/24") { $0.subnet6 = IPv6Subnet("fd00:1::/64") }
    let green = try host.another("green", "10.2.0.0/24") { $0.subnet6 = IPv6Subnet("fd00:2::/64") }
    let any = [UInt8](repeating: 0, count: 16)
    let web = try host.attach("web", ["8080:80", "[2001:db8::1]:8082:80"], to: blue)
    let (other, far) = (try host.attach("other", to: blue), try host.attach("far", to: green))
    let servers = try web.node.visit {
        [try serve("web", any, port: 80), try serve("hidden", any, port: 9999)]
    }
    let outside = try neighbour.visit { try serve("outside", any, port: 7000) }
    let daemon = try serve("daemon", IPv6(1).bytes, port: 2375)
    let address = web.attachment.address6 ?? "none"
    print("address", address)
    for place in ["::1", "fd00:1::1", "2001:db8::1"] { print("host [\(place)]:8080", ask(place, 8080)) }
    print("host 127.0.0.1:8080", ask("127.0.0.1", 8080))
    print("host container:80", ask(address, 80))
    try neighbour.visit {
        for port in [8080, 8082] as [UInt16] {
            print("neighbour [2001:db8::1]:\(port)", ask("2001:db8::1", port))
        }
        print("neighbour 192.0.2.1:8080", ask("192.0.2.1", 8080))
        print("neighbour gateway:8080", ask("fd00:1::1", 8080))
        for port in [8080, 2375] as [UInt16] { print("neighbour [::1]:\(port)", ask("::1", port)) }
        print("neighbour container:80", ask(address, 80))
        print("neighbour container:9999", ask(address, 9999))
    }
    print("host [::1]:2375", ask("::1", 2375))
    try other.node.visit {
        print("container container:9999", ask(address, 9999))
        print("container [2001:db8::1]:8080", ask("2001:db8::1", 8080))
        print("container outside:7000", ask("2001:db8::2", 7000))
    }
    print("sibling container:80", try far.node.visit { ask(address, 80) })
    print("itself [2001:db8::1]:8080", try web.node.visit { ask("2001:db8::1", 8080) })
    var netfilter = try NetlinkSocket(.netfilter)
    try netfilter.transactAtOnce([Nftables.removeTable(blue.table)])
    print("unguarded container:9999", try neighbour.visit { ask(address, 9999) })
    withExtendedLifetime((web, other, far, servers, outside, daemon)) {}
}

/// Somebody flushes or removes our table in several ways.
func repair(_ directory: String) throws {
    let host = try Host(directory)
    let neighbour = try host.neighbour()
    print("before any network:", try repairNetworks(leases: host.network.leases))
    let blue = try host.another("blue", "10.1.0.0/24")
    let web = try host.attach("web", ["8080:80"])
    let late = try host.attach("late", ["8081:80"], to: blue)
    let servers = try web.node.visit { [try serve("web", port: 80), try serve("hidden", port: 9999)] }
    let more = try late.node.visit { try serve("late", port: 80) }
    print("whole:", try repairNetworks(leases: host.network.leases))
    for (name, type, attribute) in [
        ("flush table", 0x0a08 as UInt16, 1 as UInt16?), ("delete table", 0x0a02, 1),
        ("flush ruleset", 0x0a02, nil),
    ] {
        var netfilter = try NetlinkSocket(.netfilter)
        var message = NetlinkMessage(type: type, flags: .request, fixed: [1, 0, 0, 0], subject: name)
        if let attribute { message.add(attribute, host.network.table) }
        try netfilter.transactAtOnce([message])
        try neighbour.visit {
            print("\(name):", ask(web.attachment.address, 9999))
        }
        print("repaired:", try repairNetworks(leases: host.network.leases))
        try neighbour.visit {
            print("then:", ask(web.attachment.address, 9999), ask("192.0.2.1", 8080), ask("192.0.2.1", 8081))
        }
    }
    // A start notices by itself.
    var netfilter = try NetlinkSocket(.netfilter)
    try netfilter.transactAtOnce([Nftables.removeTable(host.network.table)])
    _ = try host.attach("next")
    try neighbour.visit { print("a start:", ask(web.attachment.address, 9999), ask("192.0.2.1", 8081)) }
    withExtendedLifetime((web, late, servers, more)) {}
}
