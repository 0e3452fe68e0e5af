import CNames

/// An IPv4 or IPv6 address of a host, as one connects to it.
struct IPAddress: Hashable, Sendable {
    /// 4 or 16 bytes in network order.
    let bytes: [UInt8]
    /// The interface of an IPv6 link-local address; 0 where none is needed.
    let scope: UInt32

    /// An address of 4 or 16 bytes.
    init(bytes: [UInt8], scope: UInt32 = 0) { (self.bytes, self.scope) = (bytes, scope) }

    /// Takes a dotted IPv4 address or an IPv6 address without brackets; nil for anything else (`127.1` too).
    init?(_ text: String) {
        var out = [UInt8](repeating: 0, count: 16)
        let length = text.withCString { cn_parse_address($0, &out) }
        guard length > 0 else { return nil }
        self.init(bytes: Array(out.prefix(Int(length))))
    }

    /// The addresses of a name by /etc/hosts and DNS, the one to try first first. Blocks. The error is the
    /// resolver's words: `Name or service not known`.
    static func resolve(_ name: String) -> Result<[IPAddress], ResolveError> {
        var out = [cn_address](repeating: cn_address(), count: 32)
        let count = name.withCString { cn_resolve($0, &out, 32) }
        guard count > 0 else {
            return .failure(ResolveError(String(cString: cn_resolve_error(count == 0 ? -2 : count))))
        }
        return .success(
            out.prefix(Int(count)).map { found in
                IPAddress(
                    bytes: withUnsafeBytes(of: found.bytes) { Array($0.prefix(Int(found.length))) },
                    scope: found.scope)
            })
    }

    /// What kind of place this address is.
    enum Place: Hashable, Sendable {
        /// A host elsewhere, in a private network or not.
        case elsewhere
        /// This host.
        case loopback
        /// The same link, where clouds keep their instance metadata and credentials; the metadata addresses that
        /// are not link-local count too.
        case link
        /// Nobody: unspecified, multicast, broadcast. 0.0.0.0 reaches this host on Linux.
        case nowhere
    }

    /// The place; an IPv6 address that carries an IPv4 one (mapped, compatible, 6to4, NAT64) is where that is.
    var place: Place {
        if bytes.count == 4 { return IPAddress.place(ofIPv4: bytes) }
        guard bytes.count == 16 else { return .nowhere }
        if bytes.dropLast(1).allSatisfy({ $0 == 0 }) {
            return bytes[15] == 1 ? .loopback : .nowhere
        }
        let zeros = bytes[..<10].allSatisfy { $0 == 0 }
        if zeros, bytes[10] == bytes[11], bytes[10] == 0 || bytes[10] == 0xff {
            return IPAddress.place(ofIPv4: Array(bytes[12...]))
        }
        if bytes[0] == 0x20, bytes[1] == 0x02 { return IPAddress.place(ofIPv4: Array(bytes[2..<6])) }
        if bytes[..<12] == [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0] {
            return IPAddress.place(ofIPv4: Array(bytes[12...]))
        }
        if bytes[0] == 0xfe, bytes[1] & 0xc0 == 0x80 { return .link }
        if bytes == [0xfd, 0, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0x54] { return .link }
        return bytes[0] == 0xff ? .nowhere : .elsewhere
    }

    private static func place(ofIPv4 bytes: [UInt8]) -> Place {
        switch (bytes[0], bytes[1]) {
        case (127, _): .loopback
        case (169, 254): .link
        case (100, 100) where bytes[2] == 100 && bytes[3] == 200: .link
        case (0, _), (224..., _): .nowhere
        default: .elsewhere
        }
    }
}

extension IPAddress: CustomStringConvertible {
    /// `192.0.2.1`, `2001:db8:0:0:0:0:0:1`.
    var description: String {
        if bytes.count == 4 { return bytes.map { String($0) }.joined(separator: ".") }
        return stride(from: 0, to: bytes.count - 1, by: 2)
            .map { String(UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]), radix: 16) }.joined(separator: ":")
    }
}

/// A name that has no address, in the resolver's words.
struct ResolveError: Error, Equatable, Sendable, CustomStringConvertible {
    /// `Name or service not known`.
    let description: String
    init(_ description: String) { self.description = description }
}
