import Linux
public import OCI

/// One value for one file of a cgroup.
public struct CgroupWrite: Equatable, Sendable, CustomStringConvertible {
    /// What happens when it fails.
    enum Failure: Equatable, Sendable {
        case refuse
        /// Where there is no such file there is nothing to limit.
        case ignoreMissing
        /// It is written again later.
        case ignore
        /// Where there is no such file, this one takes its place.
        case writeInstead(file: String, value: String)
    }
    let controller: String
    let file: String
    let value: String
    var failure = Failure.refuse

    init(_ controller: String, _ file: String, _ value: String, _ failure: Failure = .refuse) {
        (self.controller, self.file, self.value, self.failure) = (controller, file, value, failure)
    }

    public var description: String { "\(file) = \(value)" }
}

/// The writes for a container's limits, and one sentence for each that this host cannot have and nobody asked for.
public struct LimitPlan: Equatable, Sendable {
    public var writes: [CgroupWrite] = []
    public var warnings: [String] = []
}

/// What limits can be set in a cgroup, and who asked for them.
public struct LimitFacts: Sendable {
    /// The controllers of the cgroup itself.
    public var available: Set<String>
    /// The controllers of the tree's root.
    public var hosts: Set<String>
    /// Controllers whose limits are an engine's defaults, so that they may be missing; nil judges by the values.
    public var defaults: Set<String>?
    /// The two words of `cpu.max`: a quota or a period alone leaves the other as it is.
    public var cpuMax = (quota: "max", period: "100000")
    /// Whether `cpu.idle` is set: an idle cgroup takes no weight.
    public var isIdle = false
    /// `memory.max`, from which a swap limit alone is counted; 0 is unknown, -1 unlimited.
    public var memoryLimit: Int64 = 0

    public init(available: Set<String>, hosts: Set<String>, defaults: Set<String>? = nil) {
        (self.available, self.hosts, self.defaults) = (available, hosts, defaults)
    }
}

/// Plans the writes for a container's limits (runtime-spec, config-linux.md#control-groups; conversions to v2 and what
/// counts as unset are runc's). A limit whose controller is missing is refused, unless it is a default. Pure.
public func planLimits(
    _ resources: RuntimeSpec.Resources, _ facts: LimitFacts
) throws(RuntimeError) -> LimitPlan {
    try checkResources(resources)
    let unsettled =
        pidsWrites(resources.pids) + (try memoryWrites(resources.memory, limit: facts.memoryLimit))
        + ioWrites(resources.blockIO)
        + cpuWrites(resources.cpu, facts) + cpusetWrites(resources.cpu)
        + hugepageWrites(resources.hugepageLimits) + rdmaWrites(resources.rdma)
        + (try unifiedWrites(resources.unified))
    let defaults = facts.defaults ?? resources.engineDefaults
    var plan = LimitPlan()
    let all = settleIdle(unsettled, facts, &plan.warnings)
    var missing: Set<String> = []
    for write in all {
        if facts.available.contains(write.controller) || write.controller == "cgroup" {
            plan.writes.append(write)
        } else if write.value == "max" || write.value.hasPrefix("max ") {
            continue  // no limit is what there is
        } else if defaults.contains(write.controller) {
            missing.insert(write.controller)
        } else {
            throw RuntimeError("cannot set \(write.file): \(whyMissing(write.controller, facts))")
        }
    }
    plan.warnings += missing.sorted().map {
        "the engine's default for \($0) is left out: \(whyMissing($0, facts))"
    }
    return plan
}

/// An idle cgroup has no weight (the kernel says EINVAL): with both asked for it is idle, with a weight alone no longer.
private func settleIdle(
    _ unsettled: [CgroupWrite], _ facts: LimitFacts, _ warnings: inout [String]
) -> [CgroupWrite] {
    let idle = unsettled.last { $0.file == "cpu.idle" }?.value
    // What it is already: systemd would give it the default weight again.
    let isSame = !facts.isIdle && idle == "0"
    let writes = isSame ? unsettled.filter { $0.file != "cpu.idle" } : unsettled
    guard writes.contains(where: { $0.file == "cpu.weight" }) else { return writes }
    switch idle {
    case "1":
        warnings.append("unable to apply both a weight and cpu.idle: an idle cgroup has no weight")
        return writes.filter { $0.file != "cpu.weight" }
    case nil where facts.isIdle: return [CgroupWrite("cpu", "cpu.idle", "0")] + writes
    default: return writes
    }
}

