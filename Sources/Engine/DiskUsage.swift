import Build
import Images
public import Linux
public import OCI
import SystemPackage

/// What takes room below an engine's root: every byte of a regular file is in one of the rows.
public struct DiskUsage: Equatable, Sendable {
    /// A row of `system df`.
    public struct Row: Equatable, Sendable {
        public var type: String
        public var total = 0
        public var active = 0
        public var bytes: Int64 = 0
        public var reclaimable: Int64 = 0
    }
    public struct ImageRow: Equatable, Sendable {
        public var summary: ImageSummary
        public var shared: Int64
        public var containers: Int
    }
    public struct CacheRow: Equatable, Sendable {
        public var layer: Digest
        public var bytes: Int64
        public var created: Timestamp
        public var isShared: Bool
    }
    /// Images, Containers, Local Volumes, Build Cache, Other.
    public var rows: [Row] = []
    public var images: [ImageRow] = []
    /// With the bytes of their whole directory.
    public var containers: [ContainerSummary] = []
    public var volumes: [VolumeUsage] = []
    public var cache: [CacheRow] = []
    /// What the row Other is made of.
    public var others: [Row] = []
    /// Images and containers that cannot be read.
    public var damaged: [String] = []

    /// Where no engine has been yet.
    public static let none: DiskUsage = {
        var usage = DiskUsage()
        usage.rows = ["Images", "Containers", "Local Volumes", "Build Cache", "Other"].map { Row(type: $0) }
        return usage
    }()
}

extension ImageCatalog {
    /// Counts everything. Nobody is kept from working meanwhile, so that what changes is counted before or after.
    public func diskUsage() throws -> DiskUsage {
        let hold = try BuildCacheHold(root: paths.root)
        let stored = try store.usage { try use(hold) }
        var usage = DiskUsage()
        let containers = Containers(paths: paths)
        let (records, damaged) = try containers.records.readAll()
        usage.damaged = stored.damaged + damaged
        usage.volumes = try Volumes(paths).usage(by: records.map(\.config))
        usage.rows = [
            imageRow(stored, records, &usage), try containerRow(records, &usage), volumeRow(usage.volumes),
            try cacheRow(hold, stored, &usage),
        ]
        usage.others = try others(stored)
        usage.rows.append(
            usage.others.reduce(into: DiskUsage.Row(type: "Other")) { sum, row in
                (sum.total, sum.active) = (sum.total + row.total, sum.active + row.active)
                (sum.bytes, sum.reclaimable) = (sum.bytes + row.bytes, sum.reclaimable + row.reclaimable)
            })
        return usage
    }

    private func imageRow(
        _ stored: StoreUsage, _ records: [Records.Record], _ usage: inout DiskUsage
    ) -> DiskUsage.Row {
        usage.images = stored.images.flatMap { one -> [DiskUsage.ImageRow] in
            let containers = records.count { $0.config.image == one.image.id }
            let names = one.image.names.map(Optional.some) + (one.image.names.isEmpty ? [nil] : [])
            return names.map { name in
                DiskUsage.ImageRow(
                    summary: ImageSummary(
                        id: one.image.id, reference: name, digest: nil,
                        created: one.image.created == .zero ? nil : one.image.created, size: one.bytes),
                    shared: one.shared, containers: containers)
            }
        }
        var row = DiskUsage.Row(type: "Images")
        let used = Set(records.map(\.config.image))
        row.total = stored.images.count
        row.active = stored.images.count { used.contains($0.image.id) }
        row.bytes = stored.imageParts.bytes
        row.reclaimable = stored.idleImageBytes
        return row
    }

