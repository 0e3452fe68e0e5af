import OCI

/// What a container mounts, in docker's shape.
extension InspectView {
    /// Of older records the image's volumes are known by their places alone.
    static func mounts(
        _ config: ContainerConfig, _ volumes: [String: (name: String, source: String)]
    ) -> [JSON] {
        let targets = Set(config.host.mounts.map(\.target))
        let older = volumes.keys.filter { !targets.contains($0) }.sorted().map { target in
            var option = MountOption(.volume(MountOption.Volume(nil)), target: target)
            option.origin = .image
            return option
        }
        return (config.host.mounts + older).compactMap { mount($0, volumes) }
    }

    /// A mount; those of `--tmpfs` docker has in HostConfig alone. `volumes` are names and directories by target.
    private static func mount(
        _ mount: MountOption, _ volumes: [String: (name: String, source: String)]
    ) -> JSON? {
        switch mount.kind {
        case .bind(let bind):
            return .fields([
                "Type": .string("bind"), "Source": .string(bind.source), "Destination": .string(mount.target),
                "Mode": .string(mount.modes), "RW": .bool(!mount.isReadOnly),
                "Propagation": .string(mount.propagation ?? "rprivate"),
            ])
        case .volume(let volume):
            guard let facts = volumes[mount.target] else { return nil }
            return .fields([
                "Type": .string("volume"), "Name": .string(facts.name), "Source": .string(facts.source),
                "Destination": .string(mount.target), "Driver": .string("local"),
                "Mode": .string(mode(mount, volume)), "RW": .bool(!mount.isReadOnly),
                "Propagation": .string(""),
            ])
        case .tmpfs:
            if mount.origin == .tmpfsFlag { return nil }
            return .fields([
                "Type": .string("tmpfs"), "Source": .string(""), "Destination": .string(mount.target),
                "Mode": .string(""), "RW": .bool(!mount.isReadOnly), "Propagation": .string(""),
            ])
        }
    }

    /// docker's is `z` where none was typed for a volume that is named, or that `--mount` asks for.
    private static func mode(_ mount: MountOption, _ volume: MountOption.Volume) -> String {
        switch mount.origin {
        case .volumeFlag where !volume.isAnonymous: mount.modes.isEmpty ? "z" : mount.modes
        case .mountFlag: "z"
        case .volumeFlag, .tmpfsFlag, .image, .container: ""
        }
    }
}
