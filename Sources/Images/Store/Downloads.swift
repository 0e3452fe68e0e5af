import Linux
import OCI
import SystemPackage

/// A blob on its way from a registry: `downloads/<hex>` has what came so far, so that a pull that was cut goes on where
/// it stopped, also in another process. One task uses it at a time.
public final class Download {
    let blob: Descriptor
    /// Bytes that are there.
    public private(set) var count: Int64
    private let file: FD

    init(_ blob: Descriptor, _ file: consuming FD) throws(ImageError) {
        do { count = Int64(clamping: try file.status().size) } catch { throw ImageError(error) }
        self.blob = blob
        self.file = file
    }

    /// Whether all of it came, in number; what it is, the unpacking tells.
    public var isComplete: Bool { count == blob.size }

    /// Goes on at `offset`: where it stopped, or at 0 with a registry that knows only whole blobs.
    public func start(at offset: Int64) throws(ImageError) {
        guard offset == 0 || offset == count else {
            throw .invalid("blob \(blob.digest.short): the registry goes on at byte \(offset), not \(count)")
        }
        count = offset
        try kernel { () throws(SysError) in try file.setSize(offset) }
    }

    /// Takes the next bytes; more than the descriptor says is refused at once.
    public func receive(_ bytes: UnsafeRawBufferPointer) throws(ImageError) {
        guard Int64(bytes.count) <= blob.size - count else {
            try start(at: 0)
            throw .invalid(
                "blob \(blob.digest.short) is longer than \(blob.size) bytes, as its descriptor says")
        }
        do { try file.writeAll(bytes, at: count) } catch {
            throw ImageError(error, on: "blob \(blob.digest.short)")
        }
        count += Int64(bytes.count)
    }

    /// The end of what the registry sent.
    public func finish() throws(ImageError) {
        guard isComplete else {
            throw .invalid(
                "blob \(blob.digest.short) ended after \(count) of \(blob.size) bytes")
        }
    }
}

/// The right to download a blob: nobody else has it while this lives.
final class DownloadLock: Sendable {
    let file: FD
    init(_ file: consuming FD) { self.file = file }
}

extension ImageStore {
    /// How long what is left of a cut pull waits for the next one.
    private static let patience: Int64 = 7 * 86_400

    private static func name(of digest: Digest) -> FilePath { FilePath(digest.hex) }

    /// The directory of blobs on their way.
    func downloads() throws(SysError) -> FD { try directory.openMaking("downloads") }

    /// The same for those who only look: there may be no room to make it.
    func downloadsIfThere() throws(SysError) -> FD? {
        do throws(SysError) { return try directory.open("downloads", [.readOnly, .directory]) } catch {
            if error.errno == .noSuchFileOrDirectory { return nil }
            throw error
        }
    }

    /// Nil while another process downloads it.
    func lockDownload(_ digest: Digest) throws(ImageError) -> DownloadLock? {
        try kernel { () throws(SysError) in
            let downloads = try downloads()
            while true {
                let file = try downloads.open(Self.name(of: digest), [.readWrite, .create], mode: 0o600)
                guard try file.lock(wait: false) else { return nil }
                // It may have been finished and removed between the two calls.
                let named = try downloads.status(of: Self.name(of: digest))
                if named?.inode == (try file.status().inode) { return DownloadLock(file) }
            }
        }
    }

    func openDownload(_ digest: Digest) throws(ImageError) -> FD {
        try kernel { () throws(SysError) in try downloads().open(Self.name(of: digest), .readWrite) }
    }

    /// Whether nothing of it is there.
    func isEmptyDownload(_ digest: Digest) -> Bool {
        // What cannot be looked at stays for the sweep.
        (try? downloads().status(of: Self.name(of: digest))?.size) == 0
    }

    func removeDownload(_ digest: Digest) {
        _ = try? downloads().remove(Self.name(of: digest))  // the next sweep finds it
    }

    /// Removes what nobody is downloading: all of it, or what no pull has come back for.
    func sweepDownloads(all: Bool = false) throws(ImageError) {
        try kernel { () throws(SysError) in
            guard let downloads = try downloadsIfThere() else { return }
            for entry in try downloads.entries() {
                guard let status = try downloads.status(of: entry.name) else { continue }
                guard all || status.mtime.seconds + Self.patience < Timestamp.now().seconds else { continue }
                // Gone meanwhile.
                guard let file = try? downloads.open(entry.name, .readWrite) else { continue }
                if try file.lock(wait: false) { try downloads.remove(entry.name) }
            }
        }
    }
}
