public import Linux
public import OCI
public import SystemPackage

/// Where the container's root file system comes from.
public enum RootSource: Equatable, Sendable {
    /// Layers, topmost first, below a writable directory. `volatile`: it is thrown away at the end.
    case overlay(lower: [FilePath], upper: FilePath, work: FilePath, volatile: Bool)
    /// A directory that is there (an OCI bundle's rootfs).
    case directory(FilePath)
}

/// What 0, 1 and 2 of the process are.
public enum ProcessStdio: Equatable, Sendable {
    case descriptors(stdin: CInt, stdout: CInt, stderr: CInt)
    /// A new pseudo-terminal of the container's own devpts; its master comes back to the caller.
    case terminal(WindowSize?)
}

/// One thing the child does between clone and exec. The order is data: `planCreate`,
/// `planExec` and, for what they share, `planProcess` write it down.
enum ChildStep: Equatable, Sendable {
    /// The parent has mapped our ids and put us into our cgroup.
    case awaitPlacement
    /// While /proc is still the host's, and its files of this process are ours.
    case openLabels(ProcessLabels)
    /// User and group 0 of our new user namespace.
    case becomeRoot
    case joinMountNamespace
    case joinSessionKeyring(String)
    case newSession
    /// After the clone put us into the cgroup, so that it is the namespace's root; clone3 would take the parent's.
    case newCgroupNamespace
    /// Nothing that is mounted here reaches the host.
    case detachPropagation(Propagation)
    /// What is mounted on the root's place is seen by nobody else, whatever else is shared.
    case isolateParentOfRoot(String)
    /// The root becomes a mount at this path, where nothing but hooks will look for it.
    case attachRoot(over: String)
    /// Our parent had no right to make a mount of it.
    case openRoot(FilePath)
    /// The namespaces of a running container, by its pidfd.
    case joinNamespaces
    case mount(MountStep)
    case makeDevice(RuntimeSpec.Device)
    case makeDeviceLinks
    case openConsole(WindowSize?)
    /// The same for a further process: without /dev/console.
    case openTerminal(WindowSize?)
    case makeWorkingDirectory(String)
    case mask([String])
    case makeReadOnly(String)
    case makeRootReadOnly
    case makeMountReadOnly(String)
    case setSysctl(Sysctl)
    case setHostname(String)
    case setDomainname(String)
    case runHooks(HookPoint)
    /// The mounts are there and the host can still be named: hooks may look.
    case reportRoot
    /// The parent has finished the network, ids and hooks.
    case awaitParent
    /// From here on no host path can be named.
    case pivot
    case setRootPropagation(Propagation, recursive: Bool)
    case connectStdio
    case setRlimit(resource: Int32, name: String, soft: UInt64, hard: UInt64)
    case setUmask(UInt32)
    /// As root: a directory that only root may enter is entered as docker does.
    case enterWorkingDirectory(String)
    /// They hold from the exec on.
    case applyLabels
    case loadSeccomp
    case dropBoundingSet(ProcessCapabilities)
    case setUser(Credentials)
    case setCapabilities(ProcessCapabilities)
    case noNewPrivileges
    /// A command that is not there is said by `create`, not by `start`.
    case findExecutable
    /// Created: our parent leaves, and `start` says when to go on.
    case awaitStart
    case setAttributes
    /// Every descriptor from this one on ends with the exec, whoever leaked it (CVE-2024-21626).
    case closeDescriptors(from: UInt32)
    case execute
    /// Our own first process, which starts the command.
    case executeInit
}

/// Everything that can be decided before the clone.
public struct CreatePlan: Sendable {
    var namespaces: NamespacePlan
    /// Whether the parent maps ids or has systemd make the cgroup, so that the child cannot begin before.
    let needsPlacement: Bool
    let steps: [ChildStep]
    let args: [String]
    let environment: [String]
    let candidates: [String]
    let initProgram: InitProgram?
    let seccomp: SeccompFilter
    let attributes: ProcessAttributes
    let requested: [RequestedTree]
    let oomScoreAdj: Int32?
    let hooks: RuntimeSpec.Hooks
    let state: ContainerState?
    let foreign: Namespaces
    let netDevices: [NetDevice]
    /// The kernel's last capability, asked once.
    let lastCapability: Int

