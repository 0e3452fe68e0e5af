import CLinux
public import SystemPackage

/// Single calls on the calling process, for a child between clone and exec.
public enum Kernel {
    /// A session keyring by name, so that the container cannot see its starter's, and its further processes share
    /// its own (keyctl(2)). Hosts without keys have nothing to hide.
    public static func joinSessionKeyring(_ name: String) throws(SysError) {
        do {
            var key = try sys("keyctl", "session keyring") { name.withCString { cl_keyctl_join_session($0) } }
            // Names are everybody's: somebody's own searchable keyring would be the container's.
            if keyOwner(key) != cl_getuid() {
                key = try sys("keyctl", "session keyring") { cl_keyctl_join_session(nil) }
            }
            // All for the possessor; view, read, link and, to be found by name, search for its user.
            _ = try sys("keyctl", "permissions of the session keyring") {
                cl_keyctl_setperm(key, 0x3f1b_0000)
            }
        } catch {
            guard error.errno == .noFunction else { throw error }
        }
    }

    /// The user of a key; nil when it cannot be seen.
    private static func keyOwner(_ key: CInt) -> UInt32? {
        var text = [UInt8](repeating: 0, count: 256)
        let count = text.withUnsafeMutableBytes { cl_keyctl_describe(key, $0.baseAddress, $0.count) }
        guard count > 0 else { return nil }
        let fields = text.split(separator: UInt8(ascii: ";"), maxSplits: 2, omittingEmptySubsequences: false)
        return fields.count > 1 ? UInt32(String(decoding: fields[1], as: UTF8.self)) : nil
    }

    public static func newSession() throws(SysError) { _ = try sys("setsid", "") { cl_setsid() } }

    public static func setHostname(_ name: String) throws(SysError) {
        _ = try sys("sethostname", name) { name.withCString { cl_sethostname($0, name.utf8.count) } }
    }

    public static func setDomainname(_ name: String) throws(SysError) {
        _ = try sys("setdomainname", name) { name.withCString { cl_setdomainname($0, name.utf8.count) } }
    }

    public static func changeDirectory(_ directory: borrowing FD) throws(SysError) {
        let raw = directory.raw
        _ = try sys("fchdir", "directory") { cl_fchdir(raw) }
    }

    /// fchdir(2) and chroot(2): it is `/` from now on.
    public static func changeRoot(_ directory: borrowing FD) throws(SysError) {
        try changeDirectory(directory)
        _ = try sys("chroot", "directory") { cl_fchroot_dot() }
    }

