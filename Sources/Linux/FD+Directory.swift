import CLinux
public import SystemPackage

/// What is done to names in a directory that is held open. Names hold no slash: a longer path is opened first
/// with `open(_:_:resolve:)`, so that nothing an image chose is ever walked by string.
extension FD {
    /// mkdirat(2); the umask narrows `mode`.
    public func makeDirectory(_ name: FilePath, mode: UInt32 = 0o700) throws(SysError) {
        _ = try sys("mkdir", name.string) { name.withPlatformString { cl_mkdirat(raw, $0, mode) } }
    }

    /// mknodat(2) of a device, FIFO, socket or empty file; the umask narrows `mode`.
    public func makeNode(
        _ name: FilePath, type: FileType, mode: UInt32, major: UInt32 = 0, minor: UInt32 = 0
    ) throws(SysError) {
        _ = try sys("mknod", name.string) {
            name.withPlatformString { cl_mknodat(raw, $0, type.rawValue | mode, major, minor) }
        }
    }

    /// symlinkat(2).
    public func makeSymlink(_ name: FilePath, to target: FilePath) throws(SysError) {
        try makeSymlink(name, toBytes: target.bytes)
    }

    /// symlinkat(2); the target is written as it is, which a `FilePath` is not: that has no slash at its end.
    public func makeSymlink(_ name: FilePath, toBytes target: [UInt8]) throws(SysError) {
        let target = target.map { CChar(bitPattern: $0) } + [0]
        _ = try sys("symlink", name.string) { name.withPlatformString { cl_symlinkat(target, raw, $0) } }
    }

    /// A second name for the file `existing` of `directory`.
    public func makeLink(
        _ name: FilePath, to existing: FilePath, in directory: borrowing FD
    ) throws(SysError) {
        let other = directory.raw
        _ = try sys("link", name.string) {
            existing.withPlatformString { e in name.withPlatformString { cl_linkat(other, e, raw, $0, 0) } }
        }
    }

    /// Where the symbolic link `name` points.
    public func readSymlink(_ name: FilePath) throws(SysError) -> FilePath {
        FilePath(bytes: try symlinkBytes(name))
    }

    /// The same; nil when nothing has that name, or it is no symbolic link.
    public func symlinkIfThere(_ name: FilePath) throws(SysError) -> FilePath? {
        do { return try readSymlink(name) } catch {
            guard [.noSuchFileOrDirectory, .invalidArgument].contains(error.errno) else { throw error }
            return nil
        }
    }

    /// The path of an open directory now, as the kernel has it (readlink(2) of /proc/self/fd). ENAMETOOLONG beyond 4095
    /// bytes.
    public func location() throws(SysError) -> [UInt8] {
        let bytes = try FD.open("/proc/self/fd", .path).symlinkBytes(FilePath("\(raw)"))
        guard bytes.count < 4096 else {
            throw SysError(call: "readlink", subject: "descriptor \(raw)", errno: .fileNameTooLong)
        }
        return bytes
    }

    /// Where the symbolic link `name` points, as it is written: a `FilePath` has no slash at its end.
    public func symlinkBytes(_ name: FilePath) throws(SysError) -> [UInt8] {
        // A link holds at most 4095 bytes (PATH_MAX with its NUL).
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = try sys("readlink", name.string) {
            name.withPlatformString { n in
                buffer.withUnsafeMutableBufferPointer { cl_readlinkat(raw, n, $0.baseAddress, 4096) }
            }
        }
        return buffer.prefix(Int(count)).map(UInt8.init(bitPattern:))
    }

    /// Removes a file, or with `directory` an empty directory; `false` when there is none.
    @discardableResult
    public func remove(_ name: FilePath, directory: Bool = false) throws(SysError) -> Bool {
        do {
            _ = try sys("unlink", name.string) {
                name.withPlatformString { cl_unlinkat(raw, $0, directory ? 0x200 : 0) }
            }
            return true
        } catch {
            if error.errno == .noSuchFileOrDirectory { return false }
            throw error
        }
    }

    /// renameat2(2) within or between directories. `exclusive` refuses to replace (EEXIST).
    public func rename(
        _ name: FilePath, to target: FilePath, in directory: borrowing FD, exclusive: Bool = false
    ) throws(SysError) {
        let other = directory.raw
        _ = try sys("rename", name.string) {
            name.withPlatformString { n in
                target.withPlatformString { cl_renameat2(raw, n, other, $0, exclusive ? 1 : 0) }
            }
        }
    }

