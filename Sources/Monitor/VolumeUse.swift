import OCI

/// A volume of a container: what is told of it when a run begins and ends.
public struct VolumeUse: Equatable, Sendable {
    public var name: String
    public var destination: String
    public var isReadOnly: Bool

    /// Takes its parts.
    public init(name: String, destination: String, isReadOnly: Bool) {
        (self.name, self.destination, self.isReadOnly) = (name, destination, isReadOnly)
    }

    var json: JSON {
        .fields([
            "name": .string(name), "destination": .string(destination), "isReadOnly": .bool(isReadOnly),
        ])
    }

    init(_ json: JSON) throws(JSONError) {
        self.init(
            name: try json.requireString("name"), destination: try json.requireString("destination"),
            isReadOnly: try json.optionalBool("isReadOnly") ?? false)
    }
}

extension RunMonitor {
    /// A run has its volumes from now on.
    func tellMounts() {
        hasVolumes = true
        for volume in request.volumes {
            tell(
                "mount", volume,
                [
                    "destination": volume.destination, "propagation": "",
                    "read/write": volume.isReadOnly ? "false" : "true",
                ])
        }
    }

    /// It has ended. Of a start that failed nothing was told.
    func tellUnmounts() {
        guard hasVolumes else { return }
        hasVolumes = false
        for volume in request.volumes { tell("unmount", volume, [:]) }
    }

    private func tell(_ action: String, _ volume: VolumeUse, _ more: [String: String]) {
        let attributes = ["container": request.id, "driver": "local"].merging(more) { $1 }
        request.events?.log.tell(Event("volume", action, id: volume.name, attributes))
    }
}
