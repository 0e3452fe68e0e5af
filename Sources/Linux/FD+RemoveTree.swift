import CLinux
public import SystemPackage

extension FD {
    /// Removes `name` and all below it, by descriptor, without following a link or entering what is mounted
    /// there. A tree that is not there is no error. What cannot be removed is left with the directories
    /// above it, the rest goes, and the first error is thrown. Needs at most 64 descriptors, however deep
    /// the tree is.
    public func removeTree(_ name: FilePath) throws(SysError) {
        var removal = TreeRemoval()
        removal.remove(name, type: nil, in: self, top: -1, depth: 0)
        guard let error = removal.failure else { return }
        if error.subject == name.string { throw error }
        throw SysError(
            call: error.call, subject: "\(error.subject) below \(name.string)", errno: error.errno,
            hint: error.hint)
    }
}

/// The state of one removal.
private struct TreeRemoval {
    static let maximumDepth = 60
    var failure: SysError?
    /// Whether a directory was moved up since the last pass over the top.
    private var hasMoved = false

    /// Removes one entry; `top` is the descriptor of the tree's own highest directory.
    mutating func remove(_ name: FilePath, type: FileType?, in parent: borrowing FD, top: CInt, depth: Int) {
        do throws(SysError) {
            if type != .directory, try unlink(name, in: parent) { return }
            if depth == TreeRemoval.maximumDepth { return try moveUp(name, from: parent, to: top) }
            let directory = try open(name, in: parent)
            try empty(directory, top: depth == 0 ? directory.raw : top, depth: depth + 1)
            try parent.remove(name, directory: true)
        } catch {
            if error.errno != .noSuchFileOrDirectory { failure = failure ?? error }
        }
    }

    /// False when it is a directory.
    private func unlink(_ name: FilePath, in parent: borrowing FD) throws(SysError) -> Bool {
        do {
            try parent.remove(name)
            return true
        } catch {
            if error.errno == .isDirectory { return false }
            // EPERM: a directory on some file systems, or a file that is immutable.
            guard error.errno == .notPermitted, try parent.status(of: name)?.type == .directory else {
                throw error
            }
            return false
        }
    }

    private func open(_ name: FilePath, in parent: borrowing FD) throws(SysError) -> FD {
        do {
            return try parent.open(
                name, [.readOnly, .directory, .noFollow], resolve: [.beneath, .noSymlinks, .noCrossDevice])
        } catch {
            throw error.errno == .improperLink ? error.hinting("something is mounted there") : error
        }
    }

    private mutating func empty(_ directory: borrowing FD, top: CInt, depth: Int) throws(SysError) {
        repeat {
            hasMoved = hasMoved && depth > 1
            for entry in try directory.entries() {
                remove(entry.name, type: entry.type, in: directory, top: top, depth: depth)
            }
        } while depth == 1 && hasMoved
    }

    /// A directory that lies too deep becomes an entry of the top one, which is listed again afterwards.
    /// Its new name cannot be foreseen by whoever filled the tree.
    private mutating func moveUp(_ name: FilePath, from parent: borrowing FD, to top: CInt) throws(SysError) {
        let random = SHA256.hex(of: Kernel.random(16)).prefix(32)
        let (moved, raw) = (FilePath(".removing-\(random)"), parent.raw)
        _ = try sys("rename", name.string) {
            name.withPlatformString { n in moved.withPlatformString { cl_renameat2(raw, n, top, $0, 1) } }
        }
        hasMoved = true
    }
}
