import Linux
import OCI
import Synchronization
public import SystemPackage

/// The images of one engine: an OCI image layout (`oci-layout`, `index.json`, `blobs/sha256`) with the
/// unpacked layers beside it (`layers/<diff id>/tree`). `index.json` is the root of truth; every change is
/// made under a lock and durable before it is acknowledged, so that any number of processes may share a
/// store.
public final class ImageStore: Sendable {
    /// Absolute.
    public let root: FilePath
    let directory: FD
    let blobs: FD
    let layers: FD
    let stagings: FD

    /// Opens the store at `root`, making it when it is missing, and sweeps what dead processes left behind.
    public init(root: FilePath) throws(ImageError) {
        let here = root.isRelative ? FilePath(bytes: Kernel.currentDirectory() ?? []) : "/"
        self.root = here.pushing(root)
        do {
            directory = try FD.directory(here.pushing(root), make: true)
            blobs = try directory.openMaking("blobs/sha256")
            layers = try directory.openMaking("layers")
            stagings = try directory.openMaking("staging")
            if try directory.status(of: "oci-layout" as FilePath) == nil {
                try directory.replace("oci-layout", with: Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8))
            }
        } catch {
            throw ImageError(error).within("open the image store \(root)")
        }
        sweep()
    }

    /// Runs `body` as the only one in the store: for changes of `index.json` and what it names.
    func locked<R>(_ body: () throws(ImageError) -> R) throws(ImageError) -> R {
        let lock = try kernel { () throws(SysError) in
            let lock = try openLock()
            try lock.fd.lock()
            return lock
        }
        defer { withExtendedLifetime(lock) {} }  // closing it ends the lock
        return try body()
    }

    /// The same when no other command is in the store; else nil.
    func lockedIfFree<R>(_ body: () throws(ImageError) -> R) throws(ImageError) -> R? {
        let lock = try kernel { () throws(SysError) in
            let lock = try openLock()
            return try lock.fd.lock(wait: false) ? lock : nil
        }
        guard lock != nil else { return nil }
        defer { withExtendedLifetime(lock) {} }  // closing it ends the lock
        return try body()
    }

    private func openLock() throws(SysError) -> SharedFD {
        SharedFD(try directory.open("lock", [.readWrite, .create], mode: 0o600))
    }

    /// Runs a command's work: its name goes before errors, and a full disk is described with what is free.
    func operation<R>(_ name: String, _ body: () throws(ImageError) -> R) throws(ImageError) -> R {
        do { return try body() } catch { throw described(error, of: name) }
    }

    /// An error of a command's work as it is told.
    public func described(_ error: ImageError, of name: String) -> ImageError {
        let error = error.within(name)
        // Without the numbers the text is shorter.
        guard error.kind == .noSpace, let free = try? directory.freeSpace() else { return error }
        return error.hinting(
            "undone; \(free.bytes >> 20) MiB and \(free.inodes) inodes are free in \(root) again; "
                + "remove images with `apus rmi` or choose another --root")
    }

    // MARK: index.json

    static let nameKey = "org.opencontainers.image.ref.name"
    static let containerdKey = "io.containerd.image.name"
    static let registryKey = "apus.registry.digest"
    static let taggedKey = "apus.tagged"

    func readIndex() throws(ImageError) -> Index {
        let bytes = try kernel { () throws(SysError) in try directory.contents(of: "index.json") }
        guard let bytes else { return Index() }
        do {
            return try Index(try JSON(parsing: bytes))
        } catch {
            throw .invalid("\(root)/index.json is damaged: \(error)")
        }
    }

    private static let spare: FilePath = "index.spare"

    /// Replaces the index by a file that was put by for it, with its inode and blocks: images can be removed when the
    /// disk is full. Only under the lock.
    func writeIndex(_ index: Index) throws(ImageError) {
        let bytes = index.json.bytes
        do throws(SysError) { try replaceIndex(bytes) } catch {
            throw ImageError(error, on: "index.json")
        }
        // Where it cannot be put by now, the next change does without.
        _ = try? putBy(Int64(bytes.count))
    }

    private func replaceIndex(_ bytes: [UInt8]) throws(SysError) {
        let file = try directory.open(Self.spare, [.writeOnly, .create], mode: 0o600, resolve: [.beneath])
        try file.writeAll(bytes)
        do throws(SysError) {
            try file.setSize(Int64(bytes.count))
            try file.sync()
            try directory.rename(Self.spare, to: "index.json", in: directory)
        } catch {
            _ = try? directory.remove(Self.spare)  // what a failed sync has dropped no later one would write
            throw error
        }
        try directory.sync()
    }

    private func putBy(_ size: Int64) throws(SysError) {
        let file = try directory.open(Self.spare, [.writeOnly, .create], mode: 0o600, resolve: [.beneath])
        try file.allocate(size)
    }

    // MARK: documents

    /// A document of the store, verified by its digest.
    func document(_ digest: Digest, limit: Int) throws(ImageError) -> [UInt8] {
        let bytes = try kernel { () throws(SysError) in
            try blobs.contents(of: FilePath(digest.hex), limit: limit)
        }
        guard let bytes else {
            throw .invalid("blob \(digest) is missing from the store (pull or load it again)")
        }
        guard SHA256.hex(of: bytes) == digest.hex else {
            throw .invalid("blob \(digest) is damaged (pull or load it again)")
        }
        return bytes
    }

    /// A blob that is there whole, in number.
    func openBlob(_ blob: Descriptor) throws(ImageError) -> FD {
        do throws(SysError) {
            let file = try blobs.open(FilePath(blob.digest.hex))
            if try file.status().size == UInt64(clamping: blob.size) { return file }
        } catch {
            guard error.errno == .noSuchFileOrDirectory else { throw ImageError(error) }
            throw .invalid("blob \(blob.digest) is missing (pull or load it again)")
        }
        throw .invalid("blob \(blob.digest) is damaged (pull or load it again)")
    }

    /// Reads the image of an entry; `sizes` remembers those of layers, which images share.
    func image(_ entry: ImageEntry, sizes: LayerSizes = LayerSizes()) throws(ImageError) -> Image {
        let descriptor = entry.manifest
        do {
            let manifest = try Manifest(
                try JSON(parsing: try document(descriptor.digest, limit: DocumentLimit.manifest)))
            let config = try ImageConfig(
                try JSON(parsing: try document(manifest.config.digest, limit: DocumentLimit.config)))
            let size = config.diffIDs.reduce(Int64(0)) { sum, diffID in
                sum + sizes.size(of: diffID) { layer(diffID)?.size ?? 0 }
            }
            return Image(
                manifest: manifest, config: config,
                entry: entry, size: size)
        } catch let error as ImageError {
            throw error.within("image \(descriptor.digest.short)")
        } catch {
            throw .invalid("image \(descriptor.digest.short): \(error)")
        }
    }

    /// All images, newest first, each configuration once. A damaged one hurts no other: it is told to `onDamage` and left out.
    /// They are read by several threads with `inParallel`, which is not for a process that starts containers.
    public func images(
        inParallel: Bool = false, onDamage: (ImageError) -> Void = { _ in }
    ) throws(ImageError) -> [Image] {
        // One with a name stands for its twins without.
        let entries = try readIndex().images.sorted { !$0.names.isEmpty && $1.names.isEmpty }
        let sizes = LayerSizes()
        let found = Mutex([Result<Image, ImageError>?](repeating: nil, count: entries.count))
        let read = { @Sendable (number: Int) in
            let result: Result<Image, ImageError>
            do throws(ImageError) {
                result = .success(try self.image(entries[number], sizes: sizes))
            } catch { result = .failure(error) }
            found.withLock { $0[number] = result }
        }
        if inParallel {
            try sideBySide(entries.count) { number throws(ImageError) in read(number) }
        } else {
            entries.indices.forEach(read)
        }
        var images: [Image] = []
        var places: [Digest: Int] = [:]
        for result in found.withLock({ $0 }) {
            switch result {
            case .success(let image):
                if let at = places[image.id] {
                    images[at].join(image)
                } else {
                    places[image.id] = images.count
                    images.append(image)
                }
            case .failure(let error): onDamage(error)
            case nil: break
            }
        }
        return images.sorted {
            ($1.created, $1.tagged, $0.digest.hex) < ($0.created, $0.tagged, $1.digest.hex)
        }
    }
}

