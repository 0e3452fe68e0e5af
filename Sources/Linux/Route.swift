import CLinux

/// Links, addresses and routes by rtnetlink (man 7 rtnetlink). Plans are values; a socket does them.
public enum Route {
    private static func link(
        _ type: UInt16, _ flags: NetlinkFlags, up: Bool = false, _ subject: String
    ) -> NetlinkMessage {
        NetlinkMessage(
            type: type, flags: flags.union(.request), fixed: linkHeader(up: up), subject: subject)
    }

    /// struct ifinfomsg: family, pad, type, index, flags, which flags change.
    private static func linkHeader(up: Bool) -> [UInt8] {
        Array(repeating: 0, count: 8) + native(UInt32(up ? 1 : 0)) + native(UInt32(up ? 1 : 0))
    }

    /// A bridge with an Ethernet address of its own: without one it takes the lowest of its ports, and
    /// containers lose their gateway when that port goes.
    public static func makeBridge(_ name: String, mac: [UInt8], mtu: UInt32? = nil) -> NetlinkMessage {
        var message = link(16, [.create, .exclusive], "make bridge \(name)")
        message.add(3, name)  // IFLA_IFNAME
        if let mtu { message.add(4, mtu) }  // IFLA_MTU
        message.add(1, mac)  // IFLA_ADDRESS
        message.nest(18) { $0.add(1, "bridge") }  // IFLA_LINKINFO, IFLA_INFO_KIND
        return message
    }

    /// A pair of links: `name` here, a port of the bridge with index `master`, and `peer` with `mac` in the
    /// network namespace `inner`.
    public static func makePair(
        _ name: String, master: UInt32, peer: String, mac: [UInt8], mtu: UInt32? = nil,
        in inner: borrowing FD
    ) -> NetlinkMessage {
        let namespace = UInt32(bitPattern: inner.raw)
        var message = link(16, [.create, .exclusive], "make link \(name)")
        message.add(3, name)
        message.add(10, master)  // IFLA_MASTER
        if let mtu { message.add(4, mtu) }  // IFLA_MTU
        message.nest(18) { info in
            info.add(1, "veth")
            info.nest(2) { data in  // IFLA_INFO_DATA
                data.nest(1) { other in  // VETH_INFO_PEER
                    other.append(linkHeader(up: false))
                    other.add(3, peer)
                    other.add(1, mac)
                    if let mtu { other.add(4, mtu) }
                    other.add(28, namespace)  // IFLA_NET_NS_FD
                }
            }
        }
        return message
    }

    /// Sets a bridge port up and lets what it sent come back to it, which a container's connection to its
    /// own published port needs.
    public static func raisePort(_ name: String) -> NetlinkMessage {
        var message = link(16, [], up: true, "set port \(name) up")
        message.add(3, name)
        message.nest(18) { info in
            info.add(4, "bridge")  // IFLA_INFO_SLAVE_KIND
            info.nest(5) { $0.add(4, [1]) }  // IFLA_INFO_SLAVE_DATA, IFLA_BRPORT_MODE
        }
        return message
    }

    /// Sets a link up.
    public static func raise(_ name: String) -> NetlinkMessage {
        var message = link(16, [], up: true, "set \(name) up")
        message.add(3, name)
        return message
    }

    /// Removes a link, and with it the other end of a pair; ENODEV when there is none.
    public static func remove(_ name: String) -> NetlinkMessage {
        var message = link(17, [], "remove link \(name)")
        message.add(3, name)
        return message
    }

    /// Gives an address (4 or 16 bytes) to the link with this index; only IPv4 has a broadcast address. An IPv6 one
    /// can be used at once: who gives addresses away knows that nobody else has it.
    public static func addAddress(
        _ address: [UInt8], prefix: UInt8, broadcast: [UInt8]? = nil, index: UInt32
    ) -> NetlinkMessage {
        // struct ifaddrmsg: family, prefix, flags (IFA_F_NODAD), scope
        let header: [UInt8] = (address.count == 16 ? [10, prefix, 2, 0] : [2, prefix, 0, 0]) + native(index)
        var message = NetlinkMessage(
            type: 20, flags: [.request, .create, .exclusive], fixed: header, subject: "add address")
        message.add(2, address)  // IFA_LOCAL
        message.add(1, address)  // IFA_ADDRESS
        if let broadcast { message.add(4, broadcast) }  // IFA_BROADCAST
        return message
    }

