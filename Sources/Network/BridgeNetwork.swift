public import OCI
public import SystemPackage

/// A bridge with a private subnet, and what of the engine's nftables table is about it.
public struct BridgeNetwork: Equatable, Sendable {
    /// The user's name for it.
    public let name: String
    /// The bridge's link, at most 15 bytes.
    public let link: String
    /// The table of family inet, of all networks of this engine.
    public let table: String
    /// Its addresses.
    public let subnet: IPv4Subnet
    /// The directory of leases, of every network of this engine.
    public let leases: FilePath
    /// 64 hexadecimal digits; empty for one that no user sees.
    public var id = ""
    /// The host's address on the bridge.
    public var gateway: IPv4
    /// Where addresses are taken from that nobody asked for; nil is the whole subnet.
    public var range: IPv4Subnet?
    /// Addresses that belong to others.
    public var reserved: [IPv4] = []
    /// Of a network with IPv6.
    public var subnet6: IPv6Subnet?
    /// The host's IPv6 address on the bridge, the subnet's first unless it was chosen.
    public var gateway6: IPv6?
    /// Nothing goes in or out, and containers have no default route.
    public var isInternal = false
    /// Containers leave with the host's address.
    public var masquerades = true
    /// Of the bridge and what is connected to it; nil is the kernel's.
    public var mtu: UInt32?

    /// A network of its parts; nothing of it is made before the first container. The gateway is the subnet's first
    /// address.
    public init(name: String, link: String, table: String, subnet: IPv4Subnet, leases: FilePath) {
        (self.name, self.link, self.table, self.subnet) = (name, link, table, subnet)
        self.leases = leases
        gateway = IPv4(subnet.base.number + 1)
    }

    /// The IPv6 address that goes with an IPv4 one: as far from the subnet's base. The gateway's is the gateway's.
    func address6(with address: IPv4) -> IPv6? {
        subnet6.map { IPv6($0.base.number | UInt128(address.number - subnet.base.number)) }
    }
}

/// For our own records.
extension BridgeNetwork {
    public var json: JSON {
        .fields([
            "name": .string(name), "link": .string(link), "table": .string(table),
            "subnet": .string("\(subnet)"), "gateway": .string("\(gateway)"),
            "leases": .string(leases.string), "id": id.isEmpty ? nil : .string(id),
            "range": range.map { .string("\($0)") },
            "reserved": reserved.isEmpty ? nil : .array(reserved.map { .string("\($0)") }),
            "subnet6": subnet6.map { .string("\($0)") }, "gateway6": gateway6.map { .string("\($0)") },
            "internal": isInternal ? .bool(true) : nil, "masquerade": masquerades ? nil : .bool(false),
            "mtu": mtu.map { .int(Int64($0)) },
        ])
    }

    /// Reads a record.
    public init(_ json: JSON) throws(JSONError) {
        let link = try json.requireString("link")
        guard (1...15).contains(link.utf8.count), !link.utf8.contains(0), !link.contains("/") else {
            throw JSONError("link \"\(link)\" is not the name of a link")
        }
        let text = try json.requireString("subnet")
        guard let subnet = IPv4Subnet(text), (8...30).contains(subnet.prefix) else {
            throw JSONError("subnet \"\(text)\" is not a subnet of /8 to /30")
        }
        self.init(
            name: try json.requireString("name"), link: link, table: try json.requireString("table"),
            subnet: subnet, leases: FilePath(try json.requireString("leases")))
        id = try json.optionalString("id") ?? ""
        gateway = try BridgeNetwork.optional(json, "gateway") { IPv4($0) } ?? gateway
        range = try BridgeNetwork.optional(json, "range") { IPv4Subnet($0) }
        for text in try json.stringsOrEmpty("reserved") {
            guard let address = IPv4(text) else {
                throw JSONError("reserved \"\(text)\" is not an address")
            }
            reserved.append(address)
        }
        subnet6 = try BridgeNetwork.optional(json, "subnet6") { IPv6Subnet($0) }
        gateway6 = try BridgeNetwork.optional(json, "gateway6") { IPv6($0) }
        isInternal = try json.optionalBool("internal") ?? false
        masquerades = try json.optionalBool("masquerade") ?? true
        mtu = try json.optionalInt("mtu").flatMap { UInt32(exactly: $0) }
        guard subnet.contains(gateway), range.map({ subnet.contains($0.base) }) ?? true else {
            throw JSONError("the gateway or the range of addresses is not in \(subnet)")
        }
        if let subnet6, 128 - Int(subnet6.prefix) < 32 - Int(subnet.prefix) {
            throw JSONError("subnet6 \"\(subnet6)\" has fewer addresses than \(subnet)")
        }
    }

    private static func optional<Value>(
        _ json: JSON, _ member: String, _ read: (String) -> Value?
    ) throws(JSONError) -> Value? {
        guard let text = try json.optionalString(member) else { return nil }
        guard let value = read(text) else { throw JSONError("\(member) \"\(text)\" cannot be read") }
        return value
    }
}
