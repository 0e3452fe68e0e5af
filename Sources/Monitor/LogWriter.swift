import Linux
import OCI
import SystemPackage

/// A container's log: docker's json-file lines, at most `maxFiles` files of about `maxSize` bytes (`log`,
/// `log.1`, ...). A piece without its line end is written at once, so that nothing waits in memory; a reader joins
/// pieces. When the disk is full, writes are counted and dropped: the container is neither stopped nor blocked.
struct LogWriter: ~Copyable {
    private let directory: FD
    private var file: FD?
    private var size: Int
    private let limits: LogLimits
    /// Of each line: `,"attrs":{...}`, or nothing.
    private let attributes: [UInt8]
    private var dropped = 0
    private var text: LogText
    private var split = SplitCharacters()

    /// Longer lines are split (docker's limit).
    static let pieceLimit = 16384

    init(
        directory: consuming FD, _ limits: LogLimits, attributes: [String: String] = [:]
    ) throws(SysError) {
        let file = try Self.open(in: directory)
        var size = Int(try file.status().size)
        // A monitor that was killed while it wrote has left half a line.
        if size > 0, try Self.lastByte(of: file, size) != 0x0a {
            try file.writeAll([0x0a])
            size += 1
        }
        self.limits = limits
        self.attributes = JSON.nonEmpty(attributes).map { Array(",\"attrs\":".utf8) + $0.bytes } ?? []
        text = LogText(capacity: 256 << 10 + self.attributes.count)
        self.file = consume file
        self.size = size
        self.directory = directory
    }

    private static func open(in directory: borrowing FD) throws(SysError) -> FD {
        try directory.open("log", [.readWrite, .create, .append], mode: 0o600, resolve: [.beneath])
    }

    private static func lastByte(of file: borrowing FD, _ size: Int) throws(SysError) -> UInt8? {
        var byte: UInt8 = 0
        var result: Result<Int, SysError> = .success(0)
        withUnsafeMutableBytes(of: &byte) { bytes in
            do throws(SysError) { result = .success(try file.read(into: bytes, at: Int64(size - 1))) } catch {
                result = .failure(error)
            }
        }
        return try result.get() == 1 ? byte : nil
    }

    /// Writes one chunk of a stream, split at line ends.
    mutating func write(_ chunk: UnsafeRawBufferPointer, _ stream: LogStream) {
        if let joined = split.join(chunk, stream) {
            joined.withUnsafeBytes { writePieces($0, stream) }
        } else {
            writePieces(UnsafeRawBufferPointer(rebasing: chunk.dropLast(split.count(stream))), stream)
        }
    }

    /// Writes what waited for the rest of its character.
    mutating func finish() {
        for stream in [LogStream.stdout, .stderr] {
            split.take(stream).withUnsafeBytes { writePieces($0, stream) }
        }
    }

    private mutating func writePieces(_ chunk: UnsafeRawBufferPointer, _ stream: LogStream) {
        guard !chunk.isEmpty else { return }
        let time = Array(Timestamp.now().rfc3339Nano.utf8)
        if dropped > 0 { appendDropNote(time) }
        let end =
            Array("\",\"stream\":\"\(stream == .stdout ? "stdout" : "stderr")\"".utf8) + attributes
            + Array(",\"time\":\"".utf8) + time + Array("\"}\n".utf8)
        var start = 0
        while start < chunk.count {
            var until = min(chunk.count, start + Self.pieceLimit)
            if until < chunk.count {
                until -= UTF8Text.openEnd(UnsafeRawBufferPointer(rebasing: chunk[start..<until]))
            }
            start += append(UnsafeRawBufferPointer(rebasing: chunk[start..<until]), end)
        }
        flush()
    }

    /// Appends a line, or the piece of one, with what stands behind every one; how much of the piece it was.
    private mutating func append(_ piece: UnsafeRawBufferPointer, _ end: [UInt8]) -> Int {
        let most = piece.count * LogText.bytesPerByte + LogText.slack + end.count + 8
        if text.room < most { flush() }
        text.appendBeginning()
        let count = text.appendEscaped(piece)
        text.append(end)
        if size + text.count > limits.maxSize { flush() }
        return count
    }

    private mutating func appendDropNote(_ time: [UInt8]) {
        let note = "[apus: \(dropped) writes to this log were lost: no space]\\n"
        text.append(Array("{\"log\":\"\(note)\",\"stream\":\"stderr\",\"time\":\"".utf8))
        text.append(time + Array("\"}\n".utf8))
    }

    private mutating func flush() {
        guard !text.isEmpty else { return }
        if size > 0, size + text.count > limits.maxSize { rotate() }
        do throws(SysError) {
            try writeOut()
            size += text.count
            dropped = 0
        } catch {
            dropped += 1
        }
        text.removeAll()
    }

    private func writeOut() throws(SysError) {
        guard file != nil else { throw SysError(call: "write", subject: "log", errno: .ioError) }
        var failure: SysError?
        file.withFD { file in
            do throws(SysError) { try file.writeAll(text.bytes) } catch {
                failure = error
                // Half a line would spoil the next one.
                _ = try? file.setSize(Int64(size))
            }
        }
        if let failure { throw failure }
    }

    /// log.N-1 becomes log.N, the last one goes. A rename that fails leaves the old file in use.
    private mutating func rotate() {
        do throws(SysError) {
            // Renamed over, it would have ext4 write out first what takes its place (auto_da_alloc, ext4(5)).
            if limits.maxFiles > 1 { try directory.remove(FilePath("log.\(limits.maxFiles - 1)")) }
            for n in stride(from: limits.maxFiles - 1, to: 0, by: -1) {
                let from = FilePath(n == 1 ? "log" : "log.\(n - 1)")
                guard try directory.status(of: from) != nil else { continue }
                try directory.rename(from, to: FilePath("log.\(n)"), in: directory)
            }
            if limits.maxFiles <= 1 { try directory.remove("log") }
            file = try Self.open(in: directory)
            size = 0
        } catch {
            dropped += 1
        }
    }
}

/// Which of a process's streams a line came from.
enum LogStream { case stdout, stderr }

/// Characters of several bytes that a read has cut in two wait here for their rest.
struct SplitCharacters {
    private var held: (stdout: [UInt8], stderr: [UInt8]) = ([], [])

    /// Keeps the open end of a chunk. Answers the chunk without it, joined with what was kept before; nil when nothing
    /// was, and the chunk can be used as it is but for its last `count` bytes.
    mutating func join(_ chunk: UnsafeRawBufferPointer, _ stream: LogStream) -> [UInt8]? {
        var joined = take(stream)
        if joined.isEmpty {
            keep(Array(chunk.suffix(UTF8Text.openEnd(chunk))), stream)
            return nil
        }
        joined.append(contentsOf: chunk)
        let open = joined.withUnsafeBytes { UTF8Text.openEnd($0) }
        keep(Array(joined.suffix(open)), stream)
        joined.removeLast(open)
        return joined
    }

    func count(_ stream: LogStream) -> Int { stream == .stdout ? held.stdout.count : held.stderr.count }

    mutating func take(_ stream: LogStream) -> [UInt8] {
        defer { keep([], stream) }
        return stream == .stdout ? held.stdout : held.stderr
    }

    private mutating func keep(_ bytes: [UInt8], _ stream: LogStream) {
        if stream == .stdout { held.stdout = bytes } else { held.stderr = bytes }
    }
}
