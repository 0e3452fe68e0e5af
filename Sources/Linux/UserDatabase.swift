import CLinux
import SystemPackage

/// Who a process runs as: numbers only.
public struct Credentials: Equatable, Sendable {
    public var uid: UInt32
    public var gid: UInt32
    /// Supplementary groups; the primary one is among them, so that no "negative" group permission is lost
    /// (CVE-2022-36109).
    public var groups: [UInt32]
    /// From passwd, `/` without an entry.
    public var home: String

    public init(uid: UInt32 = 0, gid: UInt32 = 0, groups: [UInt32] = [], home: String = "/") {
        (self.uid, self.gid, self.groups, self.home) = (uid, gid, groups, home)
    }
}

/// A user text that cannot be resolved, in docker's words.
public struct UserError: Error, Equatable, Sendable, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}

/// The passwd and group files of an image. They are the attacker's: read through a descriptor below the root,
/// regular files only, without blocking, bounded (CVE-2024-9676, CVE-2026-47262); never by libc's NSS.
public struct UserDatabase: Sendable {
    struct User: Equatable, Sendable { let name: String, uid: UInt32, gid: UInt32, home: String }
    struct Group: Equatable, Sendable { let name: String, gid: UInt32, members: [String] }
    let users: [User]
    let groups: [Group]

    /// Reads `/etc/passwd` and `/etc/group` below `root`; a file that is missing is empty.
    public init(root: borrowing FD) throws(SysError) {
        self.init(
            passwd: try UserDatabase.contents("etc/passwd", root),
            group: try UserDatabase.contents("etc/group", root))
    }

    /// Parses the two files. Lines that are malformed are skipped, as libc does.
    public init(passwd: [UInt8], group: [UInt8]) {
        users = UserDatabase.lines(passwd).compactMap { fields in
            guard fields.count >= 4, let uid = UInt32(fields[2]), let gid = UInt32(fields[3]) else {
                return nil
            }
            return User(name: fields[0], uid: uid, gid: gid, home: fields.count > 5 ? fields[5] : "")
        }
        groups = UserDatabase.lines(group).compactMap { fields in
            guard fields.count >= 3, let gid = UInt32(fields[2]) else { return nil }
            let members = fields.count > 3 ? fields[3].split(separator: ",").map(String.init) : []
            return Group(name: fields[0], gid: gid, members: members)
        }
    }

    private static func contents(_ path: FilePath, _ root: borrowing FD) throws(SysError) -> [UInt8] {
        do throws(SysError) {
            return try root.openRegular(path).readAll(limit: 1 << 20)
        } catch {
            if error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory { return [] }
            throw SysError(
                call: error.call, subject: "/\(path) of the image", errno: error.errno, hint: error.hint)
        }
    }

    private static func lines(_ bytes: [UInt8]) -> [[String]] {
        bytes.split(separator: 10).prefix(10_000).map { line in
            line.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
                .map { String(decoding: $0, as: UTF8.self) }
        }
    }
}

extension UserDatabase {
    /// Resolves `user[:group]`, names or numbers, as docker does: a number with an entry is the same as its name,
    /// a number without one has group 0 and home `/`; with a group given, the supplementary groups are dropped.
    /// `additional` are names or numbers too (`--group-add`).
    public func resolve(_ text: String, additional: [String] = []) throws(UserError) -> Credentials {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(
            String.init)
        let name = parts.first ?? ""
        var credentials = try user(name.isEmpty ? "0" : name)
        if parts.count == 2, !parts[1].isEmpty {
            credentials.gid = try group(parts[1])
            credentials.groups = []
        }
        for extra in additional { credentials.groups.append(try group(extra)) }
        credentials.groups.insert(credentials.gid, at: 0)
        var seen = Set<UInt32>()
        credentials.groups = credentials.groups.filter { seen.insert($0).inserted }
        return credentials
    }