    /// The default route through a gateway (4 or 16 bytes).
    public static func addDefault(gateway: [UInt8]) -> NetlinkMessage {
        // struct rtmsg: family, dst_len, src_len, tos, table main, protocol boot, scope universe, type unicast
        let header: [UInt8] = [gateway.count == 16 ? 10 : 2, 0, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0]
        var message = NetlinkMessage(
            type: 24, flags: [.request, .create, .exclusive], fixed: header, subject: "add default route")
        message.add(5, gateway)  // RTA_GATEWAY
        return message
    }
}

extension Route {
    /// The index of a link of the calling process's network namespace; nil when there is none.
    public static func index(of name: String) -> UInt32? {
        let index = name.withCString { cl_if_nametoindex($0) }
        return index == 0 ? nil : index
    }

    /// Waits until a bridge forwards what comes from this port, as a rule a millisecond after both ends are
    /// up. A packet sent before is lost, and sent again a second later. After 200 ms it goes on all the same.
    public static func waitUntilForwarding(
        _ port: String, using socket: inout NetlinkSocket
    ) throws(SysError) {
        let forwarding: UInt8 = 3  // BR_STATE_FORWARDING
        try wait(port, using: &socket) { portState($0) == forwarding }
    }

    /// Waits likewise until a link sends what it is given. A bridge does so only a moment after its first port is up.
    public static func waitUntilUp(_ name: String, using socket: inout NetlinkSocket) throws(SysError) {
        let up: UInt8 = 6  // IF_OPER_UP
        try wait(name, using: &socket) { reply in
            reply.attributes(after: 16).first { $0.type == 16 }?.payload.first == up  // IFLA_OPERSTATE
        }
    }

    private static func wait(
        _ name: String, using socket: inout NetlinkSocket, until isReady: (NetlinkReply) -> Bool
    ) throws(SysError) {
        var ask = link(18, [], "find link \(name)")
        ask.add(3, name)
        for _ in 0..<200 {
            if try socket.request(ask).contains(where: isReady) { return }
            Kernel.sleep(milliseconds: 1)
        }
    }

    /// IFLA_LINKINFO, IFLA_INFO_SLAVE_DATA, IFLA_BRPORT_STATE.
    private static func portState(_ reply: NetlinkReply) -> UInt8? {
        let info = reply.attributes(after: 16).first { $0.type == 18 }.map { netlinkAttributes($0.payload) }
        let port = info?.first { $0.type == 5 }.map { netlinkAttributes($0.payload) }
        return port?.first { $0.type == 1 }?.payload.first
    }

    /// Every IPv4 range that this network namespace routes or has an address in: base (host order) and prefix.
    /// The default route is none.
    public static func rangesInUse() throws(SysError) -> [(base: UInt32, prefix: UInt8)] {
        var socket = try NetlinkSocket(.route)
        var ranges: [(base: UInt32, prefix: UInt8)] = []
        let routes = NetlinkMessage(
            type: 26, flags: [.request, .dump], fixed: [2] + Array(repeating: 0, count: 11),
            subject: "list routes")
        for reply in try socket.request(routes) where reply.type == 24 && reply.body.count >= 12 {
            let destination = reply.attributes(after: 12).first { $0.type == 1 }  // RTA_DST
            guard let destination, reply.body[1] > 0 else { continue }
            ranges.append((UInt32(bigEndian: number32(destination.payload)), reply.body[1]))
        }
        let addresses = NetlinkMessage(
            type: 22, flags: [.request, .dump], fixed: [2, 0, 0, 0, 0, 0, 0, 0], subject: "list addresses")
        for reply in try socket.request(addresses) where reply.type == 20 && reply.body.count >= 8 {
            guard let address = reply.attributes(after: 8).first(where: { $0.type == 2 }) else { continue }
            ranges.append((UInt32(bigEndian: number32(address.payload)), reply.body[1]))
        }
        return ranges
    }
}
