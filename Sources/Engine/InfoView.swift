import Linux
public import OCI
import SystemPackage

/// The document of `info`, with docker's names.
public enum InfoView {
    /// How many there are.
    public struct Counts: Equatable, Sendable {
        public var containers = 0
        public var running = 0
        public var paused = 0
        public var images = 0

        public init() {}
    }

    /// `version` is the program's.
    public static func json(_ host: HostInfo, paths: EnginePaths, version: String, _ counts: Counts) -> JSON {
        var members = machine(host) + engine(paths, version, counts) + limits(host) + fixed
        members.sort { $0.name < $1.name }
        return .object(members)
    }

    private static func machine(_ host: HostInfo) -> [JSON.Member] {
        members([
            "KernelVersion": .string(host.kernel), "OperatingSystem": .string(host.system),
            "OSVersion": .string(host.systemVersion), "OSType": .string("linux"),
            "Architecture": .string(Platform.host.architecture == "arm64" ? "aarch64" : "x86_64"),
            "NCPU": .int(Int64(host.processors)), "MemTotal": .int(host.memory), "Name": .string(host.name),
            "IPv4Forwarding": .bool(host.isOn("net/ipv4/ip_forward")),
            "BridgeNfIptables": .bool(host.isOn("net/bridge/bridge-nf-call-iptables")),
            "BridgeNfIp6tables": .bool(host.isOn("net/bridge/bridge-nf-call-ip6tables")),
            "SystemTime": .string(Timestamp.now().description),
            "Warnings": .array(warnings(host).map(JSON.string)),
        ])
    }

    private static func engine(_ paths: EnginePaths, _ version: String, _ counts: Counts) -> [JSON.Member] {
        members([
            "ID": .string(paths.suffix ?? "apus"), "ServerVersion": .string(version),
            "Containers": .int(Int64(counts.containers)), "ContainersRunning": .int(Int64(counts.running)),
            "ContainersPaused": .int(Int64(counts.paused)),
            "ContainersStopped": .int(Int64(counts.containers - counts.running - counts.paused)),
            "Images": .int(Int64(counts.images)),
            "DockerRootDir": .string(paths.root.string), "RunDir": .string(paths.run.string),
        ])
    }

    private static func limits(_ host: HostInfo) -> [JSON.Member] {
        members([
            "MemoryLimit": .bool(has(host, "memory")), "SwapLimit": .bool(has(host, "memory")),
            "CpuCfsQuota": .bool(has(host, "cpu")), "CpuCfsPeriod": .bool(has(host, "cpu")),
            "CPUShares": .bool(has(host, "cpu")), "CPUSet": .bool(has(host, "cpuset")),
            "PidsLimit": .bool(has(host, "pids")), "OomKillDisable": .bool(false),
        ])
    }

    /// What is the same everywhere; members of docker's that mean nothing here say nothing.
    private static let fixed: [JSON.Member] = members([
        "Driver": .string("overlay2"), "DriverStatus": .array([]), "LoggingDriver": .string("json-file"),
        "CgroupDriver": .string("cgroupfs"), "CgroupVersion": .string("2"),
        "Plugins": .fields([
            "Volume": words("local"), "Network": words("bridge", "host", "null"), "Authorization": .null,
            "Log": words("journald", "json-file"),
        ]),
        "SecurityOptions": words("name=seccomp,profile=builtin", "name=cgroupns"),
        "DefaultRuntime": .string("apus-runtime"),
        "Runtimes": .fields(["apus-runtime": .fields(["path": .string("apus-runtime")])]),
        "InitBinary": .string("docker-init"), "InitCommit": commit, "ContainerdCommit": commit,
        "RuncCommit": commit,
        "Swarm": .fields([
            "NodeID": .string(""), "NodeAddr": .string(""), "LocalNodeState": .string("inactive"),
            "ControlAvailable": .bool(false), "Error": .string(""), "RemoteManagers": .null,
        ]),
        "LiveRestoreEnabled": .bool(true), "IndexServerAddress": .string("https://index.docker.io/v1/"),
        "RegistryConfig": .fields([
            "InsecureRegistryCIDRs": words("127.0.0.0/8"), "IndexConfigs": .object([]), "Mirrors": .array([]),
        ]),
        "Debug": .bool(false), "ExperimentalBuild": .bool(false), "Labels": .array([]),
        "GenericResources": .null, "Isolation": .string(""), "NEventsListener": .int(0), "NFd": .int(0),
        "NGoroutines": .int(0), "HttpProxy": .string(""), "HttpsProxy": .string(""), "NoProxy": .string(""),
        "ClientInfo": .fields([
            "Debug": .bool(false), "Context": .string("default"), "Plugins": .array([]), "Warnings": .null,
        ]),
    ])

