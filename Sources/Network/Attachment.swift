public import Linux
import SystemPackage

/// A container's place in a network: its address, its links, the ports of the host that lead to it.
public final class Attachment {
    public private(set) var endpoint: Endpoint
    let container: String
    let leased: IPv4
    let leased6: IPv6?
    /// The host's end of the pair of links; never used by another container.
    let link: String
    /// The container's end.
    public private(set) var interface: String
    /// The container's default route leads here, and its published ports come this way.
    public private(set) var isGateway: Bool
    /// With the host ports that were really taken.
    public private(set) var ports: [PortMapping]
    /// Held so that nobody else takes them.
    private var held: [HostPort]

    init(
        _ endpoint: Endpoint, container: String, lease: Leases.Lease, interface: String, isGateway: Bool,
        held: [HostPort]
    ) {
        (self.endpoint, self.container, leased) = (endpoint, container, lease.address)
        leased6 = lease.address6 ?? endpoint.network.address6(with: lease.address)
        (link, ports, self.held) = (lease.link, lease.ports, held)
        (self.interface, self.isGateway) = (interface, isGateway)
    }

    var network: BridgeNetwork { endpoint.network }

    /// The container's address in the network.
    public var address: String { leased.description }

    /// The same of IPv6, where the network has that.
    public var address6: String? { leased6?.description }

    /// Makes the network where it is missing, takes the published ports and leases an address. Docker's error
    /// when a port is taken; nothing is kept then.
    public static func reserve(
        _ endpoint: Endpoint, container id: String, as interface: String = "eth0", isGateway: Bool = true,
        ports: [PortMapping]
    ) throws(NetworkError) -> Attachment {
        let leases = try Leases(endpoint.network.leases)
        try endpoint.network.ensure(leases)
        let (taken, held) = try hold(ports, on: endpoint.network)
        let lease = try leases.allocate(endpoint, container: id, link: newLinkName(), ports: taken)
        return Attachment(
            endpoint, container: id, lease: lease, interface: interface, isGateway: isGateway, held: held)
    }

    /// Gives the container its links, address, route and published ports. It has none of it when this throws;
    /// the lease stays until `release`.
    public func connect(_ pidfd: borrowing Pidfd) throws(NetworkError) {
        do throws(SysError) {
            try makeLinks(pidfd)
            if network.hasNames { try NameTable(network).add(endpoint.names, leased, leased6) }
        } catch {
            _ = try? removeLink(link)  // the first error is the one to report
            throw NetworkError("connect the container to network \(network.name): \(error)")
        }
    }

    /// Takes the published ports back and frees them: the quick part of `release`, which may come first when
    /// somebody waits for them. Another container may have them afterwards.
    public func unpublish() throws(NetworkError) {
        if ports.isEmpty { return }
        let leases = try Leases(network.leases)
        // What the lease does not tell of any more is another container's by now.
        if var lease = try leases.lease(of: leased, link: link) {
            let keys = lease.elements(in: network).map(\.key)
            try asking("unpublish the ports of \(container)") { () throws(SysError) in
                try removeElements(keys, from: network.table)
            }
            lease.ports = []
            try leases.write(lease)
        }
        forgetPorts()
    }

    /// Takes the container's links and the way to its ports away. Its address and its ports stay its own, for the next
    /// `connect`.
    public func disconnect() throws(NetworkError) {
        try asking("disconnect \(container)") { () throws(SysError) in
            try removeElements(elements.map(\.key), from: network.table)
            try forgetNames()
            _ = try removeLink(link)
        }
    }