    /// The names in this directory, without `.` and `..`, in the order of the file system.
    public func entries() throws(SysError) -> [(name: FilePath, type: FileType?)] {
        let own = try open(".", [.readOnly, .directory], resolve: [])
        var result: [(name: FilePath, type: FileType?)] = []
        var buffer = [UInt64](repeating: 0, count: 4096)
        while true {
            let n = try sys("getdents64", "directory") {
                buffer.withUnsafeMutableBytes { cl_getdents(own.raw, $0.baseAddress, $0.count) }
            }
            if n == 0 { return result }
            buffer.withUnsafeBytes { bytes in
                var at = 0
                while at < n {
                    var entry = cl_dirent()
                    at = cl_dirent_at(bytes.baseAddress, at, &entry)
                    guard let cName = entry.name else { continue }
                    let name = FilePath(platformString: cName)
                    if name == "." || name == ".." { continue }
                    result.append((name, FileType(rawValue: UInt32(entry.type) << 12)))
                }
            }
        }
    }

    /// Replaces a file whole: temporary, (fsync), rename, (fsync of the directory). A crash leaves the old
    /// or the new content. `mode` is what the file gets, whatever the umask. `durable: false` leaves out
    /// the syncs, for what a crash may forget.
    public func replace(
        _ name: FilePath, with bytes: [UInt8], mode: UInt32 = 0o600, durable: Bool = true
    ) throws(SysError) {
        let temporary = FilePath(".\(name.string).\(cl_getpid()).tmp")
        do {
            let file = try create(temporary)
            _ = try sys("fchmod", name.string) { cl_fchmod(file.raw, mode) }
            try file.writeAll(bytes)
            if durable { try file.sync() }
            try rename(temporary, to: name, in: self)
        } catch {
            _ = try? remove(temporary)  // the first error is the one to report
            throw SysError(call: error.call, subject: name.string, errno: error.errno, hint: error.hint)
        }
        if durable { try sync() }
    }

    /// A new file; what a crashed process with our pid left under this name goes first.
    private func create(_ name: FilePath) throws(SysError) -> FD {
        let flags: OpenFlags = [.writeOnly, .create, .exclusive, .noFollow]
        do {
            return try open(name, flags, mode: 0o600, resolve: [.beneath])
        } catch {
            guard error.errno == .fileExists else { throw error }
            try remove(name)
            return try open(name, flags, mode: 0o600, resolve: [.beneath])
        }
    }

    /// The bytes of a file below this directory; nil when there is none.
    public func contents(of path: FilePath, limit: Int = 64 << 20) throws(SysError) -> [UInt8]? {
        do {
            let file = try open(path)
            return try file.readAll(limit: limit)
        } catch {
            if error.errno == .noSuchFileOrDirectory { return nil }
            throw SysError(call: error.call, subject: path.string, errno: error.errno, hint: error.hint)
        }
    }

    /// The directory `path` below this one, made with its missing parents.
    public func openMaking(_ path: FilePath, mode: UInt32 = 0o700) throws(SysError) -> FD {
        var current = try duplicate()
        for component in path.components {
            let name = FilePath(root: nil, [component])
            do {
                try current.makeDirectory(name, mode: mode)
            } catch {
                guard error.errno == .fileExists else { throw error }
            }
            current = try current.open(name, [.readOnly, .directory])
        }
        return current
    }
}

extension FD {
    /// Opens a directory by path; nil when nothing has that name.
    public static func directoryIfThere(_ path: FilePath) throws(SysError) -> FD? {
        do {
            return try FD.open(path, [.readOnly, .directory])
        } catch {
            if error.errno == .noSuchFileOrDirectory { return nil }
            throw error
        }
    }

    /// Opens a directory by path, making it and its parents with this mode, whatever the umask, when missing.
    public static func directory(
        _ path: FilePath, make: Bool = false, mode: UInt32 = 0o700
    ) throws(SysError) -> FD {
        do {
            return try FD.open(path, [.readOnly, .directory])
        } catch {
            guard make, error.errno == .noSuchFileOrDirectory, let last = path.lastComponent else {
                throw error
            }
            let above = path.removingLastComponent()
            let parent = try FD.directory(above.isEmpty ? "." : above, make: true, mode: mode)
            let name = FilePath(root: nil, [last])
            do {
                try parent.makeDirectory(name, mode: mode)
                let made = try parent.open(name, [.readOnly, .directory, .noFollow])
                try made.changeMode(mode)
                return made
            } catch {
                guard error.errno == .fileExists else { throw error }
            }
        }
        return try FD.open(path, [.readOnly, .directory])
    }
}