    /// The home directory of a user by number; `/` without an entry.
    public func home(of uid: UInt32) -> String {
        let home = users.first { $0.uid == uid }?.home ?? ""
        return home.isEmpty ? "/" : home
    }

    /// A user's name by number; nil without an entry.
    public func name(of uid: UInt32) -> String? { users.first { $0.uid == uid }?.name }

    /// The group's number, by name or number.
    public func group(_ text: String) throws(UserError) -> UInt32 {
        if let found = groups.first(where: { $0.name == text }), Self.number(text) == nil { return found.gid }
        if let number = Self.number(text) { return number }
        if Int(text) != nil { throw UserError("uids and gids must be in range 0-\(Int32.max)") }
        throw UserError("unable to find group \(text): no matching entries in group file")
    }

    private func user(_ text: String) throws(UserError) -> Credentials {
        // A number is a number even where a user has it as a name (CVE-2016-3697).
        let number = Self.number(text)
        let entry = users.first { number == nil ? $0.name == text : $0.uid == number }
        if let entry {
            let memberships = groups.filter { $0.members.contains(entry.name) }.map(\.gid)
            return Credentials(
                uid: entry.uid, gid: entry.gid, groups: memberships,
                home: entry.home.isEmpty ? "/" : entry.home)
        }
        guard let number else {
            if Int(text) != nil { throw UserError("uids and gids must be in range 0-\(Int32.max)") }
            throw UserError("unable to find user \(text): no matching entries in passwd file")
        }
        return Credentials(uid: number)
    }

    /// Decimal digits only, at most 2^31 - 1: no sign, blank or prefix, no wrap to 0 (CVE-2024-40635).
    private static func number(_ text: String) -> UInt32? {
        guard !text.isEmpty, text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
        guard let value = UInt32(text), value <= UInt32(Int32.max) else { return nil }
        return value
    }
}

extension FD {
    /// Opens a file that a container may have put there, with our rights: looked at first, because to open a device is
    /// to use it, and to read a file of the kernel's may be too. It is on a disk or in memory, or where the root is.
    fileprivate func openRegular(_ path: FilePath) throws(SysError) -> FD {
        let file = try open(path, .path)
        let status = try file.status()
        guard status.type == .regular else {
            throw SysError(
                call: "open", subject: "/\(path)", errno: .invalidArgument, hint: "not a regular file")
        }
        let magic = try file.fileSystemMagic()
        // A program that makes up a file may never answer; all of the root may be such a program's.
        let isElsewhere = try status.mountID != self.status().mountID
        guard !Self.kernels.contains(magic), magic != Self.fuse || !isElsewhere else {
            throw SysError(
                call: "open", subject: "/\(path)", errno: .invalidArgument,
                hint: "a file of the kernel's or of a program's, not of the image")
        }
        return try FD.open(FilePath("/proc/self/fd/\(file.raw)"), [.readOnly, .nonBlocking, .noTTY])
    }

    /// File systems of which the kernel makes up what is read (linux/magic.h).
    fileprivate static var kernels: Set<Int64> {
        [
            0x9fa0, 0x6265_6572, 0x6367_7270, 0x27_e0eb, 0x6462_6720, 0x7472_6163, 0x7363_6673, 0x6265_6570,
            0x6165_676c, 0xcafe_4a11, 0xde5e_81e4, 0x6573_5543, 0x4249_4e4d, 0x6e73_6673, 0xf97c_ff8c,
            0x1980_0202, 0x1cd1,
        ]
    }

    private static var fuse: Int64 { 0x6573_5546 }

    /// Whether the kernel makes up what is read here: on a proc file system, for one.
    public func isOfKernel() throws(SysError) -> Bool { Self.kernels.contains(try fileSystemMagic()) }

    private func fileSystemMagic() throws(SysError) -> Int64 {
        try sys("fstatfs", "descriptor \(raw)") { cl_statfs_type(raw) }
    }
}
