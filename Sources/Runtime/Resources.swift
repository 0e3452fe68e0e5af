public import Linux
public import OCI
public import SystemPackage

/// One value for one file of a cgroup.
public struct CgroupWrite: Equatable, Sendable {
    public let controller: String
    public let file: String
    public let value: String
}

/// Plans the writes for a container's limits (runtime-spec, config-linux.md#control-groups; the conversions to v2
/// are runc's and crun's). A limit whose controller the host does not offer is refused; those in `defaults` were
/// not asked for by the user and are left out instead.
public func planLimits(
    _ resources: RuntimeSpec.Resources, available: Set<String>, defaults: Set<String> = []
) throws(RuntimeError) -> [CgroupWrite] {
    let all =
        memoryWrites(resources.memory) + cpuWrites(resources.cpu) + pidsWrites(resources.pids)
        + ioWrites(resources.blockIO)
    let unified = resources.unified.sorted { $0.key < $1.key }.map {
        CgroupWrite(controller: String($0.key.prefix { $0 != "." }), file: $0.key, value: $0.value)
    }
    var result: [CgroupWrite] = []
    for write in all + unified {
        if available.contains(write.controller) || write.controller == "cgroup" {
            guard !write.file.contains("/") else { throw RuntimeError("bad cgroup file \(write.file)") }
            result.append(write)
        } else if !defaults.contains(write.controller), write.value != "max" {  // no limit is what there is
            throw RuntimeError(
                "cannot set \(write.file): this host's cgroup v2 tree has no \(write.controller) controller; "
                    + "boot with cgroup v2 only (kernel argument systemd.unified_cgroup_hierarchy=1)")
        }
    }
    return result
}

private func value(_ limit: Int64) -> String { limit < 0 ? "max" : String(limit) }

private func memoryWrites(_ memory: RuntimeSpec.Memory) -> [CgroupWrite] {
    var writes: [CgroupWrite] = []
    func add(_ file: String, _ value: String) {
        writes.append(CgroupWrite(controller: "memory", file: file, value: value))
    }
    if let limit = memory.limit { add("memory.max", value(limit)) }
    // v1's swap limit counts memory and swap, v2's only swap.
    if let swap = memory.swap, let limit = memory.limit, swap >= limit || swap < 0 {
        add("memory.swap.max", swap < 0 ? "max" : String(swap - limit))
    }
    if let reservation = memory.reservation { add("memory.low", value(reservation)) }
    return writes
}

private func cpuWrites(_ cpu: RuntimeSpec.CPU) -> [CgroupWrite] {
    var writes: [CgroupWrite] = []
    if let shares = cpu.shares, shares > 0 {
        // 2-262144 onto 1-10000.
        let weight = 1 + ((max(shares, 2) - 2) * 9999) / 262_142
        writes.append(CgroupWrite(controller: "cpu", file: "cpu.weight", value: String(min(weight, 10_000))))
    }
    if cpu.quota != nil || cpu.period != nil {
        let quota = cpu.quota.map(value) ?? "max"
        writes.append(
            CgroupWrite(controller: "cpu", file: "cpu.max", value: "\(quota) \(cpu.period ?? 100_000)"))
    }
    if let cpus = cpu.cpus, !cpus.isEmpty {
        writes.append(CgroupWrite(controller: "cpuset", file: "cpuset.cpus", value: cpus))
    }
    if let mems = cpu.mems, !mems.isEmpty {
        writes.append(CgroupWrite(controller: "cpuset", file: "cpuset.mems", value: mems))
    }
    return writes
}

private func pidsWrites(_ pids: RuntimeSpec.PidsLimit?) -> [CgroupWrite] {
    guard let pids else { return [] }
    return [
        CgroupWrite(controller: "pids", file: "pids.max", value: pids.limit <= 0 ? "max" : String(pids.limit))
    ]
}

private func ioWrites(_ io: RuntimeSpec.BlockIO) -> [CgroupWrite] {
    var writes: [CgroupWrite] = []
    if let weight = io.weight, weight > 0 {
        // 10-1000 onto 1-10000.
        let scaled = 1 + (max(Int(weight), 10) - 10) * 9999 / 990
        writes.append(CgroupWrite(controller: "io", file: "io.weight", value: String(scaled)))
    }
    let throttles: [(String, [RuntimeSpec.ThrottleDevice])] = [
        ("rbps", io.throttleReadBpsDevice), ("wbps", io.throttleWriteBpsDevice),
        ("riops", io.throttleReadIOPSDevice), ("wiops", io.throttleWriteIOPSDevice),
    ]
    for (word, devices) in throttles {
        for device in devices {
            writes.append(
                CgroupWrite(
                    controller: "io", file: "io.max",
                    value: "\(device.major):\(device.minor) \(word)=\(device.rate)"))
        }
    }
    return writes
}

/// A container's cgroup, made with its limits before the process that is cloned into it.
public func makeCgroup(
    _ tree: CgroupTree, path: FilePath, writes: [CgroupWrite]
) throws(RuntimeError) -> FD {
    do throws(SysError) {
        let directory = try tree.make(path, controllers: Set(writes.map(\.controller)))
        for write in writes { try directory.writeCgroup(write.file, write.value) }
        return directory
    } catch {
        throw RuntimeError("unable to apply cgroup configuration: \(error)")
    }
}
