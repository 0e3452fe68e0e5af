import Linux
import SystemPackage

/// A container's log: docker's json-file lines, at most `maxFiles` files of about `maxSize` bytes (`log`,
/// `log.1`, ...). A piece without its line end is written at once, so that nothing waits in memory; a reader joins
/// pieces. When the disk is full, lines are counted and dropped: the container is neither stopped nor blocked.
struct LogWriter: ~Copyable {
    private let directory: FD
    private var file: FD?
    private var size: Int
    private let maxSize: Int
    private let maxFiles: Int
    private var dropped = 0
    private var line: [UInt8] = []

    /// Longer lines are split (docker's limit).
    private static let pieceLimit = 16384

    init(directory: consuming FD, maxSize: Int, maxFiles: Int) throws(SysError) {
        self.maxSize = maxSize
        self.maxFiles = max(1, maxFiles)
        let file = try directory.open(
            "log", [.writeOnly, .create, .append], mode: 0o600, resolve: [.beneath])
        size = Int(try file.status().size)
        self.file = consume file
        self.directory = directory
    }

    /// Writes one chunk of a stream, split at line ends.
    mutating func write(_ chunk: UnsafeRawBufferPointer, stream: StaticString) {
        let time = Timestamp.now().rfc3339Nano
        line.removeAll(keepingCapacity: true)
        var start = 0
        while start < chunk.count {
            let limit = min(chunk.count, start + Self.pieceLimit)
            var end = start
            while end < limit, chunk[end] != 0x0a { end += 1 }
            if end < limit { end += 1 }
            appendPiece(UnsafeRawBufferPointer(rebasing: chunk[start..<end]), stream, time)
            start = end
        }
        flush()
    }

    private mutating func appendPiece(_ piece: UnsafeRawBufferPointer, _ stream: StaticString, _ time: String)
    {
        if dropped > 0, line.isEmpty { appendDropNote(time) }
        append("{\"log\":\"")
        JSONText.append(piece, to: &line)
        append("\",\"stream\":\"")
        line.append(contentsOf: UnsafeBufferPointer(start: stream.utf8Start, count: stream.utf8CodeUnitCount))
        append("\",\"time\":\"")
        line.append(contentsOf: time.utf8)
        append("\"}\n")
        if size + line.count > maxSize { flush() }
    }

    private mutating func appendDropNote(_ time: String) {
        append(
            "{\"log\":\"[apus: \(dropped) writes to this log were lost: no space]\\n\",\"stream\":\"stderr\",\"time\":\""
        )
        line.append(contentsOf: time.utf8)
        append("\"}\n")
    }

    private mutating func append(_ text: String) { line.append(contentsOf: text.utf8) }

    private mutating func flush() {
        guard !line.isEmpty else { return }
        if size > 0, size + line.count > maxSize { rotate() }
        do {
            guard let file = file.take() else {
                throw SysError(call: "write", subject: "log", errno: .ioError)
            }
            self.file = consume file
            try self.file?.writeAll(line)
            size += line.count
            dropped = 0
        } catch {
            dropped += 1
        }
        line.removeAll(keepingCapacity: true)
    }

    /// log.N-1 becomes log.N, the last one goes. A rename that fails leaves the old file in use.
    private mutating func rotate() {
        do {
            for n in stride(from: maxFiles - 1, to: 0, by: -1) {
                let from = FilePath(n == 1 ? "log" : "log.\(n - 1)")
                guard try directory.status(of: from) != nil else { continue }
                try directory.rename(from, to: FilePath("log.\(n)"), in: directory)
            }
            if maxFiles == 1 { try directory.remove("log") }
            file = try directory.open(
                "log", [.writeOnly, .create, .append], mode: 0o600, resolve: [.beneath])
            size = 0
        } catch {
            dropped += 1
        }
    }
}

/// Bytes as the inside of a JSON string. What is not UTF-8 becomes U+FFFD, as in docker's logs.
enum JSONText {
    static func append(_ bytes: UnsafeRawBufferPointer, to out: inout [UInt8]) {
        out.reserveCapacity(out.count + bytes.count + 96)
        var at = 0
        while at < bytes.count {
            let plain = plainRun(bytes, at)
            if plain > at {
                out.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[at..<plain]))
                at = plain
                continue
            }
            let byte = bytes[at]
            if byte >= 0x80 {
                let length = sequenceLength(bytes, at)
                if length == 0 {
                    out += [0xef, 0xbf, 0xbd]
                    at += 1
                } else {
                    out.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[at..<at + length]))
                    at += length
                }
                continue
            }
            appendASCII(byte, to: &out)
            at += 1
        }
    }

    /// Where the bytes that stand for themselves end.
    private static func plainRun(_ bytes: UnsafeRawBufferPointer, _ start: Int) -> Int {
        var at = start
        while at < bytes.count {
            let byte = bytes[at]
            if byte < 0x20 || byte >= 0x7f || byte == 0x22 || byte == 0x5c { break }
            at += 1
        }
        return at
    }

    private static func appendASCII(_ byte: UInt8, to out: inout [UInt8]) {
        switch byte {
        case 0x22, 0x5c: out += [0x5c, byte]
        case 0x0a: out += [0x5c, UInt8(ascii: "n")]
        case 0x0d: out += [0x5c, UInt8(ascii: "r")]
        case 0x09: out += [0x5c, UInt8(ascii: "t")]
        case 0..<0x20, 0x7f:
            let digits: StaticString = "0123456789abcdef"
            out += [
                0x5c, UInt8(ascii: "u"), 0x30, 0x30, digits.utf8Start[Int(byte >> 4)],
                digits.utf8Start[Int(byte & 15)],
            ]
        default: out.append(byte)
        }
    }

    /// The length of the well-formed UTF-8 sequence at a place (RFC 3629); 0 when there is none.
    private static func sequenceLength(_ bytes: UnsafeRawBufferPointer, _ at: Int) -> Int {
        func continues(_ i: Int, _ range: ClosedRange<UInt8> = 0x80...0xbf) -> Bool {
            at + i < bytes.count && range.contains(bytes[at + i])
        }
        switch bytes[at] {
        case 0xc2...0xdf: return continues(1) ? 2 : 0
        case 0xe0: return continues(1, 0xa0...0xbf) && continues(2) ? 3 : 0
        case 0xed: return continues(1, 0x80...0x9f) && continues(2) ? 3 : 0
        case 0xe1...0xef: return continues(1) && continues(2) ? 3 : 0
        case 0xf0: return continues(1, 0x90...0xbf) && continues(2) && continues(3) ? 4 : 0
        case 0xf4: return continues(1, 0x80...0x8f) && continues(2) && continues(3) ? 4 : 0
        case 0xf1...0xf3: return continues(1) && continues(2) && continues(3) ? 4 : 0
        default: return 0
        }
    }
}
