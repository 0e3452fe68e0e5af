import CLinux
public import SystemPackage

/// The cgroup v2 tree of this host, pure or the part of a hybrid one (cgroups(7)). Paths in it are relative, and no
/// `..` and no link is followed.
public struct CgroupTree: Sendable, Equatable {
    /// Where it is mounted: `/sys/fs/cgroup`, or `/sys/fs/cgroup/unified` on a hybrid host.
    public let mountPoint: FilePath

    private static let magic: Int64 = 0x6367_7270

    /// A tree that is known to be mounted there.
    public init(mountPoint: FilePath) { self.mountPoint = mountPoint }

    /// Finds the tree; nil on a host without cgroup v2.
    public static func find() -> CgroupTree? {
        for path: FilePath in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] {
            // The next place is tried.
            guard let fd = try? FD.open(path, [.path, .directory]) else { continue }
            if cl_statfs_type(fd.raw) == magic { return CgroupTree(mountPoint: path) }
        }
        return nil
    }

    /// The cgroup of a process, ours when nil, below the tree's root, absolute (`/user.slice/...`).
    public static func path(of pid: Int32? = nil) throws(SysError) -> FilePath {
        let process = pid.map(String.init) ?? "self"
        let bytes = try FD.open(FilePath("/proc/\(process)/cgroup")).readAll(limit: 1 << 20)
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        for line in lines where line.hasPrefix("0::") {
            return FilePath(String(line.dropFirst(3)))
        }
        throw SysError(
            call: "read", subject: "/proc/\(process)/cgroup", errno: .noSuchFileOrDirectory,
            hint: "no cgroup v2")
    }

    /// The controllers that the root of the tree offers.
    public func controllers() throws(SysError) -> Set<String> {
        try Cgroup(directory: FD.open(mountPoint, [.readOnly, .directory]), path: "").controllers()
    }

    /// Makes `path` with its parents, or opens it when it is there, and asks each parent to give those of
    /// `controllers` that it has to its children. One that has processes of its own cannot: the cgroup's own
    /// `controllers()` tell what came of it.
    public func make(_ path: FilePath, controllers: Set<String>) throws(SysError) -> Cgroup {
        let names = path.components.map { FilePath($0.string) }
        guard !names.isEmpty, !names.contains(".."), !path.isAbsolute else {
            throw SysError(call: "mkdir", subject: path.string, errno: .invalidArgument, hint: "cgroup path")
        }
        var attempt = 0
        while true {
            do {
                return try makeOnce(path, names, controllers)
            } catch {
                // Another container's end may just have taken the parent away.
                attempt += 1
                guard error.errno == .noSuchFileOrDirectory, attempt < 20 else { throw error }
            }
        }
    }

    private func makeOnce(
        _ path: FilePath, _ names: [FilePath], _ controllers: Set<String>
    ) throws(SysError) -> Cgroup {
        var current = Cgroup(directory: try FD.open(mountPoint, [.readOnly, .directory]), path: "")
        for name in names {
            try current.offer(controllers)
            current = try current.makeChild(name)
        }
        return current
    }

    /// Opens a cgroup that is there.
    public func open(_ path: FilePath) throws(SysError) -> Cgroup {
        let root = try FD.open(mountPoint, [.readOnly, .directory])
        // The tree's own root has no components.
        let name = path.isEmpty ? "." : path
        let directory = try root.open(name, [.readOnly, .directory], resolve: [.beneath, .noSymlinks])
        return Cgroup(directory: directory, path: path)
    }

    /// Removes an empty cgroup with the cgroups below it, and the cgroup right above it when `withParent` and
    /// nothing else is in it; true when the cgroup is gone.
    public func remove(_ path: FilePath, withParent: Bool = false) throws(SysError) -> Bool {
        guard let name = path.lastComponent else { return false }
        let above = path.removingLastComponent()
        let parent: Cgroup
        do {
            parent = try open(above)
        } catch {
            if error.errno == .noSuchFileOrDirectory { return true }
            throw error
        }
        guard try parent.directory.removeCgroup(FilePath(name.string)) else { return false }
        if withParent, let up = above.lastComponent {
            do {
                try open(above.removingLastComponent()).directory.remove(FilePath(up.string), directory: true)
            } catch {
                guard error.errno == .resourceBusy || error.errno == .directoryNotEmpty else { throw error }
            }
        }
        return true
    }

    /// As `remove`, and waits up to `milliseconds` for the last process to leave.
    public func remove(
        _ path: FilePath, withParent: Bool = false, waiting milliseconds: Int
    ) throws(SysError) -> Bool {
        // Short at first: a killed process is gone within a millisecond.
        var (pause, waited) = (1, 0)
        while true {
            if try remove(path, withParent: withParent) { return true }
            guard waited < milliseconds else { return false }
            Kernel.sleep(milliseconds: Int32(pause))
            waited += pause
            pause = min(pause * 2, 50)
        }
    }
}

/// One cgroup, held open.
public struct Cgroup: ~Copyable, Sendable {
    /// For CLONE_INTO_CGROUP, and for programs that are attached.
    public let directory: FD
    /// Below the root of the tree.
    public let path: FilePath
    /// Whether it has just been made: then nothing can be in it.
    public let isNew: Bool

