import CLinux
public import SystemPackage

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
    /// Those that are on or off by themselves.
    public static let plain: MountAttributes = [.readOnly, .noSetuid, .noDevices, .noExec, .noSymlinkFollow]
}

/// The access-time words of mount(8). Those of one mount exclude each other but for `noDirectory`.
public struct AccessTimes: OptionSet, Sendable {
    /// One bit each.
    public let rawValue: UInt8
    /// Takes the bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    public static let none = AccessTimes(rawValue: 1)
    public static let noDirectory = AccessTimes(rawValue: 2)
    public static let relative = AccessTimes(rawValue: 4)
    public static let strict = AccessTimes(rawValue: 8)

    /// What a mount gets of them: the strict one goes before none, and relative is what there is without both.
    public var attributes: MountAttributes {
        var result: MountAttributes = contains(.noDirectory) ? .noDirectoryAccessTime : []
        if contains(.strict) {
            result.insert(.strictAccessTime)
        } else if contains(.none) {
            result.insert(.noAccessTime)
        }
        return result
    }
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
        for option in options { try context.configure(option: option) }
        return try context.mounted(type, attributes: attributes)
    }

    static func fileSystemContext(_ type: String) throws(SysError) -> FD {
        FD(adopting: try sys("fsopen", type) { type.withCString { cl_fsopen($0, 0) } })
    }

    /// `key=value` or a flag.
    private func configure(option: String) throws(SysError) {
        guard let equals = option.firstIndex(of: "=") else { return try configure(option, nil) }
        try configure(String(option[..<equals]), String(option[option.index(after: equals)...]))
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
        // The access time is one field: to change it, all of it is cleared.
        let touchesTime = !set.union(clearing).isDisjoint(with: .accessTimeMask)
        let clearing = touchesTime ? clearing.union(.accessTimeMask) : clearing
        _ = try sys("mount_setattr", "descriptor \(raw)") {
            cl_mount_setattr(raw, "", flags, set.rawValue, clearing.rawValue, propagation?.rawValue ?? 0, -1)
        }
    }

    /// The plain attributes of the mount that this lies on, and its access times (fstatfs(2)).
    public func mountFacts() throws(SysError) -> (attributes: MountAttributes, times: AccessTimes) {
        let flags = try sys("fstatfs", "descriptor \(raw)") { cl_mount_flags(raw) }
        var attributes: MountAttributes = []
        for (flag, attribute): (Int64, MountAttributes) in [
            (1, .readOnly), (2, .noSetuid), (4, .noDevices), (8, .noExec), (0x2000, .noSymlinkFollow),
        ] where flags & flag != 0 { attributes.insert(attribute) }
        var times: AccessTimes = flags & 0x800 != 0 ? .noDirectory : []
        times.insert(flags & 0x400 != 0 ? .none : flags & 0x1000 != 0 ? .relative : .strict)
        return (attributes, times)
    }

    /// Gives the file system of the mount at this place other options (fspick(2)).
    public func reconfigure(options: [String]) throws(SysError) {
        let context = FD(adopting: try sys("fspick", "descriptor \(raw)") { cl_fspick(raw, "", 0x8) })
        for option in options { try context.configure(option: option) }
        _ = try sys("fsconfig", "reconfigure") { cl_fsconfig(context.raw, 7, nil, nil, 0) }
    }

    /// Maps the ids of this detached mount, and of those below it, by a user namespace's maps (MOUNT_ATTR_IDMAP).
    public func mapIDs(_ users: borrowing FD, recursive: Bool) throws(SysError) {
        let namespace = users.raw
        _ = try sys("mount_setattr", "MOUNT_ATTR_IDMAP") {
            cl_mount_setattr(raw, "", 0x1000 | (recursive ? 0x8000 : 0), 0x10_0000, 0, 0, namespace)
        }
    }
}

/// Calls on the mount namespace of the process itself.
public enum Mounts {
    /// Changes how the mount at `path`, and every one below it, propagates.
    public static func setPropagation(
        _ path: String, _ propagation: Propagation, recursive: Bool = true
    ) throws(SysError) {
        _ = try sys("mount_setattr", path) {
            path.withCString {
                cl_mount_setattr(-100, $0, recursive ? 0x8000 : 0, 0, 0, propagation.rawValue, -1)
            }
        }
    }

    /// Makes the one mount that a path lies on private: what is mounted on it stays here.
    public static func isolate(mountOf path: FilePath) throws(SysError) {
        let place = try FD.open(path, .path)
        // statx has another number, one that is never given twice.
        let facts = try FD.open(FilePath("/proc/self/fdinfo/\(place.raw)")).readAll(limit: 4096)
        let id = String(decoding: facts, as: UTF8.self).split(separator: "\n")
            .first { $0.hasPrefix("mnt_id:") }?.split(separator: "\t").last
        let table = try FD.open("/proc/self/mountinfo").readAll(limit: 64 << 20)
        // The id comes first, the place is the fifth field (proc_pid_mountinfo(5)).
        for line in table.split(separator: 0x0a) {
            let fields = line.split(separator: 0x20, maxSplits: 5)
            guard fields.count == 6, String(decoding: fields[0], as: UTF8.self) == id ?? "" else { continue }
            return try setPropagation(unescaped(fields[4]), .private, recursive: false)
        }
        throw SysError(call: "mountinfo", subject: path.string, errno: .noSuchFileOrDirectory)
    }

    /// Blanks, tabs, line ends and backslashes stand as octal numbers.
    private static func unescaped(_ field: ArraySlice<UInt8>) -> String {
        var text = String(decoding: field, as: UTF8.self)
        guard text.contains("\\") else { return text }
        var result = ""
        while let at = text.firstIndex(of: "\\") {
            result += text[..<at]
            let digits = text[text.index(after: at)...].prefix(3)
            result.append(UInt8(digits, radix: 8).map { String(UnicodeScalar($0)) } ?? "\\" + digits)
            text = String(text[at...].dropFirst(1 + digits.count))
        }
        return result + text
    }

    /// Makes the current directory the root and drops the old root with all below it: pivot_root(".", ".")
    /// and a lazy unmount, as pivot_root(2) shows it.
    public static func pivotIntoCurrentDirectory() throws(SysError) {
        let old = try FD.open("/", [.path, .directory])
        _ = try sys("pivot_root", ".") { cl_pivot_root(".", ".") }
        // What is shared with the host must not be unmounted there too. The old root now lies on the new one: from
        // there this would reach the container's own mounts as well.
        try Kernel.changeDirectory(old)
        try setPropagation(".", .slave)
        _ = try sys("umount2", "old root") { cl_umount2(".", 2) }
        try Kernel.changeDirectory(FD.open("/", [.path, .directory]))
    }

    /// umount2 with MNT_DETACH and UMOUNT_NOFOLLOW.
    public static func detach(_ path: String) throws(SysError) {
        _ = try sys("umount2", path) { path.withCString { cl_umount2($0, 2 | 8) } }
    }
}
