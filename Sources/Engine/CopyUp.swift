import Linux
import SystemPackage

/// Filling a new volume with what the image has in its place.
extension Volumes {
    /// Copies once, into an empty volume. The image's tree is read through a detached read-only mount.
    func copyUp(_ target: String, to directory: FilePath, layers: [FilePath]) throws {
        let volume = try FD.open(directory, [.readOnly, .directory])
        guard try volume.entries().isEmpty else { return }
        let root = try mountOverlay(lower: layers.reversed(), upper: nil, work: nil)
        let source: FD
        do {
            source = try root.open(FilePath(target), [.readOnly, .directory])
        } catch {
            if error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory { return }
            throw error
        }
        try volume.copyTree(of: source)
    }
}
