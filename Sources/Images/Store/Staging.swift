import Linux
import OCI
import Synchronization
import SystemPackage

/// What one command is about to add to the store: files and trees in a directory of their own, moved into the
/// store when all of them are durable. Whatever is still there at the end is removed, by the next command if
/// this process dies: its lock tells. Layers may be staged by several threads at once.
final class Staging: Sendable {
    /// An open file of the staging directory.
    struct File: ~Copyable {
        let name: FilePath
        let fd: FD
    }
    let directory: SharedFD
    private let store: ImageStore
    private let name: FilePath
    private let lock: SharedFD
    private let state = Mutex(State())

    private struct State {
        var count = 0
        var blobs: [(name: FilePath, digest: Digest)] = []
        var layers: [(name: FilePath, diffID: Digest)] = []
    }

    init(in store: ImageStore) throws(ImageError) {
        let name = FilePath(SHA256.hex(of: Kernel.random(16)))
        (self.store, self.name) = (store, name)
        // Under the store's lock, so that a sweep never sees the directory without its locked file.
        (directory, lock) = try store.locked { () throws(ImageError) in
            try kernel { () throws(SysError) in
                try store.stagings.makeDirectory(name)
                let directory = SharedFD(try store.stagings.open(name, [.readOnly, .directory]))
                let lock = SharedFD(
                    try directory.fd.open("lock", [.readWrite, .create, .exclusive], mode: 0o600))
                try lock.fd.lock()
                return (directory, lock)
            }
        }
    }

    deinit {
        _ = try? store.stagings.removeTree(name)  // what remains is swept by the next command
    }

    private func newName(_ kind: String) -> FilePath {
        state.withLock { state in
            state.count += 1
            return FilePath("\(kind)-\(state.count)")
        }
    }

    /// A new empty file.
    func makeFile() throws(ImageError) -> File {
        let name = newName("file")
        return File(
            name: name,
            fd: try kernel { () throws(SysError) in
                try directory.fd.open(name, [.readWrite, .create, .exclusive], mode: 0o600)
            })
    }

    /// A second name of a file, for what is to stay where it is until this is committed.
    func link(_ existing: FilePath, of place: borrowing FD) throws(ImageError) -> FilePath {
        let name = newName("file")
        try kernel { () throws(SysError) in try directory.fd.makeLink(name, to: existing, in: place) }
        return name
    }

    func open(_ name: FilePath) throws(ImageError) -> FD {
        try kernel { () throws(SysError) in try directory.fd.open(name) }
    }

    /// A new layer directory with an empty `tree`: its name, and the tree.
    func makeTree() throws(ImageError) -> (name: FilePath, tree: SharedFD) {
        let name = newName("layer")
        return (
            name,
            try kernel { () throws(SysError) in
                SharedFD(try directory.fd.openMaking(name.appending("tree")))
            }
        )
    }

    /// The file becomes the blob `digest` when this is committed.
    func keep(blob name: FilePath, _ digest: Digest) {
        // An archive may name one file several times, or hold it twice.
        state.withLock { state in
            if !state.blobs.contains(where: { $0.digest == digest }) { state.blobs.append((name, digest)) }
        }
    }

    /// A document as a blob.
    func add(_ document: [UInt8], mediaType: String) throws(ImageError) -> Descriptor {
        let file = try makeFile()
        do { try file.fd.writeAll(document) } catch { throw ImageError(error) }
        let digest = Digest(sha256: SHA256.hex(of: document))
        keep(blob: file.name, digest)
        return Descriptor(mediaType: mediaType, digest: digest, size: Int64(document.count))
    }

    /// The layer directory `name` becomes the layer of `record` when this is committed.
    func keep(layer name: FilePath, _ record: LayerRecord) throws(ImageError) {
        try kernel { () throws(SysError) in
            let layer = try directory.fd.open(name, [.readOnly, .directory])
            try layer.replace("layer.json", with: record.json.bytes, durable: false)
        }
        state.withLock { $0.layers.append((name, record.diffID)) }
    }

    func holds(layer diffID: Digest) -> Bool {
        state.withLock { $0.layers.contains { $0.diffID == diffID } }
    }

    // MARK: leases

    private static let leasePrefix = "lease-"

