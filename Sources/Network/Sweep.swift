public import Linux

/// Frees what dead containers left behind: elements, links, addresses. `isAlive` is asked for each container
/// id once; an attached container that is being made must count as alive.
public func sweepNetwork(_ network: BridgeNetwork, isAlive: (String) throws(SysError) -> Bool)
    throws(NetworkError)
{
    let leases = try Leases(network)
    let all = try leases.all(in: network.subnet)
    var alive: [String: Bool] = [:]
    for lease in all where alive[lease.container] == nil {
        if lease.container.isEmpty { continue }
        alive[lease.container] = try asking("look for container \(lease.container.prefix(12))") {
            () throws(SysError) in try isAlive(lease.container)
        }
    }
    let dead = all.filter { alive[$0.container] != true }
    if dead.isEmpty { return }
    // A port of a dead container may be another one's by now.
    let living = Set(all.filter { alive[$0.container] == true }.flatMap(\.ports).compactMap(PortKey.init))
    let stale = dead.flatMap(\.ports).compactMap(PortKey.init).filter { !living.contains($0) }
    try asking("unpublish ports of dead containers") { () throws(SysError) in
        try removeElements(stale, from: network.table)
    }
    for lease in dead {
        if !lease.link.isEmpty {
            try asking("remove link \(lease.link)") { () throws(SysError) in _ = try removeLink(lease.link) }
        }
        try leases.remove(lease.address)
    }
}
