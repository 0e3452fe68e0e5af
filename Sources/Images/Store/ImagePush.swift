public import Linux
public import OCI
import SystemPackage

/// What one push sends, kept in the store until it has ended. Layers that were made here are plain tars; they are
/// compressed on the way, so the manifest that arrives is another one.
public final class ImagePush: Sendable {
    public let image: Image
    private let store: ImageStore
    private let staging: Staging

    /// A blob, and the file that has it from its first byte on.
    public struct Content: ~Copyable, Sendable {
        public let blob: Descriptor
        public let file: FD
    }

    public init(_ image: Image, of store: ImageStore) throws(ImageError) {
        (self.image, self.store) = (image, store)
        staging = try Staging(in: store)
        try staging.lease([image.digest, image.id] + image.manifest.layers.map(\.digest))
    }

    /// The configuration.
    public func config() throws(ImageError) -> Content {
        Content(blob: image.manifest.config, file: try store.openBlob(image.manifest.config))
    }

    /// A layer as it is sent: gzip, unless it is compressed already.
    public func layer(_ layer: Descriptor) throws(ImageError) -> Content {
        let file = try store.openBlob(layer)
        guard try ImageStore.compression(of: layer.mediaType) == .none,
            let compressor = try Compressor(.gzip)
        else { return Content(blob: layer, file: file) }
        let packed = try staging.makeFile()
        let (digest, size) = try compressor.pack(file, to: packed.fd)
        let isDocker = layer.mediaType == MediaType.dockerLayer
        let blob = Descriptor(
            mediaType: isDocker ? MediaType.dockerLayerGzip : MediaType.layerGzip, digest: digest,
            size: Int64(size))
        return Content(blob: blob, file: try staging.open(packed.name))
    }

    /// The manifest for the layers as they were sent.
    public func manifest(layers: [Descriptor]) throws(ImageError) -> (descriptor: Descriptor, bytes: [UInt8])
    {
        var bytes = try store.document(image.digest, limit: DocumentLimit.manifest)
        if layers.map(\.digest) != image.manifest.layers.map(\.digest) {
            var manifest = image.manifest
            manifest.layers = layers
            bytes = manifest.json.bytes
        }
        let descriptor = Descriptor(
            mediaType: image.manifest.mediaType, digest: Digest(sha256: SHA256.hex(of: bytes)),
            size: Int64(bytes.count))
        return (descriptor, bytes)
    }
}
