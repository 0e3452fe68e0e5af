import Linux
import Network
import OCI
import Runtime
import SystemPackage

/// The runs of a container, one after the other, and what commands want meanwhile.
extension RunMonitor {
    /// Stays with the container until it has ended and is not to be started again. Without a session it waits for its
    /// next start.
    func stay() {
        while true {
            let code = session.map { watch($0)?.code } ?? state.exitCode
            guard wish != .stop, wish == .restart || isRestarted(after: code) else {
                return end(code) { session?.finish($0) }
            }
            if session != nil { leaveRun(code) }
            session?.finish(.exited(code: code ?? 255))
            session?.finishLate(isLast: false)
            session = nil
            guard let clients = waitForStart() else { return }
            do throws(RuntimeError) { session = try startContainer(clients) } catch {
                recordFailure(error, isRestart: true)
                leaveHost()
                for client in clients { client.sendLast(.exited(code: error.exitCode)) }
                return leaveNetwork()
            }
        }
    }

    /// By its policy. A container that waits already has been judged.
    func isRestarted(after code: Int32?) -> Bool {
        if state.status == "restarting" { return true }
        // Unknown is no success.
        return request.restart.restarts(
            after: code ?? 255, count: state.restartCount, isStoppedByHand: state.isStoppedByHand)
    }

    /// The end of a run that another one follows: cgroup and links are the next one's own, address and ports stay.
    func leaveRun(_ code: Int32?) {
        recordEnd(code)
        state.status = "restarting"
        if wish == .restart {
            (state.restartCount, delay) = (0, RestartDelay())
        } else {
            state.restartCount += 1
        }
        saveState()
        tellEnd(code)
        removeCgroup()
        allowMountAgain()
        disconnectNetwork()
        // Its sockets would keep the network namespace of this run.
        names = nil
        tellUnmounts()
    }

    /// An overlay that was mounted `volatile` is not mounted again, lest a crash has lost some of it
    /// (Documentation/filesystems/overlayfs.rst, "Volatile mount"). The host has not crashed: we are here.
    private func allowMountAgain() {
        guard case .overlay(_, _, let work, volatile: true) = request.root else { return }
        do throws(SysError) {
            try FD.open(work.appending("work"), [.readOnly, .directory]).removeTree("incompat")
        } catch {}  // then the next mount says so
    }

    /// Those who are connected by the time of the next start; nil: a command did not want one, and the container has
    /// ended.
    private func waitForStart() -> [Client]? {
        defer { wish = nil }
        guard let reception, wish != .restart else { return [] }
        var wait = RestartWait(reception, onLeave: { self.takeBackWish(of: $0) }) {
            self.perform($0, from: $1)
        }
        do throws(SysError) {
            let ran = state.finishedAt.elapsed(since: state.startedAt)
            try wait.run(milliseconds: delay.next(afterRunOf: ran)) { self.wish != nil }
        } catch {
            state.error = "monitor: \(error)"
            wish = .stop
        }
        let clients = wait.clients
        guard wish == .stop else { return clients }
        end(state.exitCode) { last in
            for client in clients where client.streams != nil { client.sendLast(last) }
        }
        return nil
    }

    // MARK: what commands want

    /// The answer to a command's request.
    func perform(_ control: ControlRequest, from client: Client) -> MonitorMessage {
        do throws(RuntimeError) {
            switch control {
            case .stop, .restart: try expectEnd(control, client)
            case .kill(let signal, let ends):
                if ends { try expectEnd(.stop, nil) }
                // It may just have ended.
                session?.withPidfd { _ = try? $0.send(signal: signal) }
                tell("kill", ["signal": String(signal)])
            case .pause:
                try setPaused(true)
                tell("pause")
            case .unpause:
                try setPaused(false)
                tell("unpause")
            case .hold: try hold(for: client)
            case .reload: try reload()
            case .takePorts(let id): try takePorts(of: id)
            }
            saveState()
            return .done(pid: state.pid)
        } catch {
            return .failed(code: 1, error.description)
        }
    }

    private func expectEnd(_ wanted: ControlRequest, _ client: Client?) throws(RuntimeError) {
        (wish, wisher) = (wanted, client)
        state.isStoppedByHand = wanted == .stop
        if state.isPaused { try setPaused(false) }
    }

    /// It has left: what it wanted is taken back.
    func takeBackWish(of client: Client) {
        release(client)
        guard wish != nil, wisher === client else { return }
        wish = nil
        state.isStoppedByHand = false
        saveState()
    }

    private func reload() throws(RuntimeError) {
        do {
            request = try MonitorRequest(JSON(parsing: directory.contents(of: "request.json") ?? []))
        } catch {
            throw RuntimeError("request.json of container \(request.id): \(error)")
        }
        try changeNetworks()
    }

    private func setPaused(_ wanted: Bool) throws(RuntimeError) {
        try requireRun()
        guard state.isPaused != wanted else {
            throw RuntimeError("Container \(request.id) is \(wanted ? "already" : "not") paused")
        }
        // Whoever it stands still for keeps it so.
        if holders.isEmpty {
            do throws(SysError) { try setFrozen(wanted) } catch {
                throw RuntimeError("Cannot \(wanted ? "pause" : "unpause") container \(request.id): \(error)")
            }
        }
        state.isPaused = wanted
    }

    private func hold(for client: Client) throws(RuntimeError) {
        try requireRun()
        if holders.isEmpty, !state.isPaused {
            do throws(SysError) { try setFrozen(true) } catch {
                throw RuntimeError("Cannot pause container \(request.id): \(error)")
            }
        }
        holders.append(client)
    }

    private func release(_ client: Client) {
        let isHolder = holders.contains { $0 === client }
        holders.removeAll { $0 === client }
        guard isHolder, holders.isEmpty, !state.isPaused else { return }
        _ = try? setFrozen(false)  // it has ended meanwhile
    }

    /// After another monitor's death: nobody of whom this one knows holds it.
    func thawForgotten() {
        guard !state.isPaused else { return }
        _ = try? setFrozen(false)  // it is found to have ended soon
    }

    private func requireRun() throws(RuntimeError) {
        guard state.status != "running" else { return }
        throw RuntimeError("Container \(request.id) is restarting, wait until the container is running")
    }

    private func setFrozen(_ wanted: Bool) throws(SysError) {
        guard let cgroup = try CgroupTree.find()?.open(request.cgroup) else {
            throw SysError(call: "open", subject: request.cgroup.string, errno: .noSuchFileOrDirectory)
        }
        if wanted { try cgroup.freeze() } else { try cgroup.thaw() }
    }
}
