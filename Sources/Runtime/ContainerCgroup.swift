public import Linux
public import OCI
import SystemPackage

/// The cgroup of one container: made with its limits, changed, and taken away.
///
/// cgroupfs: `create` before the clone; the clone goes into `cgroup.directory` (CLONE_INTO_CGROUP). systemd, where
/// `needsProcess`: clone first, and `create` with the child's pid while the child waits for its parent; the child
/// makes its cgroup namespace after that wait.
public struct ContainerCgroup: Equatable, Sendable {
    public let place: CgroupPlace
    public let tree: CgroupTree

    /// A place in this host's tree.
    public init(_ place: CgroupPlace, in tree: CgroupTree) { (self.place, self.tree) = (place, tree) }

    /// What `planCgroupPlace` says on this host; nil with the driver `disabled`.
    public static func find(
        _ cgroupsPath: String?, id: String, driver: CgroupDriver
    ) throws(RuntimeError) -> ContainerCgroup? {
        guard driver != .disabled else { return nil }
        let own = try asCgroupError { () throws(SysError) in try CgroupTree.path() }
        guard let place = try planCgroupPlace(cgroupsPath, id: id, driver: driver, own: own) else {
            return nil
        }
        return try ContainerCgroup(place)
    }

    /// A place that is known, in the tree of this host.
    public init(_ place: CgroupPlace) throws(RuntimeError) {
        guard let tree = CgroupTree.find() else {
            throw RuntimeError(
                "this host has no cgroup v2 hierarchy; mount one with: mount -t cgroup2 cgroup2 /sys/fs/cgroup"
            )
        }
        self.init(place, in: tree)
    }

    /// Whether the container's first process must be there before its cgroup: systemd makes no empty scope.
    public var needsProcess: Bool { place.unit != nil }

    /// Makes the cgroup with its limits and its device filter. Refuses one that has processes or is frozen. What it
    /// made is taken away when a limit cannot be set. `defaults`: see `LimitFacts`. `process`: the pid that
    /// `needsProcess` asks for; `annotations` may say more about its unit.
    public func create(
        _ resources: RuntimeSpec.Resources, defaults: Set<String>? = nil, process: Int32? = nil,
        annotations: [String: String] = [:]
    ) throws(RuntimeError) -> CreatedCgroup {
        let hosts = try asCgroupError { () throws(SysError) in try tree.controllers() }
        // All of them, for statistics and later limits; those that a hybrid host has left over only when asked for.
        let leftOver = hosts.subtracting(["hugetlb", "rdma", "misc"])
        let wanted =
            hosts.contains("memory") ? hosts : leftOver.union(resources.controllers.intersection(hosts))
        var facts = LimitFacts(available: hosts, hosts: hosts, defaults: defaults)
        let scope = place.unit.map(SystemdScope.init)
        if let scope {
            guard let process else { throw RuntimeError("a systemd unit needs a process") }
            let properties =
                systemdProperties(try planLimits(resources, facts).writes)
                + (try systemdProperties(annotations: annotations))
            if case .some(let cgroup) = try open() { try refuseUsed(cgroup) }
            try scope.start(process, properties)
        }
        do throws(RuntimeError) {
            if scope != nil { try checkPlace(of: process) }
            return try make(resources, wanted, &facts)
        } catch {
            try? scope?.stop()  // the first error is the one to report
            throw error
        }
    }

    private func make(
        _ resources: RuntimeSpec.Resources, _ wanted: Set<String>, _ facts: inout LimitFacts
    ) throws(RuntimeError) -> CreatedCgroup {
        let cgroup = try asCgroupError { () throws(SysError) in
            try tree.make(place.path, controllers: wanted)
        }
        do throws(RuntimeError) {
            // systemd's has our process already.
            if !cgroup.isNew, place.unit == nil { try refuseUsed(cgroup) }
            facts.available =
                wanted.isEmpty ? [] : try asCgroupError { () throws(SysError) in try cgroup.controllers() }
            if !wanted.isSubset(of: facts.available) { try makeUsable(cgroup) }
            let plan = try planLimits(resources, facts)
            try cgroup.apply(place.unit != nil ? plan.rounded() : plan)
            let warning = try cgroup.apply(DeviceFilter(resources.devices))
            return CreatedCgroup(cgroup: cgroup, warnings: plan.warnings + [warning].compactMap(\.self))
        } catch {
            // The error is what counts; one that was there stays.
            if cgroup.isNew { _ = try? tree.remove(place.path) }
            throw error
        }
    }

    /// A slice takes no processes from systemd. Where another systemd than the host's rules, the unit is elsewhere.
    private func checkPlace(of process: Int32?) throws(RuntimeError) {
        guard let process, let unit = place.unit else { return }
        if unit.name.hasSuffix(".slice") {
            try asCgroupError { () throws(SysError) in
                try tree.open(place.path).write("cgroup.procs", String(process))
            }
        }
        let path = try asCgroupError { () throws(SysError) in try CgroupTree.path(of: process) }
        guard path == FilePath(root: "/", place.path.components) else {
            throw RuntimeError("systemd has put unit \(unit.name) into cgroup \(path), not /\(place.path)")
        }
    }

    /// Sets the limits that `resources` name, and with device rules a new filter; the others stay as they are.
    /// Answers what was left out.
    @discardableResult
    public func update(_ resources: RuntimeSpec.Resources) throws(RuntimeError) -> [String] {
        let cgroup = try requireOpen()
        var plan = try planLimits(
            resources, asCgroupError { () throws(SysError) in try currentFacts(cgroup) })
        if place.unit != nil { plan = plan.rounded() }
        try checkUsage(resources.memory, cgroup)
        if let unit = place.unit { try SystemdScope(unit: unit).set(systemdProperties(plan.writes)) }
        try cgroup.apply(plan)
        let warning = resources.devices.isEmpty ? nil : try cgroup.apply(DeviceFilter(resources.devices))
        return plan.warnings + [warning].compactMap(\.self)
    }

