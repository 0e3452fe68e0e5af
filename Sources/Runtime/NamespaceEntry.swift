import Linux
import SystemPackage

/// A process that enters namespaces on behalf of the child it is about to clone, and comes back after the clone: a
/// child in a user namespace of its own could not join what belongs to the host. pid and time namespaces take effect
/// for children only; mount namespaces are the child's own business, because ours must still see the host.
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

    /// Opens all before it enters the first: a path may be one of a namespace that is being left.
    init(_ plan: NamespacePlan) throws(RuntimeError) {
        var files: [NamespaceFile] = []
        for joined in plan.joined where joined.kind != .mount {
            guard joined.kind != .user else {
                throw RuntimeError("joining the user namespace \(joined.path) is not supported")
            }
            files.append(try NamespaceFile(joined))
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
            try Process.enter(file.kind, of: file.fd)
        } catch {
            throw SysError(call: error.call, subject: file.path, errno: error.errno)
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

    /// Back to our own.
    func leave() throws(SysError) {
        while let last = entered.popLast() { try Process.enter(last.kind, of: last.own) }
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
            fd = try FD.open(FilePath(joined.path))
        } catch {
            throw RuntimeError("unable to open the \(kind.fileName) namespace \(path): \(error)")
        }
        guard fd.namespaceKind() == kind else {
            throw RuntimeError("\(path) is not a \(kind.fileName) namespace")
        }
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
