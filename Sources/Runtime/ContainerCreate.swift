import Linux
import OCI
public import SystemPackage

/// What `create` and `run` are told beside the bundle.
public struct CreateOptions: Sendable {
    public var id: String
    /// The directory of all state directories.
    public var root: FilePath
    public var bundle: FilePath
    /// Another file instead of the bundle's config.json.
    public var configuration: FilePath?
    public var pidFile: FilePath?
    public var consoleSocket: FilePath?
    public var pidfdSocket: FilePath?
    public var cgroupDriver = CgroupDriver.cgroupfs
    public var hasKeyring = true
    public var preservedDescriptors: UInt32 = 0
    /// Whether the process waits for `start`.
    public var waitsForStart: Bool
    /// Whether nobody here will hold a terminal.
    public var detaches = false
    /// Told of what was left out because the host does not allow it.
    public var warn: @Sendable (String) -> Void = { _ in }
    /// Told what `--debug` shows.
    public var debug: @Sendable (String) -> Void = { _ in }

    public init(id: String, root: FilePath, bundle: FilePath, waitsForStart: Bool) {
        (self.id, self.root, self.bundle, self.waitsForStart) = (id, root, bundle, waitsForStart)
    }
}

/// A container that has just been made.
@frozen
public struct CreatedContainer: ~Copyable {
    public let state: StateDirectory
    public let record: ContainerRecord
    public var process: RunningProcess

    /// Gives the process away; the state directory is closed.
    public consuming func takeProcess() -> RunningProcess { process }

    init(state: consuming StateDirectory, record: ContainerRecord, process: consuming RunningProcess) {
        self.state = state
        self.record = record
        self.process = process
    }
}

/// Makes a container from a bundle (runtime-spec, runtime.md#create). Standard input, output and error of this process
/// are the container's. On an error nothing of it is left.
public func createContainer(_ options: CreateOptions) throws(RuntimeError) -> CreatedContainer {
    let bundle = try Bundle(options.bundle, configuration: options.configuration)
    try bundle.spec.process.check()
    try checkConsole(bundle.spec.process, options)
    let state = try StateDirectory.make(options.id, root: options.root)
    var creation: Creation
    do throws(RuntimeError) {
        creation = try Creation(bundle: bundle, options: options)
    } catch {
        try? state.remove()  // the first error is the one to report
        throw error
    }
    do throws(RuntimeError) {
        let process = try creation.run(in: state)
        return CreatedContainer(state: state, record: creation.record, process: process)
    } catch {
        creation.undo(state)
        throw error
    }
}

/// As runc: a terminal needs somebody to hold its master, and a socket for it needs a terminal.
private func checkConsole(_ process: RuntimeSpec.Process, _ options: CreateOptions) throws(RuntimeError) {
    let detaches = options.waitsForStart || options.detaches
    if detaches, process.terminal, options.consoleSocket == nil {
        throw RuntimeError("cannot allocate tty if runc will detach without setting console socket")
    }
    if !process.terminal, options.consoleSocket != nil {
        throw RuntimeError("cannot use console socket if runc will not detach or allocate tty")
    }
}

/// One creation under way: what has been made of it so far, so that it can be undone.
private struct Creation {
    let bundle: Bundle
    let options: CreateOptions
    var record: ContainerRecord
    private let cgroup: ContainerCgroup?
    /// Whether it has been made: one that was refused is somebody else's.
    private let made = Made()

    private final class Made { var hasCgroup = false }

    init(bundle: Bundle, options: CreateOptions) throws(RuntimeError) {
        (self.bundle, self.options) = (bundle, options)
        cgroup =
            Self.needsNoCgroup(bundle.spec.linux)
            ? nil
            : try ContainerCgroup.find(
                bundle.spec.linux.cgroupsPath, id: options.id, driver: options.cgroupDriver)
        record = ContainerRecord(
            id: options.id, bundle: bundle.path.string, rootfs: bundle.rootfs.string,
            annotations: bundle.spec.annotations, cgroup: cgroup?.place, hasKeyring: options.hasKeyring)
    }

    /// As runc: an ordinary user who asks for no place and no limit stays in a cgroup that is not his.
    private static func needsNoCgroup(_ linux: RuntimeSpec.Linux) -> Bool {
        guard Process.effectiveUser != 0, linux.cgroupsPath ?? "" == "" else { return false }
        var resources = linux.resources
        resources.devices = []
        return resources == RuntimeSpec.Resources()
    }

