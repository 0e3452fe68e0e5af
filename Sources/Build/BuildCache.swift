import Images
import Linux
import OCI
import SystemPackage

/// What a finished step gave, by the digest of all that went into it. Lives in `build/` below the engine's root.
/// A record says nothing that is not checked again: one that is damaged, or whose layer is gone, is a miss.
final class BuildCache {
    /// What a step left behind.
    enum Outcome: Equatable {
        case nothing
        case layer(Digest)
    }
    private let directory: FD
    private let records: FD

    init(root: FilePath) throws {
        directory = try FD.directory(root.appending("build"), make: true)
        records = try directory.openMaking("cache")
        // Who removes an image takes it too, on a full disk as well.
        _ = try directory.open("lock", [.writeOnly, .create], mode: 0o600, resolve: [.beneath])
    }

    /// The recorded outcome of the step with this key.
    func outcome(of key: Digest) -> Outcome? {
        guard let json = record(key.hex), json["version"]?.int == 1 else { return nil }
        if json["empty"]?.bool == true { return .nothing }
        return json["diffID"]?.string.flatMap { Digest($0) }.map(Outcome.layer)
    }

    /// Written after the layer is durable. Not synced: what a crash forgets is built again.
    func record(_ outcome: Outcome, of key: Digest) throws {
        var json = JSON.fields(["version": .int(1), "empty": .bool(true)])
        if case .layer(let id) = outcome {
            json = .fields(["version": .int(1), "diffID": .string(id.description)])
        }
        try records.replace(FilePath(key.hex), with: json.bytes, durable: false)
    }

    /// The digest of what was selected from a stage, by the stage's layers and the selection.
    func contentDigest(of key: Digest) -> String? {
        record("content-" + key.hex)?["content"]?.string.flatMap { Digest(hex: $0)?.hex }
    }

    func recordContent(_ digest: String, of key: Digest) throws {
        let json = JSON.fields(["content": .string(digest)])
        try records.replace(FilePath("content-" + key.hex), with: json.bytes, durable: false)
    }

    private func record(_ name: String) -> JSON? {
        // A record that cannot be read or parsed is a miss.
        guard let bytes = try? records.contents(of: FilePath(name), limit: 4096) else { return nil }
        return try? JSON(parsing: bytes)
    }

    /// The stat cache of one context, which its device and inode name.
    func statCache(of context: borrowing FD) throws -> StatCache {
        // Anything that is wrong with it makes it empty.
        let bytes = try? directory.contents(
            of: FilePath("statcache/\(try name(of: context))"), limit: 256 << 20)
        return StatCache(bytes ?? nil)
    }

    func save(_ cache: StatCache, of context: borrowing FD) throws {
        guard let bytes = cache.bytesIfChanged() else { return }
        let caches = try directory.openMaking("statcache")
        try caches.replace(FilePath(try name(of: context)), with: bytes, durable: false)
    }

    private func name(of context: borrowing FD) throws -> String {
        let status = try context.status()
        return "\(status.device)-\(status.inode)"
    }

    /// A place for one build's upper directories; what dead builds left is swept.
    func makeWorkspace() throws -> Workspace {
        let lock = try directory.open("lock", [.writeOnly, .create], mode: 0o600, resolve: [.beneath])
        try lock.lock()
        let all = try directory.openMaking("work")
        for entry in try all.entries() { try sweep(entry.name, in: all) }
        let name = try freeName(in: all)
        try all.makeDirectory(name)
        let own = try all.open(name, [.readOnly, .directory])
        try own.lock()
        return Workspace(parent: all, own: own, name: name)
    }

    private func sweep(_ name: FilePath, in all: borrowing FD) throws {
        do throws(SysError) {
            let old = try all.open(name, [.readOnly, .directory])
            if try old.lock(wait: false) { try all.removeTree(name) }
        } catch {
            // Somebody else's leftovers must not stop this build; the next one tries again.
        }
    }

    private func freeName(in all: borrowing FD) throws -> FilePath {
        for number in 0..<10_000 {
            let name = FilePath("build-\(number)")
            if try all.status(of: name) == nil { return name }
        }
        throw BuildError("more than 10000 builds are running")
    }
}

/// A directory of one build, locked while it lives and removed with it. A killed build's goes with the next one.
final class Workspace {
    private let parent: FD
    private let own: FD
    private let name: FilePath
    private var steps = 0

    init(parent: consuming FD, own: consuming FD, name: FilePath) {
        self.name = name
        self.parent = parent
        self.own = own
    }

    deinit {
        // Left to the next build when it fails.
        try? parent.removeTree(name)
    }

    /// Names of a new, empty upper and work directory below the workspace. The upper one is the new root, so it
    /// has the mode and owner of the old one.
    func makeStep(root: FileStatus?) throws -> (upper: FilePath, work: FilePath) {
        steps += 1
        let (upper, work) = (FilePath("upper-\(steps)"), FilePath("work-\(steps)"))
        try own.makeDirectory(upper, mode: 0o755)
        try own.makeDirectory(work, mode: 0o700)
        try own.changeOwner(of: upper, uid: root?.uid ?? 0, gid: root?.gid ?? 0)
        try own.open(upper, [.readOnly, .directory]).changeMode(root?.permissions ?? 0o755)
        return (upper, work)
    }

    /// Relative to the engine's root.
    var path: FilePath { FilePath("build/work").appending(name.string) }

    func isEmpty(_ directory: FilePath) throws -> Bool {
        try own.open(directory, [.readOnly, .directory]).entries().isEmpty
    }

    func open(_ directory: FilePath) throws -> FD { try own.open(directory, [.readOnly, .directory]) }

    func remove(_ name: FilePath) throws { try own.removeTree(name) }
}
