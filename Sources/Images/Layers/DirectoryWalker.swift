import Linux
import SystemPackage

/// Opens the parents of entries below a root, each component by its own openat2(2) from the one before, and
/// keeps the chain open, so that neither depth nor the number of entries makes long walks. A symlink on the
/// way is resolved with the root as `/`; missing directories are made.
struct DirectoryWalker: ~Copyable {
    private struct Level {
        /// Where the component ends in `current`.
        let end: Int
        let directory: SharedFD
        let isLink: Bool
        /// It, or one on the way to it.
        let hasLink: Bool
    }
    static let openFlags: OpenFlags = [.readOnly, .directory, .noFollow, .nonBlocking]
    /// As many as the kernel follows.
    private static let linkLimit = 40
    /// Descriptors kept open.
    private static let levelLimit = 64

    let root: SharedFD
    /// No directory gets the name of a whiteout, whatever link leads there.
    private let isLayer: Bool
    private let depth: Int
    private var levels: [Level] = []
    private var current: [UInt8] = []
    /// Modes and times that are set when everything has its place.
    var later: LaterAttributes
    /// The last component of the last answer is a link to a directory.
    var endsInLink: Bool { levels.last?.isLink ?? false }
    /// That one or another component is.
    var hasLink: Bool { levels.last?.hasLink ?? false }
    private var followed = false
    /// The time of directories that no entry describes.
    var impliedTime: Int64 = 0

    init(root: SharedFD, isLayer: Bool = false, depth: Int = 0) {
        (self.root, self.isLayer, self.depth) = (root, isLayer, depth)
        later = LaterAttributes(in: root)
    }

    /// What is cached may no longer be what its path means: a directory or a link was removed.
    mutating func forget() {
        levels.removeAll(keepingCapacity: true)
        current.removeAll(keepingCapacity: true)
    }

    /// The directory at `path` (clean, below the root), with `making` made when it is missing.
    mutating func directory(
        at path: UnsafeBufferPointer<UInt8>, making: Bool = true
    ) throws(ImageError) -> SharedFD {
        if path.isEmpty {
            forget()
            return root
        }
        if path.elementsEqual(current), let last = levels.last { return last.directory }
        keepCommonLevels(with: path)
        current.removeAll(keepingCapacity: true)
        current.append(contentsOf: path)
        current.append(0)
        defer { current.removeLast() }
        var start = levels.last.map { $0.end + 1 } ?? 0
        while start < path.count {
            let end = path[start...].firstIndex(of: UInt8(ascii: "/")) ?? path.count
            let parent = levels.last?.directory ?? root
            do {
                let child = try enter(parent, from: start, to: end, making: making)
                if levels.count == Self.levelLimit { levels.removeFirst() }
                levels.append(
                    Level(end: end, directory: child, isLink: followed, hasLink: followed || hasLink))
            } catch {
                forget()
                current.append(0)  // for the defer
                throw error
            }
            start = end + 1
        }
        return levels.last?.directory ?? root
    }

    private mutating func keepCommonLevels(with path: UnsafeBufferPointer<UInt8>) {
        let common = zip(path, current).prefix { $0 == $1 }.count
        while let top = levels.last,
            top.end > common || (top.end < path.count && path[top.end] != UInt8(ascii: "/"))
        {
            levels.removeLast()
        }
    }

    /// Opens the component `current[start..<end]` of `parent`.
    private mutating func enter(
        _ parent: SharedFD, from start: Int, to end: Int, making: Bool
    ) throws(ImageError) -> SharedFD {
        let name = Array(current[start..<end]) + [0]
        var result: Result<SharedFD, ImageError> = .success(parent)
        name.withUnsafeBytes { bytes in
            guard let cName = bytes.baseAddress?.assumingMemoryBound(to: CChar.self) else { return }
            do throws(ImageError) {
                result = .success(try enter(parent, cName, end: end, making: making))
            } catch { result = .failure(error) }
        }
        return try result.get()
    }

    private mutating func enter(
        _ parent: SharedFD, _ name: FD.CName, end: Int, making: Bool
    ) throws(ImageError) -> SharedFD {
        followed = false
        do {
            return SharedFD(try parent.fd.open(name, Self.openFlags, resolve: [.beneath, .noSymlinks]))
        } catch {
            switch error.errno {
            case .noSuchFileOrDirectory where making: return try make(parent, name, end: end)
            case .noSuchFileOrDirectory: throw .invalid("\(quoted(current[..<end])) is gone")
            case .notDirectory, .tooManySymbolicLinkLevels: break
            default: throw ImageError(error)
            }
        }
        let status = try kernel { () throws(SysError) in try parent.fd.status(of: name) }
        if let status, status.type == .symlink {
            followed = true
            return try followLink(parent, name, end: end, making: making)
        }
        guard making, let status, OverlayMarkers.isWhiteout(status) else {
            throw .invalid("parent \(quoted(current[..<end])) is not a directory (ENOTDIR)")
        }
        // Made anew after its own whiteout: what lies below stays hidden.
        try kernel { () throws(SysError) in try parent.fd.unlink(name) }
        let made = try make(parent, name, end: end)
        try kernel { () throws(SysError) in try OverlayMarkers.markOpaque(made.fd) }
        return made
    }

