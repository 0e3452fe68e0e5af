public import Linux
import SystemPackage

/// A container's place in a network: its address, its links, the ports of the host that lead to it.
public final class Attachment {
    let network: BridgeNetwork
    let container: String
    let leased: IPv4
    /// The host's end of the pair of links; never used by another container.
    let link: String
    /// With the host ports that were really taken.
    let ports: [PortMapping]
    /// Held so that nobody else takes them; nil when they are given back.
    private var held: [HostPort]?

    init(
        network: BridgeNetwork, container: String, leased: IPv4, link: String, ports: [PortMapping],
        held: [HostPort]
    ) {
        (self.network, self.container, self.leased) = (network, container, leased)
        (self.link, self.ports, self.held) = (link, ports, held)
    }

    /// The container's address in the network.
    public var address: String { leased.description }

    /// Makes the network where it is missing, takes the published ports and leases an address. Docker's error
    /// when a port is taken; nothing is kept then.
    public static func reserve(
        on network: BridgeNetwork, container id: String, ports: [PortMapping]
    ) throws(NetworkError) -> Attachment {
        let leases = try Leases(network)
        try network.ensure()
        let (taken, held) = try hold(ports)
        let lease = try leases.allocate(in: network, container: id, link: newLinkName(), ports: taken)
        return Attachment(
            network: network, container: id, leased: lease.address, link: lease.link, ports: taken,
            held: held)
    }

    /// Gives the container its links, address, route and published ports. It has none of it when this throws;
    /// the lease stays until `release`.
    public func connect(_ pidfd: borrowing Pidfd) throws(NetworkError) {
        do throws(SysError) {
            try makeLinks(pidfd)
        } catch {
            _ = try? removeLink(link)  // the first error is the one to report
            throw NetworkError("connect the container to network \(network.name): \(error)")
        }
    }

    /// Takes the published ports back and frees them: the quick part of `release`, which may come first when
    /// somebody waits for them. Done once: another container may have them afterwards.
    public func unpublish() throws(NetworkError) {
        if held == nil { return }
        let keys = ports.compactMap(PortKey.init)
        try asking("unpublish the ports of \(container)") { () throws(SysError) in
            try removeElements(keys, from: network.table)
        }
        held = nil
    }

    /// Takes the container's links and the way to its ports away. Its address and its ports stay its own, for the next
    /// `connect`.
    public func disconnect() throws(NetworkError) {
        try asking("disconnect \(container)") { () throws(SysError) in
            try removeElements(ports.compactMap(PortKey.init), from: network.table)
            _ = try removeLink(link)
        }
    }

    /// Takes everything away: ports, link (the kernel takes some 30 ms for it), and then the address.
    public func release() throws(NetworkError) {
        try unpublish()
        try asking("remove the link of \(container)") { () throws(SysError) in _ = try removeLink(link) }
        try Leases(network).remove(leased)
    }
}

extension Attachment {
    /// Sockets stay in the namespace they were opened in: the host's makes the pair from inside the
    /// container, where its namespace has a descriptor, and the container's goes on when we are back.
    private func makeLinks(_ pidfd: borrowing Pidfd) throws(SysError) {
        guard let bridge = Route.index(of: network.link) else {
            throw SysError(call: "if_nametoindex", subject: network.link, errno: .noSuchFileOrDirectory)
        }
        var outside = try NetlinkSocket(.route)
        var index: UInt32 = 0
        var inside = try Inside.visit(pidfd) { () throws(SysError) in
            let inner = try FD.open("/proc/self/ns/net")
            try Inside.allowUnprivileged()
            try hintingAtFullBridge { () throws(SysError) in
                try outside.transact([
                    Route.makePair(link, master: bridge, peer: "eth0", mac: mac(of: leased), in: inner)
                ])
            }
            try Inside.refuseIPv6(on: "eth0")
            index = Route.index(of: "eth0") ?? 0
            return try NetlinkSocket(.route)
        }
        try publish()
        // The container's end comes second: it works at once then, and only the bridge's port takes a moment.
        try outside.transact([Route.raisePort(link)])
        try inside.transact(planInside(index))
        try Route.waitUntilForwarding(link, using: &outside)
        try Route.waitUntilUp(network.link, using: &outside)
    }

