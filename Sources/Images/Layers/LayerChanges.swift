public import Linux
import SystemPackage

/// What became of one path of the layers below.
public struct LayerChange: Equatable, Sendable {
    /// docker's letters.
    public enum Kind: String, Sendable {
        case modified = "C"
        case added = "A"
        case deleted = "D"
    }
    /// What was done.
    public let kind: Kind
    /// Below the root, without a slash at its beginning; not always UTF-8.
    public let path: [UInt8]
}

/// Compares an overlay's upper directory, only as far as it reaches, with the root of the layers below it: `docker diff`.
/// Each directory that holds a change is one. `omitting` are paths that are no change. In the order of the names.
public func layerChanges(
    upper: borrowing FD, above lower: borrowing FD, omitting: Set<String>
) throws(ImageError) -> [LayerChange] {
    do {
        let (new, old) = try kernel { () throws(SysError) in
            DirectoryPair(
                try upper.open(".", DirectoryWalker.openFlags), try lower.open(".", DirectoryWalker.openFlags)
            ).parts
        }
        var comparison = LayerComparison(omitting: Set(omitting.map { Array($0.utf8) }))
        return try Kernel.withManyDescriptors { () throws(ImageError) in
            try comparison.compare(new, old)
        }
    } catch { throw error.within("compare layers") }
}

/// Two descriptors cannot be in a tuple.
private struct DirectoryPair: ~Copyable {
    let parts: (SharedFD, SharedFD)
    init(_ a: consuming FD, _ b: consuming FD) { parts = (SharedFD(a), SharedFD(b)) }
}

/// A container may have made any number of levels, so the way is a list and not the stack.
private struct LayerComparison {
    private struct Level {
        let upper: SharedFD
        /// What was there before; nil below what is new.
        let lower: SharedFD?
        /// Of `path`, with the slash behind.
        let length: Int
        /// Where its own change stands, should it turn out to be one.
        let place: Int
        /// Last ones first.
        var names: [FilePath]
    }
    private let omitted: Set<[UInt8]>
    private var path: [UInt8] = []
    private var changes: [LayerChange?] = []

    init(omitting omitted: Set<[UInt8]>) { self.omitted = omitted }

    mutating func compare(_ upper: SharedFD, _ lower: SharedFD) throws(ImageError) -> [LayerChange] {
        var levels = [try level(upper, lower, place: nil)]
        while var top = levels.popLast() {
            path.removeLast(path.count - top.length)
            guard let name = top.names.popLast() else {
                leave(top)
                continue
            }
            levels.append(top)
            if let child = try add(name, top) { levels.append(child) }
        }
        return changes.compactMap(\.self)
    }

    /// An opaque directory hides what the layers below have in it: that is gone, unless it was made again.
    private func level(_ upper: SharedFD, _ lower: SharedFD?, place: Int?) throws(ImageError) -> Level {
        let names = try kernel { () throws(SysError) in
            var names = try upper.fd.entries().map(\.name)
            if let lower, try OverlayMarkers.isOpaque(upper.fd) {
                let there = Set(names)
                names += try lower.fd.entries().map(\.name).filter { !there.contains($0) }
            }
            return names
        }
        return Level(
            upper: upper, lower: lower, length: path.count, place: place ?? -1,
            names: names.sorted { $1.bytesPrecede($0) })
    }

    /// A directory that only holds changes is one itself.
    private mutating func leave(_ level: Level) {
        guard level.place >= 0, changes[level.place] == nil,
            changes[(level.place + 1)...].contains(where: { $0 != nil })
        else { return }
        changes[level.place] = LayerChange(kind: .modified, path: path.dropLast())
    }

    /// Answers the level to go on with when it is a directory.
    private mutating func add(_ name: FilePath, _ parent: Level) throws(ImageError) -> Level? {
        path += name.bytes
        if omitted.contains(path) { return nil }
        let (new, old) = try kernel { () throws(SysError) in
            (try parent.upper.fd.status(of: name), try parent.lower?.fd.status(of: name))
        }
        guard let new, !OverlayMarkers.isWhiteout(new) else {
            if old != nil { note(.deleted) }
            return nil
        }
        guard new.type == .directory else {
            note(old == nil ? .added : .modified)
            return nil
        }
        let place = changes.count
        if let old, old.type == .directory {
            let isSame = (old.permissions, old.uid, old.gid) == (new.permissions, new.uid, new.gid)
            changes.append(isSame ? nil : LayerChange(kind: .modified, path: path))
        } else {
            note(old == nil ? .added : .modified)
        }
        let wasDirectory = old?.type == .directory
        guard let upper = try open(name, in: parent.upper) else { return nil }
        let lower =
            wasDirectory
            ? try parent.lower.flatMap { below throws(ImageError) in
                try open(name, in: below)
            } : nil
        path.append(UInt8(ascii: "/"))
        return try level(upper, lower, place: place)
    }

    private mutating func note(_ kind: LayerChange.Kind) {
        changes.append(LayerChange(kind: kind, path: path))
    }

    /// Nil when the container has just removed or replaced it.
    private func open(_ name: FilePath, in parent: SharedFD) throws(ImageError) -> SharedFD? {
        do {
            return SharedFD(
                try parent.fd.open(name, DirectoryWalker.openFlags, resolve: [.beneath, .noSymlinks]))
        } catch {
            let gone: [Errno] = [.noSuchFileOrDirectory, .notDirectory, .tooManySymbolicLinkLevels]
            guard gone.contains(error.errno) else { throw ImageError(error) }
            return nil
        }
    }
}
