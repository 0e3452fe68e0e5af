import Linux
import SystemPackage

/// How entries become files.
struct UnpackRules {
    /// A layer's whiteouts become overlayfs's; otherwise `.wh.` is part of a name like any other.
    var isLayer = true
    /// Instead of the archive's owners.
    var owner: (uid: UInt32, gid: UInt32)?
    /// A directory and what is none do not replace each other, and a mount stays: for a tree that is in use.
    var keepsKinds = false
    /// Clean path below the root under which everything is put.
    var prefix: [UInt8] = []
    /// At most this many bytes of content.
    var budget: UInt64 = 200 << 30
}

/// Puts the entries of a tar below a root by descriptor. The last of several entries with one name wins; an
/// entry that cannot be made as it says is refused, and with it the archive.
struct Unpacker: ~Copyable {
    let rules: UnpackRules
    private let root: SharedFD
    private var walker: DirectoryWalker
    private var path = EntryPath()
    private var target = EntryPath()
    private var hasRootEntry = false
    /// Bytes of content written.
    private(set) var bytes: UInt64 = 0
    /// The archive hides everything below it.
    private(set) var isOpaque = false

    init(into root: SharedFD, rules: UnpackRules) {
        (self.root, self.rules) = (root, rules)
        walker = DirectoryWalker(root: root, isLayer: rules.isLayer)
    }

    /// Unpacks all entries and reads the stream to its end.
    mutating func unpack(_ reader: inout TarReader) throws(ImageError) {
        while try reader.next() {
            do {
                try place(&reader)
            } catch {
                throw error.within("entry \(quoted(reader.path.bytes))")
            }
        }
        if rules.isLayer, !hasRootEntry {
            try walker.later.add(
                [], LaterAttributes.Item(mode: 0o755, seconds: reader.newest, nanoseconds: 0))
        }
        try walker.later.apply(below: root)
        try reader.stream.drain()
    }

    private mutating func place(_ reader: inout TarReader) throws(ImageError) {
        try path.set(reader.path.bytes, below: rules.prefix)
        walker.impliedTime = reader.entry.seconds
        if path.bytes.elementsEqual(rules.prefix) {
            guard reader.entry.kind == .directory else { throw .invalid("the root must be a directory") }
            return try placeRoot(reader)
        }
        if rules.isLayer {
            if path.hasParent(startingWith: ".wh.") {
                guard path.hasParent(startingWith: ".wh..wh.") else {
                    throw .invalid("entry below a whiteout")
                }
                return  // aufs's own bookkeeping
            }
            if path.name.starts(with: ".wh.".utf8) { return try placeWhiteout(reader) }
        }
        let parent = try walker.directory(at: path.parent)
        switch reader.entry.kind {
        case .file: try placeFile(&reader, in: parent)
        case .directory: try placeDirectory(reader, in: parent)
        case .symlink: try placeSymlink(reader, in: parent)
        case .hardLink: try placeHardLink(reader, in: parent)
        case .fifo: try placeNode(reader, in: parent, .fifo, 0, 0)
        case .character(let major, let minor):
            guard major != 0 || minor != 0 else {
                throw .invalid("character device 0:0 is overlayfs's whiteout: refused")
            }
            try placeNode(reader, in: parent, .character, major, minor)
        case .block(let major, let minor): try placeNode(reader, in: parent, .block, major, minor)
        }
    }

    private func owner(_ entry: TarEntry) -> (uid: UInt32, gid: UInt32) {
        rules.owner ?? (entry.uid, entry.gid)
    }

    private mutating func placeRoot(_ reader: borrowing TarReader) throws(ImageError) {
        guard rules.isLayer else { return }  // what it is unpacked into is somebody else's
        hasRootEntry = true
        try setOwnerAndAttributes(of: root.fd, reader)
        let entry = reader.entry
        try walker.later.add(
            [],
            LaterAttributes.Item(mode: entry.mode, seconds: entry.seconds, nanoseconds: entry.nanoseconds))
    }

    /// Makes a name by `make`; what has the name already is removed first. Answers false when `keep` said to
    /// leave that in place.
    private mutating func make(
        in parent: SharedFD, isDirectory: Bool = false, keep: (FileStatus) -> Bool = { _ in false },
        _ make: (FD.CName) throws(SysError) -> Void
    ) throws(ImageError) -> FileStatus? {
        let name = path.cName()
        do {
            try make(name)
            return nil
        } catch {
            guard error.errno == .fileExists else { throw ImageError(error) }
        }
        let old = try kernel { () throws(SysError) in try parent.fd.status(of: name) }
        if let old {
            if keep(old) { return old }
            if rules.keepsKinds { try checkKinds(old, isDirectory: isDirectory, in: parent) }
            try remove(old, in: parent)
        }
        try kernel { () throws(SysError) in try make(name) }
        return old
    }

