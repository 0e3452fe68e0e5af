import Images
public import Linux
import OCI
import SystemPackage

/// `cp`'s options.
public struct CopyOptions: Equatable, Sendable {
    /// Owners are kept, or those of a container are its user's.
    public var keepsOwners = false
    /// A link that is named is followed.
    public var followsLinks = false

    public init() {}
}

/// What `cp` did.
public struct CopyOutcome: Equatable, Sendable {
    /// As a tar would have it.
    public let bytes: Int64
    /// Sentences on what was left out.
    public let omitted: [String]
}

/// Copying between a container, running or not, and this host. Paths of the host are relative to `directory`.
extension Containers {
    /// Copies out of a container. Set-user-id bits stay behind where the owner does: a container shall not make programs
    /// of root's on the host.
    public func copy(
        from container: String, _ path: String, to local: String, in directory: String, _ options: CopyOptions
    ) throws -> CopyOutcome {
        let target = TypedPath(local, in: directory)
        let tree = try tree(of: records.find(container), named: container, changing: false)
        let source = try source(path, in: tree, options)
        let host = try FD.open("/", [.path, .directory])
        let place = try host.copyTarget(target, for: source) { missing in
            EngineError("invalid output path: directory \"\(missing)\" does not exist", exitCode: 1)
        }
        if let name = place.name, let old = try place.directory.fd.status(of: name) {
            guard ![.character, .block].contains(old.type) else {
                throw EngineError(
                    "invalid output path: \"\(target.path)\" must be a directory or a regular file: got a device",
                    exitCode: 1)
            }
        }
        var copy = TreeCopy(
            owners: options.keepsOwners ? .kept : .own, keepsPrivileges: options.keepsOwners,
            makesDevices: false, hides: tree.hides)
        return try done(&copy, source, place)
    }

    /// Copies into a container.
    public func copy(
        _ local: String, in directory: String, to container: String, _ path: String, _ options: CopyOptions
    ) throws -> CopyOutcome {
        let typed = TypedPath(local, in: directory)
        let host = try FD.open("/", [.path, .directory])
        guard let source = try host.copySource(typed, follows: options.followsLinks) else {
            throw EngineError("lstat \(typed.path): no such file or directory", exitCode: 1)
        }
        try checkEnd(source)
        let id = try records.find(container)
        let tree = try tree(of: id, named: container, changing: true)
        let place = try tree.root.copyTarget(TypedPath(path), for: source, missing: tree.missing)
        try tree.checkNotKernels(place.directory.fd, TypedPath(path).path)
        try tree.checkWritable(place.directory.fd)
        if let name = place.name, let old = try place.directory.fd.status(of: name) {
            guard [.regular, .symlink].contains(old.type) else {
                throw EngineError(
                    "destination \"\(container):\(path)\" must be a directory or a regular file", exitCode: 1)
            }
        }
        var copy = TreeCopy(
            owners: try owners(id, tree, options), keepsPrivileges: true, makesDevices: true,
            hides: tree.hides)
        return try done(&copy, source, place)
    }

    /// Writes what a path of a container names as a tar.
    public func pack(
        from container: String, _ path: String, to target: borrowing FD, _ options: CopyOptions
    ) throws {
        let tree = try tree(of: records.find(container), named: container, changing: false)
        let source = try source(path, in: tree, options)
        let isContent = source.typed.isContent && source.isDirectory
        let directory = isContent ? try source.opened() : source.directory
        // docker: a link that is followed has its target's name.
        let name = options.followsLinks ? source.name : source.typed.name ?? source.name
        try packTree(
            isContent ? source.typed.name.map { _ in "." } : source.name, of: directory.fd,
            as: (isContent ? "." : name).bytes, to: target, hiding: tree.hides)
    }

    /// Unpacks a tar, plain or compressed, into a directory of a container. No program unpacks it but this one.
    public func unpack(
        _ archive: borrowing FD, into container: String, _ path: String, _ options: CopyOptions
    ) throws {
        let id = try records.find(container)
        let tree = try tree(of: id, named: container, changing: true)
        let found = try tree.root.resolve(TypedPath(path).path)
        guard found.status?.type == .directory else {
            throw EngineError("destination \"\(container):\(path)\" must be a directory", exitCode: 1)
        }
        let directory = try tree.root.openResolved(found.path, [.path, .directory])
        try tree.checkNotKernels(directory, TypedPath(path).path)
        try tree.checkWritable(directory)
        var owner: (uid: UInt32, gid: UInt32)?
        if case .user(let uid, let gid) = try owners(id, tree, options) { owner = (uid, gid) }
        try unpackArchive(
            archive, into: tree.root, at: found.path.isEmpty ? "/" : found.path, owner: owner,
            keepsKinds: true)
    }

    private func source(
        _ path: String, in tree: ContainerTree, _ options: CopyOptions
    ) throws -> CopySource {
        let typed = TypedPath(path)
        guard let source = try tree.root.copySource(typed, follows: options.followsLinks) else {
            throw tree.missing(typed.path)
        }
        try tree.checkNotKernels(source.directory.fd, typed.path)
        if source.isDirectory { try tree.checkNotKernels(source.opened().fd, typed.path) }
        try checkEnd(source)
        return source
    }

    private func checkEnd(_ source: CopySource) throws {
        guard source.typed.isDirectory, !source.isDirectory else { return }
        throw EngineError("not a directory", exitCode: 1)
    }

    /// Numbers are kept as docker keeps them; in archive mode files are the user's that the container runs as.
    private func owners(_ id: String, _ tree: ContainerTree, _ options: CopyOptions) throws -> TreeCopy.Owners
    {
        let user = try records.read(id).config.process.user
        guard options.keepsOwners, !user.isEmpty else { return .kept }
        let who = try UserDatabase(root: tree.root).resolve(user)
        return .user(uid: who.uid, gid: who.gid)
    }

    private func done(
        _ copy: inout TreeCopy, _ source: CopySource, _ target: CopyTarget
    ) throws -> CopyOutcome {
        var failure: (any Error)?
        Kernel.withManyDescriptors { () throws(Never) in
            do { try copy.copy(source, to: target) } catch { failure = error }
        }
        if let failure { throw failure }
        return CopyOutcome(bytes: copy.bytes, omitted: copy.omitted)
    }
}
