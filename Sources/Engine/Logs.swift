public import Linux
import OCI
import SystemPackage

/// Which part of a log is wanted, and how it is shown.
public struct LogSelection: Equatable, Sendable {
    public var follow = false
    /// The last so many lines; nil for all.
    public var tail: Int?
    public var timestamps = false
    /// With what `--log-opt labels`, `env` and `tag` have added.
    public var details = false
    public var since: Timestamp?
    public var until: Timestamp?
    /// All of it.
    public init() {}
}

/// Reads a container's log: docker's json-file lines in `log.N` ... `log.1`, `log`.
public struct LogReader: ~Copyable {
    private var chain: LogChain
    private let selection: LogSelection
    /// The last piece had no line end: the next one of its stream goes on with it.
    private var openLines: Set<String> = []
    private var rest: [UInt8] = []
    private var output = LogOutput()
    /// A line was later than what is wanted.
    private var isPast = false

    /// `directory` is the container's.
    public init(directory: consuming FD, _ selection: LogSelection) {
        chain = LogChain(directory: directory)
        self.selection = selection
    }

    /// Prints what is there, then, when following, what comes until the container has ended.
    public mutating func run(isRunning: () throws -> Bool) throws {
        try chain.refresh()
        if let tail = selection.tail { try chain.skip(toLast: tail) }
        var pause: Int32 = 1
        while !isPast {
            let running = try selection.follow && isRunning()
            let chunk = try chain.readMore()
            guard chunk.isEmpty else {
                rest += chunk
                try printLines()
                pause = 1
                continue
            }
            try output.flush()
            guard running, !isOver() else { return }
            // What comes often is looked for often, so that no rotation is missed.
            Kernel.sleep(milliseconds: pause)
            pause = min(50, pause * 2)
        }
        try output.flush()
    }

    private func isOver() -> Bool { selection.until.map { $0 < .now() } ?? false }

    private mutating func printLines() throws {
        var start = rest.startIndex
        while !isPast, let end = rest[start...].firstIndex(of: 0x0a) {
            try printEntry(rest[start..<end])
            start = end + 1
        }
        rest.removeSubrange(..<start)
    }

    private mutating func printEntry(_ line: ArraySlice<UInt8>) throws {
        // A line that a crash has cut is left out.
        guard let json = try? JSON(parsing: Array(line)), let text = json["log"]?.string,
            let stream = json["stream"]?.string, let time = json["time"]?.string
        else { return }
        if selection.since != nil || selection.until != nil, let stamp = Timestamp(parsing: time) {
            if let since = selection.since, stamp < since { return }
            if let until = selection.until, stamp > until { return isPast = true }
        }
        var shown = text
        if !openLines.contains(stream) {
            if selection.details { shown = Self.details(json["attrs"]) + " " + shown }
            if selection.timestamps { shown = "\(time) \(shown)" }
        }
        if text.hasSuffix("\n") { openLines.remove(stream) } else { openLines.insert(stream) }
        try output.write(shown, to: stream == "stderr" ? 2 : 1)
    }

    /// `key=value,...` by key, with what is no word written as in an address (docker).
    private static func details(_ attributes: JSON?) -> String {
        let pairs = (attributes?.members ?? []).sorted { $0.name < $1.name }
        return pairs.map { "\(escaped($0.name))=\(escaped($0.value.string ?? ""))" }.joined(separator: ",")
    }

    private static func escaped(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF")
        var result = ""
        for byte in text.utf8 {
            let character = Character(UnicodeScalar(byte))
            if byte < 0x80, character.isLetter || character.isNumber || "-_.~".contains(character) {
                result.append(character)
            } else if byte == 0x20 {
                result.append("+")
            } else {
                result += ["%", digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return result
    }
}

/// Lines on their way to standard output and error, many in one write; their order stays.
private struct LogOutput {
    private var target: CInt = 1
    private var bytes: [UInt8] = []

    mutating func write(_ text: String, to target: CInt) throws {
        if target != self.target || bytes.count > 64 << 10 { try flush() }
        self.target = target
        bytes += text.utf8
    }

    mutating func flush() throws {
        guard !bytes.isEmpty else { return }
        try StandardStream.write(target, bytes[...])
        bytes.removeAll(keepingCapacity: true)
    }
}
