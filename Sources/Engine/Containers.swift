public import Images
public import Linux
import Monitor
import Network
import OCI
import Runtime
import SystemPackage

/// Containers: made, started, entered, stopped and removed. Each call does one command's work on one container;
/// errors are `EngineError` with docker's words.
public struct Containers: Sendable {
    public let paths: EnginePaths
    public let records: Records
    let launcher: Launcher

    public init(paths: EnginePaths) {
        self.paths = paths
        records = Records(paths)
        launcher = Launcher(paths: paths)
    }

    // MARK: create

    /// Makes a container of an image; its id and name are in the answer. The lock of its run directory is the
    /// caller's: who goes on to start it hands it to `start`, who does not drops it with `release`.
    public func create(_ options: RunOptions, image: Image, store: ImageStore) throws -> Created {
        for _ in 0..<16 where options.name == nil {
            // Another command may just have chosen the same name.
            do { return try make(options, image: image, store: store) } catch let error as EngineError {
                guard error.description.hasPrefix("Conflict. The container name") else { throw error }
            }
        }
        return try make(options, image: image, store: store)
    }

    /// The record of a new container, and whose volumes it has; nothing of it is made yet.
    func newConfig(
        _ options: RunOptions, image: Image
    ) throws -> (config: ContainerConfig, donors: [String]) {
        let options = try NetworkChoice(paths).resolved(options)
        var config = try ContainerConfig(
            id: ContainerName.newID(), name: try options.name ?? freeName(), created: .now(), image: image.id,
            config: image.config, options: options)
        try config.host.sharing.resolve(findOther)
        if config.host.sharing.uts == "host" { config.hostname = HostInfo.line("/proc/sys/kernel/hostname") }
        let borrowed = try volumesFrom(config.host)
        config.host.mounts += borrowed.mounts
        config.host.mounts = Volumes(paths).complete(config)
        return (config, borrowed.containers)
    }

    private func make(_ options: RunOptions, image: Image, store: ImageStore) throws -> Created {
        Sweeper(paths: paths).sweepAfterBoot()
        let (config, donors) = try newConfig(options, image: image)
        let (id, name, volumes) = (config.id, config.name, Volumes(paths))
        let layers = try store.layerDirectories(of: image)
        let lock = try RunLock.make(id, paths: paths)
        do {
            try volumes.withoutPrune(of: config) {
                var held: [VolumeStore.Held] = []
                defer { withExtendedLifetime(held) {} }  // nobody removes them before the record names them
                let mounts = try volumes.prepare(config, layers: layers, holding: &held)
                // Its volumes may have gone with it before they were held.
                for id in donors where try !records.exists(id) {
                    throw EngineError("No such container: \(id)")
                }
                let resolvConf = ResolvConf(of: config.host)
                let request = try makeRequest(
                    config, layers: layers, mounts: mounts, network: NetworkChoice(paths).request(config),
                    resolvConf)
                try records.create(config, durable: !config.host.removesItself) { directory in
                    try populate(directory, config, request, resolvConf)
                }
            }
            guard try store.holds(trees: layers) else {
                try records.remove(id, name: name)
                throw Self.removedMeanwhile(options.image)
            }
        } catch {
            release(id)
            _ = try? Volumes(paths).removeAnonymous(of: config)  // a prune takes what stays
            // What failed for want of a layer is told as what it is.
            if error is SysError, (try? store.holds(trees: layers)) == false {
                throw Self.removedMeanwhile(options.image)
            }
            throw error
        }
        tell("create", config)
        return Created(config, lock: lock)
    }

    private static func removedMeanwhile(_ image: String) -> EngineError {
        EngineError("No such image: \(image) (it was removed meanwhile)")
    }

    /// A container that was just made, with the lock of its run directory.
    @frozen
    public struct Created: ~Copyable {
        let config: ContainerConfig
        public let lock: FD
        public var id: String { config.id }
        init(_ config: ContainerConfig, lock: consuming FD) {
            self.config = config
            self.lock = lock
        }
    }

    /// Removes the run directory of a container that is not started now.
    public func release(_ id: String) {
        // Nothing to do.
        guard let run = try? FD.open(paths.runContainers, [.readOnly, .directory]) else { return }
        _ = try? run.removeTree(FilePath(id))  // the next sweep takes what stays
    }

    private func freeName() throws -> String {
        for attempt in 0..<64 {
            let name = ContainerName.random(attempt: attempt)
            if try records.isFree(name) { return name }
        }
        throw EngineError("no free name was found; give one with --name")
    }

    private func populate(
        _ directory: borrowing FD, _ config: ContainerConfig, _ request: MonitorRequest,
        _ resolvConf: ResolvConf
    ) throws {
        try makeUpper(in: directory, like: request.root)
        try directory.makeDirectory("work", mode: 0o700)
        var options = config.host
        options.extraHosts = try extraHosts(options)
        try ContainerFiles.write(to: directory, hostname: config.effectiveHostname, options, resolvConf)
        try directory.replace("request.json", with: request.json.bytes, durable: !config.host.removesItself)
    }

