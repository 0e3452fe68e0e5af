import Linux
public import OCI
import SystemPackage

/// Who needs what of a store, besides its index and the commands at work.
public struct StoreUse: Equatable, Sendable {
    public var containers: ContainerUses
    /// Layers that the build cache remembers.
    public var cached: Set<Digest>
    /// A build is at work: a layer that nobody has on record may be one that it has just made.
    public var isBuilding: Bool

    public init(
        containers: ContainerUses = ContainerUses(), cached: Set<Digest> = [], isBuilding: Bool = false
    ) {
        (self.containers, self.cached, self.isBuilding) = (containers, cached, isBuilding)
    }
}

/// Blobs and layers with their bytes.
public struct StoreParts: Equatable, Sendable {
    public var blobs: [Digest: Int64] = [:]
    /// By diff id.
    public var layers: [Digest: Int64] = [:]

    public init() {}

    public var bytes: Int64 { blobs.values.reduce(0, +) + layers.values.reduce(0, +) }
    public var count: Int { blobs.count + layers.count }

    /// Those that `other` does not have.
    public func without(_ other: StoreParts) -> StoreParts {
        filter(blobs: { other.blobs[$0] == nil }, layers: { other.layers[$0] == nil })
    }

    func filter(blobs holdsBlob: (Digest) -> Bool, layers holdsLayer: (Digest) -> Bool) -> StoreParts {
        var result = StoreParts()
        result.blobs = blobs.filter { holdsBlob($0.key) }
        result.layers = layers.filter { holdsLayer($0.key) }
        return result
    }
}

/// What a prune removed, or would remove.
public struct Pruned: Equatable, Sendable {
    public var removals: [Removal] = []
    /// The blobs and layers that go.
    public var parts = StoreParts()
    public var bytes: Int64 { parts.bytes }
    /// Images and containers that could not be read: what they need cannot be known, so that nothing was collected; with
    /// a container among them no image was removed either.
    public var damaged: [String] = []
}

/// Digests that something leads to.
struct Needs {
    var blobs: Set<Digest> = []
    var layers: Set<Digest> = []

    /// What a name leads to; a manifest without one, of an image that has one, is replaced and needs nothing.
    mutating func add(_ image: Image) {
        layers.formUnion(image.config.diffIDs)
        blobs.formUnion(image.manifest.layers.map(\.digest) + [image.id, image.digest])
        for twin in image.twins where twin.isNamed || image.names.isEmpty {
            blobs.formUnion(twin.manifest.layers.map(\.digest) + [twin.digest])
        }
    }
}

extension ImageStore {
    /// Removes the images that `chooses` picks among those that no container has, then every blob and layer that
    /// nothing leads to: no image, container, command at work, nor the build cache. `use` is asked when no other
    /// command can change the store. With `isDryRun` it is only said.
    public func prune(
        use ask: () throws -> StoreUse, isDryRun: Bool, chooses: (Image) -> Bool
    ) throws(ImageError) -> Pruned {
        try locked { () throws(ImageError) in
            let use = try Self.ask(ask)
            var pruned = Pruned()
            pruned.damaged = use.containers.unknown
            var needs = try needs(of: use)
            var index = try readIndex()
            let inUse = Set(use.containers.all.map(\.image))
            var gone: [Image] = []
            // One that cannot be read may have any of them.
            let areUsersKnown = use.containers.unknown.isEmpty
            var dropped: Set<Digest> = []
            for image in try images(onDamage: { pruned.damaged.append("\($0)") }) {
                if areUsersKnown, !inUse.contains(image.id), chooses(image) {
                    gone.append(image)
                    dropped.formUnion([image.digest] + image.twins.map(\.digest))
                } else {
                    needs.add(image)
                    // Replaced by one of the same configuration.
                    guard !image.names.isEmpty else { continue }
                    dropped.formUnion(image.twins.filter { !$0.isNamed }.map(\.digest))
                }
            }
            let parts = try self.parts()
            var garbage = StoreParts()
            if pruned.damaged.isEmpty {
                garbage = parts.filter(
                    blobs: { !needs.blobs.contains($0) },
                    layers: { !use.isBuilding && !needs.layers.contains($0) })
                // The blob of a layer that stays.
                for diffID in parts.layers.keys where garbage.layers[diffID] == nil {
                    if let blob = try readLayer(diffID)?.blob.digest { garbage.blobs[blob] = nil }
                }
            }
            pruned.parts = garbage
            pruned.removals = Self.removals(gone, garbage)
            if isDryRun { return pruned }
            let before = index
            index.manifests.removeAll { dropped.contains($0.digest) }
            if index != before { try writeIndex(index) }
            for diffID in garbage.layers.keys { try discardLayer(diffID) }
            for digest in garbage.blobs.keys { try deleteBlob(digest) }
            return pruned
        }
    }

    /// docker's order: an image's names, itself, its layers from the top.
    private static func removals(_ gone: [Image], _ garbage: StoreParts) -> [Removal] {
        var removals: [Removal] = []
        var told: Set<Digest> = []
        for image in gone {
            removals += image.names.map { .untagged("\($0)") } + [.deleted(image.id)]
            for diffID in image.config.diffIDs.reversed()
            where garbage.layers[diffID] != nil && told.insert(diffID).inserted {
                removals.append(.deleted(diffID))
            }
        }
        let rest = garbage.layers.keys.filter { !told.contains($0) }
        return removals + rest.sorted { $0.hex < $1.hex }.map { .deleted($0) }
    }

    /// What is needed by others than images. Only under the lock.
    func needs(of use: StoreUse) throws(ImageError) -> Needs {
        let leases = try Staging.leases(in: self)
        var needs = Needs()
        needs.layers = leases.union(use.containers.all.flatMap(\.layers)).union(use.cached)
        needs.blobs = leases.union(use.containers.all.map(\.image))
        for diffID in needs.layers {
            if let layer = try readLayer(diffID) { needs.blobs.insert(layer.blob.digest) }
        }
        return needs
    }

    /// Everything that is there.
    func parts() throws(ImageError) -> StoreParts {
        try kernel { () throws(SysError) in
            var parts = StoreParts()
            for entry in try blobs.sortedEntries() {
                guard let digest = Digest(hex: entry.path.string) else { continue }
                parts.blobs[digest] = Int64(clamping: entry.status.size)
            }
            for entry in try layers.entries() {
                guard let diffID = Digest(hex: entry.name.string) else { continue }
                // A layer without a good record is garbage or damage; its files count all the same.
                let record = try layers.open(entry.name, [.readOnly, .directory]).status(of: "layer.json")
                var bytes = Int64(clamping: record?.size ?? 0)
                if let layer = layer(diffID) {
                    bytes += layer.size
                } else {
                    bytes += try layers.treeSize(of: entry.name.appending("tree"))
                }
                parts.layers[diffID] = bytes
            }
            return parts
        }
    }

    /// Deletes a blob unless another file has come to its name; false then.
    func deleteBlob(_ digest: Digest, ifStill file: SharedFD) throws(ImageError) -> Bool {
        try locked { () throws(ImageError) in
            let isOther = try kernel { () throws(SysError) in
                guard let named = try blobs.status(of: FilePath(digest.hex)) else { return false }
                return named.inode != (try file.fd.status().inode)
            }
            if !isOther { try deleteBlob(digest) }
            return !isOther
        }
    }

    func deleteBlob(_ digest: Digest) throws(ImageError) {
        _ = try kernel { () throws(SysError) in try blobs.remove(FilePath(digest.hex)) }
    }
}
