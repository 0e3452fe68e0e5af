public import Linux
public import OCI
public import SystemPackage

extension ContainerRecord {
    /// The process, when it still runs and is the one that was recorded.
    func process() throws(RuntimeError) -> Pidfd? {
        guard pid > 0 else { return nil }
        let pidfd: Pidfd
        do throws(SysError) { pidfd = try Pidfd(pid: pid) } catch {
            // Where the call is denied, /proc says whether it is gone.
            guard error.errno != .noSuchProcess, try start() == startTime else { return nil }
            throw RuntimeError("unable to look at the process of container \(id): \(error)")
        }
        let start = try start()
        guard !pidfd.hasEnded() else { return nil }
        guard let start else {
            throw RuntimeError(
                "unable to look at the process of container \(id): /proc/\(pid)/stat cannot be read")
        }
        guard start == startTime else { return nil }
        return pidfd
    }

    private func start() throws(RuntimeError) -> UInt64? {
        do throws(SysError) { return try Process.startTime(pid: pid) } catch {
            throw RuntimeError("unable to look at the process of container \(id): \(error)")
        }
    }

    /// The state document (runtime-spec, runtime.md#state).
    func state(_ status: ContainerState.Status, pid: Int32) -> ContainerState {
        ContainerState(id: id, status: status, pid: pid, bundle: bundle, annotations: annotations)
    }

    /// What the container is doing now.
    public func state(in directory: borrowing FD) throws(RuntimeError) -> ContainerState {
        guard pid > 0 else { return state(.creating, pid: 0) }
        guard try process() != nil else { return state(.stopped, pid: 0) }
        if StartGate.isClosed(in: directory) { return state(.created, pid: pid) }
        return state(isPaused ? .paused : .running, pid: pid)
    }

    private var isPaused: Bool {
        // A cgroup that is gone or cannot be read is not frozen.
        guard let cgroup = try? openCgroup() else { return false }
        return (try? cgroup.isFrozen()) ?? false
    }

    /// Nil when it has none of its own or it is gone.
    func openCgroup() throws(RuntimeError) -> Cgroup? {
        guard let cgroup else { return nil }
        return try ContainerCgroup(cgroup).open()
    }

    func removeCgroup() throws(RuntimeError) {
        guard let cgroup else { return }
        try ContainerCgroup(cgroup).remove()
    }
}

/// The state of a container as `state` prints it: the spec's members and runc's own (rootfs, created, owner).
public func containerState(_ directory: borrowing StateDirectory) throws(RuntimeError) -> JSON {
    let record = try directory.record()
    return try record.state(in: directory.directory).json([
        JSON.Member("rootfs", .string(record.rootfs)), JSON.Member("created", .string(record.created)),
        JSON.Member("owner", .string("")),
    ])
}

/// Runs the program of a created container (runtime-spec, runtime.md#start).
public func startContainer(
    _ id: String, root: FilePath, warn: (String) -> Void = { _ in }
) throws(RuntimeError) {
    let directory = try StateDirectory.open(id, root: root, exclusive: true)
    let record = try directory.record()
    switch try record.state(in: directory.directory).status {
    case .created: try StartGate.release(in: directory.directory)
    case .stopped: throw RuntimeError("cannot start a container that has stopped")
    case .creating: throw RuntimeError("cannot start a container that is not created yet")
    default: throw RuntimeError("cannot start an already running container")
    }
    try runPoststartHooks(record, directory)
}

/// A hook that fails stops the container (runtime-spec, runtime.md#lifecycle).
func runPoststartHooks(
    _ record: ContainerRecord, _ directory: borrowing StateDirectory
) throws(RuntimeError) {
    let hooks = try directory.configuration().hooks.poststart
    guard !hooks.isEmpty else { return }
    do throws(RuntimeError) {
        try runHooks(hooks, at: .poststart, state: record.state(.running, pid: record.pid))
    } catch {
        if let process = try record.process() { try end(process) }
        throw error
    }
}

/// Sends a signal to the first process, or with `all` to every process of the container.
public func killContainer(_ id: String, signal: Int32, all: Bool, root: FilePath) throws(RuntimeError) {
    let directory = try StateDirectory.open(id, root: root)
    let record = try directory.record()
    // Where it has no pid namespace of its own, its children live on without it: SIGKILL is for all of them.
    let isForAll = all || signal == Signal.kill
    guard let process = try record.process() else {
        if all {
            // Nobody left is no failure here: runc's callers clean up with it.
            _ = try signalAll(record, signal)
            return
        }
        if isForAll, try signalAll(record, signal) { return }
        throw RuntimeError("container not running")
    }
    if isForAll, try signalAll(record, signal) { return }
    let isAlive: Bool
    do throws(SysError) {
        isAlive = try process.send(signal: signal)
    } catch {
        throw RuntimeError("unable to signal init: \(error)")
    }
    guard isAlive else { throw RuntimeError("container not running") }
}

/// False when it has no process left to signal.
private func signalAll(_ record: ContainerRecord, _ signal: Int32) throws(RuntimeError) -> Bool {
    guard let cgroup = try record.openCgroup() else { return false }
    return try asCgroupError { () throws(SysError) in
        guard try !cgroup.processes(recursive: true).isEmpty else { return false }
        try cgroup.signalAll(signal)
        return true
    }
}

/// Removes what `create` made (runtime-spec, runtime.md#delete). `force` kills the processes first and accepts a
/// container that does not exist.
public func deleteContainer(
    _ id: String, force: Bool, root: FilePath, warn: (String) -> Void = { _ in }
) throws(RuntimeError) {
    let directory: StateDirectory
    do throws(RuntimeError) {
        directory = try StateDirectory.open(id, root: root, exclusive: true)
    } catch {
        if force, error.kind == .notThere { return }
        throw error
    }
    let record: ContainerRecord
    do throws(RuntimeError) {
        record = try directory.record()
    } catch {
        // One that is there and cannot be read now may have a process.
        guard force, error.kind != .unreadable else { throw error }
        return try directory.remove()
    }
    if let process = try record.process() {
        let status = try record.state(in: directory.directory).status
        guard force || status == .created else {
            throw RuntimeError("cannot delete container \(id) that is not stopped: \(status.rawValue)")
        }
        try end(process)
    }
    // Their configuration may be damaged: what is left is removed all the same.
    let hooks = (try? directory.configuration())?.hooks.poststop ?? []
    try record.removeCgroup()
    try directory.remove()
    for failure in runPoststopHooks(hooks, state: record.state(.stopped, pid: 0)) { warn("\(failure)") }
}

private func end(_ process: borrowing Pidfd) throws(RuntimeError) {
    do throws(SysError) {
        try process.send(signal: Signal.kill)
        var poll = Poll()
        poll.add(process.fd, .readable)
        _ = try poll.wait(milliseconds: 10_000)
    } catch {
        throw RuntimeError("unable to kill the container: \(error)")
    }
    guard process.hasEnded() else {
        let pid = process.pid
        throw RuntimeError("unable to kill the container: process \(pid) waits; see /proc/\(pid)/stack")
    }
}
