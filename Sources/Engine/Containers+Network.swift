import Linux
import Monitor
import Network
import OCI

/// Connecting containers to networks and taking them off, running or not.
extension Containers {
    /// Connects a container to one more network; docker's errors.
    public func connect(_ id: String, _ options: EndpointOptions) throws {
        let record = try records.read(id)
        let network = try Networks(paths: paths).find(options.network)
        try checkMode(record.config, network)
        var options = options
        options.network = network.name
        guard !record.config.host.endpoints.contains(where: { $0.network == network.name }) else {
            throw EngineError(
                "endpoint with name \(record.config.name) already exists in network \(network.name)",
                exitCode: 1)
        }
        let endpoint = try NetworkChoice(paths).endpoint(options)
        try changeNetworks(record) { connections, endpoints in
            connections.append(options)
            endpoints.append(endpoint)
        }
    }

    /// Takes a container off a network.
    public func disconnect(_ id: String, from name: String, force: Bool) throws {
        let record = try records.read(id)
        let network = try Networks(paths: paths).find(name)
        try checkMode(record.config, network)
        guard record.config.host.endpoints.contains(where: { $0.network == network.name }) else {
            throw EngineError("container \(id) is not connected to network \(network.name)", exitCode: 1)
        }
        try changeNetworks(record) { connections, endpoints in
            connections.removeAll { $0.network == network.name }
            endpoints.removeAll { $0.network.link == network.bridge?.link }
        }
    }

    private func checkMode(_ config: ContainerConfig, _ network: NetworkRecord) throws {
        let text: String
        switch (config.host.network, network.driver) {
        case (.host, _), (_, .host):
            text = "container cannot be disconnected from host network or connected to host network"
        case (.container, _):
            text =
                "container sharing network namespace with another container or host cannot be connected to any other network"
        case (.none, _), (_, .none):
            text =
                "container cannot be connected to multiple networks with one of the networks in private (none) mode"
        case (.bridge, .bridge), (.named, .bridge): return
        }
        throw EngineError(text, exitCode: 1)
    }

    /// Both documents, then the monitor of one that runs; what it cannot do is taken back.
    private func changeNetworks(
        _ record: Records.Record, _ edit: (inout [EndpointOptions], inout [Endpoint]) -> Void
    ) throws {
        let id = record.config.id
        let old = try request(of: id).network
        var connections = record.config.host.endpoints
        guard case .bridge(var endpoints, let ports) = old else {
            throw EngineError("container \(id.prefix(12)) is damaged: its request tells of other networks")
        }
        edit(&connections, &endpoints)
        let before = record.config.host.connections
        try change(id) { config, request in
            config.host.connections = connections
            request.network = .bridge(endpoints, ports: ports)
        }
        do { _ = try ask(.reload, id) } catch {
            try change(id) { config, request in
                config.host.connections = before
                request.network = old
            }
            _ = try? ask(.reload, id)  // the first error is the one to report
            throw error
        }
        var host = record.config.host
        host.connections = connections
        let directory = try records.directory(of: id)
        try ContainerFiles.rewriteResolvConf(in: directory, from: record.config.host, to: host)
    }

    /// Before a start: what the networks are now. One that is gone is docker's error.
    func refreshNetworks(_ config: ContainerConfig) throws {
        guard !config.host.endpoints.isEmpty else { return }
        let network = try NetworkChoice(paths).request(config)
        if try request(of: config.id).network == network { return }
        try change(config.id) { _, request in request.network = network }
    }
}
