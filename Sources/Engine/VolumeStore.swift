import Linux
import Monitor
import OCI
import SystemPackage

/// The volumes on disk: `volumes/NAME/{volume.json,_data}`, and `users/` in those that nobody named. A directory without a
/// record is one of an engine that wrote none: a volume without labels and options.
struct VolumeStore {
    let paths: EnginePaths

    static let data: FilePath = "_data"
    private static let beneath: Resolve = [.beneath, .noSymlinks]

    func mountpoint(_ name: String) -> FilePath { paths.volumes.appending(name).pushing(Self.data) }

    /// A volume that is held: as long as it is, nobody removes it.
    final class Held {
        let directory: FD
        init(_ directory: consuming FD) { self.directory = directory }

        /// What containers see of it.
        func data() throws(SysError) -> FD {
            try directory.open(VolumeStore.data, [.readOnly, .directory], resolve: VolumeStore.beneath)
        }

        /// One command at a time fills it. The lock is where no container can reach it, and hold it for ever.
        func lockForFilling() throws(SysError) -> FD {
            let lock = try directory.open(
                "fill.lock", [.readWrite, .create], mode: 0o600, resolve: VolumeStore.beneath)
            try lock.lock()
            return lock
        }
    }

    // MARK: reading

    /// All names, in order.
    func names() throws -> [String] {
        guard let directory = try FD.directoryIfThere(paths.volumes) else { return [] }
        let found = try directory.entries().filter { $0.type == nil || $0.type == .directory }
        return found.map(\.name.string).filter(VolumeName.isValid).sorted()
    }

    /// Nil when there is none of this name.
    func read(_ name: String) throws -> VolumeRecord? {
        guard VolumeName.isValid(name), let volumes = try FD.directoryIfThere(paths.volumes) else {
            return nil
        }
        guard let volume = try open(name, in: volumes) else { return nil }
        return try record(name, volume)
    }

    private func open(_ name: String, in volumes: borrowing FD) throws(SysError) -> FD? {
        do {
            return try volumes.open(FilePath(name), [.readOnly, .directory], resolve: Self.beneath)
        } catch {
            guard error.errno == .noSuchFileOrDirectory else { throw error }
            return nil
        }
    }

    private func record(_ name: String, _ volume: borrowing FD) throws -> VolumeRecord {
        guard let bytes = try volume.contents(of: FilePath(VolumeRecord.document), limit: 1 << 20) else {
            let made = try volume.status().mtime
            let time = Timestamp(seconds: made.seconds, nanoseconds: Int32(clamping: made.nanoseconds))
            return VolumeRecord(name, created: time, isAnonymous: Records.isID(name))
        }
        do { return try VolumeRecord(JSON(parsing: bytes), name: name) } catch {
            throw EngineError(
                "volume \(name) is damaged: \(VolumeRecord.document): \(error); remove it with: apus volume rm \(name)",
                exitCode: 1)
        }
    }

    // MARK: making

    /// The volume of this name with its record, made when it is missing. `fill` puts into its directory what it begins
    /// with. `user` is the container that is to have it. `durable`: it is on disk before this returns.
    func hold(
        _ new: VolumeRecord, user: String? = nil, durable: Bool = true,
        fill: ((borrowing FD) throws -> Bool)? = nil
    ) throws -> (volume: Held, record: VolumeRecord, isNew: Bool) {
        let volumes = try FD.directory(paths.volumes, make: true)
        while true {
            let isNew = try volumes.status(of: FilePath(new.name)) == nil
            if isNew, try !make(new, in: volumes, durable: durable, fill: fill) { continue }
            guard let directory = try open(new.name, in: volumes) else { continue }
            try directory.lock(shared: true)
            guard try volumes.status(of: FilePath(new.name))?.inode == directory.status().inode else {
                continue
            }
            let record = try record(new.name, directory)
            if let user { try AnonymousVolumes.add(user, to: directory) }
            return (Held(directory), record, isNew)
        }
    }

    /// Staged and renamed, so that it is there whole or not at all. False: somebody else was faster.
    private func make(
        _ record: VolumeRecord, in volumes: borrowing FD, durable: Bool,
        fill: ((borrowing FD) throws -> Bool)?
    ) throws -> Bool {
        let staged = FilePath(".new-\(ContainerName.newID())")
        do {
            try volumes.makeDirectory(staged)
            let directory = try volumes.open(staged, [.readOnly, .directory], resolve: Self.beneath)
            try directory.makeDirectory(Self.data)
            let data = try directory.open(Self.data, [.readOnly, .directory], resolve: Self.beneath)
            try data.changeMode(0o755)
            if record.isAnonymous { try directory.makeDirectory(AnonymousVolumes.users) }
            let isFilled = try fill?(data) ?? false
            if isFilled, durable { try data.syncFileSystem("volume \(record.name)") }
            try directory.replace(
                FilePath(VolumeRecord.document), with: record.json.bytes, durable: durable)
            try volumes.rename(staged, to: FilePath(record.name), in: volumes, exclusive: true)
            if durable { try volumes.sync() }
            EventLog(in: paths.run).tell(Event("volume", "create", id: record.name, ["driver": "local"]))
            return true
        } catch {
            _ = try? volumes.removeTree(staged)  // the first error is the one to report
            guard let system = error as? SysError, system.errno == .fileExists else { throw error }
            return false
        }
    }

    // MARK: removing

    /// Keeps everybody from making a container with a volume, and waits for those who are at it.
    func lockAll(_ directory: borrowing FD) throws {
        try directory.lock()
        // Whoever made or removed these is gone, or ends on its own.
        for (name, _) in try directory.entries()
        where name.string.hasPrefix(".new-") || name.string.hasPrefix(".removing-") {
            _ = try? directory.removeTree(name)  // the next one tries again
        }
    }

    /// Removes a volume that no container has; `lockAll` is held.
    func remove(_ name: String, in volumes: borrowing FD) throws {
        guard let directory = try open(name, in: volumes) else { return }
        try directory.lock()
        guard try volumes.status(of: FilePath(name))?.inode == directory.status().inode else { return }
        try AnonymousVolumes.hideAndRemove(FilePath(name), in: volumes)
        try volumes.sync()
        EventLog(in: paths.run).tell(AnonymousVolumes.destroyed(name))
    }
}
