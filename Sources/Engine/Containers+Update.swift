import Linux
import Monitor
import OCI
import SystemPackage

/// Changing a container that is there, and starting what a boot is to bring back.
extension Containers {
    /// Gives a container another restart policy (`options.restart`); one that runs follows it from now on.
    public func update(_ id: String, restart options: HostOptions) throws {
        let record = try records.read(id)
        guard !record.config.host.removesItself || !options.isRestarted else {
            throw EngineError(
                "Cannot update container \(id): Restart policy cannot be updated because AutoRemove is enabled for "
                    + "the container", exitCode: 1)
        }
        // The record first: a monitor that starts later reads it, one that runs is told.
        try change(id) { config, request in
            config.host.restart = options.restart
            request.restart = options.restart
        }
        _ = try ask(.setPolicy(options.restart), id)
    }

    /// Rewrites both documents of a container, one change after the other.
    private func change(_ id: String, _ edit: (inout ContainerConfig, inout MonitorRequest) -> Void) throws {
        let directory = try FD.open(paths.container(id), [.readOnly, .directory])
        try directory.lock()
        var (config, request) = (try records.read(id).config, try self.request(of: id))
        edit(&config, &request)
        let durable = !config.host.removesItself
        try directory.replace("request.json", with: request.json.bytes, durable: durable)
        try directory.replace("config.json", with: config.json.bytes, durable: durable)
    }

    /// The names of those that their policy starts when the host has booted, the oldest first.
    public func namesForBoot() throws -> [String] {
        try records.readAll().records.reversed().filter { record in
            guard case .exited(let code) = record.state.phase else { return false }
            return record.config.host.restart.restarts(
                after: code ?? 255, count: record.state.restartCount,
                isStoppedByHand: record.state.isStoppedByHand)
        }.map(\.config.name)
    }
}
