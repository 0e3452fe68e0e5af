import Linux
import Network
import OCI
import Runtime
import SystemPackage

/// One container's monitor: starts its first process, or adopts it after another monitor's death, and leaves
/// nothing of it behind on the host when it ends.
final class RunMonitor {
    var request: MonitorRequest
    let directory: FD
    let runDirectory: FD
    var state = StateRecord()
    /// In the order of its networks.
    var attachments: [Attachment] = []
    /// The process whose network this container shares.
    var networkOwner: Pidfd?
    /// In a network with names.
    var names: NameService?
    private(set) var reception: Reception?
    /// The run that goes on. Nothing else keeps it: with it go the sockets of those who were connected.
    var session: Session?
    /// What a command wants the next end to be, `stop` or `restart`, and who takes it back by leaving.
    var wish: ControlRequest?
    weak var wisher: Client?
    /// Commands for which this run stands still.
    var holders: [Client] = []
    var delay = RestartDelay()
    /// The run's volumes are in use, and everybody has been told.
    var hasVolumes = false

    init(request: MonitorRequest, directory: consuming FD) throws(SysError) {
        self.request = request
        runDirectory = try FD.open(request.runDirectory, [.readOnly, .directory])
        self.directory = directory
    }

    /// Starts the container and stays with it to its end. The client that started it hears of both: of the start in
    /// answer to its hello, which waits in its socket.
    func start(client: Client?) throws(RuntimeError) {
        do throws(RuntimeError) {
            session = try startContainer(client.map { [$0] } ?? [])
        } catch {
            recordFailure(error)
            leaveNothing()
            client?.refuse(error)
            throw error
        }
        stay()
    }

    func startContainer(_ clients: [Client]) throws(RuntimeError) -> Session {
        let root = try asStartError { () throws(SysError) in
            try openRoot(request.root, allowDevices: request.allowsDevices)
        }
        let credentials = try resolveUser(request.user, request.additionalGroups, in: root)
        try makeWorkingDirectory(FilePath(request.spec.process.cwd), in: root)
        let filter = try compiledFilter(
            request.seccomp, request.spec.process.capabilities, request.seccompCache)
        var sources = try asStartError { () throws(SysError) in try bindSources() }
        var spec = try currentSpec(&sources)
        let created = try makeContainerCgroup(spec)
        try reserveNetwork()
        let streams = try asStartError { () throws(SysError) in try openStreams() }
        var facts = try request.facts(credentials, streams.stdio, filter)
        facts.sources = sources
        spec.process.limitCapabilities(for: credentials)
        let plan = try planCreate(joiningNetwork(spec), facts)
        let files = try asStartError { () throws(SysError) in try root.duplicate() }
        var process: RunningProcess
        do throws(RuntimeError) {
            process = try startProcess(plan, facts, root: root, cgroup: created.cgroup.directory.raw) {
                pidfd throws(RuntimeError) in try connectNetwork(pidfd)
            }
        } catch {
            throw error.explained(
                in: files, user: credentials, request.spec.process,
                mounts: request.spec.mounts.map(\.destination))
        }
        do throws(SysError) {
            try recordRunning(process.pidfd)
            let io = try streams.monitorSide(console: process.console.take())
            return try makeSession(process.takePidfd(), io, clients: clients)
        } catch {
            throw RuntimeError("unable to monitor the container: \(error)")
        }
    }

    /// Only a container that was never started has its mounts of the moment when it was made.
    private func bindSources() throws(SysError) -> [String: BindSource] {
        guard !request.sources.isEmpty else { return [:] }
        let wasStarted = try directory.status(of: "state.json") != nil
        let boot = try Process.bootID()
        if !wasStarted, boot == request.bootID { return request.sources }
        return request.sources.mapValues { source in
            var source = source
            source.identity = nil
            return source
        }
    }

    func openReception() throws(SysError) -> Reception {
        if let reception { return reception }
        let made = try Reception(in: runDirectory)
        reception = made
        return made
    }

    func makeSession(
        _ pidfd: consuming Pidfd, _ io: consuming ProcessIO, clients: [Client]
    ) throws(SysError) -> Session {
        let reception = try openReception()
        var log: LogSink?
        if let target = request.log { log = try LogSink(target, directory: directory) }
        let session = Session(
            pidfd: pidfd, io: io, reception: reception, log: log, clients: clients,
            closesStdinWithClient: request.closesStdinWithClient, endsWithClient: request.endsWithClient,
            health: makeHealthCheck(), onLeave: { [unowned self] in takeBackWish(of: $0) }
        ) { [unowned self] in perform($0, from: $1) }
        session.names = names
        return session
    }

    /// A terminal, or FIFOs that a later monitor can open again.
    private func openStreams() throws(SysError) -> ProcessStreams {
        if request.spec.process.terminal {
            let size = request.spec.process.consoleSize
            return ProcessStreams(terminal: size.map { WindowSize(rows: $0.height, columns: $0.width) })
        }
        try StandardFIFOs.make(in: runDirectory)
        return try .fifos(
            in: runDirectory, opensStdin: request.opensStdin, merged: request.mergesStreams)
    }

    private func makeContainerCgroup(_ spec: RuntimeSpec) throws(RuntimeError) -> CreatedCgroup {
        try ContainerCgroup(CgroupPlace(path: request.cgroup))
            .create(spec.linux.resources, defaults: request.defaultLimits)
    }

    private func recordRunning(_ pidfd: borrowing Pidfd) throws(SysError) {
        (state.status, state.isPaused, state.exitCode, state.error) = ("running", false, nil, "")
        holders = []
        state.oomKilled = false
        state.health = request.health.map { _ in HealthRecord().json }
        state.pid = pidfd.pid
        state.startTime = try Process.startTime(pid: pidfd.pid) ?? 0
        state.bootID = try Process.bootID()
        state.startedAt = .now()
        state.network = networkRecord
        try state.write(to: directory)
        tellMounts()
        tell("start")
    }

    /// Something has happened to the container.
    func tell(_ action: String, _ more: [String: String] = [:]) {
        request.events?.tell(action, request.id, more)
    }
}
