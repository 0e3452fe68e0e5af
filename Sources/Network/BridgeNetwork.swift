public import OCI
public import SystemPackage

/// A bridge with a private subnet, and the nftables table that guards it.
public struct BridgeNetwork: Equatable, Sendable {
    /// The user's name for it.
    public let name: String
    /// The bridge's link, at most 15 bytes.
    public let link: String
    /// The table of family inet.
    public let table: String
    /// Its addresses.
    public let subnet: IPv4Subnet
    /// The directory of leases, of every network of this engine.
    public let leases: FilePath

    /// A network of its parts; nothing of it is made before the first container.
    public init(name: String, link: String, table: String, subnet: IPv4Subnet, leases: FilePath) {
        (self.name, self.link, self.table, self.subnet) = (name, link, table, subnet)
        self.leases = leases
    }

    /// The host's address on the bridge, the subnet's first.
    public var gateway: IPv4 { IPv4(subnet.base.number + 1) }

    /// For our own records.
    public var json: JSON {
        .fields([
            "name": .string(name), "link": .string(link), "table": .string(table),
            "subnet": .string("\(subnet)"), "gateway": .string("\(gateway)"),
            "leases": .string(leases.string),
        ])
    }

    /// Reads a record.
    public init(_ json: JSON) throws(JSONError) {
        name = try json.requireString("name")
        link = try json.requireString("link")
        table = try json.requireString("table")
        leases = FilePath(try json.requireString("leases"))
        guard (1...15).contains(link.utf8.count), !link.utf8.contains(0), !link.contains("/") else {
            throw JSONError("link \"\(link)\" is not the name of a link")
        }
        let text = try json.requireString("subnet")
        guard let subnet = IPv4Subnet(text), (8...28).contains(subnet.prefix) else {
            throw JSONError("subnet \"\(text)\" is not a subnet of /8 to /28")
        }
        self.subnet = subnet
    }
}
