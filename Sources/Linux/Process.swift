import CLinux
public import SystemPackage

/// Namespaces that clone3(2), unshare(2) and setns(2) know.
public struct Namespaces: OptionSet, Sendable {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }
    public static let time = Namespaces(rawValue: 0x80)
    public static let mount = Namespaces(rawValue: 0x2_0000)
    public static let cgroup = Namespaces(rawValue: 0x200_0000)
    public static let uts = Namespaces(rawValue: 0x400_0000)
    public static let ipc = Namespaces(rawValue: 0x800_0000)
    public static let user = Namespaces(rawValue: 0x1000_0000)
    public static let pid = Namespaces(rawValue: 0x2000_0000)
    public static let network = Namespaces(rawValue: 0x4000_0000)
    /// What a further process of a container joins; its pid namespace is joined before it is cloned, its user
    /// namespace only when it is another one.
    public static let ofContainer: Namespaces = [.mount, .cgroup, .uts, .ipc, .network]

    /// The name of one kind below /proc/PID/ns.
    public var fileName: String {
        switch self {
        case .time: "time"
        case .mount: "mnt"
        case .cgroup: "cgroup"
        case .uts: "uts"
        case .ipc: "ipc"
        case .user: "user"
        case .pid: "pid"
        default: "net"
        }
    }
}

extension FD {
    /// Which kind of namespace this descriptor refers to (NS_GET_NSTYPE, ioctl_ns(2)); nil when to none.
    public func namespaceKind() -> Namespaces? {
        let kind = cl_namespace_kind(raw)
        return kind > 0 ? Namespaces(rawValue: UInt64(kind)) : nil
    }
}

/// How a process ended, in the shell's code.
public struct ExitStatus: Equatable, Sendable {
    /// 0-255, or 128 + n when signal n ended it.
    public let code: Int32
    /// The signal that ended it.
    public let signal: Int32?

    /// Takes a wait(2) status.
    public init(waitStatus: Int32) {
        if cl_wifexited(waitStatus) != 0 {
            (code, signal) = (cl_wexitstatus(waitStatus), nil)
        } else {
            let number = cl_wtermsig(waitStatus)
            (code, signal) = (128 + number, number)
        }
    }
}

/// The child of a clone is both here and there: which side this is.
@frozen
public enum CloneSide: ~Copyable {
    case child
    case parent(Pidfd)
}

/// A process held by descriptor: its pid cannot be given to another one while this is open.
@frozen
public struct Pidfd: ~Copyable, Sendable {
    public let fd: FD
    /// In the pid namespace of the one who opened it.
    public let pid: Int32

    public init(adopting fd: consuming FD, pid: Int32) {
        self.fd = fd
        self.pid = pid
    }

    /// pidfd_open(2). ESRCH when there is no such process.
    public init(pid: Int32) throws(SysError) {
        fd = FD(adopting: try sys("pidfd_open", "process \(pid)") { cl_pidfd_open(pid, 0) })
        self.pid = pid
    }

    /// The process of this pid that started then (`Process.startTime`). Nil when it is gone, also when a later one has
    /// its pid; that it cannot be looked at is an error.
    public static func find(pid: Int32, startTime: UInt64) throws(SysError) -> Pidfd? {
        let pidfd: Pidfd
        do throws(SysError) { pidfd = try Pidfd(pid: pid) } catch {
            // The last two: the number of a thread, by kernel.
            if [.noSuchProcess, .invalidArgument, .noSuchFileOrDirectory].contains(error.errno) {
                return nil
            }
            throw error
        }
        guard try Process.startTime(pid: pid) == startTime else { return nil }
        return pidfd
    }

    /// One that came from another process. ESRCH when it has ended and was reaped.
    public init(adopting fd: consuming FD) throws(SysError) {
        let bytes = try FD.open(FilePath("/proc/self/fdinfo/\(fd.raw)")).readAll(limit: 4096)
        let line = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
            .first { $0.hasPrefix("Pid:") }
        guard let line, let pid = Int32(line.dropFirst(4).drop { $0 == "\t" }), pid > 0 else {
            throw SysError(call: "pidfd", subject: "of another process", errno: .noSuchProcess)
        }
        self.init(adopting: fd, pid: pid)
    }

    /// Sends a signal; false when the process has ended.
    @discardableResult
    public func send(signal: Int32) throws(SysError) -> Bool {
        do {
            _ = try sys("pidfd_send_signal", "process \(pid)") { cl_pidfd_send_signal(fd.raw, signal) }
            return true
        } catch {
            if error.errno == .noSuchProcess { return false }
            throw error
        }
    }

