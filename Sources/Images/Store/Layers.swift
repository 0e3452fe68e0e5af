import Linux
public import OCI
public import SystemPackage

/// What `layers/<diff id>/layer.json` says of the tree beside it.
struct LayerRecord: Equatable {
    var diffID: Digest
    var blob: Descriptor
    /// Bytes of the files' content.
    var size: Int64
    /// Everything below is hidden.
    var isOpaque: Bool

    init(diffID: Digest, blob: Descriptor, size: Int64, isOpaque: Bool) {
        (self.diffID, self.blob, self.size, self.isOpaque) = (diffID, blob, size, isOpaque)
    }

    init(_ json: JSON) throws(JSONError) {
        guard let diffID = Digest(try json.requireString("diffID")), let blob = json["blob"] else {
            throw JSONError("diffID or blob is missing")
        }
        guard try json.requireString("markers") == OverlayMarkers.form else { throw JSONError("markers") }
        self.init(
            diffID: diffID, blob: try Descriptor(blob), size: try json.requireInt("size"),
            isOpaque: try json.optionalBool("opaque") ?? false)
    }

    var json: JSON {
        .fields([
            "diffID": .string(diffID.description), "blob": blob.json, "size": .int(size),
            "markers": .string(OverlayMarkers.form), "opaque": isOpaque ? .bool(true) : nil,
        ])
    }
}

extension ImageStore {
    /// The layer with this diff id; nil when the store does not have it whole.
    public func layer(_ diffID: Digest) -> Layer? {
        try? readLayer(diffID)  // for those who do without it
    }

    /// The same for those who would remove what is not there: a failing disk, or too many open files, are no answer.
    func readLayer(_ diffID: Digest) throws(ImageError) -> Layer? {
        let bytes = try kernel { () throws(SysError) in
            try layers.contents(of: FilePath("\(diffID.hex)/layer.json"), limit: 1 << 20)
        }
        // A damaged record is a layer that is not there: it is unpacked again.
        guard let bytes, let json = try? JSON(parsing: bytes), let record = try? LayerRecord(json),
            record.diffID == diffID
        else { return nil }
        return Layer(
            diffID: diffID, blob: record.blob, size: record.size, isOpaque: record.isOpaque,
            tree: root.appending("layers").appending(diffID.hex).appending("tree"))
    }

    /// The absolute `tree` directories of an image, lowest first; a missing layer is unpacked again. What a
    /// layer hides as a whole is left out, and a layer that comes twice counts where it is topmost.
    public func layerDirectories(of image: Image) throws(ImageError) -> [FilePath] {
        guard image.manifest.layers.count == image.config.diffIDs.count else {
            throw .invalid("image \(image.id.short): layers and diff ids differ in number")
        }
        var result: [FilePath] = []
        for (blob, diffID) in zip(image.manifest.layers, image.config.diffIDs) {
            var found = try readLayer(diffID)
            if found == nil { found = try unpackAgain(blob, diffID) }
            guard let layer = found else { continue }
            if layer.isOpaque { result.removeAll() }
            result.removeAll { $0 == layer.tree }
            result.append(layer.tree)
        }
        return result
    }

    /// Whether the trees of layers are there, asked when no other command can remove them: whoever is on record as
    /// their user before asks so, and keeps them from then on.
    public func holds(trees: [FilePath]) throws(ImageError) -> Bool {
        try locked { () throws(ImageError) in
            for tree in trees {
                let name = FilePath(tree.removingLastComponent().lastComponent?.string ?? "")
                if try kernel({ () throws(SysError) in try layers.status(of: name) }) == nil { return false }
            }
            return true
        }
    }

    func unpackAgain(_ blob: Descriptor, _ diffID: Digest) throws(ImageError) -> Layer {
        try operation("unpack layer \(diffID.short)") { () throws(ImageError) in
            let staging = try Staging(in: self)
            let file: FD
            do throws(SysError) { file = try blobs.open(FilePath(blob.digest.hex)) } catch {
                guard error.errno == .noSuchFileOrDirectory else { throw ImageError(error) }
                throw ImageError(.notFound, "No such image any more: its blob \(blob.digest.short) is gone")
            }
            try stageLayer(file, blob, diffID: diffID, in: staging)
            try staging.commit { _ in }
            guard let layer = layer(diffID) else { throw .invalid("the layer is damaged") }
            return layer
        }
    }

