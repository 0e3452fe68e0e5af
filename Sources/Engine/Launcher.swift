import Linux
import Monitor
import Network
import OCI
import SystemPackage

/// Starts monitors: `apus-runtime` beside this program, run from a read-only detached copy of its mount, so that
/// no container can reach the host's file through /proc/PID/exe (CVE-2019-5736).
struct Launcher: Sendable {
    let paths: EnginePaths

    /// Starts the monitor of a container by its directory. `lock` is its run directory's, held by us and from then on by the monitor:
    /// it is never free in between. Answers the engine's end of the monitor's first client.
    func start(_ directory: FilePath, lock: borrowing FD, hello: ClientMessage) throws -> FD {
        let pair = try MessagePair()
        _ = try pair.ours.sendMessage(hello.bytes)
        let directory = try FD.open(directory, [.readOnly, .directory])
        try spawn("start", [directory.raw, lock.raw, pair.theirs.raw])
        return pair.keepOurs()
    }

    /// Starts a monitor for a container that has lost its own.
    func adopt(_ id: String, lock: borrowing FD) throws {
        let directory = try FD.open(paths.container(id), [.readOnly, .directory])
        try spawn("adopt", [directory.raw, lock.raw])
    }

    /// Starts one more process in a running container.
    func exec(_ request: ExecRequest, hello: ClientMessage) throws -> FD {
        let pair = try MessagePair()
        _ = try pair.ours.sendMessage(hello.bytes)
        let file = try FD.inMemory("exec-request", request.json.bytes)
        try spawn("exec", [file.raw, pair.theirs.raw])
        return pair.keepOurs()
    }

    private func spawn(_ command: String, _ descriptors: [CInt]) throws {
        let program = try Self.runtime()
        let null = try FD.open("/dev/null", .readWrite)
        _ = try Process.spawn(
            file: program.raw, arguments: ["apus-runtime", "monitor", command],
            environment: ["SWIFT_ROOT=/", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"], descriptors: descriptors,
            stdio: [null.raw, null.raw, null.raw], newSession: true)
    }

    /// The runtime's file on a read-only copy of its mount. Every copy of this descriptor is close-on-exec and
    /// closed before the container's first instruction: an open one could make the mount writable again.
    private static func runtime() throws -> FD {
        let own = try FD.open("/proc/self", .path).readSymlink("exe")
        let beside = own.removingLastComponent().appending("apus-runtime")
        let chosen = Process.environment.first { $0.hasPrefix("APUS_RUNTIME=") }
        let path = chosen.map { FilePath(String($0.dropFirst(13))) } ?? beside
        do throws(SysError) {
            return try readOnlyCopy(of: path)
        } catch {
            throw EngineError(
                "cannot run \(path): \(error); install apus-runtime beside apus or set APUS_RUNTIME")
        }
    }

    private static func readOnlyCopy(of path: FilePath) throws(SysError) -> FD {
        let tree = try FD.open(path, .path).cloneTree(recursive: false)
        try tree.setAttributes([.readOnly, .noSetuid], propagation: .private)
        return tree
    }
}

/// Containers whose monitor was killed are adopted, and what starts that were cut off left behind is removed. Cheap
/// when nothing is wrong: one probe of a lock for each container that runs.
public struct Sweeper: Sendable {
    let paths: EnginePaths

    /// Of the engine at these places.
    public init(paths: EnginePaths) { self.paths = paths }

    /// Sweeps all that is below the run directory.
    public func sweep() {
        sweepAfterBoot()
        // What cannot be repaired now, the next start is refused for.
        _ = try? repairNetworks(leases: paths.leases)
        // Nothing has run.
        guard let run = try? FD.open(paths.runContainers, [.readOnly, .directory]) else { return }
        for entry in (try? run.entries()) ?? [] where Records.isID(entry.name.string) {
            _ = try? sweep(entry.name.string, in: run)  // one that cannot be swept now is swept later
        }
    }

    /// The same for one container that a command is about. True when a monitor has just been started for it.
    @discardableResult
    func sweep(_ id: String) -> Bool {
        guard let run = try? FD.open(paths.runContainers, [.readOnly, .directory]) else { return false }
        return (try? sweep(id, in: run)) ?? false  // as above
    }

    private func sweep(_ id: String, in run: borrowing FD) throws -> Bool {
        guard let lock = try RunLock.takeIfFree(id, in: run) else { return false }
        let records = Records(paths)
        let record: Records.Record?
        // Damaged or gone: only the run directory goes. What cannot be read now is swept later.
        do { record = try records.read(id) } catch is EngineError { record = nil }
        if let record, Self.needsMonitor(record) {
            try Launcher(paths: paths).adopt(id, lock: lock)
            awaitMonitor(id, in: run)
            return true
        }
        // A start that was cut off has made one; what cannot be read tells of none.
        (try? Containers(paths: paths).request(of: id))?.removeCgroup()
        if let record, record.config.host.removesItself {
            try records.remove(id, name: record.config.name)
        }
        if let containers = try FD.directoryIfThere(paths.containers) {
            try containers.removeTree(FilePath(".new-\(id)"))
            try containers.removeTree(FilePath(".removing-\(id)"))
        }
        try run.removeTree(FilePath(id))
        try sweepAddresses()
        return false
    }