    private func planInside(_ index: UInt32) -> [NetlinkMessage] {
        let (prefix, broadcast) = (network.subnet.prefix, network.subnet.broadcast.bytes)
        return [
            Route.raise("lo"),
            Route.addAddress(leased.bytes, prefix: prefix, broadcast: broadcast, index: index),
            Route.raise("eth0"),
            Route.addDefault(gateway: network.gateway.bytes),
        ]
    }

    func holdPorts() throws(NetworkError) { held = try hold(ports).held }

    /// One transaction. An element that a dead container left with our key is replaced: its port is ours, for
    /// we hold it.
    func publish() throws(SysError) {
        let keys = ports.compactMap { mapping in PortKey(mapping).map { ($0, mapping.containerPort) } }
        let add = keys.map { $0.0.add(to: leased, port: $0.1, in: network.table) }
        var socket = try NetlinkSocket(.netfilter)
        do {
            try socket.transactAtOnce(add)
        } catch {
            guard error.errno == .fileExists else { throw error }
            // The batch failed as a whole, and its socket may hold answers still.
            try removeElements(keys.map(\.0), from: network.table)
            var again = try NetlinkSocket(.netfilter)
            try again.transactAtOnce(add)
        }
    }

    private func hintingAtFullBridge(_ body: () throws(SysError) -> Void) throws(SysError) {
        do throws(SysError) {
            try body()
        } catch {
            guard error.errno == Errno(rawValue: 54) else { throw error }  // EXFULL
            throw error.hinting("a bridge holds about 1,000 containers; this one is full")
        }
    }
}

/// Removes elements, all at once when all are there, else those that are.
func removeElements(_ keys: [PortKey], from table: String) throws(SysError) {
    if keys.isEmpty { return }
    var all = try NetlinkSocket(.netfilter)
    do {
        return try all.transactAtOnce(keys.map { $0.remove(from: table) })
    } catch {
        guard error.errno == .noSuchFileOrDirectory else { throw error }
    }
    for key in keys {
        var one = try NetlinkSocket(.netfilter)
        do {
            try one.transactAtOnce([key.remove(from: table)])
        } catch {
            guard error.errno == .noSuchFileOrDirectory else { throw error }
        }
    }
}

/// Takes host ports: those that the kernel chose and the first free ones of ranges are filled in.
func hold(_ ports: [PortMapping]) throws(NetworkError) -> (taken: [PortMapping], held: [HostPort]) {
    var (taken, held): ([PortMapping], [HostPort]) = ([], [])
    for mapping in ports {
        let port = try hold(mapping)
        held.append(port)
        var exact = mapping
        (exact.hostPort, exact.lastHostPort) = (port.number, port.number)
        taken.append(exact)
    }
    return (taken, held)
}

private func hold(_ mapping: PortMapping) throws(NetworkError) -> HostPort {
    let address = mapping.hostAddress?.bytes ?? [0, 0, 0, 0]
    let prefix = "driver failed programming external connectivity on endpoint"
    for number in mapping.hostPort...mapping.lastHostPort {
        do throws(SysError) {
            return try HostPort(address: address, port: number, stream: mapping.proto == .tcp)
        } catch {
            if error.errno == .addressInUse { continue }
            throw NetworkError("\(prefix): Bind for \(mapping.hostText):\(number) failed: \(error.errno)")
        }
    }
    let number = mapping.lastHostPort
    throw NetworkError("\(prefix): Bind for \(mapping.hostText):\(number) failed: port is already allocated")
}

/// 56 random bits: no name comes twice, so a lease's link is gone for good when it is gone.
private func newLinkName() -> String {
    let number = UInt64.random(in: 0..<131_621_703_842_267_136)  // 36 to the power of 11
    let digits = String(number, radix: 36)
    return "av" + String(repeating: "0", count: 11 - digits.count) + digits
}