    mutating func run(in state: borrowing StateDirectory) throws(RuntimeError) -> RunningProcess {
        let spec = bundle.spec
        try asStartError { () throws(SysError) in try state.write(configuration: bundle.bytes) }
        let root = try openBundleRoot()
        let needsProcess = cgroup?.needsProcess ?? false
        let directory = needsProcess ? nil : try makeCgroup()
        var facts = try makeFacts(root: root, state)
        facts.needsPlacement = needsProcess
        let plan = try planCreate(spec, facts)
        // Hooks may take long, and ask for the state; and whoever ends us meanwhile wants to delete what there is.
        if facts.runsHooks || !facts.hooks.createContainer.isEmpty {
            try asStartError { () throws(SysError) in try state.write(record) }
        }
        let parent = self
        var process = try startProcess(plan, facts, root: root, cgroup: directory.raw) {
            pidfd throws(RuntimeError) in
            if needsProcess { _ = try parent.makeCgroup(for: pidfd.pid) }
        } whenRooted: { pidfd throws(RuntimeError) in
            try parent.runHooks([.prestart, .createRuntime], pid: pidfd.pid)
        }
        record.pid = process.pidfd.pid
        do throws(RuntimeError) {
            let pid = record.pid
            record.startTime =
                try asStartError { () throws(SysError) in try Process.startTime(pid: pid) } ?? 0
            try finish(&process, in: state)
        } catch {
            process.abandon()
            throw error
        }
        return process
    }

    /// What callers read as soon as we have ended.
    private func finish(
        _ process: inout RunningProcess, in state: borrowing StateDirectory
    ) throws(RuntimeError) {
        try asStartError { () throws(SysError) in try state.write(record) }
        try handOver(
            &process, console: options.consoleSocket, pidfd: options.pidfdSocket, pidFile: options.pidFile)
        if !options.waitsForStart { try runPoststartHooks(record, state) }
    }

    /// Its directory, for the clone.
    private func makeCgroup(for pid: Int32? = nil) throws(RuntimeError) -> FD? {
        guard let cgroup else { return nil }
        let created = try cgroup.create(
            bundle.spec.linux.resources, process: pid, annotations: bundle.spec.annotations)
        made.hasCgroup = true
        for warning in created.warnings { options.warn(warning) }
        if let owner = planCgroupOwner(bundle.spec, try planNamespaces(bundle.spec)),
            owner != Process.effectiveUser
        {
            try asCgroupError { () throws(SysError) in try created.cgroup.give(to: owner) }
        }
        return created.takeDirectory()
    }

    private func runHooks(_ points: [HookPoint], pid: Int32) throws(RuntimeError) {
        for point in points {
            try Runtime.runHooks(
                bundle.spec.hooks[point], at: point, state: record.state(.creating, pid: pid))
        }
    }

    /// Without privileges a mount can be made in a user namespace only.
    private var leavesRootToChild: Bool {
        Process.effectiveUser != 0 && bundle.spec.linux.namespaces.contains { $0.kind == .user }
    }

    private func openBundleRoot() throws(RuntimeError) -> FD {
        do {
            if leavesRootToChild { return try FD.open(bundle.rootfs, [.path, .directory]) }
            let isShared = ["shared", "rshared"].contains(bundle.spec.linux.rootfsPropagation)
            return try openRoot(.directory(bundle.rootfs), allowDevices: true, sharesMounts: isShared)
        } catch {
            throw RuntimeError("unable to open rootfs \(bundle.rootfs): \(error)")
        }
    }

    private func makeFacts(
        root: borrowing FD, _ state: borrowing StateDirectory
    ) throws(RuntimeError) -> CreateFacts {
        var facts = try processFacts(
            bundle.spec.process, seccomp: bundle.spec.linux.seccomp, in: root, record,
            stateRoot: options.root, warn: options.warn)
        facts.clampsDefaults = true
        facts.makesWorkingDirectory = true
        if leavesRootToChild { facts.rootForChild = bundle.rootfs }
        facts.bundle = bundle.path.string
        if let label = bundle.spec.linux.mountLabel, !label.isEmpty, SecurityModules.ofHost.contains(.seLinux)
        {
            facts.mountLabel = label
        }
        // Who has none of his own sees the host's (runc).
        facts.cgroupDirectory =
            cgroup.map { $0.tree.mountPoint.pushing($0.place.path).string }
            ?? CgroupTree.find()?.mountPoint.string
        if !options.hasKeyring { facts.keyringName = nil }
        if !facts.seccomp.isEmpty { options.debug("seccomp filter flags: \(facts.seccomp.flags.rawValue)") }
        facts.keepsLineFeeds = options.consoleSocket == nil
        let hooks = bundle.spec.hooks
        facts.runsHooks = !hooks.prestart.isEmpty || !hooks.createRuntime.isEmpty
        facts.hooks = hooks
        facts.rootfs = bundle.rootfs.string
        facts.state = record.state(.creating, pid: 0)
        facts.preservedDescriptors = options.preservedDescriptors
        guard options.waitsForStart else { return facts }
        facts.gate = try asStartError { () throws(SysError) in try StartGate(in: state.directory) }
        return facts
    }

    /// What earlier hooks have set up is taken down by those that run after a container's end (runc, and the spec's
    /// lifecycle goes on at its end when a hook fails).
    func undo(_ state: borrowing StateDirectory) {
        if made.hasCgroup { try? cgroup?.remove(waiting: 1000) }  // as below
        try? state.remove()  // the first error is the one to report
        let hooks = bundle.spec.hooks.poststop
        for failure in runPoststopHooks(hooks, state: record.state(.stopped, pid: 0)) {
            options.warn("\(failure)")
        }
    }
}