    /// Takes everything away: ports, link (the kernel takes some 30 ms for it), and then the address.
    public func release() throws(NetworkError) {
        try unpublish()
        try asking("remove the link of \(container)") { () throws(SysError) in
            try forgetNames()
            _ = try removeLink(link)
        }
        let leases = try Leases(network.leases)
        if try leases.lease(of: leased, link: link) != nil { try leases.remove(leased) }
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
            let mac = endpoint.mac ?? mac(of: leased)
            try hintingAtFullBridge { () throws(SysError) in
                try outside.transact([
                    Route.makePair(
                        link, master: bridge, peer: interface, mac: mac, mtu: network.mtu, in: inner)
                ])
            }
            try Inside.setIPv6(network.subnet6 != nil, on: interface)
            index = Route.index(of: interface) ?? 0
            return try NetlinkSocket(.route)
        }
        try addElements(elements, to: network.table)
        // The container's end comes second: it works at once then, and only the bridge's port takes a moment.
        try outside.transact([Route.raisePort(link)])
        try inside.transact(planInside(index))
        try Route.waitUntilForwarding(link, using: &outside)
        try Route.waitUntilUp(network.link, using: &outside)
    }

    private func planInside(_ index: UInt32) -> [NetlinkMessage] {
        let (prefix, broadcast) = (network.subnet.prefix, network.subnet.last.bytes)
        var plan = [
            Route.raise("lo"),
            Route.addAddress(leased.bytes, prefix: prefix, broadcast: broadcast, index: index),
        ]
        if let leased6, let subnet = network.subnet6 {
            plan.append(Route.addAddress(leased6.bytes, prefix: subnet.prefix, index: index))
        }
        return plan + [Route.raise(interface)] + (isGateway ? defaultRoutes : [])
    }

    private var defaultRoutes: [NetlinkMessage] {
        if network.isInternal { return [] }
        let gateway6 = network.hostAddress6.map { Route.addDefault(gateway: $0.bytes) }
        return [Route.addDefault(gateway: network.gateway.bytes)] + (gateway6.map { [$0] } ?? [])
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

/// What others find the container by.
extension Attachment {
    fileprivate func forgetNames() throws(SysError) {
        if network.hasNames { try NameTable(network).remove(endpoint.names, leased, leased6) }
    }

    /// The container is called otherwise from now on.
    public func setNames(_ names: [String]) throws(NetworkError) {
        guard names != endpoint.names else { return }
        let leases = try Leases(network.leases)
        try asking("change the names of \(container)") { () throws(SysError) in
            try forgetNames()
            endpoint.names = names
            if network.hasNames { try NameTable(network).add(names, leased, leased6) }
        }
        guard var lease = try leases.lease(of: leased, link: link) else { return }
        lease.names = names
        try leases.write(lease)
    }
}

/// What leads to the container's ports.
extension Attachment {
    var elements: [(key: PortKey, target: [UInt8])] { ports.flatMap { $0.elements(to: leased, leased6) } }

    func holdPorts() throws(NetworkError) { held = try hold(ports, on: network).held }

    func publish() throws(SysError) { try addElements(elements, to: network.table) }

    func forgetPorts() { (ports, held) = ([], []) }

    /// The container's default route leads here from now on.
    public func becomeGateway(_ pidfd: borrowing Pidfd) throws(NetworkError) {
        isGateway = true
        try asking("set the default route of \(container)") { () throws(SysError) in
            var inside = try Inside.visit(pidfd) { () throws(SysError) in try NetlinkSocket(.route) }
            try inside.transact(defaultRoutes)
        }
    }

    /// The ports of another attachment lead here from now on: in one transaction, so that no connection is refused.
    public func takePorts(of other: Attachment) throws(NetworkError) {
        let leases = try Leases(network.leases)
        guard var old = try leases.lease(of: other.leased, link: other.link),
            var new = try leases.lease(of: leased, link: link)
        else { throw NetworkError("the lease of \(container) is gone") }
        let gone = other.elements.map(\.key)
        (ports, held) = (other.ports, other.held)
        other.forgetPorts()
        (new.ports, old.ports) = (ports, [])
        try leases.write(new)
        try leases.write(old)
        try asking("publish the ports of \(container)") { () throws(SysError) in
            try replaceElements(gone, with: elements, in: network.table)
        }
    }
}

/// Ports that go from one container to another.
extension Attachment {
    /// The published ports of another container lead here from now on, in one transaction: no connection is refused, and
    /// those that there are stay where they are. The other one still holds the sockets.
    public func takePorts(ofContainer other: String) throws(NetworkError) {
        let leases = try Leases(network.leases)
        let networks = try leases.networks().filter { $0.table == network.table }
        let old = try leases.all().filter { $0.container == other && !$0.ports.isEmpty }
        guard !old.isEmpty else { throw NetworkError("container \(other) has no published port") }
        guard var new = try leases.lease(of: leased, link: link) else {
            throw NetworkError("the lease of container \(container) is gone")
        }
        var gone: [PortKey] = []
        for lease in old {
            guard let network = networks.first(where: { $0.subnet.contains(lease.address) }) else { continue }
            gone += lease.elements(in: network).map(\.key)
        }
        let moved = old.flatMap(\.ports)
        let added = moved.flatMap { $0.elements(to: leased, leased6) }
        try asking("publish the ports of \(container)") { () throws(SysError) in
            try replaceElements(gone, with: added, in: network.table)
        }
        new.ports += moved
        try leases.write(new)
        for var lease in old {
            lease.ports = []
            try leases.write(lease)
        }
        ports = new.ports
    }

    /// What the lease says counts: ports that another container has taken are let go, and those that this one has taken
    /// are held as soon as they can be.
    public func settlePorts() throws(NetworkError) {
        guard let lease = try Leases(network.leases).lease(of: leased, link: link) else { return }
        if lease.ports.isEmpty { return forgetPorts() }
        guard lease.ports.count > held.count else { return }
        ports = lease.ports
        held = []  // ours alone: they are taken again at once
        try holdPorts()
    }
}

/// Takes host ports: those that the kernel chose and the first free ones of ranges are filled in.
func hold(
    _ ports: [PortMapping], on network: BridgeNetwork
) throws(NetworkError) -> (taken: [PortMapping], held: [HostPort]) {
    var (taken, held): ([PortMapping], [HostPort]) = ([], [])
    for mapping in ports {
        if mapping.hostAddress == .v6(IPv6(1).bytes) {
            throw NetworkError(
                "cannot publish \(mapping): the kernel forwards nothing that is for ::1; publish on 127.0.0.1"
            )
        }
        if case .v6? = mapping.hostAddress, network.subnet6 == nil {
            throw NetworkError(
                "cannot publish \(mapping): network \(network.name) has no IPv6 (make one with: apus network create "
                    + "--ipv6 --subnet fd00:1::/64 NAME)")
        }
        let own = try hold(mapping, with6: network.subnet6 != nil)
        held += own
        var exact = mapping
        (exact.hostPort, exact.lastHostPort) = (own[0].number, own[0].number)
        taken.append(exact)
    }
    return (taken, held)
}

/// One port, and where every address is meant and the network has IPv6 the same one there.
private func hold(_ mapping: PortMapping, with6: Bool) throws(NetworkError) -> [HostPort] {
    let prefix = "driver failed programming external connectivity on endpoint"
    // One that the kernel chooses may be taken in the other family.
    let numbers =
        mapping.hostPort == 0 ? Array(repeating: 0, count: 8) : Array(mapping.hostPort...mapping.lastHostPort)
    for number in numbers {
        do throws(SysError) {
            let first = try HostPort(
                address: mapping.hostAddress?.bytes ?? [0, 0, 0, 0], port: number, mapping.proto.transport)
            guard with6, mapping.hostAddress == nil else { return [first] }
            let zeros = [UInt8](repeating: 0, count: 16)
            return [first, try HostPort(address: zeros, port: first.number, mapping.proto.transport)]
        } catch {
            if error.errno == .addressInUse { continue }
            let hint = error.hint.map { " (\($0))" } ?? ""
            throw NetworkError(
                "\(prefix): Bind for \(mapping.hostText):\(number) failed: \(error.errno)\(hint)")
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
