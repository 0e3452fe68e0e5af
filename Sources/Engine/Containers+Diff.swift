import Images
import Linux
import SystemPackage

/// What a container changed.
extension Containers {
    /// The changes to the image's files as docker prints them, `A /path`, running or not, without what was only made to mount something there. Nothing
    /// but the writable layer is walked.
    public func diff(_ id: String) throws -> [[UInt8]] {
        let (lower, upper) = try trees(of: id)
        let made = try MountPoints.made(in: upper, above: lower)
        let root =
            lower.isEmpty
            ? try FD.newMount("tmpfs", options: ["size=4k"])
            : try mountOverlay(lower: lower, upper: nil, work: nil)
        let changes = try layerChanges(
            upper: FD.open(upper, [.readOnly, .directory, .noFollow]), above: root, omitting: made)
        return changes.map { Array("\($0.kind.rawValue) /".utf8) + $0.path }
    }
}