    /// Until the new monitor listens, or has found the container dead and removed its run directory.
    private func awaitMonitor(_ id: String, in run: borrowing FD) {
        for _ in 0..<200 {
            // Gone: its end is recorded.
            guard let directory = try? run.open(FilePath(id), [.readOnly, .directory], resolve: [.beneath])
            else { return }
            // A failure says that it does not listen yet.
            if (try? directory.connectForMessages(to: "attach")) != nil { return }
            Kernel.sleep(milliseconds: 5)
        }
    }

    private static let swept: FilePath = "swept"

    /// Once in each boot: what was under way when the host stopped has no run directory any more that would lead to it.
    func sweepAfterBoot() {
        guard let boot = try? Process.bootID(),
            let containers = try? FD.open(paths.containers, [.readOnly, .directory]),
            let run = try? FD.directory(paths.run, make: true)
        else { return }  // nothing has run, or it cannot be known
        if (try? run.readSymlink(Self.swept))?.string == boot { return }
        for entry in (try? containers.entries()) ?? [] {
            _ = try? sweepLeftover(entry.name.string, in: containers)  // one that stays is shown
        }
        _ = try? run.remove(Self.swept)
        _ = try? run.makeSymlink(Self.swept, to: FilePath(boot))  // else the next command looks again
    }

    private func sweepLeftover(_ name: String, in containers: borrowing FD) throws {
        let records = Records(paths)
        let id = String(name.drop { $0 != "-" }.dropFirst())
        if [".new-\(id)", ".removing-\(id)"].contains(name), try !records.hasRunDirectory(id) {
            return try containers.removeTree(FilePath(name))
        }
        guard Records.isID(name), try !records.hasRunDirectory(name) else { return }
        if records.isBlank(name) { return try records.remove(name, name: nil) }
        let record = try records.read(name)
        guard record.config.host.removesItself, case .exited = record.state.phase else { return }
        try records.remove(name, name: record.config.name)
    }

    /// What a start that was cut off has leased. A container is alive as long as its run directory is there.
    private func sweepAddresses() throws {
        guard try FD.directoryIfThere(paths.leases) != nil else { return }  // no network was ever made
        try sweepNetworks(leases: paths.leases) { id throws(SysError) in
            try Records(paths).hasRunDirectory(id)
        }
    }

    /// A record that says running without a monitor: the process may live or not, its monitor finds out.
    private static func needsMonitor(_ record: Records.Record) -> Bool { record.state.isRunning }
}

/// The lock of a container's run directory: held by whoever is making, running or ending the container.
enum RunLock {
    /// Makes the run directory and takes its lock. A sweep or a monitor that leaves holds it for a moment only.
    static func make(_ id: String, paths: EnginePaths) throws -> FD {
        for _ in 0..<200 {
            if let lock = try makeIfFree(id, paths: paths) { return lock }
            Kernel.sleep(milliseconds: 5)
        }
        throw EngineError("container \(id.prefix(12)) is already being started by another command")
    }

    static func busy(_ id: String) -> EngineError {
        EngineError(
            "container \(id.prefix(12)) is being started, removed or copied to by another command: try again",
            exitCode: 1)
    }

    /// Of who removes a container; where the disk has no room for a run directory, nobody starts it either.
    enum Removal: ~Copyable {
        case held(FD)
        case notNeeded
    }

    /// The lock for that, when nobody else holds it for long.
    static func makeForRemoval(_ id: String, paths: EnginePaths) throws -> Removal? {
        do {
            for _ in 0..<40 {
                if let lock = try makeIfFree(id, paths: paths) { return .held(lock) }
                Kernel.sleep(milliseconds: 5)
            }
            return nil
        } catch let error as SysError {
            guard [.noSpace, .diskQuotaExceeded].contains(error.errno) else { throw error }
            return .notNeeded
        }
    }

    /// The same without waiting; nil when somebody holds it.
    static func makeIfFree(_ id: String, paths: EnginePaths) throws -> FD? {
        let run = try FD.directory(paths.runContainers, make: true)
        try makeDirectory(id, in: run)
        return try takeIfFree(id, in: run)
    }

    private static func makeDirectory(_ id: String, in run: borrowing FD) throws(SysError) {
        do {
            try run.makeDirectory(FilePath(id))
        } catch {
            guard error.errno == .fileExists else { throw error }
        }
    }

    /// The lock, when nobody holds it and the directory is still there.
    static func takeIfFree(_ id: String, in run: borrowing FD) throws -> FD? {
        let name = FilePath("\(id)/lock")
        let lock: FD
        do throws(SysError) {
            lock = try run.open(name, [.readWrite, .create], mode: 0o600, resolve: [.beneath])
        } catch {
            guard error.errno == .noSuchFileOrDirectory else { throw error }
            return nil  // its end is under way
        }
        guard try lock.lock(wait: false) else { return nil }
        // Whoever held it may have removed the directory in the meantime: then this is no container's lock.
        guard try run.status(of: name)?.inode == lock.status().inode else { return nil }
        return lock
    }
}
