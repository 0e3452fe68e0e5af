/// The state of a container (OCI runtime-spec 1.2, runtime.md#state): what `state` prints and what hooks read on
/// their standard input.
public struct ContainerState: Equatable, Sendable {
    public enum Status: String, Equatable, Sendable {
        case creating, created, running, stopped
        /// Beyond the spec, as runc says it.
        case paused
    }
    public var ociVersion: String
    public var id: String
    public var status: Status
    /// 0 when there is no process; in the runtime's pid namespace.
    public var pid: Int32
    /// Absolute.
    public var bundle: String
    public var annotations: [String: String]

    public init(
        id: String, status: Status, pid: Int32, bundle: String, annotations: [String: String] = [:],
        ociVersion: String = "1.2.0"
    ) {
        (self.id, self.status, self.pid, self.bundle) = (id, status, pid, bundle)
        (self.annotations, self.ociVersion) = (annotations, ociVersion)
    }

    /// The document; `extra` members go last.
    public func json(_ extra: [JSON.Member] = []) -> JSON {
        let own = JSON.fields([
            "ociVersion": .string(ociVersion), "id": .string(id), "pid": .number(pid),
            "status": .string(status.rawValue), "bundle": .string(bundle),
            "annotations": .nonEmpty(annotations),
        ])
        return .object((own.members ?? []) + extra)
    }
}
