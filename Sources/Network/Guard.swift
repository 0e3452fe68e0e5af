import Linux
import OCI
public import SystemPackage

/// The engine's table as it is in the kernel now.
struct Guard {
    let rules: Rules

    init(_ table: String) { rules = Rules(table: table) }

    /// Whether every chain has the rules that it was made with, and the sets know these bridges. Somebody who flushes
    /// the table leaves it there, empty: then everything passes.
    func isWhole(for networks: [BridgeNetwork]) throws(SysError) -> Bool {
        var socket = try NetlinkSocket(.netfilter)
        for chain in Rules.chains {
            let uses = try Nftables.uses(of: chain.name, in: rules.table, using: &socket)
            guard uses == UInt32(chain.rules.count) else { return false }
        }
        for network in networks {
            let key = padded(network.link)
            guard try Nftables.has(key, in: Rules.bridges.name, of: rules.table, using: &socket) else {
                return false
            }
        }
        return true
    }

    /// Makes it anew in one transaction, with every network and published port that the leases tell of. No packet
    /// sees it missing. The caller holds the lock of the leases.
    func rebuild(_ leases: borrowing Leases) throws(NetworkError) {
        let networks = try leases.networks().filter { $0.table == rules.table }
        var messages = rules.messages() + networks.flatMap { members(of: $0) }
        var elements: [PortKey: [UInt8]] = [:]
        // The younger lease has a port that two tell of: the older one's container has lost it.
        for lease in try leases.all().sorted(by: { $0.written < $1.written }) {
            guard let network = networks.first(where: { $0.subnet.contains(lease.address) }) else { continue }
            for (key, target) in lease.elements(in: network) { elements[key] = target }
        }
        for map in [Rules.addressed4, Rules.everywhere4, Rules.addressed6, Rules.everywhere6] {
            let own = elements.filter { $0.key.map == map }.map { NftElement($0.key.bytes, $0.value) }
            for start in stride(from: 0, to: own.count, by: 500) {
                let part = Array(own[start..<min(start + 500, own.count)])
                messages.append(Nftables.addElements(part, to: map.name, in: rules.table))
            }
        }
        try asking("make the nftables table \(rules.table)") { () throws(SysError) in
            var socket = try NetlinkSocket(.netfilter)
            try socket.transactAtOnce(messages)
        }
    }

    func remove() throws(SysError) {
        var socket = try NetlinkSocket(.netfilter)
        do throws(SysError) {
            try socket.transactAtOnce([Nftables.removeTable(rules.table)])
        } catch {
            guard error.errno == .noSuchFileOrDirectory else { throw error }
        }
    }

    /// What the sets say of one network.
    private func members(of network: BridgeNetwork) -> [NetlinkMessage] {
        let link = padded(network.link)
        var sets: [(Rules.Container, [NftElement])] = [
            (Rules.bridges, [NftElement(link)]), (Rules.pairs, [NftElement(link + link)]),
            (Rules.subnets4, interval(network.subnet)),
        ]
        if network.isInternal { sets.append((Rules.enclosed, [NftElement(link)])) }
        if network.masquerades { sets.append((Rules.leaving4, interval(network.subnet))) }
        if let subnet = network.subnet6 {
            sets.append((Rules.subnets6, interval(subnet)))
            if network.masquerades { sets.append((Rules.leaving6, interval(subnet))) }
        }
        return sets.map { Nftables.addElements($0.1, to: $0.0.name, in: rules.table) }
    }

    private func interval(_ subnet: IPv4Subnet) -> [NftElement] {
        let (behind, isNone) = subnet.last.number.addingReportingOverflow(1)
        let end = isNone ? [] : [NftElement(IPv4(behind).bytes, endsInterval: true)]
        return [NftElement(subnet.base.bytes)] + end
    }

    private func interval(_ subnet: IPv6Subnet) -> [NftElement] {
        let (behind, isNone) = subnet.last.number.addingReportingOverflow(1)
        let end = isNone ? [] : [NftElement(IPv6(behind).bytes, endsInterval: true)]
        return [NftElement(subnet.base.bytes)] + end
    }
}