    /// The command's own first word.
    var command: String { args.dropFirst(initProgram == nil ? 0 : InitProgram.arguments.count).first ?? "" }

    init(
        namespaces: NamespacePlan, netDevices: [NetDevice] = [], requested: [RequestedTree] = [],
        steps: [ChildStep], process: RuntimeSpec.Process, attributes: ProcessAttributes, _ facts: CreateFacts
    ) {
        (self.netDevices, self.requested) = (netDevices, requested)
        (self.attributes, oomScoreAdj) = (attributes, process.oomScoreAdj)
        (self.namespaces, self.steps, initProgram) = (namespaces, steps, facts.initProgram)
        args = (initProgram == nil ? [] : InitProgram.arguments) + process.args
        environment = makeEnvironment(process.env, home: facts.credentials.home)
        candidates = findCandidates(for: process.args.first ?? "", environment: process.env)
        (seccomp, lastCapability) = (facts.seccomp, facts.lastCapability)
        (hooks, state) = (facts.hooks, facts.state)
        foreign = facts.foreign
        needsPlacement = facts.needsPlacement || namespaces.created.contains(.user)
    }
}

/// What the plan needs beyond the runtime-spec's document.
public struct CreateFacts {
    public var credentials: Credentials
    public var stdio: ProcessStdio
    public var seccomp: SeccompFilter
    /// Needed by a filter that notifies.
    public var seccompListener: SeccompListener?
    /// Of the session keyring; nil: the caller's is kept.
    public var keyringName: String?
    /// Whether the master of its terminal is copied to another terminal, which ends the lines (runc's `run` and `exec`).
    public var keepsLineFeeds = false
    /// The first process, when the command is not it (`--init`).
    public var initProgram: InitProgram?
    /// Where a created container waits; nil: it goes on to its exec.
    public var gate: StartGate?
    /// Whether systemd makes the cgroup, which needs the child.
    public var needsPlacement = false
    /// Whether the parent runs hooks when the mounts are there.
    public var runsHooks = false
    /// The root directory's path on the host, where hooks find the container's mounts; nil: nobody looks.
    public var rootfs: String?
    /// The path of a root directory that only the child, root in a user namespace, can make a mount of.
    public var rootForChild: FilePath?
    /// What is known of binds, by the destination that the document has.
    public var sources: [String: BindSource] = [:]
    /// Where relative sources of mounts are.
    public var bundle: String?
    /// The container's cgroup on the host.
    public var cgroupDirectory: String?
    /// The SELinux context of new file systems; nil where there is no SELinux.
    public var mountLabel: String?
    /// Those of the child are run with its own pid in `state`.
    public var hooks = RuntimeSpec.Hooks()
    public var state: ContainerState?
    /// Whether a working directory that is not there is made, as runc does.
    public var makesWorkingDirectory = false
    /// Whether the document may hold an engine's defaults, of which those that the host does not permit are left out.
    public var clampsDefaults = false
    /// Told of what is left out.
    public var warn: (String) -> Void = { _ in }
    /// Which of the user and the time namespace of a further process's container are not ours.
    public var foreign: Namespaces = []
    /// Of the user namespace that a further process joins.
    var uidMap = IDMap()
    /// How many descriptors from 3 on the process inherits.
    public var preservedDescriptors: UInt32 = 0
    public var lastCapability = CapabilitySet.lastOfKernel

    public init(credentials: Credentials, stdio: ProcessStdio, seccomp: SeccompFilter, keyringName: String?) {
        (self.credentials, self.stdio) = (credentials, stdio)
        (self.seccomp, self.keyringName) = (seccomp, keyringName)
    }
}

/// What would be left out silently otherwise.
private func refuseUnsupported(_ linux: RuntimeSpec.Linux) throws(RuntimeError) {
    guard linux.intelRdt == nil else { throw RuntimeError("linux.intelRdt is not supported") }
}

