public import Linux
public import OCI
public import SystemPackage

/// An exec that failed: what was to be executed, and the kernel's reason.
public struct ExecFailure: Equatable, Sendable {
    /// As it was asked for; without a slash it was looked up in PATH.
    public let path: String
    public let errno: Errno
}

extension RuntimeError {
    /// The error with the cause that the container's files tell: the first directory that denies, the interpreter that
    /// is missing. `root` may be what the container saw or its root without mounts; `mounts` are places not to look into.
    public func explained(
        in root: borrowing FD, user: Credentials, _ process: RuntimeSpec.Process, mounts: [String] = []
    ) -> RuntimeError {
        guard let exec else { return self }
        let isAllowedAll =
            user.uid == 0 && process.capabilities?.effective.contains("CAP_DAC_OVERRIDE") == true
        let finder = ExecDiagnosis(user: user, isAllowedAll: isAllowedAll)
        // What cannot be found out is left as it was.
        guard let path = finder.find(exec.path, in: root, process.env), !mounts.contains(where: path.isBelow),
            let cause = try? finder.cause(exec.errno, FilePath(path), in: root)
        else { return self }
        return RuntimeError("\(description): \(cause)", exitCode: exitCode, kind: kind, exec: exec)
    }
}

extension String {
    fileprivate func isBelow(_ directory: String) -> Bool {
        self == directory || hasPrefix(directory.hasSuffix("/") ? directory : directory + "/")
    }
}

/// Looks for the cause of a failed exec in a container's files.
private struct ExecDiagnosis {
    let user: Credentials
    /// It has CAP_DAC_OVERRIDE: only a file that nobody may execute is denied.
    let isAllowedAll: Bool

    /// Where the program is; nil when it is nowhere.
    func find(_ program: String, in root: borrowing FD, _ environment: [String]) -> String? {
        if program.contains("/") { return program.hasPrefix("/") ? program : nil }
        let search = environment.last { $0.hasPrefix("PATH=") }?.dropFirst(5) ?? ""
        for directory in search.split(separator: ":") {
            let path = "\(directory)/\(program)"
            // A directory that denies has nothing for this user.
            if let found = try? root.resolve(FilePath(path)), found.status != nil { return path }
        }
        return nil
    }

    func cause(_ errno: Errno, _ path: FilePath, in root: borrowing FD) throws(SysError) -> String? {
        switch errno {
        case .permissionDenied: try denial(path, in: root)
        case .libraryUnavailable: try missingInterpreter(path, in: root)
        default: nil
        }
    }

    // MARK: what denies

    private func denial(_ path: FilePath, in root: borrowing FD) throws(SysError) -> String? {
        let found = try root.resolve(path)
        guard let program = found.status else { return nil }
        var directory = FilePath()
        for component in [FilePath()] + found.parent.componentPaths {
            directory = directory.appending(component.components)
            let status = try root.openResolved(directory, [.path, .directory]).status()
            if !mayExecute(status) {
                return "\(who) may not enter /\(directory), which is \(words(status))"
            }
        }
        guard program.type == .regular else { return nil }
        if program.permissions & 0o111 == 0 {
            return "/\(found.path) is \(words(program)): nobody may execute it (chmod +x)"
        }
        return mayExecute(program) ? nil : "\(who) may not execute /\(found.path), which is \(words(program))"
    }

    private var who: String { "user \(user.uid)" }

    private func words(_ status: FileStatus) -> String {
        let mode = String(status.permissions & 0o7777, radix: 8)
        return
            "mode \(String(repeating: "0", count: max(0, 4 - mode.utf8.count)))\(mode) of \(status.uid):\(status.gid)"
    }

    /// The kernel's choice of one of the three (path_resolution(7)).
    private func mayExecute(_ status: FileStatus) -> Bool {
        if isAllowedAll { return status.type == .directory || status.permissions & 0o111 != 0 }
        let bit: UInt32
        if status.uid == user.uid {
            bit = 0o100
        } else if status.gid == user.gid || user.groups.contains(status.gid) {
            bit = 0o010
        } else {
            bit = 0o001
        }
        return UInt32(status.permissions) & bit != 0
    }

    // MARK: what is missing

    private func missingInterpreter(_ path: FilePath, in root: borrowing FD) throws(SysError) -> String? {
        let found = try root.resolve(path)
        guard found.status?.type == .regular else { return nil }
        let head = try root.openResolved(found.path).readSome(limit: 4096)
        let isScript = head.starts(with: Array("#!".utf8))
        guard let name = isScript ? Self.interpreter(ofScript: head) : Self.loader(ofELF: head) else {
            return nil
        }
        guard try root.resolve(FilePath(name)).status == nil else { return nil }
        if name.hasSuffix("\r") {
            return
                "its first line ends with a carriage return, so its interpreter is none: write it with line feeds"
        }
        return isScript
            ? "its interpreter \(name) is not there"
            : "its loader \(name) is not there (a program for another C library?)"
    }

    /// The first word after `#!` (execve(2)).
    private static func interpreter(ofScript head: [UInt8]) -> String? {
        let line = head.dropFirst(2).prefix { $0 != 0x0a }
        let word = line.drop { $0 == 0x20 || $0 == 0x09 }.prefix { $0 != 0x20 && $0 != 0x09 }
        return word.isEmpty ? nil : String(decoding: word, as: UTF8.self)
    }

    /// PT_INTERP of a 64-bit program (elf(5)).
    private static func loader(ofELF head: [UInt8]) -> String? {
        func number(_ at: Int, _ width: Int) -> Int? {
            guard at >= 0, at <= head.count - width else { return nil }
            let value = head[at..<(at + width)].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            return Int(exactly: value).flatMap { $0 < 1 << 40 ? $0 : nil }
        }
        guard head.starts(with: [0x7f, 0x45, 0x4c, 0x46, 2, 1]), let table = number(32, 8),
            let width = number(54, 2), let count = number(56, 2)
        else { return nil }
        for index in 0..<count {
            let header = table + index * width
            guard number(header, 4) == 3 else { continue }
            guard let offset = number(header + 8, 8), let size = number(header + 32, 8), size > 1,
                offset <= head.count - size
            else { return nil }
            return String(decoding: head[offset..<(offset + size - 1)], as: UTF8.self)
        }
        return nil
    }
}
