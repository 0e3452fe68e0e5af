import Linux
import OCI
import SystemPackage

/// A bind that the parent makes in the child's mount namespace when the child asks for it: mapping the ids of a mount
/// needs the host's own privileges (mount_setattr(2), MOUNT_ATTR_IDMAP), and so does a source that a user namespace's
/// root may not see. Made when it is its turn, because a mount before it may bring its source.
struct RequestedTree: Equatable, Sendable {
    let path: String
    let isRecursive: Bool
    /// nil: the ids stay as they are.
    let maps: Maps?

    struct Maps: Equatable, Sendable {
        var users: Users
        var isRecursive = false
    }

    /// Whose ids a mount has.
    enum Users: Equatable, Sendable {
        case mappings(uid: IDMap, gid: IDMap)
        /// The container's own new user namespace.
        case container
        case path(String)
    }

    /// A detached copy of the source, as the process sees it.
    func make(for process: borrowing Pidfd) throws(SysError) -> FD {
        let users = try maps.map { maps throws(SysError) in try UserNamespace(maps.users, process) }
        let visit = try NamespaceVisit(process)
        let tree: FD
        do {
            tree = try FD.open(FilePath(path), .path).cloneTree(recursive: isRecursive)
        } catch {
            try visit.leave()
            throw error
        }
        try visit.leave()
        if let users { try tree.mapIDs(users.fd, recursive: maps?.isRecursive ?? false) }
        return tree
    }
}

private final class UserNamespace {
    let fd: FD

    init(_ users: RequestedTree.Users, _ process: borrowing Pidfd) throws(SysError) {
        switch users {
        case .mappings(let uid, let gid):
            fd = try Process.userNamespace(uidMap: uid.text, gidMap: gid.text)
        case .container: fd = try FD.open(FilePath("/proc/\(process.pid)/ns/user"))
        case .path(let path): fd = try FD.open(FilePath(path))
        }
    }
}

/// A short stay in the mount namespace of a child, which changes root and directory of this process.
private final class NamespaceVisit {
    private let own: FD
    private let root: FD
    private let directory: FD

    init(_ process: borrowing Pidfd) throws(SysError) {
        own = try FD.open("/proc/self/ns/mnt")
        root = try FD.open("/", [.path, .directory])
        directory = try FD.open(".", [.path, .directory])
        try Process.enter(.mount, of: process.fd)
    }

    func leave() throws(SysError) {
        try Process.enter(.mount, of: own)
        try Kernel.changeRoot(root)
        try Kernel.changeDirectory(directory)
    }
}
