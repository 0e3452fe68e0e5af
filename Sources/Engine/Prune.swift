import Build
import Images
import Linux
import OCI
import SystemPackage

/// What a prune removed, or with a dry run would remove.
public struct Reclaimed: Equatable, Sendable {
    /// In docker's words: ids, or `untagged: NAME` and `deleted: ID`.
    public var lines: [String] = []
    public var bytes: Int64 = 0
    /// What is wrong, for stderr.
    public var warnings: [String] = []
    public init() {}
}

extension ImageCatalog {
    /// Removes images that no container has: those without a name, or with `all` every one; then blobs and layers that
    /// nothing leads to.
    public func prune(all: Bool, _ filters: PruneFilters, isDryRun: Bool) throws -> Reclaimed {
        let hold = try BuildCacheHold(root: paths.root)
        let pruned = try store.prune(use: { try use(hold) }, isDryRun: isDryRun) { image in
            (all || image.names.isEmpty)
                && filters.holds(created: image.appeared, labels: image.config.process.labels)
        }
        return Reclaimed(pruned)
    }

    /// Forgets build steps: those whose layer no image has, or with `all` every one, unless a build is at work; then
    /// removes the layers that only they led to.
    public func pruneBuildCache(all: Bool, _ filters: PruneFilters, isDryRun: Bool) throws -> Reclaimed {
        guard let hold = try BuildCacheHold(root: paths.root) else { return Reclaimed() }
        if hold.isBuilding {
            var nothing = Reclaimed()
            nothing.warnings = ["a build is at work: the build cache is kept"]
            return nothing
        }
        let ofImages = Set(try store.images().flatMap(\.config.diffIDs))
        let going = hold.entries.filter { entry in
            let isUnused = entry.layer.map { !ofImages.contains($0) } ?? false
            return (all || isUnused) && filters.holds(created: entry.created, labels: [:])
        }
        if !isDryRun {
            for entry in going { try hold.remove(entry) }
            if all, filters.isEmpty { try hold.removeContexts() }
        }
        let names = Set(going.map(\.name))
        let kept = hold.entries.filter { !names.contains($0.name) }
        let pruned = try store.prune(
            use: { try use(nil, cached: kept.compactMap(\.layer)) }, isDryRun: isDryRun,
            chooses: { _ in false })
        var result = Reclaimed(pruned)
        result.lines = going.map(\.name)
        result.bytes += going.reduce(0) { $0 + $1.bytes }
        if all, filters.isEmpty, isDryRun { result.bytes += try hold.contextBytes() }
        return result
    }

    /// Removes what cut pulls left behind, which the next pull would go on with.
    public func removeDownloads(isDryRun: Bool) throws -> Int64 {
        let usage = try store.usage { try use(nil) }
        if !isDryRun { try store.removeDownloads() }
        return usage.downloads.bytes
    }

    /// Who needs what of the store.
    func use(_ hold: BuildCacheHold?, cached: [Digest] = []) throws -> StoreUse {
        StoreUse(
            containers: try uses(), cached: Set(hold?.entries.compactMap(\.layer) ?? []).union(cached),
            isBuilding: hold?.isBuilding ?? false)
    }
}

extension Reclaimed {
    init(_ pruned: Pruned) {
        lines = pruned.removals.map { removal in
            switch removal {
            case .untagged(let name): "untagged: \(name)"
            case .deleted(let digest): "deleted: \(digest)"
            }
        }
        bytes = pruned.bytes
        warnings = pruned.damaged.map {
            "\($0): what it needs cannot be known, so that no blob and no layer is removed; see: apus system check"
        }
    }
}

extension Containers {
    /// Removes the containers that do not run. One that is being started stays.
    public func prune(_ filters: PruneFilters, isDryRun: Bool) throws -> Reclaimed {
        var result = Reclaimed()
        let (all, damaged) = try records.readAll()
        result.warnings = damaged
        guard !all.isEmpty else { return result }
        let directories = try FD.open(paths.containers, [.readOnly, .directory])
        for record in all where !record.state.isRunning {
            let (config, id) = (record.config, record.config.id)
            guard filters.holds(created: config.created, labels: config.process.labels),
                try !records.hasRunDirectory(id)
            else {
                continue
            }
            do {
                let bytes = try directories.treeSize(of: FilePath(id))
                if !isDryRun { try remove(id, force: false, volumes: false) }
                result.lines.append(id)
                result.bytes += bytes
            } catch {
                result.warnings.append("container \(id.prefix(12)): \(error)")  // the others go
            }
        }
        return result
    }
}

/// The volumes that no container has.
public struct UnusedVolumes: Sendable {
    private let volumes: Volumes
    private let records: Records

    public init(paths: EnginePaths) { (volumes, records) = (Volumes(paths), Records(paths)) }

    /// Removes those without a name of their own. With a container whose record cannot be read nothing is removed: it
    /// may have any of them.
    public func prune(isDryRun: Bool) throws -> Reclaimed {
        var result = Reclaimed()
        guard let directory = try volumes.directoryIfThere() else { return result }
        // Nobody is between making a volume and the record that names it.
        try directory.lock()
        let (containers, damaged) = try records.readAll()
        guard damaged.isEmpty else {
            result.warnings = damaged + ["no volume is removed until these containers are"]
            return result
        }
        for volume in try volumes.usage(by: containers.map(\.config))
        where volume.links == 0 && Records.isID(volume.name) {
            if !isDryRun { try directory.removeTree(FilePath(volume.name)) }
            result.lines.append(volume.name)
            result.bytes += volume.bytes
        }
        return result
    }
}

/// A volume with what it takes.
public struct VolumeUsage: Equatable, Sendable {
    public let name: String
    /// How many containers have it.
    public let links: Int
    public let bytes: Int64
}

extension Volumes {
    /// Nil where no volume has been yet.
    fileprivate func directoryIfThere() throws -> FD? {
        let root = try FD.open(paths.root, [.readOnly, .directory])
        guard try root.status(of: "volumes") != nil else { return nil }
        return try root.open("volumes", [.readOnly, .directory])
    }

    /// All volumes, by name.
    func usage(by containers: [ContainerConfig]) throws -> [VolumeUsage] {
        var links: [String: Int] = [:]
        for container in containers {
            for name in Set(mounted(by: container).values.map(\.name)) { links[name, default: 0] += 1 }
        }
        guard let directory = try directoryIfThere() else { return [] }
        return try directory.sortedEntries().filter { $0.status.type == .directory }.map { entry in
            VolumeUsage(
                name: entry.path.string, links: links[entry.path.string] ?? 0,
                bytes: try directory.treeSize(of: entry.path))
        }
    }
}
