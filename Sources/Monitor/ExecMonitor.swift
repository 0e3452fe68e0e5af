import Linux
import OCI
import Runtime
import SystemPackage

/// Starts one more process in a running container and stays with it to its end.
func runExec(_ request: ExecRequest, client: Client) throws(RuntimeError) {
    let exec = SHA256.hex(of: Kernel.random(32))
    func tell(_ action: String, _ more: [String: String] = [:]) {
        request.events?.tell(action, request.id, ["execID": exec].merging(more) { $1 })
    }
    let command = request.process.args.joined(separator: " ")
    tell("exec_create: \(command)")
    do throws(RuntimeError) {
        let session = try startExec(request, client)
        tell("exec_start: \(command)")
        try asStartError { () throws(SysError) in try session.run() }
        let status = session.withPidfd { try? $0.reap(wait: true) }  // our child: it can be reaped
        tell("exec_die", ["exitCode": String(status?.code ?? 255)])
        session.finish(.exited(code: status?.code ?? 255))
        session.finishLate(isLast: true)
    } catch {
        client.refuse(error)
        throw error
    }
}

private func startExec(_ request: ExecRequest, _ client: Client) throws(RuntimeError) -> Session {
    let running = try asStartError { () throws(SysError) in
        try Pidfd.find(pid: request.pid, startTime: request.startTime)
    }
    let notRunning = RuntimeError("container \(request.id) is not running")
    guard let container = running else { throw notRunning }
    let root: FD
    do throws(SysError) { root = try openRoot(of: container) } catch {
        // Its root goes before it has ended.
        guard error.errno != .noSuchFileOrDirectory, !container.hasEnded() else { throw notRunning }
        throw RuntimeError("unable to start container process: \(error)")
    }
    let credentials: Credentials
    do throws(RuntimeError) {
        credentials = try resolveUser(request.user, request.additionalGroups, in: root)
    } catch {
        throw RuntimeError(error.description, exitCode: 126)  // docker's, for exec alone
    }
    let filter = try compiledFilter(request.seccomp, request.process.capabilities, request.seccompCache)
    let cgroup = try ContainerCgroup(CgroupPlace(path: request.cgroup)).open()
    let streams = try asStartError { () throws(SysError) in try openStreams(request) }
    let facts = CreateFacts(
        credentials: credentials, stdio: streams.stdio, seccomp: filter, keyringName: "_ses.\(request.id)")
    var limited = request.process
    limited.limitCapabilities(for: credentials)
    let plan = try planExec(limited, facts)
    guard let cgroup else { throw notRunning }
    var process: RunningProcess
    do throws(RuntimeError) {
        process = try execProcess(plan, facts, in: container, cgroup: cgroup.directory.raw)
    } catch { throw error.explained(in: root, user: credentials, request.process) }
    do throws(SysError) {
        let io = try streams.monitorSide(console: process.console.take())
        return Session(
            pidfd: process.takePidfd(), io: io, reception: nil, log: nil, clients: [client],
            closesStdinWithClient: true
        ) { _, _ in .failed(code: 1, "an exec has no container to control") }
    } catch {
        throw RuntimeError("unable to start container process: \(error)")
    }
}

extension RuntimeSpec.Process {
    /// Who is not root has no capability after the exec; before it none may open a way to what the user may not execute.
    mutating func limitCapabilities(for user: Credentials) {
        guard user.uid != 0, capabilities?.ambient.isEmpty == true else { return }
        capabilities?.effective = []
        capabilities?.permitted = []
    }
}

private func openStreams(_ request: ExecRequest) throws(SysError) -> ProcessStreams {
    guard request.process.terminal else { return try .pipes(opensStdin: request.opensStdin) }
    let size = request.process.consoleSize
    return ProcessStreams(terminal: size.map { WindowSize(rows: $0.height, columns: $0.width) })
}