private func whyMissing(_ controller: String, _ facts: LimitFacts) -> String {
    if facts.hosts.contains(controller) {
        return "a cgroup above does not give the \(controller) controller to its children, because it has "
            + "processes of its own or may not"
    }
    return "this host's cgroup v2 tree has no \(controller) controller; "
        + "boot with cgroup v2 only (kernel argument systemd.unified_cgroup_hierarchy=1)"
}

extension RuntimeSpec.Resources {
    /// The controllers of which nothing is asked beyond what engines write by themselves: podman's and our number of
    /// processes, Kubernetes' smallest shares, a period without a quota, page sizes that are limited to nothing.
    var engineDefaults: Set<String> {
        var controllers: Set<String> = []
        if [1024, 2048, 4096, 1_048_576].contains(pids?.limit) { controllers.insert("pids") }
        let asksCPU = (cpu.quota ?? 0) > 0 || cpu.burst ?? 0 > 0 || cpu.idle ?? 0 != 0
        if !asksCPU, cpu.shares ?? 2 <= 1024 { controllers.insert("cpu") }
        if memory.limit ?? 0 <= 0, memory.swap ?? 0 <= 0 { controllers.insert("memory") }
        if hugepageLimits.allSatisfy({ $0.limit == 0 }) { controllers.insert("hugetlb") }
        return controllers.subtracting(unified.keys.map(controllerName))
    }

    /// The controllers that these limits need.
    var controllers: Set<String> {
        var names = Set(unified.keys.map(controllerName))
        if !hugepageLimits.isEmpty { names.insert("hugetlb") }
        if !rdma.isEmpty { names.insert("rdma") }
        return names
    }
}

/// What no cgroup v2 has, and what could be written into a file that was not meant.
private func checkResources(_ resources: RuntimeSpec.Resources) throws(RuntimeError) {
    guard resources.cpu.realtimeRuntime ?? 0 == 0, resources.cpu.realtimePeriod ?? 0 == 0 else {
        throw RuntimeError(
            "cpu.realtimeRuntime and cpu.realtimePeriod are not supported: cgroup v2 has neither")
    }
    for limit in resources.hugepageLimits where !isPageSize(limit.pageSize) {
        throw RuntimeError("hugepageLimits: page size \"\(limit.pageSize)\" is not like 2MB or 1GB")
    }
    for name in resources.rdma.keys where name.isEmpty || name.contains(where: \.isWhitespace) {
        throw RuntimeError("rdma: \"\(name)\" cannot be the name of a device")
    }
}

private func isPageSize(_ text: String) -> Bool {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    return !digits.isEmpty && ["KB", "MB", "GB"].contains(text.dropFirst(digits.count))
}

/// Nil when it is not set: 0 counts as absent, as in runc.
private func limit(_ value: Int64?) -> String? {
    guard let value, value != 0 else { return nil }
    return value < 0 ? "max" : String(value)
}

/// Swap first: with a limit that is lowered both ways, pages have to go at once.
private func memoryWrites(
    _ memory: RuntimeSpec.Memory, limit old: Int64
) throws(RuntimeError) -> [CgroupWrite] {
    var writes: [CgroupWrite] = []
    if let swap = try swapLimit(memory, limit: old) {
        // Without swap in the kernel there is nothing to forbid and nothing to allow.
        let isExtreme = swap == "max" || swap == "0"
        writes.append(CgroupWrite("memory", "memory.swap.max", swap, isExtreme ? .ignoreMissing : .refuse))
    }
    if let max = limit(memory.limit) { writes.append(CgroupWrite("memory", "memory.max", max)) }
    if let low = limit(memory.reservation) { writes.append(CgroupWrite("memory", "memory.low", low)) }
    return writes
}

/// v1's limit counts memory and swap together, v2's only swap.
private func swapLimit(_ memory: RuntimeSpec.Memory, limit old: Int64) throws(RuntimeError) -> String? {
    let total = memory.swap ?? 0
    let memory = (memory.limit ?? 0) == 0 && total > 0 ? old : memory.limit ?? 0
    if memory < 0 && total == 0 { return "max" }
    if total <= 0 || memory < 0 { return limit(total) }
    guard memory != 0 else { throw RuntimeError("unable to set swap limit without memory limit") }
    guard total >= memory else { throw RuntimeError("memory+swap limit should be >= memory limit") }
    return String(total - memory)
}