    /// docker's words.
    private func checkKinds(_ old: FileStatus, isDirectory: Bool, in parent: SharedFD) throws(ImageError) {
        let name = quoted(path.bytes)
        if old.type == .directory { throw .invalid("cannot overwrite directory \(name) with non-directory") }
        if isDirectory { throw .invalid("cannot overwrite non-directory \(name) with directory") }
        // From outside its mount namespace a mount would go away with its place.
        let here = try kernel { () throws(SysError) in try parent.fd.status().mountID }
        guard old.mountID == here else {
            throw ImageError(SysError(call: "unlinkat", subject: name, errno: .resourceBusy))
        }
    }

    private mutating func remove(_ old: FileStatus, in parent: SharedFD) throws(ImageError) {
        // What the walker has open may be what is removed, or be reached through it.
        if old.type == .directory || old.type == .symlink { walker.forget() }
        let name = path.cName()
        if old.type == .directory {
            let whole = FilePath(bytes: path.name)
            try kernel { () throws(SysError) in try parent.fd.removeTree(whole) }
        } else {
            try kernel { () throws(SysError) in try parent.fd.unlink(name) }
        }
    }

    private mutating func placeFile(_ reader: inout TarReader, in parent: SharedFD) throws(ImageError) {
        var opened: FD?
        _ = try make(in: parent) { name throws(SysError) in
            opened = try parent.fd.open(
                name, [.writeOnly, .create, .exclusive, .noFollow], mode: 0o600, resolve: [.beneath])
        }
        guard let file = opened.take() else { return }
        try write(&reader, to: file)
        try setOwnerAndAttributes(of: file, reader)
        let entry = reader.entry
        try kernel { () throws(SysError) in
            try file.changeMode(entry.mode)
            try file.changeTimes(nil, seconds: entry.seconds, nanoseconds: entry.nanoseconds)
        }
    }

    private mutating func write(_ reader: inout TarReader, to file: borrowing FD) throws(ImageError) {
        let isSparse = reader.records.sparse.isSparse
        while let chunk = try reader.nextChunk() {
            bytes += UInt64(chunk.bytes.count)
            guard bytes <= rules.budget else {
                throw ImageError(
                    .noSpace, "more than \(rules.budget >> 20) MiB of content: no space left for it")
            }
            do {
                if isSparse {
                    try file.writeAll(chunk.bytes, at: Int64(chunk.offset))
                } else {
                    try file.writeAll(chunk.bytes)
                }
            } catch { throw ImageError(error) }
        }
        if isSparse {
            let size = Int64(reader.entry.size)
            try kernel { () throws(SysError) in try file.setSize(size) }
        }
    }

    private mutating func placeDirectory(
        _ reader: borrowing TarReader, in parent: SharedFD
    ) throws(ImageError) {
        let old = try make(in: parent, isDirectory: true, keep: { $0.type == .directory }) {
            name throws(SysError) in
            try parent.fd.makeDirectory(name, mode: 0o700)
        }
        let directory = try walker.directory(at: path.bytes)
        if let old, OverlayMarkers.isWhiteout(old) {
            // Made anew after its own whiteout in the same layer: what lies below stays hidden.
            try kernel { () throws(SysError) in try OverlayMarkers.markOpaque(directory.fd) }
        }
        try setOwnerAndAttributes(of: directory.fd, reader)
        let entry = reader.entry
        try walker.note(
            directory, at: path.bytes, mode: entry.mode, seconds: entry.seconds,
            nanoseconds: entry.nanoseconds)
    }

    private mutating func placeSymlink(_ reader: borrowing TarReader, in parent: SharedFD) throws(ImageError)
    {
        guard !reader.link.isEmpty else { throw .invalid("symlink without a target") }
        let link = UnsafeRawPointer(reader.link.base).assumingMemoryBound(to: CChar.self)
        _ = try make(in: parent) { name throws(SysError) in try parent.fd.makeSymlink(name, to: link) }
        try setOwnerAndTime(reader, in: parent)
    }

    private mutating func placeNode(
        _ reader: borrowing TarReader, in parent: SharedFD, _ type: Linux.FileType, _ major: UInt32,
        _ minor: UInt32
    ) throws(ImageError) {
        _ = try make(in: parent) { name throws(SysError) in
            try parent.fd.makeNode(name, type: type, mode: 0o600, major: major, minor: minor)
        }
        try setOwnerAndTime(reader, in: parent)
        let name = path.cName()
        let mode = reader.entry.mode
        try kernel { () throws(SysError) in
            // By its own descriptor: chmod(2) follows a link that took its place (CVE-2021-41089).
            let made = try parent.fd.open(name, [.path, .noFollow], resolve: [.beneath, .noSymlinks])
            if try made.status().type == type { try Kernel.changeMode(made, mode) }
        }
    }

