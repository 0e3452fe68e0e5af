import Linux
import SystemPackage

/// The host's side of a network: made when the first container comes, and again when somebody removed it.
extension BridgeNetwork {
    /// The host's IPv6 address on the bridge, where the network has IPv6.
    public var hostAddress6: IPv6? { gateway6 ?? address6(with: gateway) }

    /// Makes table and bridge where they are missing; the caller holds the network's lock. The table comes
    /// first, so that no bridge is ever without its guard.
    func ensure(_ leases: borrowing Leases) throws(NetworkError) {
        let isNew = try leases.add(self)
        let whole = try asking("look at the nftables table \(table)") { () throws(SysError) in
            try Guard(table).isWhole(for: [self])
        }
        if isNew || !whole { try Guard(table).rebuild(leases) }
        if Route.index(of: link) == nil { try makeBridge() }
    }

    private func makeBridge() throws(NetworkError) {
        try asking("make the bridge \(link)") { () throws(SysError) in
            var socket = try NetlinkSocket(.route)
            try socket.transact([Route.makeBridge(link, mac: mac(of: gateway), mtu: mtu)])
            do throws(SysError) {
                guard let index = Route.index(of: link) else {
                    throw SysError(call: "if_nametoindex", subject: link, errno: .noSuchFileOrDirectory)
                }
                try setSysctls()
                var plan = [
                    Route.addAddress(
                        gateway.bytes, prefix: subnet.prefix, broadcast: subnet.last.bytes, index: index)
                ]
                if let hostAddress6, let subnet6 {
                    plan.append(
                        Route.addAddress(hostAddress6.bytes, prefix: subnet6.prefix, index: index))
                }
                try socket.transact(plan + [Route.raise(link)])
            } catch {
                _ = try? socket.transact([Route.remove(link)])  // the first error is the one to report
                throw error
            }
        }
    }

    private func setSysctls() throws(SysError) {
        try setSysctl("ipv6/conf/\(link)/accept_ra", "0", optional: true)
        try setSysctl("ipv6/conf/\(link)/disable_ipv6", subnet6 == nil ? "1" : "0", optional: subnet6 == nil)
        try setSysctl("ipv4/conf/\(link)/route_localnet", "1")
        try setSysctl("ipv4/ip_forward", "1")
        if subnet6 != nil { try forwardIPv6() }
    }
}

/// A host that forwards does not listen to routers any more (accept_ra 1) unless it is told to in spite of that.
private func forwardIPv6() throws(SysError) {
    let now = try FD.open("/proc/sys/net/ipv6/conf/all/forwarding").readAll(limit: 16)
    if now.first == UInt8(ascii: "1") { return }
    for (name, _) in try FD.open("/proc/sys/net/ipv6/conf", [.readOnly, .directory]).entries() {
        let file = FilePath("/proc/sys/net/ipv6/conf").appending(name.components).appending("accept_ra")
        // A link that goes away meanwhile listens to nobody.
        guard let value = try? FD.open(file).readAll(limit: 16), value.first == UInt8(ascii: "1") else {
            continue
        }
        _ = try? FD.open(file, .writeOnly).writeAll([UInt8(ascii: "2")])
    }
    try setSysctl("ipv6/conf/all/forwarding", "1")
}

/// Removes a network's bridge and what the table knows of it, and the table with the last one. Containers still
/// attached lose their link.
public func removeNetwork(_ network: BridgeNetwork) throws(NetworkError) {
    let leases = try Leases(network.leases)
    guard try !leases.all().contains(where: { network.subnet.contains($0.address) }) else {
        throw NetworkError("error while removing network: network \(network.name) has active endpoints")
    }
    try asking("remove network \(network.name)") { () throws(SysError) in _ = try removeLink(network.link) }
    try leases.remove(network)
    if try leases.networks().contains(where: { $0.table == network.table }) {
        return try Guard(network.table).rebuild(leases)
    }
    try asking("remove the nftables table \(network.table)") { () throws(SysError) in
        try Guard(network.table).remove()
    }
}

/// Names a chain of another table that drops forwarded packets unless a rule of its own lets them pass: a
/// published port is dead then, whatever our rules say. Rules of iptables-legacy are not seen.
public func foreignForwardDrop() throws(NetworkError) -> String? {
    let chains = try asking("list nftables chains") { () throws(SysError) in try Nftables.baseChains() }
    let found = chains.first { chain in
        chain.drops && chain.hook == Nftables.Hook.forward.rawValue && [1, 2].contains(chain.family)
    }
    return found.map { "table \($0.family == 1 ? "inet" : "ip") \($0.table), chain \($0.name)" }
}

/// Removes a link; true when there was one.
@discardableResult
func removeLink(_ name: String) throws(SysError) -> Bool {
    var socket = try NetlinkSocket(.route)
    do {
        try socket.transact([Route.remove(name)])
        return true
    } catch {
        if error.errno == Errno(rawValue: 19) { return false }  // ENODEV
        throw error
    }
}

/// A locally administered Ethernet address that goes with an IPv4 one, so that neighbours who remember it are
/// never wrong.
func mac(of address: IPv4) -> [UInt8] { [0x02, 0x42] + address.bytes }

/// Writes below /proc/sys/net, of the network namespace that the process is in now.
func setSysctl(_ name: String, _ value: String, optional: Bool = false) throws(SysError) {
    do {
        try FD.open(FilePath("/proc/sys/net/\(name)"), .writeOnly).writeAll(Array(value.utf8))
    } catch {
        if optional, error.errno == .noSuchFileOrDirectory { return }
        throw SysError(call: error.call, subject: "net/\(name)", errno: error.errno)
    }
}
