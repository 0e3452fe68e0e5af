/// What the host's administrator has chosen of addresses: for networks that nobody chose a subnet for, the default
/// bridge, and published ports.
public struct AddressPlan: Equatable, Sendable {
    /// A range that is cut into subnets.
    public struct Pool: Equatable, Sendable {
        /// All of it.
        public let base: IPv4Subnet
        /// The prefix of each subnet.
        public let size: UInt8

        /// Nil where a subnet would be larger than the range, or of no use to a network.
        public init?(base: IPv4Subnet, size: UInt8) {
            guard (8...30).contains(size), size >= base.prefix else { return nil }
            (self.base, self.size) = (base, size)
        }
    }

    /// In the order they are used; none leaves the choice to apus.
    public var pools: [Pool] = []
    /// The default bridge's subnet, and the host's address in it; nil is its first.
    public var bridgeSubnet: IPv4Subnet?
    public var bridgeGateway: IPv4?
    /// The default bridge has IPv6.
    public var bridgeHasIPv6 = false
    /// Its IPv6 subnet; nil is one of unique local addresses.
    public var bridgeSubnet6: IPv6Subnet?
    /// Where ports are published for which no address is typed; nil is everywhere.
    public var publishAddress: IPv4?

    /// No choice.
    public init() {}

    /// Those of all pools.
    var subnets: some Sequence<IPv4Subnet> {
        pools.lazy.flatMap { pool in
            (0..<(UInt32(1) << UInt32(pool.size - pool.base.prefix))).lazy.map { number in
                IPv4Subnet(
                    base: IPv4(pool.base.base.number + number << (32 - UInt32(pool.size))), length: pool.size)
            }
        }
    }
}
