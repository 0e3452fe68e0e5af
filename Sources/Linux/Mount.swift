import CLinux
import SystemPackage

/// Attributes of one mount (mount_setattr(2), fsmount(2)).
public struct MountAttributes: OptionSet, Sendable {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }
    public static let readOnly = MountAttributes(rawValue: 0x01)
    public static let noSetuid = MountAttributes(rawValue: 0x02)
    public static let noDevices = MountAttributes(rawValue: 0x04)
    public static let noExec = MountAttributes(rawValue: 0x08)
    public static let noAccessTime = MountAttributes(rawValue: 0x10)
    public static let strictAccessTime = MountAttributes(rawValue: 0x20)
    public static let noDirectoryAccessTime = MountAttributes(rawValue: 0x80)
    public static let noSymlinkFollow = MountAttributes(rawValue: 0x20_0000)
    /// The whole field of access-time settings, cleared before one is set.
    public static let accessTimeMask = MountAttributes(rawValue: 0x70)
}

/// How mounts below one propagate (mount_namespaces(7)).
public enum Propagation: UInt64, Sendable {
    case unbindable = 0x20000
    case `private` = 0x40000
    case slave = 0x80000
    case shared = 0x100000
}

/// Mounts are made detached, by descriptor, and attached to a descriptor: no path is looked at twice.
extension FD {
    /// A new file system instance of `type`, detached (fsopen, fsconfig, fsmount). An option is `key=value` or a
    /// flag; the error names the option that was refused.
    public static func newMount(
        _ type: String, source: String? = nil, options: [String] = [], attributes: MountAttributes = []
    ) throws(SysError) -> FD {
        let context = try fileSystemContext(type)
        if let source { try context.configure("source", source) }
        for option in options {
            if let equals = option.firstIndex(of: "=") {
                try context.configure(
                    String(option[..<equals]), String(option[option.index(after: equals)...]))
            } else {
                try context.configure(option, nil)
            }
        }
        return try context.mounted(type, attributes: attributes)
    }

    static func fileSystemContext(_ type: String) throws(SysError) -> FD {
        FD(adopting: try sys("fsopen", type) { type.withCString { cl_fsopen($0, 0) } })
    }

    /// One option of a file system context: FSCONFIG_SET_STRING, or FSCONFIG_SET_FLAG without a value.
    func configure(_ key: String, _ value: String?) throws(SysError) {
        _ = try sys("fsconfig", value.map { "\(key)=\($0)" } ?? key) {
            key.withCString { k in
                if let value {
                    value.withCString { cl_fsconfig(raw, 1, k, $0, 0) }
                } else {
                    cl_fsconfig(raw, 0, k, nil, 0)
                }
            }
        }
    }

    /// Makes the instance of a context and a detached mount of it.
    func mounted(_ type: String, attributes: MountAttributes) throws(SysError) -> FD {
        _ = try sys("fsconfig", "\(type) (create)") { cl_fsconfig(raw, 6, nil, nil, 0) }
        return FD(adopting: try sys("fsmount", type) { cl_fsmount(raw, 0, UInt32(attributes.rawValue)) })
    }

    /// A detached copy of the mount that this descriptor lies on, rooted at it (open_tree with OPEN_TREE_CLONE).
    public func cloneTree(recursive: Bool) throws(SysError) -> FD {
        let flags: UInt32 = 1 | 0x1000 | (recursive ? 0x8000 : 0)
        return FD(adopting: try sys("open_tree", "descriptor \(raw)") { cl_open_tree(raw, "", flags) })
    }

    /// Attaches a detached mount over what `target` refers to.
    public func attach(to target: borrowing FD, as name: String) throws(SysError) {
        let other = target.raw
        _ = try sys("move_mount", name) { cl_move_mount(raw, "", other, "", 0x44) }
    }

    /// Whether it lies on a devpts (fstatfs(2)).
    public func isDevpts() throws(SysError) -> Bool {
        try sys("fstatfs", "descriptor \(raw)") { cl_statfs_type(raw) } == 0x1cd1
    }

    /// Sets and clears attributes of this mount, and of those below it when `recursive` (mount_setattr).
    public func setAttributes(
        _ set: MountAttributes = [], clearing: MountAttributes = [], propagation: Propagation? = nil,
        recursive: Bool = false
    ) throws(SysError) {
        let flags: UInt32 = 0x1000 | (recursive ? 0x8000 : 0)
        _ = try sys("mount_setattr", "descriptor \(raw)") {
            cl_mount_setattr(raw, "", flags, set.rawValue, clearing.rawValue, propagation?.rawValue ?? 0, -1)
        }
    }
}

/// Calls on the mount namespace of the process itself.
public enum Mounts {
    /// Changes how every mount from `path` down propagates.
    public static func setPropagation(_ path: String, _ propagation: Propagation) throws(SysError) {
        _ = try sys("mount_setattr", path) {
            path.withCString { cl_mount_setattr(-100, $0, 0x8000, 0, 0, propagation.rawValue, -1) }
        }
    }

    /// Makes the current directory the root and drops the old root with all below it: pivot_root(".", ".")
    /// and a lazy unmount, as pivot_root(2) shows it.
    public static func pivotIntoCurrentDirectory() throws(SysError) {
        _ = try sys("pivot_root", ".") { cl_pivot_root(".", ".") }
        _ = try sys("umount2", "old root") { cl_umount2(".", 2) }
    }

    /// umount2 with MNT_DETACH and UMOUNT_NOFOLLOW.
    public static func detach(_ path: String) throws(SysError) {
        _ = try sys("umount2", path) { path.withCString { cl_umount2($0, 2 | 8) } }
    }
}
