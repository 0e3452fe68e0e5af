import Linux
import Monitor
import Network
import OCI
import SystemPackage

/// Which network a container gets, by its options and this engine's own bridge.
struct NetworkChoice {
    let paths: EnginePaths

    init(_ paths: EnginePaths) { self.paths = paths }

    /// The engine's default bridge: name, table and subnet derive from the root.
    func bridge() throws -> BridgeNetwork {
        try BridgeNetwork.standard(
            suffix: paths.suffix, records: paths.networks, leases: paths.leases)
    }

    func request(_ config: ContainerConfig) throws -> NetworkRequest {
        switch config.host.network {
        case .host: return .host
        case .none: return .none
        case .bridge:
            return .bridge([Endpoint(try bridge())], ports: try ports(config))
        case .container, .named:
            throw EngineError(
                "network \(config.host.network.text) is not supported yet: use bridge, none or host")
        }
    }

    /// A build step's network, by docker's words.
    func request(_ network: String) throws -> NetworkRequest {
        switch network {
        case "none": .none
        case "host": .host
        default: .bridge([Endpoint(try bridge())], ports: [])
        }
    }

    /// What was published by number, and with `-P` every exposed port on a free one.
    private func ports(_ config: ContainerConfig) throws -> [PortMapping] {
        var ports: [PortMapping] = []
        for text in config.host.ports { ports += try PortMapping.parse(text) }
        if config.host.publishesAll {
            let taken = ports
            for exposed in config.process.exposedPorts.sorted() {
                ports += try PortMapping.parse(exposed).filter { port in
                    !taken.contains { $0.containerPort == port.containerPort && $0.proto == port.proto }
                }
            }
        }
        return ports
    }
}