/// Plans the creation of a container's first process. Pure; refuses what cannot be done as asked.
public func planCreate(_ spec: RuntimeSpec, _ facts: CreateFacts) throws(RuntimeError) -> CreatePlan {
    try refuseUnsupported(spec.linux)
    let namespaces = try planNamespaces(spec)
    // The root is attached over `/`: in the host's own namespace that would be the host's.
    guard namespaces.has(.mount) else {
        throw RuntimeError("a container without a mount namespace of its own is not supported")
    }
    let hasUsers = namespaces.created.contains(.user)
    var steps: [ChildStep] = facts.needsPlacement || hasUsers ? [.awaitPlacement] : []
    steps += try planLabels(spec.process)
    if namespaces.has(.user) { steps.append(.becomeRoot) }
    if namespaces.joined.contains(where: { $0.kind == .mount }) { steps.append(.joinMountNamespace) }
    if let name = facts.keyringName { steps.append(.joinSessionKeyring(name)) }
    steps.append(.newSession)
    if namespaces.makesCgroup { steps.append(.newCgroupNamespace) }
    if let path = facts.rootForChild { steps.append(.openRoot(path)) }
    let root = try RootPlan(spec, namespaces, facts)
    steps += root.steps
    steps += try planSysctls(spec.linux.sysctl, namespaces, isOwn: \.isOurs).map(ChildStep.setSysctl)
    if let hostname = spec.hostname { steps.append(.setHostname(hostname)) }
    if let domainname = spec.domainname { steps.append(.setDomainname(domainname)) }
    if facts.runsHooks { steps.append(.reportRoot) }
    steps.append(.awaitParent)
    if !facts.hooks.createContainer.isEmpty { steps.append(.runHooks(.createContainer)) }
    steps += root.lastSteps
    steps.append(.pivot)
    if let propagation = root.propagation {
        steps.append(.setRootPropagation(propagation, recursive: root.propagatesRecursively))
    }
    let attributes = try ProcessAttributes(spec.process, of: spec.linux)
    steps += try planProcess(spec.process, attributes, facts)
    return CreatePlan(
        namespaces: namespaces, netDevices: try planNetDevices(spec.linux, namespaces),
        requested: root.requested, steps: steps, process: spec.process, attributes: attributes, facts)
}

/// The part that `exec` shares with `create`: from a process that is in the namespaces to the exec.
func planProcess(
    _ process: RuntimeSpec.Process, _ attributes: ProcessAttributes, _ facts: CreateFacts
) throws(RuntimeError) -> [ChildStep] {
    guard let first = process.args.first, !first.isEmpty else { throw RuntimeError("no command specified") }
    var steps: [ChildStep] = [
        .connectStdio, .setUmask(process.user.umask ?? 0o022), .enterWorkingDirectory(process.cwd),
    ]
    guard !facts.seccomp.notifies || facts.seccompListener != nil else {
        throw RuntimeError("seccomp: SCMP_ACT_NOTIFY needs a listenerPath")
    }
    if try !planLabels(process).isEmpty { steps.append(.applyLabels) }
    // Before the filter, which need not allow it.
    steps.append(.setAttributes)
    let (firstClosed, isBeyondAll) = facts.preservedDescriptors.addingReportingOverflow(3)
    steps.append(.closeDescriptors(from: isBeyondAll ? .max : firstClosed))
    // As late as the filter and the loss of root allow: they are for the process, not for what is done to start it.
    steps += try planRlimits(process.rlimits)
    let filter: [ChildStep] = facts.seccomp.isEmpty ? [] : [.loadSeccomp]
    // Loading needs CAP_SYS_ADMIN or no_new_privs: with the latter it comes last, so that it covers the most.
    if !process.noNewPrivileges { steps += filter }
    let capabilities = capabilitySets(
        process.capabilities, last: facts.lastCapability, warn: facts.warn)
    steps += [.dropBoundingSet(capabilities), .setUser(facts.credentials), .setCapabilities(capabilities)]
    if process.noNewPrivileges { steps += [.noNewPrivileges] + filter }
    // After the filter: its supervisor gets its descriptor from our parent, which leaves at the gate.
    if facts.gate != nil { steps += [.findExecutable, .awaitStart] }
    if !facts.hooks.startContainer.isEmpty { steps.append(.runHooks(.startContainer)) }
    // What the command's own exec would say, nobody could tell apart from its end.
    return steps + (facts.initProgram == nil ? [.execute] : [.findExecutable, .executeInit])
}

