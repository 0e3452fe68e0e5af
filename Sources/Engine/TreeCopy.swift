import Linux
import SystemPackage

/// Copies files from one open directory into another. Either side may belong to a container that changes it meanwhile:
/// every step is one name in a directory that is held open, no link is followed, and what is opened was looked at first.
struct TreeCopy {
    /// Whose the copies are.
    enum Owners: Equatable { case kept, own, user(uid: UInt32, gid: UInt32) }

    let owners: Owners
    /// Set-user-id bits and capabilities, which only the owner that they were given by may decide on.
    let keepsPrivileges: Bool
    /// Devices are made; else they are left out.
    let makesDevices: Bool
    /// Whether a directory, in its parent, is taken for empty.
    let hides: (borrowing FD, borrowing FD) throws(SysError) -> Bool
    /// As a tar would have them, for the message at the end.
    private(set) var bytes: Int64 = 1024
    /// What was left out.
    private(set) var omitted: [String] = []

    private struct Inode: Hashable {
        let device, number: UInt64
    }
    private struct Level {
        let source, target: OpenDirectory
        /// What the target becomes in the end; nil when it stays as it is.
        let status: FileStatus?
        let path: String
        var names: [FilePath]
    }
    /// The first copy of files that have several names. Each holds a descriptor.
    private var links: [Inode: (OpenDirectory, FilePath)] = [:]
    private static let mostLinks = 500

    init(
        owners: Owners, keepsPrivileges: Bool, makesDevices: Bool,
        hides: @escaping (borrowing FD, borrowing FD) throws(SysError) -> Bool
    ) {
        (self.owners, self.keepsPrivileges, self.makesDevices) = (owners, keepsPrivileges, makesDevices)
        self.hides = hides
    }

    /// Puts `source` where `target` says.
    mutating func copy(_ source: CopySource, to target: CopyTarget) throws {
        if source.typed.isContent, source.isDirectory, target.name == nil {
            let from = try source.opened()
            bytes += 512
            return try run([try level(from, target.directory, status: nil, path: "")])
        }
        let name = target.name ?? source.typed.name ?? source.name
        let child = try add(
            source.name, source.status, source.directory, target.directory, as: name, path: "")
        try run(child.map { [$0] } ?? [])
    }

    private mutating func run(_ first: [Level]) throws {
        var levels = first
        while var top = levels.popLast() {
            guard let name = top.names.popLast() else {
                if let status = top.status { try setFacts(of: top.target.fd, like: top.source.fd, status) }
                continue
            }
            levels.append(top)
            // What a running container removes meanwhile is not copied.
            guard let status = try top.source.fd.status(of: name) else { continue }
            if let child = try add(name, status, top.source, top.target, as: name, path: top.path) {
                levels.append(child)
            }
        }
    }

    private func level(
        _ source: OpenDirectory, _ target: OpenDirectory, status: FileStatus?, path: String
    ) throws(SysError) -> Level {
        let names = try source.fd.entries().map(\.name).sorted { $1.string < $0.string }
        return Level(source: source, target: target, status: status, path: path, names: names)
    }

    /// Copies one name; answers the level to go on with when it is a directory.
    private mutating func add(
        _ name: FilePath, _ status: FileStatus, _ source: OpenDirectory, _ target: OpenDirectory,
        as newName: FilePath, path: String
    ) throws -> Level? {
        let path = path.isEmpty ? newName.string : "\(path)/\(newName.string)"
        bytes += 512
        switch status.type {
        case .directory: return try addDirectory(name, source, target, as: newName, path: path)
        case .regular: try addFile(name, source.fd, target, as: newName, path)
        case .symlink:
            let link = try source.fd.symlinkBytes(name)
            try clear(newName, in: target.fd, path)
            try target.fd.makeSymlink(newName, toBytes: link)
            try setFacts(of: newName, in: target.fd, status)
        case .fifo: try addNode(newName, target.fd, status, path)
        case .character, .block:
            if makesDevices {
                try addNode(newName, target.fd, status, path)
            } else {
                omitted.append("\(path) is a device: left out")
            }
        case .socket: break  // nobody would listen
        }
        return nil
    }

    private func addDirectory(
        _ name: FilePath, _ source: OpenDirectory, _ target: OpenDirectory, as newName: FilePath, path: String
    ) throws -> Level? {
        let flags: OpenFlags = [.readOnly, .directory, .noFollow]
        let from: OpenDirectory
        do {
            from = OpenDirectory(try source.fd.open(name, flags, resolve: [.beneath, .noSymlinks]))
        } catch {
            let gone: [Errno] = [.noSuchFileOrDirectory, .notDirectory, .tooManySymbolicLinkLevels]
            guard gone.contains(error.errno) else { throw error }
            return nil
        }
        if let old = try target.fd.status(of: newName) {
            guard old.type == .directory else {
                throw EngineError(
                    "cannot overwrite non-directory \"\(path)\" with directory \"\(name)\"", exitCode: 1)
            }
        } else {
            try target.fd.makeDirectory(newName, mode: 0o700)
        }
        let into = OpenDirectory(try target.fd.open(newName, flags, resolve: [.beneath, .noSymlinks]))
        // What the kernel mounts there has modes of its own.
        if try hides(into.fd, target.fd) { return nil }
        let isHidden = try hides(from.fd, source.fd)
        var level = try level(from, into, status: try from.fd.status(), path: path)
        if isHidden { level.names = [] }
        return level
    }

