import Linux
import OCI
import SystemPackage

/// The host's id of who may manage the container's own cgroup: whoever runs in it, when it is the root of a new cgroup
/// namespace and can be written there (config-linux.md#cgroup-ownership). nil: it stays ours.
func planCgroupOwner(_ spec: RuntimeSpec, _ namespaces: NamespacePlan) -> UInt32? {
    guard namespaces.makesCgroup else { return nil }
    let isWritable = spec.mounts.contains { mount in
        mount.destination == "/sys/fs/cgroup" && !mount.options.contains("ro")
            && (mount.type == "cgroup" || mount.type == "cgroup2")
    }
    return isWritable ? namespaces.uidMap.outside(spec.process.user.uid) : nil
}

extension Cgroup {
    /// Gives the directory and the files that the kernel names to a user, but no limit.
    func give(to uid: UInt32) throws(SysError) {
        try Kernel.changeOwner(directory, uid: uid, gid: nil)
        for name in try Self.delegated() {
            do {
                try directory.changeOwner(of: FilePath(name), uid: uid, gid: .max)
            } catch {
                guard error.errno == .noSuchFileOrDirectory else { throw error }
            }
        }
    }

    private static func delegated() throws(SysError) -> [String] {
        do {
            let bytes = try FD.open("/sys/kernel/cgroup/delegate").readAll(limit: 65536)
            return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
        } catch {
            guard error.errno == .noSuchFileOrDirectory else { throw error }
            return ["cgroup.procs", "cgroup.subtree_control", "cgroup.threads"]
        }
    }
}
