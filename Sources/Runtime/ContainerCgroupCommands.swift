import Linux
public import OCI
public import SystemPackage

extension ContainerRecord {
    /// The cgroup of a container that is there; what needs one says so in `action`.
    fileprivate func requireCgroup(_ action: String) throws(RuntimeError) -> ContainerCgroup {
        guard let cgroup else {
            throw RuntimeError("cannot \(action) container \(id): it was made without a cgroup")
        }
        return try ContainerCgroup(cgroup)
    }
}

/// Freezes every process of a container.
public func pauseContainer(_ id: String, root: FilePath) throws(RuntimeError) {
    let directory = try StateDirectory.open(id, root: root, exclusive: true)
    let record = try directory.record()
    let status = try record.state(in: directory.directory).status
    guard status == .running || status == .created else {
        let reason = "container not running" + (status == .stopped ? "" : " or created: \(status.rawValue)")
        throw RuntimeError("cannot pause container \(id): \(reason)")
    }
    guard let cgroup = try record.requireCgroup("pause").open() else {
        throw RuntimeError("cannot pause container \(id): container not running")
    }
    try asCgroupError { () throws(SysError) in try cgroup.freeze() }
}

/// Lets a paused container go on.
public func resumeContainer(_ id: String, root: FilePath) throws(RuntimeError) {
    let directory = try StateDirectory.open(id, root: root, exclusive: true)
    let record = try directory.record()
    guard try record.state(in: directory.directory).status == .paused else {
        throw RuntimeError("container not paused")
    }
    guard let cgroup = try record.requireCgroup("resume").open() else {
        throw RuntimeError("container not running")
    }
    try asCgroupError { () throws(SysError) in try cgroup.thaw() }
}

/// Sets the limits that `resources` name.
public func updateContainer(
    _ id: String, _ resources: RuntimeSpec.Resources, root: FilePath, warn: (String) -> Void = { _ in }
) throws(RuntimeError) {
    let directory = try StateDirectory.open(id, root: root, exclusive: true)
    let record = try directory.record()
    guard try record.state(in: directory.directory).status != .stopped else {
        throw RuntimeError("cannot update container \(id): container not running")
    }
    for warning in try record.requireCgroup("update").update(resources) { warn(warning) }
}

/// The pids of all processes of a container, in the runtime's pid namespace.
public func containerProcesses(_ id: String, root: FilePath) throws(RuntimeError) -> [Int32] {
    let record = try StateDirectory.open(id, root: root).record()
    guard let cgroup = try record.openCgroup() else { return try record.process() == nil ? [] : [record.pid] }
    return try asCgroupError { () throws(SysError) in try cgroup.processes(recursive: true) }
}
