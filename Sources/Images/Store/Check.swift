import Linux
public import OCI
import SystemPackage

/// Something in a store that is not as it should be.
public struct Damage: Equatable, Sendable, CustomStringConvertible {
    /// What it is and what is wrong with it.
    public let what: String
    /// What it hurts: images by name, else by id; without any, containers and the build cache.
    public let images: [String]
    /// What was done or is to be done about it.
    public let remedy: String
    /// It was there, and is not any more.
    public let isRepaired: Bool

    public init(_ what: String, images: [String] = [], remedy: String, isRepaired: Bool = false) {
        (self.what, self.images, self.remedy, self.isRepaired) = (
            what, Set(images).sorted(), remedy, isRepaired
        )
    }

    /// One line.
    public var description: String {
        let hurt = images.isEmpty ? "" : " (\(images.joined(separator: ", ")))"
        return "\(what)\(hurt): \(remedy)"
    }
}

/// One look at a whole store: every blob is read, every layer is unpacked once more and compared.
struct StoreCheck {
    private let store: ImageStore
    private let repairs: Bool
    private let use: StoreUse
    /// Layers whose trees are mounted now.
    private let mounted: () throws -> Set<Digest>
    private let report: (Damage) -> Void
    private let staging: Staging
    /// Who needs a blob or a layer: images by name, else by id, containers and the build cache.
    private var users: [Digest: [String]] = [:]
    private var layers: [(blob: Descriptor, diffID: Digest)] = []
    private var badBlobs: Set<Digest> = []

    init(
        _ store: ImageStore, repairs: Bool, use: StoreUse, mounted: @escaping () throws -> Set<Digest>,
        report: @escaping (Damage) -> Void
    ) throws(ImageError) {
        (self.store, self.repairs, self.use) = (store, repairs, use)
        (self.mounted, self.report) = (mounted, report)
        staging = try Staging(in: store)
    }

    mutating func run() throws(ImageError) {
        do { try readImages() } catch {
            // Without it nobody knows what is needed; the blobs can be verified all the same.
            report(Damage("\(error)", remedy: "restore it from a backup, or pull and load the images again"))
        }
        try readUse()
        try staging.lease(Array(users.keys))
        try checkBlobs()
        try checkLayers()
    }

    // MARK: documents

    private mutating func readImages() throws(ImageError) {
        var known: Set<[Digest]> = []
        for group in try store.readIndex().images {
            let names = group.names.isEmpty ? [group.manifest.digest.short] : group.names.map { "\($0)" }
            users[group.manifest.digest, default: []] += names
            guard
                let manifest = read(
                    group.manifest, of: group.manifest, names, limit: DocumentLimit.manifest,
                    { json throws(JSONError) in try Manifest(json) })
            else { continue }
            let blobs = manifest.layers + [manifest.config]
            for digest in Set(blobs.map(\.digest)) { users[digest, default: []] += names }
            guard
                let config = read(
                    manifest.config, of: group.manifest, names, limit: DocumentLimit.config,
                    { json throws(JSONError) in try ImageConfig(json) })
            else { continue }
            guard config.diffIDs.count == manifest.layers.count else {
                report(
                    Damage(
                        "image \(manifest.config.digest.short): \(config.diffIDs.count) diff ids for "
                            + "\(manifest.layers.count) layers", images: names,
                        remedy: "pull or load it again"))
                continue
            }
            for diffID in Set(config.diffIDs) { users[diffID, default: []] += names }
            for (blob, diffID) in zip(manifest.layers, config.diffIDs)
            where known.insert([blob.digest, diffID]).inserted {
                layers.append((blob, diffID))
            }
        }
    }

    /// What is needed by no image; what is not there, those who need it tell or make.
    private mutating func readUse() throws(ImageError) {
        let ofImages = Set(users.keys)
        var needs = use.cached.map { ($0, "the build cache") }
        for container in use.containers.all {
            let name = "container \(container.id.prefix(12))"
            if !ofImages.contains(container.image) { users[container.image, default: []].append(name) }
            needs += container.layers.map { ($0, name) }
        }
        for (diffID, name) in needs where !ofImages.contains(diffID) {
            guard let blob = try store.readLayer(diffID)?.blob else { continue }
            for digest in Set([diffID, blob.digest]).subtracting(ofImages) {
                users[digest, default: []].append(name)
            }
            let isKnown = layers.contains { $0.diffID == diffID && $0.blob.digest == blob.digest }
            if !isKnown { layers.append((blob, diffID)) }
        }
    }