    private mutating func make(_ parent: SharedFD, _ name: FD.CName, end: Int) throws(ImageError)
        -> SharedFD
    {
        let start = current[..<end].lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0
        if isLayer, current[start..<end].starts(with: ".wh.".utf8) {
            throw .invalid("entry below a whiteout")
        }
        let made = try kernel { () throws(SysError) in
            try parent.fd.makeDirectory(name, mode: 0o700)
            return SharedFD(try parent.fd.open(name, Self.openFlags, resolve: [.beneath, .noSymlinks]))
        }
        try note(made, at: current[..<end], mode: 0o755, seconds: impliedTime, nanoseconds: 0)
        return made
    }

    /// Notes what the directory at `path` gets in the end, by where it lies: a link on the way there may be replaced.
    mutating func note(
        _ directory: SharedFD, at path: some Collection<UInt8>, mode: UInt32, seconds: Int64,
        nanoseconds: UInt32
    ) throws(ImageError) {
        let place = hasLink ? place(of: directory) : nil
        let isByLink = hasLink && place == nil
        let item = LaterAttributes.Item(
            mode: mode, seconds: seconds, nanoseconds: nanoseconds, isByLink: isByLink)
        if let place { try later.add(place, item) } else { try later.add(path, item) }
    }

    /// The path below the root without links; nil when it is longer than the kernel tells.
    private func place(of directory: SharedFD) -> ArraySlice<UInt8>? {
        guard let base = try? root.fd.location(), let whole = try? directory.fd.location(),
            whole.starts(with: base + [UInt8(ascii: "/")])
        else { return nil }
        return whole.dropFirst(base.count + 1)
    }

    /// What the link at `current[..<end]` leads to with the root as `/`; a place that is not there yet is
    /// made.
    private mutating func followLink(
        _ parent: SharedFD, _ name: FD.CName, end: Int, making: Bool
    ) throws(ImageError) -> SharedFD {
        let path = FilePath(bytes: current[..<end])
        do {
            return SharedFD(
                try root.fd.open(path, [.readOnly, .directory], resolve: [.inRoot, .noMagicLinks]))
        } catch {
            guard making, error.errno == .noSuchFileOrDirectory else { throw ImageError(error) }
        }
        guard depth < Self.linkLimit else { throw .invalid("too many symlinks (ELOOP)") }
        var target = [UInt8](repeating: 0, count: TarLimit.path + 1)
        let count = try kernel { () throws(SysError) in
            try target.withUnsafeMutableBufferPointer { buffer throws(SysError) in
                try parent.fd.readSymlink(name, into: buffer)
            }
        }
        let isAbsolute = target.first == UInt8(ascii: "/")
        let base = current[..<end].lastIndex(of: UInt8(ascii: "/")) ?? 0
        let place = Self.normal(
            (isAbsolute ? [] : Array(current[..<base]) + [UInt8(ascii: "/")]) + target[..<count])
        var walker = DirectoryWalker(root: root, isLayer: isLayer, depth: depth + 1)
        walker.impliedTime = impliedTime
        var result: Result<SharedFD, ImageError> = .success(root)
        place.withUnsafeBufferPointer { bytes in
            do throws(ImageError) {
                let made = try walker.directory(at: bytes)
                try later.add(walker.later)
                result = .success(made)
            } catch { result = .failure(error) }
        }
        return try result.get()
    }

    /// `a/./b/../c` is `a/c`; `..` at the root stays there.
    static func normal(_ path: [UInt8]) -> [UInt8] {
        var parts: [ArraySlice<UInt8>] = []
        for part in path.split(separator: UInt8(ascii: "/")) {
            if part.elementsEqual("..".utf8) {
                _ = parts.popLast()
            } else if !part.elementsEqual(".".utf8) {
                parts.append(part)
            }
        }
        return Array(parts.joined(separator: [UInt8(ascii: "/")]))
    }
}

