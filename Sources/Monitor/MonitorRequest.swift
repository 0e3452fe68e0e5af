public import Network
public import OCI
public import Runtime
public import SystemPackage

/// Which compiled filter a container's processes get.
public enum SeccompChoice: Equatable, Sendable {
    /// 32-bit system calls are off unless the image is for such a machine.
    case standard(includes32Bit: Bool)
    case unconfined
    /// An OCI `linux.seccomp` document of the user's.
    case profile(RuntimeSpec.Seccomp)
}

/// What a monitor has to know about the network.
public enum NetworkRequest: Equatable, Sendable {
    case host
    case none
    /// That of another container, by its id: it has to run.
    case container(String)
    /// In the order of the container's links; without any it has a loopback alone.
    case bridge([Endpoint], ports: [PortMapping])
}

/// How long a container's log may get: at most `maxFiles` files of about `maxSize` bytes.
public struct LogLimits: Equatable, Sendable {
    public var maxSize: Int
    public var maxFiles: Int
    /// 10 MiB x 5: bounded unless the user says otherwise.
    public static let standard = LogLimits(maxSize: 10 << 20, maxFiles: 5)
    public init(maxSize: Int, maxFiles: Int) { (self.maxSize, self.maxFiles) = (maxSize, maxFiles) }
}

/// Where a container's output is kept, and what each of its lines carries.
public enum LogTarget: Equatable, Sendable {
    /// The container's directory.
    case file(LogLimits, attributes: [String: String])
    /// The journal of the host's systemd.
    case journal(fields: [String: String])
}

/// What happens to the names and directories of a container when it ends.
public struct RemovalRequest: Equatable, Sendable {
    /// The directory that holds the container's, which is named by its id.
    public var containers: FilePath
    /// The link that makes its name taken.
    public var nameLink: FilePath?
    /// Anonymous volumes, which go with it.
    public var volumes: [FilePath]

    public init(containers: FilePath, nameLink: FilePath?, volumes: [FilePath]) {
        (self.containers, self.nameLink, self.volumes) = (containers, nameLink, volumes)
    }
}

/// Everything the engine hands to a container's monitor: the runtime-spec and the few things OCI has no word for.
/// It is a file of the container's directory, so that a monitor can start or adopt the container by itself.
public struct MonitorRequest: Equatable, Sendable {
    public var id: String
    public var spec: RuntimeSpec
    public var root: RootSource
    /// `user[:group]` as in the image or on the command line, resolved in the container's own files.
    public var user: String
    public var additionalGroups: [String]
    public var seccomp: SeccompChoice
    public var seccompCache: FilePath
    /// Device nodes on the root work: only for privileged containers.
    public var allowsDevices = false
    public var cgroup: FilePath
    /// Limits that were not asked for: left out where the host cannot apply them.
    public var defaultLimits: Set<String> = []
    public var network: NetworkRequest
    /// The file that becomes /etc/hosts; the container's own line is added when its address is known.
    public var hosts: FilePath?
    public var hostsNames: String
    /// Whom the name service asks what it does not know; none: the host's own.
    public var nameServers: [String] = []
    /// On the default bridge, too: only the host itself reaches its servers.
    public var needsNameService = false
    /// nil: what it writes is kept nowhere.
    public var log: LogTarget?
    /// The container's directory: state.json and log.
    public var directory: FilePath
    /// Below /run: lock, attach socket, FIFOs.
    public var runDirectory: FilePath
    public var opensStdin = false
    /// stdin ends with the client that has it.
    public var closesStdinWithClient = false
    /// A build step: nobody wants its result once the build is gone.
    public var endsWithClient = false
    /// stderr is stdout, so that what is written to both keeps its order.
    public var mergesStreams = false
    public var removal: RemovalRequest?
    public var restart = RestartPolicy()
    /// `--init`.
    public var usesInit = false
    public var health: HealthOptions?
    /// What is known of binds, by where they are mounted: of what they were when the container was made, in this boot,
    /// its first start makes sure.
    public var sources: [String: BindSource] = [:]
    public var bootID = ""
    /// nil: a build step, of whose life nobody is told.
    public var events: EventSource?
    /// Of whose use is told.
    public var volumes: [VolumeUse] = []
    public var devices: [DeviceRequest] = []
    /// docker's words: `container:ID` is found at each start, everything else is in the document.
    public var ipcMode = ""
    public var pidMode = ""
    /// The cgroup above the container's is the user's, not ours.
    public var keepsCgroupParent = false

    public init(
        id: String, spec: RuntimeSpec, root: RootSource, user: String, additionalGroups: [String] = [],
        seccomp: SeccompChoice, seccompCache: FilePath, cgroup: FilePath, network: NetworkRequest,
        hosts: FilePath?, hostsNames: String, directory: FilePath, runDirectory: FilePath
    ) {
        (self.id, self.spec, self.root, self.user) = (id, spec, root, user)
        (self.additionalGroups, self.seccomp, self.seccompCache) = (additionalGroups, seccomp, seccompCache)
        (self.cgroup, self.network, self.hosts, self.hostsNames) = (cgroup, network, hosts, hostsNames)
        (self.directory, self.runDirectory) = (directory, runDirectory)
    }
}