    /// Keeps what the store has of these blobs and layers from being collected until this ends, whatever ends it.
    /// What is there afterwards stays; what is not has to be staged.
    func lease(_ digests: some Sequence<Digest>) throws(ImageError) {
        try store.locked { () throws(ImageError) in
            for digest in digests {
                _ = try kernel { () throws(SysError) in
                    try directory.fd.open(
                        FilePath(Self.leasePrefix + digest.hex), [.writeOnly, .create], mode: 0o600)
                }
            }
        }
    }

    /// Whether the store has this layer whole; it is leased then. One without a good record is removed: it would stay in
    /// the way of a good one.
    func keepsIfThere(layer diffID: Digest) throws(ImageError) -> Bool {
        if holds(layer: diffID) { return true }
        try lease([diffID])
        if try store.readLayer(diffID) != nil { return true }
        try store.removeDamagedLayer(diffID)
        return false
    }

    /// What the commands that are at work have leased. Only under the store's lock.
    static func leases(in store: ImageStore) throws(ImageError) -> Set<Digest> {
        try kernel { () throws(SysError) in
            var leases: Set<Digest> = []
            for staging in try store.stagings.entries() where staging.type == .directory {
                for name in try names(in: staging.name, of: store) where name.hasPrefix(leasePrefix) {
                    if let digest = Digest(hex: String(name.dropFirst(leasePrefix.utf8.count))) {
                        leases.insert(digest)
                    }
                }
            }
            return leases
        }
    }

    /// What has been removed meanwhile, by a command that has ended, leases nothing.
    private static func names(in staging: FilePath, of store: ImageStore) throws(SysError) -> [String] {
        do throws(SysError) {
            return try store.stagings.open(staging, [.readOnly, .directory]).entries().map(\.name.string)
        } catch {
            guard error.errno == .noSuchFileOrDirectory else { throw error }
            return []
        }
    }

    /// Makes everything durable, moves it into the store and changes the index, in this order: whatever the
    /// index names is whole at any moment.
    func commit(_ change: (inout Index) throws(ImageError) -> Void) throws(ImageError) {
        // It can be read until this ends, whoever removes it meanwhile.
        try lease(state.withLock { $0.blobs.map(\.digest) })
        try kernel { () throws(SysError) in try directory.fd.syncFileSystem("\(store.root)") }
        try store.locked { () throws(ImageError) in
            try kernel { () throws(SysError) in try move() }
            var index = try store.readIndex()
            let before = index
            try change(&index)
            if index != before { try store.writeIndex(index) }
        }
    }

    private func move() throws(SysError) {
        let (blobs, layers) = state.withLock { state in
            defer { (state.blobs, state.layers) = ([], []) }
            return (state.blobs, state.layers)
        }
        // A blob that is there already is replaced by the same bytes, which heals a damaged one.
        for blob in blobs {
            try directory.fd.rename(blob.name, to: FilePath(blob.digest.hex), in: store.blobs)
        }
        for layer in layers {
            do {
                try directory.fd.rename(
                    layer.name, to: FilePath(layer.diffID.hex), in: store.layers, exclusive: true)
            } catch {
                guard error.errno == .fileExists else { throw error }  // the same, by another process
            }
        }
        if !blobs.isEmpty { try store.blobs.sync("blobs") }
        if !layers.isEmpty { try store.layers.sync("layers") }
    }
}

extension ImageStore {
    /// Removes the staging directories whose process has died: nobody holds their lock.
    func sweep() {
        guard let names = try? stagings.entries(), !names.isEmpty else { return }  // nothing that we can see
        for entry in names { _ = try? sweep(entry.name) }  // what cannot be removed hurts nobody
    }

    private func sweep(_ name: FilePath) throws(ImageError) {
        var lock: SharedFD?
        // Whoever changes the store may take its time; the next command sweeps.
        let isStale = try lockedIfFree { () throws(ImageError) -> Bool in
            lock = try kernel { () throws(SysError) in try self.lock(ofStaging: name) }
            return try kernel { () throws(SysError) in try lock?.fd.lock(wait: false) ?? true }
        }
        guard isStale == true else { return }
        try kernel { () throws(SysError) in try stagings.removeTree(name) }
        withExtendedLifetime(lock) {}
    }

    /// What has no lock under the store's own is a layer on its way out, or was never whole; none is made for it, which
    /// a full disk would refuse.
    private func lock(ofStaging name: FilePath) throws(SysError) -> SharedFD? {
        let staging = try stagings.open(name, [.readOnly, .directory])
        do throws(SysError) { return SharedFD(try staging.open("lock", .readWrite)) } catch {
            if error.errno == .noSuchFileOrDirectory { return nil }
            throw error
        }
    }
}