    /// A descriptor of the process, by its number there (pidfd_getfd(2)); whoever may trace it may have it.
    public func descriptor(_ number: CInt) throws(SysError) -> FD {
        FD(
            adopting: try sys("pidfd_getfd", "descriptor \(number) of process \(pid)") {
                cl_pidfd_getfd(fd.raw, number)
            })
    }

    /// Reaps the process, our child: nil when it still runs (and `wait` is false).
    public func reap(wait: Bool) throws(SysError) -> ExitStatus? {
        var status: CInt = 0
        let ended = try sys("waitid", "process \(pid)") { cl_wait_pidfd(fd.raw, &status, wait ? 0 : 1) }
        return ended == 1 ? ExitStatus(waitStatus: status) : nil
    }

    /// The exit status of a process that is not our child (PIDFD_GET_INFO, Linux 6.15): nil when unknown.
    public func exitStatusOfStranger() -> ExitStatus? {
        var status: CInt = 0
        if cl_pidfd_exit_status(fd.raw, &status) == 1 { return ExitStatus(waitStatus: status) }
        // Ended, but its parent has not reaped it yet: then the kernel still shows the status in proc.
        // What cannot be read is not known.
        guard let fields = (try? Process.statFields(pid: pid)) ?? nil, fields.count > 49, fields[0] == "Z"
        else { return nil }
        return Int32(fields[49]).map { ExitStatus(waitStatus: $0) }
    }

    /// Whether it has ended (a zombie has).
    public func hasEnded() -> Bool {
        var poll = Poll()
        poll.add(fd, .readable)
        // A poll of one own descriptor has no other failure.
        return ((try? poll.wait(milliseconds: 0)) ?? 0) > 0
    }
}

/// Calls that act on or make processes. The caller has one thread.
public enum Process {
    /// clone3(2) with a pidfd, into new namespaces and, when given, straight into a cgroup. The child goes on
    /// with a copy of memory and of all descriptors. `asSibling`: it is a child of our parent (CLONE_PARENT).
    public static func clone(
        _ namespaces: Namespaces, cgroup: CInt? = nil, asSibling: Bool = false
    ) throws(SysError) -> CloneSide {
        var pidfd: CInt = -1
        let flags = namespaces.rawValue | (asSibling ? 0x8000 : 0)
        let pid = try sys("clone3", "container process") {
            // A sibling ends with the signal that we end with.
            cl_clone3(flags, &pidfd, cgroup ?? -1, asSibling ? 0 : 17)
        }
        if pid == 0 { return .child }
        return .parent(Pidfd(adopting: FD(adopting: pidfd), pid: Int32(pid)))
    }

    /// unshare(2).
    public static func unshare(_ namespaces: Namespaces) throws(SysError) {
        _ = try sys("unshare", "namespaces") { cl_unshare(namespaces.rawValue) }
    }

    /// A user namespace with these maps and no process, for mounts. A child makes it and is gone when this returns.
    public static func userNamespace(uidMap: String, gidMap: String) throws(SysError) -> FD {
        switch try clone(.user) {
        case .child:
            while true { Kernel.sleep(milliseconds: 1000) }
        case .parent(let child):
            defer {
                _ = try? child.send(signal: Signal.kill)  // our child: it can be signalled and reaped
                _ = try? child.reap(wait: true)  // as above
            }
            let directory = try FD.open(FilePath("/proc/\(child.pid)"), [.path, .directory])
            try directory.open("uid_map", .writeOnly).writeAll(Array(uidMap.utf8))
            try directory.open("gid_map", .writeOnly).writeAll(Array(gidMap.utf8))
            return try FD.open(FilePath("/proc/\(child.pid)/ns/user"))
        }
    }

    /// setns(2) with a namespace descriptor or a pidfd.
    public static func enter(_ namespaces: Namespaces, of fd: borrowing FD) throws(SysError) {
        let raw = fd.raw
        _ = try sys("setns", "namespaces") { cl_setns(raw, namespaces.rawValue) }
    }

    /// Runs `body` in another namespace and comes back, also after an error. When coming back fails the process must
    /// end.
    public static func visit<R: ~Copyable>(
        _ kind: Namespaces, of fd: borrowing FD, _ body: () throws(SysError) -> R
    ) throws(SysError) -> R {
        let home = try FD.open(FilePath("/proc/self/ns/\(kind.fileName)"))
        try enter(kind, of: fd)
        let result: R
        do throws(SysError) {
            result = try body()
        } catch {
            try enter(kind, of: home)
            throw error
        }
        try enter(kind, of: home)
        return result
    }

