public import Linux
public import OCI
import SystemPackage

/// What the host contributes to a container's document.
public struct HostFacts: Equatable, Sendable {
    /// What this engine may hand out: its own permitted set.
    public var capabilities: CapabilitySet
    /// Device nodes of the host, for privileged containers.
    public var devices: [RuntimeSpec.Device]
    /// What only this host has and no container sees, beside `maskedPaths`.
    public var hiddenPaths: [String] = []
}

extension HostFacts {
    /// Each CPU's counts of how often it was too hot: they tell of the work of others (GHSA-6fw5). `directory` is sysfs's
    /// of the CPUs; many machines have none of these.
    static func thermalCounts(below directory: FilePath = "/sys/devices/system/cpu") -> [String] {
        let name = "thermal_throttle"
        guard (try? FD.open(directory.appending("cpu0").appending(name), .path)) != nil,
            let names = try? FD.open(directory, [.readOnly, .directory]).entries().map(\.name.string)
        else { return [] }
        return names.filter { $0.hasPrefix("cpu") && Int($0.dropFirst(3)) != nil }.sorted()
            .map { "\(directory)/\($0)/\(name)" }
    }
}

/// Makes the OCI document of a container. Pure. The defaults are those of docs/security.md: podman's
/// capabilities, the union of docker's and podman's masked and read-only paths, no core files, 4096 processes.
public func makeSpec(_ config: ContainerConfig, mounts: [RuntimeSpec.Mount], host: HostFacts) -> RuntimeSpec {
    var spec = makeSpec(config.host, mounts: mounts, host: host)
    if config.host.sharing.uts.isEmpty {
        spec.hostname = config.effectiveHostname
        spec.domainname = config.domainname
    }
    spec.process.terminal = config.terminal
    spec.process.args = config.command
    spec.process.env = config.environment
    if !config.process.workingDir.isEmpty { spec.process.cwd = config.process.workingDir }
    return spec
}

/// The part that the host's options decide, whatever runs in it.
func makeSpec(_ options: HostOptions, mounts: [RuntimeSpec.Mount], host: HostFacts) -> RuntimeSpec {
    var spec = RuntimeSpec()
    spec.root.readonly = options.hasReadOnlyRoot
    spec.process.noNewPrivileges = options.noNewPrivileges
    spec.process.capabilities = makeCapabilities(options, host)
    spec.process.rlimits = makeRlimits(options.ulimits)
    spec.process.oomScoreAdj = options.oomScoreAdjustment.map { Int32(clamping: $0) }
    spec.mounts = standardMounts(options) + mounts
    let kinds = options.sharing.namespaces
    let all = options.network == .host ? kinds : kinds + [.network]
    spec.linux.namespaces = all.map { RuntimeSpec.Namespace($0) }
    spec.linux.devices = standardDevices + (options.isPrivileged ? host.devices : [])
    if !options.isPrivileged {
        spec.linux.maskedPaths = maskedPaths + host.hiddenPaths
        spec.linux.readonlyPaths = readonlyPaths
    }
    spec.linux.resources = makeResources(options.limits)
    spec.linux.resources.devices =
        makeDeviceRules(spec.linux.devices, isPrivileged: options.isPrivileged)
        + options.sharing.deviceRules.compactMap(SharingOptions.rule)
    spec.linux.sysctl = options.sharing.sysctls
    spec.annotations = options.sharing.annotations
    return spec
}

/// The default set plus what was added less what was dropped. A default that this engine does not have itself is
/// left out; what was asked for stays, and the start fails.
func makeCapabilities(_ options: HostOptions, _ host: HostFacts) -> RuntimeSpec.Capabilities {
    var set = CapabilitySet.default.intersection(host.capabilities)
    if options.droppedCapabilities.contains("ALL") { set = [] }
    if options.isPrivileged || options.addedCapabilities.contains("ALL") { set = host.capabilities }
    for name in options.addedCapabilities {
        if let capability = CapabilitySet(name: name) { set.insert(capability) }
    }
    for name in options.droppedCapabilities {
        if let capability = CapabilitySet(name: name) { set.remove(capability) }
    }
    var result = RuntimeSpec.Capabilities()
    let names = set.names
    (result.bounding, result.effective, result.permitted) = (names, names, names)
    return result
}

