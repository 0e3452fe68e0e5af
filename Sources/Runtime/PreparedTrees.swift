import Linux
import OCI
import SystemPackage

/// Mount trees that only the parent can make: mapping the ids of a mount needs the host's own privileges
/// (mount_setattr(2), MOUNT_ATTR_IDMAP), and so does a source that a user namespace's root may not see. The child
/// attaches them. Nil: the source is not there yet, because a mount of the container brings it.
final class PreparedTrees {
    final class Tree {
        let fd: FD
        init(_ fd: consuming FD) { self.fd = fd }
    }
    private(set) var trees: [Tree?] = []

    /// One for each mount of the plan, in its order.
    init(_ plans: [PreparedMount]) throws(RuntimeError) {
        for plan in plans { trees.append(try plan.make()) }
    }
}

/// A bind for the parent to make.
struct PreparedMount: Equatable, Sendable {
    let mount: MountStep
    let path: String
    /// nil: the ids stay as they are.
    let maps: Maps?
    /// For a user namespace: what the container itself could not take away stays, although the parent could.
    var isLocked = false

    struct Maps: Equatable, Sendable {
        let uid: IDMap
        let gid: IDMap
    }

    fileprivate func make() throws(RuntimeError) -> PreparedTrees.Tree? {
        do {
            let tree = try FD.open(FilePath(path), .path).cloneTree(recursive: mount.options.isRecursiveBind)
            try mount.prepare(tree, isLocked: isLocked)
            guard let maps else { return PreparedTrees.Tree(tree) }
            let users = try Process.userNamespace(uidMap: maps.uid.text, gidMap: maps.gid.text)
            try tree.mapIDs(users, recursive: mount.options.mapsIDsRecursively)
            return PreparedTrees.Tree(tree)
        } catch {
            if error.errno == .noSuchFileOrDirectory, maps == nil { return nil }
            // Without privileges only the root of the container's own user namespace may.
            if error.errno == .notPermitted, maps == nil, Process.effectiveUser != 0 { return nil }
            let what = maps == nil ? "" : "failed to set MOUNT_ATTR_IDMAP: "
            throw RuntimeError(
                "error mounting \"\(path)\" to rootfs at \"\(mount.destination)\": \(what)\(error)")
        }
    }
}
