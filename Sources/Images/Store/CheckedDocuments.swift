import Linux
import OCI

/// What the documents of every image are checked for, wherever they come from. Their bytes have been verified.
enum CheckedDocuments {
    static func manifest(_ bytes: [UInt8], _ descriptor: Descriptor) throws(ImageError) -> Manifest {
        let what = "manifest \(descriptor.digest.short)"
        let manifest = try parsing(what) { () throws(JSONError) in try Manifest(JSON(parsing: bytes)) }
        guard manifest.mediaType == descriptor.mediaType else {
            throw .invalid("\(what) says it is \(manifest.mediaType), not \(descriptor.mediaType)")
        }
        guard [MediaType.config, MediaType.dockerConfig].contains(manifest.config.mediaType) else {
            throw .invalid("\(what): configurations of type \(manifest.config.mediaType) are not supported")
        }
        for layer in manifest.layers { _ = try ImageStore.compression(of: layer.mediaType) }
        return manifest
    }

    /// Answers which of the layers are to be unpacked, too: each once.
    static func config(
        _ bytes: [UInt8], _ digest: Digest, layers: [Digest]
    ) throws(ImageError) -> (config: ImageConfig, first: [Int]) {
        let what = "config \(digest.short)"
        let config = try parsing(what) { () throws(JSONError) in try ImageConfig(JSON(parsing: bytes)) }
        guard config.platform.os == "linux" else {
            throw .invalid("\(what): images for \(config.platform) do not run on Linux")
        }
        return (config, try LayerList.check(layers, config.diffIDs, of: what))
    }
}

/// The layers of one image, as its documents list them.
enum LayerList {
    /// overlayfs has at most 500 below each other; docker makes 127.
    private static let limit = 500

    /// Answers which to unpack: each once. A list that does not fit its configuration is refused, and one that would
    /// have the same blob unpack to two trees.
    static func check(
        _ blobs: [Digest], _ diffIDs: [Digest], of what: String
    ) throws(ImageError) -> [Int] {
        guard diffIDs.count == blobs.count else {
            throw .invalid("\(what) has \(diffIDs.count) diff ids for \(blobs.count) layers")
        }
        guard blobs.count <= limit else {
            throw .invalid("\(what) has \(blobs.count) layers: more than \(limit)")
        }
        var known: [Digest: Digest] = [:]
        var first: [Int] = []
        for (i, (blob, diffID)) in zip(blobs, diffIDs).enumerated() {
            if known[blob] == nil { first.append(i) }
            guard known.updateValue(diffID, forKey: blob) ?? diffID == diffID else {
                throw .invalid("\(what) has two diff ids for the layer \(blob.short)")
            }
        }
        return first
    }
}
