import Linux
import Monitor
import OCI
import Runtime
import SystemPackage

/// A container's files as it sees them, held by the descriptor of its root. Nothing below is opened but with openat2(2)
/// inside of it.
final class ContainerTree {
    /// O_PATH.
    let root: FD
    /// Who it is to errors.
    let name: String
    /// Of its first process: what runs in it may change it at any time. Nil when nothing runs.
    private let process: Pidfd?
    /// Of the run directory: nobody starts the container meanwhile.
    private let lock: FD?
    private let release: () -> Void
    private let place: [UInt64]
    private let devices: [UInt64]?

    init(
        root: consuming FD, name: String, process: consuming Pidfd? = nil, lock: consuming FD? = nil,
        release: @escaping () -> Void = {}
    ) throws(SysError) {
        let status = try root.status()
        devices = try ContainerTree.devices(of: root)
        self.root = root
        (self.name, place, self.release) = (name, status.mountPlace, release)
        self.process = process
        self.lock = lock
    }

    deinit { release() }

    private static func devices(of root: borrowing FD) throws(SysError) -> [UInt64]? {
        do {
            return try root.open("dev", .path, resolve: [.inRoot, .noSymlinks]).status().mountPlace
        } catch {
            return nil  // there is none, or it is a link
        }
    }

    /// Whether a directory is listed as empty: what the kernel makes up, and the devices, which are no part of docker's
    /// copies either.
    func hides(_ child: borrowing FD, in parent: borrowing FD) throws(SysError) -> Bool {
        let status = try child.status()
        guard try status.mountID != parent.status().mountID else { return false }
        return try child.isOfKernel() || status.mountPlace == devices
    }

    /// docker's errors for a place that nothing can be written to.
    func checkWritable(_ directory: borrowing FD) throws {
        guard try directory.mountFacts().attributes.contains(.readOnly) else { return }
        let isRoot = try directory.status().mountID == place[0]
        throw EngineError(
            isRoot ? "container rootfs is marked read-only" : "mounted volume is marked read-only",
            exitCode: 1)
    }

    func missing(_ path: FilePath) -> EngineError {
        EngineError("Could not find the file \(path) in container \(name)", exitCode: 1)
    }

    /// What the kernel makes up is neither read nor written: it may wait for ever, or be the host's.
    func checkNotKernels(_ directory: borrowing FD, _ path: FilePath) throws {
        guard try directory.isOfKernel() else { return }
        throw EngineError(
            "\(missing(path)): what is there is the kernel's (apus exec \(name) cat \(path))", exitCode: 1)
    }
}

extension FileStatus {
    /// Which place in the tree of mounts it is.
    var mountPlace: [UInt64] { [mountID, device, inode] }
}

extension Containers {
    /// The files of a container, with its volumes: through its first process while it runs, else put together in a mount
    /// namespace of our own, in which this process stays. Without `changing` nothing of it can be changed.
    func tree(of id: String, named name: String, changing: Bool) throws -> ContainerTree {
        Sweeper(paths: paths).sweep(id)
        for _ in 0..<3 {
            let record = try records.read(id)
            if record.state.isRunning {
                do { return try liveTree(record, name) } catch let error as EngineError {
                    // It has just ended: soon the record says so.
                    guard try !records.read(id).state.isRestarting else { throw error }
                    Kernel.sleep(milliseconds: 200)
                    continue
                }
            }
            return try restingTree(record, name, changing: changing)
        }
        throw Self.notRunning(id)
    }

    /// The process is held: that its root was opened while it lived proves whose root it is.
    private func liveTree(_ record: Records.Record, _ name: String) throws -> ContainerTree {
        let process = try firstProcess(of: record)
        let root: FD
        do { root = try FD.open(FilePath("/proc/\(process.pid)/root"), [.path, .directory]) } catch {
            guard error.errno == .noSuchFileOrDirectory else { throw error }
            throw Self.notRunning(record.config.id)
        }
        guard !process.hasEnded() else { throw Self.notRunning(record.config.id) }
        return try ContainerTree(root: root, name: name, process: process)
    }

    /// A container that has just ended is its monitor's for a moment still.
    private func lockAtRest(_ id: String) throws -> FD {
        for _ in 0..<40 {
            if let lock = try RunLock.makeIfFree(id, paths: paths) {
                if try records.exists(id) { return lock }
                release(id)
                throw Records.missing(id)
            }
            guard try !records.read(id).state.isRunning else { break }
            Kernel.sleep(milliseconds: 50)
        }
        throw RunLock.busy(id)
    }

    private func restingTree(_ record: Records.Record, _ name: String, changing: Bool) throws -> ContainerTree
    {
        let id = record.config.id
        let lock: FD? = changing ? try lockAtRest(id) : nil
        do {
            let request = try request(of: id)
            guard case .overlay(let lower, let upper, let work, _) = request.root else {
                throw EngineError("container \(id.prefix(12)) has no layers", exitCode: 1)
            }
            try Process.unshare(.mount)
            try Mounts.setPropagation("/", .slave)
            let root: FD
            if changing {
                root = try mountOverlay(lower: lower, upper: upper, work: work, attributes: .noDevices)
            } else {
                // Places to mount on may be missing still: they are made in memory.
                let memory = try FD.newMount("tmpfs", options: ["mode=700"])
                try memory.attach(to: FD.open(work, [.path, .directory]), as: work.string)
                try memory.makeDirectory("upper", mode: 0o755)
                try memory.makeDirectory("work")
                root = try mountOverlay(
                    lower: [upper] + lower, upper: work.appending("upper"), work: work.appending("work"),
                    attributes: .noDevices)
            }
            try root.attach(to: FD.open(upper, [.path, .directory]), as: upper.string)
            try mountBinds(request.spec.mounts, sources: request.sources, in: root)
            if record.config.host.hasReadOnlyRoot { try root.setAttributes(.readOnly) }
            return try ContainerTree(
                root: root, name: name, lock: lock, release: { if changing { self.release(id) } })
        } catch {
            if changing { release(id) }
            throw error
        }
    }
}
