import Linux
import OCI
import Runtime
import SystemPackage

/// The health of a container that has a check.
extension RunMonitor {
    func makeHealthCheck() -> HealthCheck? {
        guard let options = request.health else { return nil }
        return HealthCheck(
            options, state.health.map { HealthRecord($0) } ?? HealthRecord(), startedAt: state.startedAt,
            start: { [unowned self] in try startCheck(options) },
            isPaused: { [unowned self] in state.isPaused || !holders.isEmpty }
        ) { [unowned self] record in
            let before = state.health?["Status"]
            state.health = record.json
            saveState()
            if let status = state.health?["Status"], status != before {
                tell("health_status: \(status.string ?? "")")
            }
        }
    }

    /// A further process of the container, as `exec` starts one.
    private func startCheck(_ options: HealthOptions) throws -> RunningCheck {
        var process = request.spec.process
        (process.args, process.terminal, process.consoleSize) = (options.command, false, nil)
        let exec = ExecRequest(
            id: request.id, pid: state.pid, startTime: state.startTime, process: process, user: request.user,
            additionalGroups: request.additionalGroups, seccomp: request.seccomp,
            seccompCache: request.seccompCache, cgroup: request.cgroup, opensStdin: false,
            events: request.events)
        let pair = try MessagePair()
        _ = try pair.ours.sendMessage(ClientMessage.hello([.stdout, .stderr], detachKeys: []).bytes)
        let file = try FD.inMemory("health-check", exec.json.bytes)
        // Our own program, from the read-only copy of its mount that we run from.
        let program = try FD.open(FilePath("/proc/\(Process.pid)/exe"), .path)
        let null = try FD.open("/dev/null", .readWrite)
        let pid = try Process.spawn(
            file: program.raw, arguments: ["apus-runtime", "monitor", "exec"],
            environment: Process.environment,
            descriptors: [file.raw, pair.theirs.raw], stdio: [null.raw, null.raw, null.raw])
        let socket = pair.keepOurs()
        try socket.setNonBlocking(true)
        return RunningCheck(socket: socket, process: try Pidfd(pid: pid))
    }
}
