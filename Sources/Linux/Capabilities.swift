import CLinux

/// A set of capabilities, bit n for capability n (man 7 capabilities), as in /proc/PID/status and capset(2).
public struct CapabilitySet: OptionSet, Hashable, Sendable, CustomStringConvertible {
    /// Bit n stands for capability number n.
    public let rawValue: UInt64
    /// Takes a mask as in /proc/PID/status.
    public init(rawValue: UInt64) { self.rawValue = rawValue }
    /// The set of one capability by its number, 0 to 63.
    public init(number: Int) { self.init(rawValue: 1 << UInt64(number)) }

    /// The highest number with a name here: CAP_CHECKPOINT_RESTORE (Linux 5.9; none was added up to 6.18).
    public static let lastNamed = words.count - 1

    /// What a container gets unless told otherwise: podman's eleven, which are docker's without MKNOD,
    /// NET_RAW and AUDIT_WRITE.
    public static let `default`: CapabilitySet = [
        .chown, .dacOverride, .fowner, .fsetid, .kill, .setgid, .setuid, .setpcap, .netBindService,
        .sysChroot,
        .setfcap,
    ]

    /// Every capability from number 0 to `last`.
    public static func all(_ last: Int) -> CapabilitySet {
        CapabilitySet(rawValue: last >= 63 ? .max : (1 << UInt64(max(0, last + 1))) - 1)
    }

    /// The highest number that the running kernel knows.
    public static var lastOfKernel: Int { Int(cl_cap_last()) }

    /// Takes names in any case, with or without `CAP_`.
    public init(names: [String]) throws(UnknownCapability) {
        self = []
        for name in names {
            guard let one = CapabilitySet(name: name) else { throw UnknownCapability(name: name) }
            formUnion(one)
        }
    }

    /// Takes one name in any case, with or without `CAP_`; nil when there is no such capability.
    public init?(name: String) {
        let word = name.lowercased()
        let short = word.hasPrefix("cap_") ? String(word.dropFirst(4)) : word
        guard let number = CapabilitySet.words.firstIndex(where: { "\($0)" == short }) else { return nil }
        self.init(number: number)
    }

    /// `CAP_CHOWN` and so on by number; one without a name here is `CAP_41`, as libcap writes it.
    public var names: [String] {
        (0..<64).filter { contains(CapabilitySet(number: $0)) }.map { number in
            number < CapabilitySet.words.count
                ? "CAP_\(CapabilitySet.words[number])".uppercased() : "CAP_\(number)"
        }
    }