    /// A link to a file of the same archive: nothing else may be reached, nothing be linked before it is
    /// there.
    private mutating func placeHardLink(_ reader: borrowing TarReader, in parent: SharedFD)
        throws(ImageError)
    {
        try target.set(reader.link.bytes, below: rules.prefix)
        let directory: SharedFD
        do {
            directory = try walker.directory(at: target.parent, making: false)
        } catch {
            throw .invalid("hard link to \(quoted(reader.link.bytes)), which is not there: \(error)")
        }
        let existing = target.cName()
        let status = try kernel { () throws(SysError) in try directory.fd.status(of: existing) }
        guard let status, !OverlayMarkers.isWhiteout(status) else {
            throw .invalid("hard link to \(quoted(reader.link.bytes)), which is not there")
        }
        guard status.type != .directory else {
            throw .invalid("hard link to \(quoted(reader.link.bytes)), a directory")
        }
        _ = try make(in: parent, keep: { $0.inode == status.inode && $0.device == status.device }) {
            name throws(SysError) in try parent.fd.makeLink(name, to: existing, in: directory.fd)
        }
    }

    /// Of symlinks and special files, by name in their directory: it is 0700 and nobody else's until the end.
    private func setOwnerAndTime(_ reader: borrowing TarReader, in parent: SharedFD) throws(ImageError) {
        let name = path.cName()
        let entry = reader.entry
        let owner = owner(entry)
        try kernel { () throws(SysError) in
            try parent.fd.changeOwner(name, uid: owner.uid, gid: owner.gid)
            try parent.fd.changeTimes(name, seconds: entry.seconds, nanoseconds: entry.nanoseconds)
        }
    }

    /// The owner first: changing it clears file capabilities and setuid.
    private func setOwnerAndAttributes(
        of file: borrowing FD, _ reader: borrowing TarReader
    ) throws(ImageError) {
        let owner = owner(reader.entry)
        do { try file.changeOwner(uid: owner.uid, gid: owner.gid) } catch { throw ImageError(error) }
        let records = reader.records
        for attribute in records.attributes
        where OverlayMarkers.keeps(attribute: records.bytes[attribute.name]) {
            // A pax keyword is UTF-8; nothing could write another name again.
            guard String(validating: records.bytes[attribute.name], as: UTF8.self) != nil else {
                throw .invalid("the name of an extended attribute is not UTF-8")
            }
            try set(attribute, of: records, on: file)
        }
    }

    private func set(
        _ attribute: PaxRecords.Attribute, of records: PaxRecords, on file: borrowing FD
    ) throws(ImageError) {
        var failure: SysError?
        records.bytes.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            let name = (base + attribute.name.lowerBound).assumingMemoryBound(to: CChar.self)
            let value = UnsafeRawBufferPointer(rebasing: bytes[attribute.value])
            do throws(SysError) { try file.setAttribute(name, value) } catch { failure = error }
        }
        guard let failure else { return }
        let name = quoted(records.bytes[attribute.name])
        switch failure.errno {
        case .noSpace, .argListTooLong, .outOfRange:
            throw .invalid("extended attribute \(name) is too large for the file system (E2BIG)")
        case .notSupported where records.bytes[attribute.name].starts(with: "user.".utf8):
            return  // a file system without them, as docker does; capabilities are never dropped silently
        default: throw ImageError(failure)
        }
    }

    /// `.wh.NAME` hides NAME of the layers below, `.wh..wh..opq` everything in its directory. What this layer
    /// itself puts there stays, before or after.
    private mutating func placeWhiteout(_ reader: borrowing TarReader) throws(ImageError) {
        let name = path.name.dropFirst(4)
        if name.elementsEqual(".wh..opq".utf8) {
            if path.parent.isEmpty { isOpaque = true }
            return try hideAll(in: try walker.directory(at: path.parent))
        }
        if name.starts(with: ".wh.".utf8) { return }  // aufs's own bookkeeping
        guard !name.isEmpty, !name.elementsEqual(".".utf8), !name.elementsEqual("..".utf8) else {
            throw .invalid("whiteout of nothing")
        }
        let parent = try walker.directory(at: path.parent)
        let hidden = path.cName(from: 4)
        let old = try kernel { () throws(SysError) in try parent.fd.status(of: hidden) }
        if let old {
            guard old.type == .directory else { return }
            let directory = try kernel { () throws(SysError) in
                SharedFD(
                    try parent.fd.open(hidden, DirectoryWalker.openFlags, resolve: [.beneath, .noSymlinks]))
            }
            try hideAll(in: directory)
        } else if try kernel({ () throws(SysError) in try !OverlayMarkers.isOpaque(parent.fd) }) {
            // With the entry's time, so that packing the tree again gives the same bytes.
            let entry = reader.entry
            try kernel { () throws(SysError) in
                try OverlayMarkers.makeWhiteout(hidden, in: parent.fd)
                try parent.fd.changeTimes(hidden, seconds: entry.seconds, nanoseconds: entry.nanoseconds)
            }
        }
    }

    /// Whiteouts in an opaque directory would hide nothing, and show up when it is listed.
    private func hideAll(in directory: SharedFD) throws(ImageError) {
        try kernel { () throws(SysError) in
            for entry in try directory.fd.entries() where entry.type == .character {
                guard let status = try directory.fd.status(of: entry.name), OverlayMarkers.isWhiteout(status)
                else {
                    continue
                }
                try directory.fd.remove(entry.name)
            }
            try OverlayMarkers.markOpaque(directory.fd)
        }
    }
}
