import Linux
public import OCI
public import SystemPackage

extension ImageStore {
    /// Makes a layer of an overlay's upper directory on the store's file system, which is moved into the
    /// store (and gone from `upper`). Times are cut to seconds and, when later than `epoch`, set to it, in
    /// the tree and in the tar, which is written and digested in one pass. A layer of the same content is not
    /// kept twice.
    public func commitLayer(upper: FilePath, epoch: Int64?) throws(ImageError) -> Layer {
        try operation("commit a layer") { () throws(ImageError) in
            let staging = try Staging(in: self)
            let file = try staging.makeFile()
            let name = try staging.makeTree().name
            let parent = try kernel { () throws(SysError) in
                SharedFD(try FD.open(upper.removingLastComponent(), [.readOnly, .directory]))
            }
            let base = FilePath(upper.lastComponent?.string ?? ".")
            let tree = try kernel { () throws(SysError) in
                SharedFD(
                    try parent.fd.open(base, [.readOnly, .directory], resolve: [.beneath, .noSymlinks]))
            }
            var packer = TreePacker(
                to: try kernel { () throws(SysError) in try file.fd.duplicate() }, .taken(epoch: epoch))
            let (digest, size) = try packer.pack(tree)
            let blob = Descriptor(mediaType: MediaType.layer, digest: digest, size: Int64(size))
            staging.keep(blob: file.name, digest)
            if try !staging.keepsIfThere(layer: digest) {
                let record = LayerRecord(
                    diffID: digest, blob: blob, size: Int64(packer.bytes), isOpaque: packer.isOpaque)
                try move(base, of: parent, to: name, in: staging)
                try staging.keep(layer: name, record)
            }
            try staging.commit { _ in }
            guard let layer = layer(digest) else { throw .invalid("the layer is not there after its commit") }
            return layer
        }
    }

    private func move(
        _ upper: FilePath, of parent: SharedFD, to name: FilePath, in staging: Staging
    ) throws(ImageError) {
        try kernel { () throws(SysError) in
            let target = try staging.directory.fd.open(name, [.readOnly, .directory])
            try target.remove("tree", directory: true)
            try parent.fd.rename(upper, to: "tree", in: target)
        }
    }

    /// Makes an image of layers of this store.
    public func create(
        config: ImageConfig, layers: [Layer], as names: [Reference]
    ) throws(ImageError) -> Image {
        try operation("create image") { () throws(ImageError) in
            let staging = try Staging(in: self)
            var config = config
            config.diffIDs = layers.map(\.diffID)
            return try finish(config, layers: layers.map(\.blob), as: names, in: staging) {
                () throws(ImageError) in
                for layer in layers {
                    let blob = FilePath(layer.blob.digest.hex)
                    guard try kernel({ () throws(SysError) in try blobs.status(of: blob) }) != nil else {
                        throw .invalid(
                            "the blob of layer \(layer.diffID.short) is gone (pull or load its image again, or "
                                + "forget the layer: apus builder prune -a)")
                    }
                }
            }
        }
    }
}
