// The members are those of the OCI runtime-spec 1.2 (config-linux.md), under its names.

extension RuntimeSpec {
    /// What only Linux has.
    public struct Linux: Equatable, Sendable {
        /// Made when they have no path, joined when they have one; a kind that is not listed is the
        /// runtime's own.
        public var namespaces: [Namespace] = []
        public var uidMappings: [IDMapping] = []
        public var gidMappings: [IDMapping] = []
        /// By clock: `monotonic`, `boottime`.
        public var timeOffsets: [String: TimeOffset] = [:]
        public var devices: [Device] = []
        /// Interfaces of the runtime's namespace that move in, by name; the value is the name inside.
        public var netDevices: [String: String] = [:]
        public var cgroupsPath: String?
        public var resources = Resources()
        public var rootfsPropagation: String?
        public var seccomp: Seccomp?
        public var sysctl: [String: String] = [:]
        public var maskedPaths: [String] = []
        public var readonlyPaths: [String] = []
        public var mountLabel: String?
        public var intelRdt: IntelRdt?
        public var personality: Personality?
        public var memoryPolicy: MemoryPolicy?
        public init() {}
    }

    public enum NamespaceKind: String, Equatable, Sendable, CaseIterable {
        case pid, network, mount, ipc, uts, user, cgroup, time
    }

    public struct Namespace: Equatable, Sendable {
        public var kind: NamespaceKind
        /// The namespace to join; nil makes a new one.
        public var path: String?
        public init(_ kind: NamespaceKind, path: String? = nil) { (self.kind, self.path) = (kind, path) }
    }

    public struct TimeOffset: Equatable, Sendable {
        public var secs: Int64
        public var nanosecs: UInt32
        public init(secs: Int64, nanosecs: UInt32 = 0) { (self.secs, self.nanosecs) = (secs, nanosecs) }
    }

    /// A device node that the runtime makes.
    public struct Device: Equatable, Sendable {
        public enum Kind: String, Equatable, Sendable {
            case character = "c", unbuffered = "u", block = "b", fifo = "p"
        }
        public var path: String
        public var kind: Kind
        /// 0 for a fifo.
        public var major: UInt32
        public var minor: UInt32
        /// Permission bits; nil is 0666.
        public var fileMode: UInt32?
        public var uid: UInt32?
        public var gid: UInt32?
        public init(path: String, kind: Kind, major: UInt32, minor: UInt32, fileMode: UInt32? = nil) {
            (self.path, self.kind, self.major, self.minor) = (path, kind, major, minor)
            self.fileMode = fileMode
        }
    }

    /// resctrl (config-linux.md#intelrdt).
    public struct IntelRdt: Equatable, Sendable {
        public var closID: String?
        public var l3CacheSchema: String?
        public var memBwSchema: String?
        public var enableCMT = false
        public var enableMBM = false
        public init() {}
    }

    /// man 2 personality: `LINUX` or `LINUX32`.
    public struct Personality: Equatable, Sendable {
        public var domain: String
        public var flags: [String] = []
        public init(domain: String) { self.domain = domain }
    }

    /// man 2 set_mempolicy: the mode and flags in the kernel's words (`MPOL_BIND`).
    public struct MemoryPolicy: Equatable, Sendable {
        public var mode: String
        /// A list as `0-3,7`.
        public var nodes: String?
        public var flags: [String] = []
        public init(mode: String, nodes: String? = nil) { (self.mode, self.nodes) = (mode, nodes) }
    }
}

extension RuntimeSpec {
    /// A seccomp filter in the words of the spec (config-linux.md#seccomp).
    public struct Seccomp: Equatable, Sendable {
        /// `SCMP_ACT_ERRNO` and the like, for calls that no rule matches; empty in a document without rules means
        /// no filter.
        public var defaultAction: String
        public var defaultErrnoRet: UInt32?
        /// `SCMP_ARCH_X86_64` and the like; empty means the native one.
        public var architectures: [String] = []
        /// `SECCOMP_FILTER_FLAG_LOG` and the like; nil: the runtime's own choice.
        public var flags: [String]?
        public var listenerPath: String?
        public var listenerMetadata: String?
        public var syscalls: [SeccompRule] = []
        public init(defaultAction: String) { self.defaultAction = defaultAction }
    }

    /// What happens on some system calls when all of `args` match.
    public struct SeccompRule: Equatable, Sendable {
        public var names: [String]
        public var action: String
        public var errnoRet: UInt32?
        public var args: [SeccompArgument] = []
        public init(names: [String], action: String) { (self.names, self.action) = (names, action) }
    }

    public struct SeccompArgument: Equatable, Sendable {
        /// 0 to 5.
        public var index: UInt32
        public var value: UInt64
        /// The second operand of `SCMP_CMP_MASKED_EQ`, where `value` is the mask.
        public var valueTwo: UInt64
        /// `SCMP_CMP_EQ` and the like.
        public var op: String
        public init(index: UInt32, value: UInt64, valueTwo: UInt64 = 0, op: String) {
            (self.index, self.value, self.valueTwo, self.op) = (index, value, valueTwo, op)
        }
    }
}
