import CLinux
import SystemPackage

/// Which policy the scheduler gives a process (sched_setattr(2)).
public struct SchedulingPolicy: Equatable, Sendable {
    /// SCHED_OTHER 0, FIFO 1, RR 2, BATCH 3, ISO 4, IDLE 5, DEADLINE 6.
    public var policy: UInt32
    public var flags: UInt64 = 0
    public var nice: Int32 = 0
    public var priority: UInt32 = 0
    /// In nanoseconds, for SCHED_DEADLINE.
    public var runtime: UInt64 = 0
    public var deadline: UInt64 = 0
    public var period: UInt64 = 0

    private static let policies = ["OTHER", "FIFO", "RR", "BATCH", "ISO", "IDLE", "DEADLINE"]
    private static let flagWords: [String: UInt64] = [
        "SCHED_FLAG_RESET_ON_FORK": 0x01, "SCHED_FLAG_RECLAIM": 0x02, "SCHED_FLAG_DL_OVERRUN": 0x04,
        "SCHED_FLAG_KEEP_POLICY": 0x08, "SCHED_FLAG_KEEP_PARAMS": 0x10, "SCHED_FLAG_UTIL_CLAMP_MIN": 0x20,
        "SCHED_FLAG_UTIL_CLAMP_MAX": 0x40,
    ]

    /// From the kernel's words; nil when one is not known.
    public init?(policy: String, flags: [String]) {
        guard policy.hasPrefix("SCHED_"),
            let number = Self.policies.firstIndex(of: String(policy.dropFirst("SCHED_".utf8.count)))
        else { return nil }
        self.policy = UInt32(number)
        for word in flags {
            guard let flag = Self.flagWords[word] else { return nil }
            self.flags |= flag
        }
    }

    /// Sets it for the calling thread.
    public func apply() throws(SysError) {
        do {
            _ = try sys("sched_setattr", "policy \(policy)") {
                cl_sched_setattr(policy, flags, nice, priority, runtime, deadline, period)
            }
        } catch {
            guard error.errno == .notPermitted else { throw error }
            throw error.hinting("real-time policies and lower nice values need CAP_SYS_NICE")
        }
    }
}

/// CPUs of a list as `0-3,7` (cpuset(7)).
public struct CPUList: Equatable, Sendable {
    public let cpus: [UInt16]

    /// Nil for anything else than numbers below 4096 and ascending ranges of them, and for a text beyond all that
    /// a list without repetitions needs.
    public init?(_ text: String) {
        guard text.utf8.count <= 5 * 4096 else { return nil }
        var cpus: Set<UInt16> = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
                .map { $0.allSatisfy(\.isNumber) ? UInt16($0) : nil }  // no sign
            guard let first = ends[0], let last = ends[ends.count - 1], first <= last, last < 4096 else {
                return nil
            }
            cpus.formUnion(first...last)
        }
        self.cpus = cpus.sorted()
    }

    /// sched_setaffinity(2) for the calling thread.
    public func apply() throws(SysError) {
        var mask = [UInt8](repeating: 0, count: 512)
        for cpu in cpus { mask[Int(cpu / 8)] |= 1 << UInt8(cpu % 8) }
        try Self.apply(mask)
    }

    /// Every CPU: the kernel leaves out those that are not in the cgroup's cpuset.
    public static func applyAll() throws(SysError) { try apply([UInt8](repeating: 0xff, count: 512)) }

    private static func apply(_ mask: [UInt8]) throws(SysError) {
        _ = try sys("sched_setaffinity", "CPUs") { cl_sched_setaffinity(mask, mask.count) }
    }
}

/// Which memory nodes the kernel takes pages from (set_mempolicy(2)).
public struct MemoryPolicy: Equatable, Sendable {
    /// MPOL_DEFAULT 0, PREFERRED 1, BIND 2, INTERLEAVE 3, LOCAL 4, PREFERRED_MANY 5, WEIGHTED_INTERLEAVE 6.
    public let mode: CInt
    /// Bits above the mode.
    public let flags: CInt
    /// Below 1024, as the kernel's.
    public let nodes: [UInt16]

    /// The kernel's words, each at its number.
    public static let modes = [
        "MPOL_DEFAULT", "MPOL_PREFERRED", "MPOL_BIND", "MPOL_INTERLEAVE", "MPOL_LOCAL", "MPOL_PREFERRED_MANY",
        "MPOL_WEIGHTED_INTERLEAVE",
    ]

    /// From the kernel's words. nil: the mode is not known.
    public static func mode(_ word: String) -> CInt? { modes.firstIndex(of: word).map { CInt($0) } }

    /// The bits of the flags by their words.
    public static let flags: KeyValuePairs<String, CInt> = [
        "MPOL_F_NUMA_BALANCING": 1 << 13, "MPOL_F_RELATIVE_NODES": 1 << 14, "MPOL_F_STATIC_NODES": 1 << 15,
    ]

    /// The bit of a flag by its name; nil when it is not known.
    public static func flag(_ word: String) -> CInt? { flags.first { $0.key == word }?.value }

    public init(mode: CInt, flags: CInt, nodes: [UInt16]) {
        (self.mode, self.flags, self.nodes) = (mode, flags, nodes)
    }

    /// Sets it for the calling thread; an exec keeps it.
    public func apply() throws(SysError) {
        var mask = [UInt64](repeating: 0, count: 16)
        for node in nodes where node < 1024 { mask[Int(node / 64)] |= 1 << UInt64(node % 64) }
        // The kernel reads one bit less than it is told.
        _ = try sys("set_mempolicy", "mode \(mode), nodes \(nodes)") {
            cl_set_mempolicy(mode | flags, nodes.isEmpty ? nil : mask, nodes.isEmpty ? 0 : 1025)
        }
    }
}
