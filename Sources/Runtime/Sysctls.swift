import Linux
import OCI
import SystemPackage

/// One kernel setting of the container's own namespaces.
struct Sysctl: Equatable, Sendable {
    /// Below /proc/sys, with slashes: `net/ipv4/conf/eth0.100/forwarding`.
    let path: String
    let value: String

    /// A name in either notation of sysctl(8): what separates first is the separator, the other one stands for it.
    init(_ name: String, _ value: String) throws(RuntimeError) {
        let usesSlashes = name.first { $0 == "." || $0 == "/" } == "/"
        path = usesSlashes ? name : Self.swapped(name)
        self.value = value
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        let isPath = parts.count > 1 && parts.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." }
        guard isPath, !path.utf8.contains(0), !path.utf8.contains(UInt8(ascii: "\n")) else {
            throw RuntimeError("sysctl \"\(name)\" is not a name of a kernel setting")
        }
        try checkValue()
    }

    /// With dots, for messages.
    var name: String { Self.swapped(path) }

    private static func swapped(_ text: String) -> String {
        String(text.map { $0 == "." ? "/" : $0 == "/" ? "." : $0 })
    }

    /// One setting, not more: tools that join settings into one text took what followed a `+` or a line end for another
    /// one (CVE-2022-0811).
    private func checkValue() throws(RuntimeError) {
        let bytes = Array(value.utf8)
        guard !bytes.contains(0), !bytes.contains(UInt8(ascii: "\n")) else {
            throw RuntimeError("the value of sysctl \"\(name)\" holds a line end or a NUL")
        }
        let joins = zip(bytes, bytes.dropFirst()).contains { first, second in
            first == UInt8(ascii: "+") && (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(second | 0x20)
        }
        guard !joins else {
            throw RuntimeError("the value of sysctl \"\(name)\" holds a second setting after a \"+\"")
        }
    }

    /// Through a proc file system that nobody else can reach (CVE-2025-52881), before the container's own view of it
    /// is read-only.
    func apply() throws(SysError) {
        let proc = try FD.newMount("proc")
        let resolve: Resolve = [.beneath, .noSymlinks, .noCrossDevice]
        do {
            try proc.open(FilePath("sys/" + path), .writeOnly, resolve: resolve).writeAll(Array(value.utf8))
        } catch {
            throw SysError(call: "sysctl", subject: "\(name)=\(value)", errno: error.errno, hint: error.hint)
        }
    }
}

/// The settings of a document, ordered by name: only those that a namespace of the container's own keeps from the host
/// (GHSA-w2j5, CVE-2022-0811), in runc's words. `isOwn` tells whether a namespace's path is that of ours.
func planSysctls(
    _ sysctls: [String: String], _ namespaces: NamespacePlan, isOwn: (NamespacePlan.Joined) -> Bool
) throws(RuntimeError) -> [Sysctl] {
    var plan: [Sysctl] = []
    for (name, value) in sysctls.sorted(by: { $0.key < $1.key }) {
        let sysctl = try Sysctl(name, value)
        try sysctl.check { kind in
            namespaces.has(kind) && !namespaces.joined.contains { $0.kind == Namespaces(kind) && isOwn($0) }
        }
        plan.append(sysctl)
    }
    return plan
}

extension Sysctl {
    private static let ipcNames: Set<String> = [
        "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax",
        "kernel.shmmni", "kernel.shm_rmid_forced",
    ]

    fileprivate func check(has: (RuntimeSpec.NamespaceKind) -> Bool) throws(RuntimeError) {
        switch name {
        case let name where Self.ipcNames.contains(name) || name.hasPrefix("fs.mqueue."):
            guard has(.ipc) else {
                throw RuntimeError("sysctl \"\(name)\" is not allowed in the hosts ipc namespace")
            }
        case let name where name.hasPrefix("net."):
            guard has(.network) else {
                throw RuntimeError("sysctl \"\(name)\" not allowed in host network namespace")
            }
        case "kernel.domainname" where has(.uts): return
        case "kernel.hostname" where has(.uts):
            throw RuntimeError(
                "sysctl \"kernel.hostname\" is not allowed as it conflicts with the OCI \"hostname\" field")
        // With the host's, limits of all users would be changed.
        case let name where name.hasPrefix("user."):
            guard has(.user) else {
                throw RuntimeError("setting ucounts without a user namespace not allowed: \(name)")
            }
        default: throw RuntimeError("sysctl \"\(name)\" is not in a separate kernel namespace")
        }
    }
}

extension NamespacePlan.Joined {
    /// Whether the path is that of a namespace that this process is in: joining it separates nothing.
    var isOurs: Bool {
        // What cannot be opened is refused when it is joined; a FIFO there is not waited for.
        guard let own = try? FD.open(FilePath("/proc/self/ns/\(kind.fileName)")).status(),
            let other = try? FD.open(FilePath(path), .path).status()
        else { return false }
        return own.device == other.device && own.inode == other.inode
    }
}