    private func currentFacts(_ cgroup: borrowing Cgroup) throws(SysError) -> LimitFacts {
        var facts = LimitFacts(
            available: try cgroup.controllers(), hosts: try tree.controllers(), defaults: [])
        let max = (try cgroup.read("cpu.max") ?? "").split(separator: " ").map(String.init)
        if max.count == 2 { facts.cpuMax = (max[0], max[1]) }
        facts.isIdle = try cgroup.read("cpu.idle") == "1"
        let limit = try cgroup.read("memory.max") ?? "0"
        facts.memoryLimit = limit == "max" ? -1 : Int64(limit) ?? 0
        return facts
    }

    /// The cgroup, held open; nil when it is gone.
    public func open() throws(RuntimeError) -> Cgroup? {
        do throws(SysError) {
            return try tree.open(place.path)
        } catch {
            guard error.errno == .noSuchFileOrDirectory else { throw RuntimeError("\(error)") }
            return nil
        }
    }

    /// Kills what is left in the cgroup and takes it away with those below it, waiting up to `milliseconds` for the
    /// last process to leave. A systemd unit is stopped.
    public func remove(waiting milliseconds: Int = 10_000) throws(RuntimeError) {
        var failure: RuntimeError?
        if case .some(let cgroup) = try open() {
            try asCgroupError { () throws(SysError) in
                if try cgroup.isPopulated() { try cgroup.kill() }
            }
        }
        if let unit = place.unit {
            // Where systemd does not answer, the directory can still be removed.
            do throws(RuntimeError) { try SystemdScope(unit: unit).stop() } catch { failure = error }
        }
        let isGone = try asCgroupError { () throws(SysError) in
            try tree.remove(place.path, waiting: milliseconds)
        }
        guard isGone else {
            throw failure
                ?? RuntimeError("unable to remove cgroup /\(place.path): a process is still in it")
        }
    }

    private func requireOpen() throws(RuntimeError) -> Cgroup {
        guard let cgroup = try open() else {
            throw RuntimeError("container not running: its cgroup /\(place.path) is gone")
        }
        return cgroup
    }

    /// runc's words.
    private func refuseUsed(_ cgroup: borrowing Cgroup) throws(RuntimeError) {
        let pids = try asCgroupError { () throws(SysError) in try cgroup.processes(recursive: true) }
        guard pids.isEmpty else {
            throw RuntimeError(
                "container's cgroup is not empty: \(pids.count) process(es) found in /\(place.path)")
        }
        guard try asCgroupError({ () throws(SysError) in try !cgroup.isAskedToFreeze() }) else {
            throw RuntimeError("container's cgroup unexpectedly frozen: /\(place.path)")
        }
    }

    /// Below a cgroup with processes of its own a new one is of no type until it is threaded.
    private func makeUsable(_ cgroup: borrowing Cgroup) throws(RuntimeError) {
        try asCgroupError { () throws(SysError) in
            guard try cgroup.read("cgroup.type") == "domain invalid" else { return }
            try cgroup.write("cgroup.type", "threaded")
        }
    }

    private func checkUsage(
        _ memory: RuntimeSpec.Memory, _ cgroup: borrowing Cgroup
    ) throws(RuntimeError) {
        guard memory.checkBeforeUpdate == true,
            let text = try asCgroupError({ () throws(SysError) in try cgroup.read("memory.current") }),
            let usage = Int64(text)
        else { return }
        if let swap = memory.swap, swap > 0, swap <= usage {
            throw RuntimeError("rejecting memory+swap limit \(swap) <= usage \(usage)")
        }
        if let limit = memory.limit, limit > 0, limit <= usage {
            throw RuntimeError("rejecting memory limit \(limit) <= usage \(usage)")
        }
    }
}

/// A cgroup that was made for a container.
public struct CreatedCgroup: ~Copyable {
    public let cgroup: Cgroup
    /// One sentence for each limit that was left out.
    public let warnings: [String]

    /// Gives its directory away.
    consuming func takeDirectory() -> FD { cgroup.takeDirectory() }
}

extension Cgroup {
    /// Writes what was planned, in its order.
    func apply(_ plan: LimitPlan) throws(RuntimeError) {
        for limit in plan.writes { try asCgroupError { () throws(SysError) in try apply(limit) } }
    }

    private func apply(_ limit: CgroupWrite) throws(SysError) {
        do {
            try write(limit.file, limit.value)
        } catch {
            let isMissing = error.errno == .noSuchFileOrDirectory || error.errno == .permissionDenied
            switch limit.failure {
            case .ignore: return
            case .ignoreMissing where isMissing: return
            case .writeInstead(let file, let value) where isMissing: try write(file, value)
            default:
                guard error.errno == .noSuchFileOrDirectory else { throw error }
                throw error.hinting("the \(limit.controller) controller of this kernel has no such file")
            }
        }
    }
}

/// Gives a system call's error runc's words for a cgroup that cannot be set up.
func asCgroupError<R: ~Copyable>(_ body: () throws(SysError) -> R) throws(RuntimeError) -> R {
    do throws(SysError) { return try body() } catch {
        throw RuntimeError("unable to apply cgroup configuration: \(error)")
    }
}