/// The sizes of layers that were read already.
final class LayerSizes: Sendable {
    private let known = Mutex<[Digest: Int64]>([:])

    func size(of diffID: Digest, _ read: () -> Int64) -> Int64 {
        if let size = known.withLock({ $0[diffID] }) { return size }
        let size = read()
        known.withLock { $0[diffID] = size }
        return size
    }
}

/// Bounds on documents (security.md, 3.2).
enum DocumentLimit {
    static let manifest = 4 << 20
    static let config = 8 << 20
}

extension Index {
    /// The entries by manifest, with all its names.
    var images: [ImageEntry] {
        var order: [Digest] = []
        var groups: [Digest: ImageEntry] = [:]
        for entry in manifests {
            if groups[entry.digest] == nil { order.append(entry.digest) }
            var image = groups.removeValue(forKey: entry.digest) ?? ImageEntry(manifest: entry)
            image.tagged = max(image.tagged, entry.tagged)
            if let name = entry.reference { image.add(name, entry.registryDigest) }
            groups[entry.digest] = image
        }
        return order.compactMap { groups[$0] }
    }

    /// Gives a name to a manifest and takes it from others; a manifest keeps one entry without a name when it
    /// has no other. Without a name the manifest is entered when it is not there yet. `registryDigest` is what the name
    /// means in its registry (an index, or a manifest of layers that were compressed on the way); what is known of that
    /// is kept where nothing changes.
    mutating func enter(
        _ manifest: Descriptor, as name: Reference?, registryDigest: Digest? = nil, now: Timestamp = .now()
    ) {
        let tagged = now.rfc3339Nano
        if let name {
            let same = manifests.first { $0.digest == manifest.digest && $0.isNamed(name) }
            remove(name)
            manifests.removeAll { $0.digest == manifest.digest && $0.reference == nil }
            var entry = manifest
            entry.annotations = [
                ImageStore.nameKey: name.canonical, ImageStore.containerdKey: name.canonical,
            ]
            entry.annotations[ImageStore.taggedKey] = tagged
            entry.annotations[ImageStore.registryKey] = (registryDigest ?? same?.registryDigest)?.description
            manifests.append(entry)
        } else if !manifests.contains(where: { $0.digest == manifest.digest }) {
            var entry = manifest
            entry.annotations = [ImageStore.taggedKey: tagged]
            manifests.append(entry)
        }
    }

