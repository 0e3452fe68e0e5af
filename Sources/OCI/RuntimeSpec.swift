// The members are those of the OCI runtime-spec 1.2 (config.md), under its names; comments add what it
// leaves open.

/// A container's `config.json` (OCI runtime-spec 1.2, config.md). An empty array stands for an absent member,
/// nil for a number or text that was not given.
public struct RuntimeSpec: Equatable, Sendable {
    /// The newest version of the spec that is understood.
    public static let newestVersion = "1.2.1"

    public var ociVersion = "1.2.0"
    public var root = Root()
    public var process = Process()
    public var hostname: String?
    public var domainname: String?
    /// In the order in which they are mounted.
    public var mounts: [Mount] = []
    public var hooks = Hooks()
    public var annotations: [String: String] = [:]
    public var linux = Linux()

    public init() {}

    /// The root file system, relative to the bundle unless absolute.
    public struct Root: Equatable, Sendable {
        public var path: String
        public var readonly: Bool
        public init(path: String = "rootfs", readonly: Bool = false) {
            (self.path, self.readonly) = (path, readonly)
        }
    }

    public struct Mount: Equatable, Sendable {
        /// Absolute inside the container.
        public var destination: String
        public var type: String?
        public var source: String?
        /// In fstab's words, as given.
        public var options: [String]
        public var uidMappings: [IDMapping] = []
        public var gidMappings: [IDMapping] = []

        public init(destination: String, type: String? = nil, source: String? = nil, options: [String] = []) {
            (self.destination, self.type, self.source, self.options) = (destination, type, source, options)
        }
    }

    /// `size` ids from `containerID` inside are those from `hostID` outside; neither range passes 2^32.
    public struct IDMapping: Equatable, Sendable {
        public var containerID: UInt32
        public var hostID: UInt32
        public var size: UInt32
        public init(containerID: UInt32, hostID: UInt32, size: UInt32) {
            (self.containerID, self.hostID, self.size) = (containerID, hostID, size)
        }
    }

    /// Programs of the host that are run at six points of the container's life.
    public struct Hooks: Equatable, Sendable {
        public var prestart: [Hook] = []
        public var createRuntime: [Hook] = []
        public var createContainer: [Hook] = []
        public var startContainer: [Hook] = []
        public var poststart: [Hook] = []
        public var poststop: [Hook] = []
        public init() {}
    }

    public struct Hook: Equatable, Sendable {
        public var path: String
        /// With argv[0]; empty means the path alone.
        public var args: [String] = []
        public var env: [String] = []
        /// In seconds, more than 0.
        public var timeout: Int32?
        public init(path: String) { self.path = path }
    }
}

extension RuntimeSpec {
    /// The container's first process, or one of `exec --process`.
    public struct Process: Equatable, Sendable {
        public var terminal = false
        public var consoleSize: ConsoleSize?
        public var user = User()
        /// Empty when the document has no process: such a container can be created, not started.
        public var args: [String] = []
        /// `NAME=value`.
        public var env: [String] = []
        public var cwd = "/"
        /// nil: the runtime's own choice.
        public var capabilities: Capabilities?
        public var rlimits: [Rlimit] = []
        public var noNewPrivileges = false
        public var apparmorProfile: String?
        public var oomScoreAdj: Int32?
        public var scheduler: Scheduler?
        public var selinuxLabel: String?
        public var ioPriority: IOPriority?
        public var execCPUAffinity: CPUAffinity?
        public init() {}
    }

    public struct ConsoleSize: Equatable, Sendable {
        public var height: UInt16
        public var width: UInt16
        public init(height: UInt16, width: UInt16) { (self.height, self.width) = (height, width) }
    }

    /// Numeric only: names are resolved by the engine.
    public struct User: Equatable, Sendable {
        public var uid: UInt32 = 0
        public var gid: UInt32 = 0
        public var umask: UInt32?
        public var additionalGids: [UInt32] = []
        public init() {}
    }

    /// The five sets, in names such as `CAP_CHOWN`.
    public struct Capabilities: Equatable, Sendable {
        public var bounding: [String] = []
        public var effective: [String] = []
        public var inheritable: [String] = []
        public var permitted: [String] = []
        public var ambient: [String] = []
        public init() {}
    }

    public struct Rlimit: Equatable, Sendable {
        /// `RLIMIT_NOFILE` and the like.
        public var type: String
        /// `UInt64.max` is RLIM_INFINITY.
        public var soft: UInt64
        public var hard: UInt64
        public init(type: String, soft: UInt64, hard: UInt64) {
            (self.type, self.soft, self.hard) = (type, soft, hard)
        }
    }

    /// man 2 sched_setattr; the policy and flags in the kernel's words (`SCHED_BATCH`).
    public struct Scheduler: Equatable, Sendable {
        public var policy: String
        public var nice: Int32?
        public var priority: Int32?
        public var flags: [String] = []
        /// In nanoseconds, for SCHED_DEADLINE.
        public var runtime: UInt64?
        public var deadline: UInt64?
        public var period: UInt64?
        public init(policy: String) { self.policy = policy }
    }

    /// man 2 ioprio_set: `IOPRIO_CLASS_RT`, `_BE` or `_IDLE`.
    public struct IOPriority: Equatable, Sendable {
        public var classWord: String
        public var priority: Int32
        public init(classWord: String, priority: Int32) {
            (self.classWord, self.priority) = (classWord, priority)
        }
    }

    /// CPU lists such as `0-3,7` of an exec before and after it joins the container's cgroup.
    public struct CPUAffinity: Equatable, Sendable {
        public var initial: String?
        public var final: String?
        public init(initial: String? = nil, final: String? = nil) {
            (self.initial, self.final) = (initial, final)
        }
    }
}