    /// A document that is there, has its digest and can be read. What is wrong with its blob is told with the blobs.
    private func read<Document>(
        _ blob: Descriptor, of manifest: Descriptor, _ names: [String], limit: Int,
        _ make: (JSON) throws(JSONError) -> Document
    ) -> Document? {
        guard let bytes = try? store.document(blob.digest, limit: limit) else {
            if blob.size > Int64(limit) {
                report(
                    Damage(
                        "document \(blob.digest.short) has \(blob.size) bytes: more than \(limit)",
                        images: names, remedy: "remove the image: apus rmi -f \(manifest.digest)"))
            }
            return nil
        }
        do { return try make(JSON(parsing: bytes)) } catch {
            report(
                Damage(
                    "document \(blob.digest.short): \(error)", images: names, remedy: "pull or load it again")
            )
            return nil
        }
    }

    // MARK: blobs

    private mutating func checkBlobs() throws(ImageError) {
        let present = Set(try kernel { () throws(SysError) in try store.blobs.entries().map(\.name.string) })
        for name in present.sorted() {
            guard let digest = Digest(hex: name) else { continue }
            let found: (hex: String, file: SharedFD)?
            do { found = try hash(FilePath(name)) } catch {
                // A disk that cannot read it says so.
                report(
                    Damage("blob \(digest.short): \(error)", images: users[digest] ?? [], remedy: "see dmesg")
                )
                badBlobs.insert(digest)
                continue
            }
            if let found, found.hex != name { try tell(digest, "is damaged", found.file) }
        }
        let missing = users.keys.filter { digest in
            !present.contains(digest.hex)
                && !layers.contains { $0.diffID == digest && $0.blob.digest != digest }
        }
        for digest in missing.sorted(by: { $0.hex < $1.hex }) { try tell(digest, "is missing", nil) }
    }

    /// The file stays open, so that no other one gets its inode; nil when it has been removed meanwhile.
    private func hash(_ name: FilePath) throws(ImageError) -> (hex: String, file: SharedFD)? {
        guard try kernel({ () throws(SysError) in try store.blobs.status(of: name) }) != nil else {
            return nil
        }
        return try kernel { () throws(SysError) in
            let file = SharedFD(try store.blobs.open(name))
            var hash = SHA256()
            while true {
                let bytes = try file.fd.readSome(limit: 1 << 18)
                if bytes.isEmpty { return (hash.hex(), file) }
                bytes.withUnsafeBytes { hash.update($0) }
            }
        }
    }

    /// `file` is what was read; nil for a blob that is not there.
    private mutating func tell(
        _ digest: Digest, _ what: String, _ file: SharedFD?
    ) throws(ImageError) {
        badBlobs.insert(digest)
        let names = users[digest] ?? []
        guard repairs else {
            let remedy = names.isEmpty ? "nothing needs it" : "try --repair, or pull or load it again"
            return report(Damage("blob \(digest.short) \(what)", images: names, remedy: remedy))
        }
        // What stays of a damaged one would keep a pull from fetching it. A pull may have brought a sound one by now.
        if let file, try !store.deleteBlob(digest, ifStill: file) {
            badBlobs.remove(digest)
            return
        }
        if names.isEmpty {
            return report(
                Damage("blob \(digest.short) \(what)", remedy: "removed; nothing needs it", isRepaired: true))
        }
        if try packAgain(digest) {
            badBlobs.remove(digest)
            return report(
                Damage(
                    "blob \(digest.short) \(what)", images: names, remedy: "made again of its layer",
                    isRepaired: true))
        }
        report(Damage("blob \(digest.short) \(what)", images: names, remedy: "pull or load it again"))
    }

    /// The tar of a layer that was made here is what packing its tree gives.
    private func packAgain(_ digest: Digest) throws(ImageError) -> Bool {
        guard let needed = layers.first(where: { $0.blob.digest == digest && $0.diffID == digest }),
            let layer = store.layer(needed.diffID)
        else { return false }
        let staging = try Staging(in: store)
        let file = try staging.makeFile()
        let tree = try kernel { () throws(SysError) in
            SharedFD(try FD.open(layer.tree, [.readOnly, .directory]))
        }
        var packer = TreePacker(to: try kernel { () throws(SysError) in try file.fd.duplicate() }, .copied)
        guard try packer.pack(tree).digest == digest else { return false }
        staging.keep(blob: file.name, digest)
        try staging.commit { _ in }
        return true
    }

