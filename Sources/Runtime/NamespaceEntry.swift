import Linux
import SystemPackage

/// A process that enters namespaces on behalf of the child it is about to clone, and comes back after the clone: a
/// child in a user namespace of its own could not join what belongs to the host. pid and time namespaces take effect
/// for children only; a mount namespace is the child's own business, because ours must still see the host.
///
/// From a user namespace there is no way back: one that is given by path is entered by a process in between, which
/// clones the child as ours, so that the child's other namespaces belong to that one.
final class NamespaceEntry {
    private final class Entered {
        let own: FD
        let kind: Namespaces
        init(own: consuming FD, kind: Namespaces) {
            self.own = own
            self.kind = kind
        }
    }
    private var entered: [Entered] = []
    private var user: NamespaceFile?
    /// Those that only members of that user namespace may enter.
    private var later: [NamespaceFile] = []
    /// For the child.
    private(set) var mount: NamespaceFile?

    /// Opens all before it enters the first: a path may be one of a namespace that is being left.
    init(_ plan: NamespacePlan) throws(RuntimeError) {
        var files: [NamespaceFile] = []
        for joined in plan.joined {
            let file = try NamespaceFile(joined)
            switch joined.kind {
            case .user: user = file
            case .mount:
                try file.refuseOwn()
                mount = file
            default: files.append(file)
            }
        }
        do throws(SysError) {
            for file in files { try enter(file) }
            if plan.makesTime { try makeTime(plan.timeOffsets) }
        } catch {
            throw RuntimeError("unable to start container process: \(error)")
        }
    }

    private func enter(_ file: NamespaceFile) throws(SysError) {
        let own = try FD.open(FilePath("/proc/self/ns/\(file.kind.fileName)"))
        do {
            try file.enter()
        } catch {
            guard user != nil, error.errno == .notPermitted else { throw error }
            later.append(file)
            return
        }
        entered.append(Entered(own: own, kind: file.kind))
    }

    private func makeTime(_ offsets: [String]) throws(SysError) {
        let own = try FD.open("/proc/self/ns/time")
        try Process.unshare(.time)
        entered.append(Entered(own: own, kind: .time))
        guard !offsets.isEmpty else { return }
        try FD.open("/proc/self/timens_offsets", .writeOnly).writeAll(Array(offsets.joined().utf8))
    }

    /// From a cgroup namespace that is joined, other cgroups than those below it are not there (ENOENT, where cgroup v2
    /// is mounted with `nsdelegate`): the child is made in ours, and moved once we are back.
    private var movesChild: Bool {
        entered.contains { $0.kind == .cgroup } || later.contains { $0.kind == .cgroup }
    }

    /// Clones the child, always a child of this process; then `leave`.
    func clone(_ created: Namespaces, cgroup: CInt?) throws(SysError) -> CloneSide {
        let cgroup = movesChild ? nil : cgroup
        guard let user else { return try Process.clone(created, cgroup: cgroup) }
        let pair = try MessagePair()
        switch try Process.clone([]) {
        case .child:
            let sync = pair.keepTheirs()
            do {
                try user.enter()
                for file in later { try file.enter() }
                switch try Process.clone(created, cgroup: cgroup, asSibling: true) {
                case .child: return .child
                case .parent(let pidfd): try sync.sendMessage([1], descriptor: pidfd.fd)
                }
            } catch {
                // Nobody hears it when the parent is gone.
                _ = try? sync.sendMessage([UInt8(clamping: error.errno.rawValue)])
            }
            Process.exitNow(0)
        case .parent(let helper):
            let sync = pair.keepOurs()
            var answer = try sync.receiveMessage(limit: 16)
            _ = try helper.reap(wait: true)
            if let pidfd = answer.descriptor.take() { return .parent(try Pidfd(adopting: pidfd)) }
            throw SysError(
                call: "setns", subject: user.path,
                errno: Errno(rawValue: CInt(answer.bytes.first ?? UInt8(Errno.noSuchProcess.rawValue))))
        }
    }

    /// Back to our own, and the child into its cgroup if the clone could not do that.
    func leave(placing child: Int32, in cgroup: CInt?) throws(SysError) {
        let moves = movesChild
        while let last = entered.popLast() { try Process.enter(last.kind, of: last.own) }
        guard moves, let cgroup else { return }
        let members = try FD.open(FilePath("/proc/self/fd/\(cgroup)/cgroup.procs"), .writeOnly)
        try members.writeAll(Array("\(child)".utf8))
    }
}

/// A namespace given by path, proven to be one of its kind.
final class NamespaceFile {
    let fd: FD
    let kind: Namespaces
    let path: String

    init(_ joined: NamespacePlan.Joined) throws(RuntimeError) {
        (kind, path) = (joined.kind, joined.path)
        do throws(SysError) {
            // No terminal becomes ours and no FIFO keeps us, whatever lies there.
            fd = try FD.open(FilePath(joined.path), [.readOnly, .nonBlocking, .noTTY])
        } catch {
            throw RuntimeError("unable to open the \(kind.fileName) namespace \(path): \(error)")
        }
        guard fd.namespaceKind() == kind else {
            throw RuntimeError("\(path) is not a \(kind.fileName) namespace")
        }
    }

    func enter() throws(SysError) {
        do {
            try Process.enter(kind, of: fd)
        } catch {
            throw SysError(call: error.call, subject: path, errno: error.errno)
        }
    }

    /// The container's root would be everybody's.
    fileprivate func refuseOwn() throws(RuntimeError) {
        let isOwn = try asStartError { () throws(SysError) in
            let own = try FD.open(FilePath("/proc/self/ns/\(kind.fileName)")).status()
            let other = try fd.status()
            return (own.device, own.inode) == (other.device, other.inode)
        }
        guard !isOwn else { throw RuntimeError("\(path) is the runtime's own \(kind.fileName) namespace") }
    }
}

/// Maps the ids of a child that waits in its new user namespace.
func writeIDMaps(_ plan: NamespacePlan, pid: Int32) throws(RuntimeError) {
    do throws(SysError) {
        let directory = try FD.open(FilePath("/proc/\(pid)"), [.path, .directory])
        // Only who may set groups outside may let them be set inside (CVE-2014-8989).
        if Process.effectiveUser != 0 {
            try directory.open("setgroups", .writeOnly).writeAll(Array("deny".utf8))
        }
        try directory.open("uid_map", .writeOnly).writeAll(Array(plan.uidMap.text.utf8))
        try directory.open("gid_map", .writeOnly).writeAll(Array(plan.gidMap.text.utf8))
    } catch {
        throw RuntimeError("unable to map ids of the user namespace: \(error)")
    }
}

extension IDMap {
    /// The user ids of a process in a user namespace that is there.
    static func users(of pid: Int32) throws(SysError) -> IDMap {
        let bytes = try FD.open(FilePath("/proc/\(pid)/uid_map")).readAll(limit: 1 << 16)
        return IDMap(reading: String(decoding: bytes, as: UTF8.self))
    }
}
