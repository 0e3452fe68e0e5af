public import Network
import OCI

/// What a container is to have of one network, as it was typed.
public struct EndpointOptions: Equatable, Sendable {
    /// By name or id.
    public var network: String
    public var aliases: [String] = []
    public var address: IPv4?
    public var address6: IPv6?
    /// 6 bytes.
    public var mac: [UInt8]?

    /// Whatever is free in a network.
    public init(network: String) { self.network = network }

    /// Whether it asks for more than any free address.
    var isSpecial: Bool { self != EndpointOptions(network: network) }

    /// Reads one `--network`: a name, or `name=N,alias=..,ip=..,ip6=..,mac-address=..`; docker's texts.
    public init(parsing text: String) throws(UsageError) {
        self.init(network: text)
        guard text.contains("="), !text.hasPrefix("container:") else { return }
        network = ""
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(
                String.init)
            guard pair.count == 2 else { throw UsageError("invalid field \(part)") }
            let value = pair[1].drop { $0 == " " }
            switch pair[0].lowercased().filter({ $0 != " " }) {
            case "name": network = String(value)
            case "alias": aliases.append(try EndpointOptions.alias(String(value)))
            case "ip": try set(address: String(value))
            case "ip6": try set(address6: String(value))
            case "mac-address": try set(mac: String(value))
            case "driver-opt", "link-local-ip", "gw-priority":
                throw UsageError("--network \(pair[0]) is not supported yet")
            default: throw UsageError("invalid field key \(pair[0])")
            }
        }
        guard !network.isEmpty else { throw UsageError("network name/id is required") }
    }

    public mutating func set(address text: String) throws(UsageError) {
        guard let found = IPv4(text) else { throw UsageError("invalid IPv4 address: \(text)") }
        address = found
    }

    public mutating func set(address6 text: String) throws(UsageError) {
        guard let found = IPv6(text) else { throw UsageError("invalid IPv6 address: \(text)") }
        address6 = found
    }

    public mutating func set(mac text: String) throws(UsageError) {
        guard let found = macBytes(text) else { throw UsageError("\(text) is not a valid mac address") }
        mac = found
    }

    /// A further name: what may stand in a query of the name service.
    public static func alias(_ text: String) throws(UsageError) -> String {
        guard (1...253).contains(text.utf8.count), !text.hasPrefix("."),
            text.utf8.allSatisfy({ byte in
                (byte >= 0x30 && byte <= 0x39) || (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7a)
                    || [0x2d, 0x2e, 0x5f].contains(byte)
            })
        else { throw UsageError("invalid network alias \"\(text)\": only letters, digits, '.', '-' and '_'") }
        return text
    }
}

extension EndpointOptions {
    var json: JSON {
        .fields([
            "Network": .string(network), "Aliases": .nonEmpty(aliases),
            "IPv4Address": address.map { .string("\($0)") }, "IPv6Address": address6.map { .string("\($0)") },
            "MacAddress": mac.map { .string(macText($0)) },
        ])
    }

    init(_ json: JSON) throws(JSONError) {
        self.init(network: try json.requireString("Network"))
        aliases = try json.stringsOrEmpty("Aliases")
        address = try json.optionalString("IPv4Address").flatMap { IPv4($0) }
        address6 = try json.optionalString("IPv6Address").flatMap { IPv6($0) }
        mac = try json.optionalString("MacAddress").flatMap { macBytes($0) }
    }
}

extension HostOptions {
    /// The networks a container is in, in the order of its links; none for those without a bridge.
    public var endpoints: [EndpointOptions] {
        switch network {
        case .none, .host, .container: []
        case .bridge, .named: connections ?? [EndpointOptions(network: network.text)]
        }
    }

    /// Takes every `--network`, and the flags that are about the first of them; docker's texts.
    public mutating func setNetworks(
        _ typed: [String], aliases: [String], address: String?, address6: String?, mac: String?
    ) throws(UsageError) {
        var all: [EndpointOptions] = []
        for text in typed { all.append(try EndpointOptions(parsing: text)) }
        network =
            try all.first.map { first throws(UsageError) in try Network(parsing: first.network) } ?? .bridge
        if all.isEmpty { all = [EndpointOptions(network: "bridge")] }
        if all[0].network == "default" { all[0].network = "bridge" }
        guard aliases.isEmpty || all[0].aliases.isEmpty else {
            throw UsageError("conflicting options: cannot specify both --network-alias and per-network alias")
        }
        for text in aliases where !text.isEmpty { all[0].aliases.append(try EndpointOptions.alias(text)) }
        if let address { try all[0].set(address: address) }
        if let address6 { try all[0].set(address6: address6) }
        if let mac { try all[0].set(mac: mac) }
        try check(all)
        connections = all == [EndpointOptions(network: "bridge")] ? nil : all
    }

    private func check(_ all: [EndpointOptions]) throws(UsageError) {
        for (at, one) in all.enumerated() where all[..<at].contains(where: { $0.network == one.network }) {
            throw UsageError("network \"\(one.network)\" is specified multiple times")
        }
        let modes = all.map { ["host", "none"].contains($0.network) || $0.network.hasPrefix("container:") }
        if all.count > 1, modes.contains(true) {
            throw UsageError(
                "conflicting options: cannot attach both user-defined and non-user-defined network-modes")
        }
        if modes[0], all[0].mac != nil {
            throw UsageError("conflicting options: mac-address and the network mode")
        }
        if modes[0], !all[0].aliases.isEmpty {
            throw UsageError("network-scoped alias is supported only for containers in user defined networks")
        }
        if modes[0], all[0].isSpecial {
            throw UsageError("user specified IP address is supported on user defined networks only")
        }
    }
}
