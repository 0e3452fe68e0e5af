import Linux
import Monitor
import Network
public import OCI
import SystemPackage

/// The networks of an engine: bridge, host and none, and those that users made.
public struct Networks: Sendable {
    let paths: EnginePaths

    public init(paths: EnginePaths) { self.paths = paths }

    // MARK: finding

    /// All of them, by name, and the error of each record that is damaged. A mere look: it writes nothing, and shows
    /// a default bridge that no subnet is left for without one.
    public func all() throws -> (networks: [NetworkRecord], damaged: [String]) {
        var (networks, damaged) = try made()
        networks += [builtIn("host", .host), builtIn("none", .none)]
        do { networks.append(try bridge(isLook: true)) } catch {
            networks.append(builtIn("bridge", .bridge))
            damaged.append("network bridge: \(error)")
        }
        return (networks.sorted { $0.name < $1.name }, damaged)
    }

    /// A network by name, id or the beginning of one that only one has; docker's errors.
    public func find(_ text: String) throws -> NetworkRecord {
        let all = try all().networks
        if let found = all.first(where: { $0.name == text || $0.id == text }) { return found }
        let matches = text.isEmpty ? [] : all.filter { $0.id.hasPrefix(text) }
        guard let found = matches.first else { throw Self.missing(text) }
        guard matches.count == 1 else {
            throw EngineError(
                "network \(text) is ambiguous (\(matches.count) matches found on name)", exitCode: 1)
        }
        return found
    }

    static func missing(_ name: String) -> EngineError {
        EngineError("network \(name) not found", exitCode: 1)
    }

    /// The engine's default bridge: name, table and subnet derive from the root. Its record is written when it is first
    /// used.
    func bridge(isLook: Bool = false) throws -> NetworkRecord {
        var record = builtIn("bridge", .bridge)
        var bridge = try BridgeNetwork.standard(
            suffix: paths.suffix, plan: paths.addresses, records: paths.networks, leases: paths.leases,
            isLook: isLook)
        bridge.id = record.id
        record.bridge = bridge
        let publish = paths.addresses.publishAddress ?? IPv4(0)
        record.options = [
            "com.docker.network.bridge.default_bridge": "true",
            "com.docker.network.bridge.enable_icc": "true",
            "com.docker.network.bridge.enable_ip_masquerade": "true",
            "com.docker.network.bridge.host_binding_ipv4": "\(publish)",
            "com.docker.network.bridge.name": bridge.link, "com.docker.network.driver.mtu": "1500",
        ]
        return record
    }

    private func builtIn(_ name: String, _ driver: NetworkRecord.Driver) -> NetworkRecord {
        let id = SHA256.hex(of: Array("apus network \(name) \(paths.root)".utf8))
        return NetworkRecord(id: id, name: name, created: .zero, driver: driver)
    }

    private func made() throws -> (networks: [NetworkRecord], damaged: [String]) {
        guard let directory = try FD.directoryIfThere(paths.networks) else { return ([], []) }
        var (networks, damaged): ([NetworkRecord], [String]) = ([], [])
        for (name, _) in try directory.entries() where name.string.utf8.count == 69 {
            guard name.string.hasSuffix(".json"), Records.isID(String(name.string.dropLast(5))) else {
                continue
            }
            do {
                guard let bytes = try directory.contents(of: name, limit: 1 << 20) else { continue }
                networks.append(try NetworkRecord(JSON(parsing: bytes), leases: paths.leases))
            } catch {
                damaged.append("network \(name.string.prefix(12)) is damaged: \(error)")
            }
        }
        return (networks, damaged)
    }

    /// docker's document of a network, with the containers that run in it.
    public func inspect(_ name: String) throws -> JSON {
        let network = try find(name)
        let (records, _) = try Records(paths).readAll()
        let members = records.sorted { $0.config.id < $1.config.id }.compactMap { record -> JSON.Member? in
            guard record.state.isRunning, let facts = record.state.network.endpoint(in: network.name) else {
                return nil
            }
            let address6 = facts.address6.isEmpty ? "" : "\(facts.address6)/\(facts.prefixLength6)"
            return .init(
                record.config.id,
                .fields([
                    "Name": .string(record.config.name),
                    "EndpointID": .string(InspectView.endpointID(record.config.id, network.id)),
                    "MacAddress": .string(facts.mac),
                    "IPv4Address": .string("\(facts.address)/\(facts.prefixLength)"),
                    "IPv6Address": .string(address6),
                ]))
        }
        return network.document(members)
    }

