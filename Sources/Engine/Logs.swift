public import Linux
import OCI
import SystemPackage

/// Which part of a log is wanted.
public struct LogOptionsWanted: Equatable, Sendable {
    public var follow = false
    /// The last so many lines; nil for all.
    public var tail: Int?
    public var timestamps = false
    public var since: Timestamp?
    public var until: Timestamp?
    public init() {}
}

/// Reads a container's log: docker's json-file lines in `log.N` ... `log.1`, `log`.
public struct LogReader: ~Copyable {
    private let directory: FD
    private let options: LogOptionsWanted
    /// The last piece had no line end: the next one of its stream goes on with it.
    private var openLines: Set<String> = []

    /// `directory` is the container's.
    public init(directory: consuming FD, _ options: LogOptionsWanted) {
        self.directory = directory
        self.options = options
    }

    /// Prints what is there, then, when following, what comes until the container has ended.
    public mutating func run(isRunning: () throws -> Bool) throws {
        var current = try directory.open("log", .readOnly, resolve: [.beneath])
        try printPast(current)
        guard options.follow else { return }
        var rest: [UInt8] = []
        while true {
            let running = try isRunning()
            let read = try readMore(&current, &rest)
            if !read, !running { return }
            if !read { Kernel.sleep(milliseconds: 50) }
        }
    }

    /// What has been appended since; after a rotation the old file is read to its end first.
    private mutating func readMore(_ current: inout FD, _ rest: inout [UInt8]) throws -> Bool {
        let newest = try directory.status(of: "log")?.inode
        let inode = try current.status().inode
        let rotated = newest != inode
        let chunk = try current.readAll(limit: 1 << 30)
        rest += chunk
        try printLines(&rest)
        if chunk.isEmpty, rotated, let next = try? directory.open("log", .readOnly, resolve: [.beneath]) {
            current = next
            return true
        }
        return !chunk.isEmpty
    }

    private mutating func printPast(_ current: borrowing FD) throws {
        var files: [[UInt8]] = [try current.readAll(limit: 1 << 30)]
        var number = 1
        while wantsOlder(files),
            let older = try directory.contents(of: FilePath("log.\(number)"), limit: 1 << 30)
        {
            files.append(older)
            number += 1
        }
        var entries = files.reversed().flatMap { $0.split(separator: 0x0a) }
        if let tail = options.tail { entries = Self.last(tail, of: entries) }
        for entry in entries { try printEntry(entry) }
    }

    /// Older files are only read when the newer ones do not have the lines that are wanted.
    private func wantsOlder(_ files: [[UInt8]]) -> Bool {
        guard let tail = options.tail else { return true }
        return files.reduce(0) { $0 + $1.count { $0 == 0x0a } } < tail * 4 + 4
    }

    /// The last so many lines. A piece that does not end its line belongs to the line that follows it.
    private static func last(_ count: Int, of entries: [ArraySlice<UInt8>]) -> [ArraySlice<UInt8>] {
        guard count > 0 else { return [] }
        let lineEnd = Array("\\n\",\"stream\"".utf8)
        var lines = 0
        for i in entries.indices.reversed() {
            // The end of the line before is where the wanted ones begin.
            if i < entries.count - 1, entries[i].contains(lineEnd) { lines += 1 }
            if lines == count { return Array(entries[(i + 1)...]) }
        }
        return entries
    }

    private mutating func printLines(_ rest: inout [UInt8]) throws {
        guard let end = rest.lastIndex(of: 0x0a) else { return }
        for line in rest[...end].split(separator: 0x0a) { try printEntry(line) }
        rest.removeSubrange(...end)
    }

    private mutating func printEntry(_ line: ArraySlice<UInt8>) throws {
        // A line that a crash has cut is left out.
        guard let json = try? JSON(parsing: Array(line)), let text = json["log"]?.string,
            let stream = json["stream"]?.string, let time = json["time"]?.string
        else { return }
        if options.since != nil || options.until != nil, let stamp = Timestamp(parsing: time) {
            if let since = options.since, stamp < since { return }
            if let until = options.until, stamp > until { return }
        }
        let continues = openLines.contains(stream)
        if text.hasSuffix("\n") { openLines.remove(stream) } else { openLines.insert(stream) }
        let prefix = options.timestamps && !continues ? "\(time) " : ""
        try StandardStream.write(stream == "stderr" ? 2 : 1, ArraySlice(Array((prefix + text).utf8)))
    }
}
