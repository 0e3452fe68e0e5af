import Linux
import SystemPackage

/// Compares two trees entry by entry: names, types, modes, owners, times, links, devices, attributes and content.
struct TreeComparison {
    private var path = ""

    /// The first difference in words, nil when there is none.
    mutating func difference(_ a: borrowing FD, _ b: borrowing FD) throws(SysError) -> String? {
        if try attributes(a) != attributes(b) { return "\(shown("")): attributes differ" }
        let (mine, other) = (try a.sortedEntries(), try b.sortedEntries())
        for (one, two) in zip(mine, other) {
            guard one.name == two.name else {
                let extra = one.name.lexicographicallyPrecedes(two.name)
                return extra ? "\(shown(one.name)) does not belong there" : "\(shown(two.name)) is missing"
            }
            if let fact = Self.difference(one.status, two.status) { return "\(shown(one.name)): \(fact)" }
            if let found = try difference(one, in: a, b) { return found }
        }
        if mine.count > other.count { return "\(shown(mine[other.count].name)) does not belong there" }
        if mine.count < other.count { return "\(shown(other[mine.count].name)) is missing" }
        return nil
    }

    private func shown(_ name: some Sequence<UInt8>) -> String { quoted(Array(path.utf8) + Array(name)) }
    private func shown(_ name: String) -> String { shown(Array(name.utf8)) }

    private static func difference(_ a: FileStatus, _ b: FileStatus) -> String? {
        if a.type != b.type { return "another type of file" }
        // Nothing but a name: overlayfs links all of a tree to one inode, with a time of its own.
        if OverlayMarkers.isWhiteout(a), OverlayMarkers.isWhiteout(b) { return nil }
        if a.permissions != b.permissions { return "another mode" }
        if (a.uid, a.gid) != (b.uid, b.gid) { return "another owner" }
        if a.type != .directory, a.size != b.size { return "\(a.size) bytes, not \(b.size)" }
        if a.type != .directory, a.links != b.links { return "\(a.links) names, not \(b.links)" }
        if (a.rdevMajor, a.rdevMinor) != (b.rdevMajor, b.rdevMinor) { return "another device" }
        // A whiteout's is nobody's to see, and was that of its making once.
        if !OverlayMarkers.isWhiteout(a), a.mtime.seconds != b.mtime.seconds { return "another time" }
        return nil
    }

    private mutating func difference(
        _ entry: TreeEntry, in a: borrowing FD, _ b: borrowing FD
    ) throws(SysError) -> String? {
        switch entry.status.type {
        case .directory:
            let flags: OpenFlags = [.readOnly, .directory, .noFollow]
            let (one, two) = Pair(try a.open(entry.path, flags), try b.open(entry.path, flags)).parts
            let before = path
            path += String(decoding: entry.name, as: UTF8.self) + "/"
            defer { path = before }
            return try difference(one.fd, two.fd)
        case .symlink:
            let isSame = try a.symlinkBytes(entry.path) == b.symlinkBytes(entry.path)
            return isSame ? nil : "\(shown(entry.name)): another target"
        case .regular:
            let flags: OpenFlags = [.readOnly, .noFollow, .nonBlocking]
            let (one, two) = Pair(try a.open(entry.path, flags), try b.open(entry.path, flags)).parts
            if try attributes(one.fd) != attributes(two.fd) {
                return "\(shown(entry.name)): attributes differ"
            }
            return try isSameContent(one.fd, two.fd) ? nil : "\(shown(entry.name)): another content"
        default: return nil
        }
    }

    private func isSameContent(_ a: borrowing FD, _ b: borrowing FD) throws(SysError) -> Bool {
        var at: Int64 = 0
        // Where both have a hole there is nothing to compare; their sizes are the same.
        while let data = try Self.next(a, b, from: at) {
            at = data.lowerBound
            while at < data.upperBound {
                let limit = Int(min(data.upperBound - at, 1 << 18))
                let (one, two) = (try Self.bytes(a, at, limit), try Self.bytes(b, at, limit))
                if one != two { return false }
                if one.isEmpty { return true }
                at += Int64(one.count)
            }
        }
        return true
    }

    private static func next(
        _ a: borrowing FD, _ b: borrowing FD, from offset: Int64
    ) throws(SysError) -> Range<Int64>? {
        switch (try a.nextExtent(from: offset), try b.nextExtent(from: offset)) {
        case (let one?, let two?): one.lowerBound <= two.lowerBound ? one : two
        case (let one, let two): one ?? two
        }
    }

    private static func bytes(_ file: borrowing FD, _ offset: Int64, _ limit: Int) throws(SysError) -> [UInt8]
    {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: limit, alignment: 64)
        defer { buffer.deallocate() }
        return Array(buffer[..<(try file.read(into: buffer, at: offset))])
    }

    private func attributes(_ file: borrowing FD) throws(SysError) -> [String: [UInt8]] {
        var result: [String: [UInt8]] = [:]
        for name in try file.attributeNames() { result[name] = try file.attribute(name) }
        return result
    }

    private struct Pair: ~Copyable {
        let parts: (SharedFD, SharedFD)
        init(_ a: consuming FD, _ b: consuming FD) { parts = (SharedFD(a), SharedFD(b)) }
    }
}
