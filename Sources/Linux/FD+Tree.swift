import CLinux
public import SystemPackage

/// One name of a directory with its status: what a walk over a tree needs, without paths or strings.
public struct TreeEntry: Sendable {
    /// The bytes of the name.
    public let name: [UInt8]
    /// Of the name itself, not of what a link leads to.
    public let status: FileStatus
    /// An entry as a walk would give it.
    public init(name: [UInt8], status: FileStatus) { (self.name, self.status) = (name, status) }

    /// The name, to open it with.
    public var path: FilePath { FilePath(bytes: name) }
}

extension FilePath {
    /// A path of these bytes, which need not be UTF-8.
    public init(bytes: some Sequence<UInt8>) {
        let terminated = bytes.map { CChar(bitPattern: $0) } + [0]
        self = terminated.withUnsafeBufferPointer { buffer in
            buffer.baseAddress.map { FilePath(platformString: $0) } ?? FilePath()
        }
    }

    /// The bytes of this path.
    public var bytes: [UInt8] {
        withPlatformString { pointer in
            var result: [UInt8] = []
            var at = 0
            while pointer[at] != 0 {
                result.append(UInt8(bitPattern: pointer[at]))
                at += 1
            }
            return result
        }
    }
}

extension FD {
    /// The entries of this directory with their status, ordered by the bytes of their names: one getdents for
    /// many names and one statx for each. A name that goes away meanwhile is left out.
    public func sortedEntries() throws(SysError) -> [TreeEntry] {
        let own = try open(".", [.readOnly, .directory], resolve: [])
        var result: [TreeEntry] = []
        var failure: SysError?
        var buffer = [UInt64](repeating: 0, count: 4096)
        while true {
            let n = try sys("getdents64", "directory") {
                buffer.withUnsafeMutableBytes { cl_getdents(own.raw, $0.baseAddress, $0.count) }
            }
            if n == 0 { break }
            buffer.withUnsafeBytes { bytes in
                do throws(SysError) {
                    try own.appendEntries(bytes, count: Int(n), to: &result)
                } catch { failure = error }
            }
            if let failure { throw failure }
        }
        result.sort { $0.name.lexicographicallyPrecedes($1.name) }
        return result
    }

    private func appendEntries(
        _ bytes: UnsafeRawBufferPointer, count: Int, to result: inout [TreeEntry]
    ) throws(SysError) {
        var at = 0
        while at < count {
            var entry = cl_dirent()
            at = cl_dirent_at(bytes.baseAddress, at, &entry)
            guard let name = entry.name else { continue }
            let text = UnsafeRawBufferPointer(start: name, count: Int(entry.length))
            if text.elementsEqual([0x2e]) || text.elementsEqual([0x2e, 0x2e]) { continue }
            var out = cl_stat()
            let error = cl_stat(raw, name, 0x100, &out)
            if error == -2 { continue }  // ENOENT: removed since
            _ = try sys("statx", String(decoding: text, as: UTF8.self)) { error }
            result.append(TreeEntry(name: Array(text), status: FileStatus(out)))
        }
    }

    /// Owner of one name in this directory, a link itself.
    public func changeOwner(of name: FilePath, uid: UInt32, gid: UInt32) throws(SysError) {
        _ = try sys("fchownat", name.string) {
            name.withPlatformString { cl_fchownat(raw, $0, uid, gid, 0x100) }
        }
    }

    /// Mode of this open file (not one opened with O_PATH).
    public func changeMode(_ mode: UInt32) throws(SysError) {
        _ = try sys("fchmod", "descriptor \(raw)") { cl_fchmod(raw, mode) }
    }

    /// Access and modification time of one name in this directory, a link itself.
    public func setTimes(of name: FilePath, seconds: Int64, nanoseconds: UInt32 = 0) throws(SysError) {
        let nanoseconds = CLong(nanoseconds)
        _ = try sys("utimensat", name.string) {
            name.withPlatformString {
                cl_utimensat(raw, $0, seconds, nanoseconds, seconds, nanoseconds, 0x100)
            }
        }
    }

