public import Linux
import Network
public import OCI

/// The documents of `inspect`, in docker's shape.
public enum InspectView {
    /// A container: its config.json with its state, mounts and network. `directory` is that of its record,
    /// `layers` are those of its root, the writable one first; `volumes` are its volumes' names and directories
    /// by where they are mounted.
    public static func container(
        _ summary: ContainerSummary, directory: String, layers: [String] = [],
        volumes: [String: (name: String, source: String)] = [:]
    ) -> JSON {
        let (config, state) = (summary.config, summary.state)
        let record = config.json
        let files = self.files(config, directory)
        return .fields([
            "Id": .string(config.id), "Created": record["Created"], "Path": record["Path"] ?? .string(""),
            "Args": record["Args"] ?? .array([]), "State": self.state(state), "Image": record["Image"],
            "ResolvConfPath": .string("\(files)/resolv.conf"),
            "HostnamePath": .string("\(files)/hostname"), "HostsPath": .string("\(files)/hosts"),
            "LogPath": .string(logPath(summary, directory)), "Name": record["Name"],
            "RestartCount": .int(Int64(state.restartCount)),
            "Driver": .string("overlay2"), "Platform": .string(config.platform.os), "MountLabel": .string(""),
            "ProcessLabel": .string(""), "AppArmorProfile": .string(""), "ExecIDs": .null,
            "HostConfig": hostConfig(config),
            "GraphDriver": graphDriver(layers, work: "\(directory)/work", merged: root(of: state)),
            "SizeRw": summary.size.map(JSON.int), "SizeRootFs": summary.wholeSize.map(JSON.int),
            "Mounts": .array(mounts(config, volumes)),
            "Config": withOnBuild(record["Config"]), "NetworkSettings": network(summary),
        ])
    }

    /// Where its /etc/hosts and the like are: those of the container whose network it shares.
    private static func files(_ config: ContainerConfig, _ directory: String) -> String {
        guard case .container(let other) = config.host.network else { return directory }
        return directory.split(separator: "/").dropLast().map { "/\($0)" }.joined() + "/\(other)"
    }

    /// Empty where there is no such file: nothing was written yet, or it goes elsewhere.
    private static func logPath(_ summary: ContainerSummary, _ directory: String) -> String {
        let isFile = summary.config.host.log.driver == .jsonFile && summary.state.startedAt != nil
        return isFile ? "\(directory)/log" : ""
    }

    /// docker's PortBindings stand where the record has what was typed.
    private static func hostConfig(_ config: ContainerConfig) -> JSON {
        let hidden: Set<String> = ["AllMounts", "Endpoints", "OomScoreAdjSet", "PublishedPorts"]
        let members = (config.host.json.members ?? []).filter { !hidden.contains($0.name) }
        let isPrivileged = config.host.isPrivileged
        let rest: JSON = .fields([
            "PortBindings": portBindings(config.host), "VolumeDriver": .string(""),
            "ConsoleSize": .array([.int(0), .int(0)]),
            "Cgroup": .string(""), "Links": .null,
            "Isolation": .string(""), "BlkioWeight": .int(0),
            "DeviceRequests": .null,
            "MemorySwappiness": .null, "OomKillDisable": .null,
            "BlkioWeightDevice": .array([]), "BlkioDeviceReadBps": .array([]),
            "BlkioDeviceWriteBps": .array([]), "BlkioDeviceReadIOps": .array([]),
            "BlkioDeviceWriteIOps": .array([]), "CpuRealtimePeriod": .int(0), "CpuRealtimeRuntime": .int(0),
            "CpuCount": .int(0), "CpuPercent": .int(0), "IOMaximumIOps": .int(0),
            "IOMaximumBandwidth": .int(0),
            "MaskedPaths": isPrivileged ? .null : .array(maskedPaths.map(JSON.string)),
            "ReadonlyPaths": isPrivileged ? .null : .array(readonlyPaths.map(JSON.string)),
        ])
        return .object(members).appending(rest)
    }

    /// docker writes it always.
    private static func withOnBuild(_ config: JSON?) -> JSON? {
        config?["OnBuild"] == nil ? config?.appending(.fields(["OnBuild": .null])) : config
    }

    private static func portBindings(_ host: HostOptions) -> JSON {
        // What is stored was checked when it was typed.
        let mappings = (try? host.portMappings()) ?? []
        var members: [JSON.Member] = []
        for mapping in mappings {
            let range = mapping.lastHostPort > mapping.hostPort ? "-\(mapping.lastHostPort)" : ""
            let port = mapping.hostPort == 0 ? "" : "\(mapping.hostPort)\(range)"
            let binding: JSON = .fields([
                "HostIp": .string(mapping.hostAddress.map { "\($0)" } ?? ""), "HostPort": .string(port),
            ])
            let name = "\(mapping.containerPort)/\(mapping.proto.rawValue)"
            if let at = members.firstIndex(where: { $0.name == name }) {
                members[at].value = .array((members[at].value.array ?? []) + [binding])
            } else {
                members.append(.init(name, .array([binding])))
            }
        }
        return .object(members)
    }

    private static func state(_ state: ContainerState) -> JSON {
        var pid: Int32 = 0
        var code: JSON = .int(Int64(state.failedStartCode))
        if case .running(let process, _, _) = state.phase { pid = process }
        switch state.phase {
        case .exited(let exit), .restarting(let exit, _): code = exit.map { .int(Int64($0)) } ?? .null
        case .created, .running: break
        }
        return .fields([
            "Status": .string(state.status), "Running": .bool(state.isRunning),
            "Paused": .bool(state.isPaused),
            "Restarting": .bool(state.isRestarting), "OOMKilled": .bool(state.oomKilled),
            "Dead": .bool(false),
            "Pid": .int(Int64(pid)), "ExitCode": code, "Error": .string(state.error),
            "StartedAt": .string((state.startedAt ?? .zero).rfc3339Short),
            "FinishedAt": .string((state.finishedAt ?? .zero).rfc3339Short), "Health": state.health,
        ])
    }

    /// The whole root of a running container; one that does not run is mounted nowhere.
    private static func root(of state: ContainerState) -> String {
        if case .running(let pid, _, _) = state.phase { "/proc/\(pid)/root" } else { "" }
    }

    private static func graphDriver(_ layers: [String], work: String = "", merged: String = "") -> JSON {
        guard let upper = layers.first else { return .fields(["Data": .null, "Name": .string("overlay2")]) }
        let data: JSON = .fields([
            "LowerDir": layers.count > 1 ? .string(layers.dropFirst().joined(separator: ":")) : nil,
            "MergedDir": merged.isEmpty ? nil : .string(merged), "UpperDir": .string(upper),
            "WorkDir": work.isEmpty ? nil : .string(work),
        ])
        return .fields(["Data": data, "Name": .string("overlay2")])
    }

    /// docker names a mount point and a working directory beside the topmost layer, made when they are needed.
    private static func graphDriver(ofImage layers: [String]) -> JSON {
        let place = layers.last.map { $0.split(separator: "/").dropLast().map { "/\($0)" }.joined() } ?? ""
        return graphDriver(layers.reversed(), work: "\(place)/work", merged: "\(place)/merged")
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
            "Size": .int(size), "GraphDriver": graphDriver(ofImage: layers),
            "RootFS": .fields([
                "Type": .string("layers"), "Layers": .array(config.diffIDs.map { .string($0.description) }),
            ]),
            "Metadata": .fields(["LastTagTime": .string((tagged ?? .zero).rfc3339Short)]),
        ])
    }
}
