public import SystemPackage

/// A path below a directory with every symlink on the way resolved inside it, as a chroot would.
public struct ResolvedPath: Equatable, Sendable {
    /// Without symlinks, relative; empty for the root itself.
    public let path: FilePath
    /// Of what is there; nil when nothing is.
    public let status: FileStatus?
    /// The directory it is in.
    public var parent: FilePath { path.removingLastComponent() }
    /// Its name in that directory; empty for the root.
    public var name: FilePath { path.lastComponent.map { FilePath(root: nil, [$0]) } ?? FilePath() }
}

extension FD {
    /// Resolves `path` below this directory, the last component too. What is missing stays as written. The
    /// answer is only good for opening below this descriptor again: others may change the tree.
    public func resolve(_ path: FilePath) throws(SysError) -> ResolvedPath {
        var waiting = Array(path.componentPaths.reversed())
        var found: [FilePath] = []
        var status: FileStatus? = try self.status()
        var links = 0
        while let name = waiting.popLast() {
            if name == "." { continue }
            if name == ".." {
                _ = found.popLast()
                status = try openResolved(FilePath(joining: found), [.path]).status()
                continue
            }
            guard let here = status else { found.append(name); continue }
            guard here.type == .directory else {
                throw SysError(call: "open", subject: path.string, errno: .notDirectory)
            }
            let directory = try openResolved(FilePath(joining: found), [.path, .directory])
            status = try directory.status(of: name)
            guard status?.type == .symlink else { found.append(name); continue }
            links += 1
            if links > 40 {
                throw SysError(call: "open", subject: path.string, errno: .tooManySymbolicLinkLevels)
            }
            let target = try directory.readSymlink(name)
            if target.isAbsolute { found = [] }
            status = here
            if target.isAbsolute { status = try self.status() }
            waiting += target.componentPaths.reversed()
        }
        return ResolvedPath(path: FilePath(joining: found), status: status)
    }

    /// Opens a path that `resolve` gave; a link that appeared meanwhile is refused.
    public func openResolved(
        _ path: FilePath, _ flags: OpenFlags = [.readOnly, .nonBlocking, .noTTY]
    ) throws(SysError) -> FD {
        try open(path.isEmpty ? "." : path, flags, resolve: [.beneath, .noSymlinks, .noMagicLinks])
    }
}

extension FilePath {
    /// The components as paths of their own, bytes untouched, without the root.
    public var componentPaths: [FilePath] {
        bytes.split(separator: UInt8(ascii: "/")).map { FilePath(bytes: $0) }
    }

    /// Relative: the components one after the other.
    public init(joining parts: [FilePath]) {
        self = FilePath(bytes: parts.map(\.bytes).joined(separator: [UInt8(ascii: "/")]))
    }
}
