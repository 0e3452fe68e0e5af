import Linux
public import OCI
public import SystemPackage

/// What `exec` is told.
public struct ExecOptions: Sendable {
    public var id: String
    public var root: FilePath
    public var process: ExecProcess
    public var pidFile: FilePath?
    public var consoleSocket: FilePath?
    public var pidfdSocket: FilePath?
    public var preservedDescriptors: UInt32 = 0
    /// A cgroup below the container's.
    public var cgroup: FilePath?
    public var ignoresPause = false
    /// Told of what was left out because the host does not allow it.
    public var warn: @Sendable (String) -> Void = { _ in }

    public init(id: String, root: FilePath, process: ExecProcess) {
        (self.id, self.root, self.process) = (id, root, process)
    }
}

/// Where the further process is described.
public enum ExecProcess: Sendable {
    /// In a document of its own.
    case given(RuntimeSpec.Process)
    /// It is the container's own, changed.
    case changed(ExecChanges)

    public var terminal: Bool {
        switch self {
        case .given(let process): process.terminal
        case .changed(let changes): changes.terminal
        }
    }

    func process(beside first: RuntimeSpec.Process) throws(RuntimeError) -> RuntimeSpec.Process {
        switch self {
        case .given(let process): process
        case .changed(let changes): try changes.applied(to: first)
        }
    }
}

/// The process that `exec` starts when it is given words instead of a document: the container's own with these
/// changes.
public struct ExecChanges: Sendable {
    public var args: [String] = []
    public var env: [String] = []
    public var cwd: String?
    public var terminal = false
    /// `UID[:GID]`.
    public var user: String?
    public var additionalGids: [UInt32] = []
    public var capabilities: [String] = []
    public var apparmorProfile: String?
    public var selinuxLabel: String?
    public var noNewPrivileges: Bool?
    public init() {}

    /// Applies them to the first process of a container.
    public func applied(to first: RuntimeSpec.Process) throws(RuntimeError) -> RuntimeSpec.Process {
        var process = first
        (process.args, process.terminal, process.consoleSize) = (args, terminal, nil)
        process.env += env
        process.cwd = cwd ?? process.cwd
        process.apparmorProfile = apparmorProfile ?? process.apparmorProfile
        process.selinuxLabel = selinuxLabel ?? process.selinuxLabel
        process.noNewPrivileges = noNewPrivileges ?? process.noNewPrivileges
        if let user { try apply(user, to: &process.user) }
        process.user.additionalGids += additionalGids
        if !capabilities.isEmpty {
            var sets = process.capabilities ?? RuntimeSpec.Capabilities()
            sets.bounding += capabilities
            sets.effective += capabilities
            sets.permitted += capabilities
            // As runc: what was not inheritable at all stays so, and then nothing can be ambient.
            if !sets.inheritable.isEmpty { sets.ambient += capabilities }
            process.capabilities = sets
        }
        return process
    }

    private func apply(_ text: String, to user: inout RuntimeSpec.User) throws(RuntimeError) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        user.uid = try Self.number(parts[0], of: text)
        if parts.count == 2 { user.gid = try Self.number(parts[1], of: text) }
    }

    /// Digits only: no sign, blank or name that another reader could take for another user (CVE-2026-30892). The kernel
    /// takes 4294967295 for "do not change".
    private static func number(_ part: Substring, of text: String) throws(RuntimeError) -> UInt32 {
        guard !part.isEmpty, part.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = UInt32(part),
            number != .max
        else {
            throw RuntimeError("parsing \"\(text)\" as UID[:GID] failed: not a number of 0 to 4294967294")
        }
        return number
    }
}

/// Starts one more process in a running container. Standard input, output and error of this process become its own.
/// From here on this process's children are in the container's pid namespace: it is used for nothing else.
public func execInContainer(_ options: ExecOptions) throws(RuntimeError) -> RunningProcess {
    let state = try StateDirectory.open(options.id, root: options.root)
    let record = try state.record()
    let status = try record.state(in: state.directory).status
    guard status != .stopped, let container = try record.process() else {
        throw RuntimeError("cannot exec in a stopped container: container not running")
    }
    if status == .paused, !options.ignoresPause {
        throw RuntimeError("cannot exec in a paused container (use --ignore-paused to override)")
    }
    let spec = try state.configuration()
    var process = try options.process.process(beside: spec.process)
    // What it does not say is the container's, as in runc: a process without the label would be outside, one with the
    // score of an engine's daemon would outlive all others.
    process.capabilities = process.capabilities ?? spec.process.capabilities
    process.oomScoreAdj = process.oomScoreAdj ?? spec.process.oomScoreAdj
    process.apparmorProfile = process.apparmorProfile ?? spec.process.apparmorProfile
    process.selinuxLabel = process.selinuxLabel ?? spec.process.selinuxLabel
    try process.check()
    let root = try asStartError { () throws(SysError) in try openRoot(of: container) }
    var facts = try processFacts(
        process, seccomp: spec.linux.seccomp, in: root, record, stateRoot: options.root, warn: options.warn)
    facts.clampsDefaults = true
    try asStartError { () throws(SysError) in
        facts.foreign = try container.foreignNamespaces()
        if facts.foreign.contains(.user) { facts.uidMap = try .users(of: container.pid) }
    }
    facts.preservedDescriptors = options.preservedDescriptors
    facts.keepsLineFeeds = options.consoleSocket == nil
    facts.seccompListener?.state.status = .running
    let plan = try planExec(process, of: spec.linux, facts)
    let cgroup = try openCgroup(record, options.cgroup)
    var running = try execProcess(plan, facts, in: container, cgroup: cgroup.raw)
    do throws(RuntimeError) {
        try handOver(
            &running, console: options.consoleSocket, pidfd: options.pidfdSocket, pidFile: options.pidFile)
    } catch {
        running.abandon()
        throw error
    }
    return running
}

private func openCgroup(_ record: ContainerRecord, _ below: FilePath?) throws(RuntimeError) -> FD? {
    guard let cgroup = try record.openCgroup() else { return nil }
    guard let below else {
        do throws(SysError) { return try cgroup.forProcess(of: record.pid) } catch {
            throw RuntimeError("unable to enter the container's cgroup: \(error)")
        }
    }
    let path = FilePath(root: nil, below.lexicallyNormalized().components)
    guard !path.isEmpty else { return cgroup.takeDirectory() }
    guard !path.components.contains("..") else {
        throw RuntimeError("bad sub cgroup path: \(below) is not below the container's cgroup")
    }
    return try asCgroupError { () throws(SysError) in
        try cgroup.directory.open(path, [.readOnly, .directory], resolve: [.beneath, .noSymlinks])
    }
}

extension Cgroup {
    /// The directory for a further process of the container with this first process. A cgroup that gives controllers to
    /// those below it has no processes of its own: where the container has made such ones, the first process is in one
    /// of them (cgroups(7), "no internal processes").
    fileprivate consuming func forProcess(of pid: Int32) throws(SysError) -> FD {
        let offered = try read("cgroup.subtree_control") ?? ""
        guard !offered.isEmpty, let tree = CgroupTree.find() else { return takeDirectory() }
        let path = try CgroupTree.path(of: pid)
        return try tree.open(FilePath(root: nil, path.components)).takeDirectory()
    }
}
