import Linux
import SystemPackage

/// The files of a log, oldest first, held open: what is rotated away while it is read is read to its end.
struct LogChain: ~Copyable {
    private let directory: FD
    private let name: String
    private(set) var files: [File] = []

    /// One of them, and how far it was read.
    final class File {
        let file: FD
        let inode: UInt64
        var position: Int64 = 0

        init(_ file: consuming FD) throws(SysError) {
            inode = try file.status().inode
            self.file = file
        }

        /// What follows, at most `limit` bytes.
        func read(limit: Int) throws(SysError) -> [UInt8] {
            var bytes = try file.bytes(at: position, limit: limit)
            // Somebody has emptied it.
            if bytes.isEmpty, try file.status().size < UInt64(position) {
                position = 0
                bytes = try file.bytes(at: 0, limit: limit)
            }
            position += Int64(bytes.count)
            return bytes
        }
    }

    /// A writer that is faster than its reader is not followed further than this.
    private static let most = 256

    /// `name` is the newest file; `name.1` is the one before.
    init(directory: consuming FD, name: String = "log") {
        self.name = name
        self.directory = directory
    }

    /// Of the file without a number, or while that is renamed, of the one after it.
    private func inodeOfNewest() throws(SysError) -> UInt64? {
        if let newest = try directory.status(of: path(0)) { return newest.inode }
        return try directory.status(of: path(1))?.inode
    }

    private func path(_ number: Int) -> FilePath { FilePath(number == 0 ? name : "\(name).\(number)") }

    /// Takes in what has been made since, in its order. A rotation in between is waited for.
    mutating func refresh() throws {
        for attempt in 1...Self.attempts {
            guard let newest = try inodeOfNewest() else { return }
            if newest == files.last?.inode { return }
            if attempt > 10 { Kernel.sleep(milliseconds: 1) }
            guard let found = try unknown(withGap: attempt == Self.attempts) else { continue }
            guard try inodeOfNewest() == found.first?.inode, isComplete(found) else { continue }
            files += found.reversed()
            if files.count > Self.most { files.removeFirst(files.count - Self.most) }
            return
        }
    }

    private static let attempts = 60

    /// From the newest to one that is known, or the oldest. Nil where a number is missing between: a rotation is under
    /// way. One that was cut off leaves such a gap, which is stepped over `withGap`.
    private func unknown(withGap: Bool) throws -> [File]? {
        var found: [File] = []
        var number = 0
        while true {
            if let file = try open(path(number)) {
                // Renamed while we looked: it is there twice.
                if file.inode == files.last?.inode || file.inode == found.last?.inode { return found }
                found.append(file)
            } else if try directory.status(of: path(number + 1)) == nil {
                return found
            } else if !withGap {
                return nil
            }
            number += 1
        }
    }

    /// Whether no file is in it twice.
    private func isComplete(_ found: [File]) -> Bool { Set(found.map(\.inode)).count == found.count }

    private func open(_ name: FilePath) throws -> File? {
        do throws(SysError) { return try File(directory.open(name, .readOnly, resolve: [.beneath])) } catch {
            guard error.errno == .noSuchFileOrDirectory else { throw error }
            return nil
        }
    }

    /// What comes next, empty when all was read. Lines may go on in what follows; none goes on in another file.
    mutating func readMore() throws -> [UInt8] {
        while let oldest = files.first {
            // Asked before it is read: what is written to it comes before the next one is made.
            try refresh()
            let bytes = try oldest.read(limit: 256 << 10)
            if !bytes.isEmpty { return bytes }
            guard files.count > 1 else { return [] }
            files.removeFirst()
        }
        try refresh()
        return []
    }

    /// Goes forward to where the last `count` lines begin, reading backwards from the end.
    mutating func skip(toLast count: Int) throws {
        var counter = LineCounter(wanted: count)
        for index in files.indices.reversed() {
            guard let position = try counter.start(in: files[index]) else { continue }
            files[index].position = position
            files.removeFirst(index)
            return
        }
    }
}

/// Counts lines from the end of a log. A piece that does not end its line belongs to the line that follows it.
private struct LineCounter {
    let wanted: Int
    private var lines = 0
    private var isFirst = true

    init(wanted: Int) { self.wanted = wanted }

    private static let lineEnd = Array("\\n\",\"stream\"".utf8)

    /// Where the wanted lines begin, when they begin in this file.
    mutating func start(in file: LogChain.File) throws -> Int64? {
        var end = Int64(try file.file.status().size)
        if wanted == 0 { return end }
        // An entry of which only the end was read yet.
        var rest: [UInt8] = []
        while end > 0 {
            let start = max(0, end - 64 << 10)
            var block = try file.file.bytes(at: start, limit: Int(end - start))
            block += rest
            let first =
                start == 0 ? block.startIndex : (block.firstIndex(of: 0x0a).map { $0 + 1 } ?? block.endIndex)
            var position = block.endIndex
            while position > first {
                let from = block[first..<(position - 1)].lastIndex(of: 0x0a).map { $0 + 1 } ?? first
                if counts(block[from..<position]) { return start + Int64(position) }
                position = from
            }
            rest = Array(block[..<first])
            end = start
        }
        return nil
    }

    /// Whether the wanted lines begin after this entry.
    private mutating func counts(_ entry: ArraySlice<UInt8>) -> Bool {
        defer { isFirst = false }
        // The end of the line before is where the wanted ones begin.
        if !isFirst, entry.contains(Self.lineEnd) { lines += 1 }
        return lines == wanted
    }
}

extension FD {
    /// At most `limit` bytes from an offset.
    fileprivate func bytes(at offset: Int64, limit: Int) throws(SysError) -> [UInt8] {
        var result: Result<Int, SysError> = .success(0)
        var bytes = [UInt8](repeating: 0, count: limit)
        bytes.withUnsafeMutableBytes { buffer in
            do throws(SysError) { result = .success(try read(into: buffer, at: offset)) } catch {
                result = .failure(error)
            }
        }
        bytes.removeSubrange(try result.get()...)
        return bytes
    }
}