/// Makes the engine's nftables table again where somebody has flushed or removed it, with every network and published
/// port; true when that was necessary. A look that costs some microseconds when all is well.
@discardableResult
public func repairNetworks(leases: FilePath) throws(NetworkError) -> Bool {
    guard let found = try Leases.networks(at: leases), !found.isEmpty else { return false }
    var isRepaired = false
    for table in Set(found.map(\.table)) {
        let own = found.filter { $0.table == table }
        if try isWhole(table, own) { continue }
        let locked = try Leases(leases)
        if try isWhole(table, own) { continue }  // another command was faster
        try Guard(table).rebuild(locked)
        isRepaired = true
    }
    return isRepaired
}

private func isWhole(_ table: String, _ networks: [BridgeNetwork]) throws(NetworkError) -> Bool {
    try asking("look at the nftables table \(table)") { () throws(SysError) in
        try Guard(table).isWhole(for: networks)
    }
}

/// A published port as an element: which map, its key. Every part is padded to 4 bytes.
struct PortKey: Hashable {
    let map: Rules.Container
    let bytes: [UInt8]

    func hash(into hasher: inout Hasher) {
        hasher.combine(map.id)
        hasher.combine(bytes)
    }
}

extension PortMapping {
    /// The elements that lead to a container with these addresses.
    func elements(to address: IPv4, _ address6: IPv6?) -> [(key: PortKey, target: [UInt8])] {
        let number: [UInt8] = [proto.number, 0, 0, 0]
        let target4 = address.bytes + portBytes(containerPort)
        let target6 = address6.map { $0.bytes + portBytes(containerPort) }
        let everywhere6 = target6.map {
            (key: PortKey(map: Rules.everywhere6, bytes: number + portBytes(hostPort)), target: $0)
        }
        switch hostAddress {
        case .none:
            let key = PortKey(map: Rules.everywhere4, bytes: number + portBytes(hostPort))
            return [(key, target4)] + (everywhere6.map { [$0] } ?? [])
        case .v4(let own):
            let key = PortKey(map: Rules.addressed4, bytes: number + own.bytes + portBytes(hostPort))
            return [(key, target4)]
        case .v6(let own):
            guard let target6 else { return [] }
            if own.allSatisfy({ $0 == 0 }) { return everywhere6.map { [$0] } ?? [] }
            return [(PortKey(map: Rules.addressed6, bytes: number + own + portBytes(hostPort)), target6)]
        }
    }
}

/// A port in network order, padded.
private func portBytes(_ port: UInt16) -> [UInt8] { [UInt8(port >> 8), UInt8(port & 0xff), 0, 0] }

/// Adds elements in one transaction. An element that a dead container left with our key is replaced: its port is ours,
/// for we hold it.
func addElements(_ elements: [(key: PortKey, target: [UInt8])], to table: String) throws(SysError) {
    if elements.isEmpty { return }
    let add = elements.map {
        Nftables.addElements([NftElement($0.key.bytes, $0.target)], to: $0.key.map.name, in: table)
    }
    var socket = try NetlinkSocket(.netfilter)
    do {
        try socket.transactAtOnce(add)
    } catch {
        guard error.errno == .fileExists else { throw error }
        // The batch failed as a whole, and its socket may hold answers still.
        try removeElements(elements.map(\.key), from: table)
        var again = try NetlinkSocket(.netfilter)
        try again.transactAtOnce(add)
    }
}

/// Removes elements, all at once when all are there, else those that are.
func removeElements(_ keys: [PortKey], from table: String) throws(SysError) {
    if keys.isEmpty { return }
    let remove = keys.map {
        Nftables.removeElements([NftElement($0.bytes)], from: $0.map.name, in: table)
    }
    var all = try NetlinkSocket(.netfilter)
    do {
        return try all.transactAtOnce(remove)
    } catch {
        guard error.errno == .noSuchFileOrDirectory else { throw error }
    }
    for message in remove {
        var one = try NetlinkSocket(.netfilter)
        do {
            try one.transactAtOnce([message])
        } catch {
            guard error.errno == .noSuchFileOrDirectory else { throw error }
        }
    }
}

/// Removes elements and adds others at once: no packet finds neither.
func replaceElements(
    _ gone: [PortKey], with elements: [(key: PortKey, target: [UInt8])], in table: String
) throws(SysError) {
    if gone.isEmpty, elements.isEmpty { return }
    var socket = try NetlinkSocket(.netfilter)
    try socket.transactAtOnce(
        gone.map { Nftables.removeElements([NftElement($0.bytes)], from: $0.map.name, in: table) }
            + elements.map {
                Nftables.addElements([NftElement($0.key.bytes, $0.target)], to: $0.key.map.name, in: table)
            })
}