private func cpuWrites(_ cpu: RuntimeSpec.CPU, _ facts: LimitFacts) -> [CgroupWrite] {
    var writes: [CgroupWrite] = []
    if let idle = cpu.idle { writes.append(CgroupWrite("cpu", "cpu.idle", String(idle))) }
    if let shares = cpu.shares, shares > 0 {
        writes.append(CgroupWrite("cpu", "cpu.weight", String(CgroupWeights.cpuWeight(shares: shares))))
    }
    let quota = limit(cpu.quota)
    let period = (cpu.period ?? 0) > 0 ? cpu.period.map(String.init) : nil
    let setsMax = quota != nil || period != nil
    // A burst must not be above the quota: lowered before it, raised after it.
    if let burst = cpu.burst, setsMax {
        writes.append(CgroupWrite("cpu", "cpu.max.burst", String(burst), .ignore))
    }
    if setsMax {
        let value = "\(quota ?? facts.cpuMax.quota) \(period ?? facts.cpuMax.period)"
        writes.append(CgroupWrite("cpu", "cpu.max", value))
    }
    if let burst = cpu.burst { writes.append(CgroupWrite("cpu", "cpu.max.burst", String(burst))) }
    return writes
}

private func cpusetWrites(_ cpu: RuntimeSpec.CPU) -> [CgroupWrite] {
    [("cpuset.cpus", cpu.cpus), ("cpuset.mems", cpu.mems)].compactMap { file, list in
        guard let list, !list.isEmpty else { return nil }
        return CgroupWrite("cpuset", file, list)
    }
}

private func pidsWrites(_ pids: RuntimeSpec.PidsLimit?) -> [CgroupWrite] {
    guard let pids else { return [] }
    // Newer runc's reading of 0: systemd knows no smaller number, and no process can be forked either way.
    return [CgroupWrite("pids", "pids.max", pids.limit < 0 ? "max" : String(max(pids.limit, 1)))]
}

private func ioWrites(_ io: RuntimeSpec.BlockIO) -> [CgroupWrite] {
    var writes: [CgroupWrite] = []
    func add(_ prefix: String, _ weight: UInt16?) {
        guard let weight, weight > 0 else { return }
        // BFQ takes v1's weights; iocost has its own scale.
        let other = "\(prefix)\(CgroupWeights.ioWeight(blkio: weight))"
        writes.append(
            CgroupWrite(
                "io", "io.bfq.weight", "\(prefix)\(weight)", .writeInstead(file: "io.weight", value: other)))
    }
    add("", io.weight)
    for device in io.weightDevice { add("\(device.major):\(device.minor) ", device.weight) }
    let throttles: [(String, [RuntimeSpec.ThrottleDevice])] = [
        ("rbps", io.throttleReadBpsDevice), ("wbps", io.throttleWriteBpsDevice),
        ("riops", io.throttleReadIOPSDevice), ("wiops", io.throttleWriteIOPSDevice),
    ]
    for (word, devices) in throttles {
        for device in devices {
            // 0 takes the limit away.
            let rate = device.rate == 0 ? "max" : String(device.rate)
            writes.append(
                CgroupWrite("io", "io.max", "\(device.major):\(device.minor) \(word)=\(rate)"))
        }
    }
    return writes
}

/// Reservations count like faults, so that a mapping cannot promise more than the limit.
private func hugepageWrites(_ limits: [RuntimeSpec.HugepageLimit]) -> [CgroupWrite] {
    limits.flatMap { limit in
        [
            CgroupWrite("hugetlb", "hugetlb.\(limit.pageSize).max", String(limit.limit)),
            CgroupWrite("hugetlb", "hugetlb.\(limit.pageSize).rsvd.max", String(limit.limit), .ignoreMissing),
        ]
    }
}

private func rdmaWrites(_ rdma: [String: RuntimeSpec.RdmaLimit]) -> [CgroupWrite] {
    rdma.sorted { $0.key < $1.key }.map { device, limit in
        let words = [
            limit.hcaHandles.map { "hca_handle=\($0)" }, limit.hcaObjects.map { "hca_object=\($0)" },
        ]
        return CgroupWrite("rdma", "rdma.max", ([device] + words.compactMap(\.self)).joined(separator: " "))
    }
}

private func controllerName(_ file: String) -> String { String(file.prefix { $0 != "." }) }

/// Files as they are named, each line of a value by itself: the kernel takes one at a time.
private func unifiedWrites(_ unified: [String: String]) throws(RuntimeError) -> [CgroupWrite] {
    var writes: [CgroupWrite] = []
    for (file, value) in unified.sorted(by: { $0.key < $1.key }) {
        guard !file.contains("/") else {
            throw RuntimeError("unified resource \"\(file)\" must be a file name (no slashes)")
        }
        let controller = controllerName(file)
        guard !controller.isEmpty, file.utf8.count > controller.utf8.count + 1 else {
            throw RuntimeError("unified resource \"\(file)\" must be in the form CONTROLLER.PARAMETER")
        }
        for line in value.split(separator: "\n") {
            writes.append(CgroupWrite(controller, file, String(line)))
        }
    }
    return writes
}
