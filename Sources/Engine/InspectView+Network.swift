import OCI

/// docker's NetworkSettings.
extension InspectView {
    static func network(_ summary: ContainerSummary) -> JSON {
        let (config, state) = (summary.config, summary.state)
        let facts = state.isRunning ? state.network : NetworkFacts()
        // docker's members of the first days: of the default network alone.
        let standard = facts.endpoint(in: "bridge") ?? EndpointFacts()
        return .fields([
            "Bridge": .string(""), "SandboxID": .string(""), "SandboxKey": .string(""),
            "Ports": summary.ports, "HairpinMode": .bool(false), "LinkLocalIPv6Address": .string(""),
            "LinkLocalIPv6PrefixLen": .int(0), "SecondaryIPAddresses": .null,
            "SecondaryIPv6Addresses": .null, "EndpointID": .string(""),
            "Gateway": .string(standard.gateway), "GlobalIPv6Address": .string(standard.address6),
            "GlobalIPv6PrefixLen": .int(Int64(standard.prefixLength6)),
            "IPAddress": .string(standard.address), "IPPrefixLen": .int(Int64(standard.prefixLength)),
            "IPv6Gateway": .string(standard.gateway6), "MacAddress": .string(standard.mac),
            "Networks": .object(networks(config, facts)),
        ])
    }

    private static func networks(_ config: ContainerConfig, _ facts: NetworkFacts) -> [JSON.Member] {
        if case .container = config.host.network { return [] }
        let name = config.host.network.text
        return [.init(name, endpoint(facts.endpoint(in: name) ?? EndpointFacts()))]
    }

    private static func endpoint(_ facts: EndpointFacts) -> JSON {
        .fields([
            "IPAMConfig": .null, "Links": .null, "Aliases": .null, "MacAddress": .string(facts.mac),
            "DriverOpts": .null, "GwPriority": .int(0),
            "NetworkID": .string(facts.networkID), "EndpointID": .string(""),
            "Gateway": .string(facts.gateway), "IPAddress": .string(facts.address),
            "IPPrefixLen": .int(Int64(facts.prefixLength)), "IPv6Gateway": .string(facts.gateway6),
            "GlobalIPv6Address": .string(facts.address6),
            "GlobalIPv6PrefixLen": .int(Int64(facts.prefixLength6)), "DNSNames": .null,
        ])
    }
}