private func makeRlimits(_ ulimits: [Ulimit]) -> [RuntimeSpec.Rlimit] {
    func value(_ limit: Int64) -> UInt64 { limit < 0 ? .max : UInt64(limit) }
    let asked = ulimits.map {
        RuntimeSpec.Rlimit(type: "RLIMIT_\($0.name.uppercased())", soft: value($0.soft), hard: value($0.hard))
    }
    let core = RuntimeSpec.Rlimit(type: "RLIMIT_CORE", soft: 0, hard: 0)
    return asked.contains { $0.type == core.type } ? asked : [core] + asked
}

private func standardMounts(_ options: HostOptions) -> [RuntimeSpec.Mount] {
    typealias Mount = RuntimeSpec.Mount
    let kernel = ["nosuid", "noexec", "nodev"]
    let access = options.isPrivileged ? "rw" : "ro"
    return [
        Mount(destination: "/proc", type: "proc", source: "proc", options: kernel),
        Mount(
            destination: "/dev", type: "tmpfs", source: "tmpfs",
            options: ["nosuid", "noexec", "strictatime", "mode=755", "size=65536k"]),
        Mount(
            destination: "/dev/pts", type: "devpts", source: "devpts",
            options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
        Mount(destination: "/sys", type: "sysfs", source: "sysfs", options: kernel + [access]),
        Mount(destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: kernel + [access]),
        Mount(destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: kernel),
    ]
        + options.sharing.sharedMemory(
            Mount(
                destination: "/dev/shm", type: "tmpfs", source: "shm",
                options: kernel + ["mode=1777", "size=\(options.shmSize)"]))
}

private let standardDevices: [RuntimeSpec.Device] = [
    ("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0),
].map { name, major, minor in
    RuntimeSpec.Device(path: "/dev/\(name)", kind: .character, major: major, minor: minor, fileMode: 0o666)
}

/// What is not given to the container cannot be opened in it, wherever a node of it comes from.
private func makeDeviceRules(
    _ devices: [RuntimeSpec.Device], isPrivileged: Bool
) -> [RuntimeSpec.DeviceRule] {
    typealias Rule = RuntimeSpec.DeviceRule
    guard !isPrivileged else { return [Rule(allow: true)] }
    return [Rule(allow: false)]
        + devices.map {
            Rule(
                allow: true, kind: $0.kind == .block ? .block : .character, major: $0.major, minor: $0.minor)
        }
}

/// docker's and podman's lists together (CVE-2017-16539, CVE-2018-10892, GHSA-7ww5, GHSA-jq35).
let maskedPaths = [
    "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats",
    "/sys/dev/block", "/sys/devices/virtual/powercap", "/sys/firmware", "/sys/fs/selinux",
]
let readonlyPaths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]

/// Processes in a container unless the user says otherwise; where the host cannot limit them, it goes without.
let defaultPids: Int64 = 4096

func makeResources(_ limits: Limits) -> RuntimeSpec.Resources {
    var resources = RuntimeSpec.Resources()
    resources.memory.limit = limits.memory
    resources.memory.reservation = limits.memoryReservation
    resources.memory.swap = limits.swapAndMemory
    resources.cpu.shares = limits.cpuShares.flatMap { UInt64(exactly: $0) }
    resources.cpu.quota = limits.cpuQuota
    resources.cpu.period = limits.cpuPeriod.flatMap { UInt64(exactly: $0) }
    if let nano = limits.nanoCPUs {
        resources.cpu.period = 100_000
        resources.cpu.quota = nano / 10_000
    }
    resources.cpu.cpus = limits.cpusetCPUs
    resources.cpu.mems = limits.cpusetMems
    let pids = limits.pids ?? defaultPids
    resources.pids = RuntimeSpec.PidsLimit(limit: pids > 0 ? pids : -1)
    return resources
}
