import SystemPackage

/// The processes of a cgroup and of those below it.
extension Cgroup {
    /// The pids in it, with `recursive` those below it too; threads of a threaded cgroup count as processes. A process
    /// of a pid namespace that is not below ours has none.
    public func processes(recursive: Bool) throws(SysError) -> [Int32] {
        var pids = try ownProcesses()
        guard recursive else { return pids }
        // One descriptor, however deep it goes: `..` is the way up.
        var current = try directory.open(".", [.readOnly, .directory], resolve: [])
        var levels = [try current.childCgroups()]
        while let level = levels.indices.last {
            guard let name = levels[level].popLast() else {
                levels.removeLast()
                if !levels.isEmpty {
                    current = try current.open("..", [.readOnly, .directory], resolve: [])
                }
                continue
            }
            guard let below = try current.openCgroup(name) else { continue }
            let child = Cgroup(directory: below, path: path)
            pids += try child.ownProcesses()
            current = child.takeDirectory()
            levels.append(try current.childCgroups())
        }
        return pids
    }

    /// Whether a process is in it or below it: the kernel's own count, zombies left out.
    public func isPopulated() throws(SysError) -> Bool { try numbers("cgroup.events")["populated"] == 1 }

    /// Whether all its processes stand still.
    public func isFrozen() throws(SysError) -> Bool { try numbers("cgroup.events")["frozen"] == 1 }

    /// Whether it was asked to stand still, also when it has not come to it yet.
    public func isAskedToFreeze() throws(SysError) -> Bool { try read("cgroup.freeze") == "1" }

    /// Stops every process below it and waits until they stand still, at most `milliseconds`. One that hangs in the
    /// kernel cannot be stopped: then all run on and ETIMEDOUT is thrown.
    public func freeze(waiting milliseconds: Int32 = 10_000) throws(SysError) {
        try write("cgroup.freeze", "1")
        if try wait(milliseconds, until: { events in events["frozen"] == 1 }) { return }
        try write("cgroup.freeze", "0")
        throw SysError(
            call: "freeze", subject: "/\(path.string)", errno: .timedOut,
            hint: "a process waits in the kernel; see /proc/PID/stack")
    }

    /// Lets its processes run again.
    public func thaw() throws(SysError) { try write("cgroup.freeze", "0") }

    /// Kills every process in it and below it, frozen ones too, at once where the kernel can (cgroup.kill, Linux 5.14).
    public func kill() throws(SysError) {
        do {
            try write("cgroup.kill", "1")
        } catch {
            guard error.errno == .noSuchFileOrDirectory else { throw error }
            try killOneByOne()
        }
    }

    /// Sends a signal to every process; they are frozen meanwhile, so that none forks away from it.
    public func signalAll(_ signal: Int32) throws(SysError) {
        if signal == Signal.kill { return try kill() }
        let wasFrozen = try isAskedToFreeze()
        if !wasFrozen { try freeze() }
        var failure: SysError?
        do throws(SysError) { try sendToAll(signal) } catch { failure = error }
        if !wasFrozen { try thaw() }
        if let failure { throw failure }
    }

    /// Waits until no process is in it or below it; false when one is after `milliseconds`.
    public func waitUntilEmpty(_ milliseconds: Int32) throws(SysError) -> Bool {
        try wait(milliseconds) { events in events["populated"] == 0 }
    }

    /// How often the kernel killed a process of it for memory; nil without the memory controller.
    public func oomKills() throws(SysError) -> UInt64? { try numbers("memory.events")["oom_kill"] }

    /// A process that forks while we look has its child found in the next round.
    private func killOneByOne() throws(SysError) {
        for _ in 0..<100 {
            try sendToAll(Signal.kill)
            if try waitUntilEmpty(10) { return }
        }
    }

