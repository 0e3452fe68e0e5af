// What its name says has no comment.

public import Glibc

/// Where the built binaries and the fixtures are, and whether this machine can run system tests.
public enum Host {
    /// The repository, seen from this file.
    static let repository: String = {
        let file = #filePath
        return file.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }
    }()
    /// `APUS_BIN`, or bin/ of the repository.
    public static let bin = environment("APUS_BIN") ?? repository + "/bin"
    /// `APUS_FIXTURES`, or what `make fixtures` makes.
    public static let fixtures = environment("APUS_FIXTURES") ?? repository + "/rootfs-fixtures/out"

    /// The program of Tests/LinuxProbe: it is beside the tests' own.
    public static let probe: String = {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = buffer.withUnsafeMutableBytes { bytes -> Int in
            guard let start = bytes.baseAddress else { return -1 }
            return readlink("/proc/self/exe", start.assumingMemoryBound(to: CChar.self), bytes.count)
        }
        let own = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
        return own.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 } + "/linux-probe"
    }()

    public static let isRoot = getuid() == 0
    /// nil, or why no system test can run here.
    public static let obstacle: String? = {
        if getuid() != 0 { return "system tests start containers and need root" }
        for program in ["apus", "apus-runtime"] where access(bin + "/" + program, X_OK) != 0 {
            return "\(bin)/\(program) is missing; `make` builds it"
        }
        if access(fixtures + "/busybox.tar", R_OK) != 0 {
            return "\(fixtures)/busybox.tar is missing; `make fixtures` makes it"
        }
        return nil
    }()
    public static let isReady = obstacle == nil
    /// The reason for a skip, fit for `.enabled(if:_:)`.
    public static let reason = obstacle ?? "ready"

    /// The path of a file that the recipes in rootfs-fixtures/ make.
    public static func fixture(_ name: String) -> String { fixtures + "/" + name }
    public static func has(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// The path of the cgroup v2 hierarchy: by itself, or beside version 1.
    public static let cgroupRoot =
        has("/sys/fs/cgroup/cgroup.controllers") ? "/sys/fs/cgroup" : "/sys/fs/cgroup/unified"
    /// Whether AppArmor is switched on.
    public static let hasAppArmor =
        readFile("/sys/module/apparmor/parameters/enabled")?.hasPrefix("Y") == true
    /// Whether a controller is in the v2 hierarchy.
    public static func hasController(_ name: String) -> Bool {
        readFile(cgroupRoot + "/cgroup.controllers")?.split(whereSeparator: \.isWhitespace).contains {
            $0 == name
        }
            ?? false
    }
    /// nil, or why no limit can be set here.
    public static let limitObstacle: String? = {
        if let obstacle { return obstacle }
        let missing = ["cpu", "cpuset", "io", "memory", "pids"].filter { !hasController($0) }
        if missing.isEmpty { return nil }
        return
            "no cgroup v2 controller for \(missing.joined(separator: ", ")); `make test-vm` brings a kernel with them"
    }()

    /// A number from the environment.
    public static func number(_ name: String) -> Int? { environment(name).flatMap { Int($0) } }
    public static func environment(_ name: String) -> String? {
        guard let value = getenv(name) else { return nil }
        return String(cString: value)
    }
}

/// The bytes of a file as text; nil where it cannot be read.
public func readFile(_ path: String) -> String? {
    (try? readBytes(path)).map { String(decoding: $0, as: UTF8.self) }  // nil says it
}

public func readBytes(_ path: String) throws -> [UInt8] {
    let fd = open(path, O_RDONLY | O_CLOEXEC)
    guard fd >= 0 else { throw Trouble("read \(path)") }
    defer { close(fd) }
    var bytes: [UInt8] = []
    while case let more = readSome(fd), !more.isEmpty { bytes += more }
    return bytes
}

/// Writes a file anew; its directory is there.
public func writeFile(_ path: String, _ text: String, mode: mode_t = 0o644) throws {
    try writeFile(path, bytes: Array(text.utf8), mode: mode)
}

public func writeFile(_ path: String, bytes: [UInt8], mode: mode_t = 0o644) throws {
    let fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
    guard fd >= 0 else { throw Trouble("write \(path)") }
    defer { close(fd) }
    var rest = bytes[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { write(fd, $0.baseAddress, $0.count) }
        guard count > 0 else { throw Trouble("write \(path)") }
        rest = rest.dropFirst(count)
    }
}

/// What one read(2) gives; empty at the end or where there is nothing.
func readSome(_ fd: CInt) -> [UInt8] {
    let size = 65536
    return [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
        count = max(0, read(fd, buffer.baseAddress, size))
    }
}

/// A failure of the test's own machinery, with errno in words.
public struct Trouble: Error, CustomStringConvertible {
    public let description: String
    /// `what` failed; errno says why.
    public init(_ what: String) { description = "\(what): \(String(cString: strerror(errno)))" }
    /// A failure that errno says nothing about.
    public init(because text: String) { description = text }
}

/// How much longer everything may take here: an emulated machine (Tests/VM) runs programs 12 to 35 times slower.
public let patience: Double = Host.environment("VM_RUN") == nil ? 1 : 10

/// Seconds of the monotonic clock.
public func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

public func pause(_ seconds: Double) { usleep(UInt32(seconds * 1e6)) }

/// Asks again until the answer is yes or the time is over (`patience` times as long).
public func eventually(within seconds: Double = 10, _ condition: () throws -> Bool) rethrows -> Bool {
    let deadline = now() + seconds * patience
    while true {
        if try condition() { return true }
        if now() > deadline { return false }
        pause(0.02)
    }
}
