public import Linux
public import OCI
public import SystemPackage

/// The build cache of an engine for whoever counts or clears it. While it lives no build begins.
public final class BuildCacheHold {
    /// What one step left behind.
    public struct Entry: Equatable, Sendable {
        /// The file's name.
        public let name: String
        /// nil for a step that changed no file.
        public let layer: Digest?
        public let bytes: Int64
        public let created: Timestamp
    }

    /// In the order of their names.
    public let entries: [Entry]
    /// A build is at work, whose steps may rely on any entry.
    public let isBuilding: Bool
    private let directory: FD
    private let lock: FD

    /// Nil where nothing was ever built.
    public init?(root: FilePath) throws {
        let engine = try FD.open(root, [.readOnly, .directory])
        guard try engine.status(of: "build") != nil else { return nil }
        directory = try engine.open("build", [.readOnly, .directory])
        lock = try directory.open("lock", [.writeOnly, .create], mode: 0o600, resolve: [.beneath])
        try lock.lock()
        isBuilding = try Self.isBuilding(in: directory)
        entries = try Self.entries(in: directory)
    }

    private static func isBuilding(in directory: borrowing FD) throws -> Bool {
        guard try directory.status(of: "work") != nil else { return false }
        let work = try directory.open("work", [.readOnly, .directory])
        for entry in try work.entries() {
            do throws(SysError) {
                if try !work.open(entry.name, [.readOnly, .directory]).lock(wait: false) { return true }
            } catch {
                // Else it has ended meanwhile.
                guard error.errno == .noSuchFileOrDirectory else { throw error }
            }
        }
        return false
    }

    private static func entries(in directory: borrowing FD) throws -> [Entry] {
        guard try directory.status(of: "cache") != nil else { return [] }
        let cache = try directory.open("cache", [.readOnly, .directory])
        return try cache.sortedEntries().map { entry in
            // A record that cannot be read remembers nothing.
            let bytes = (try? cache.contents(of: entry.path, limit: 4096)) ?? nil
            let json = bytes.flatMap { try? JSON(parsing: $0) }
            let time = entry.status.mtime
            return Entry(
                name: entry.path.string, layer: json?["diffID"]?.string.flatMap { Digest($0) },
                bytes: Int64(clamping: entry.status.size),
                created: Timestamp(seconds: time.seconds, nanoseconds: Int32(time.nanoseconds)))
        }
    }

    /// Of everything below `build/`.
    public func bytes() throws -> Int64 { try directory.treeSize(of: ".") }

    /// Forgets a step; it is done again when a build comes to it.
    public func remove(_ entry: Entry) throws {
        _ = try directory.open("cache", [.readOnly, .directory]).remove(FilePath(entry.name))
    }

    /// Bytes of what is remembered of contexts.
    public func contextBytes() throws -> Int64 { try directory.treeSize(of: "statcache") }

    /// Forgets what is remembered of contexts.
    public func removeContexts() throws { try directory.removeTree("statcache") }
}
