public import Linux
import OCI
import SystemPackage

/// A container's first process after its exec.
@frozen
public struct RunningProcess: ~Copyable {
    public let pidfd: Pidfd
    /// The terminal's master, when the process has a terminal.
    public var console: FD?

    /// Gives the process's descriptor away.
    public consuming func takePidfd() -> Pidfd { pidfd }

    /// Kills and reaps a process that nobody will hear of.
    func abandon() { Runtime.abandon(pidfd) }

    init(pidfd: consuming Pidfd, console: consuming FD?) {
        self.pidfd = pidfd
        self.console = console
    }
}

/// Makes the container's root: detached, so that it exists as long as somebody holds it. Device nodes of an image
/// are dead on it. `sharesMounts`: mounts below a directory stay peers of the host's (rootfsPropagation `shared`).
public func openRoot(
    _ source: RootSource, allowDevices: Bool, sharesMounts: Bool = false
) throws(SysError) -> FD {
    let attributes: MountAttributes = allowDevices ? [] : .noDevices
    switch source {
    case .overlay(let lower, let upper, let work, let volatile):
        return try mountOverlay(
            lower: lower, upper: upper, work: work, volatile: volatile, attributes: attributes)
    case .directory(let path):
        let tree = try FD.open(path, [.path, .directory]).cloneTree(recursive: true)
        // What is mounted below it stays in the container, and what the host mounts there later is seen.
        if !sharesMounts { try tree.setAttributes(propagation: .slave, recursive: true) }
        try tree.setAttributes(attributes, propagation: .private)
        return tree
    }
}

/// Clones the first process into `cgroup` and its namespaces and brings it to its exec, or to its gate. `prepare` is
/// called while the child builds its root: network, ids; `whenRooted` (of a plan with hooks) when it is built. On an
/// error the child is killed and reaped.
public func startProcess(
    _ plan: CreatePlan, _ facts: CreateFacts, root: consuming FD, cgroup: CInt?,
    prepare: (borrowing Pidfd) throws(RuntimeError) -> Void,
    whenRooted: (borrowing Pidfd) throws(RuntimeError) -> Void = { _ in }
) throws(RuntimeError) -> RunningProcess {
    let argv = CStrings(plan.args)
    let envp = CStrings(plan.environment)
    if !plan.namespaces.joinsUsers { try giveStdio(facts, plan.namespaces.uidMap) }
    let pair = try asStartError { () throws(SysError) in try MessagePair() }
    let entry = try NamespaceEntry(plan.namespaces)
    let stdio = try asStartError { () throws(SysError) in try ShieldedStdio(facts.stdio) }
    let hidesFromStart = Process.effectiveUser == 0 || !plan.namespaces.created.contains(.user)
    try giveChild(plan, facts, hidesFromStart: hidesFromStart)
    let side = try asStartError { () throws(SysError) in
        try entry.clone(plan.namespaces.created, cgroup: cgroup)
    }
    switch consume side {
    case .child:
        let child = Child(
            plan: plan, facts: facts, stdio: stdio, mountNamespace: entry.mount,
            sync: pair.keepTheirs(), root: root, argv: argv, envp: envp)
        child.run()
    case .parent(let pidfd):
        let sync = pair.keepOurs()
        _ = consume root
        var console: FD?
        do throws(RuntimeError) {
            try asStartError { () throws(SysError) in
                // Our own files are ours again.
                if Process.effectiveUser != 0 { try Kernel.setDumpable(true) }
                try entry.leave(placing: pidfd.pid, in: cgroup)
            }
            if plan.namespaces.created.contains(.user) { try writeIDMaps(plan.namespaces, pid: pidfd.pid) }
            if plan.namespaces.joinsUsers { try giveStdio(facts, of: pidfd.pid) }
            if let score = plan.oomScoreAdj, Process.effectiveUser == 0 || !hidesFromStart {
                try setOOMScore(
                    score, of: "\(pidfd.pid)", isClampable: facts.clampsDefaults, warn: facts.warn)
            }
            try move(plan.netDevices, to: pidfd)
            try prepare(pidfd)
            if plan.needsPlacement { try sync.tell(.placed) }
            console = try finish(sync, plan, facts, pidfd) {
                () throws(RuntimeError) in
                try whenRooted(pidfd)
            }
        } catch {
            abandon(pidfd)
            throw lastWord(of: sync) ?? error
        }
        return RunningProcess(pidfd: pidfd, console: console)
    }
}

/// What a child that has ended said of its failure, if that was not heard yet: it is why our steps failed, which found
/// no process any more. Few messages are looked at: another process may hold the child's end, and go on talking.
private func lastWord(of sync: borrowing FD) -> RuntimeError? {
    // Nothing to hear is an answer here, and so is what cannot be heard.
    guard (try? sync.setNonBlocking(true)) != nil else { return nil }
    for _ in 0..<16 {
        guard let bytes = try? sync.receiveMessage(limit: 4096).bytes, !bytes.isEmpty else { return nil }
        if case .failed(let errno, let isExec, let text) = SyncMessage(bytes) {
            return startError(errno: errno, isExec: isExec, text)
        }
    }
    return nil
}

