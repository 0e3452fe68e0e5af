// The members are those of the OCI runtime-spec 1.2 (config-linux.md#control-groups), under its names.

extension RuntimeSpec {
    /// What the container's cgroup is set to; what is nil or empty is not touched.
    public struct Resources: Equatable, Sendable {
        /// In order: a later rule wins.
        public var devices: [DeviceRule] = []
        public var memory = Memory()
        public var cpu = CPU()
        public var pids: PidsLimit?
        public var blockIO = BlockIO()
        public var hugepageLimits: [HugepageLimit] = []
        public var network = NetworkClass()
        /// By device.
        public var rdma: [String: RdmaLimit] = [:]
        /// cgroup v2 files and what is written to them, as given.
        public var unified: [String: String] = [:]
        public init() {}
    }

    public struct DeviceRule: Equatable, Sendable {
        public enum Kind: String, Equatable, Sendable { case all = "a", character = "c", block = "b" }
        public var allow: Bool
        public var kind: Kind
        /// nil: every one.
        public var major: UInt32?
        public var minor: UInt32?
        /// Of `r`, `w`, `m`.
        public var access: String
        public init(
            allow: Bool, kind: Kind = .all, major: UInt32? = nil, minor: UInt32? = nil, access: String = "rwm"
        ) {
            (self.allow, self.kind, self.major, self.minor) = (allow, kind, major, minor)
            self.access = access
        }
    }

    /// In bytes; -1 is unlimited. `swap` is memory and swap together (the v1 sense).
    public struct Memory: Equatable, Sendable {
        public var limit: Int64?
        public var reservation: Int64?
        public var swap: Int64?
        public var kernel: Int64?
        public var kernelTCP: Int64?
        /// 0 to 100.
        public var swappiness: UInt64?
        public var disableOOMKiller: Bool?
        public var useHierarchy: Bool?
        public var checkBeforeUpdate: Bool?
        public init() {}
    }

    /// Times in microseconds.
    public struct CPU: Equatable, Sendable {
        /// 2 to 262144 (the v1 sense).
        public var shares: UInt64?
        /// -1 is unlimited.
        public var quota: Int64?
        public var burst: UInt64?
        public var period: UInt64?
        public var realtimeRuntime: Int64?
        public var realtimePeriod: UInt64?
        public var cpus: String?
        public var mems: String?
        public var idle: Int64?
        public init() {}
    }

    public struct PidsLimit: Equatable, Sendable {
        /// -1 is unlimited.
        public var limit: Int64
        public init(limit: Int64) { self.limit = limit }
    }

    public struct BlockIO: Equatable, Sendable {
        /// 10 to 1000.
        public var weight: UInt16?
        public var leafWeight: UInt16?
        public var weightDevice: [WeightDevice] = []
        public var throttleReadBpsDevice: [ThrottleDevice] = []
        public var throttleWriteBpsDevice: [ThrottleDevice] = []
        public var throttleReadIOPSDevice: [ThrottleDevice] = []
        public var throttleWriteIOPSDevice: [ThrottleDevice] = []
        public init() {}
    }

    public struct WeightDevice: Equatable, Sendable {
        public var major: UInt32
        public var minor: UInt32
        public var weight: UInt16?
        public var leafWeight: UInt16?
        public init(major: UInt32, minor: UInt32, weight: UInt16? = nil, leafWeight: UInt16? = nil) {
            (self.major, self.minor, self.weight, self.leafWeight) = (major, minor, weight, leafWeight)
        }
    }

    public struct ThrottleDevice: Equatable, Sendable {
        public var major: UInt32
        public var minor: UInt32
        /// Bytes or operations a second.
        public var rate: UInt64
        public init(major: UInt32, minor: UInt32, rate: UInt64) {
            (self.major, self.minor, self.rate) = (major, minor, rate)
        }
    }

    public struct HugepageLimit: Equatable, Sendable {
        /// `2MB`, `1GB`.
        public var pageSize: String
        public var limit: UInt64
        public init(pageSize: String, limit: UInt64) { (self.pageSize, self.limit) = (pageSize, limit) }
    }

    public struct NetworkClass: Equatable, Sendable {
        public var classID: UInt32?
        /// By interface.
        public var priorities: [InterfacePriority] = []
        public init() {}
    }

    public struct InterfacePriority: Equatable, Sendable {
        public var name: String
        public var priority: UInt32
        public init(name: String, priority: UInt32) { (self.name, self.priority) = (name, priority) }
    }

    public struct RdmaLimit: Equatable, Sendable {
        public var hcaHandles: UInt32?
        public var hcaObjects: UInt32?
        public init(hcaHandles: UInt32? = nil, hcaObjects: UInt32? = nil) {
            (self.hcaHandles, self.hcaObjects) = (hcaHandles, hcaObjects)
        }
    }
}
