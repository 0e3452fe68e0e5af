import Linux
public import OCI
public import SystemPackage

/// What a container has used, as one document of `events --stats`.
public func containerStatistics(_ id: String, root: FilePath) throws(RuntimeError) -> JSON {
    event("stats", id, try cgroupStatistics(openRunning(id, root: root)))
}

/// Hands out what a container has used every `interval` milliseconds, and each time the kernel killed one of its
/// processes for memory, until the container has ended.
public func watchContainer(
    _ id: String, root: FilePath, interval: Int32, handOut: (JSON) throws(RuntimeError) -> Void
) throws(RuntimeError) {
    let cgroup = try openRunning(id, root: root)
    let watch = try asCgroupError { () throws(SysError) in try CgroupWatch(cgroup, memory: true) }
    var kills = try asCgroupError { () throws(SysError) in try watch.memoryEvents() }["oom_kill"] ?? 0
    var last = Timestamp.sinceBoot()
    while try asCgroupError({ () throws(SysError) in try watch.events() })["populated"] == 1 {
        let now = try asCgroupError { () throws(SysError) in try watch.memoryEvents() }["oom_kill"] ?? kills
        for _ in kills..<max(now, kills) { try handOut(event("oom", id, nil)) }
        kills = now
        var left = Double(interval) - Timestamp.sinceBoot().elapsed(since: last) * 1000
        if left <= 0 {
            let statistics: JSON
            do throws(RuntimeError) {
                statistics = try cgroupStatistics(cgroup)
            } catch {
                // Removed while it was read: that is the end.
                guard try asCgroupError({ () throws(SysError) in try watch.events() }).isEmpty else {
                    throw error
                }
                return
            }
            try handOut(event("stats", id, statistics))
            (last, left) = (.sinceBoot(), Double(interval))
        }
        try asCgroupError { () throws(SysError) in try watch.wait(Int32(left.rounded(.up))) }
    }
}

private func openRunning(_ id: String, root: FilePath) throws(RuntimeError) -> Cgroup {
    let directory = try StateDirectory.open(id, root: root)
    let record = try directory.record()
    guard try record.process() != nil, let cgroup = try record.openCgroup() else {
        throw RuntimeError("container with id \(id) is not running")
    }
    return cgroup
}

private func event(_ type: String, _ id: String, _ data: JSON?) -> JSON {
    .fields(["type": .string(type), "id": .string(id), "data": data])
}
