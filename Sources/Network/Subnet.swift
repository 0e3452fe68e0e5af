/// A range of addresses with a common prefix, such as 172.30.0.0/16 or fd00:1::/64.
public struct Subnet<Address: IPAddress>: Hashable, Sendable, CustomStringConvertible {
    /// The lowest address.
    public let base: Address
    /// How many leading bits are common: 0 to 32 or 128.
    public let prefix: UInt8

    /// The subnet that `address` lies in; nil when the prefix is longer than an address.
    public init?(_ address: Address, prefix: UInt8) {
        guard prefix <= Address.Number.bitWidth else { return nil }
        self.init(base: Address(address.number & Self.mask(prefix)), length: prefix)
    }

    /// For what is known to be one.
    init(base: Address, length: UInt8) { (self.base, prefix) = (base, length) }

    /// Reads `address/n`.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let address = Address(String(parts[0])),
            let prefix = decimal(parts[1].utf8, as: UInt8.self)
        else { return nil }
        self.init(address, prefix: prefix)
    }

    /// `address/n`.
    public var description: String { "\(base)/\(prefix)" }

    /// As an address whose leading `prefix` bits are set.
    var mask: Address { Address(Self.mask(prefix)) }

    /// The highest address: with IPv4, the broadcast address.
    var last: Address { Address(base.number | ~Self.mask(prefix)) }

    /// Whether `address` lies in it.
    public func contains(_ address: Address) -> Bool { address.number & Self.mask(prefix) == base.number }

    /// Whether the two have an address in common.
    public func overlaps(_ other: Self) -> Bool { contains(other.base) || other.contains(base) }

    private static func mask(_ prefix: UInt8) -> Address.Number {
        ~0 << (Address.Number.bitWidth - Int(prefix))
    }
}

public typealias IPv4Subnet = Subnet<IPv4>
public typealias IPv6Subnet = Subnet<IPv6>

extension Subnet where Address == IPv4 {
    /// Whether a network may have it: nothing of it is this host's own, link-local, for groups or reserved (RFC 6890).
    public var isForNetworks: Bool {
        !["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"].compactMap { Self($0) }.contains(
            where: overlaps)
    }

    /// How many addresses it has.
    public var size: UInt64 { 1 << UInt64(32 - prefix) }
}
