import Linux
import OCI
import SystemPackage

extension ImageStore {
    /// `docker rmi NAME`: a name is taken away, and the image with the last one; an id takes all names of one
    /// repository, or with `force` all. Blobs and layers that nothing else needs go too. `use` is asked when no other
    /// command can change the store.
    public func remove(
        _ name: String, force: Bool, use ask: () throws -> StoreUse
    ) throws(ImageError) -> [Removal] {
        try locked { () throws(ImageError) in
            let image: Image
            do throws(ImageError) { image = try withTwins(try self.image(named: name)) } catch {
                guard force, let removal = try removeDamaged(name) else {
                    throw error
                }
                return [removal]
            }
            let use = try Self.ask(ask)
            let plan = try RemovalPlan(
                image, as: name, force: force, inUse: use.containers.all.filter { $0.image == image.id })
            // Before the first change: what fails then has done nothing.
            let leases = try Staging.leases(in: self)
            var index = try readIndex()
            for name in plan.untag { index.remove(name) }
            if plan.deletes {
                let manifests = [image.digest] + image.twins.map(\.digest)
                index.manifests.removeAll { manifests.contains($0.digest) }
            }
            try writeIndex(index)
            var removals = plan.untag.map { Removal.untagged("\($0)") }
            if plan.deletes {
                removals.append(.deleted(image.id))
                removals += try collect(image, index, leases, use).map { Removal.deleted($0) }
            }
            return removals
        }
    }

    /// Takes an image that cannot be read out of the index, by a name or its manifest's digest; what it needed goes with
    /// the next prune.
    private func removeDamaged(_ name: String) throws(ImageError) -> Removal? {
        let reference = try? Reference(name)  // else it is a digest
        let digits = Self.digits(of: name)
        var index = try readIndex()
        let found = index.manifests.filter { entry in
            let isNamed = reference != nil && entry.reference == reference
            return isNamed || (digits.map { $0.utf8.count >= 12 && entry.digest.hex.hasPrefix($0) } ?? false)
        }
        guard let one = found.first, found.allSatisfy({ $0.digest == one.digest }), isDamaged(one) else {
            return nil
        }
        index.manifests.removeAll(where: found.contains)
        try writeIndex(index)
        return one.reference == reference && reference != nil
            ? .untagged("\(one.reference?.description ?? name)") : .deleted(one.digest)
    }

    /// What cannot be read just now is not damaged.
    private func isDamaged(_ entry: Descriptor) -> Bool {
        do throws(ImageError) { _ = try image(ImageEntry(manifest: entry)) } catch {
            return error.kind == .invalid
        }
        return false
    }

    static func ask<Use>(_ inUse: () throws -> Use) throws(ImageError) -> Use {
        do { return try inUse() } catch { throw ImageError(.system, "\(error)") }
    }

    /// Deletes what only `image` needed; answers the diff ids of the layers. Only under the lock.
    private func collect(
        _ image: Image, _ index: Index, _ leases: Set<Digest>, _ use: StoreUse
    ) throws(ImageError) -> [Digest] {
        // What is needed is not known where a container cannot be read, nor while a build may have it mounted. The next
        // prune takes it.
        guard use.containers.unknown.isEmpty, !use.isBuilding else { return [] }
        let inUse = use.containers.all
        var kept = leases.union(inUse.flatMap(\.layers))
        var keptBlobs = leases.union(inUse.map(\.image))
        for group in index.images {
            keptBlobs.insert(group.manifest.digest)
            // What a damaged image needs cannot be known: nothing is deleted then.
            guard let other = try? self.image(group) else { return [] }
            kept.formUnion(other.config.diffIDs)
            keptBlobs.formUnion(other.manifest.layers.map(\.digest) + [other.id])
        }
        for diffID in kept { if let layer = try readLayer(diffID) { keptBlobs.insert(layer.blob.digest) } }
        var blobs = Set(image.manifest.layers.map(\.digest) + [image.id, image.digest])
        for twin in image.twins { blobs.formUnion(twin.manifest.layers.map(\.digest) + [twin.digest]) }
        let gone = image.config.diffIDs.filter { !kept.contains($0) }
        for diffID in Set(gone) {
            if let blob = layer(diffID)?.blob.digest, !keptBlobs.contains(blob) { try deleteBlob(blob) }
            try discardLayer(diffID)
        }
        for blob in blobs.subtracting(keptBlobs) { try deleteBlob(blob) }
        return gone.reversed()
    }
}

/// What a removal may do, in docker's rules and words.
struct RemovalPlan: Equatable {
    private(set) var untag: [Reference] = []
    private(set) var deletes = false

    /// `inUse` are the containers of this image.
    init(_ image: Image, as text: String, force: Bool, inUse: [ContainerUse]) throws(ImageError) {
        let short = image.id.short
        let running = inUse.first(where: \.isRunning)
        let byID = ImageStore.digits(of: text).map { image.id.hex.hasPrefix($0) } ?? false
        // A text that is no name is an id or a digest.
        let name = byID ? nil : image.names.first { $0 == (try? Reference(text)) }
        if let name {
            if !force, image.names.count == 1, let container = inUse.first {
                throw ImageError(
                    .conflict,
                    "conflict: unable to remove repository reference \"\(text)\" (must force) - "
                        + "container \(container.id.prefix(12)) is using its referenced image \(short)")
            }
            untag = [name]
            // With force, an image that runs loses its name and stays.
            deletes = image.names.count == 1 && running == nil
            return
        }
        if let running {
            throw Self.conflict(
                short, "cannot be forced", "image is being used by running container \(running.id.prefix(12))"
            )
        }
        let repositories = Set(image.names.map(\.name))
        if !force, repositories.count > 1 || image.names.count(where: { $0.tag != nil }) > 1 {
            throw Self.conflict(short, "must be forced", "image is referenced in multiple repositories")
        }
        if !force, let stopped = inUse.first {
            throw Self.conflict(
                short, "must be forced", "image is being used by stopped container \(stopped.id.prefix(12))")
        }
        (untag, deletes) = (image.names, true)
    }

    private static func conflict(_ id: String, _ force: String, _ why: String) -> ImageError {
        ImageError(.conflict, "conflict: unable to delete \(id) (\(force)) - \(why)")
    }
}