    // MARK: changing

    /// Makes a network; its id. Nothing of it is on the host before its first container.
    public func create(_ options: NetworkOptions) throws -> String {
        let directory = try FD.directory(paths.networks, make: true)
        try directory.lock()
        defer { withExtendedLifetime(directory) {} }  // closing it ends the lock
        guard NetworkOptions.isValid(options.name) else {
            throw EngineError(
                "invalid network name \"\(options.name)\": only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
                exitCode: 1)
        }
        guard options.name != "default" else {
            throw EngineError("operation is not permitted on predefined default network", exitCode: 1)
        }
        let standard = try bridge()
        let others = try all().networks
        guard !others.contains(where: { $0.name == options.name }) else {
            throw EngineError("network with name \(options.name) already exists", exitCode: 1)
        }
        var record = NetworkRecord(id: ContainerName.newID(), name: options.name, created: .now())
        (record.labels, record.options) = (options.labels, options.options)
        (record.isAttachable, record.hasChosenSubnet) = (options.isAttachable, options.subnet != nil)
        record.hasChosenSubnet6 = options.subnet6 != nil
        let link = try options.link ?? "ap-\(record.id.prefix(12))"
        let table = standard.bridge?.table ?? "apus"
        record.bridge = try options.bridge(
            id: record.id, link: link, table: table, paths: paths, others: others.compactMap(\.bridge))
        try directory.replace(FilePath("\(record.id).json"), with: record.json.bytes)
        tell("create", record)
        return record.id
    }

    private func tell(_ action: String, _ network: NetworkRecord) {
        let attributes = ["name": network.name, "type": network.driver.rawValue]
        EventLog(in: paths.run).tell(Event("network", action, id: network.id, attributes))
    }

    /// Removes a network that no container runs in; docker's errors.
    public func remove(_ name: String) throws {
        let directory = try FD.directory(paths.networks, make: true)
        try directory.lock()
        defer { withExtendedLifetime(directory) {} }  // closing it ends the lock
        let network = try find(name)
        guard !network.isBuiltIn, let bridge = network.bridge else {
            throw EngineError("\(network.name) is a pre-defined network and cannot be removed", exitCode: 1)
        }
        let users = try Records(paths).readAll().records.filter { record in
            record.state.isRunning && record.config.host.endpoints.contains { $0.network == network.name }
        }
        guard users.isEmpty else {
            let names = users.map { "name:\"\($0.config.name)\" id:\"\($0.config.id.prefix(12))\"" }
            throw EngineError(
                "error while removing network: network \(network.name) has active endpoints "
                    + "(\(names.joined(separator: ", ")))", exitCode: 1)
        }
        // What ended containers have left: their monitors take some 30 ms for a link.
        try sweepNetworks(leases: paths.leases) { id throws(SysError) in
            try Records(paths).hasRunDirectory(id)
        }
        try removeNetwork(bridge)
        _ = try directory.remove(FilePath("\(network.id).json"))
        try directory.sync()
        tell("destroy", network)
    }

    /// Removes the networks that no container has, running or not.
    public func prune(_ filters: PruneFilters, isDryRun: Bool, after gone: Reclaimed.Gone = Reclaimed.Gone())
        throws -> Reclaimed
    {
        var result = Reclaimed()
        let (networks, damaged) = try made()
        let (containers, unread) = try Records(paths).readAll()
        result.warnings = damaged + unread
        // One that cannot be read may have any of them.
        guard unread.isEmpty else { return result }
        let used = Set(
            containers.filter { !gone.contains($0.config.id) }.flatMap(\.config.host.endpoints).map(\.network)
        )
        for network in networks.sorted(by: { $0.name < $1.name }) where !used.contains(network.name) {
            guard filters.holds(created: network.created, labels: network.labels) else { continue }
            do {
                if !isDryRun { try remove(network.id) }
                result.lines.append(network.name)
            } catch {
                result.warnings.append("\(error)")  // the others go
            }
        }
        return result
    }
}
