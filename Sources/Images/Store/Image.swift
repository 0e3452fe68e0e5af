public import Linux
public import OCI
public import SystemPackage

/// An image of the store: its documents, read and verified.
public struct Image: Equatable, Sendable {
    /// Of the manifest: what a registry and `index.json` call it.
    public let digest: Digest
    /// The other manifests of the same configuration: the same layers packed in other ways, under other names or under
    /// none. Only a listing has them; to whoever types an id they are one image.
    public private(set) var twins: [Twin] = []

    /// One more manifest of an image.
    public struct Twin: Equatable, Sendable {
        let digest: Digest
        let manifest: Manifest
        let isNamed: Bool
    }
    /// Of the configuration: docker's IMAGE ID.
    public var id: Digest { manifest.config.digest }
    /// As it stands in the store, byte for byte behind `digest`.
    public let manifest: Manifest
    /// Read from the blob `id`.
    public let config: ImageConfig
    /// Every name it has, sorted; empty for a dangling image.
    public private(set) var names: [Reference]
    /// Its repositories with the digests by which their registries have it (an index's, where the name means one), as
    /// far as a pull or a push has told, sorted.
    public private(set) var digests: [Reference]
    /// Bytes of all files in its layers.
    public let size: Int64
    /// When it was made; `Timestamp.zero` when its configuration does not say.
    public let created: Timestamp
    /// When it was given a name last; `Timestamp.zero` when that is not known.
    public private(set) var tagged: Timestamp
    /// Since when it has been here as it is: what was just built from an old base is new.
    public var appeared: Timestamp { max(created, tagged) }

    init(manifest: Manifest, config: ImageConfig, entry: ImageEntry, size: Int64) {
        (digest, self.manifest, self.config, self.size) = (entry.manifest.digest, manifest, config, size)
        (names, digests, tagged) = (entry.names.sorted(), entry.digests.sorted(), entry.tagged)
        created = config.created.flatMap { Timestamp(parsing: $0) } ?? .zero
    }

    /// Takes in what another manifest of the same configuration has.
    mutating func join(_ other: Image) {
        twins.append(
            Twin(digest: other.digest, manifest: other.manifest, isNamed: !other.names.isEmpty))
        twins += other.twins
        names = (names + other.names).sorted()
        digests = Set(digests + other.digests).sorted()
        tagged = max(tagged, other.tagged)
    }
}

/// A layer of the store: its tree is complete and durable.
public struct Layer: Equatable, Sendable {
    /// Of the uncompressed tar.
    public let diffID: Digest
    /// The blob it came from or was written to.
    public let blob: Descriptor
    /// Bytes of its files.
    public let size: Int64
    /// Hides everything below it (a `.wh..wh..opq` at its root), which overlayfs does not do by itself.
    public let isOpaque: Bool
    /// The tree in overlay form, absolute.
    public let tree: FilePath
}

/// One image that `load` brought in.
public struct LoadedImage: Sendable, CustomStringConvertible {
    /// With the names of the archive.
    public let image: Image
    /// The names it was given by the archive.
    public let names: [Reference]
    /// Those that another image had, by its id.
    public let taken: [(name: Reference, from: Digest)]

    /// What `docker load` prints, one line a name.
    public var description: String {
        let lines = taken.map {
            "The image \($0.name) already exists, renaming the old one with ID \($0.from) to empty string"
        }
        let names = names.map { "Loaded image: \($0)" }
        return (lines + (names.isEmpty ? ["Loaded image ID: \(image.id)"] : names)).joined(separator: "\n")
    }
}

/// One step of removing an image; the description is docker's line.
public enum Removal: Equatable, Sendable, CustomStringConvertible {
    case untagged(String)
    case deleted(Digest)

    /// `Untagged: NAME` or `Deleted: sha256:...`.
    public var description: String {
        switch self {
        case .untagged(let name): "Untagged: \(name)"
        case .deleted(let digest): "Deleted: \(digest)"
        }
    }
}

/// What a container needs of the store, so that removing an image leaves it whole.
public struct ContainerUse: Equatable, Sendable {
    /// The container's.
    public let id: String
    /// The image's id (digest of its configuration).
    public let image: Digest
    /// The diff ids of its layers.
    public let layers: [Digest]
    /// A running container keeps its image even from `force`.
    public let isRunning: Bool

    /// The use that one container makes.
    public init(id: String, image: Digest, layers: [Digest], isRunning: Bool) {
        (self.id, self.image, self.layers, self.isRunning) = (id, image, layers, isRunning)
    }
}

/// What all containers need.
public struct ContainerUses: Equatable, Sendable {
    public var all: [ContainerUse]
    /// A line for each container whose needs cannot be read. What is needed is not known then: nothing is collected.
    public var unknown: [String]

    public init(_ all: [ContainerUse] = [], unknown: [String] = []) {
        (self.all, self.unknown) = (all, unknown)
    }
}
