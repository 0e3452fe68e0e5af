public import Linux
public import OCI
import SystemPackage

extension ImageStore {
    /// Makes an image of one layer from a root file system's tar (plain, gzip or zstd), read once. Its time
    /// is that of the newest entry, so that the same tar gives the same image.
    public func importRoot(
        _ tar: borrowing FD, as name: Reference?, process: ImageConfig.Process, comment: String?
    ) throws(ImageError) -> Image {
        let source = SharedFD(try kernel { () throws(SysError) in try tar.duplicate() })
        return try operation("import") { () throws(ImageError) in
            let staging = try Staging(in: self)
            let (layer, newest) = try stageImport(source, in: staging)
            let created = Timestamp(seconds: newest).rfc3339Short
            var config = ImageConfig()
            config.created = created
            config.process = process
            config.diffIDs = [layer.diffID]
            config.history = [ImageConfig.History(created: created, createdBy: nil, comment: comment)]
            return try finish(config, layers: [layer.blob], as: name.map { [$0] } ?? [], in: staging)
        }
    }

    /// A file without a name on the store's file system, for what is fetched before it is imported.
    public func scratchFile() throws(ImageError) -> FD {
        do { return try stagings.open(".", [.readWrite, .unnamed], mode: 0o600) } catch {
            throw ImageError(error).within("make a file for the download")
        }
    }

    private func stageImport(
        _ source: SharedFD, in staging: Staging
    ) throws(ImageError) -> (layer: LayerRecord, newest: Int64) {
        let file = try staging.makeFile()
        let (name, tree) = try staging.makeTree()
        var reader = TarReader(
            try ByteStream(
                try kernel { () throws(SysError) in try source.fd.duplicate() },
                copyTo: try kernel { () throws(SysError) in try file.fd.duplicate() }))
        var unpacker = Unpacker(into: tree, rules: UnpackRules(budget: try unpackBudget()))
        try unpacker.unpack(&reader)
        guard reader.entries > 0 else { throw .invalid("the archive is empty (is it a tar?)") }
        let digests = reader.stream.digests()
        let (digest, diffID) = (Digest(sha256: digests.raw), Digest(sha256: digests.plain))
        staging.keep(blob: file.name, digest)
        let record = LayerRecord(
            diffID: diffID,
            blob: Descriptor(
                mediaType: Self.mediaType(of: reader.stream.compression), digest: digest,
                size: Int64(reader.stream.rawCount)),
            size: Int64(unpacker.bytes), isOpaque: unpacker.isOpaque)
        if try !staging.keepsIfThere(layer: diffID) { try staging.keep(layer: name, record) }
        return (record, reader.newest)
    }

    /// Writes the documents of an image and commits it with everything staged.
    func finish(
        _ config: ImageConfig, layers: [Descriptor], as names: [Reference], in staging: Staging,
        checking check: () throws(ImageError) -> Void = {}
    ) throws(ImageError) -> Image {
        let manifest = Manifest(
            config: try staging.add(config.json.bytes, mediaType: MediaType.config), layers: layers)
        let descriptor = try staging.add(manifest.json.bytes, mediaType: MediaType.manifest)
        try commit([(descriptor, names)], in: staging, checking: check)
        return try image(ImageEntry(manifest: descriptor, names: names))
    }

    /// Enters staged images in the index, when `check` agrees under the lock.
    func commit(
        _ images: [(manifest: Descriptor, names: [Reference])], in staging: Staging,
        registryDigest: Digest? = nil, checking check: () throws(ImageError) -> Void = {}
    ) throws(ImageError) {
        try staging.commit { index throws(ImageError) in
            try check()
            for image in images {
                var entry = image.manifest
                entry.annotations = [:]
                if image.names.isEmpty { index.enter(entry, as: nil) }
                for name in image.names { index.enter(entry, as: name, registryDigest: registryDigest) }
            }
        }
    }
}