    private mutating func addFile(
        _ name: FilePath, _ source: borrowing FD, _ target: OpenDirectory, as newName: FilePath,
        _ path: String
    ) throws {
        guard let from = try openRegular(name, in: source) else {
            omitted.append("\(path) is not a file that can be copied: left out")
            return
        }
        let status = try from.status()
        let inode = Inode(device: status.device, number: status.inode)
        if status.links > 1, let (directory, first) = links[inode] {
            try clear(newName, in: target.fd, path)
            return try target.fd.makeLink(newName, to: first, in: directory.fd)
        }
        try clear(newName, in: target.fd, path)
        let into = try target.fd.open(
            newName, [.writeOnly, .create, .exclusive, .noFollow], mode: 0o600,
            resolve: [.beneath, .noSymlinks])
        try into.copySparse(of: from)
        try setFacts(of: into, like: from, status)
        bytes += Int64(clamping: status.size.addingReportingOverflow(511).partialValue / 512 * 512)
        if status.links > 1, links.count < Self.mostLinks { links[inode] = (target, newName) }
    }

    /// Looked at before it is opened: to open a device is to use it, and to open a FIFO is to wait. Nil when it is none.
    private func openRegular(_ name: FilePath, in source: borrowing FD) throws(SysError) -> FD? {
        let file: FD
        do {
            file = try source.open(name, [.path, .noFollow], resolve: [.beneath, .noSymlinks])
        } catch {
            guard [.noSuchFileOrDirectory, .tooManySymbolicLinkLevels].contains(error.errno) else {
                throw error
            }
            return nil
        }
        guard try file.status().type == .regular, try !file.isOfKernel() else { return nil }
        return try FD.open(FilePath("/proc/self/fd/\(file.raw)"), [.readOnly, .nonBlocking, .noTTY])
    }

    private func addNode(
        _ name: FilePath, _ target: borrowing FD, _ status: FileStatus, _ path: String
    ) throws {
        try clear(name, in: target, path)
        try target.makeNode(
            name, type: status.type, mode: 0o600, major: status.rdevMajor, minor: status.rdevMinor)
        // By its own descriptor: chmod(2) would follow a link that took its place (CVE-2021-41089).
        let made = try target.open(name, [.path, .noFollow], resolve: [.beneath, .noSymlinks])
        guard try made.status().type == status.type else { return }
        try setFacts(of: name, in: target, status)
        try Kernel.changeMode(made, status.permissions & 0o777)
    }

    /// Makes room for what is no directory.
    private func clear(_ name: FilePath, in target: borrowing FD, _ path: String) throws {
        guard let old = try target.status(of: name) else { return }
        guard old.type != .directory else {
            throw EngineError(
                "cannot overwrite directory \"\(path)\" with non-directory \"\(name)\"", exitCode: 1)
        }
        // From outside its mount namespace a mount would go away with its place.
        guard try old.mountID == target.status().mountID else {
            throw SysError(
                call: "unlinkat", subject: path, errno: .resourceBusy, hint: "a file is mounted there")
        }
        try target.remove(name)
    }

    // MARK: owner, mode, attributes, times

    private func owner(_ status: FileStatus) -> (uid: UInt32, gid: UInt32)? {
        switch owners {
        case .kept: (status.uid, status.gid)
        case .own: nil
        case .user(let uid, let gid): (uid, gid)
        }
    }

    /// Of a link or a node.
    private func setFacts(of name: FilePath, in target: borrowing FD, _ status: FileStatus) throws(SysError) {
        if let owner = owner(status) { try target.changeOwner(of: name, uid: owner.uid, gid: owner.gid) }
        try target.setTimes(of: name, seconds: status.mtime.seconds, nanoseconds: status.mtime.nanoseconds)
    }

    /// Of an open file or directory. The owner first: a change of owner takes set-user-id bits and capabilities away.
    private func setFacts(
        of target: borrowing FD, like source: borrowing FD, _ status: FileStatus
    ) throws(SysError) {
        if let owner = owner(status) { try target.changeOwner(uid: owner.uid, gid: owner.gid) }
        // The sticky bit grants nothing.
        try target.changeMode(keepsPrivileges ? status.permissions : status.permissions & 0o1777)
        for name in try source.attributeNames() {
            let isPrivilege = name == "security.capability"
            guard name.hasPrefix("user.") || (isPrivilege && keepsPrivileges) else { continue }
            guard let value = try source.attributeIfSet(name) else { continue }
            do { try target.setAttribute(name, value) } catch {
                // A file system without them, as docker does.
                guard error.errno == .notSupported, !isPrivilege else { throw error }
            }
        }
        try target.changeTimes(
            nil, seconds: status.mtime.seconds, nanoseconds: UInt32(status.mtime.nanoseconds))
    }
}