    /// The names of this open file's extended attributes, sorted; none where the file system has none. One that is no
    /// UTF-8 is left out: no archive can hold it.
    public func attributeNames() throws(SysError) -> [String] {
        var buffer = [CChar](repeating: 0, count: 65536)
        let n: Int
        do {
            n = try sys("flistxattr", "descriptor \(raw)") { cl_flistxattr(raw, &buffer, buffer.count) }
        } catch {
            if error.errno == .notSupported { return [] }
            throw error
        }
        return buffer[..<n].split(separator: 0).compactMap {
            String(validating: $0.map(UInt8.init(bitPattern:)), as: UTF8.self)
        }
        .sorted()
    }

    /// The value of an extended attribute of this open file.
    public func attribute(_ name: String) throws(SysError) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: 65536)
        let n = try sys("fgetxattr", name) {
            buffer.withUnsafeMutableBytes { cl_fgetxattr(raw, name, $0.baseAddress, $0.count) }
        }
        return Array(buffer[..<n])
    }

    /// Sets an extended attribute of this open file.
    public func setAttribute(_ name: String, _ value: [UInt8]) throws(SysError) {
        _ = try sys("fsetxattr", name) {
            value.withUnsafeBytes { cl_fsetxattr(raw, name, $0.baseAddress, $0.count, 0) }
        }
    }

    /// Copies a regular file into this empty one; holes stay holes.
    public func copySparse(of source: borrowing FD) throws(SysError) {
        let size = Int64(clamping: try source.status().size)
        try setSize(size)
        var at: Int64 = 0
        while at < size, let data = try source.nextExtent(from: at) {
            at = data.lowerBound
            while at < data.upperBound {
                var (from, to) = (at, at)
                let wanted = Int(min(data.upperBound - at, 1 << 30))
                let count: Int
                do {
                    count = try sys("copy_file_range", "descriptor \(raw)") {
                        cl_copy_file_range(source.raw, &from, raw, &to, wanted)
                    }
                } catch {
                    guard Self.copyRefusals.contains(error.errno) else { throw error }
                    count = try copyPiece(of: source, at: at, wanted)
                }
                if count == 0 { return }  // it has become shorter meanwhile
                at += Int64(count)
            }
        }
    }

    /// Where the next data of a file is (lseek(2), SEEK_DATA); nil when only a hole follows. A file system that knows
    /// no holes has data up to the end.
    public func nextExtent(from offset: Int64) throws(SysError) -> Range<Int64>? {
        let start: Int64
        do {
            start = try sys("lseek", "descriptor \(raw)") { cl_lseek(raw, offset, 3) }
        } catch {
            if error.errno == .noSuchAddressOrDevice { return nil }
            throw error
        }
        return start..<(try sys("lseek", "descriptor \(raw)") { cl_lseek(raw, start, 4) })
    }

    private func copyPiece(of source: borrowing FD, at offset: Int64, _ limit: Int) throws(SysError) -> Int {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: min(limit, 1 << 17), alignment: 64)
        defer { buffer.deallocate() }
        let count = try source.read(into: buffer, at: offset)
        try writeAll(UnsafeRawBufferPointer(rebasing: buffer[..<count]), at: offset)
        return count
    }

    /// Other file systems, or one that cannot do it.
    private static let copyRefusals: [Errno] = [.improperLink, .invalidArgument, .notSupported, .noFunction]

    /// Copies what is left of `source` to this file: in the kernel where it can be, else by reading and writing.
    public func copyContents(of source: borrowing FD) throws(SysError) {
        let from = source.raw
        var copied = 0
        while true {
            let n: Int
            do {
                n = try sys("copy_file_range", "descriptor \(raw)") {
                    cl_copy_file_range(from, nil, raw, nil, 1 << 30)
                }
            } catch {
                guard copied == 0, Self.copyRefusals.contains(error.errno) else { throw error }
                return try copyByHand(from: from)
            }
            // 0 also comes from files that only look empty (/proc).
            if n == 0 { return copied == 0 ? try copyByHand(from: from) : () }
            copied += n
        }
    }

    private func copyByHand(from: CInt) throws(SysError) {
        var buffer = [UInt8](repeating: 0, count: 1 << 17)
        while true {
            let n = try sys("read", "descriptor \(from)") {
                buffer.withUnsafeMutableBytes { cl_read(from, $0.baseAddress, $0.count) }
            }
            if n == 0 { return }
            try writeAll(Array(buffer[..<n]))
        }
    }
}