    init(directory: consuming FD, path: FilePath, isNew: Bool = false) {
        self.directory = directory
        (self.path, self.isNew) = (path, isNew)
    }

    /// Gives the directory away.
    public consuming func takeDirectory() -> FD { directory }

    /// The controllers it has: those that every cgroup above gives to its children.
    public func controllers() throws(SysError) -> Set<String> { try words("cgroup.controllers") }

    /// A file of this cgroup as text, without the newline at its end; nil when there is no such file.
    public func read(_ file: String) throws(SysError) -> String? {
        guard var bytes = try readBytes(file) else { return nil }
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func readBytes(_ file: String) throws(SysError) -> [UInt8]? {
        do {
            let fd = try directory.open(FilePath(file), .readOnly, resolve: [.beneath, .noSymlinks])
            return try fd.readAll(limit: 16 << 20)
        } catch {
            // ENODEV: the cgroup was removed while the file was open.
            if error.errno == .noSuchFileOrDirectory || error.errno.rawValue == 19 { return nil }
            throw SysError(call: "read", subject: name(file), errno: error.errno, hint: error.hint)
        }
    }

    /// Writes one value to one file of this cgroup.
    public func write(_ file: String, _ value: String) throws(SysError) {
        do {
            try directory.open(FilePath(file), [.writeOnly], resolve: [.beneath, .noSymlinks])
                .writeAll(Array(value.utf8))
        } catch {
            throw SysError(
                call: "write", subject: "\(name(file)) = \(value)", errno: error.errno, hint: error.hint)
        }
    }

    /// The numbers of a file of `key value` lines (`cgroup.events`, `memory.stat`); empty when there is no file.
    public func numbers(_ file: String) throws(SysError) -> [String: UInt64] {
        Self.numbers(try readBytes(file) ?? [])
    }

    static func numbers(_ bytes: [UInt8]) -> [String: UInt64] {
        var result: [String: UInt64] = [:]
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            let words = line.split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) }
            guard words.count == 2, let number = UInt64(words[1]) else { continue }
            result[words[0]] = number
        }
        return result
    }

    private func words(_ file: String) throws(SysError) -> Set<String> {
        Set((try read(file) ?? "").split(whereSeparator: \.isWhitespace).map(String.init))
    }

    private func name(_ file: String) -> String { "/" + path.appending(file).string }

    fileprivate func offer(_ controllers: Set<String>) throws(SysError) {
        guard !controllers.isEmpty else { return }
        let enabled = try words("cgroup.subtree_control")
        guard !controllers.isSubset(of: enabled) else { return }
        for name in controllers.intersection(try self.controllers()).subtracting(enabled).sorted() {
            // Refused where processes are in this cgroup; the child goes without.
            _ = try? write("cgroup.subtree_control", "+\(name)")
        }
    }

    fileprivate func makeChild(_ name: FilePath) throws(SysError) -> Cgroup {
        var isNew = true
        do {
            try directory.makeDirectory(name, mode: 0o755)
        } catch {
            guard error.errno == .fileExists else { throw error }
            isNew = false
        }
        let child = try directory.open(name, [.readOnly, .directory], resolve: [.beneath, .noSymlinks])
        return Cgroup(directory: child, path: path.pushing(name), isNew: isNew)
    }
}

extension FD {
    /// Removes a cgroup below this one with those below it; false when a process is in one of them. A container may
    /// have made any number of levels: one descriptor is held, and the way up is `..`, because the kernel lets nobody
    /// move a cgroup to another parent.
    fileprivate func removeCgroup(_ name: FilePath) throws(SysError) -> Bool {
        if try removeEmptyCgroup(name) { return true }
        guard var current = try openCgroup(name) else { return true }
        var names = [name]
        while let last = names.last {
            if let busy = try current.removeEmptyCgroups() {
                guard let below = try current.openCgroup(busy) else { continue }
                current = below
                names.append(busy)
                continue
            }
            current = try current.open("..", [.readOnly, .directory], resolve: [])
            names.removeLast()
            guard try current.removeEmptyCgroup(last) else { return false }
        }
        return true
    }

    /// Nil when there is none, any more.
    func openCgroup(_ name: FilePath) throws(SysError) -> FD? {
        do {
            return try open(name, [.readOnly, .directory], resolve: [.beneath, .noSymlinks])
        } catch {
            guard error.errno == .noSuchFileOrDirectory else { throw error }
            return nil
        }
    }

    /// The first right below this one that has others below it or processes; nil when none is left.
    private func removeEmptyCgroups() throws(SysError) -> FilePath? {
        for entry in try entries() where entry.type == .directory {
            guard try removeEmptyCgroup(entry.name) else { return entry.name }
        }
        return nil
    }

    private func removeEmptyCgroup(_ name: FilePath) throws(SysError) -> Bool {
        do {
            return try remove(name, directory: true) || true
        } catch {
            if error.errno == .resourceBusy { return false }
            throw error
        }
    }
}
