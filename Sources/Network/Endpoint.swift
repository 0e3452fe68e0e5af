public import OCI

/// What a container is to have of a network.
public struct Endpoint: Equatable, Sendable {
    public var network: BridgeNetwork
    /// Addresses that were asked for.
    public var address: IPv4?
    public var address6: IPv6?
    /// An Ethernet address of 6 bytes that was asked for.
    public var mac: [UInt8]?
    /// Further names of the container in this network.
    public var aliases: [String] = []
    /// All names that others find it by, its own first.
    public var names: [String] = []

    /// Whatever address is free.
    public init(_ network: BridgeNetwork) { self.network = network }

    /// docker's errors for addresses that no container of the network can have.
    public func check() throws(NetworkError) {
        if let address { try check(address) }
        guard let address6 else { return }
        guard let subnet6 = network.subnet6, subnet6.contains(address6), address6 != subnet6.base else {
            throw NetworkError(
                "Invalid address \(address6): It does not belong to any of this network's subnets")
        }
        if address6 == network.hostAddress6 { throw NetworkError("Address already in use") }
    }

    private func check(_ address: IPv4) throws(NetworkError) {
        let subnet = network.subnet
        guard subnet.contains(address), address != subnet.base, address != subnet.last else {
            throw NetworkError(
                "Invalid address \(address): It does not belong to any of this network's subnets")
        }
        guard address != network.gateway, !network.reserved.contains(address) else {
            throw NetworkError("Address already in use")
        }
    }
}

extension Endpoint {
    /// For our own records.
    public var json: JSON {
        .fields([
            "network": network.json, "address": address.map { .string("\($0)") },
            "address6": address6.map { .string("\($0)") }, "mac": mac.map { .string(macText($0)) },
            "aliases": .nonEmpty(aliases), "names": .nonEmpty(names),
        ])
    }

    /// Reads a record.
    public init(_ json: JSON) throws(JSONError) {
        guard let network = json["network"] else { throw JSONError("network is missing") }
        self.init(try BridgeNetwork(network))
        address = try json.optionalString("address").flatMap { IPv4($0) }
        address6 = try json.optionalString("address6").flatMap { IPv6($0) }
        mac = try json.optionalString("mac").flatMap { macBytes($0) }
        aliases = try json.stringsOrEmpty("aliases")
        names = try json.stringsOrEmpty("names")
    }
}

/// `02:42:ac:11:00:02`.
public func macText(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
}

/// Reads an Ethernet address that a link can have: not a group's, and not nothing.
public func macBytes(_ text: String) -> [UInt8]? {
    let parts = text.split(separator: text.contains("-") ? "-" : ":", omittingEmptySubsequences: false)
    let bytes = parts.compactMap { part in
        part.utf8.count == 2 && part.allSatisfy { $0.isHexDigit && $0.isASCII } ? UInt8(part, radix: 16) : nil
    }
    guard parts.count == 6, bytes.count == 6, bytes[0] & 1 == 0, bytes.contains(where: { $0 != 0 }) else {
        return nil
    }
    return bytes
}
