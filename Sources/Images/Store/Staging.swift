import Linux
import OCI
import SystemPackage

/// What one command is about to add to the store: files and trees in a directory of their own, moved into the
/// store when all of them are durable. Whatever is still there at the end is removed, by the next command if
/// this process dies: its lock tells.
final class Staging {
    /// An open file of the staging directory.
    struct File: ~Copyable {
        let name: FilePath
        let fd: FD
    }
    let directory: Directory
    private let store: ImageStore
    private let name: FilePath
    private let lock: Directory
    private var count = 0
    private var blobs: [(name: FilePath, digest: Digest)] = []
    private var layers: [(name: FilePath, diffID: Digest)] = []

    init(in store: ImageStore) throws(ImageError) {
        let name = FilePath(SHA256.hex(of: Kernel.random(16)))
        (self.store, self.name) = (store, name)
        // Under the store's lock, so that a sweep never sees the directory without its locked file.
        (directory, lock) = try store.locked { () throws(ImageError) in
            try kernel { () throws(SysError) in
                try store.stagings.makeDirectory(name)
                let directory = Directory(try store.stagings.open(name, [.readOnly, .directory]))
                let lock = Directory(
                    try directory.fd.open("lock", [.readWrite, .create, .exclusive], mode: 0o600))
                try lock.fd.lock()
                return (directory, lock)
            }
        }
    }

    deinit {
        _ = try? store.stagings.removeTree(name)  // what remains is swept by the next command
    }

    /// A new empty file.
    func makeFile() throws(ImageError) -> File {
        count += 1
        let name = FilePath("file-\(count)")
        return File(
            name: name,
            fd: try kernel { () throws(SysError) in
                try directory.fd.open(name, [.readWrite, .create, .exclusive], mode: 0o600)
            })
    }

    func open(_ name: FilePath) throws(ImageError) -> FD {
        try kernel { () throws(SysError) in try directory.fd.open(name) }
    }

    /// A new layer directory with an empty `tree`: its name, and the tree.
    func makeTree() throws(ImageError) -> (name: FilePath, tree: Directory) {
        count += 1
        let name = FilePath("layer-\(count)")
        return (
            name,
            try kernel { () throws(SysError) in
                Directory(try directory.fd.openMaking(name.appending("tree")))
            }
        )
    }

    /// The file becomes the blob `digest` when this is committed.
    func keep(blob name: FilePath, _ digest: Digest) {
        // An archive may name one file several times, or hold it twice.
        if !blobs.contains(where: { $0.digest == digest }) { blobs.append((name, digest)) }
    }

    /// A document as a blob.
    func add(_ document: [UInt8], mediaType: String) throws(ImageError) -> Descriptor {
        let file = try makeFile()
        do { try file.fd.writeAll(document) } catch { throw ImageError(error) }
        guard let digest = Digest(hex: SHA256.hex(of: document)) else { throw .invalid("digest") }
        keep(blob: file.name, digest)
        return Descriptor(mediaType: mediaType, digest: digest, size: Int64(document.count))
    }

    /// The layer directory `name` becomes the layer of `record` when this is committed.
    func keep(layer name: FilePath, _ record: LayerRecord) throws(ImageError) {
        try kernel { () throws(SysError) in
            let layer = try directory.fd.open(name, [.readOnly, .directory])
            try layer.replace("layer.json", with: record.json.bytes, durable: false)
        }
        layers.append((name, record.diffID))
    }

    func holds(layer diffID: Digest) -> Bool { layers.contains { $0.diffID == diffID } }

    /// Makes everything durable, moves it into the store and changes the index, in this order: whatever the
    /// index names is whole at any moment.
    func commit(_ change: (inout Index) throws(ImageError) -> Void) throws(ImageError) {
        try kernel { () throws(SysError) in try directory.fd.syncFileSystem() }
        try store.locked { () throws(ImageError) in
            try kernel { () throws(SysError) in try move() }
            var index = try store.readIndex()
            let before = index
            try change(&index)
            if index != before { try store.writeIndex(index) }
        }
    }

    private func move() throws(SysError) {
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
        if !blobs.isEmpty { try store.blobs.sync() }
        if !layers.isEmpty { try store.layers.sync() }
        (blobs, layers) = ([], [])
    }
}

extension ImageStore {
    /// Removes the staging directories whose process has died: nobody holds their lock.
    func sweep() {
        guard let names = try? stagings.entries(), !names.isEmpty else { return }  // nothing that we can see
        for entry in names { _ = try? sweep(entry.name) }  // what cannot be removed hurts nobody
    }

    private func sweep(_ name: FilePath) throws(ImageError) {
        let lock = try locked { () throws(ImageError) -> Directory? in
            try kernel { () throws(SysError) in
                let stale = try stagings.open(name, [.readOnly, .directory])
                let lock = Directory(try stale.open("lock", [.readWrite, .create], mode: 0o600))
                return try lock.fd.lock(wait: false) ? lock : nil
            }
        }
        guard lock != nil else { return }
        try kernel { () throws(SysError) in try stagings.removeTree(name) }
        withExtendedLifetime(lock) {}
    }
}
