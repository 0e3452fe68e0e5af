import Linux
import OCI
import SystemPackage

/// The bytes of a store by who needs them: each blob and layer counts once, for the first of images, the build cache,
/// containers and commands at work.
public struct StoreUsage: Sendable {
    /// An image with what it has for itself.
    public struct OneImage: Sendable {
        public let image: Image
        public let bytes: Int64
        /// Of the parts that other images have too.
        public let shared: Int64
    }
    public var images: [OneImage] = []
    /// Of all images together.
    public var imageParts = StoreParts()
    /// Of images that no container has, without what others share with them.
    public var idleImageBytes: Int64 = 0
    public var cached = StoreParts()
    /// What is left of images that containers keep, and what commands at work rely on.
    public var held = StoreParts()
    public var garbage = StoreParts()
    /// What came of pulls that were cut; `busy` are those under way.
    public var downloads = Bytes()
    public var busyDownloads = Bytes()
    /// What commands at work have staged, and what dead ones left.
    public var stagings = Bytes()
    public var deadStagings = Bytes()
    /// Images that cannot be read; what they need is among `garbage`, and is not collected.
    public var damaged: [String] = []

    /// A number of things and their bytes.
    public struct Bytes: Equatable, Sendable {
        public var count = 0
        public var bytes: Int64 = 0
        public init() {}
        mutating func add(_ more: Int64) { (count, bytes) = (count + 1, bytes + more) }
    }
}

extension ImageStore {
    /// Looks at everything.
    public func usage(use ask: () throws -> StoreUse) throws(ImageError) -> StoreUsage {
        var usage = try locked { () throws(ImageError) in try partsInUse(try Self.ask(ask)) }
        try kernel { () throws(SysError) in
            if let downloads = try downloadsIfThere() {
                for entry in try downloads.sortedEntries() {
                    let size = Int64(clamping: entry.status.size)
                    if isBusy(entry.path, in: downloads) {
                        usage.busyDownloads.add(size)
                    } else {
                        usage.downloads.add(size)
                    }
                }
            }
            for entry in try stagings.entries() {
                let size = try stagings.treeSize(of: entry.name)
                if isBusy(entry.name.appending("lock"), in: stagings) {
                    usage.stagings.add(size)
                } else {
                    usage.deadStagings.add(size)
                }
            }
        }
        return usage
    }

    private func partsInUse(_ use: StoreUse) throws(ImageError) -> StoreUsage {
        var usage = StoreUsage()
        var rest = try parts()
        func take(_ needs: Needs) -> StoreParts {
            let taken = rest.filter(blobs: needs.blobs.contains, layers: needs.layers.contains)
            rest = rest.without(taken)
            return taken
        }
        let all = rest
        let images = try self.images { usage.damaged.append("\($0)") }
        var users: [Digest: Int] = [:]
        var (ofImages, ofActive) = (Needs(), Needs())
        let active = Set(use.containers.all.map(\.image))
        for image in images {
            var needs = Needs()
            needs.add(image)
            for digest in needs.blobs.union(needs.layers) { users[digest, default: 0] += 1 }
            ofImages.add(image)
            if active.contains(image.id) { ofActive.add(image) }
        }
        usage.images = images.map { image in
            var needs = Needs()
            needs.add(image)
            let own = all.filter(blobs: needs.blobs.contains, layers: needs.layers.contains)
            let shared = own.filter(
                blobs: { users[$0, default: 0] > 1 }, layers: { users[$0, default: 0] > 1 })
            return StoreUsage.OneImage(image: image, bytes: own.bytes, shared: shared.bytes)
        }
        usage.imageParts = take(ofImages)
        let idle = usage.imageParts.filter(
            blobs: { !ofActive.blobs.contains($0) }, layers: { !ofActive.layers.contains($0) })
        usage.idleImageBytes = idle.bytes
        usage.cached = take(try withBlobs(Needs(blobs: [], layers: use.cached)))
        usage.held = take(try needs(of: use))
        usage.garbage = rest
        return usage
    }

    /// With the blobs that layers came from.
    private func withBlobs(_ needs: Needs) throws(ImageError) -> Needs {
        var needs = needs
        for diffID in needs.layers { if let layer = layer(diffID) { needs.blobs.insert(layer.blob.digest) } }
        return needs
    }

    /// Whether a command at work holds the lock of a file. What is gone is no one's.
    private func isBusy(_ name: FilePath, in directory: borrowing FD) -> Bool {
        guard let file = try? directory.open(name, .readWrite), let isFree = try? file.lock(wait: false)
        else {
            return false
        }
        return !isFree
    }

    /// Removes downloads that nobody is at, however new they are.
    public func removeDownloads() throws(ImageError) { try sweepDownloads(all: true) }
}