    private static let commit = JSON.fields(["ID": .string(""), "Expected": .string("")])

    private static func words(_ words: String...) -> JSON { .array(words.map(JSON.string)) }

    private static func members(_ fields: KeyValuePairs<String, JSON?>) -> [JSON.Member] {
        JSON.fields(fields).members ?? []
    }

    private static func has(_ host: HostInfo, _ controller: String) -> Bool {
        host.controllers?.contains(controller) ?? false
    }

    /// What this machine cannot limit, with the fix.
    private static func warnings(_ host: HostInfo) -> [String] {
        guard host.controllers != nil else {
            return ["cgroup v2 is not mounted: containers cannot be limited (mount it at /sys/fs/cgroup)"]
        }
        let missing = ["cpu", "cpuset", "io", "memory", "pids"].filter { !has(host, $0) }
        if missing.isEmpty { return [] }
        let names = missing.joined(separator: ", ")
        return [
            "no cgroup v2 controller for \(names) (boot with systemd.unified_cgroup_hierarchy=1 for cgroup v2 alone)"
        ]
    }

    /// The text of `info` without a format, in docker's layout.
    public static func text(_ json: JSON) -> String {
        func show(_ name: String) -> String { json[name].map { $0.string ?? $0.text } ?? "" }
        func list(_ name: String) -> String {
            (json["Plugins"]?[name]?.strings ?? []).joined(separator: " ")
        }
        let memory = Double(json["MemTotal"]?.int ?? 0) / Double(1 << 30)
        let rows = [
            ("Client", ""), (" Version", show("ServerVersion")), (" Context", "default"),
            (" Debug Mode", "false"), ("\nServer", ""),
            (" Containers", show("Containers")), ("  Running", show("ContainersRunning")),
            ("  Paused", show("ContainersPaused")), ("  Stopped", show("ContainersStopped")),
            (" Images", show("Images")), (" Server Version", show("ServerVersion")),
            (" Storage Driver", show("Driver")), (" Logging Driver", show("LoggingDriver")),
            (" Cgroup Driver", show("CgroupDriver")), (" Cgroup Version", show("CgroupVersion")),
            (" Plugins", ""), ("  Volume", list("Volume")), ("  Network", list("Network")),
            ("  Log", list("Log")), (" Swarm", "inactive"), (" Runtimes", show("DefaultRuntime")),
            (" Default Runtime", show("DefaultRuntime")), (" Init Binary", show("InitBinary")),
            (" Security Options", ""), ("  seccomp", ""), ("   Profile", "builtin"), ("  cgroupns", ""),
            (" Kernel Version", show("KernelVersion")), (" Operating System", show("OperatingSystem")),
            (" OSType", show("OSType")), (" Architecture", show("Architecture")), (" CPUs", show("NCPU")),
            (" Total Memory", Size.significant(memory, digits: 4) + "GiB"), (" Name", show("Name")),
            (" ID", show("ID")), (" Docker Root Dir", show("DockerRootDir")), (" Run Dir", show("RunDir")),
            (" Debug Mode", "false"), (" Experimental", "false"), (" Insecure Registries", ""),
            ("  127.0.0.0/8", ""), (" Live Restore Enabled", show("LiveRestoreEnabled")),
        ]
        let bare: Set = ["  seccomp", "  cgroupns", "  127.0.0.0/8"]
        let warnings = (json["Warnings"]?.strings ?? []).map { "WARNING: \($0)\n" }.joined()
        return rows.map { name, value in
            bare.contains(name) ? "\(name)\n" : "\(name):\(value.isEmpty ? "" : " \(value)")\n"
        }.joined() + "\n" + warnings
    }
}