    /// The root directory's mode, owner and time are those of the writable layer: it begins as the layer below.
    private func makeUpper(in directory: borrowing FD, like root: RootSource) throws {
        try directory.makeDirectory("upper", mode: 0o755)
        guard case .overlay(let lower, _, _, _) = root, let below = lower.first else { return }
        let status = try FD.open(below, [.path, .directory]).status()
        let upper = try directory.open("upper", [.readOnly, .directory], resolve: [.beneath])
        try upper.changeOwner(uid: status.uid, gid: status.gid)
        try upper.changeMode(status.permissions)
        // Programs find by it that they are in a container, as in docker's. An exported root brings its own.
        if try FD.open(below, [.readOnly, .directory]).status(of: ".dockerenv") == nil {
            try upper.makeNode(".dockerenv", type: .regular, mode: 0o755)
        }
        try directory.setTimes(
            of: "upper", seconds: status.mtime.seconds, nanoseconds: status.mtime.nanoseconds)
    }

    /// `host-gateway` is the host's own address on the container's network.
    private func extraHosts(_ options: HostOptions) throws -> [String] {
        guard options.extraHosts.contains(where: { $0.hasSuffix(":host-gateway") }) else {
            return options.extraHosts
        }
        let gateway = try NetworkChoice(paths).hostAddress(options)
        return options.extraHosts.map { $0.replacingSuffix("host-gateway", with: gateway) }
    }

    func makeRequest(
        _ config: ContainerConfig, layers: [FilePath], mounts: Volumes.Prepared, network: NetworkRequest,
        _ resolvConf: ResolvConf
    ) throws -> MonitorRequest {
        let directory = paths.container(config.id)
        let facts = HostFacts(
            capabilities: try ProcessCapabilities.current(last: CapabilitySet.lastOfKernel).permitted,
            devices: config.host.isPrivileged ? HostDevices.all() : [],
            hiddenPaths: HostFacts.thermalCounts())
        // Those of the container whose network it shares, where it shares one.
        var files = directory
        if case .container(let other) = config.host.network { files = paths.container(other) }
        let own = ContainerFiles.mounts(
            of: files, isReadOnly: config.host.hasReadOnlyRoot,
            except: Set(config.host.mounts.map(\.target)))
        let removesItself = config.host.removesItself
        var spec = makeSpec(config, mounts: own + mounts.mounts, host: facts)
        if config.terminal, let size = Terminal.windowSize(0) {
            spec.process.consoleSize = .init(height: size.rows, width: size.columns)
        }
        var request = MonitorRequest(
            id: config.id, spec: spec,
            root: .overlay(
                lower: layers.reversed(), upper: directory.appending("upper"),
                work: directory.appending("work"),
                volatile: removesItself),
            user: config.process.user, additionalGroups: config.host.groups,
            seccomp: try seccomp(config, facts), seccompCache: paths.seccompCache,
            cgroup: cgroupParent(config.host).appending(config.id),
            network: network,
            hosts: directory.appending("hosts"), hostsNames: ContainerFiles.ownNames(config),
            directory: directory, runDirectory: paths.runContainer(config.id))
        request.nameServers = config.host.dns
        request.needsNameService = resolvConf.needsHost(config.host)
        request.allowsDevices = config.host.isPrivileged || config.host.sharing.needsNodesOutsideOfDev
        if config.host.limits.pids == nil { request.defaultLimits = ["pids"] }
        request.log = try config.host.log.target(config)
        request.opensStdin = config.openStdin
        request.closesStdinWithClient = config.stdinOnce
        request.restart = config.host.restart
        request.sources = mounts.sources
        request.volumes = Volumes(paths).uses(of: config)
        request.bootID = try Process.bootID()
        let sharing = config.host.sharing
        (request.devices, request.ipcMode, request.pidMode) = (sharing.devices, sharing.ipc, sharing.pid)
        request.keepsCgroupParent = !sharing.cgroupParent.isEmpty
        request.usesInit = config.host.usesInit
        request.health = try config.process.healthcheck.flatMap {
            try HealthOptions($0, shell: config.process.shell)
        }
        request.events = EventSource(of: config, paths)
        if removesItself {
            request.removal = RemovalRequest(
                containers: paths.containers, nameLink: paths.names.appending(config.name),
                volumes: Volumes(paths).anonymous(of: config))
        }
        return request
    }

    /// The id of a container that a new one refers to.
    func findOther(_ name: String) throws -> String {
        do { return try records.find(name) } catch let error as EngineError {
            throw EngineError(error.description)  // it is the new one that cannot be made
        }
    }

    private func cgroupParent(_ host: HostOptions) -> FilePath {
        let asked = host.sharing.cgroupParent
        return asked.isEmpty ? paths.cgroupParent : FilePath(String(cleanPath(asked).dropFirst()))
    }

    private func seccomp(_ config: ContainerConfig, _ facts: HostFacts) throws -> SeccompChoice {
        let options = config.host
        if options.isPrivileged { return .unconfined }
        switch options.seccomp {
        case .standard: return .standard(includes32Bit: config.platform.architecture == "386")
        case .unconfined: return .unconfined
        case .profile(let text):
            let release = Kernel.release().release
            guard let kernel = RuntimeSpec.Seccomp.KernelVersion(release) else {
                throw EngineError("cannot read the kernel's version from \"\(release)\"")
            }
            let target = RuntimeSpec.Seccomp.Target(
                architecture: config.platform.architecture,
                capabilities: Set(makeCapabilities(options, facts).bounding), kernel: kernel)
            do {
                return .profile(try RuntimeSpec.Seccomp(dockerProfile: JSON(parsing: text), for: target))
            } catch {
                throw EngineError("decoding seccomp profile failed: \(error)")
            }
        }
    }
}

extension String {
    fileprivate func replacingSuffix(_ suffix: String, with other: String) -> String {
        hasSuffix(suffix) ? String(dropLast(suffix.count)) + other : self
    }
}
