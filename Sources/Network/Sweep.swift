public import Linux
public import SystemPackage

/// Frees what dead containers left behind: elements, links, addresses. `isAlive` is asked for each container
/// id once; an attached container that is being made must count as alive.
public func sweepNetworks(leases path: FilePath, isAlive: (String) throws(SysError) -> Bool)
    throws(NetworkError)
{
    let leases = try Leases(path)
    let all = try leases.all()
    var alive: [String: Bool] = [:]
    for lease in all where alive[lease.container] == nil {
        if lease.container.isEmpty { continue }
        alive[lease.container] = try asking("look for container \(lease.container.prefix(12))") {
            () throws(SysError) in try isAlive(lease.container)
        }
    }
    let dead = all.filter { alive[$0.container] != true }
    if dead.isEmpty { return }
    let networks = try leases.networks()
    func keys(_ leases: [Leases.Lease], of network: BridgeNetwork) -> [PortKey] {
        leases.filter { network.subnet.contains($0.address) }.flatMap { $0.elements(in: network) }.map(\.key)
    }
    for network in networks {
        // A port of a dead container may be another one's by now.
        let living = Set(networks.flatMap { keys(all.filter { alive[$0.container] == true }, of: $0) })
        let stale = keys(dead, of: network).filter { !living.contains($0) }
        try asking("unpublish ports of dead containers") { () throws(SysError) in
            try removeElements(stale, from: network.table)
        }
    }
    for lease in dead {
        if !lease.link.isEmpty {
            try asking("remove link \(lease.link)") { () throws(SysError) in _ = try removeLink(lease.link) }
        }
        if let network = networks.first(where: { $0.subnet.contains(lease.address) }), network.hasNames {
            let address6 = lease.address6 ?? network.address6(with: lease.address)
            try asking("forget the names of a dead container") { () throws(SysError) in
                try NameTable(network).remove(lease.names, lease.address, address6)
            }
        }
        try leases.remove(lease.address)
    }
}
