import CLinux
public import SystemPackage

/// The cgroup v2 tree of this host, pure or the part of a hybrid one (cgroups(7)).
public struct CgroupTree: Sendable, Equatable {
    /// Where it is mounted: `/sys/fs/cgroup`, or `/sys/fs/cgroup/unified` on a hybrid host.
    public let mountPoint: FilePath

    private static let magic: Int64 = 0x6367_7270

    /// Finds the tree; nil on a host without cgroup v2.
    public static func find() -> CgroupTree? {
        for path: FilePath in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] {
            // The next place is tried.
            guard let fd = try? FD.open(path, [.path, .directory]) else { continue }
            if cl_statfs_type(fd.raw) == magic { return CgroupTree(mountPoint: path) }
        }
        return nil
    }

    /// The controllers that the root of the tree offers.
    public func controllers() throws(SysError) -> Set<String> {
        let bytes = try FD.open(mountPoint.appending("cgroup.controllers")).readAll(limit: 4096)
        return Set(
            String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace).map(String.init))
    }

    /// Makes `path` (relative, no `..`) below the root with its parents, and gives its children the controllers
    /// that exist there. Answers the directory, for CLONE_INTO_CGROUP and for limits.
    public func make(_ path: FilePath, controllers: Set<String>) throws(SysError) -> FD {
        let names = path.components.map { FilePath($0.string) }
        guard !names.contains(".."), !path.isAbsolute else {
            throw SysError(call: "mkdir", subject: path.string, errno: .invalidArgument, hint: "cgroup path")
        }
        var attempt = 0
        while true {
            do {
                return try makeOnce(names, controllers)
            } catch {
                // Another container's end may just have taken the parent away.
                attempt += 1
                guard error.errno == .noSuchFileOrDirectory, attempt < 20 else { throw error }
            }
        }
    }

    private func makeOnce(_ names: [FilePath], _ controllers: Set<String>) throws(SysError) -> FD {
        var current = try FD.open(mountPoint, [.readOnly, .directory])
        for name in names {
            try current.enable(controllers)
            try current.makeCgroup(name)
            current = try current.open(name, [.readOnly, .directory], resolve: [.beneath, .noSymlinks])
        }
        return current
    }

    /// Opens a cgroup that is there.
    public func open(_ path: FilePath) throws(SysError) -> FD {
        try FD.open(mountPoint, [.readOnly, .directory])
            .open(path, [.readOnly, .directory], resolve: [.beneath, .noSymlinks])
    }

    /// Removes an empty cgroup with the cgroups below it; true when it is gone.
    public func remove(_ path: FilePath) throws(SysError) -> Bool {
        let root = try FD.open(mountPoint, [.readOnly, .directory])
        let parent: FD
        do {
            let up = path.removingLastComponent()
            parent =
                up.isEmpty
                ? try root.duplicate() : try root.open(up, [.readOnly, .directory], resolve: [.beneath])
        } catch {
            if error.errno == .noSuchFileOrDirectory { return true }
            throw error
        }
        guard let name = path.lastComponent else { return false }
        guard try parent.removeCgroup(FilePath(name.string)) else { return false }
        try removeIfEmpty(path.removingLastComponent(), below: root)
        return true
    }

    /// The last container takes the engine's own cgroup with it.
    private func removeIfEmpty(_ path: FilePath, below root: borrowing FD) throws(SysError) {
        guard !path.isEmpty, let name = path.lastComponent else { return }
        let up = path.removingLastComponent()
        let parent =
            up.isEmpty
            ? try root.duplicate() : try root.open(up, [.readOnly, .directory], resolve: [.beneath])
        do {
            try parent.remove(FilePath(name.string), directory: true)
        } catch {
            guard error.errno == .resourceBusy || error.errno == .directoryNotEmpty else { throw error }
        }
    }
}

/// What is done in one cgroup's directory.
extension FD {
    /// Offers controllers to the children of this cgroup: those that it has itself.
    fileprivate func enable(_ controllers: Set<String>) throws(SysError) {
        guard !controllers.isEmpty else { return }
        let has = String(decoding: try contents(of: "cgroup.controllers") ?? [], as: UTF8.self)
        let on = String(decoding: try contents(of: "cgroup.subtree_control") ?? [], as: UTF8.self)
        let available = Set(has.split(whereSeparator: \.isWhitespace).map(String.init))
        let enabled = Set(on.split(whereSeparator: \.isWhitespace).map(String.init))
        for name in controllers.intersection(available).subtracting(enabled).sorted() {
            try writeCgroup("cgroup.subtree_control", "+\(name)")
        }
    }

    fileprivate func makeCgroup(_ name: FilePath) throws(SysError) {
        do {
            try makeDirectory(name, mode: 0o755)
        } catch {
            guard error.errno == .fileExists else { throw error }
        }
    }

    fileprivate func removeCgroup(_ name: FilePath) throws(SysError) -> Bool {
        do {
            return try remove(name, directory: true) || true
        } catch {
            guard error.errno == .resourceBusy else { throw error }
        }
        let directory = try open(name, [.readOnly, .directory], resolve: [.beneath, .noSymlinks])
        for entry in try directory.entries() where entry.type == .directory {
            guard try directory.removeCgroup(entry.name) else { return false }
        }
        do {
            return try remove(name, directory: true) || true
        } catch {
            if error.errno == .resourceBusy { return false }
            throw error
        }
    }

    /// Writes one value to one file of this cgroup.
    public func writeCgroup(_ file: String, _ value: String) throws(SysError) {
        do {
            try open(FilePath(file), [.writeOnly], resolve: [.beneath, .noSymlinks]).writeAll(
                Array(value.utf8))
        } catch {
            throw SysError(call: "write", subject: "\(file)=\(value)", errno: error.errno, hint: error.hint)
        }
    }
}
