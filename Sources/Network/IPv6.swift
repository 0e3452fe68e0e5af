/// An IPv6 address as a number, so that subnets are arithmetic.
public struct IPv6: Equatable, Hashable, Comparable, Sendable, CustomStringConvertible {
    /// In host order: ::1 is 1.
    public let number: UInt128

    /// Takes the number in host order.
    public init(_ number: UInt128) { self.number = number }

    /// Reads any of its forms, without brackets or zone; nil for anything else.
    public init?(_ text: String) {
        guard case .v6(let bytes)? = HostAddress(text) else { return nil }
        number = bytes.reduce(0) { $0 << 8 | UInt128($1) }
    }

    /// In network order.
    public var bytes: [UInt8] { (0..<16).map { UInt8(truncatingIfNeeded: number >> (120 - 8 * $0)) } }

    /// As RFC 5952 says.
    public var description: String { HostAddress.v6(bytes).description }

    /// By number.
    public static func < (a: IPv6, b: IPv6) -> Bool { a.number < b.number }
}

/// A range of IPv6 addresses with a common prefix, such as fd00:1::/64.
public struct IPv6Subnet: Equatable, Hashable, Sendable, CustomStringConvertible {
    /// The lowest address.
    public let base: IPv6
    /// How many leading bits are common: 0 to 128.
    public let prefix: UInt8

    /// The subnet that `address` lies in; nil when the prefix is over 128.
    public init?(_ address: IPv6, prefix: UInt8) {
        guard prefix <= 128 else { return nil }
        (base, self.prefix) = (IPv6(address.number & IPv6Subnet.mask(prefix)), prefix)
    }

    /// For what is known to be one.
    init(base: IPv6, length: UInt8) { (self.base, prefix) = (base, length) }

    /// Reads `address/n`.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let address = IPv6(String(parts[0])),
            let prefix = decimal(parts[1].utf8, as: UInt8.self)
        else { return nil }
        self.init(address, prefix: prefix)
    }

    /// `address/n`.
    public var description: String { "\(base)/\(prefix)" }

    /// The highest address.
    var last: IPv6 { IPv6(base.number | ~IPv6Subnet.mask(prefix)) }

    /// Whether `address` lies in it.
    public func contains(_ address: IPv6) -> Bool {
        address.number & IPv6Subnet.mask(prefix) == base.number
    }

    /// Whether the two have an address in common.
    public func overlaps(_ other: IPv6Subnet) -> Bool { contains(other.base) || other.contains(base) }

    private static func mask(_ prefix: UInt8) -> UInt128 { ~0 << (128 - UInt128(prefix)) }
}
