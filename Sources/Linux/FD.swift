import CLinux
public import SystemPackage

/// A file descriptor with one owner: closed when the owner goes away. Always close-on-exec.
@frozen
public struct FD: ~Copyable, Sendable {
    /// The number, for calls that borrow it.
    public let raw: CInt

    /// Takes over a descriptor that nobody else closes.
    public init(adopting raw: CInt) { self.raw = raw }

    deinit { _ = cl_close(raw) }

    /// Gives the number away; the caller closes it.
    public consuming func release() -> CInt {
        let raw = raw
        discard self
        return raw
    }

    /// A second descriptor for the same open file, numbered `minimum` or above.
    public func duplicate(atLeast minimum: CInt = 3) throws(SysError) -> FD {
        FD(adopting: try sys("fcntl", "F_DUPFD_CLOEXEC") { cl_dup(raw, minimum) })
    }

    /// Whether an exec closes it. Handing a descriptor to a child needs `false`.
    public func setCloseOnExec(_ on: Bool) throws(SysError) {
        _ = try sys("fcntl", "F_SETFD") { cl_fcntl(raw, 2, on ? 1 : 0) }
    }

    /// O_NONBLOCK on or off, for every descriptor of the same open file.
    public func setNonBlocking(_ on: Bool) throws(SysError) {
        let flags = try sys("fcntl", "F_GETFL") { cl_fcntl(raw, 3, 0) }
        let wanted = on ? flags | 0o4000 : flags & ~0o4000
        _ = try sys("fcntl", "F_SETFL") { cl_fcntl(raw, 4, CLong(wanted)) }
    }
}

extension Optional where Wrapped == FD {
    /// The number, for calls that borrow it.
    public var raw: CInt? {
        switch self {
        case .some(let fd): fd.raw
        case .none: nil
        }
    }

    /// Lends the descriptor, when there is one.
    public func withFD<R>(_ body: (borrowing FD) -> R) -> R? {
        switch self {
        case .some(let fd): body(fd)
        case .none: nil
        }
    }
}

/// Flags of open(2) and openat2(2); O_CLOEXEC is always added.
public struct OpenFlags: OptionSet, Sendable {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }
    public static let readOnly = OpenFlags([])
    public static let writeOnly = OpenFlags(rawValue: 0o1)
    public static let readWrite = OpenFlags(rawValue: 0o2)
    public static let create = OpenFlags(rawValue: 0o100)
    public static let exclusive = OpenFlags(rawValue: 0o200)
    public static let noTTY = OpenFlags(rawValue: 0o400)
    public static let truncate = OpenFlags(rawValue: 0o1000)
    public static let append = OpenFlags(rawValue: 0o2000)
    public static let nonBlocking = OpenFlags(rawValue: 0o4000)
    #if arch(arm64)
        public static let directory = OpenFlags(rawValue: 0o40000)
        public static let noFollow = OpenFlags(rawValue: 0o100000)
    #else
        public static let directory = OpenFlags(rawValue: 0o200000)
        public static let noFollow = OpenFlags(rawValue: 0o400000)
    #endif
    public static let path = OpenFlags(rawValue: 0o10000000)
    /// O_TMPFILE: a new file without a name in a directory.
    public static let unnamed = OpenFlags(rawValue: 0o20000000).union(.directory)
}

/// How openat2(2) walks a path below a descriptor.
public struct Resolve: OptionSet, Sendable {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }
    public static let noCrossDevice = Resolve(rawValue: 0x01)
    public static let noMagicLinks = Resolve(rawValue: 0x02)
    public static let noSymlinks = Resolve(rawValue: 0x04)
    /// `..` or an absolute link that leads out is refused with EXDEV.
    public static let beneath = Resolve(rawValue: 0x08)
    /// The descriptor is `/` for the walk: links and `..` stay inside.
    public static let inRoot = Resolve(rawValue: 0x10)
}

/// Which kind of file an inode is.
public enum FileType: UInt32, Sendable {
    case fifo = 0o010000
    case character = 0o020000
    case directory = 0o040000
    case block = 0o060000
    case regular = 0o100000
    case symlink = 0o120000
    case socket = 0o140000
}

/// What statx(2) tells; times in seconds and nanoseconds since 1970.
public struct FileStatus: Equatable, Sendable {
    public let type: FileType
    /// Permission bits with setuid, setgid and sticky (07777).
    public let permissions: UInt32
    public let uid: UInt32
    public let gid: UInt32
    public let size: UInt64
    /// Blocks of 512 bytes really used.
    public let blocks: UInt64
    public let links: UInt64
    public let device: UInt64
    public let inode: UInt64
    public let mountID: UInt64
    /// Device numbers of a character or block special file.
    public let rdevMajor: UInt32
    public let rdevMinor: UInt32
    public let mtime: (seconds: Int64, nanoseconds: UInt32)
    public let ctime: (seconds: Int64, nanoseconds: UInt32)

