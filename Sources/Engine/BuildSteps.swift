public import Build
import Linux
import Monitor
import OCI
import Runtime
import SystemPackage

/// Runs a build's RUN steps as containers of their own, from the same functions as any other. A step ends with the
/// build that asked for it.
public struct BuildSteps: StepRunner {
    private let paths: EnginePaths
    private let puller: Pulling

    public init(paths: EnginePaths, puller: @escaping Pulling) { (self.paths, self.puller) = (paths, puller) }

    public func pull(_ image: String) throws { try puller(image, nil) }

    public func run(
        _ step: RunStep, output: @escaping (UnsafeRawBufferPointer) -> Void
    ) throws -> Int32 {
        let id = ContainerName.newID()
        let lock = try RunLock.make(id, paths: paths)
        let steps = paths.root.appending("build/steps")
        let directory = steps.appending(id)
        do {
            let files = try FD.directory(directory, make: true)
            var options = HostOptions(network: step.network)
            options.removesItself = true
            let resolvConf = ResolvConf(of: options)
            var request = try makeRequest(step, id, directory, options)
            request.needsNameService = resolvConf.needsHost(options)
            try ContainerFiles.write(to: files, hostname: Self.hostname, options, resolvConf)
            try files.replace("request.json", with: request.json.bytes, durable: false)
            let hello = ClientMessage.hello([.stdout, .stderr, .lossless], detachKeys: [])
            let socket = try Launcher(paths: paths).start(directory, lock: lock, hello: hello)
            return try follow(socket, output)
        } catch {
            Containers(paths: paths).release(id)
            // The first error counts.
            _ = try? FD.open(steps, [.readOnly, .directory]).removeTree(FilePath(id))
            throw error
        }
    }

    /// The same for every build, so that what a step writes does not depend on it.
    private static let hostname = "build"

    private func makeRequest(
        _ step: RunStep, _ id: String, _ directory: FilePath, _ options: HostOptions
    ) throws -> MonitorRequest {
        let facts = HostFacts(
            capabilities: try ProcessCapabilities.current(last: CapabilitySet.lastOfKernel).permitted,
            devices: [], hiddenPaths: HostFacts.thermalCounts())
        let own = ContainerFiles.mounts(of: directory, isReadOnly: false)
        var spec = makeSpec(options, mounts: own, host: facts)
        spec.hostname = Self.hostname
        spec.process.args = step.argv
        spec.process.env = step.env
        if !step.env.contains(where: { $0.hasPrefix("PATH=") }) {
            spec.process.env.append(ContainerConfig.standardPath)
        }
        spec.process.cwd = step.workingDir
        var request = MonitorRequest(
            id: id, spec: spec,
            root: .overlay(lower: step.layers, upper: step.upper, work: step.work, volatile: true),
            user: step.user, seccomp: .standard(includes32Bit: false), seccompCache: paths.seccompCache,
            cgroup: paths.cgroupParent.appending(id), network: try NetworkChoice(paths).request(step.network),
            hosts: directory.appending("hosts"), hostsNames: Self.hostname, directory: directory,
            runDirectory: paths.runContainer(id))
        request.defaultLimits = ["pids"]
        request.endsWithClient = true
        request.mergesStreams = true
        request.removal = RemovalRequest(
            containers: directory.removingLastComponent(), nameLink: nil, volumes: [])
        return request
    }

    /// Hands the step's output on until it has ended.
    private func follow(
        _ socket: borrowing FD, _ output: (UnsafeRawBufferPointer) -> Void
    ) throws -> Int32 {
        var buffer = [UInt8](repeating: 0, count: MonitorMessage.limit)
        while true {
            let count = try ClientLoop.receive(socket, &buffer) ?? 0
            switch MonitorMessage(buffer[..<count]) {
            case .stdout(let bytes), .stderr(let bytes): bytes.withUnsafeBytes(output)
            case .exited(let code): return code
            case .failed(let code, let text): throw EngineError(text, exitCode: code)
            case .started: continue
            case .detached, .done, .missed, nil:
                throw EngineError("the step's monitor ended without a word; run the build again")
            }
        }
    }
}

extension HostOptions {
    fileprivate init(network: String) {
        self.init()
        switch network {
        case "none": self.network = .none
        case "host": self.network = .host
        default: self.network = .bridge
        }
    }
}
