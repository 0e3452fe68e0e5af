import Linux
public import OCI
public import SystemPackage

extension ImageStore {
    /// The configuration of an image that a container keeps, whether or not the image is still listed.
    public func configuration(_ id: Digest) throws(ImageError) -> ImageConfig {
        let bytes = try document(id, limit: DocumentLimit.config)
        do { return try ImageConfig(JSON(parsing: bytes)) } catch {
            throw .invalid("image \(id.short): \(error)")
        }
    }

    /// Makes an image of the layers of `config` and one more: a copy of an overlay's upper directory, which is not
    /// changed. `omitting` are paths below it that are no part of the image. Where nothing is left there is no new layer,
    /// and the last step of the history says so.
    public func commit(
        upper: FilePath, omitting omitted: Set<String>, _ config: ImageConfig, as name: Reference?
    ) throws(ImageError) -> Image {
        try operation("commit") { () throws(ImageError) in
            let staging = try Staging(in: self)
            var layers = try lease(config.diffIDs, in: staging)
            var config = config
            if let added = try stageCopy(of: upper, omitting: omitted, in: staging) {
                layers.append(added)
                config.diffIDs.append(added.digest)
            } else if let last = config.history.indices.last {
                config.history[last].emptyLayer = true
            }
            return try finish(config, layers: layers, as: name.map { [$0] } ?? [], in: staging)
        }
    }

    /// The blobs of layers that are there, which nobody takes away meanwhile.
    private func lease(_ diffIDs: [Digest], in staging: Staging) throws(ImageError) -> [Descriptor] {
        try staging.lease(diffIDs)
        var result: [Descriptor] = []
        for diffID in diffIDs {
            guard let blob = layer(diffID)?.blob else {
                throw .invalid("layer \(diffID.short) is missing (pull or load its image again)")
            }
            try staging.lease([blob.digest])
            let isThere = try kernel { () throws(SysError) in
                try blobs.status(of: FilePath(blob.digest.hex)) != nil
            }
            guard isThere else {
                throw .invalid("blob \(blob.digest) is missing (pull or load its image again)")
            }
            result.append(blob)
        }
        return result
    }

    /// The tar of an upper directory as a blob, and unpacked from it, so that the tree is what the tar says.
    private func stageCopy(
        of upper: FilePath, omitting omitted: Set<String>, in staging: Staging
    ) throws(ImageError) -> Descriptor? {
        let tree = try kernel { () throws(SysError) in
            SharedFD(try FD.open(upper, [.readOnly, .directory, .noFollow]))
        }
        let file = try staging.makeFile()
        var packer = TreePacker(
            to: try kernel { () throws(SysError) in try file.fd.duplicate() }, .copied,
            omitting: Set(omitted.map { Array($0.utf8) }))
        let (digest, size) = try packer.pack(tree)
        guard packer.entries > 0 else { return nil }
        let blob = Descriptor(mediaType: MediaType.layer, digest: digest, size: Int64(clamping: size))
        staging.keep(blob: file.name, digest)
        try stageLayer(try staging.open(file.name), blob, diffID: digest, in: staging)
        return blob
    }
}
