import Linux
import SystemPackage

/// One thing that COPY or ADD named: a file, a directory whose content is meant, or a link's target.
struct Selection: Equatable {
    /// Where it is, without symlinks, relative to the tree's root.
    let path: FilePath
    /// What it is called in a destination directory: its name as written.
    let name: FilePath
    let status: FileStatus
}

/// A tree that COPY and ADD read from: the build context, or the root of a stage or an image.
/// All of it is read below one descriptor; what is ignored does not exist.
final class SourceTree {
    /// Each level holds a descriptor open; real trees stay far below.
    static let deepest = 200
    static let mostEntries = 5_000_000

    let root: FD
    let ignore: DockerIgnore
    /// Files of a stage keep their owners, those of the context belong to root.
    let keepsOwners: Bool
    /// Nil where inode numbers mean nothing from one build to the next.
    var cache: StatCache?
    /// Each odd thing met, once.
    private(set) var warnings: [String] = []
    private var entries = 0
    private var seen = SHA256()

    init(
        root: consuming FD, ignore: DockerIgnore = DockerIgnore(), keepsOwners: Bool, cache: StatCache? = nil
    ) {
        self.root = root
        self.ignore = ignore
        self.keepsOwners = keepsOwners
        self.cache = cache
    }

    func warn(_ text: String) {
        if !warnings.contains(text) { warnings.append(text) }
    }

    /// A digest of the status of all that was walked over since the last call: two walks that give the same saw
    /// the same tree.
    func takeFingerprint() -> [UInt8] {
        defer { seen = SHA256() }
        return seen.bytes()
    }

    private func note(_ status: FileStatus) {
        let times = [status.mtime.seconds, status.ctime.seconds].map(UInt64.init(bitPattern:))
        let numbers =
            [status.device, status.inode, status.size] + times
            + [UInt64(status.mtime.nanoseconds), UInt64(status.ctime.nanoseconds)]
        numbers.withUnsafeBytes { seen.update($0) }
    }

    /// What `source` names; several with a pattern, none when a pattern finds nothing.
    func select(_ source: String) throws -> [Selection] {
        let parts = written(source)
        let isPattern = parts.contains { $0.bytes.contains { "*?[\\".utf8.contains($0) } }
        guard isPattern else {
            guard let found = try selection(parts) else { throw BuildError.sourceMissing(source) }
            return [found]
        }
        guard let pattern = PathPattern(FilePath(joining: parts).string, doubleStars: false) else {
            throw BuildError("COPY failed: \(source): syntax error in pattern")
        }
        var matches: [[FilePath]] = []
        try expand(parts[...], below: [], pattern, into: &matches)
        var result: [Selection] = []
        // A link that leads nowhere, or to something ignored, is not there.
        for match in matches { if let found = try selection(match) { result.append(found) } }
        return result
    }

    /// The components of a source. `..` at the top stays at the top.
    private func written(_ source: String) -> [FilePath] {
        let clean = cleanPath("/" + source)
        var depth = 0
        for part in source.split(separator: "/") where part != "." {
            depth += part == ".." ? -1 : 1
            if depth < 0 {
                warn("[Warning] \(source) leads out of the build context: \"..\" at its top is ignored")
                break
            }
        }
        return FilePath(clean).componentPaths
    }

    private func selection(_ parts: [FilePath]) throws -> Selection? {
        let resolved = try root.resolve(FilePath(joining: parts))
        guard let status = resolved.status else { return nil }
        if try isIgnored(resolved.path, status) { return nil }
        let written = FilePath(joining: parts)
        if try written != resolved.path && isIgnored(written, status) { return nil }
        return Selection(path: resolved.path, name: parts.last ?? ".", status: status)
    }

    private func isIgnored(_ path: FilePath, _ status: FileStatus) throws -> Bool {
        if ignore.isEmpty || path.isEmpty { return false }
        let state = matches(at: path)
        guard state.isExcluded else { return false }
        guard status.type == .directory, ignore.hasExceptions else { return true }
        let directory = try root.openResolved(path, [.readOnly, .directory])
        return try !hasVisible(in: directory, PathPattern.characters(of: path.bytes), state, depth: 0)
    }

    /// What the ignore rules say at a resolved path.
    func matches(at path: FilePath) -> DockerIgnore.Matches {
        var state = ignore.root
        var characters: [UInt32] = []
        for part in path.componentPaths {
            if !characters.isEmpty { characters.append(0x2f) }
            characters += PathPattern.characters(of: part.bytes)
            state = ignore.matches(characters, in: state)
        }
        return state
    }

    private func expand(
        _ parts: ArraySlice<FilePath>, below: [FilePath], _ whole: PathPattern,
        into matches: inout [[FilePath]]
    ) throws {
        guard let part = parts.first else {
            if whole.matches(PathPattern.characters(of: FilePath(joining: below).bytes)) {
                matches.append(below)
            }
            return
        }
        let rest = parts.dropFirst()
        let resolved = try root.resolve(FilePath(joining: below))
        guard resolved.status?.type == .directory else { return }
        guard let pattern = PathPattern(part.string, doubleStars: false) else { return }
        if pattern.isLiteral {
            return try expand(rest, below: below + [FilePath(bytes: pattern.literal)], whole, into: &matches)
        }
        let directory = try root.openResolved(resolved.path, [.readOnly, .directory])
        for entry in try directory.sortedEntries()
        where pattern.matches(PathPattern.characters(of: entry.name)) {
            try expand(rest, below: below + [entry.path], whole, into: &matches)
        }
    }

    /// What is seen of a directory, ordered by name, each with what the rules say below it. A look into an ignored
    /// directory for exceptions is no part of the fingerprint.
    func visibleEntries(
        in directory: borrowing FD, at path: [UInt32], _ state: DockerIgnore.Matches, depth: Int,
        isLook: Bool = false
    ) throws -> [VisibleEntry] {
        guard depth <= Self.deepest else {
            throw BuildError("COPY failed: the tree is deeper than \(Self.deepest) directories")
        }
        var result: [VisibleEntry] = []
        for entry in try directory.sortedEntries() {
            entries += 1
            if !isLook { note(entry.status) }
            if entries > Self.mostEntries {
                throw BuildError("COPY failed: more than \(Self.mostEntries) files")
            }
            var below: (path: [UInt32], state: DockerIgnore.Matches) = ([], state)
            if !ignore.isEmpty {
                below.path = path + (path.isEmpty ? [] : [0x2f]) + PathPattern.characters(of: entry.name)
                below.state = ignore.matches(below.path, in: state)
                if below.state.isExcluded {
                    guard entry.status.type == .directory, ignore.hasExceptions else { continue }
                    let inner = try directory.open(entry.path, [.readOnly, .directory, .noFollow])
                    guard try hasVisible(in: inner, below.path, below.state, depth: depth + 1) else {
                        continue
                    }
                }
            }
            switch entry.status.type {
            case .regular, .directory, .symlink:
                result.append(VisibleEntry(entry: entry, path: below.path, state: below.state))
            default:
                warn("[Warning] \(entry.path.string): special file (\(entry.status.type)) is left out")
            }
        }
        return result
    }

    private func hasVisible(
        in directory: borrowing FD, _ path: [UInt32], _ state: DockerIgnore.Matches, depth: Int
    ) throws -> Bool {
        try !visibleEntries(in: directory, at: path, state, depth: depth, isLook: true).isEmpty
    }
}

/// An entry that is not ignored.
struct VisibleEntry {
    let entry: TreeEntry
    let path: [UInt32]
    let state: DockerIgnore.Matches
}