/// Modes and times of directories, set last: making an entry changes its directory's time, and a mode without
/// write permission would hinder an unprivileged owner.
struct LaterAttributes: ~Copyable {
    /// What a directory gets.
    struct Item {
        var mode: UInt32
        var seconds: Int64
        var nanoseconds: UInt32
        /// Its path goes through a link, because it could not be told otherwise.
        var isByLink = false
    }
    /// What stands before a path in a record.
    private struct Head {
        var pathLength: UInt32
        var item: Item
    }
    /// Millions of directories with long names fit no memory that is bounded: what is beyond this goes to a file.
    private static let limit = 1 << 20
    private let place: SharedFD
    private var records: [UInt8] = []
    private var spilled: FD?
    private var spilledCount: Int64 = 0

    /// `place` is on the file system that takes the file.
    init(in place: SharedFD) { self.place = place }

    mutating func add(_ path: some Collection<UInt8>, _ item: Item) throws(ImageError) {
        var head = Head(pathLength: UInt32(path.count), item: item)
        withUnsafeBytes(of: &head) { records.append(contentsOf: $0) }
        records.append(contentsOf: path)
        if records.count > Self.limit { try spill() }
    }

    private mutating func spill() throws(ImageError) {
        if spilled == nil { spilled = try kernel { () throws(SysError) in try Self.file(in: place) } }
        var failure: ImageError?
        _ = spilled.withFD { file in
            do throws(SysError) { try file.writeAll(records) } catch { failure = ImageError(error) }
        }
        if let failure { throw failure }
        spilledCount += Int64(records.count)
        records.removeAll(keepingCapacity: true)
    }

    /// Without a name, so that it goes with us.
    private static func file(in place: SharedFD) throws(SysError) -> FD {
        do {
            return try place.fd.open(".", [.readWrite, .unnamed], mode: 0o600)
        } catch {
            // Not every file system has such.
            guard [.notSupported, .isDirectory].contains(error.errno) else { throw error }
            return try FD.inMemory("later", [])
        }
    }

    /// The records, those in the file first.
    private func forEach(
        _ body: (Item, UnsafeBufferPointer<UInt8>) throws(ImageError) -> Void
    ) throws(ImageError) {
        let longest = MemoryLayout<Head>.size + TarLimit.path + 1
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: longest, alignment: 16)
        defer { buffer.deallocate() }
        var at: Int64 = 0
        while at < spilledCount {
            var failure: ImageError?
            let count: Int? = spilled.withFD { file in
                do throws(SysError) { return try file.read(into: buffer, at: at) } catch {
                    failure = ImageError(error)
                    return 0
                }
            }
            if let failure { throw failure }
            at += Int64(try Self.read(UnsafeRawBufferPointer(rebasing: buffer[..<(count ?? 0)]), body))
        }
        var failure: ImageError?
        records.withUnsafeBytes { bytes in
            var rest = bytes
            do throws(ImageError) {
                while !rest.isEmpty {
                    rest = UnsafeRawBufferPointer(rebasing: rest[(try Self.read(rest, body))...])
                }
            } catch { failure = error }
        }
        if let failure { throw failure }
    }

    /// Answers how long the first record is.
    private static func read(
        _ bytes: UnsafeRawBufferPointer,
        _ body: (Item, UnsafeBufferPointer<UInt8>) throws(ImageError) -> Void
    ) throws(ImageError) -> Int {
        let size = MemoryLayout<Head>.size
        guard bytes.count >= size else { throw .invalid("directories were noted badly") }
        let head = bytes.loadUnaligned(as: Head.self)
        let end = size + Int(head.pathLength)
        guard end <= bytes.count else { throw .invalid("directories were noted badly") }
        try body(
            head.item, UnsafeRawBufferPointer(rebasing: bytes[size..<end]).assumingMemoryBound(to: UInt8.self)
        )
        return end
    }

    mutating func add(_ other: borrowing LaterAttributes) throws(ImageError) {
        try other.forEach { item, path throws(ImageError) in
            try add(path, item)
        }
    }

    /// Sets them in the order of the archive: where a directory came twice, the last one counts. What is no
    /// directory any more is left alone.
    func apply(below root: SharedFD) throws(ImageError) {
        var walker = DirectoryWalker(root: root)
        try forEach { item, path throws(ImageError) in
            let directory: SharedFD
            do throws(ImageError) { directory = try walker.directory(at: path, making: false) } catch {
                if error.kind == .invalid { return }  // replaced since: nothing to set
                throw error
            }
            // A link that took a directory's name, or one's on the way, leads to another one, which has its own mode.
            if walker.endsInLink || (walker.hasLink && !item.isByLink) { return }
            try kernel { () throws(SysError) in
                try directory.fd.changeMode(item.mode)
                try directory.fd.changeTimes(nil, seconds: item.seconds, nanoseconds: item.nanoseconds)
            }
        }
    }
}