    /// Takes a name away; the image that had it stays, if need be without a name.
    mutating func remove(_ name: Reference) {
        guard let at = manifests.firstIndex(where: { $0.isNamed(name) }) else { return }
        var entry = manifests.remove(at: at)
        entry.annotations = entry.annotations.filter { $0.key == ImageStore.taggedKey }
        if !manifests.contains(where: { $0.digest == entry.digest }) { manifests.append(entry) }
    }
}

/// An image as the index has it.
struct ImageEntry {
    let manifest: Descriptor
    private(set) var names: [Reference] = []
    /// Repositories with the digests that their registries have, each once.
    private(set) var digests: [Reference] = []
    /// When it was entered last.
    var tagged = Timestamp.zero

    init(manifest: Descriptor, names: [Reference] = []) {
        self.manifest = manifest
        for name in names { add(name, nil) }
    }

    mutating func add(_ name: Reference, _ registryDigest: Digest?) {
        names.append(name)
        guard let digest = name.digest ?? registryDigest else { return }
        if !digests.contains(name.at(digest)) { digests.append(name.at(digest)) }
    }
}

extension Descriptor {
    /// What the name of an entry means in its registry; nil: not known, or the manifest itself.
    var registryDigest: Digest? { annotations[ImageStore.registryKey].flatMap { Digest($0) } }

    /// Whether an entry has this name; quicker than taking apart what all of them say.
    func isNamed(_ name: Reference) -> Bool {
        guard let text = annotations[ImageStore.containerdKey], text == annotations[ImageStore.nameKey] else {
            return reference == name
        }
        return text == name.canonical
    }

    /// When an entry was made.
    var tagged: Timestamp {
        annotations[ImageStore.taggedKey].flatMap { Timestamp(parsing: $0) } ?? .zero
    }

    /// The name in an entry of our index; what other tools wrote there may be only a tag, which names
    /// nothing.
    var reference: Reference? {
        // A name in full says it all: who gives an entry another one may keep containerd's of the old.
        if let full = annotations[ImageStore.nameKey], let name = try? Reference(full),
            name.canonical == full
        {
            return name
        }
        for key in [ImageStore.containerdKey, ImageStore.nameKey] {
            guard let text = annotations[key], text.contains("/") || text.contains(":") else { continue }
            if let name = try? Reference(text) { return name }  // not a name: an image without one
        }
        return nil
    }
}
