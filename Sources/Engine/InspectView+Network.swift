import Linux
import Network
import OCI

/// docker's NetworkSettings.
extension InspectView {
    static func network(_ summary: ContainerSummary) -> JSON {
        let (config, state) = (summary.config, summary.state)
        let facts = state.isRunning ? state.network : NetworkFacts()
        // docker's members of the first days: of the default network alone.
        let standard = facts.endpoint(in: "bridge") ?? EndpointFacts()
        let sandbox = sandbox(config, state)
        return .fields([
            "Bridge": .string(""), "SandboxID": .string(sandbox.id), "SandboxKey": .string(sandbox.path),
            "Ports": summary.ports, "HairpinMode": .bool(false), "LinkLocalIPv6Address": .string(""),
            "LinkLocalIPv6PrefixLen": .int(0), "SecondaryIPAddresses": .null,
            "SecondaryIPv6Addresses": .null,
            "EndpointID": .string(endpointID(config.id, standard.networkID)),
            "Gateway": .string(standard.gateway), "GlobalIPv6Address": .string(standard.address6),
            "GlobalIPv6PrefixLen": .int(Int64(standard.prefixLength6)),
            "IPAddress": .string(standard.address), "IPPrefixLen": .int(Int64(standard.prefixLength)),
            "IPv6Gateway": .string(standard.gateway6), "MacAddress": .string(standard.mac),
            "Networks": .object(networks(config, state)),
        ])
    }

    /// The network namespace of one that runs, as a path that nsenter takes; empty where it is another container's.
    private static func sandbox(
        _ config: ContainerConfig, _ state: ContainerState
    ) -> (id: String, path: String) {
        guard case .running(let pid, let startTime, let boot) = state.phase else { return ("", "") }
        if case .container = config.host.network { return ("", "") }
        return (SHA256.hex(of: Array("\(config.id) \(boot) \(startTime)".utf8)), "/proc/\(pid)/ns/net")
    }

    private static func networks(_ config: ContainerConfig, _ state: ContainerState) -> [JSON.Member] {
        switch config.host.network {
        case .container: return []
        case .host, .none:
            return [
                .init(
                    config.host.network.text, endpoint(EndpointOptions(network: ""), EndpointFacts(), config))
            ]
        case .bridge, .named:
            return config.host.endpoints.map { options in
                // Of one that has ended, which network it was is all that is left.
                var facts = state.network.endpoint(in: options.network) ?? EndpointFacts()
                let id = endpointID(config.id, facts.networkID)
                if !state.isRunning { facts = EndpointFacts(networkID: facts.networkID) }
                return JSON.Member(
                    options.network, endpoint(options, facts, config, id: state.isRunning ? id : ""))
            }
        }
    }

    private static func endpoint(
        _ options: EndpointOptions, _ facts: EndpointFacts, _ config: ContainerConfig, id: String = ""
    ) -> JSON {
        var chosen: [JSON.Member] = []
        if let address = options.address { chosen.append(.init("IPv4Address", .string("\(address)"))) }
        if let address = options.address6 { chosen.append(.init("IPv6Address", .string("\(address)"))) }
        let isNamed = !["bridge", ""].contains(options.network)
        var names: [String] = []
        for name in NetworkChoice.names(config, options.aliases) where !names.contains(name) {
            names.append(name)
        }
        return .fields([
            "IPAMConfig": chosen.isEmpty ? .null : .object(chosen), "Links": .null,
            "Aliases": options.aliases.isEmpty ? .null : .array(options.aliases.map(JSON.string)),
            "MacAddress": .string(facts.mac), "DriverOpts": .null, "GwPriority": .int(0),
            "NetworkID": .string(facts.networkID),
            "EndpointID": .string(id),
            "Gateway": .string(facts.gateway), "IPAddress": .string(facts.address),
            "IPPrefixLen": .int(Int64(facts.prefixLength)), "IPv6Gateway": .string(facts.gateway6),
            "GlobalIPv6Address": .string(facts.address6),
            "GlobalIPv6PrefixLen": .int(Int64(facts.prefixLength6)),
            "DNSNames": isNamed ? .array(names.map(JSON.string)) : .null,
        ])
    }

    /// Of a container in a network: 64 hexadecimal digits; empty where it is not.
    static func endpointID(_ container: String, _ network: String) -> String {
        network.isEmpty ? "" : SHA256.hex(of: Array("\(container) \(network)".utf8))
    }
}
