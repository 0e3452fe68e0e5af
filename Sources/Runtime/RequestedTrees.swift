import Linux
import OCI
import SystemPackage

/// A bind that the parent makes in the child's mount namespace when the child asks for it: mapping the ids of a mount
/// needs the host's own privileges (mount_setattr(2), MOUNT_ATTR_IDMAP), and so does a source that a user namespace's
/// root may not see. Made when it is its turn, because a mount before it may bring its source.
struct RequestedTree: Equatable, Sendable {
    let path: String
    var facts = BindSource()
    /// As the child sees it; else as we do: a root that is attached over `/` hides the host from whoever enters.
    var isSeenByChild = true
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
        /// The source's owner and these change places; all others stay as they are.
        case owner(uid: UInt32, gid: UInt32)
    }

    /// A detached copy of the source, as the process sees it.
    func make(for process: borrowing Pidfd) throws(SysError) -> FD {
        let tree = try clone(for: process)
        guard let maps else { return tree }
        let users = try UserNamespace(maps.users, process, of: tree)
        do { try tree.mapIDs(users.fd, recursive: maps.isRecursive) } catch {
            guard error.errno == .invalidArgument else { throw error }
            throw SysError(
                call: error.call, subject: path, errno: error.errno,
                hint: "its file system cannot have its ids mapped")
        }
        return tree
    }

    private func clone(for process: borrowing Pidfd) throws(SysError) -> FD {
        let visit: NamespaceVisit
        if let other = facts.process {
            guard let donor = try Pidfd.find(pid: other.pid, startTime: other.startTime) else {
                throw SysError(call: "open", subject: path, errno: .noSuchProcess)
            }
            visit = try NamespaceVisit(donor)
        } else if isSeenByChild {
            visit = try NamespaceVisit(process)
        } else {
            return try facts.open(FilePath(path)).cloneTree(recursive: isRecursive)
        }
        let tree: FD
        do {
            tree = try facts.open(FilePath(path)).cloneTree(recursive: isRecursive)
        } catch {
            try visit.leave()
            throw error
        }
        try visit.leave()
        return tree
    }
}

private final class UserNamespace {
    let fd: FD

    init(
        _ users: RequestedTree.Users, _ process: borrowing Pidfd, of tree: borrowing FD
    ) throws(SysError) {
        switch users {
        case .owner(let uid, let gid):
            let status = try tree.status()
            fd = try Process.userNamespace(
                uidMap: swappedIDs(status.uid, uid), gidMap: swappedIDs(status.gid, gid))
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

/// Lines of a map (user_namespaces(7)) in which two ids have changed places.
func swappedIDs(_ one: UInt32, _ other: UInt32) -> String {
    // The last number is no id.
    if max(one, other) == .max { return "0 0 \(UInt32.max)\n" }
    let (low, high) = (min(one, other), max(one, other))
    var lines: [String] = []
    func keep(_ first: UInt32, before end: UInt32) {
        if first < end { lines.append("\(first) \(first) \(end - first)\n") }
    }
    keep(0, before: low)
    lines.append("\(low) \(high) 1\n")
    if low < high {
        keep(low + 1, before: high)
        lines.append("\(high) \(low) 1\n")
    }
    keep(high + 1, before: .max)
    return lines.joined()
}
