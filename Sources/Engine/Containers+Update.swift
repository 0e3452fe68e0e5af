import Linux
import Network
public import Monitor
import OCI
import Runtime
import SystemPackage

/// Changing a container that is there, and starting what a boot is to bring back.
extension Containers {
    /// What `update` changes: limits that are nil stay as they are.
    public struct Update: Sendable {
        public var limits = Limits()
        public var restart: RestartPolicy?
        /// Changes nothing.
        public init() {}
    }

    /// Gives a container other limits, or another restart policy; one that runs has them from now on. Answers what the
    /// host left out.
    public func update(_ id: String, _ update: Update) throws -> [String] {
        let record = try records.read(id)
        if let restart = update.restart, restart.kind != .no, record.config.host.removesItself {
            throw Self.cannotUpdate(
                id, "Restart policy cannot be updated because AutoRemove is enabled for the container")
        }
        let limits: Limits
        do throws(UsageError) {
            limits = try record.config.host.limits.updated(
                by: update.limits, processors: HostInfo.processorCount())
        } catch { throw Self.cannotUpdate(id, error.description) }
        // The kernel first: what it refuses is not written down.
        let warnings = try apply(update.limits, to: limits, of: record)
        // Then the record: a monitor that starts later reads it, one that runs is told.
        try change(id) { config, request in
            config.host.restart = update.restart ?? config.host.restart
            config.host.limits = limits
            request.restart = config.host.restart
            let devices = request.spec.linux.resources.devices
            request.spec.linux.resources = makeResources(limits)
            request.spec.linux.resources.devices = devices
            if update.limits.pids != nil { request.defaultLimits.remove("pids") }
        }
        _ = try ask(.reload, id)
        tell("update", record.config)
        return warnings
    }

    private static func cannotUpdate(_ id: String, _ why: String) -> EngineError {
        EngineError("Cannot update container \(id): \(why)", exitCode: 1)
    }

    private func apply(_ change: Limits, to limits: Limits, of record: Records.Record) throws -> [String] {
        guard change != Limits(), case .running = record.state.phase else { return [] }
        let cgroup = try request(of: record.config.id).cgroup
        var resources = makeResources(limits)
        if change.pids == nil { resources.pids = nil }
        do throws(RuntimeError) {
            return try ContainerCgroup(CgroupPlace(path: cgroup)).update(resources)
        } catch { throw Self.cannotUpdate(record.config.id, error.description) }
    }

    /// Gives a container another name. Whoever asks for the old one does not find it any more; one that runs keeps its
    /// host name.
    public func rename(_ id: String, to name: String) throws {
        let old = try records.read(id).config.name
        try records.rename(id, to: name) {
            try change(id) { config, request in
                config.name = name
                request.events?.attributes["name"] = name
                request.log = try config.host.log.target(config)
                request.removal?.nameLink = paths.names.appending(name)
            }
        }
        _ = try ask(.reload, id)
        tell("rename", try records.read(id).config, ["oldName": "/\(old)"])
    }

    /// Rewrites both documents of a container, one change after the other.
    func change(_ id: String, _ edit: (inout ContainerConfig, inout MonitorRequest) throws -> Void)
        throws
    {
        let directory = try records.directory(of: id)
        try directory.lock()
        // Removed while we waited: what is written now would stay.
        guard try records.exists(id) else { throw Records.missing(id) }
        var (config, request) = (try records.read(id).config, try self.request(of: id))
        try edit(&config, &request)
        if case .bridge(var endpoints, let ports) = request.network {
            for at in endpoints.indices {
                endpoints[at].names = NetworkChoice.names(config, endpoints[at].aliases)
            }
            request.network = .bridge(endpoints, ports: ports)
        }
        let durable = !config.host.removesItself
        try directory.replace("request.json", with: request.json.bytes, durable: durable)
        try directory.replace("config.json", with: config.json.bytes, durable: durable)
    }

    /// The names of those that their policy starts when the host has booted, the oldest first: so each comes after those
    /// whose namespaces it shares, which were there when it was made.
    public func namesForBoot() throws -> [String] {
        try records.readAll().records.reversed().filter { record in
            guard case .exited(let code) = record.state.phase else { return false }
            return record.config.host.restart.restarts(
                after: code ?? 255, count: record.state.restartCount,
                isStoppedByHand: record.state.isStoppedByHand)
        }.map(\.config.name)
    }
}