/// What the child inherits from us: its score, where it could not be set later, that it is hidden, and its first CPUs.
private func giveChild(
    _ plan: CreatePlan, _ facts: CreateFacts, hidesFromStart: Bool
) throws(RuntimeError) {
    if hidesFromStart, Process.effectiveUser != 0, let score = plan.oomScoreAdj {
        // Inherited; that of a hidden child could not be set.
        try setOOMScore(score, of: "self", isClampable: facts.clampsDefaults, warn: facts.warn)
    }
    try asStartError { () throws(SysError) in
        // Inherited by the child: whoever is in a namespace that it enters can neither trace it nor reach its
        // descriptors before its exec (CVE-2016-9962). Without privileges the ids of a new user namespace could not
        // be written then: that child hides itself when they are.
        if hidesFromStart { try Kernel.setDumpable(false) }
        if let cpus = plan.attributes.initialCPUs { try cpus.apply() }
    }
}

/// Lets the child go, at once or when it has built its root, and waits for its exec, which closes its end of the
/// socket, or for its word that it waits for its start.
private func finish(
    _ sync: borrowing FD, _ plan: CreatePlan, _ facts: CreateFacts, _ pidfd: borrowing Pidfd,
    whenRooted: () throws(RuntimeError) -> Void
) throws(RuntimeError) -> FD? {
    if !facts.runsHooks { try sync.tell(.go) }
    return try listen(to: sync, SyncDialogue(plan, facts)) { act throws(RuntimeError) in
        switch act {
        case .sendTree(let number):
            try asStartError { () throws(SysError) in
                let tree = try plan.requested[number].make(for: pidfd)
                try sync.sendMessage(SyncMessage.tree.bytes, descriptor: tree)
            }
        case .handOver(let number): try handOver(number, of: pidfd, to: facts.seccompListener, sync)
        case .runHooks:
            try whenRooted()
            try sync.tell(.go)
        case .keepConsole, .end: return  // the listener's own
        }
    }
}

/// What a child said when it failed. The command cannot be executed in a directory that cannot be entered;
/// everything but the exec itself is otherwise the engine's failure.
func startError(errno: Int32, isExec: Bool, _ text: String) -> RuntimeError {
    if isExec { return execError(text, Errno(rawValue: errno)) }
    let exitCode: Int32 = text.hasPrefix(Child.workingDirectoryCall) ? 126 : 125
    return RuntimeError("unable to start container process: \(text)", exitCode: exitCode)
}

/// The child has loaded its filter and does nothing until the supervisor has its descriptor.
private func handOver(
    _ number: CInt, of pidfd: borrowing Pidfd, to listener: SeccompListener?, _ sync: borrowing FD
) throws(RuntimeError) {
    let descriptor = try asStartError { () throws(SysError) in try pidfd.descriptor(number) }
    try listener?.send(descriptor, pid: pidfd.pid)
    try sync.tell(.go)
}

/// runc's words, on which engines and docker's command line match for 126 and 127.
private func execError(_ path: String, _ errno: Errno) -> RuntimeError {
    let start = "unable to start container process: exec: \"\(path)\": "
    func error(_ text: String, _ code: Int32) -> RuntimeError {
        RuntimeError(text, exitCode: code, exec: ExecFailure(path: path, errno: errno))
    }
    switch errno {
    case .noSuchFileOrDirectory, .notDirectory:
        guard path.contains("/") else { return error(start + "executable file not found in $PATH", 127) }
        return error(start + "stat \(path): no such file or directory", 127)
    case .libraryUnavailable:  // a script's interpreter, a program's loader
        return error("exec \(path): no such file or directory", 127)
    case .permissionDenied: return error(start + "permission denied", 126)
    case .isDirectory: return error(start + "is a directory: permission denied", 126)
    case .execFormatError: return error(start + "exec format error", 126)
    default: return error(start + "\(errno)", 126)
    }
}

/// Pipes and FIFOs belong to the container's user, so that /dev/stdout can be opened again by name.
private func giveStdio(_ facts: CreateFacts, _ users: IDMap) throws(RuntimeError) {
    guard case .descriptors(let stdin, let stdout, let stderr) = facts.stdio,
        let uid = users.outside(facts.credentials.uid), uid != Process.effectiveUser
    else { return }
    for raw in Set([stdin, stdout, stderr]) {
        do {
            try Kernel.changeOwnerOfPipe(raw, uid: uid)
        } catch {
            // An engine that runs without privileges itself, or a file system that cannot: the process can live
            // with that (runc accepts the same).
            guard [.invalidArgument, .notPermitted, .readOnlyFileSystem].contains(error.errno) else {
                throw RuntimeError("unable to start container process: \(error)")
            }
        }
    }
}

/// The same for a child that has been cloned into a user namespace which was there before.
private func giveStdio(_ facts: CreateFacts, of pid: Int32) throws(RuntimeError) {
    let users = try asStartError { () throws(SysError) in try IDMap.users(of: pid) }
    try giveStdio(facts, users)
}

func abandon(_ pidfd: borrowing Pidfd) {
    _ = try? pidfd.send(signal: Signal.kill)  // it may have ended by itself
    _ = try? pidfd.reap(wait: true)  // or be no child of ours
}

/// Gives a system call's error the words of a failed start.
public func asStartError<R: ~Copyable>(_ body: () throws(SysError) -> R) throws(RuntimeError) -> R {
    do throws(SysError) { return try body() } catch {
        throw RuntimeError("unable to start container process: \(error)")
    }
}