    init(_ s: cl_stat) {
        type = FileType(rawValue: s.mode & 0o170000) ?? .regular
        permissions = s.mode & 0o7777
        (uid, gid, size, blocks, links) = (s.uid, s.gid, s.size, s.blocks, s.links)
        (device, inode, mountID) = (s.device, s.inode, s.mount_id)
        (rdevMajor, rdevMinor) = (s.rdev_major, s.rdev_minor)
        mtime = (s.mtime_sec, s.mtime_nsec)
        ctime = (s.ctime_sec, s.ctime_nsec)
    }

    public static func == (a: FileStatus, b: FileStatus) -> Bool {
        a.type == b.type && a.permissions == b.permissions && a.uid == b.uid && a.gid == b.gid
            && a.size == b.size && a.device == b.device && a.inode == b.inode && a.mtime == b.mtime
            && a.ctime == b.ctime && a.rdevMajor == b.rdevMajor && a.rdevMinor == b.rdevMinor
    }
}

extension FD {
    /// Opens a path of our own (never one that an image or a container chose) with open(2).
    public static func open(
        _ path: FilePath, _ flags: OpenFlags = .readOnly, mode: UInt32 = 0o600
    ) throws(SysError) -> FD {
        FD(
            adopting: try sys("open", path.string) {
                path.withPlatformString {
                    cl_openat(-100, $0, CInt(truncatingIfNeeded: flags.rawValue), mode)
                }
            })
    }

    /// Opens a path below this directory by openat2(2); the default lets no link or `..` lead out.
    public func open(
        _ path: FilePath, _ flags: OpenFlags = .readOnly, mode: UInt32 = 0,
        resolve: Resolve = [.inRoot, .noMagicLinks]
    ) throws(SysError) -> FD {
        FD(
            adopting: try sys("open", path.string) {
                path.withPlatformString {
                    cl_openat2(
                        raw, $0, flags.rawValue,
                        !flags.isDisjoint(with: [.create, OpenFlags(rawValue: 0o20000000)])
                            ? UInt64(mode) : 0, resolve.rawValue)
                }
            })
    }

    /// An unnamed file in memory (memfd_create(2)) that holds these bytes, to be read from its beginning.
    public static func inMemory(_ name: String, _ bytes: [UInt8]) throws(SysError) -> FD {
        let file = FD(adopting: try sys("memfd_create", name) { name.withCString { cl_memfd_create($0, 0) } })
        try file.writeAll(bytes)
        try file.rewind()
        return file
    }

    /// fstat of this descriptor (O_PATH too).
    public func status() throws(SysError) -> FileStatus {
        var out = cl_stat()
        _ = try sys("statx", "descriptor \(raw)") { cl_stat(raw, "", 0x1000, &out) }
        return FileStatus(out)
    }

    /// lstat of one name in this directory; nil when there is none. `name` holds no slash.
    public func status(of name: FilePath) throws(SysError) -> FileStatus? {
        var out = cl_stat()
        do {
            _ = try sys("statx", name.string) { name.withPlatformString { cl_stat(raw, $0, 0x100, &out) } }
        } catch {
            if error.errno == .noSuchFileOrDirectory { return nil }
            throw error
        }
        return FileStatus(out)
    }

    /// Reads up to the buffer's size; 0 at the end.
    public func read(into buffer: UnsafeMutableRawBufferPointer) throws(SysError) -> Int {
        try sys("read", "descriptor \(raw)") { cl_read(raw, buffer.baseAddress, buffer.count) }
    }

    /// One write(2): how many bytes it took.
    public func writeSome(_ bytes: [UInt8]) throws(SysError) -> Int {
        try sys("write", "descriptor \(raw)") { cl_write(raw, bytes, bytes.count) }
    }

    /// Writes all bytes, however many calls it takes.
    public func writeAll(_ bytes: UnsafeRawBufferPointer) throws(SysError) {
        var rest = bytes
        while !rest.isEmpty {
            let now = rest
            let n = try sys("write", "descriptor \(raw)") { cl_write(raw, now.baseAddress, now.count) }
            rest = UnsafeRawBufferPointer(rebasing: rest[n...])
        }
    }

    /// Writes all bytes, however many calls it takes.
    public func writeAll(_ bytes: [UInt8]) throws(SysError) {
        var failure: SysError?
        bytes.withUnsafeBytes { do throws(SysError) { try writeAll($0) } catch { failure = error } }
        if let failure { throw failure }
    }