    /// getcwd(2) as the kernel says it; it does not begin with `/` when the directory is not below the root.
    public static func currentDirectory() -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let n = buffer.withUnsafeMutableBytes { cl_getcwd($0.baseAddress, $0.count) }
        return n > 0 ? Array(buffer[..<(n - 1)]) : nil
    }

    /// dup3 without close-on-exec; the same number only loses the flag.
    public static func duplicate(_ from: CInt, onto target: CInt) throws(SysError) {
        if from == target {
            _ = try sys("fcntl", "F_SETFD") { cl_fcntl(from, 2, 0) }
        } else {
            _ = try sys("dup3", "descriptor \(from)") { cl_dup3(from, target, 0) }
        }
    }

    /// Owner of an open file, O_PATH too. A group of nil is kept.
    public static func changeOwner(_ fd: borrowing FD, uid: UInt32, gid: UInt32?) throws(SysError) {
        let raw = fd.raw
        _ = try sys("fchownat", "descriptor") { cl_fchownat(raw, "", uid, gid ?? .max, 0x1000) }
    }

    /// Gives a pipe or FIFO to a user; anything else keeps its owner.
    public static func changeOwnerOfPipe(_ raw: CInt, uid: UInt32) throws(SysError) {
        var status = cl_stat()
        _ = try sys("statx", "descriptor \(raw)") { cl_stat(raw, "", 0x1000, &status) }
        guard status.mode & 0o170000 == FileType.fifo.rawValue else { return }
        _ = try sys("fchownat", "descriptor \(raw)") { cl_fchownat(raw, "", uid, .max, 0x1000) }
    }

    /// Whether a descriptor is of the null device, char 1:3.
    public static func isNull(_ raw: CInt) throws(SysError) -> Bool {
        var status = cl_stat()
        _ = try sys("statx", "descriptor \(raw)") { cl_stat(raw, "", 0x1000, &status) }
        return status.mode & 0o170000 == FileType.character.rawValue && status.rdev_major == 1
            && status.rdev_minor == 3
    }

    /// Mode of an open file; of one opened with O_PATH through its name below /proc/self/fd.
    public static func changeMode(_ fd: borrowing FD, _ mode: UInt32) throws(SysError) {
        let raw = fd.raw
        _ = try sys("fchmod", "descriptor") {
            "/proc/self/fd/\(raw)".withCString { cl_fchmodat(-100, $0, mode) }
        }
    }

    /// setrlimit(2). EPERM names the limit and the capability that is missing.
    public static func setRlimit(
        _ resource: Int32, name: String, soft: UInt64, hard: UInt64
    ) throws(SysError) {
        do {
            _ = try sys("setrlimit", "\(name)=\(soft):\(hard)") {
                cl_prlimit(0, resource, [soft, hard], nil)
            }
        } catch {
            if error.errno == .notPermitted { throw error.hinting("raising it needs CAP_SYS_RESOURCE") }
            throw error
        }
    }

    /// Our own soft and hard limit.
    public static func rlimit(_ resource: Int32) -> (soft: UInt64, hard: UInt64) {
        var old: [UInt64] = [0, 0]
        _ = cl_prlimit(0, resource, nil, &old)
        return (old[0], old[1])
    }

    /// Runs `body` with as many descriptors as the hard limit allows: who walks down a deep tree holds one or two a level,
    /// and 1,024 are usual. What is started meanwhile has them too.
    public static func withManyDescriptors<R, E>(_ body: () throws(E) -> R) throws(E) -> R {
        let descriptors: Int32 = 7  // RLIMIT_NOFILE
        let (soft, hard) = rlimit(descriptors)
        // Where it is refused, the walk ends as it would have.
        try? setRlimit(descriptors, name: "RLIMIT_NOFILE", soft: hard, hard: hard)
        // Lowering is never refused.
        defer { try? setRlimit(descriptors, name: "RLIMIT_NOFILE", soft: soft, hard: hard) }
        return try body()
    }

    public static func setUmask(_ mask: UInt32) { _ = cl_umask(mask) }

    /// User and group 0 of a user namespace whose ids have just been mapped. Capabilities are kept.
    public static func becomeRoot() throws(SysError) {
        _ = try sys("setresgid", "0") { cl_setresgid(0) }
        _ = try sys("setresuid", "0") { cl_setresuid(0) }
    }

    /// Groups, then gid, then uid, each on all three places; capabilities survive for the step that sets them.
    public static func setUser(_ user: Credentials) throws(SysError) {
        // To the kernel it means "do not change", which would leave us root.
        guard user.uid != .max, user.gid != .max else {
            throw SysError(call: "setresuid", subject: "\(UInt32.max)", errno: .invalidArgument)
        }
        _ = try sys("prctl", "PR_SET_KEEPCAPS") { cl_prctl(8, 1, 0, 0, 0) }
        do {
            _ = try sys("setgroups", "\(user.groups)") { cl_setgroups(user.groups.count, user.groups) }
        } catch {
            // A user namespace made without privileges forbids it: then nobody may ask for more than the own group.
            guard error.errno == .notPermitted, user.groups == [user.gid] else { throw error }
        }
        _ = try sys("setresgid", "\(user.gid)") { cl_setresgid(user.gid) }
        _ = try sys("setresuid", "\(user.uid)") { cl_setresuid(user.uid) }
        _ = try sys("prctl", "PR_SET_KEEPCAPS") { cl_prctl(8, 0, 0, 0, 0) }
    }

    public static func setPersonality(_ persona: UInt) throws(SysError) {
        _ = try sys("personality", "\(persona)") { cl_personality(persona) }
    }

    /// ioprio_set(2): the class above bit 13, the priority in it below.
    public static func setIOPriority(_ value: UInt32) throws(SysError) {
        _ = try sys("ioprio_set", "class \(value >> 13)") { cl_ioprio_set(value) }
    }

    public static func setNoNewPrivileges() throws(SysError) {
        _ = try sys("prctl", "PR_SET_NO_NEW_PRIVS") { cl_prctl(38, 1, 0, 0, 0) }
    }

    /// `false`: nobody may trace this process or read its descriptors until the next exec.
    public static func setDumpable(_ isDumpable: Bool) throws(SysError) {
        _ = try sys("prctl", "PR_SET_DUMPABLE") { cl_prctl(4, isDumpable ? 1 : 0, 0, 0, 0) }
    }

    /// close_range(2) with CLOSE_RANGE_CLOEXEC.
    public static func closeOnExec(from first: UInt32) throws(SysError) {
        _ = try sys("close_range", "\(first)-") { cl_close_range(first, .max, 4) }
    }

    /// Closes every descriptor from `first` on but these. Their owners must not run any more.
    public static func closeAll(from first: UInt32, except kept: [CInt]) throws(SysError) {
        var next = first
        for raw in kept.map(UInt32.init).sorted() where raw >= next {
            if raw > next {
                _ = try sys("close_range", "\(next)-\(raw - 1)") { cl_close_range(next, raw - 1, 0) }
            }
            next = raw + 1
        }
        let start = next
        _ = try sys("close_range", "\(start)-") { cl_close_range(start, .max, 0) }
    }

    /// Sets close-on-exec on a descriptor by number: one that was inherited.
    public static func setCloseOnExec(_ raw: CInt) throws(SysError) {
        _ = try sys("fcntl", "descriptor \(raw)") { cl_fcntl(raw, 2, 1) }
    }

    /// One line on standard error.
    public static func printError(_ text: String) {
        let bytes = Array((text + "\n").utf8)
        _ = cl_write(2, bytes, bytes.count)
    }

    /// Waits without doing anything.
    public static func sleep(milliseconds: Int32) {
        var poll = Poll()
        _ = try? poll.wait(milliseconds: milliseconds)  // a wait for no descriptor cannot fail
    }

    /// The first process of a pid namespace ignores signals that it has no handler for: from now on those that end
    /// others end this one too.
    public static func endOnSignals() { cl_end_on_signals() }

    /// Every signal to its default and none blocked: what an exec would otherwise hand on.
    public static func resetSignals() { cl_reset_signals() }

    /// Why a file cannot be executed with our effective ids (faccessat2(2)); nil when it can.
    public static func checkExecutable(_ path: String) -> Errno? {
        let result = path.withCString { cl_check_executable($0) }
        return result < 0 ? Errno(rawValue: -result) : nil
    }

    /// execve(2); the errno when it did not happen.
    public static func execute(_ path: String, _ argv: CStrings, _ envp: CStrings) -> Errno {
        Errno(rawValue: -path.withCString { cl_execve($0, argv.pointers, envp.pointers) })
    }

    /// Random bytes of the kernel.
    public static func random(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        // Up to 256 bytes come whole (getrandom(2)).
        precondition(count <= 256)
        _ = bytes.withUnsafeMutableBytes { cl_getrandom($0.baseAddress, $0.count) }
        return bytes
    }

    /// Release and machine of uname(2).
    public static func release() -> (release: String, machine: String) {
        var (name, release, machine) = (
            [CChar](repeating: 0, count: 65), [CChar](repeating: 0, count: 65),
            [CChar](repeating: 0, count: 65)
        )
        _ = cl_uname(&name, &release, &machine, 65)
        func text(_ c: [CChar]) -> String {
            String(decoding: c.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        }
        return (text(release), text(machine))
    }
}
