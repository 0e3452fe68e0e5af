import Linux
import OCI
import SystemPackage

/// What a process has beside its ids, limits and capabilities: set by the child before its filter, which need not
/// allow it.
struct ProcessAttributes: Equatable, Sendable {
    /// Of personality(2).
    var personality: UInt?
    var scheduler: SchedulingPolicy?
    /// Class and data of ioprio_set(2).
    var ioPriority: UInt32?
    /// The CPUs of an exec before and in the container's cgroup.
    var initialCPUs: CPUList?
    var finalCPUs: CPUList?
    var memoryPolicy: MemoryPolicy?
    /// Whether the cgroup has some of the host's CPUs only, which SCHED_DEADLINE does not go with.
    var isConfined = false

    /// `linux` is that of the container, whatever the process.
    init(_ process: RuntimeSpec.Process, of linux: RuntimeSpec.Linux) throws(RuntimeError) {
        if let personality = linux.personality {
            // As runc: a flag would be silently without effect.
            guard personality.flags.isEmpty else { throw RuntimeError("personality flags are not supported") }
            switch personality.domain {
            case "LINUX": self.personality = 0
            case "LINUX32": self.personality = 8
            case let other: throw RuntimeError("invalid personality domain \(other)")
            }
        }
        if let scheduler = process.scheduler { self.scheduler = try Self.policy(scheduler) }
        if let priority = process.ioPriority { ioPriority = try Self.number(priority) }
        initialCPUs = try Self.cpus(process.execCPUAffinity?.initial, "initial")
        finalCPUs = try Self.cpus(process.execCPUAffinity?.final, "final")
        memoryPolicy = try linux.memoryPolicy.map { policy throws(RuntimeError) in try Self.policy(policy) }
        isConfined = linux.resources.cpu.cpus.map { !$0.isEmpty } ?? false
    }

    private static func policy(_ spec: RuntimeSpec.Scheduler) throws(RuntimeError) -> SchedulingPolicy {
        guard var policy = SchedulingPolicy(policy: spec.policy, flags: spec.flags) else {
            throw RuntimeError("invalid scheduler policy \(spec.policy) or flags \(spec.flags)")
        }
        let nice = spec.nice ?? 0
        guard (-20...19).contains(nice) else { throw RuntimeError("invalid scheduler nice \(nice)") }
        let priority = spec.priority ?? 0
        let isRealTime = policy.policy == 1 || policy.policy == 2
        guard priority == 0 || isRealTime, let priority = UInt32(exactly: priority) else {
            throw RuntimeError("scheduler priority \(priority) is for SCHED_FIFO and SCHED_RR only")
        }
        let times = [spec.runtime, spec.deadline, spec.period]
        guard policy.policy == 6 || times.allSatisfy({ $0 ?? 0 == 0 }) else {
            throw RuntimeError("scheduler runtime, deadline and period are for SCHED_DEADLINE only")
        }
        (policy.nice, policy.priority) = (nice, priority)
        (policy.runtime, policy.deadline) = (spec.runtime ?? 0, spec.deadline ?? 0)
        policy.period = spec.period ?? 0
        return policy
    }

    private static func number(_ priority: RuntimeSpec.IOPriority) throws(RuntimeError) -> UInt32 {
        let classes: [String: UInt32] = [
            "IOPRIO_CLASS_RT": 1, "IOPRIO_CLASS_BE": 2, "IOPRIO_CLASS_IDLE": 3,
        ]
        guard let number = classes[priority.classWord] else {
            throw RuntimeError("invalid ioPriority.class \(priority.classWord)")
        }
        guard (0...7).contains(priority.priority) else {
            throw RuntimeError("ioPriority.priority \(priority.priority) is not 0 to 7")
        }
        return number << 13 | UInt32(priority.priority)
    }

    private static func cpus(_ text: String?, _ name: String) throws(RuntimeError) -> CPUList? {
        guard let text, !text.isEmpty else { return nil }
        guard let list = CPUList(text) else {
            throw RuntimeError("execCPUAffinity.\(name): \"\(text)\" is not a list of CPUs")
        }
        return list
    }

    /// runc's words, and its rules: the kernel's own answer is a bare EINVAL.
    private static func policy(_ spec: RuntimeSpec.MemoryPolicy) throws(RuntimeError) -> MemoryPolicy {
        guard let mode = MemoryPolicy.mode(spec.mode) else {
            throw RuntimeError("invalid memory policy mode \"\(spec.mode)\"")
        }
        var flags: CInt = 0
        for word in spec.flags {
            guard let flag = MemoryPolicy.flag(word) else {
                throw RuntimeError("invalid memory policy flag \"\(word)\"")
            }
            flags |= flag
        }
        let text = spec.nodes ?? ""
        guard let list = text.isEmpty ? [] : CPUList(text)?.cpus, list.allSatisfy({ $0 < 1024 }) else {
            throw RuntimeError("invalid memory policy node list \"\(text)\"")
        }
        let takesNone = spec.mode == "MPOL_DEFAULT" || spec.mode == "MPOL_LOCAL"
        guard !takesNone || list.isEmpty else {
            throw RuntimeError(
                "invalid memory policy: \(spec.mode) mode requires 0 nodes but got \(list.count)")
        }
        return MemoryPolicy(mode: mode, flags: flags, nodes: list)
    }

    /// In the child, when it is in its cgroup.
    func apply() throws(SysError) {
        if let finalCPUs {
            try finalCPUs.apply()
        } else if initialCPUs == nil {
            try CPUList.applyAll()  // our caller's own are not the container's business
        }
        if let personality { try Kernel.setPersonality(personality) }
        if let scheduler {
            do {
                try scheduler.apply()
            } catch {
                guard error.errno == .notPermitted, isConfined else { throw error }
                throw error.hinting("process scheduler can't be used together with AllowedCPUs")
            }
        }
        if let ioPriority { try Kernel.setIOPriority(ioPriority) }
        if let memoryPolicy { try memoryPolicy.apply() }
    }
}

/// Sets how soon the kernel kills a process when memory runs out. `isClampable`: an engine may have chosen the value
/// by itself, then a host that does not allow to lower it is only told of.
func setOOMScore(
    _ value: Int32, of process: String, isClampable: Bool, warn: (String) -> Void
) throws(RuntimeError) {
    do throws(SysError) {
        let file = try FD.open(FilePath("/proc/\(process)/oom_score_adj"), .writeOnly)
        try file.writeAll(Array("\(value)".utf8))
    } catch {
        let isForbidden = error.errno == .permissionDenied || error.errno == .notPermitted
        let reason = isForbidden ? "CAP_SYS_RESOURCE is missing" : "\(error)"
        let message = "cannot lower oom_score_adj to \(value): \(reason)"
        guard isForbidden, isClampable, value <= -997 else { throw RuntimeError(message) }
        warn(message)
    }
}