    // MARK: layers

    private func checkLayers() throws(ImageError) {
        var compared: Set<Digest> = []
        for (blob, diffID) in layers {
            let names = users[diffID] ?? []
            if compared.contains(diffID), !badBlobs.contains(blob.digest) {
                try checkPair(blob, diffID, names)
                continue
            }
            guard let layer = store.layer(diffID) else {
                let isThere = try kernel { () throws(SysError) in
                    try store.layers.status(of: FilePath(diffID.hex)) != nil
                }
                // One that is not unpacked yet is when it is needed.
                if !isThere, !badBlobs.contains(blob.digest) { continue }
                try tell(diffID, blob, "its record is missing or damaged", names)
                continue
            }
            guard !badBlobs.contains(blob.digest) else {
                if (try? FD.open(layer.tree, .path)) == nil {
                    try tell(diffID, blob, "its tree is missing", names)
                }
                continue
            }
            do {
                guard try store.unpacks(blob, to: diffID) else {
                    try checkPair(blob, diffID, names)
                    continue
                }
                compared.insert(diffID)
                if let difference = try difference(layer, blob) { try tell(diffID, blob, difference, names) }
            } catch {
                report(
                    Damage(
                        "layer \(diffID.short) cannot be checked: \(error)", images: names,
                        remedy: "try again"))
            }
        }
    }

    /// An image that takes one layer's blob for another's is wrong, not the layer.
    private func checkPair(_ blob: Descriptor, _ diffID: Digest, _ names: [String]) throws(ImageError) {
        if try store.unpacks(blob, to: diffID) { return }
        report(
            Damage(
                "blob \(blob.digest.short) is not the layer \(diffID.short) that an image says",
                images: names,
                remedy: "pull or load it again"))
    }

    /// What differs between the tree of a layer and what its blob unpacks to.
    private func difference(_ layer: Layer, _ blob: Descriptor) throws(ImageError) -> String? {
        let fresh = try Staging(in: store)
        let (_, tree) = try fresh.makeTree()
        var reader = TarReader(
            try ByteStream(
                try kernel { () throws(SysError) in try store.blobs.open(FilePath(blob.digest.hex)) },
                name: "blob \(blob.digest.short)"))
        var unpacker = Unpacker(into: tree, rules: UnpackRules(budget: try store.unpackBudget()))
        try unpacker.unpack(&reader)
        guard Int64(clamping: unpacker.bytes) == layer.size, unpacker.isOpaque == layer.isOpaque else {
            return "its record says \(layer.size) bytes, its blob has \(unpacker.bytes)"
        }
        let old: SharedFD
        do { old = SharedFD(try FD.open(layer.tree, [.readOnly, .directory])) } catch {
            return "its tree is missing"
        }
        var comparison = TreeComparison()
        return try kernel { () throws(SysError) in
            try Kernel.withManyDescriptors { () throws(SysError) in
                try comparison.difference(old.fd, tree.fd)
            }
        }
    }

    private func tell(
        _ diffID: Digest, _ blob: Descriptor, _ what: String, _ names: [String]
    ) throws(ImageError) {
        let text = "layer \(diffID.short): \(what)"
        if badBlobs.contains(blob.digest) {
            return report(Damage(text, images: names, remedy: "pull or load it again"))
        }
        guard repairs else { return report(Damage(text, images: names, remedy: "try --repair")) }
        guard try store.replaceLayer(blob, diffID, isMounted: { try mounted().contains(diffID) }) else {
            return report(
                Damage(text, images: names, remedy: "stop the containers that run on it, then repair again"))
        }
        report(Damage(text, images: names, remedy: "unpacked again", isRepaired: true))
    }
}

extension ImageStore {
    /// Verifies every blob, document and layer, and tells what is damaged and whom of images and `use` it hurts. With `repairs` damaged blobs are removed,
    /// those of our own layers made again, and damaged layers unpacked again, but for the `mounted` ones, which is asked
    /// each time; no image is.
    public func check(
        repairs: Bool, use: StoreUse, mounted: @escaping () throws -> Set<Digest>,
        report: @escaping (Damage) -> Void
    ) throws(ImageError) {
        var check = try StoreCheck(self, repairs: repairs, use: use, mounted: mounted, report: report)
        try check.run()
    }
}
