// The members are those of the image-spec (descriptor.md, manifest.md, image-index.md).

/// The media types that are read and written (image-spec, media-types.md; docker's schema 2 for archives).
public enum MediaType {
    public static let index = "application/vnd.oci.image.index.v1+json"
    public static let manifest = "application/vnd.oci.image.manifest.v1+json"
    public static let config = "application/vnd.oci.image.config.v1+json"
    public static let layer = "application/vnd.oci.image.layer.v1.tar"
    public static let layerGzip = "application/vnd.oci.image.layer.v1.tar+gzip"
    public static let layerZstd = "application/vnd.oci.image.layer.v1.tar+zstd"
    public static let dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
    public static let dockerManifestList = "application/vnd.docker.distribution.manifest.list.v2+json"
    public static let dockerConfig = "application/vnd.docker.container.image.v1+json"
    public static let dockerLayer = "application/vnd.docker.image.rootfs.diff.tar"
    public static let dockerLayerGzip = "application/vnd.docker.image.rootfs.diff.tar.gzip"
}

/// A pointer to a blob (image-spec, descriptor.md).
public struct Descriptor: Equatable, Sendable {
    public var mediaType: String
    public var digest: Digest
    /// In bytes, never negative.
    public var size: Int64
    public var annotations: [String: String]
    public var platform: Platform?

    public init(
        mediaType: String, digest: Digest, size: Int64, annotations: [String: String] = [:],
        platform: Platform? = nil
    ) {
        (self.mediaType, self.digest, self.size) = (mediaType, digest, size)
        (self.annotations, self.platform) = (annotations, platform)
    }

    /// Whether it points to an index, of either kind.
    public var isIndex: Bool { [MediaType.index, MediaType.dockerManifestList].contains(mediaType) }

    /// Reads a descriptor; the digest grammar and a size from 0 to 2^53 are checked.
    public init(_ json: JSON) throws(JSONError) {
        mediaType = try json.requireString("mediaType")
        let text = try json.requireString("digest")
        guard let digest = Digest(text) else {
            throw JSONError("digest \"\(text)\" is not sha256:<64 hex digits>")
        }
        self.digest = digest
        size = try json.requireInt("size")
        guard (0...(1 << 53)).contains(size) else { throw JSONError("size \(size) is out of range") }
        annotations = try json.mapOrEmpty("annotations")
        platform = try json.child("platform") { platform throws(JSONError) in
            Platform(
                os: try platform.requireString("os"),
                architecture: try platform.requireString("architecture"),
                variant: try platform.optionalString("variant"))
        }
    }

    public var json: JSON {
        .fields([
            "mediaType": .string(mediaType), "digest": .string(digest.description), "size": .int(size),
            "annotations": .nonEmpty(annotations),
            "platform": platform.map {
                .fields([
                    "architecture": .string($0.architecture), "os": .string($0.os),
                    "variant": $0.variant.map(JSON.string),
                ])
            },
        ])
    }
}

/// An image manifest (image-spec, manifest.md; docker's schema 2 reads the same).
public struct Manifest: Equatable, Sendable {
    public var mediaType: String
    public var config: Descriptor
    public var layers: [Descriptor]

    public init(mediaType: String = MediaType.manifest, config: Descriptor, layers: [Descriptor]) {
        (self.mediaType, self.config, self.layers) = (mediaType, config, layers)
    }

    /// Reads a manifest. One that is also an index (GHSA-xmmx) is refused.
    public init(_ json: JSON) throws(JSONError) {
        guard json["manifests"] == nil else { throw JSONError("document has both layers and manifests") }
        mediaType = try json.optionalString("mediaType") ?? MediaType.manifest
        guard [MediaType.manifest, MediaType.dockerManifest].contains(mediaType) else {
            throw JSONError("mediaType \(mediaType) is not an image manifest")
        }
        self.config = try json.child("config", Descriptor.init).required("config")
        layers = try json.children("layers", Descriptor.init)
    }

    public var json: JSON {
        .fields([
            "schemaVersion": .int(2), "mediaType": .string(mediaType), "config": config.json,
            "layers": .array(layers.map(\.json)),
        ])
    }
}

/// An image index, also `index.json` of a layout (image-spec, image-index.md).
public struct Index: Equatable, Sendable {
    public var manifests: [Descriptor]

    public init(manifests: [Descriptor] = []) { self.manifests = manifests }

    /// Reads an index. One that is also a manifest is refused, and one without its list: taken for an empty
    /// index, a damaged `index.json` would give every blob to the collector.
    public init(_ json: JSON) throws(JSONError) {
        guard json["layers"] == nil, json["config"] == nil else {
            throw JSONError("document has both layers and manifests")
        }
        let mediaType = try json.optionalString("mediaType") ?? MediaType.index
        guard [MediaType.index, MediaType.dockerManifestList].contains(mediaType) else {
            throw JSONError("mediaType \(mediaType) is not an image index")
        }
        guard let members = json.members, members.contains(where: { $0.name == "manifests" }) else {
            throw JSONError("manifests is missing")
        }
        manifests = try json.children("manifests", Descriptor.init)
    }

    public var json: JSON {
        .fields([
            "schemaVersion": .int(2), "mediaType": .string(MediaType.index),
            "manifests": .array(manifests.map(\.json)),
        ])
    }
}

extension Index {
    /// The manifest for a platform: the one of just this variant, else one that says none, else the first that this
    /// architecture runs. Nil when there is none; what is no image (attestations say `unknown`) never fits.
    public func manifest(for platform: Platform) -> Descriptor? {
        let fitting = manifests.filter { candidate in
            guard let other = candidate.platform else { return true }
            return other.os == platform.os && other.architecture == platform.architecture
        }
        let wanted = platform.variant ?? (platform.architecture == "arm64" ? "v8" : nil)
        return fitting.first { $0.platform != nil && $0.platform?.variant == wanted }
            ?? fitting.first { $0.platform != nil && $0.platform?.variant == nil }
            ?? (platform.variant == nil ? fitting.first : fitting.first { $0.platform == nil })
    }
}
