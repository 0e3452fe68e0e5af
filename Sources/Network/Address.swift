/// An address as a number, so that subnets are arithmetic.
public protocol IPAddress: Hashable, Comparable, Sendable, CustomStringConvertible {
    associatedtype Number: FixedWidthInteger & UnsignedInteger & Sendable
    /// In host order.
    var number: Number { get }
    /// Takes the number in host order.
    init(_ number: Number)
    /// Reads the address alone, without brackets, zone or prefix; nil for anything else.
    init?(_ text: String)
}

extension IPAddress {
    /// In network order.
    public var bytes: [UInt8] {
        stride(from: Number.bitWidth - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: number >> $0) }
    }

    /// By number.
    public static func < (a: Self, b: Self) -> Bool { a.number < b.number }
}

/// An IPv4 address: 127.0.0.1 is 0x7f000001.
public struct IPv4: IPAddress {
    public let number: UInt32

    public init(_ number: UInt32) { self.number = number }

    /// Reads `a.b.c.d`; nil also for parts with leading zeros, which some read as octal.
    public init?(_ text: String) {
        var number: UInt32 = 0
        let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        for part in parts {
            guard let byte = decimal(part, as: UInt8.self), part.count == 1 || part.first != UInt8(ascii: "0")
            else { return nil }
            number = number << 8 | UInt32(byte)
        }
        self.number = number
    }

    /// `a.b.c.d`.
    public var description: String { bytes.map(String.init).joined(separator: ".") }
}

/// An IPv6 address: ::1 is 1.
public struct IPv6: IPAddress {
    public let number: UInt128

    public init(_ number: UInt128) { self.number = number }

    /// Reads any of its forms.
    public init?(_ text: String) {
        guard let bytes = ipv6Bytes(text) else { return nil }
        number = bytes.reduce(0) { $0 << 8 | UInt128($1) }
    }

    /// As RFC 5952 says.
    public var description: String { ipv6Text(bytes) }
}

/// An address of the host on which a port is published.
public enum HostAddress: Equatable, Hashable, Sendable, CustomStringConvertible {
    case v4(IPv4)
    /// 16 bytes in network order.
    case v6([UInt8])

    /// Reads either kind, without brackets.
    public init?(_ text: String) {
        if let address = IPv4(text) {
            self = .v4(address)
        } else if let bytes = ipv6Bytes(text) {
            self = .v6(bytes)
        } else {
            return nil
        }
    }

    /// In network order: 4 or 16 bytes.
    public var bytes: [UInt8] {
        switch self {
        case .v4(let address): address.bytes
        case .v6(let bytes): bytes
        }
    }

    /// In 127.0.0.0/8 or ::1, also as an IPv4-mapped address (RFC 4291 section 2.5.5.2): only its own host reaches it.
    public var isLoopback: Bool {
        switch self {
        case .v4(let address): return address.bytes[0] == 127
        case .v6(let bytes):
            let number = bytes.reduce(0) { $0 << 8 | UInt128($1) }
            return number == 1 || number >> 24 == 0xffff7f
        }
    }

    /// Without brackets; IPv6 as RFC 5952 says.
    public var description: String {
        switch self {
        case .v4(let address): address.description
        case .v6(let bytes): ipv6Text(bytes)
        }
    }

    /// With brackets around IPv6, for use before a port.
    public var bracketed: String {
        if case .v6 = self { "[\(self)]" } else { description }
    }
}

/// Digits only: no sign, no space, nothing too large.
func decimal<I: FixedWidthInteger>(_ text: some Collection<UInt8>, as type: I.Type) -> I? {
    guard !text.isEmpty, text.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
        return nil
    }
    return I(String(decoding: text, as: UTF8.self))
}

/// The groups of one side of `::`, or of a whole address; a dotted IPv4 address may end it.
private func ipv6Groups(_ text: Substring, mayEndInIPv4: Bool) -> [UInt16]? {
    if text.isEmpty { return [] }
    var groups: [UInt16] = []
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    for (i, part) in parts.enumerated() {
        if mayEndInIPv4, i == parts.count - 1, let v4 = IPv4(String(part)) {
            groups += [UInt16(v4.number >> 16), UInt16(v4.number & 0xffff)]
            continue
        }
        guard (1...4).contains(part.utf8.count), part.allSatisfy({ $0.isHexDigit && $0.isASCII }),
            let group = UInt16(part, radix: 16)
        else { return nil }
        groups.append(group)
    }
    return groups
}

private func ipv6Bytes(_ text: String) -> [UInt8]? {
    var groups: [UInt16]
    let neighbours = zip(text.indices, text.indices.dropFirst())
    if let (first, second) = neighbours.first(where: { text[$0] == ":" && text[$1] == ":" }) {
        guard let left = ipv6Groups(text[..<first], mayEndInIPv4: false),
            let right = ipv6Groups(text[second...].dropFirst(), mayEndInIPv4: true),
            left.count + right.count < 8
        else { return nil }
        groups = left + Array(repeating: 0, count: 8 - left.count - right.count) + right
    } else {
        guard let all = ipv6Groups(text[...], mayEndInIPv4: true), all.count == 8 else { return nil }
        groups = all
    }
    return groups.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xff)] }
}

/// Lower case, no leading zeros, the first longest run of two or more zero groups as `::`.
private func ipv6Text(_ bytes: [UInt8]) -> String {
    guard bytes.count == 16 else { return "" }
    let groups = (0..<8).map { UInt16(bytes[2 * $0]) << 8 | UInt16(bytes[2 * $0 + 1]) }
    var longest = 0..<0
    var start = 0
    while start < 8 {
        let end = groups[start...].firstIndex { $0 != 0 } ?? 8
        if end - start > max(longest.count, 1) { longest = start..<end }
        start = end + 1
    }
    let texts = groups.map { String($0, radix: 16) }
    if longest.isEmpty { return texts.joined(separator: ":") }
    return texts[..<longest.lowerBound].joined(separator: ":") + "::"
        + texts[longest.upperBound...].joined(separator: ":")
}
