public import Linux
public import OCI

/// The documents of `inspect`, in docker's shape.
public enum InspectView {
    /// A container: its config.json with its state, mounts and network. `directory` is that of its record,
    /// `layers` are those of its root, the writable one first.
    public static func container(
        _ config: ContainerConfig, _ state: ContainerState, directory: String, layers: [String] = []
    ) -> JSON {
        let record = config.json
        return .fields([
            "Id": .string(config.id), "Created": record["Created"], "Path": record["Path"] ?? .string(""),
            "Args": record["Args"] ?? .array([]), "State": self.state(state), "Image": record["Image"],
            "ResolvConfPath": .string("\(directory)/resolv.conf"),
            "HostnamePath": .string("\(directory)/hostname"), "HostsPath": .string("\(directory)/hosts"),
            "LogPath": .string("\(directory)/log"), "Name": record["Name"], "RestartCount": .int(0),
            "Driver": .string("overlay2"), "Platform": .string(config.platform.os), "MountLabel": .string(""),
            "ProcessLabel": .string(""), "AppArmorProfile": .string(""), "ExecIDs": .null,
            "HostConfig": hostConfig(config), "GraphDriver": graphDriver(layers),
            "Mounts": .array(config.host.mounts.compactMap { mount($0) }),
            "Config": record["Config"], "NetworkSettings": network(config, state),
        ])
    }

    /// docker's PortBindings stand where the record has what was typed.
    private static func hostConfig(_ config: ContainerConfig) -> JSON {
        let hidden: Set<String> = ["OomScoreAdjSet", "PublishedPorts"]
        return .object((config.host.json.members ?? []).filter { !hidden.contains($0.name) })
    }

    private static func state(_ state: ContainerState) -> JSON {
        var pid: Int32 = 0
        var code: JSON = .int(0)
        if case .running(let process, _, _) = state.phase { pid = process }
        if case .exited(let exit) = state.phase { code = exit.map { .int(Int64($0)) } ?? .null }
        return .fields([
            "Status": .string(state.status), "Running": .bool(state.isRunning), "Paused": .bool(false),
            "Restarting": .bool(false), "OOMKilled": .bool(state.oomKilled), "Dead": .bool(false),
            "Pid": .int(Int64(pid)), "ExitCode": code, "Error": .string(state.error),
            "StartedAt": .string((state.startedAt ?? .zero).rfc3339Short),
            "FinishedAt": .string((state.finishedAt ?? .zero).rfc3339Short),
        ])
    }

    private static func graphDriver(_ layers: [String]) -> JSON {
        guard let upper = layers.first else { return .fields(["Data": .null, "Name": .string("overlay2")]) }
        let data: JSON = .fields([
            "LowerDir": .string(layers.dropFirst().joined(separator: ":")), "UpperDir": .string(upper),
        ])
        return .fields(["Data": data, "Name": .string("overlay2")])
    }

    private static func mount(_ mount: MountOption) -> JSON? {
        let common: [JSON.Member] = [
            .init("Destination", .string(mount.target)), .init("Mode", .string("")),
            .init("RW", .bool(!mount.isReadOnly)), .init("Propagation", .string(mount.propagation ?? "")),
        ]
        switch mount.kind {
        case .bind(let source, _, _):
            let propagation = mount.propagation ?? "rprivate"
            return .object(
                [.init("Type", .string("bind")), .init("Source", .string(source))] + common.dropLast()
                    + [.init("Propagation", .string(propagation))])
        case .volume(let name, _):
            return .object(
                [.init("Type", .string("volume")), .init("Name", .string(name ?? ""))] + common.prefix(1)
                    + [.init("Driver", .string("local"))] + common.dropFirst())
        case .tmpfs: return nil
        }
    }

    private static func network(_ config: ContainerConfig, _ state: ContainerState) -> JSON {
        let facts = state.isRunning ? state.network : NetworkFacts()
        let endpoint: JSON = .fields([
            "IPAMConfig": .null, "Links": .null, "Aliases": .null, "MacAddress": .string(facts.mac),
            "NetworkID": .string(""), "EndpointID": .string(""), "Gateway": .string(facts.gateway),
            "IPAddress": .string(facts.address), "IPPrefixLen": .int(Int64(facts.prefixLength)),
            "IPv6Gateway": .string(""), "GlobalIPv6Address": .string(""), "GlobalIPv6PrefixLen": .int(0),
            "DNSNames": .null,
        ])
        let name = config.host.network.text
        let networks: [JSON.Member] = name.hasPrefix("container:") ? [] : [.init(name, endpoint)]
        return .fields([
            "Bridge": .string(""), "SandboxID": .string(""), "SandboxKey": .string(""), "Ports": facts.ports,
            "Gateway": .string(facts.gateway), "IPAddress": .string(facts.address),
            "IPPrefixLen": .int(Int64(facts.prefixLength)), "IPv6Gateway": .string(""),
            "GlobalIPv6Address": .string(""), "GlobalIPv6PrefixLen": .int(0),
            "MacAddress": .string(facts.mac),
            "Networks": .object(networks),
        ])
    }

    /// An image. `tags` and `digests` are what docker prints in RepoTags and RepoDigests; `size` is of its
    /// unpacked layers in bytes, `layers` their directories, the lowest first.
    public static func image(
        id: Digest, config: ImageConfig, tags: [String], digests: [String] = [], size: Int64,
        layers: [String] = [],
        tagged: Timestamp? = nil
    ) -> JSON {
        let process = config.process.json.members ?? []
        let wanted = [
            "User", "ExposedPorts", "Env", "Cmd", "Volumes", "WorkingDir", "Entrypoint", "OnBuild", "Labels",
        ]
        var members: [JSON.Member] = [
            .init("Hostname", .string("")), .init("Domainname", .string("")),
            .init("AttachStdin", .bool(false)),
            .init("AttachStdout", .bool(false)), .init("AttachStderr", .bool(false)),
            .init("Tty", .bool(false)),
            .init("OpenStdin", .bool(false)), .init("StdinOnce", .bool(false)), .init("Image", .string("")),
        ]
        for name in wanted {
            let absent: JSON = ["User", "WorkingDir"].contains(name) ? .string("") : .null
            let member = process.first { $0.name == name }
            if member != nil || name != "ExposedPorts" { members.append(member ?? .init(name, absent)) }
        }
        members += process.filter { member in !members.contains { $0.name == member.name } }
        return .fields([
            "Id": .string(id.description), "RepoTags": .array(tags.map(JSON.string)),
            "RepoDigests": .array(digests.map(JSON.string)), "Parent": .string(""),
            "Comment": .string(config.history.last?.comment ?? ""),
            "Created": config.created.map(JSON.string),
            "DockerVersion": .string(""), "Author": .string(config.author ?? ""), "Config": .object(members),
            "Architecture": .string(config.platform.architecture),
            "Variant": config.platform.variant.map(JSON.string), "Os": .string(config.platform.os),
            "Size": .int(size), "GraphDriver": graphDriver(layers.reversed()),
            "RootFS": .fields([
                "Type": .string("layers"), "Layers": .array(config.diffIDs.map { .string($0.description) }),
            ]),
            "Metadata": .fields(["LastTagTime": .string((tagged ?? .zero).rfc3339Short)]),
        ])
    }
}