    /// 16 hexadecimal digits, as in /proc/PID/status.
    public var description: String {
        let digits = String(rawValue, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// By number; a static list, so that nothing of libcap's need know a newer kernel's.
    private static let words: [StaticString] = [
        "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap",
        "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock",
        "ipc_owner",
        "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot",
        "sys_nice",
        "sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control",
        "setfcap",
        "mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf",
        "checkpoint_restore",
    ]
}

// swift-format-ignore: AllPublicDeclarationsHaveDocumentation
/// Those that this program names itself.
extension CapabilitySet {
    public static let chown = CapabilitySet(number: 0)
    public static let dacOverride = CapabilitySet(number: 1)
    public static let dacReadSearch = CapabilitySet(number: 2)
    public static let fowner = CapabilitySet(number: 3)
    public static let fsetid = CapabilitySet(number: 4)
    public static let kill = CapabilitySet(number: 5)
    public static let setgid = CapabilitySet(number: 6)
    public static let setuid = CapabilitySet(number: 7)
    public static let setpcap = CapabilitySet(number: 8)
    public static let netBindService = CapabilitySet(number: 10)
    public static let netAdmin = CapabilitySet(number: 12)
    public static let netRaw = CapabilitySet(number: 13)
    public static let sysModule = CapabilitySet(number: 16)
    public static let sysRawio = CapabilitySet(number: 17)
    public static let sysChroot = CapabilitySet(number: 18)
    public static let sysPtrace = CapabilitySet(number: 19)
    public static let sysPacct = CapabilitySet(number: 20)
    public static let sysAdmin = CapabilitySet(number: 21)
    public static let sysBoot = CapabilitySet(number: 22)
    public static let sysNice = CapabilitySet(number: 23)
    public static let sysTime = CapabilitySet(number: 25)
    public static let sysTTYConfig = CapabilitySet(number: 26)
    public static let mknod = CapabilitySet(number: 27)
    public static let setfcap = CapabilitySet(number: 31)
    public static let syslog = CapabilitySet(number: 34)
    public static let perfmon = CapabilitySet(number: 38)
    public static let bpf = CapabilitySet(number: 39)
}

/// A name that is no capability.
public struct UnknownCapability: Error, Equatable, Sendable, CustomStringConvertible {
    /// As it was given.
    public let name: String
    /// Takes the name as it was given.
    public init(name: String) { self.name = name }
    /// In docker's words.
    public var description: String { "unknown capability: \"\(name)\"" }
}

/// A process's five sets, and the calls that set them. They run in the child between clone and exec, so each
/// is a plain loop over numbers; `last` is the kernel's highest number, looked up before the clone.
///
/// The order is the kernel's: the bounding set needs CAP_SETPCAP and goes first; then the
/// ids, `apply` (which gives the effective set back that setresuid(2) took), and with it ambient, which may
/// only hold what is permitted and inheritable.
public struct ProcessCapabilities: Equatable, Sendable {
    /// What any later exec may gain at most.
    public var bounding: CapabilitySet
    /// What the kernel checks.
    public var effective: CapabilitySet
    /// What may become effective.
    public var permitted: CapabilitySet
    /// What an exec of a file with inheritable capabilities keeps.
    public var inheritable: CapabilitySet
    /// What an exec of an ordinary file keeps without being root.
    public var ambient: CapabilitySet

    /// A container's usual sets: `set` bounding, effective and permitted, nothing inheritable or ambient
    /// (CVE-2022-24769).
    public init(_ set: CapabilitySet) {
        (bounding, effective, permitted, inheritable, ambient) = (set, set, set, [], [])
    }

    /// Drops everything from the bounding set that is not in it here.
    public func dropBounding(last: Int) throws(SysError) {
        var number = 0
        while number <= last {
            if !bounding.contains(CapabilitySet(number: number)) {
                _ = try sys("prctl", "PR_CAPBSET_DROP \(number)") { cl_prctl(24, UInt(number), 0, 0, 0) }
            }
            number += 1
        }
    }

    /// Sets effective, permitted, inheritable and ambient, after the ids are set.
    public func apply(last: Int) throws(SysError) {
        _ = try sys("prctl", "PR_CAP_AMBIENT_CLEAR_ALL") { cl_prctl(47, 4, 0, 0, 0) }
        _ = try sys("capset", "permitted \(permitted)") {
            cl_capset(effective.rawValue, permitted.rawValue, inheritable.rawValue)
        }
        var number = 0
        while number <= last {
            if ambient.contains(CapabilitySet(number: number)) {
                _ = try sys("prctl", "PR_CAP_AMBIENT_RAISE \(number)") { cl_prctl(47, 2, UInt(number), 0, 0) }
            }
            number += 1
        }
    }

    /// The calling thread's own sets; ambient and bounding are asked for up to `last`.
    public static func current(last: Int) throws(SysError) -> ProcessCapabilities {
        var (effective, permitted, inheritable): (UInt64, UInt64, UInt64) = (0, 0, 0)
        _ = try sys("capget", "self") { cl_capget(&effective, &permitted, &inheritable) }
        var result = ProcessCapabilities(CapabilitySet(rawValue: permitted))
        result.effective = CapabilitySet(rawValue: effective)
        result.inheritable = CapabilitySet(rawValue: inheritable)
        result.bounding = []
        for number in 0..<max(0, last + 1) {
            if cl_prctl(23, UInt(number), 0, 0, 0) == 1 {
                result.bounding.insert(CapabilitySet(number: number))
            }
            if cl_prctl(47, 1, UInt(number), 0, 0) == 1 {
                result.ambient.insert(CapabilitySet(number: number))
            }
        }
        return result
    }
}