    private func sendToAll(_ signal: Int32) throws(SysError) {
        for pid in try processes(recursive: true) where pid > 0 {
            do {
                _ = try Pidfd(pid: pid).send(signal: signal)
            } catch {
                // Ended meanwhile, or a thread's number.
                guard
                    error.errno == .noSuchProcess || error.errno == .invalidArgument
                        || error.errno == .noSuchFileOrDirectory
                else { throw error }
            }
        }
    }

    private func ownProcesses() throws(SysError) -> [Int32] {
        let text: String?
        do {
            text = try read("cgroup.procs")
        } catch {
            // A threaded cgroup has only threads.
            guard error.errno == .notSupportedOnSocket || error.errno == .notSupported else { throw error }
            return try pids(read("cgroup.threads"))
        }
        return pids(text)
    }

    private func pids(_ text: String?) -> [Int32] {
        (text ?? "").split(separator: "\n").compactMap { Int32($0) }.filter { $0 > 0 }
    }

    private func wait(
        _ milliseconds: Int32, until isDone: ([String: UInt64]) -> Bool
    ) throws(SysError) -> Bool {
        let watch = try CgroupWatch(self)
        let start = Timestamp.sinceBoot()
        while true {
            if isDone(try watch.events()) { return true }
            let left = Double(milliseconds) - Timestamp.sinceBoot().elapsed(since: start) * 1000
            guard left > 0 else { return false }
            try watch.wait(Int32(left.rounded(.up)))
        }
    }
}

/// Sees a cgroup change: the kernel tells of each change of its event files with POLLPRI, once per reading of the same
/// descriptor. Read, act, wait, read again: nothing is missed.
public struct CgroupWatch: ~Copyable {
    private let eventsFile: FD
    /// Nil without the memory controller.
    private let memoryFile: FD?

    /// Watches `cgroup.events` alone, or `memory.events` too.
    public init(_ cgroup: borrowing Cgroup, memory: Bool = false) throws(SysError) {
        let events = try cgroup.directory.open(
            "cgroup.events", .readOnly, resolve: [.beneath, .noSymlinks])
        let memory = try Self.memoryFile(of: cgroup, isWanted: memory)
        eventsFile = events
        memoryFile = memory
    }

    private static func memoryFile(
        of cgroup: borrowing Cgroup, isWanted: Bool
    ) throws(SysError) -> FD? {
        guard isWanted else { return nil }
        do {
            return try cgroup.directory.open("memory.events", .readOnly, resolve: [.beneath, .noSymlinks])
        } catch {
            guard error.errno == .noSuchFileOrDirectory else { throw error }
            return nil
        }
    }

    /// `populated` and `frozen`, 0 or 1; empty when the cgroup is gone.
    public func events() throws(SysError) -> [String: UInt64] { try Self.read(eventsFile) }

    /// `oom_kill` and the like; empty without the memory controller or when the cgroup is gone.
    public func memoryEvents() throws(SysError) -> [String: UInt64] {
        switch memoryFile {
        case .some(let file): try Self.read(file)
        case .none: [:]
        }
    }

    /// Waits for a change since the last reading, at most so long.
    public func wait(_ milliseconds: Int32) throws(SysError) {
        var poll = Poll()
        poll.add(eventsFile, .exceptional)
        if let raw = memoryFile.raw { poll.add(raw: raw, .exceptional) }
        _ = try poll.wait(milliseconds: milliseconds)
    }

    private static func read(_ file: borrowing FD) throws(SysError) -> [String: UInt64] {
        do {
            try file.rewind()
            return Cgroup.numbers(try file.readAll(limit: 65536))
        } catch {
            guard error.errno.rawValue == 19 else { throw error }  // ENODEV: it was removed
            return [:]
        }
    }
}

extension FD {
    /// Those right below this one; none when it has been removed meanwhile.
    fileprivate func childCgroups() throws(SysError) -> [FilePath] {
        do {
            return try entries().filter { $0.type == .directory }.map(\.name)
        } catch {
            guard error.errno == .noSuchFileOrDirectory else { throw error }
            return []
        }
    }
}
