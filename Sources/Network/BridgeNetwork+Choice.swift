import Linux
import OCI
public import SystemPackage

/// Choosing the default network's subnet, once for each engine.
extension BridgeNetwork {
    /// The engine's default network as `records/bridge.json` says; chosen and written when there is none. A mere look
    /// (`isLook`) writes nothing, and sees what would be chosen now.
    /// `suffix` is nil for the engine with the usual root, else 8 hex digits that tell engines apart.
    public static func standard(
        suffix: String?, plan: AddressPlan = AddressPlan(), records: FilePath, leases: FilePath,
        isLook: Bool = false
    ) throws(NetworkError) -> BridgeNetwork {
        if let suffix, suffix.utf8.count != 8 || UInt32(suffix, radix: 16) == nil {
            throw NetworkError("network suffix \"\(suffix)\" is not 8 hex digits")
        }
        let found = try asking("open \(records)") { () throws(SysError) in
            isLook ? try FD.directoryIfThere(records) : try FD.directory(records, make: true)
        }
        guard let directory = found else { return try choose(suffix: suffix, plan, leases: leases) }
        if let network = try recorded(in: directory) { return network.keeping(leases) }
        if isLook { return try choose(suffix: suffix, plan, leases: leases) }
        let lock = try asking("lock \(records)") { () throws(SysError) in
            let lock = try directory.open(
                "bridge.lock", [.readWrite, .create, .noFollow], mode: 0o600, resolve: .beneath)
            try lock.lock()
            return lock
        }
        if let network = try recorded(in: directory) { return network.keeping(leases) }
        let network = try choose(suffix: suffix, plan, leases: leases)
        try asking("record the network") { () throws(SysError) in
            try directory.replace(file, with: network.json.bytes)
        }
        _ = consume lock  // held to here
        return network
    }

    private static var file: FilePath { "bridge.json" }

    private static func recorded(in directory: borrowing FD) throws(NetworkError) -> BridgeNetwork? {
        let raw = try asking("read bridge.json") { () throws(SysError) in
            try directory.contents(of: file, limit: 65536)
        }
        guard let raw else { return nil }
        do throws(JSONError) {
            return try BridgeNetwork(JSON(parsing: raw))
        } catch {
            throw NetworkError("bridge.json is damaged: \(error); remove it when no container runs")
        }
    }

    private static func choose(
        suffix: String?, _ plan: AddressPlan, leases: FilePath
    ) throws(NetworkError) -> BridgeNetwork {
        let name = suffix.map { "apus-\($0)" }
        var chosen = plan.bridgeSubnet
        if chosen == nil { chosen = try free(subnetCandidates(suffix: suffix), plan, []) }
        guard let subnet = chosen else {
            throw NetworkError(
                plan.pools.isEmpty
                    ? "every private subnet we could use is routed by this host already (name another as bip)"
                    : "every subnet of default-address-pools is routed by this host already (add a pool to it, or bip)"
            )
        }
        var network = BridgeNetwork(
            name: "bridge", link: name ?? "apus0", table: name ?? "apus", subnet: subnet, leases: leases)
        if let gateway = plan.bridgeGateway { network.gateway = gateway }
        if plan.bridgeHasIPv6 {
            // No two hosts have the same, as long as they have an id.
            let host = (try? FD.open("/etc/machine-id").readAll(limit: 64)) ?? []
            network.subnet6 =
                plan.bridgeSubnet6
                ?? localSubnet6(id: String(decoding: host, as: UTF8.self) + network.link)
        }
        return network
    }

    /// A subnet for one more network: none that this host routes, and none of `taken`; nil when all are.
    public static func freeSubnet(
        suffix: String?, plan: AddressPlan, taken: [IPv4Subnet]
    ) throws(NetworkError) -> IPv4Subnet? {
        if suffix != nil { return try free(subnetCandidates(suffix: suffix), plan, taken) }
        // docker's own order.
        let large = (17...31).map { IPv4Subnet(base: IPv4(172 << 24 | $0 << 16), length: 16) }
        let small = (0..<16).map { IPv4Subnet(base: IPv4(192 << 24 | 168 << 16 | $0 << 12), length: 20) }
        return try free(large + small, plan, taken)
    }

    /// The first of the plan's subnets that is free, of ours where it has none.
    private static func free(
        _ own: [IPv4Subnet], _ plan: AddressPlan, _ taken: [IPv4Subnet]
    ) throws(NetworkError) -> IPv4Subnet? {
        let ranges = try asking("list the host's routes") { () throws(SysError) in try Route.rangesInUse() }
        let used = taken + ranges.compactMap { IPv4Subnet(IPv4($0.base), prefix: $0.prefix) }
        return plan.pools.isEmpty ? firstFree(own, used: used) : firstFree(plan.subnets, used: used)
    }

    /// A subnet of unique local addresses (RFC 4193) for the network with this id.
    public static func localSubnet6(id: String) -> IPv6Subnet {
        let digest = SHA256.hex(of: Array(id.utf8)).prefix(10)
        let number = UInt128(digest, radix: 16) ?? 0
        return IPv6Subnet(IPv6(0xfd << 120 | number << 80), prefix: 64)
            ?? IPv6Subnet(base: IPv6(0), length: 64)
    }

    /// The first candidate without an address in common with what is used.
    static func firstFree(_ candidates: some Sequence<IPv4Subnet>, used: [IPv4Subnet]) -> IPv4Subnet? {
        candidates.first { candidate in !used.contains { $0.overlaps(candidate) } }
    }

    /// In the order they are tried: /16 of 172.30, 172.29 ... for the usual engine; for another /20 below
    /// 10.64.0.0/10, beginning where its suffix says.
    static func subnetCandidates(suffix: String?) -> [IPv4Subnet] {
        guard let suffix, let hash = UInt32(suffix, radix: 16) else {
            let second = [30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 31] as [UInt32]
            return second.map { IPv4Subnet(base: IPv4(172 << 24 | $0 << 16), length: 16) }
                + (200...250).map { IPv4Subnet(base: IPv4(10 << 24 | $0 << 16), length: 16) }
        }
        return (0..<1024).map { step in
            IPv4Subnet(base: IPv4(10 << 24 | 64 << 16 | ((hash &+ step) & 1023) << 12), length: 20)
        }
    }

    /// A record that was moved with its engine's root still finds its leases.
    public func keeping(_ leases: FilePath) -> BridgeNetwork {
        var copy = BridgeNetwork(name: name, link: link, table: table, subnet: subnet, leases: leases)
        (copy.id, copy.gateway, copy.range, copy.reserved) = (id, gateway, range, reserved)
        (copy.subnet6, copy.gateway6, copy.isInternal) = (subnet6, gateway6, isInternal)
        (copy.masquerades, copy.mtu) = (masquerades, mtu)
        return copy
    }
}
