import Linux
import Monitor
import Network
import OCI
import SystemPackage

/// Which networks a container gets, by its options and the networks that there are.
struct NetworkChoice {
    let paths: EnginePaths

    init(_ paths: EnginePaths) { self.paths = paths }

    /// The engine's default bridge.
    func bridge() throws -> BridgeNetwork {
        guard let bridge = try Networks(paths: paths).bridge().bridge else {
            throw Networks.missing("bridge")
        }
        return bridge
    }

    func request(_ config: ContainerConfig) throws -> NetworkRequest {
        switch config.host.network {
        case .host: return .host
        case .none: return .none
        case .container(let id): return .container(id)
        case .bridge, .named:
            var endpoints = try config.host.endpoints.map { try endpoint($0) }
            for at in endpoints.indices { endpoints[at].names = Self.names(config, endpoints[at].aliases) }
            return .bridge(endpoints, ports: try ports(config))
        }
    }

    /// What others find a container by: its own name, its short id, its aliases and the host name it was given.
    static func names(_ config: ContainerConfig, _ aliases: [String]) -> [String] {
        [config.name] + aliases + [String(config.id.prefix(12))] + (config.hostname.map { [$0] } ?? [])
    }

    /// With the names of networks in the place of ids, the id of another container, and the host name that goes with
    /// its network or the host's.
    func resolved(_ options: RunOptions) throws -> RunOptions {
        var options = options
        options.host = try named(options.host)
        switch options.host.network {
        case .container(let id): options.hostname = try Records(paths).read(id).config.effectiveHostname
        case .host: options.hostname = options.hostname ?? HostInfo.line("/proc/sys/kernel/hostname")
        case .none, .bridge, .named: break
        }
        return options
    }

    private func named(_ host: HostOptions) throws -> HostOptions {
        var host = host
        if case .container(let name) = host.network { host.network = .container(try owner(name)) }
        guard var connections = host.connections, !host.endpoints.isEmpty else { return host }
        for at in connections.indices where connections[at].network != "bridge" {
            connections[at].network = try find(connections[at].network).name
        }
        host.connections = connections
        return host
    }

    /// The container whose network another one is to share.
    private func owner(_ name: String) throws -> String {
        do { return try Records(paths).find(name) } catch let error as EngineError {
            throw EngineError(error.description)
        }
    }

    /// A missing network is an error of the start: docker's code for that.
    private func find(_ name: String) throws -> NetworkRecord {
        do { return try Networks(paths: paths).find(name) } catch let error as EngineError {
            throw EngineError(error.description)
        }
    }

    /// The host as a container reaches it: its own network's gateway, or the default one's.
    func hostAddress(_ host: HostOptions) throws -> String {
        let first = try host.endpoints.first.map { try endpoint($0).network } ?? bridge()
        return "\(first.gateway)"
    }

    /// One network; docker's errors for what it cannot give.
    func endpoint(_ options: EndpointOptions) throws -> Endpoint {
        let record =
            options.network == "bridge"
            ? try Networks(paths: paths).bridge() : try find(options.network)
        guard let network = record.bridge else {
            throw EngineError("network \(record.name) cannot be combined with others")
        }
        let asksAddress = options.address != nil || options.address6 != nil
        let isUnfit =
            options.address != nil && !record.hasChosenSubnet
            || options.address6 != nil && !record.hasChosenSubnet6
        if record.isBuiltIn {
            guard !asksAddress else {
                throw EngineError("user specified IP address is supported on user defined networks only")
            }
            guard options.aliases.isEmpty else {
                throw EngineError(
                    "network-scoped alias is supported only for containers in user defined networks")
            }
        } else if isUnfit {
            throw EngineError(
                "user specified IP address is supported only when connecting to networks with user configured subnets",
                exitCode: 125)
        }
        var endpoint = Endpoint(network)
        (endpoint.address, endpoint.address6) = (options.address, options.address6)
        (endpoint.mac, endpoint.aliases) = (options.mac, options.aliases)
        do throws(NetworkError) { try endpoint.check() } catch {
            throw EngineError("\(error)")
        }
        return endpoint
    }

    /// A build step's network, by docker's words.
    func request(_ network: String) throws -> NetworkRequest {
        switch network {
        case "none": .none
        case "host": .host
        default: .bridge([Endpoint(try bridge())], ports: [])
        }
    }

    /// What was published by number, and with `-P` every exposed port on a free one; where no address is typed at the
    /// configuration's.
    func ports(_ config: ContainerConfig) throws -> [PortMapping] {
        let standard = paths.addresses.publishAddress.map { HostAddress.v4($0) }
        var ports: [PortMapping] = []
        for text in config.host.ports { ports += try PortMapping.parse(text, at: standard) }
        if config.host.publishesAll {
            let taken = ports
            for exposed in config.process.exposedPorts.sorted() {
                ports += try PortMapping.parse(exposed, at: standard).filter { port in
                    !taken.contains { $0.containerPort == port.containerPort && $0.proto == port.proto }
                }
            }
        }
        return ports
    }
}