    /// Starts a program of ours by path or by descriptor (vfork, execve), with `descriptors[i]` at 3+i.
    /// `stdio` says what 0, 1 and 2 become; -1 keeps ours. Answers the pid; exec errors are thrown.
    public static func spawn(
        path: FilePath? = nil, file: CInt = -1, arguments: [String], environment: [String],
        descriptors: [CInt] = [], stdio: [CInt] = [-1, -1, -1], newSession: Bool = false
    ) throws(SysError) -> Int32 {
        let argv = CStrings(arguments)
        let envp = CStrings(environment)
        let pid = try sys("execve", path?.string ?? arguments.first ?? "") {
            if let path {
                path.withPlatformString {
                    cl_spawn(
                        -1, $0, argv.pointers, envp.pointers, descriptors, descriptors.count, stdio,
                        newSession ? 1 : 0)
                }
            } else {
                cl_spawn(
                    file, nil, argv.pointers, envp.pointers, descriptors, descriptors.count, stdio,
                    newSession ? 1 : 0)
            }
        }
        return Int32(pid)
    }

    /// As `spawn`; answers the process by descriptor. One that cannot be held is ended again.
    public static func spawnHeld(
        path: FilePath, arguments: [String], environment: [String], stdio: [CInt]
    ) throws(SysError) -> Pidfd {
        let pid = try spawn(path: path, arguments: arguments, environment: environment, stdio: stdio)
        do {
            return try Pidfd(pid: pid)
        } catch {
            _ = cl_kill(pid, Signal.kill)
            _ = try wait(pid: pid)
            throw error
        }
    }

    public static var pid: Int32 { cl_getpid() }
    public static var effectiveUser: UInt32 { cl_getuid() }

    /// Ends the process at once: no atexit, no deinit. A child of a clone ends with this or with an exec.
    public static func exitNow(_ code: Int32) -> Never { cl_exit_now(code) }

    /// Waits for one child by pid.
    public static func wait(pid: Int32) throws(SysError) -> ExitStatus {
        var status: CInt = 0
        _ = try sys("waitpid", "process \(pid)") { cl_waitpid(pid, &status) }
        return ExitStatus(waitStatus: status)
    }

    /// Field 22 of /proc/PID/stat: when the process started, in clock ticks since boot. Nil when it is gone; that it
    /// cannot be looked at is an error, lest what lives be taken for dead.
    public static func startTime(pid: Int32) throws(SysError) -> UInt64? {
        try statFields(pid: pid).flatMap { $0.count > 19 ? UInt64($0[19]) : nil }
    }

    /// /proc/PID/stat from its third field (the state) on; nil when the process is gone.
    static func statFields(pid: Int32) throws(SysError) -> [String]? {
        let bytes: [UInt8]
        do throws(SysError) {
            bytes = try FD.open(FilePath("/proc/\(pid)/stat")).readAll(limit: 65536)
        } catch {
            if [.noSuchFileOrDirectory, .noSuchProcess].contains(error.errno) { return nil }
            throw error
        }
        guard let close = bytes.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        return bytes[(close + 1)...].split { $0 == 0x20 || $0 == 0x0a }.map {
            String(decoding: $0, as: UTF8.self)
        }
    }

    /// The kernel's random id of this boot.
    public static func bootID() throws(SysError) -> String {
        if case .success(let id) = knownBootID { return id }
        return try readBootID()
    }

    /// It is asked for once for every container of a list.
    private static let knownBootID = Result { () throws(SysError) in try readBootID() }

    private static func readBootID() throws(SysError) -> String {
        let bytes = try FD.open("/proc/sys/kernel/random/boot_id").readAll(limit: 128)
        return String(decoding: bytes.prefix(36), as: UTF8.self)
    }

    /// What this program was called with. To be asked for once, first: the environment is complete only then.
    public static func takeArguments() -> [String] { texts(cl_argv()) }

    /// The environment of this process as `NAME=value`.
    public static var environment: [String] { texts(cl_environ()) }

    private static func texts(_ vector: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> [String] {
        var result: [String] = []
        guard var at = vector else { return [] }
        while let entry = at.pointee {
            result.append(String(cString: entry))
            at += 1
        }
        return result
    }
}

/// NULL-terminated strings for execve(2), made before a clone so that the child allocates nothing.
public final class CStrings {
    /// Valid as long as this object.
    public let pointers: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    private let count: Int

    public init(_ strings: [String]) {
        count = strings.count
        pointers = .allocate(capacity: strings.count + 1)
        for (i, string) in strings.enumerated() {
            let bytes = string.utf8CString
            let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
            for (j, byte) in bytes.enumerated() { copy[j] = byte }
            pointers[i] = copy
        }
        pointers[strings.count] = nil
    }

    deinit {
        for i in 0..<count { pointers[i]?.deallocate() }
        pointers.deallocate()
    }
}
