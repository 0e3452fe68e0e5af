import Linux
import SystemPackage

/// Filling a new volume with what the image has in its place.
extension Volumes {
    /// Copies into an empty volume; false when the image has no such directory. The image's tree is read through a
    /// detached read-only mount.
    func copyUp(_ target: String, to volume: borrowing FD, layers: [FilePath]) throws -> Bool {
        let root = try mountOverlay(lower: layers.reversed(), upper: nil, work: nil)
        let source: FD
        do {
            source = try root.open(FilePath(target), [.readOnly, .directory])
        } catch {
            if error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory { return false }
            throw error
        }
        try volume.copyTree(of: source)
        return true
    }
}
