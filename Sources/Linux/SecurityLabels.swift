import CLinux
import SystemPackage

/// The security modules that label processes.
public struct SecurityModules: OptionSet, Sendable {
    /// One bit each.
    public let rawValue: UInt8
    /// Takes the bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    /// Profiles (man 7 apparmor).
    public static let appArmor = SecurityModules(rawValue: 1)
    /// Contexts (man 8 selinux).
    public static let seLinux = SecurityModules(rawValue: 2)

    /// Those that are switched on here.
    public static var ofHost: SecurityModules {
        var found: SecurityModules = []
        // A file that is not there says no.
        if let switched = try? FD.open("/sys/module/apparmor/parameters/enabled").readAll(limit: 16),
            switched.first == UInt8(ascii: "Y")
        {
            found.insert(.appArmor)
        }
        if let files = try? FD.open("/sys/fs/selinux", [.path, .directory]),
            cl_statfs_type(files.raw) == 0xf97c_ff8c
        {
            found.insert(.seLinux)
        }
        return found
    }
}

/// A file below /proc/thread-self/attr of the process that opened it: only this process may write it. It is opened
/// while nothing that a container made can stand in its place, and is proven to be the kernel's
/// (CVE-2019-16884, CVE-2019-19921, CVE-2023-27561, CVE-2025-52881).
public struct LabelFile: ~Copyable {
    private let file: FD

    /// Opens the first of `names` that there is (`apparmor/exec`, `exec`) below `proc`, which is the root of a proc
    /// file system. Neither a link that leads elsewhere nor a file mounted over another is followed.
    public init(_ names: [String], below proc: borrowing FD) throws(SysError) {
        var failure = SysError(
            call: "open", subject: "/proc/thread-self/attr", errno: .noSuchAddressOrDevice,
            hint: "not on a proc file system")
        guard proc.isProc else { throw failure }
        for name in names {
            do throws(SysError) {
                file = try LabelFile.open(name, below: proc)
                return
            } catch {
                guard error.errno == .noSuchFileOrDirectory else { throw error }
                failure = error
            }
        }
        throw failure
    }

    private static func open(_ name: String, below proc: borrowing FD) throws(SysError) -> FD {
        try proc.open(
            FilePath("thread-self/attr/\(name)"), .writeOnly,
            resolve: [.beneath, .noMagicLinks, .noCrossDevice])
    }

    /// Writes the label in one call, as the kernel demands.
    public func write(_ label: String) throws(SysError) {
        let bytes = Array(label.utf8)
        let count = try file.writeSome(bytes)
        guard count == bytes.count else {
            throw SysError(call: "write", subject: "label \(label)", errno: .ioError)
        }
    }
}

extension FD {
    /// Whether it lies on a proc file system (PROC_SUPER_MAGIC). What is opened beneath its root without crossing
    /// a mount does too.
    public var isProc: Bool { cl_statfs_type(raw) == 0x9fa0 }
}
