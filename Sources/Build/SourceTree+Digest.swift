import Linux
import SystemPackage

/// Attributes that COPY keeps: what a program may rely on, nothing that belongs to the machine or to overlayfs.
func isKept(attribute name: String) -> Bool {
    name == "security.capability" || (name.hasPrefix("user.") && !name.hasPrefix("user.overlay."))
}

extension SourceTree {
    /// A digest of what a COPY of this takes along: names, kinds, modes, owners where they are kept, link targets,
    /// attributes and content. Times are no part of it: a fresh clone gives the same.
    func digest(of selection: Selection) throws -> String {
        var hash = SHA256()
        switch selection.status.type {
        case .directory:
            hash.update("tree\n")
            let directory = try root.openResolved(selection.path, [.readOnly, .directory])
            let path = PathPattern.characters(of: selection.path.bytes)
            try addTree(directory, at: path, matches(at: selection.path), depth: 0, to: &hash)
        case .regular:
            hash.update("file\n")
            let parent = try root.openResolved(
                selection.path.removingLastComponent(), [.readOnly, .directory])
            let entry = TreeEntry(name: selection.path.fileName, status: selection.status)
            add(header: entry, named: selection.name.bytes, to: &hash)
            hash.update(try contentDigest(of: entry, in: parent))
        default:
            throw BuildError(
                "COPY failed: \(selection.name.string) is a special file (\(selection.status.type))")
        }
        return hash.hex()
    }

    private func addTree(
        _ directory: borrowing FD, at path: [UInt32], _ state: DockerIgnore.Matches, depth: Int,
        to hash: inout SHA256
    ) throws {
        for visible in try visibleEntries(in: directory, at: path, state, depth: depth) {
            let entry = visible.entry
            add(header: entry, named: entry.name, to: &hash)
            switch entry.status.type {
            case .directory:
                let inner = try directory.open(entry.path, [.readOnly, .directory, .noFollow])
                hash.update(try attributeDigest(of: inner) ?? [])
                try addTree(inner, at: visible.path, visible.state, depth: depth + 1, to: &hash)
                hash.update("end\n")
            case .symlink:
                hash.update(try directory.symlinkBytes(entry.path) + [0])
            default:
                hash.update(try contentDigest(of: entry, in: directory))
            }
        }
    }

    /// Kind, mode, owner and name, of fixed length or with their length: no two trees give the same bytes.
    private func add(header entry: TreeEntry, named name: [UInt8], to hash: inout SHA256) {
        let status = entry.status
        // A link's mode is 0777 on Linux whatever its maker meant.
        let mode = status.type == .symlink ? 0 : status.permissions
        let owner = keepsOwners ? (status.uid, status.gid) : (0, 0)
        let numbers: [UInt32] = [status.type.rawValue | mode, owner.0, owner.1, UInt32(name.count)]
        numbers.withUnsafeBytes { hash.update($0) }
        hash.update(name)
    }

    /// Of a regular file's content and attributes, from the stat cache when it looks as it did.
    private func contentDigest(of entry: TreeEntry, in directory: borrowing FD) throws -> [UInt8] {
        if let known = cache?.digest(of: entry.status) { return known }
        let flags: OpenFlags = [.readOnly, .noFollow, .nonBlocking, .noTTY]
        let file = try directory.open(entry.path, flags, resolve: [.beneath, .noSymlinks])
        let status = try file.status()
        guard status == entry.status, status.type == .regular else {
            throw BuildError("COPY failed: \(entry.path.string) changed while it was read; build again")
        }
        var hash = SHA256()
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        try buffer.withUnsafeMutableBytes { buffer in
            while true {
                let n = try file.read(into: buffer)
                if n == 0 { break }
                hash.update(UnsafeRawBufferPointer(rebasing: buffer[..<n]))
            }
        }
        var digest = hash.bytes()
        if let attributes = try attributeDigest(of: file) {
            var both = SHA256()
            both.update(digest + attributes)
            digest = both.bytes()
        }
        cache?.remember(digest, for: status)
        return digest
    }

    private func attributeDigest(of file: borrowing FD) throws -> [UInt8]? {
        let names = try file.attributeNames().filter(isKept)
        if names.isEmpty { return nil }
        var hash = SHA256()
        for name in names {
            let value = try file.attribute(name)
            hash.update("\(name.utf8.count) \(name) \(value.count)\n")
            hash.update(value)
        }
        return hash.bytes()
    }
}

extension FilePath {
    /// The bytes of the last component; empty when there is none.
    var fileName: [UInt8] {
        let bytes = bytes
        let start = bytes.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0
        return Array(bytes[start...])
    }
}
