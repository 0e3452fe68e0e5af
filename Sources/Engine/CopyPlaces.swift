import Linux
import SystemPackage

/// A directory that several hold.
final class OpenDirectory {
    let fd: FD
    init(_ fd: consuming FD) { self.fd = fd }
}

/// A path of `cp` as it was typed: what its end says counts.
struct TypedPath: Equatable {
    /// From the root, without `.`, `..` and doubled slashes.
    let path: FilePath
    /// It ends with a slash or a dot: it has to be a directory, and a link there is followed.
    let isDirectory: Bool
    /// It ends with a dot, or is the root: what is in the directory is meant.
    let isContent: Bool

    /// `directory` is what a path is relative to that does not begin with a slash.
    init(_ text: String, in directory: String = "/") {
        let whole = text.hasPrefix("/") ? text : "\(directory)/\(text)"
        path = FilePath(whole).lexicallyNormalized()
        let last = text.split(separator: "/").last
        isContent = last == nil || last == "." || path.components.isEmpty
        isDirectory = isContent || text.hasSuffix("/") || last == ".."
    }

    /// Its name there; nil for the root.
    var name: FilePath? { path.lastComponent.map { FilePath(root: nil, [$0]) } }
}

/// What is copied: a name in an open directory.
struct CopySource {
    let directory: OpenDirectory
    /// `.` for the directory itself.
    let name: FilePath
    let status: FileStatus
    /// What it is called where it goes, unless that is said.
    let typed: TypedPath

    var isDirectory: Bool { status.type == .directory }
    /// The directory whose content is meant, opened to be read.
    func opened() throws(SysError) -> OpenDirectory {
        OpenDirectory(
            try directory.fd.open(name, [.readOnly, .directory], resolve: [.beneath, .noSymlinks]))
    }
}

/// Where a copy goes.
struct CopyTarget {
    let directory: OpenDirectory
    /// In it; nil when it goes into the directory under its own name.
    let name: FilePath?
}

extension FD {
    /// What a path below this root names; nil when there is nothing. Links on the way are followed inside the root, and
    /// the last one where `follows`, or the path's end, says so.
    func copySource(_ typed: TypedPath, follows: Bool) throws -> CopySource? {
        do throws(SysError) {
            guard let name = typed.name else {
                return CopySource(
                    directory: try readable("."), name: ".", status: try status(), typed: typed)
            }
            if follows || typed.isDirectory {
                let found = try resolve(typed.path)
                guard let status = found.status else { return nil }
                let isRoot = found.path.isEmpty
                return CopySource(
                    directory: try readable(found.parent), name: isRoot ? "." : found.name, status: status,
                    typed: typed)
            }
            let parent = try resolve(typed.path.removingLastComponent())
            guard parent.status?.type == .directory else { return nil }
            let directory = try readable(parent.path)
            guard let status = try directory.fd.status(of: name) else { return nil }
            return CopySource(directory: directory, name: name, status: status, typed: typed)
        } catch {
            guard [.notDirectory, .noSuchFileOrDirectory].contains(error.errno) else { throw error }
            return nil
        }
    }

    private func readable(_ path: FilePath) throws(SysError) -> OpenDirectory {
        OpenDirectory(try openResolved(path, [.readOnly, .directory]))
    }

    /// Where something goes that is copied to a path below this root, by docker's rules. `missing` is the error when
    /// the directory that it would be in is not there.
    func copyTarget(
        _ typed: TypedPath, for source: CopySource, missing: (FilePath) -> any Error
    ) throws -> CopyTarget {
        let found: ResolvedPath
        do { found = try resolve(typed.path) } catch {
            guard error.errno == .notDirectory else { throw error }
            throw missing(typed.path.removingLastComponent())
        }
        if let status = found.status, status.type == .directory {
            return CopyTarget(directory: try readable(found.path), name: nil)
        }
        if found.status != nil {
            guard !source.isDirectory else { throw EngineError("cannot copy directory", exitCode: 1) }
            guard !typed.isDirectory else { throw EngineError("no such directory", exitCode: 1) }
        } else if typed.isDirectory, !source.isDirectory {
            throw EngineError("no such directory", exitCode: 1)
        }
        do {
            return CopyTarget(directory: try readable(found.parent), name: found.name)
        } catch {
            guard [.notDirectory, .noSuchFileOrDirectory].contains(error.errno) else { throw error }
            throw missing(FilePath("/").pushing(found.parent))
        }
    }
}
