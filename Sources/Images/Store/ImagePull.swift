import Linux
public import OCI
import Synchronization
import SystemPackage

/// The store's side of one pull: the caller fetches documents and blobs from wherever they are; what has come whole is
/// unpacked, and the image is there when all of it is. Layers may be fetched and unpacked side by side.
public final class ImagePull: Sendable {
    private let store: ImageStore
    private let staging: Staging
    private let locks = Mutex<[Digest: DownloadLock]>([:])

    /// What is known of an image before its layers.
    public struct Plan: Sendable {
        fileprivate let descriptor: Descriptor
        /// Each layer once, lowest first.
        public let layers: [(blob: Descriptor, diffID: Digest)]
    }

    public init(into store: ImageStore) throws(ImageError) {
        self.store = store
        staging = try Staging(in: store)
        _ = try? store.sweepDownloads()  // what cannot be removed hurts nobody
    }

    /// The longest configuration that is read, in bytes.
    public static let configLimit = DocumentLimit.config

    /// Reads a manifest that came with this digest; a longer one than 4 MiB is refused.
    public static func manifest(_ bytes: [UInt8], _ descriptor: Descriptor) throws(ImageError) -> Manifest {
        let what = "manifest \(descriptor.digest.short)"
        try check(bytes, descriptor, limit: DocumentLimit.manifest, what)
        return try CheckedDocuments.manifest(bytes, descriptor)
    }

    /// Reads an index likewise.
    public static func index(_ bytes: [UInt8], _ descriptor: Descriptor) throws(ImageError) -> Index {
        let what = "index \(descriptor.digest.short)"
        try check(bytes, descriptor, limit: DocumentLimit.manifest, what)
        return try parsing(what) { () throws(JSONError) in try Index(JSON(parsing: bytes)) }
    }

    private static func check(
        _ bytes: [UInt8], _ descriptor: Descriptor, limit: Int, _ what: String
    ) throws(ImageError) {
        guard bytes.count <= limit else {
            throw .invalid("\(what) has \(bytes.count) bytes: more than \(limit)")
        }
        guard Int64(bytes.count) == descriptor.size else {
            throw .invalid("\(what) has \(bytes.count) bytes, its descriptor says \(descriptor.size)")
        }
        let hex = SHA256.hex(of: bytes)
        guard hex == descriptor.digest.hex else {
            throw .invalid("\(what): digest mismatch, content has sha256:\(hex)")
        }
    }

    /// Takes the two documents of an image.
    public func plan(
        manifest bytes: [UInt8], _ descriptor: Descriptor, config configBytes: [UInt8]
    ) throws(ImageError) -> Plan {
        let manifest = try Self.manifest(bytes, descriptor)
        let what = "config \(manifest.config.digest.short)"
        try Self.check(configBytes, manifest.config, limit: DocumentLimit.config, what)
        let (config, first) = try CheckedDocuments.config(
            configBytes, manifest.config.digest, layers: manifest.layers.map(\.digest))
        _ = try staging.add(configBytes, mediaType: manifest.config.mediaType)
        _ = try staging.add(bytes, mediaType: descriptor.mediaType)
        return Plan(
            descriptor: Descriptor(
                mediaType: descriptor.mediaType, digest: descriptor.digest, size: descriptor.size),
            layers: first.map { (manifest.layers[$0], config.diffIDs[$0]) })
    }

    /// Takes the right to download these blobs, so that each is downloaded once, however many processes want it. False
    /// when another one downloads the next of them: to be asked again in a moment. The order is the same in every
    /// process, so that no two wait for each other.
    public func takeDownloads(_ blobs: [Descriptor]) throws(ImageError) -> Bool {
        let taken = locks.withLock { Set($0.keys) }
        for digest in Set(blobs.map(\.digest)).subtracting(taken).sorted(by: { $0.hex < $1.hex }) {
            guard let lock = try store.lockDownload(digest) else { return false }
            locks.withLock { $0[digest] = lock }
        }
        return true
    }

    /// Whether the store does not have the bytes of a blob.
    public func lacks(_ blob: Descriptor) throws(ImageError) -> Bool {
        try kernel { () throws(SysError) in try store.blobs.status(of: FilePath(blob.digest.hex)) } == nil
    }

    /// Whether the store has a layer, blob and tree: then it keeps both until this pull has ended.
    public func keepsIfThere(_ blob: Descriptor, _ diffID: Digest) throws(ImageError) -> Bool {
        try staging.lease([blob.digest, diffID])
        guard let layer = store.layer(diffID), try store.has(blob) else { return false }
        // Whoever knows the two digests has not shown that they belong together.
        if layer.blob.digest == blob.digest { return true }
        return try store.unpacks(blob, to: diffID)
    }

    /// What is there of a blob whose download is ours; more than its descriptor says is thrown away.
    public func download(_ blob: Descriptor) throws(ImageError) -> Download {
        let download = try Download(blob, store.openDownload(blob.digest))
        if download.count > blob.size { try download.start(at: 0) }
        return download
    }

    /// Unpacks a layer that has come whole, and verifies its digests on the way. What is not what it should be is
    /// thrown away.
    public func unpack(_ blob: Descriptor, _ diffID: Digest) throws(ImageError) {
        do {
            try store.stageLayer(store.openDownload(blob.digest), blob, diffID: diffID, in: staging)
        } catch {
            if error.kind == .invalid { try download(blob).start(at: 0) }
            throw error
        }
        let place = try kernel { () throws(SysError) in try store.downloads() }
        staging.keep(blob: try staging.link(FilePath(blob.digest.hex), of: place), blob.digest)
    }

    /// The image becomes visible with these names, whole and durable.
    /// `registryDigest` is what the names mean in the registry: the manifest, or an index that led to it.
    public func commit(
        _ plan: Plan, as names: [Reference], registryDigest: Digest
    ) throws(ImageError) -> Image {
        try store.commit(
            [(plan.descriptor, names)], in: staging, registryDigest: registryDigest)
        endDownloads()
        return try store.image(ImageEntry(manifest: plan.descriptor, names: names))
    }

    /// After an error: of what came some is kept for the next pull, and of what was refused nothing.
    public func endEmptyDownloads() {
        for digest in locks.withLock({ Array($0.keys) }) where store.isEmptyDownload(digest) {
            locks.withLock { locks in
                store.removeDownload(digest)
                locks[digest] = nil
            }
        }
    }

    /// The rights end, and with them the files: after a commit they are blobs, after a full disk they are in the way.
    public func endDownloads() {
        let taken = locks.withLock { locks in
            defer { locks = [:] }
            return locks
        }
        for digest in taken.keys { store.removeDownload(digest) }
    }
}

extension ImageStore {
    /// Whether a blob is there with all its bytes, in number.
    public func has(_ blob: Descriptor) throws(ImageError) -> Bool {
        let status = try kernel { () throws(SysError) in try blobs.status(of: FilePath(blob.digest.hex)) }
        return status?.size == UInt64(clamping: blob.size)
    }

    /// The bytes of a configuration that is here, whole.
    public func knownConfig(_ descriptor: Descriptor) -> [UInt8]? {
        // Absent or damaged: it is fetched.
        try? document(descriptor.digest, limit: DocumentLimit.config)
    }
}
