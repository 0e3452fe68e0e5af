public import Linux
public import SystemPackage

/// Volumes that the user gave no name: each has a directory `users` with the id of every container that has it, and goes
/// with the last one. Whoever makes a container holds the volumes' own directories locked (shared) until its record is
/// there; whoever removes one locks it alone.
public enum AnonymousVolumes {
    public static let users: FilePath = "users"

    /// Writes down that a container has a volume; one with a name of the user's has no `users`.
    public static func add(_ id: String, to volume: borrowing FD) throws(SysError) {
        let users: FD
        do { users = try volume.open(Self.users, [.readOnly, .directory], resolve: Self.beneath) } catch {
            guard error.errno == .noSuchFileOrDirectory else { throw error }
            return
        }
        do { try users.makeNode(FilePath(id), type: .regular, mode: 0o600) } catch {
            guard error.errno == .fileExists else { throw error }
        }
    }

    /// Removes a volume of a container that is gone, unless another one in `containers` has it: then false.
    @discardableResult
    public static func remove(
        _ name: FilePath, of id: String, in volumes: borrowing FD, containers: borrowing FD
    ) throws(SysError) -> Bool {
        let volume: FD
        do { volume = try volumes.open(name, [.readOnly, .directory], resolve: Self.beneath) } catch {
            guard error.errno == .noSuchFileOrDirectory else { throw error }
            return false
        }
        try volume.lock()
        // Somebody else may have removed it while we waited.
        guard try volumes.status(of: name)?.inode == volume.status().inode else { return false }
        guard try !isUsed(volume, except: id, containers) else { return false }
        try hideAndRemove(name, in: volumes)
        return true
    }

    /// What `events` says of it.
    public static func destroyed(_ name: String) -> Event {
        Event("volume", "destroy", id: name, ["driver": "local"])
    }

    private static let beneath: Resolve = [.beneath, .noSymlinks]

    private static func isUsed(
        _ volume: borrowing FD, except id: String, _ containers: borrowing FD
    ) throws(SysError) -> Bool {
        let users: FD
        do { users = try volume.open(Self.users, [.readOnly, .directory], resolve: beneath) } catch {
            guard error.errno == .noSuchFileOrDirectory else { throw error }
            return false  // of an engine that did not write them down: its maker's alone
        }
        try users.remove(FilePath(id))
        for entry in try users.entries() where try containers.status(of: entry.name) != nil { return true }
        return false
    }

    /// Nobody sees half a volume: it is renamed first. It is locked.
    public static func hideAndRemove(_ name: FilePath, in volumes: borrowing FD) throws(SysError) {
        let hidden = FilePath(".removing-\(name.string)")
        try volumes.removeTree(hidden)  // one of the same name whose removal was cut off
        try volumes.rename(name, to: hidden, in: volumes)
        try volumes.removeTree(hidden)
    }
}