    private func containerRow(
        _ records: [Records.Record], _ usage: inout DiskUsage
    ) throws -> DiskUsage.Row {
        var row = DiskUsage.Row(type: "Containers")
        let root = try FD.open(paths.root, [.readOnly, .directory])
        // Those that cannot be read, and those that are just made or removed, are in the sum alone.
        row.bytes = try root.treeSize(of: "containers")
        row.total = try Records(paths).ids().count
        for record in records {
            var summary = ContainerSummary(config: record.config, state: record.state)
            let bytes = try root.treeSize(of: FilePath("containers/\(record.config.id)"))
            summary.size = bytes
            usage.containers.append(summary)
            if record.state.isRunning { row.active += 1 } else { row.reclaimable += bytes }
        }
        return row
    }

    private func volumeRow(_ volumes: [VolumeUsage]) -> DiskUsage.Row {
        var row = DiskUsage.Row(type: "Local Volumes")
        for volume in volumes {
            row.total += 1
            row.bytes += volume.bytes
            if volume.links > 0 { row.active += 1 } else { row.reclaimable += volume.bytes }
        }
        return row
    }

    private func cacheRow(
        _ hold: BuildCacheHold?, _ stored: StoreUsage, _ usage: inout DiskUsage
    ) throws -> DiskUsage.Row {
        var row = DiskUsage.Row(type: "Build Cache")
        guard let hold else { return row }
        var seen: Set<Digest> = []
        for entry in hold.entries {
            guard let layer = entry.layer, seen.insert(layer).inserted else { continue }
            let own = stored.cached.layers[layer]
            usage.cache.append(
                DiskUsage.CacheRow(
                    layer: layer, bytes: own ?? store.layer(layer)?.size ?? 0, created: entry.created,
                    isShared: own == nil))
        }
        row.total = hold.entries.count
        row.active = hold.isBuilding ? row.total : 0
        row.bytes = try hold.bytes() + stored.cached.bytes
        let records = hold.entries.reduce(0) { $0 + $1.bytes }
        row.reclaimable = hold.isBuilding ? 0 : try stored.cached.bytes + records + hold.contextBytes()
        return row
    }

    private func others(_ stored: StoreUsage) throws -> [DiskUsage.Row] {
        func row(_ type: String, _ count: Int, _ bytes: Int64, active: Bool) -> DiskUsage.Row {
            DiskUsage.Row(
                type: type, total: count, active: active ? count : 0, bytes: bytes,
                reclaimable: active ? 0 : bytes)
        }
        let (pulls, left) = (stored.busyDownloads, stored.downloads)
        let (work, dead) = (stored.stagings, stored.deadStagings)
        let files = try ownFiles()
        return [
            row("kept for containers and commands", stored.held.count, stored.held.bytes, active: true),
            row("downloads under way", pulls.count, pulls.bytes, active: true),
            row("left by pulls that were cut", left.count, left.bytes, active: false),
            row("being added by commands", work.count, work.bytes, active: true),
            row("left by commands that died", dead.count, dead.bytes, active: false),
            row(
                "blobs and layers that nothing needs", stored.garbage.count, stored.garbage.bytes,
                active: false),
            row("records, locks and caches", files.count, files.bytes, active: true),
        ]
    }

    /// What lies at the top of the root besides the directories that are counted by what is in them.
    private func ownFiles() throws -> (count: Int, bytes: Int64) {
        let known: Set<FilePath> = [
            "blobs", "layers", "staging", "downloads", "containers", "volumes", "build",
        ]
        let root = try FD.open(paths.root, [.readOnly, .directory])
        var (count, bytes): (Int, Int64) = (0, 0)
        // Of volumes their records and users.
        let data = try Volumes(paths).usage(by: []).reduce(0) { $0 + $1.bytes }
        bytes += max(0, try root.treeSize(of: "volumes") - data)
        for entry in try root.sortedEntries() where !known.contains(entry.path) {
            count += 1
            if entry.status.type == .directory { bytes += try root.treeSize(of: entry.path) }
            if entry.status.type == .regular { bytes += Int64(clamping: entry.status.size) }
        }
        return (count, bytes)
    }
}
