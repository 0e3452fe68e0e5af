import Images
import Linux
import SystemPackage

/// Writes what COPY and ADD take into a root file system. All paths are resolved inside `root`.
struct Copier: ~Copyable {
    let root: FD
    /// Nil: root for the context's files, their own for a stage's.
    let owner: Owner?
    let mode: UInt32?
    /// No file is younger.
    let epoch: Int64

    init(root: consuming FD, owner: Owner?, mode: UInt32?, epoch: Int64) {
        (self.owner, self.mode, self.epoch) = (owner, mode, epoch)
        self.root = root
    }
}

extension Copier {
    /// The directory at `path` with missing parents, all of them new ones 0755.
    func makeDirectory(_ path: FilePath) throws -> FD {
        let resolved = try root.resolve(path)
        if let status = resolved.status {
            guard status.type == .directory else {
                throw BuildError("cannot copy to \(path.string): it is not a directory")
            }
            return try root.openResolved(resolved.path, [.readOnly, .directory])
        }
        var current = try root.open(".", [.readOnly, .directory], resolve: [])
        for name in resolved.path.componentPaths {
            if try current.status(of: name) == nil {
                try current.makeDirectory(name, mode: 0o755)
                let made = owner ?? .root
                try current.changeOwner(of: name, uid: made.uid, gid: made.gid)
            }
            current = try current.open(name, [.readOnly, .directory, .noFollow])
        }
        return current
    }

    /// Copies one selection to `destination`; `asDirectory` when it must be one.
    func copy(_ selection: Selection, of tree: SourceTree, to destination: FilePath, asDirectory: Bool) throws
    {
        if selection.status.type == .directory {
            let target = try makeDirectory(destination)
            let source = try tree.root.openResolved(selection.path, [.readOnly, .directory])
            let path = PathPattern.characters(of: selection.path.bytes)
            return try copyTree(source, path, tree.matches(at: selection.path), tree, to: target, depth: 0)
        }
        let place = try place(selection.name, at: destination, asDirectory: asDirectory)
        let parent = try tree.root.openResolved(
            selection.path.removingLastComponent(), [.readOnly, .directory])
        let entry = TreeEntry(name: selection.path.fileName, status: selection.status)
        try copyFile(entry, of: parent, tree, to: place.directory, as: place.name)
    }

    /// The directory and name a file gets: below `destination` when that is a directory, else that name itself.
    private func place(
        _ name: FilePath, at destination: FilePath, asDirectory: Bool
    ) throws -> Place {
        let resolved = try root.resolve(destination)
        if asDirectory || resolved.status?.type == .directory {
            return Place(directory: try makeDirectory(destination), name: name)
        }
        return Place(directory: try makeDirectory(resolved.parent), name: resolved.name)
    }

    /// A file whose content stands in the Dockerfile.
    func write(_ content: [UInt8], named name: FilePath, to destination: FilePath, asDirectory: Bool) throws {
        let place = try place(name, at: destination, asDirectory: asDirectory)
        try clear(place.name, in: place.directory)
        let file = try create(place.name, in: place.directory)
        try file.writeAll(content)
        let made = owner ?? .root
        try place.directory.changeOwner(of: place.name, uid: made.uid, gid: made.gid)
        try file.changeMode(mode ?? 0o644)
        try place.directory.setTimes(of: place.name, seconds: epoch)
    }

    private func copyTree(
        _ source: borrowing FD, _ path: [UInt32], _ state: DockerIgnore.Matches, _ tree: SourceTree,
        to target: borrowing FD, depth: Int
    ) throws {
        for visible in try tree.visibleEntries(in: source, at: path, state, depth: depth) {
            let entry = visible.entry
            switch entry.status.type {
            case .directory:
                let from = try source.open(entry.path, [.readOnly, .directory, .noFollow])
                let into = try enter(entry.path, in: target)
                try copyTree(from, visible.path, visible.state, tree, to: into, depth: depth + 1)
                try setOwner(of: entry, in: target, as: entry.path, tree)
                try into.changeMode(mode ?? entry.status.permissions)
                try copyAttributes(of: from, to: into)
                try setTimes(of: entry, in: target, as: entry.path)
            case .symlink:
                try clear(entry.path, in: target)
                try target.makeSymlink(entry.path, toBytes: try source.symlinkBytes(entry.path))
                try setOwner(of: entry, in: target, as: entry.path, tree)
                try setTimes(of: entry, in: target, as: entry.path)
            default:
                try copyFile(entry, of: source, tree, to: target, as: entry.path)
            }
        }
    }

    private func enter(_ name: FilePath, in target: borrowing FD) throws -> FD {
        if let status = try target.status(of: name) {
            guard status.type == .directory else {
                throw BuildError("cannot overwrite non-directory \(name.string) with a directory")
            }
        } else {
            try target.makeDirectory(name, mode: 0o755)
        }
        return try target.open(name, [.readOnly, .directory, .noFollow])
    }

    private func copyFile(
        _ entry: TreeEntry, of source: borrowing FD, _ tree: SourceTree, to target: borrowing FD,
        as name: FilePath
    ) throws {
        let flags: OpenFlags = [.readOnly, .noFollow, .nonBlocking, .noTTY]
        let from = try source.open(entry.path, flags, resolve: [.beneath, .noSymlinks])
        guard try from.status() == entry.status, entry.status.type == .regular else {
            throw BuildError("COPY failed: \(entry.path.string) changed while it was read; build again")
        }
        try clear(name, in: target)
        let into = try create(name, in: target)
        try into.copyContents(of: from)
        // The owner first: a change of owner takes setuid bits and capabilities away.
        try setOwner(of: entry, in: target, as: name, tree)
        try into.changeMode(mode ?? entry.status.permissions)
        try copyAttributes(of: from, to: into)
        try setTimes(of: entry, in: target, as: name)
    }

    private func create(_ name: FilePath, in target: borrowing FD) throws -> FD {
        try target.open(name, [.writeOnly, .create, .exclusive, .noFollow], mode: 0o600)
    }

    /// Makes room for a file; a directory stays.
    private func clear(_ name: FilePath, in target: borrowing FD) throws {
        guard let status = try target.status(of: name) else { return }
        if status.type == .directory {
            throw BuildError("cannot replace directory \(name.string) with a file")
        }
        try target.remove(name)
    }

    private func setOwner(
        of entry: TreeEntry, in target: borrowing FD, as name: FilePath, _ tree: SourceTree
    ) throws {
        let kept = tree.keepsOwners ? Owner(uid: entry.status.uid, gid: entry.status.gid) : .root
        let made = owner ?? kept
        try target.changeOwner(of: name, uid: made.uid, gid: made.gid)
    }

    private func setTimes(of entry: TreeEntry, in target: borrowing FD, as name: FilePath) throws {
        let seconds = min(entry.status.mtime.seconds, epoch)
        try target.setTimes(of: name, seconds: seconds)
    }

    private func copyAttributes(of source: borrowing FD, to target: borrowing FD) throws {
        for name in try source.attributeNames() where isKept(attribute: name) {
            try target.setAttribute(name, try source.attribute(name))
        }
    }
}

/// Where a file goes.
private struct Place: ~Copyable {
    let directory: FD
    let name: FilePath
}
