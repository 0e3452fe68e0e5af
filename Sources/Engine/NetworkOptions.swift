import Linux
public import Network
import OCI
import SystemPackage

/// What `network create` was given.
public struct NetworkOptions: Equatable, Sendable {
    public var name: String
    public var subnet: IPv4Subnet?
    public var subnet6: IPv6Subnet?
    public var range: IPv4Subnet?
    public var gateway: IPv4?
    public var gateway6: IPv6?
    public var reserved: [IPv4] = []
    public var isInternal = false
    public var isAttachable = false
    public var hasIPv6 = false
    public var labels: [String: String] = [:]
    /// The driver's, as they were typed.
    public var options: [String: String] = [:]

    /// A network with whatever subnet is free.
    public init(name: String) { self.name = name }

    /// docker's names of containers, which are safe in paths and in the name service.
    static func isValid(_ name: String) -> Bool { ContainerName.isValid(name) }

    /// The bridge's name when it was chosen.
    var link: String? {
        get throws {
            guard let name = options["com.docker.network.bridge.name"] else { return nil }
            let isLink =
                (1...15).contains(name.utf8.count) && ![".", "..", "lo", "all", "default"].contains(name)
                && name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != 0x2f && $0 != 0x3a }
            guard isLink else { throw EngineError("\"\(name)\" is not the name of a link", exitCode: 1) }
            guard Route.index(of: name) == nil else {
                throw EngineError("there is a link \(name) already: choose another name", exitCode: 1)
            }
            return name
        }
    }

    /// Takes one `--subnet`, `--gateway` or `--ip-range` of either family; docker's texts.
    public mutating func add(subnet text: String) throws(UsageError) {
        if let found = IPv4Subnet(text) {
            guard subnet == nil else {
                throw UsageError("multiple overlapping subnet configuration is not supported")
            }
            guard (8...30).contains(found.prefix) else {
                throw UsageError("subnet \(text) is not supported: choose a prefix from /8 to /30")
            }
            subnet = found
        } else if let found = IPv6Subnet(text) {
            guard subnet6 == nil else { throw UsageError("only one IPv6 subnet is supported") }
            subnet6 = found
        } else {
            throw UsageError("invalid subnet \(text): invalid CIDR block notation")
        }
    }

    public mutating func add(gateway text: String) throws(UsageError) {
        if let found = IPv4(text) {
            gateway = found
        } else if let found = IPv6(text) {
            gateway6 = found
        } else {
            throw UsageError("invalid gateway address: \(text)")
        }
    }

    /// Reads `--ip-range`.
    public mutating func add(range text: String) throws(UsageError) {
        guard let found = IPv4Subnet(text) else {
            throw UsageError("invalid IP range \(text): invalid CIDR block notation")
        }
        range = found
    }

    /// Reads `--aux-address`, `name=address`.
    public mutating func add(reserved text: String) throws(UsageError) {
        let value = text.split(separator: "=", maxSplits: 1).last.map(String.init) ?? ""
        guard text.contains("="), let address = IPv4(value) else {
            throw UsageError("invalid auxiliary address: \(text)")
        }
        reserved.append(address)
    }

    /// What must fit together.
    public func check() throws(UsageError) {
        func matches(_ text: String, _ isIn: Bool?) throws(UsageError) {
            guard isIn == true else { throw UsageError("no matching subnet for \(text)") }
        }
        if let gateway { try matches("gateway \(gateway)", subnet?.contains(gateway)) }
        if let gateway6 { try matches("gateway \(gateway6)", subnet6?.contains(gateway6)) }
        if let range {
            try matches("range \(range)", subnet.map { $0.contains(range.base) && range.prefix >= $0.prefix })
        }
        for address in reserved { try matches("aux-address \(address)", subnet?.contains(address)) }
        if subnet6 != nil, !hasIPv6 {
            throw UsageError("an IPv6 subnet needs --ipv6")
        }
    }

    func bridge(
        id: String, link: String, table: String, paths: EnginePaths, others: [BridgeNetwork]
    ) throws -> BridgeNetwork {
        let taken = others.map(\.subnet)
        if let subnet, taken.contains(where: { $0.overlaps(subnet) }) { throw Self.overlap }
        let free = { () throws(NetworkError) in
            try BridgeNetwork.freeSubnet(suffix: paths.suffix, plan: paths.addresses, taken: taken)
        }
        guard let own = try subnet ?? free() else {
            throw EngineError(
                "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the "
                    + "network", exitCode: 1)
        }
        var bridge = BridgeNetwork(name: name, link: link, table: table, subnet: own, leases: paths.leases)
        (bridge.id, bridge.range, bridge.reserved, bridge.isInternal) = (id, range, reserved, isInternal)
        if let gateway { bridge.gateway = gateway }
        if hasIPv6 {
            let subnet6 = subnet6 ?? BridgeNetwork.localSubnet6(id: id)
            if others.contains(where: { $0.subnet6?.overlaps(subnet6) == true }) { throw Self.overlap }
            guard 128 - Int(subnet6.prefix) >= 32 - Int(own.prefix) else {
                throw EngineError(
                    "subnet \(subnet6) has fewer addresses than \(own): choose a larger one", exitCode: 1)
            }
            (bridge.subnet6, bridge.gateway6) = (subnet6, gateway6)
        }
        try apply(to: &bridge)
        return bridge
    }

    private static let overlap = EngineError(
        "invalid pool request: Pool overlaps with other one on this address space", exitCode: 1)

    /// The options of docker's bridge driver; what would change something and is not known is refused.
    private func apply(to bridge: inout BridgeNetwork) throws {
        for (key, value) in options {
            switch key {
            case "com.docker.network.bridge.name": break
            case "com.docker.network.bridge.enable_ip_masquerade":
                bridge.masquerades = try bool(key, value)
            case "com.docker.network.bridge.enable_icc", "com.docker.network.bridge.gateway_mode_ipv4",
                "com.docker.network.bridge.gateway_mode_ipv6", "com.docker.network.bridge.host_binding_ipv4",
                "com.docker.network.bridge.default_bridge":
                let isStandard = value == "true" && key.hasSuffix("icc") || value == "nat"
                guard isStandard else {
                    throw EngineError("option \(key)=\(value) is not supported yet", exitCode: 1)
                }
            case "com.docker.network.driver.mtu":
                guard let mtu = UInt32(value), (68...65535).contains(mtu) else {
                    throw EngineError(
                        "invalid value for \(key): \(value) is not a number from 68 to 65535", exitCode: 1)
                }
                bridge.mtu = mtu
            default: break  // docker keeps what it does not know, for others to read
            }
        }
    }

    private func bool(_ key: String, _ value: String) throws -> Bool {
        switch value.lowercased() {
        case "true", "1", "t": true
        case "false", "0", "f": false
        default: throw EngineError("invalid value for \(key): \"\(value)\" is not a boolean", exitCode: 1)
        }
    }
}
