import CLinux
import SystemPackage

/// The calls that unpack and pack trees, with names as C strings out of a reused buffer: a layer has
/// thousands of entries, and a `FilePath` each would be two allocations each. Names are single components.
extension FD {
    /// A name that is borrowed for the call.
    public typealias CName = UnsafePointer<CChar>

    /// openat2(2) of a C string.
    public func open(
        _ name: CName, _ flags: OpenFlags, mode: UInt32 = 0, resolve: Resolve
    ) throws(SysError) -> FD {
        FD(
            adopting: try sys("open", String(cString: name)) {
                cl_openat2(
                    raw, name, flags.rawValue, flags.contains(.create) ? UInt64(mode) : 0, resolve.rawValue)
            })
    }

    /// The type and attributes of a name, links not followed; nil when there is none.
    public func status(of name: CName) throws(SysError) -> FileStatus? {
        var out = cl_stat()
        let result = cl_stat(raw, name, 0x100, &out)
        if result == -Errno.noSuchFileOrDirectory.rawValue { return nil }
        _ = try sys("statx", String(cString: name)) { result }
        return FileStatus(out)
    }

    /// mkdirat(2).
    public func makeDirectory(_ name: CName, mode: UInt32) throws(SysError) {
        _ = try sys("mkdir", String(cString: name)) { cl_mkdirat(raw, name, mode) }
    }

    /// mknodat(2).
    public func makeNode(
        _ name: CName, type: FileType, mode: UInt32, major: UInt32 = 0, minor: UInt32 = 0
    ) throws(SysError) {
        _ = try sys("mknod", String(cString: name)) {
            cl_mknodat(raw, name, type.rawValue | mode, major, minor)
        }
    }

    /// symlinkat(2).
    public func makeSymlink(_ name: CName, to target: CName) throws(SysError) {
        _ = try sys("symlink", String(cString: name)) { cl_symlinkat(target, raw, name) }
    }

    /// A second name for `existing` of `directory`; a symlink is not followed but linked itself.
    public func makeLink(_ name: CName, to existing: CName, in directory: borrowing FD) throws(SysError) {
        let other = directory.raw
        _ = try sys("link", String(cString: name)) { cl_linkat(other, existing, raw, name, 0) }
    }

    /// Removes what is not a directory.
    public func unlink(_ name: CName) throws(SysError) {
        _ = try sys("unlink", String(cString: name)) { cl_unlinkat(raw, name, 0) }
    }

    /// The target of a symlink into `buffer`; answers its length, without a NUL.
    public func readSymlink(
        _ name: CName, into buffer: UnsafeMutableBufferPointer<UInt8>
    ) throws(SysError) -> Int {
        try sys("readlink", String(cString: name)) {
            cl_readlinkat(
                raw, name, UnsafeMutableRawPointer(buffer.baseAddress)?.assumingMemoryBound(to: CChar.self),
                buffer.count)
        }
    }

    /// The owner of a name, a symlink itself.
    public func changeOwner(_ name: CName, uid: UInt32, gid: UInt32) throws(SysError) {
        _ = try sys("lchown", String(cString: name)) { cl_fchownat(raw, name, uid, gid, 0x100) }
    }

    /// The owner of the open file itself; this clears setuid, setgid and file capabilities.
    public func changeOwner(uid: UInt32, gid: UInt32) throws(SysError) {
        _ = try sys("fchown", "descriptor \(raw)") { cl_fchownat(raw, "", uid, gid, 0x1000) }
    }

    /// The mode of a name that is known not to be a symlink (fchmodat(2) would follow one).
    public func changeMode(_ name: CName, _ mode: UInt32) throws(SysError) {
        _ = try sys("chmod", String(cString: name)) { cl_fchmodat(raw, name, mode) }
    }

    /// Sets access and modification time of a name, or with nil of the open file itself. The kernel clamps
    /// what the file system cannot hold.
    public func changeTimes(_ name: CName?, seconds: Int64, nanoseconds: UInt32) throws(SysError) {
        let ns = Int(nanoseconds)
        _ = try sys("utimensat", name.map { String(cString: $0) } ?? "descriptor \(raw)") {
            cl_utimensat(raw, name, seconds, ns, seconds, ns, name == nil ? 0 : 0x100)
        }
    }

    /// Sets an extended attribute of the open file.
    public func setAttribute(_ name: CName, _ value: UnsafeRawBufferPointer) throws(SysError) {
        _ = try sys("setxattr", String(cString: name)) {
            cl_fsetxattr(raw, name, value.baseAddress, value.count, 0)
        }
    }

    /// Removes an extended attribute of the open file.
    public func removeAttribute(_ name: String) throws(SysError) {
        _ = try sys("removexattr", name) { cl_fremovexattr(raw, name) }
    }

    /// The value of an extended attribute of the open file; nil when it has none of this name.
    public func attributeIfSet(_ name: String) throws(SysError) -> [UInt8]? {
        var value = [UInt8](repeating: 0, count: 65536)
        let result = value.withUnsafeMutableBytes { cl_fgetxattr(raw, name, $0.baseAddress, $0.count) }
        let absent = [Errno.noData, .notSupported, .noSuchFileOrDirectory].contains {
            Int($0.rawValue) == -result
        }
        if absent { return nil }
        let count = try sys("getxattr", name) { result }
        return Array(value[..<count])
    }

    /// Reads at an offset; 0 at the end.
    public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(SysError) -> Int {
        try sys("pread", "descriptor \(raw)") { cl_pread(raw, buffer.baseAddress, buffer.count, offset) }
    }

    /// Writes all bytes at an offset.
    public func writeAll(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(SysError) {
        var done = 0
        while done < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
            let at = offset + Int64(done)
            done += try sys("pwrite", "descriptor \(raw)") {
                cl_pwrite(raw, rest.baseAddress, rest.count, at)
            }
        }
    }

    /// ftruncate(2): grows a file by a hole, or cuts it.
    public func setSize(_ size: Int64) throws(SysError) {
        _ = try sys("ftruncate", "descriptor \(raw)") { cl_ftruncate(raw, size) }
    }

    /// fallocate(2): takes the blocks of the first `size` bytes from the disk now; the size stays what it is.
    public func allocate(_ size: Int64) throws(SysError) {
        _ = try sys("fallocate", "descriptor \(raw)") { cl_fallocate(raw, 1, 0, size) }
    }

    /// Back to the first byte.
    public func rewind() throws(SysError) {
        _ = try sys("lseek", "descriptor \(raw)") { cl_lseek(raw, 0, 0) }
    }

    /// Everything written so far to this descriptor's file system is on the disk afterwards (syncfs(2)); errors name what it is.
    public func syncFileSystem(_ what: String? = nil) throws(SysError) {
        _ = try sys("syncfs", what ?? "descriptor \(raw)") { cl_syncfs(raw) }
    }

    /// Bytes and inodes that are free on this descriptor's file system.
    public func freeSpace() throws(SysError) -> (bytes: UInt64, inodes: UInt64) {
        var (bytes, inodes) = (UInt64(0), UInt64(0))
        _ = try sys("fstatfs", "descriptor \(raw)") { cl_statfs_free(raw, &bytes, &inodes) }
        return (bytes, inodes)
    }
}