    /// Puts a fresh tree, which was compared with the blob, in the place of a damaged one; false: `isMounted` says that a
    /// container runs on it. That is asked when no other command can start one.
    func replaceLayer(
        _ blob: Descriptor, _ diffID: Digest, isMounted: () throws -> Bool
    ) throws(ImageError) -> Bool {
        try operation("unpack layer \(diffID.short)") { () throws(ImageError) in
            let staging = try Staging(in: self)
            let file = try kernel { () throws(SysError) in try blobs.open(FilePath(blob.digest.hex)) }
            try stageLayer(file, blob, diffID: diffID, in: staging, replacing: true)
            let isFree = try locked { () throws(ImageError) in
                if try Self.ask(isMounted) { return false }
                try discardLayer(diffID)
                return true
            }
            if isFree { try staging.commit { _ in } }
            return isFree
        }
    }

    /// Whether a blob of the store is this layer in another form.
    func unpacks(_ blob: Descriptor, to diffID: Digest) throws(ImageError) -> Bool {
        let file = try kernel { () throws(SysError) in try blobs.open(FilePath(blob.digest.hex)) }
        var stream = try ByteStream(file, name: "blob \(blob.digest.short)")
        try stream.drain()
        let digests = stream.digests()
        return digests.raw == blob.digest.hex && digests.plain == diffID.hex
    }

    /// A layer directory without a good record cannot stay in the way of a good one.
    func removeDamagedLayer(_ diffID: Digest) throws(ImageError) {
        try locked { () throws(ImageError) in
            if try readLayer(diffID) == nil { try discardLayer(diffID) }
        }
    }

    /// Moves a layer out of sight at once, then removes it: it is never there in part. Only under the lock.
    func discardLayer(_ diffID: Digest) throws(ImageError) {
        let name = FilePath("removed-" + SHA256.hex(of: Kernel.random(16)))
        try kernel { () throws(SysError) in
            guard try layers.status(of: FilePath(diffID.hex)) != nil else { return }
            try layers.rename(FilePath(diffID.hex), to: name, in: stagings)
            try stagings.removeTree(name)
        }
    }

    /// How much content may be unpacked: what is free, less a little for records.
    func unpackBudget() throws(ImageError) -> UInt64 {
        let free = try kernel { () throws(SysError) in try directory.freeSpace() }
        return min(free.bytes - min(free.bytes / 64, 64 << 20), 200 << 30)
    }

    /// Unpacks a verified blob into `staging` unless the layer is there, and checks the diff id in both
    /// cases. With `replacing` it is unpacked in any case.
    func stageLayer(
        _ file: consuming FD, _ blob: Descriptor, diffID: Digest, in staging: Staging,
        replacing: Bool = false
    ) throws(ImageError) {
        var reader = TarReader(try ByteStream(file, name: "blob \(blob.digest.short)"))
        guard reader.stream.compression == (try Self.compression(of: blob.mediaType)) else {
            throw .invalid("layer \(blob.digest.short) is not what its media type \(blob.mediaType) says")
        }
        // The one that is replaced may be mounted.
        if !replacing, try staging.keepsIfThere(layer: diffID) {
            try reader.stream.drain()
            return try check(&reader, blob, diffID)
        }
        let (name, tree) = try staging.makeTree()
        var unpacker = Unpacker(into: tree, rules: UnpackRules(budget: try unpackBudget()))
        try unpacker.unpack(&reader)
        try check(&reader, blob, diffID)
        try staging.keep(
            layer: name,
            LayerRecord(
                diffID: diffID,
                blob: Descriptor(mediaType: blob.mediaType, digest: blob.digest, size: blob.size),
                size: Int64(unpacker.bytes), isOpaque: unpacker.isOpaque))
    }

    private func check(_ reader: inout TarReader, _ blob: Descriptor, _ diffID: Digest) throws(ImageError) {
        let digests = reader.stream.digests()
        guard digests.raw == blob.digest.hex else {
            throw .invalid("layer \(blob.digest.short): digest mismatch, content has sha256:\(digests.raw)")
        }
        guard digests.plain == diffID.hex else {
            throw .invalid("layer \(blob.digest.short): diff id is sha256:\(digests.plain), not \(diffID)")
        }
    }

    static func compression(of mediaType: String) throws(ImageError) -> Compression {
        switch mediaType {
        case MediaType.layer, MediaType.dockerLayer: .none
        case MediaType.layerGzip, MediaType.dockerLayerGzip: .gzip
        case MediaType.layerZstd: .zstd
        default: throw .invalid("layers of type \(mediaType) are not supported")
        }
    }

    static func mediaType(of compression: Compression) -> String {
        switch compression {
        case .gzip: MediaType.layerGzip
        case .zstd: MediaType.layerZstd
        default: MediaType.layer
        }
    }
}
