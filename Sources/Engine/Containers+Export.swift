import Build
import Images
public import Linux
public import OCI
import Monitor
import Runtime
import SystemPackage

/// What `commit` adds to a container.
public struct CommitOptions: Equatable, Sendable {
    public var author: String?
    public var message: String?
    /// Dockerfile instructions for the configuration.
    public var changes: [String] = []
    /// Freezes a running container while its files are read.
    public var pauses = true

    public init() {}
}

/// A container's files as an archive or as an image.
extension Containers {
    /// Writes the root of a container, running or not, as a tar: what the image and the container made of it, without
    /// what is mounted in it.
    public func export(_ id: String, to target: borrowing FD) throws {
        let (lower, upper) = try trees(of: id)
        let root = try mountOverlay(lower: [upper] + lower, upper: nil, work: nil)
        try exportRoot(root, to: target)
        tell("export", try records.read(id).config)
    }

    /// The directories below a container's root, topmost first, and its own.
    func trees(of id: String) throws -> (lower: [FilePath], upper: FilePath) {
        guard case .overlay(let lower, let upper, _, _) = try request(of: id).root else {
            throw EngineError("container \(id.prefix(12)) has no layers", exitCode: 1)
        }
        return (lower, upper)
    }

    /// Makes an image of a container; the answer is its id.
    public func commit(_ id: String, as name: String?, _ options: CommitOptions) throws -> Digest {
        let record = try records.read(id)
        let reference = try name.map { try ImageCatalog.reference($0) }
        guard reference?.digest == nil else {
            throw EngineError("refusing to create a tag with a digest reference", exitCode: 1)
        }
        let store = try ImageStore(root: paths.root)
        let base = try store.configuration(record.config.image)
        let config = try Self.committed(record.config, on: base, options, at: .now())
        let (lower, upper) = try trees(of: id)
        return try frozen(record, options.pauses) {
            let made = try MountPoints.made(in: upper, above: lower)
            let image = try store.commit(upper: upper, omitting: made, config, as: reference).id
            tell("commit", record.config, ["comment": options.message ?? "", "imageID": "\(image)"])
            return image
        }
    }

    /// The configuration of the new image: the container's own, changed. Pure.
    static func committed(
        _ container: ContainerConfig, on base: ImageConfig, _ options: CommitOptions, at time: Timestamp
    ) throws -> ImageConfig {
        var config = base
        config.process = container.process
        // A bare name takes a variable out of the container's environment.
        config.process.env.removeAll { !$0.contains("=") }
        config = try applyChanges(options.changes, to: config)
        (config.created, config.author) = (time.rfc3339Nano, options.author ?? base.author)
        // A history that tells of fewer layers than there are would give ours to another step.
        let told = config.history.count { !$0.emptyLayer }
        config.history += (told..<max(told, base.diffIDs.count)).map { _ in .init(createdBy: nil) }
        config.history.append(
            .init(
                created: config.created, createdBy: container.process.cmd?.joined(separator: " ") ?? "",
                comment: options.message))
        return config
    }

    /// Its monitor lets it stand still as long as we are connected.
    private func frozen<R>(_ record: Records.Record, _ pauses: Bool, _ work: () throws -> R) throws -> R {
        guard pauses, record.state.isRunning, !record.state.isRestarting, CgroupTree.find() != nil,
            let asked = try ask(.hold, record.config.id)  // else it has just ended
        else { return try work() }
        let socket = asked.takeSocket()
        defer { withExtendedLifetime(socket) {} }  // closing it lets it go on
        return try work()
    }
}

/// What is in a container's writable layer only so that something could be mounted there.
enum MountPoints {
    private static let files = ["hosts", "hostname", "resolv.conf"]

    /// Their paths: empty files and directories that the layers below do not have, and `.dockerenv`.
    static func made(in upper: FilePath, above lower: [FilePath]) throws -> Set<String> {
        let changed = try FD.open(upper, [.readOnly, .directory, .noFollow])
        let old: FD
        if lower.isEmpty {
            old = try FD.newMount("tmpfs", options: ["size=4k"])
        } else {
            old = try mountOverlay(lower: lower, upper: nil, work: nil)
        }
        var result: Set<String> = []
        if try isEmptyFile(".dockerenv", in: changed) { result.insert(".dockerenv") }
        for name in ["dev", "proc", "sys"] where try old.status(of: FilePath(name)) == nil {
            if try isEmptyDirectory(FilePath(name), in: changed, but: []) { result.insert(name) }
        }
        guard let etc = try changed.status(of: "etc"), etc.type == .directory else { return result }
        let before = try old.status(of: "etc")
        let beforeEtc = before?.type == .directory ? try old.open("etc", [.readOnly, .directory]) : nil
        let inner = try changed.open("etc", [.readOnly, .directory, .noFollow])
        var made: Set<String> = []
        for name in files where try isEmptyFile(FilePath(name), in: inner) {
            if try beforeEtc?.status(of: FilePath(name)) == nil { made.insert(name) }
        }
        // A directory that was only copied up to hold them says nothing.
        let isCopy = before.map { ($0.permissions, $0.uid, $0.gid) == (etc.permissions, etc.uid, etc.gid) }
        if isCopy ?? true, try isEmptyDirectory("etc", in: changed, but: made) {
            return result.union(["etc"])
        }
        return result.union(made.map { "etc/\($0)" })
    }

    private static func isEmptyFile(_ name: FilePath, in directory: borrowing FD) throws -> Bool {
        guard let status = try directory.status(of: name) else { return false }
        return status.type == .regular && status.size == 0
    }

    /// Whiteouts are entries too, and an opaque directory hides what is below it.
    private static func isEmptyDirectory(
        _ name: FilePath, in directory: borrowing FD, but made: Set<String>
    ) throws -> Bool {
        guard try directory.status(of: name)?.type == .directory else { return false }
        let inner = try directory.open(name, [.readOnly, .directory, .noFollow])
        return try inner.entries().allSatisfy { made.contains($0.name.string) }
            && inner.attributeNames().allSatisfy { !$0.contains("overlay.opaque") }
    }
}
