import SystemPackage

/// Copying what lies below a directory into another one.
extension FD {
    /// With owner, mode, times and attributes; links are copied as links (CVE-2020-1726), holes as holes, several names
    /// of a file as such; devices, sockets and FIFOs are left out. This directory is empty; its own owner and mode are
    /// `source`'s in the end.
    public func copyTree(of source: borrowing FD) throws(SysError) {
        var names: [Inode: FilePath] = [:]
        try copyTree(of: source, at: "", top: self, &names)
    }

    private struct Inode: Hashable {
        let device, number: UInt64
    }

    private func copyTree(
        of source: borrowing FD, at path: FilePath, top: borrowing FD, _ names: inout [Inode: FilePath]
    ) throws(SysError) {
        for entry in try source.sortedEntries() { try copy(entry, of: source, at: path, top: top, &names) }
        try copyFacts(of: source)
    }

    private func copy(
        _ entry: TreeEntry, of source: borrowing FD, at path: FilePath, top: borrowing FD,
        _ names: inout [Inode: FilePath]
    ) throws(SysError) {
        let name = entry.path
        if entry.status.type == .regular, entry.status.links > 1 {
            let inode = Inode(device: entry.status.device, number: entry.status.inode)
            if let first = names[inode] { return try makeLink(name, to: first, in: top) }
            names[inode] = path.pushing(name)
        }
        switch entry.status.type {
        case .directory:
            try makeDirectory(name)
            let flags: OpenFlags = [.readOnly, .directory, .noFollow]
            let from = try source.open(name, flags, resolve: [.beneath, .noSymlinks])
            try open(name, flags, resolve: [.beneath, .noSymlinks])
                .copyTree(of: from, at: path.pushing(name), top: top, &names)
        case .symlink:
            try makeSymlink(name, toBytes: try source.symlinkBytes(name))
            try changeOwner(of: name, uid: entry.status.uid, gid: entry.status.gid)
        case .regular:
            let from = try source.open(
                name, [.readOnly, .noFollow, .nonBlocking], resolve: [.beneath, .noSymlinks])
            let into = try open(
                name, [.writeOnly, .create, .exclusive], mode: 0o600, resolve: [.beneath, .noSymlinks])
            try into.copySparse(of: from)
            try into.copyFacts(of: from)
        default: return
        }
        try setTimes(
            of: name, seconds: entry.status.mtime.seconds, nanoseconds: entry.status.mtime.nanoseconds)
    }

    /// The owner first: a change of owner takes setuid bits and capabilities away.
    private func copyFacts(of source: borrowing FD) throws(SysError) {
        let status = try source.status()
        try changeOwner(uid: status.uid, gid: status.gid)
        try changeMode(status.permissions)
        for name in try source.attributeNames() where name.hasPrefix("user.") || name == "security.capability"
        {
            try setAttribute(name, try source.attribute(name))
        }
    }
}
