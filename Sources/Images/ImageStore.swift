public import Linux
public import OCI
public import SystemPackage

/// The images of one engine: an OCI image layout (`oci-layout`, `index.json`, `blobs/sha256`) with the unpacked
/// layers beside it (`layers/<diff id>/tree`). `index.json` is the root of truth; every change is made under a
/// lock and durable before it is acknowledged, so that any number of processes may share a store.
public final class ImageStore: Sendable {
    public let root: FilePath

    /// Opens the store at `root`, making it when it is missing, and sweeps what dead processes left behind.
    public init(root: FilePath) throws(ImageError) { self.root = root }

    private static let later = ImageError.invalid("not there yet")

    /// All images, newest first.
    public func images() throws(ImageError) -> [Image] { throw Self.later }
    /// The image that a user means: a reference, an id, or the first three or more digits of one.
    public func image(named name: String) throws(ImageError) -> Image { throw Self.later }
    /// The absolute `tree` directories of an image, lowest first; a missing layer is unpacked again.
    public func layerDirectories(of image: Image) throws(ImageError) -> [FilePath] { throw Self.later }
    /// Makes an image of one layer from a root file system's tar (plain, gzip or zstd).
    public func importRoot(
        _ tar: borrowing FD, as name: Reference?, process: ImageConfig.Process, comment: String?
    ) throws(ImageError) -> Image { throw Self.later }
    /// Reads a docker archive or an OCI layout archive (plain, gzip or zstd), also from a pipe.
    @discardableResult
    public func load(
        _ archive: borrowing FD, onLoaded: (LoadedImage) -> Void = { _ in }
    ) throws(ImageError) -> [LoadedImage] { throw Self.later }
    /// Writes one tar that is a docker archive and an OCI layout at once.
    public func save(_ images: [(Image, [Reference])], to archive: borrowing FD) throws(ImageError) {
        throw Self.later
    }
    /// Gives an image a name, taking it from the one that had it.
    public func tag(_ image: Image, as name: Reference) throws(ImageError) { throw Self.later }
    /// `docker rmi NAME`.
    public func remove(
        _ name: String, force: Bool, noPrune: Bool, inUse: [ContainerUse]
    ) throws(ImageError) -> [Removal] { throw Self.later }
    /// Makes a layer of an overlay's upper directory on the store's file system, which is moved into the store.
    /// Times are cut to seconds and, when later than `epoch`, set to it, in the tree and in the tar.
    public func commitLayer(upper: FilePath, epoch: Int64?) throws(ImageError) -> Layer { throw Self.later }
    /// Makes an image of layers of this store.
    public func create(
        config: ImageConfig, layers: [Layer], as names: [Reference]
    ) throws(ImageError) -> Image { throw Self.later }
    /// The layer with this diff id, when the store has it.
    public func layer(_ diffID: Digest) -> Layer? { nil }
}

/// Unpacks a tar (plain, gzip or zstd; a clear error for others) below `root`, at `path` inside it: what ADD
/// does. Links in `root` and in the tar never lead out of `root`. `owner` replaces the owners of the tar.
public func unpackArchive(
    _ source: borrowing FD, into root: borrowing FD, at path: FilePath = "/",
    owner: (uid: UInt32, gid: UInt32)? = nil
) throws(ImageError) { throw .invalid("not there yet") }

/// Whether a file starts like a tar or like a compressed stream that may hold one, which ADD unpacks.
public func looksLikeArchive(_ source: borrowing FD) throws(ImageError) -> Bool { false }
