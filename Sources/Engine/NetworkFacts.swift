public import OCI

/// What a container's network namespace was given.
public struct NetworkFacts: Equatable, Sendable {
    /// One for each network, in the order of the container's links.
    public var endpoints: [EndpointFacts] = []

    /// No network.
    public init() {}

    /// docker's Ports: `{"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]}`.
    public var ports: JSON {
        .object(endpoints.flatMap { $0.ports.members ?? [] })
    }

    /// In the network of this name.
    func endpoint(in network: String) -> EndpointFacts? { endpoints.first { $0.network == network } }
}

/// A container's place in one network. Texts are empty for what it has not.
public struct EndpointFacts: Equatable, Sendable {
    public var network = ""
    public var networkID = ""
    public var address = ""
    public var prefixLength = 0
    public var gateway = ""
    public var address6 = ""
    public var prefixLength6 = 0
    public var gateway6 = ""
    public var mac = ""
    public var interface = ""
    public var ports = JSON.object([])

    /// Of one that is not there now.
    public init(networkID: String = "") { self.networkID = networkID }
}

extension NetworkFacts {
    /// As a monitor writes it in state.json.
    public var json: JSON { .fields(["Attachments": .array(endpoints.map(\.json))]) }

    /// Reads it.
    public init(_ json: JSON) throws(JSONError) {
        for endpoint in try json.arrayOrEmpty("Attachments") {
            endpoints.append(try EndpointFacts(endpoint))
        }
    }
}

extension EndpointFacts {
    var json: JSON {
        let network: JSON = .fields(["name": .string(network), "id": .string(networkID)])
        return .fields([
            "IPAddress": .string(address), "IPPrefixLen": .int(Int64(prefixLength)),
            "Gateway": .string(gateway), "GlobalIPv6Address": .string(address6),
            "GlobalIPv6PrefixLen": .int(Int64(prefixLength6)), "IPv6Gateway": .string(gateway6),
            "MacAddress": .string(mac), "Ports": ports, "interface": .string(interface),
            "endpoint": .fields(["network": network]),
        ])
    }

    init(_ json: JSON) throws(JSONError) {
        let record = json["endpoint"]?["network"]
        network = try record?.optionalString("name") ?? ""
        networkID = try record?.optionalString("id") ?? ""
        address = try json.optionalString("IPAddress") ?? ""
        prefixLength = Int(truncatingIfNeeded: try json.optionalInt("IPPrefixLen") ?? 0)
        gateway = try json.optionalString("Gateway") ?? ""
        address6 = try json.optionalString("GlobalIPv6Address") ?? ""
        prefixLength6 = Int(truncatingIfNeeded: try json.optionalInt("GlobalIPv6PrefixLen") ?? 0)
        gateway6 = try json.optionalString("IPv6Gateway") ?? ""
        mac = try json.optionalString("MacAddress") ?? ""
        interface = try json.optionalString("interface") ?? ""
        ports = json["Ports"] ?? .object([])
    }
}
