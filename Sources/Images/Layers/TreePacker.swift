import Linux
import OCI
import SystemPackage

/// Writes a tree as a tar, in the order of its names.
struct TreePacker: ~Copyable {
    /// What becomes of the tree.
    enum Purpose: Equatable {
        /// An overlay's upper directory becomes a layer itself: it is made equal to what the tar says, whole seconds,
        /// nothing later than the epoch, no sockets, none of overlayfs's own notes.
        case taken(epoch: Int64?)
        /// An upper directory that goes on being one is copied as a layer, and not changed.
        case copied
        /// A whole root is copied as it is, with its nanoseconds.
        case exported
    }
    private struct Inode: Hashable {
        let device: UInt64, number: UInt64
    }
    private struct Level {
        let directory: SharedFD
        let status: FileStatus
        /// Of `path`, with the slash behind.
        let length: Int
        var names: [FilePath]
    }
    private let purpose: Purpose
    /// What is left out, with all below it.
    private let omitted: Set<[UInt8]>
    private var epoch: Int64? { if case .taken(let epoch) = purpose { epoch } else { nil } }
    private var isTaken: Bool { if case .taken = purpose { true } else { false } }
    private var writer: TarWriter
    private var path: [UInt8] = []
    /// The first name of files that have several.
    private var links: [Inode: [UInt8]] = [:]
    /// Bytes of content.
    private(set) var bytes: UInt64 = 0
    private(set) var isOpaque = false
    /// Which directory, in its parent, is taken for empty.
    var hides: ((borrowing FD, borrowing FD) throws(SysError) -> Bool)?
    /// How many names there are below the root.
    private(set) var entries = 0

    init(to target: consuming FD, _ purpose: Purpose, omitting omitted: Set<[UInt8]> = []) {
        (self.purpose, self.omitted) = (purpose, omitted)
        writer = TarWriter(ByteSink(target))
    }

    /// Writes everything below `root`, and the root itself; answers the tar's digest and size.
    mutating func pack(_ root: SharedFD) throws(ImageError) -> (digest: Digest, size: UInt64) {
        try Kernel.withManyDescriptors { () throws(ImageError) in try packAll(root) }
    }

    private mutating func packAll(_ root: SharedFD) throws(ImageError) -> (digest: Digest, size: UInt64) {
        let first = try enter(root, name: nil)
        isOpaque = try kernel { () throws(SysError) in try OverlayMarkers.isOpaque(root.fd) }
        return try packLevels([first])
    }

    /// Writes one name of a directory, called `base`, and everything below it.
    mutating func pack(_ name: FilePath, as base: [UInt8], of parent: SharedFD) throws(ImageError) {
        let status = try kernel { () throws(SysError) in try parent.fd.status(of: name) }
        guard let status else { throw .invalid("\(quoted(base)) is gone") }
        try Kernel.withManyDescriptors { () throws(ImageError) in
            let first = try add(name, status, in: parent, as: base)
            _ = try packLevels(first.map { [$0] } ?? [])
        }
    }

    private mutating func packLevels(_ first: [Level]) throws(ImageError) -> (digest: Digest, size: UInt64) {
        var levels = first
        while var level = levels.popLast() {
            path.removeLast(path.count - level.length)
            guard let name = level.names.popLast() else {
                try leave(level)
                continue
            }
            let directory = level.directory
            levels.append(level)
            guard let status = try kernel({ () throws(SysError) in try directory.fd.status(of: name) }) else {
                // Whoever writes into a running container goes on while it is copied.
                guard isTaken else { continue }
                throw .invalid("\(quoted(path)) changed while it was read")
            }
            do {
                if let child = try add(name, status, in: directory) { levels.append(child) }
            } catch { throw error.within(quoted(path)) }
        }
        try writer.finish()
        return (try writer.sink.digest(), writer.sink.total)
    }

    /// Adds one name; answers the level to go on with when it is a directory.
    private mutating func add(
        _ name: FilePath, _ status: FileStatus, in parent: SharedFD, as base: [UInt8]? = nil
    ) throws(ImageError) -> Level? {
        let bytes =
            base
            ?? name.withPlatformString {
                UnsafeRawBufferPointer(start: $0, count: name.length).map { $0 }
            }
        if !omitted.isEmpty, omitted.contains(path + bytes) { return nil }
        entries += 1
        if OverlayMarkers.isWhiteout(status) {
            if purpose == .exported { return nil }
            path += Array(".wh.".utf8) + bytes
            try writer.add(path, entry(.file, time: min(status.mtime.seconds, epoch ?? .max)))
            return nil
        }
        if purpose != .exported, bytes.starts(with: ".wh.".utf8) {
            throw .invalid(
                "\(quoted(bytes)) cannot be in a layer, where such a name hides another (rename it)")
        }
        path += bytes
        if try addLink(status) { return nil }
        switch status.type {
        case .directory:
            let child = SharedFD(
                try kernel { () throws(SysError) in
                    try parent.fd.open(name, DirectoryWalker.openFlags, resolve: [.beneath, .noSymlinks])
                })
            var level = try enter(child, name: name)
            if let hides, try kernel({ () throws(SysError) in try hides(child.fd, parent.fd) }) {
                level.names = []
            }
            return level
        case .regular: try addFile(name, status, in: parent)
        case .symlink:
            try setTime(name, status, in: parent)
            let link = try kernel { () throws(SysError) in try parent.fd.symlinkBytes(name) }
            try writer.add(path, entry(.symlink, status), link: link)
        case .fifo: try addNode(.fifo, name, status, in: parent)
        case .character:
            try addNode(
                .character(major: status.rdevMajor, minor: status.rdevMinor), name, status, in: parent)
        case .block:
            try addNode(.block(major: status.rdevMajor, minor: status.rdevMinor), name, status, in: parent)
        case .socket: if isTaken { _ = try kernel { () throws(SysError) in try parent.fd.remove(name) } }
        }
        return nil
    }

