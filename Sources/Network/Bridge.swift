import Linux
import SystemPackage

/// The host's side of a network: made when the first container comes, and again when somebody removed it.
extension BridgeNetwork {
    /// Makes table and bridge where they are missing; the caller holds the network's lock. The table comes
    /// first, so that no bridge is ever without its guard.
    func ensure() throws(NetworkError) {
        try ensureTable()
        if Route.index(of: link) == nil { try makeBridge() }
    }

    private func ensureTable() throws(NetworkError) {
        try asking("make the nftables table \(table)") { () throws(SysError) in
            var socket = try NetlinkSocket(.netfilter)
            do throws(SysError) {
                _ = try socket.request(Nftables.findTable(table))
            } catch {
                guard error.errno == .noSuchFileOrDirectory else { throw error }
                try socket.transactAtOnce(Rules(network: self).table())
            }
        }
    }

    private func makeBridge() throws(NetworkError) {
        let address = gateway.bytes
        try asking("make the bridge \(link)") { () throws(SysError) in
            var socket = try NetlinkSocket(.route)
            try socket.transact([Route.makeBridge(link, mac: mac(of: gateway))])
            do throws(SysError) {
                guard let index = Route.index(of: link) else {
                    throw SysError(call: "if_nametoindex", subject: link, errno: .noSuchFileOrDirectory)
                }
                try setSysctl("ipv6/conf/\(link)/disable_ipv6", "1", optional: true)
                try setSysctl("ipv4/conf/\(link)/route_localnet", "1")
                try setSysctl("ipv4/ip_forward", "1")
                let give = Route.addAddress(
                    address, prefix: subnet.prefix, broadcast: subnet.broadcast.bytes, index: index)
                try socket.transact([give, Route.raise(link)])
            } catch {
                _ = try? socket.transact([Route.remove(link)])  // the first error is the one to report
                throw error
            }
        }
    }
}

/// Removes a network's bridge and table. Containers still attached lose their link.
public func removeNetwork(_ network: BridgeNetwork) throws(NetworkError) {
    let leases = try Leases(network)
    try asking("remove network \(network.name)") { () throws(SysError) in
        try removeLink(network.link)
        var socket = try NetlinkSocket(.netfilter)
        do throws(SysError) {
            try socket.transactAtOnce([Nftables.removeTable(network.table)])
        } catch {
            guard error.errno == .noSuchFileOrDirectory else { throw error }
        }
    }
    _ = leases  // the lock is held to here
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