private func planRlimits(_ limits: [RuntimeSpec.Rlimit]) throws(RuntimeError) -> [ChildStep] {
    var steps: [ChildStep] = []
    var seen = Set<String>()
    for limit in limits {
        guard seen.insert(limit.type).inserted else {
            throw RuntimeError("invalid rlimit configuration: \(limit.type) is given twice")
        }
        guard let number = rlimitNumber(limit.type) else {
            throw RuntimeError("unknown rlimit \(limit.type)")
        }
        steps.append(.setRlimit(resource: number, name: limit.type, soft: limit.soft, hard: limit.hard))
    }
    return steps
}

/// The first steps of a process that is to be labelled, before anything of the container can be seen.
func planLabels(_ process: RuntimeSpec.Process) throws(RuntimeError) -> [ChildStep] {
    let labels = try ProcessLabels(process, .ofHost)
    return labels.isEmpty ? [] : [.openLabels(labels)]
}

/// The last value of each name, and HOME, which comes last when it is not set; an empty one counts as not set.
private func makeEnvironment(_ env: [String], home: String) -> [String] {
    var names = Set<Substring>()
    var kept: [String] = []
    for entry in env.reversed() where names.insert(entry.prefix { $0 != "=" }).inserted && entry != "HOME=" {
        kept.append(entry)
    }
    if !kept.contains(where: { $0.hasPrefix("HOME=") }) { kept.insert("HOME=\(home)", at: 0) }
    return kept.reversed()
}

/// The paths to try: the name itself when it has a slash, or below each directory of the container's PATH.
private func findCandidates(for name: String, environment: [String]) -> [String] {
    guard !name.contains("/") else { return [name] }
    let path = environment.last { $0.hasPrefix("PATH=") }?.dropFirst(5)
    let directories = (path ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .split(separator: ":", omittingEmptySubsequences: false)
    return directories.map { ($0.isEmpty ? "." : String($0)) + "/" + name }
}

private func rlimitNumber(_ type: String) -> Int32? {
    let names = [
        "CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE", "MEMLOCK", "AS", "LOCKS",
        "SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME",
    ]
    return names.firstIndex { "RLIMIT_\($0)" == type }.map(Int32.init)
}

/// Names that this kernel does not know are left out, as in runc.
private func capabilitySets(
    _ capabilities: RuntimeSpec.Capabilities?, last: Int, warn: (String) -> Void
) -> ProcessCapabilities {
    var sets = ProcessCapabilities([])
    guard let capabilities else { return sets }
    var unknown = Set<String>()
    func set(_ names: [String]) -> CapabilitySet {
        var set: CapabilitySet = []
        for name in names {
            guard let one = CapabilitySet(name: name), CapabilitySet.all(last).contains(one) else {
                unknown.insert(name)
                continue
            }
            set.formUnion(one)
        }
        return set
    }
    sets.bounding = set(capabilities.bounding)
    sets.effective = set(capabilities.effective)
    sets.permitted = set(capabilities.permitted)
    sets.inheritable = set(capabilities.inheritable)
    // What is not permitted and inheritable cannot be ambient (capabilities(7)); such documents are common, runc's
    // own among them, and runc leaves it out too.
    let ambient = set(capabilities.ambient)
    sets.ambient = ambient.intersection(sets.permitted).intersection(sets.inheritable)
    if !unknown.isEmpty {
        warn("ignoring unknown or unavailable capabilities: [\(unknown.sorted().joined(separator: " "))]")
    }
    for name in ambient.subtracting(sets.ambient).names {
        warn("can't raise ambient capability \(name): it is not both permitted and inheritable")
    }
    return sets
}