    /// One read(2) of at most `limit` bytes; empty at the end.
    public func readSome(limit: Int) throws(SysError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: limit)
        let n = try sys("read", "descriptor \(raw)") {
            bytes.withUnsafeMutableBytes { cl_read(raw, $0.baseAddress, $0.count) }
        }
        bytes.removeSubrange(Int(n)...)
        return bytes
    }

    /// The whole file from here on, at most `limit` bytes (EFBIG when it is longer).
    public func readAll(limit: Int) throws(SysError) -> [UInt8] {
        var bytes = [UInt8]()
        // Most files are small.
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let n = try sys("read", "descriptor \(raw)") {
                chunk.withUnsafeMutableBytes { cl_read(raw, $0.baseAddress, $0.count) }
            }
            if n == 0 { return bytes }
            if bytes.count + n > limit {
                throw SysError(call: "read", subject: "descriptor \(raw)", errno: .fileTooLarge)
            }
            bytes.append(contentsOf: chunk[..<n])
            if n == chunk.count, n < 65536 { chunk = [UInt8](repeating: 0, count: 65536) }
        }
    }

    /// fsync(2); errors name what it is.
    public func sync(_ what: String? = nil) throws(SysError) {
        _ = try sys("fsync", what ?? "descriptor \(raw)") { cl_fsync(raw) }
    }

    /// An exclusive (or shared) flock(2) that ends with this descriptor; false when `wait` is not given and
    /// somebody else holds it.
    @discardableResult
    public func lock(shared: Bool = false, wait: Bool = true) throws(SysError) -> Bool {
        let operation: CInt = (shared ? 1 : 2) | (wait ? 0 : 4)
        do {
            _ = try sys("flock", "descriptor \(raw)") { cl_flock(raw, operation) }
            return true
        } catch {
            if error.errno == .wouldBlock { return false }
            throw error
        }
    }
}

/// A pipe: what is written to `write` comes out of `read`.
public struct Pipe: ~Copyable {
    public let read: FD
    public let write: FD
    /// Keeps the end that is read and closes the other.
    public consuming func takeRead() -> FD { read }

    public init() throws(SysError) {
        var ends: (CInt, CInt) = (-1, -1)
        _ = try sys("pipe2", "pipe") {
            withUnsafeMutableBytes(of: &ends) {
                cl_pipe2($0.assumingMemoryBound(to: CInt.self).baseAddress, 0)
            }
        }
        read = FD(adopting: ends.0)
        write = FD(adopting: ends.1)
    }
}

/// The standard streams of this program, which nobody owns.
public enum StandardStream {
    /// Writes all bytes to 1 or 2; waits where the other end is non-blocking.
    public static func write(_ target: CInt, _ bytes: ArraySlice<UInt8>) throws(SysError) {
        var rest = bytes
        while !rest.isEmpty {
            let count = try writeSome(target, rest)
            rest = rest.dropFirst(count)
            if count == 0 {
                var poll = Poll()
                poll.add(raw: target, .writable)
                _ = try poll.wait(milliseconds: -1)
            }
        }
    }

    /// How much 1 or 2 takes at once when poll(2) has found room: a file takes all, a pipe or a terminal PIPE_BUF (pipe(7)).
    public static func room(_ target: CInt) -> Int {
        // What cannot be looked at is no file: less at once does no harm.
        let type = try? FD.open(FilePath("/proc/self/fd/\(target)"), .path).status().type
        return type == .regular ? .max : 4096
    }

    /// The terminal that 1 or 2 is, opened once more so that no write to it waits: poll(2) finds one ready as long as
    /// it takes a single byte. Nil for what is none, or another user's.
    public static func unwaiting(_ target: CInt) -> FD? {
        guard Terminal.isTerminal(target) else { return nil }
        return try? FD.open(FilePath("/proc/self/fd/\(target)"), [.writeOnly, .nonBlocking, .noTTY])
    }

    /// Writes what 1 or 2 takes at once, at most `bytes`: how many; 0 when it has no room. `by`: another descriptor of
    /// the same.
    public static func writeSome(
        _ target: CInt, _ bytes: ArraySlice<UInt8>, by descriptor: CInt? = nil
    ) throws(SysError) -> Int {
        do {
            return try sys("write", target == 1 ? "standard output" : "standard error") {
                bytes.withUnsafeBytes { cl_write(descriptor ?? target, $0.baseAddress, $0.count) }
            }
        } catch {
            guard error.errno == .wouldBlock else { throw error }
            return 0
        }
    }

    /// What stands in standard input now, at most `limit` bytes, behind `head`; nothing more at its end.
    public static func readInput(limit: Int, after head: [UInt8] = []) throws(SysError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: head.count + limit)
        bytes.replaceSubrange(..<head.count, with: head)
        do {
            let n = try sys("read", "standard input") {
                bytes.withUnsafeMutableBytes { cl_read(0, $0.baseAddress.map { $0 + head.count }, limit) }
            }
            bytes.removeSubrange((head.count + n)...)
            return bytes
        } catch {
            // The terminal of a background process, or one that has hung up, has no input.
            if error.errno == .ioError { return head }
            throw error
        }
    }
}
