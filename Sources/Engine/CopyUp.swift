import Linux
import SystemPackage

/// Filling a new volume with what the image has in its place.
extension Volumes {
    /// Copies once, into an empty volume, with owner, mode, times and attributes; links are copied as links
    /// (CVE-2020-1726). The image's tree is read through a detached read-only mount.
    func copyUp(_ target: String, to directory: FilePath, layers: [FilePath]) throws {
        let volume = try FD.open(directory, [.readOnly, .directory])
        guard try volume.entries().isEmpty else { return }
        let root = try mountOverlay(lower: layers.reversed(), upper: nil, work: nil)
        let source: FD
        do {
            source = try root.open(FilePath(target), [.readOnly, .directory])
        } catch {
            if error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory { return }
            throw error
        }
        try copyTree(source, to: volume)
        try copyFacts(of: source, to: volume)
    }

    private func copyTree(_ source: borrowing FD, to target: borrowing FD) throws {
        for entry in try source.sortedEntries() {
            let name = entry.path
            switch entry.status.type {
            case .directory:
                try target.makeDirectory(name)
                let from = try source.open(
                    name, [.readOnly, .directory, .noFollow], resolve: [.beneath, .noSymlinks])
                let into = try target.open(
                    name, [.readOnly, .directory, .noFollow], resolve: [.beneath, .noSymlinks])
                try copyTree(from, to: into)
                try copyFacts(of: from, to: into)
            case .symlink:
                try target.makeSymlink(name, to: try source.readSymlink(name))
                try target.changeOwner(of: name, uid: entry.status.uid, gid: entry.status.gid)
            case .regular:
                let from = try source.open(
                    name, [.readOnly, .noFollow, .nonBlocking], resolve: [.beneath, .noSymlinks])
                let into = try target.open(
                    name, [.writeOnly, .create, .exclusive], mode: 0o600, resolve: [.beneath, .noSymlinks])
                try into.copyContents(of: from)
                try copyFacts(of: from, to: into)
            default: continue  // devices, sockets and FIFOs of an image are not data
            }
            try target.setTimes(
                of: name, seconds: entry.status.mtime.seconds, nanoseconds: entry.status.mtime.nanoseconds)
        }
    }

    /// The owner first: a change of owner takes setuid bits and capabilities away.
    private func copyFacts(of source: borrowing FD, to target: borrowing FD) throws {
        let status = try source.status()
        try target.changeOwner(uid: status.uid, gid: status.gid)
        try target.changeMode(status.permissions)
        for name in try source.attributeNames() where name.hasPrefix("user.") || name == "security.capability"
        {
            try target.setAttribute(name, try source.attribute(name))
        }
    }
}
