import Linux
public import OCI
import SystemPackage

/// What the machine is, read from /proc and /sys.
public struct HostInfo: Equatable, Sendable {
    /// The kernel's release: `6.1.0-18-amd64`.
    public let kernel: String
    /// The host's name.
    public let name: String
    /// PRETTY_NAME of /etc/os-release.
    public let system: String
    /// Those that are online.
    public let processors: Int
    /// In bytes.
    public let memory: Int64
    /// Of cgroup v2; nil when it is not mounted.
    public let controllers: Set<String>?

    /// Reads all of it; what cannot be read is empty or 0.
    public init() {
        kernel = HostInfo.line("/proc/sys/kernel/osrelease")
        name = HostInfo.line("/proc/sys/kernel/hostname")
        processors = HostInfo.processorCount()
        let release = HostInfo.text("/etc/os-release").split(separator: "\n")
        let pretty = release.first { $0.hasPrefix("PRETTY_NAME=") }.map { $0.dropFirst(12) } ?? "Linux"
        system = pretty.filter { $0 != "\"" }
        let total = HostInfo.text("/proc/meminfo").split(separator: "\n").first { $0.hasPrefix("MemTotal:") }
        let kilobytes = total?.split(separator: " ").dropFirst().first.flatMap { Int64($0) } ?? 0
        memory = kilobytes * 1024
        // Controllers that cannot be read are none that we could use.
        controllers = CgroupTree.find().map { (try? $0.controllers()) ?? [] }
    }

    /// Processors that are online.
    public static func processorCount() -> Int {
        let list = line("/sys/devices/system/cpu/online")
        let count = list.split(separator: ",").reduce(0) { sum, range in
            let ends = range.split(separator: "-").compactMap { Int($0) }
            guard let first = ends.first, let last = ends.last, last >= first else { return sum }
            return sum + last - first + 1
        }
        return max(1, count)
    }

    private static func text(_ path: FilePath) -> String {
        let bytes = try? FD.open(path).readAll(limit: 1 << 20)  // absent is an answer
        return String(decoding: bytes ?? [], as: UTF8.self)
    }

    private static func line(_ path: FilePath) -> String {
        String(text(path).prefix { $0 != "\n" })
    }
}

/// The document of `info`, with docker's names.
public enum InfoView {
    /// `running`, `stopped`: how many containers; `images`: how many images.
    public static func json(
        _ host: HostInfo, paths: EnginePaths, version: String, running: Int, stopped: Int, images: Int
    ) -> JSON {
        let architecture = Platform.host.architecture == "arm64" ? "aarch64" : "x86_64"
        return .fields([
            "ID": .string(paths.suffix ?? "apus"), "Containers": .int(Int64(running + stopped)),
            "ContainersRunning": .int(Int64(running)), "ContainersPaused": .int(0),
            "ContainersStopped": .int(Int64(stopped)), "Images": .int(Int64(images)),
            "Driver": .string("overlay2"),
            "MemoryLimit": .bool(has(host, "memory")), "CpuCfsQuota": .bool(has(host, "cpu")),
            "PidsLimit": .bool(has(host, "pids")), "CPUSet": .bool(has(host, "cpuset")),
            "LoggingDriver": .string("json-file"), "CgroupDriver": .string("cgroupfs"),
            "CgroupVersion": .string("2"), "KernelVersion": .string(host.kernel),
            "OperatingSystem": .string(host.system), "OSType": .string("linux"),
            "Architecture": .string(architecture), "NCPU": .int(Int64(host.processors)),
            "MemTotal": .int(host.memory), "DockerRootDir": .string(paths.root.string),
            "RunDir": .string(paths.run.string), "Name": .string(host.name),
            "ServerVersion": .string(version),
            "DefaultRuntime": .string("apus-runtime"),
            "SecurityOptions": .array([.string("name=seccomp,profile=builtin"), .string("name=cgroupns")]),
            "Warnings": .array(warnings(host).map(JSON.string)),
        ])
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

    /// The text of `info` without a format.
    public static func text(_ json: JSON) -> String {
        func show(_ name: String) -> String { json[name].map { $0.string ?? $0.text } ?? "" }
        let memory = Double(json["MemTotal"]?.int ?? 0) / Double(1 << 30)
        let rows = [
            ("Containers", show("Containers")), (" Running", show("ContainersRunning")),
            (" Stopped", show("ContainersStopped")), ("Images", show("Images")),
            ("Server Version", show("ServerVersion")), ("Storage Driver", show("Driver")),
            ("Logging Driver", show("LoggingDriver")), ("Cgroup Version", show("CgroupVersion")),
            ("Default Runtime", show("DefaultRuntime")), ("Kernel Version", show("KernelVersion")),
            ("Operating System", show("OperatingSystem")), ("Architecture", show("Architecture")),
            ("CPUs", show("NCPU")), ("Total Memory", Size.significant(memory, digits: 4) + "GiB"),
            ("Name", show("Name")), ("Root Dir", show("DockerRootDir")), ("Run Dir", show("RunDir")),
        ]
        let warnings = (json["Warnings"]?.strings ?? []).map { "WARNING: \($0)\n" }.joined()
        return rows.map { "\($0): \($1)\n" }.joined() + warnings
    }
}
