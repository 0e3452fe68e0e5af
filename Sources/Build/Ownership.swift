import Linux
import SystemPackage

/// An owner as numbers.
struct Owner: Equatable {
    var uid: UInt32
    var gid: UInt32
    static let root = Owner(uid: 0, gid: 0)

    /// What `user[:group]` means in a root file system. Names come from its own /etc/passwd and /etc/group; a
    /// user's number alone stands for its group too, a user's name for the group of its entry.
    init(_ text: String, in root: borrowing FD) throws {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(
            String.init)
        let user = parts[0].isEmpty ? "0" : parts[0]
        var gid: UInt32?
        if let number = try Owner.number(user) {
            uid = number
            gid = number
        } else {
            let entry = try AccountFile("etc/passwd", in: root).entry(user)
            guard let entry, entry.count >= 4, let number = UInt32(entry[2]), let group = UInt32(entry[3])
            else {
                throw BuildError("unable to find user \(user): no matching entries in passwd file")
            }
            uid = number
            gid = group
        }
        if parts.count == 2, !parts[1].isEmpty {
            if let number = try Owner.number(parts[1]) {
                gid = number
            } else {
                let entry = try AccountFile("etc/group", in: root).entry(parts[1])
                guard let entry, entry.count >= 3, let number = UInt32(entry[2]) else {
                    throw BuildError("unable to find group \(parts[1]): no matching entries in group file")
                }
                gid = number
            }
        }
        self.gid = gid ?? uid
    }

    init(uid: UInt32, gid: UInt32) { (self.uid, self.gid) = (uid, gid) }

    /// Nil when it is a name. 2^32-1 means "leave as it is" to the kernel.
    private static func number(_ text: String) throws -> UInt32? {
        guard !text.isEmpty, text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
        guard let number = UInt32(text), number < .max else {
            throw BuildError("user or group id \(text) is out of range")
        }
        return number
    }
}

/// /etc/passwd or /etc/group of an image: hostile, so it must be a regular file and short.
private struct AccountFile {
    static let largest = 1 << 20
    private let lines: [[String]]

    init(_ path: FilePath, in root: borrowing FD) throws {
        let resolved = try root.resolve(path)
        guard let status = resolved.status else { lines = []; return }
        guard status.type == .regular, status.size <= Self.largest else {
            throw BuildError("/\(path.string) of the image is not a regular file of at most 1 MiB")
        }
        let file = try root.openResolved(resolved.path)
        guard try file.status().type == .regular else {
            throw BuildError("/\(path.string) of the image is not a regular file of at most 1 MiB")
        }
        let text = String(decoding: try file.readAll(limit: Self.largest), as: UTF8.self)
        lines = text.split(separator: "\n").prefix(10_000).map { line in
            line.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        }
    }

    func entry(_ name: String) -> [String]? { lines.first { $0.first == name } }
}

/// `--chmod`: three or four octal digits.
func parseMode(_ text: String) throws -> UInt32 {
    guard let mode = UInt32(text, radix: 8), mode <= 0o7777, text.first != "+" else {
        throw BuildError("--chmod=\(text) is not supported: give the mode as an octal number such as 0755")
    }
    return mode
}
