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
    /// For what is pruned next.
    public fileprivate(set) var gone = Gone()
    public init() {}

    /// What is taken for removed by all that was pruned so far: with a dry run it is still there.
    public struct Gone: Equatable, Sendable {
        fileprivate var containers: Set<String> = []
        fileprivate var images: Set<Digest> = []
        fileprivate var parts = StoreParts()
        public init() {}

        /// Whether this container is taken for removed.
        func contains(_ id: String) -> Bool { containers.contains(id) }
    }
}

extension ImageCatalog {
    /// Removes images that no container has: those without a name, or with `all` every one; then blobs and layers that
    /// nothing leads to.
    public func prune(
        all: Bool, _ filters: PruneFilters, isDryRun: Bool, after gone: Reclaimed.Gone = Reclaimed.Gone()
    ) throws -> Reclaimed {
        let hold = try BuildCacheHold(root: paths.root)
        let pruned = try store.prune(use: { try use(hold, after: gone) }, isDryRun: isDryRun) { image in
            (all || image.names.isEmpty)
                && filters.holds(created: image.appeared, labels: image.config.process.labels)
        }
        return Reclaimed(pruned, after: gone)
    }

    /// Forgets build steps: those whose layer no image has, or with `all` every one, unless a build is at work; then
    /// removes the blobs and layers that nothing leads to then.
    public func pruneBuildCache(
        all: Bool, _ filters: PruneFilters, isDryRun: Bool, after gone: Reclaimed.Gone = Reclaimed.Gone()
    ) throws -> Reclaimed {
        guard let hold = try BuildCacheHold(root: paths.root) else { return Reclaimed() }
        if hold.isBuilding {
            var nothing = Reclaimed()
            nothing.warnings = ["a build is at work: the build cache is kept"]
            return nothing
        }
        func isGone(_ image: Image) -> Bool { isDryRun && gone.images.contains(image.id) }
        let ofImages = Set(try store.images().filter { !isGone($0) }.flatMap(\.config.diffIDs))
        let going = hold.entries.filter { entry in
            let isUnused = entry.layer.map { !ofImages.contains($0) } ?? false
            return (all || isUnused) && filters.holds(created: entry.created, labels: [:])
        }
        let contextBytes = all && filters.isEmpty ? try hold.contextBytes() : 0
        if !isDryRun {
            for entry in going { try hold.remove(entry) }
            if all, filters.isEmpty { try hold.removeContexts() }
        }
        let names = Set(going.map(\.name))
        let kept = hold.entries.filter { !names.contains($0.name) }
        let pruned = try store.prune(
            use: { try use(nil, cached: kept.compactMap(\.layer), after: gone) }, isDryRun: isDryRun,
            chooses: isGone)
        var result = Reclaimed(pruned, after: gone)
        result.lines = going.map(\.name)
        result.bytes += going.reduce(contextBytes) { $0 + $1.bytes }
        return result
    }

    /// Removes what cut pulls left behind, which the next pull would go on with.
    public func removeDownloads(isDryRun: Bool) throws -> Int64 {
        let usage = try store.usage { try use(nil) }
        if !isDryRun { try store.removeDownloads() }
        return usage.downloads.bytes
    }

    /// Who needs what of the store.
    func use(
        _ hold: BuildCacheHold?, cached: [Digest] = [], after gone: Reclaimed.Gone = Reclaimed.Gone()
    ) throws -> StoreUse {
        var containers = try uses()
        containers.all.removeAll { gone.containers.contains($0.id) }
        return StoreUse(
            containers: containers, cached: Set(hold?.entries.compactMap(\.layer) ?? []).union(cached),
            isBuilding: hold?.isBuilding ?? false)
    }
}

extension Reclaimed {
    init(_ pruned: Pruned, after gone: Gone) {
        self.gone = gone
        for case .deleted(let digest) in pruned.removals { self.gone.images.insert(digest) }
        for (digest, bytes) in pruned.parts.blobs { self.gone.parts.blobs[digest] = bytes }
        for (diffID, bytes) in pruned.parts.layers { self.gone.parts.layers[diffID] = bytes }
        lines = pruned.removals.map { removal in
            switch removal {
            case .untagged(let name): "untagged: \(name)"
            case .deleted(let digest): "deleted: \(digest)"
            }
        }
        bytes = pruned.parts.without(gone.parts).bytes
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
                if !isDryRun { try finishRemove(beginRemove(id, force: false), volumes: false) }
                result.lines.append(id)
                result.bytes += bytes
                result.gone.containers.insert(id)
            } catch {
                result.warnings.append("container \(id.prefix(12)): \(error)")  // the others go
            }
        }
        return result
    }
}
