import Linux
import Network
import OCI
import Runtime
import SystemPackage

/// Adopting a container, and the end of one.
extension RunMonitor {
    /// Takes over a container whose monitor has died, or finds that it has ended and cleans up after both.
    func adopt() throws(RuntimeError) {
        if let record = try readState() { state = record }
        hasVolumes = state.status == "running"
        let running: Pidfd?
        do throws(SysError) { running = try openRunning() } catch {
            throw RuntimeError("adopt container \(request.id): \(error)")
        }
        guard let pidfd = running else {
            // What cannot be taken over is swept by lease: the network of the dead is not the container's any more.
            if let network = state.network { _ = try? adoptNetwork(network) }
            return try goOn()
        }
        do throws(SysError) {
            // A terminal went with the monitor that had it: a process that survives the hang-up can only be stopped.
            let hadTerminal = request.spec.process.terminal
            let io = ProcessIO(
                output: hadTerminal ? nil : try StandardFIFOs.monitorEnd("out", in: runDirectory),
                error: hadTerminal ? nil : try StandardFIFOs.monitorEnd("err", in: runDirectory), input: nil)
            session = try makeSession(pidfd, io, clients: [])
        } catch {
            throw RuntimeError("adopt container \(request.id): \(error)")
        }
        if let network = state.network {
            do throws(NetworkError) {
                try adoptNetwork(network)
            } catch {
                throw RuntimeError("adopt the network of container \(request.id): \(error)")
            }
        }
        serveNames()
        thawForgotten()
        if state.isStoppedByHand { wish = .stop }
        stay()
    }

    /// Of a container that does not run any more: what its monitor would have done.
    private func goOn() throws(RuntimeError) {
        let isHere = try asStartError { () throws(SysError) in try Process.bootID() == state.bootID }
        guard isHere, ["running", "restarting"].contains(state.status) else { return end(nil) { _ in } }
        guard !state.isStoppedByHand, isRestarted(after: nil) else { return end(state.exitCode) { _ in } }
        if state.status == "running" { leaveRun(nil) }
        _ = try asStartError { () throws(SysError) in try openReception() }
        stay()
    }

    /// Runs the session to the end of its process.
    func watch(_ session: Session) -> ExitStatus? {
        do throws(SysError) {
            try session.run()
        } catch {
            state.error = "monitor: \(error)"
            session.withPidfd { _ = try? $0.send(signal: Signal.kill) }  // it cannot go on unseen
        }
        session.endChecks()
        return session.withPidfd(exitStatus)
    }

    private func exitStatus(_ pidfd: borrowing Pidfd) -> ExitStatus? {
        if let status = try? pidfd.reap(wait: true) { return status }  // fails with ECHILD only
        // Not our child: whoever reaps it does so any moment now, and only then does the kernel tell.
        for _ in 0..<50 {
            if let status = pidfd.exitStatusOfStranger() { return status }
            Kernel.sleep(milliseconds: 10)
        }
        return nil
    }

    /// Record, ports, cgroup, run directory, the container itself when it was `--rm`; then the clients hear of it,
    /// and the link goes while nobody waits.
    func end(_ code: Int32?, tell: (MonitorMessage) -> Void) {
        let hasRun = state.status == "running"
        if hasRun { recordEnd(code) }
        if hasRun || state.status == "restarting" {
            state.status = "exited"
            saveState()
        }
        if hasRun { tellEnd(code) }
        leaveHost()
        // Unknown is never reported as success.
        tell(.exited(code: code ?? 255))
        leaveNetwork()
        session?.finishLate(isLast: true)
    }

    func recordEnd(_ code: Int32?) {
        state.oomKilled = hasBeenKilledForMemory()
        (state.pid, state.isPaused, state.exitCode) = (0, false, code)
        if code == nil {
            state.error = "the exit status is unknown: the container ended while it had no monitor"
        }
        state.finishedAt = .now()
    }

    /// Only once it is recorded: who hears of it may want to start the container again.
    func tellEnd(_ code: Int32?) {
        if state.oomKilled { tell("oom") }
        let ran = state.finishedAt.elapsed(since: state.startedAt)
        tell("die", ["exitCode": String(code ?? 255), "execDuration": String(Int(max(0, ran)))])
    }

    /// On a full disk the clients still hear of it.
    func saveState() { _ = try? state.write(to: directory) }