    /// Whether the file has a name already, of which this one becomes a link.
    private mutating func addLink(_ status: FileStatus) throws(ImageError) -> Bool {
        guard status.links > 1, status.type != .directory, status.type != .socket else { return false }
        let inode = Inode(device: status.device, number: status.inode)
        guard let first = links[inode] else {
            links[inode] = path
            return false
        }
        try writer.add(path, entry(.hardLink, status), link: first)
        return true
    }

    /// A directory's own entry, and its opaque mark; the root's has the name `./`.
    private mutating func enter(_ directory: SharedFD, name: FilePath?) throws(ImageError) -> Level {
        let status = try kernel { () throws(SysError) in try directory.fd.status() }
        if name != nil { path.append(UInt8(ascii: "/")) }
        let attributes = try cleanAttributes(of: directory.fd)
        try writer.add(
            name == nil ? Array("./".utf8) : path, entry(.directory, status), attributes: attributes.kept)
        if attributes.isOpaque, purpose != .exported {
            try writer.add(path + Array(".wh..wh..opq".utf8), entry(.file, status))
        }
        let names = try kernel { () throws(SysError) in try directory.fd.entries().map(\.name) }
        return Level(
            directory: directory, status: status, length: path.count,
            names: names.sorted { $1.bytesPrecede($0) })  // taken from the end
    }

    /// After its content, because removing a socket changes a directory's time.
    private func leave(_ level: Level) throws(ImageError) {
        guard isTaken else { return }
        let time = time(level.status)
        try kernel { () throws(SysError) in
            try level.directory.fd.changeTimes(nil, seconds: time, nanoseconds: 0)
        }
    }

    private mutating func addFile(
        _ name: FilePath, _ status: FileStatus, in parent: SharedFD
    ) throws(ImageError) {
        let file = try kernel { () throws(SysError) in
            try parent.fd.open(
                name, [.readOnly, .noFollow, .nonBlocking], resolve: [.beneath, .noSymlinks])
        }
        // Where others may change the tree it may be a device by now.
        if hides != nil {
            let now = try kernel { () throws(SysError) in try file.status() }
            guard now.type == .regular, now.size >= status.size else {
                throw .invalid("changed while it was read")
            }
        }
        let attributes = try cleanAttributes(of: file).kept
        var entry = entry(.file, status)
        entry.size = status.size
        try writer.add(path, entry, attributes: attributes)
        try writer.addContent(of: file, size: status.size)
        bytes += status.size
        if needsTime(status) {
            let time = entry.seconds
            do { try file.changeTimes(nil, seconds: time, nanoseconds: 0) } catch { throw ImageError(error) }
        }
    }

    private mutating func addNode(
        _ kind: TarKind, _ name: FilePath, _ status: FileStatus, in parent: SharedFD
    ) throws(ImageError) {
        try setTime(name, status, in: parent)
        try writer.add(path, entry(kind, status))
    }

    private func entry(_ kind: TarKind, time: Int64) -> TarEntry {
        var entry = TarEntry()
        (entry.kind, entry.seconds) = (kind, time)
        return entry
    }

    private func entry(_ kind: TarKind, _ status: FileStatus) -> TarEntry {
        var entry = entry(kind, time: time(status))
        (entry.mode, entry.uid, entry.gid) = (status.permissions, status.uid, status.gid)
        if purpose == .exported { entry.nanoseconds = UInt32(status.mtime.nanoseconds) }
        return entry
    }

    private func time(_ status: FileStatus) -> Int64 { min(status.mtime.seconds, epoch ?? .max) }

    private func needsTime(_ status: FileStatus) -> Bool {
        isTaken && (status.mtime.nanoseconds != 0 || status.mtime.seconds != time(status))
    }

    private func setTime(_ name: FilePath, _ status: FileStatus, in parent: SharedFD) throws(ImageError) {
        guard needsTime(status) else { return }
        try kernel { () throws(SysError) in try parent.fd.setTimes(of: name, seconds: time(status)) }
    }

    /// The attributes for the tar. overlayfs's notes are taken off the tree, but for the opaque mark.
    private func cleanAttributes(
        of file: borrowing FD
    ) throws(ImageError) -> (kept: [(name: String, value: [UInt8])], isOpaque: Bool) {
        var kept: [(name: String, value: [UInt8])] = []
        var isOpaque = false
        do throws(SysError) {
            for name in try file.attributeNames() {
                if name == OverlayMarkers.opaque {
                    isOpaque = try OverlayMarkers.isOpaque(file)
                    if isOpaque { continue }
                }
                if ["trusted.overlay.redirect", "trusted.overlay.metacopy"].contains(name),
                    purpose != .exported
                {
                    throw SysError(
                        call: "commit", subject: name, errno: .notSupported,
                        hint: "the overlay was mounted with redirect_dir or metacopy")
                }
                if OverlayMarkers.prefixes.contains(where: name.hasPrefix) {
                    if isTaken { try file.removeAttribute(name) }
                } else if OverlayMarkers.keeps(attribute: name.utf8),
                    let value = try file.attributeIfSet(name)
                {
                    kept.append((name, value))
                }
            }
        } catch { throw ImageError(error) }
        return (kept, isOpaque)
    }
}

extension FilePath {
    /// Whether this path's bytes come before the other's.
    func bytesPrecede(_ other: FilePath) -> Bool {
        withPlatformString { a in
            other.withPlatformString { b in
                UnsafeRawBufferPointer(start: a, count: length)
                    .lexicographicallyPrecedes(UnsafeRawBufferPointer(start: b, count: other.length))
            }
        }
    }
}