    /// What a failed start leaves is a container that can be inspected and started again.
    func recordFailure(_ error: RuntimeError, isRestart: Bool = false) {
        state.status = isRestart ? "exited" : "created"
        state.pid = 0
        state.exitCode = error.exitCode
        state.error = error.description
        if isRestart { state.finishedAt = .now() }
        saveState()
    }

    /// Nothing of the container stays on the host.
    func leaveNothing() {
        leaveHost()
        leaveNetwork()
    }

    /// What the next command may want at once: ports, cgroup, name, run directory and its lock. Each step goes on past
    /// the others' failures.
    func leaveHost() {
        unpublish()
        tellUnmounts()
        removeCgroup()
        if let removal = request.removal, let volumes = try? removal.apply(id: request.id) {
            for name in volumes { request.events?.log.tell(AnonymousVolumes.destroyed(name)) }
            tell("destroy")
        }
        removeTree(request.runDirectory)
    }

    private func removeTree(_ path: FilePath) {
        guard let name = path.lastComponent else { return }
        // What cannot be removed now is swept by a later command.
        guard let parent = try? FD.open(path.removingLastComponent(), [.readOnly, .directory]) else { return }
        _ = try? parent.removeTree(FilePath(name.string))
    }

    func removeCgroup() { request.removeCgroup() }

    private func hasBeenKilledForMemory() -> Bool {
        // A cgroup that is gone or has no memory controller tells nothing.
        guard let cgroup = try? CgroupTree.find()?.open(request.cgroup) else { return false }
        return ((try? cgroup.oomKills()) ?? 0) > 0
    }

    private func readState() throws(RuntimeError) -> StateRecord? {
        let bytes = try asStartError { () throws(SysError) in try directory.contents(of: "state.json") }
        guard let bytes else { return nil }
        do throws(JSONError) {
            return try StateRecord(JSON(parsing: bytes))
        } catch {
            throw RuntimeError("state.json of container \(request.id) is damaged: \(error)")
        }
    }

    /// The container's first process, proven to be the same one by its start time and this boot.
    private func openRunning() throws(SysError) -> Pidfd? {
        guard state.status == "running", try Process.bootID() == state.bootID else { return nil }
        return try Pidfd.find(pid: state.pid, startTime: state.startTime)
    }
}

extension RemovalRequest {
    /// Removes a container's name, directory and anonymous volumes, whose names it answers. The directory is renamed
    /// first, so that nobody sees half a container.
    func apply(id: String) throws(SysError) -> [String] {
        try removeName(id)
        let containers = try FD.open(containers, [.readOnly, .directory])
        // A command that writes its documents now is waited for.
        let own = try? containers.open(FilePath(id), [.readOnly, .directory], resolve: [.beneath])
        own.withFD { _ = try? $0.lock() }  // it goes all the same
        defer { withExtendedLifetime(own) {} }  // closing it ends the lock
        let hidden = FilePath(".removing-\(id)")
        do {
            try containers.rename(FilePath(id), to: hidden, in: containers)
        } catch {
            guard error.errno == .noSuchFileOrDirectory else { throw error }
        }
        var gone: [String] = []
        for volume in volumes {
            guard let name = volume.lastComponent?.string else { continue }
            do {
                let directory = try FD.open(volume.removingLastComponent(), [.readOnly, .directory])
                let isGone = try AnonymousVolumes.remove(
                    FilePath(name), of: id, in: directory, containers: containers)
                if isGone { gone.append(name) }
            } catch {}  // a prune takes what stays
        }
        try containers.removeTree(hidden)
        return gone
    }

    /// The name may be another's by now: the container was renamed.
    private func removeName(_ id: String) throws(SysError) {
        guard let nameLink, let component = nameLink.lastComponent else { return }
        let names = try FD.open(nameLink.removingLastComponent(), [.readOnly, .directory])
        let name = FilePath(component.string)
        if try names.symlinkIfThere(name)?.string == id { try names.remove(name) }
    }
}

extension MonitorRequest {
    /// Whatever is left in it (an exec that was still running, a start that was cut off) ends with the container.
    public func removeCgroup() {
        guard let tree = CgroupTree.find() else { return }
        // What cannot be removed now is swept by a later command.
        if (try? tree.remove(cgroup, withParent: !keepsCgroupParent)) == true { return }
        if let cgroup = try? tree.open(cgroup) { _ = try? cgroup.kill() }
        _ = try? tree.remove(cgroup, withParent: !keepsCgroupParent, waiting: 1000)
    }
}
