import Linux
import SystemPackage

/// A container's lines in the journal of the host's systemd, by its native protocol
/// (systemd: docs/JOURNAL_NATIVE_PROTOCOL.md): one datagram a line, docker's fields.
struct JournalWriter: ~Copyable {
    private let socket: FD
    private let fields: [UInt8]
    private var split = SplitCharacters()

    /// Where journald listens.
    static let socketPath: FilePath = "/run/systemd/journal/socket"

    init(fields: [String: String]) throws(SysError) {
        do throws(SysError) {
            socket = try FD.connectDatagrams(to: Self.socketPath)
        } catch {
            throw error.hinting("failed to initialize logging driver: journald is not enabled on this host")
        }
        self.fields = fields.sorted { $0.key < $1.key }.flatMap { Self.field($0.key, Array($0.value.utf8)) }
    }

    mutating func write(_ chunk: UnsafeRawBufferPointer, _ stream: LogStream) {
        let text = split.join(chunk, stream) ?? Array(chunk.dropLast(split.count(stream)))
        send(text, stream)
    }

    mutating func finish() {
        for stream in [LogStream.stdout, .stderr] { send(split.take(stream), stream) }
    }

    private func send(_ text: [UInt8], _ stream: LogStream) {
        var rest = text[...]
        while !rest.isEmpty {
            let piece = rest.prefix(LogWriter.pieceLimit)
            let end = piece.firstIndex(of: 0x0a)
            send(line: piece[..<(end ?? piece.endIndex)], stream, isWhole: end != nil)
            rest = rest[(end.map { $0 + 1 } ?? piece.endIndex)...]
        }
    }

    /// A journal that takes nothing for a second loses the line: the container is not stopped by it.
    private func send(line: ArraySlice<UInt8>, _ stream: LogStream, isWhole: Bool) {
        var message = Self.field("MESSAGE", line)
        // docker's priorities: informational, and error.
        message += Self.field("PRIORITY", [UInt8(ascii: stream == .stdout ? "6" : "3")])
        if !isWhole { message += Self.field("CONTAINER_PARTIAL_MESSAGE", Array("true".utf8)) }
        message += fields
        for _ in 0..<2 {
            if (try? socket.sendMessage(message)) ?? true { return }  // an error is the end of the journal
            var poll = Poll()
            poll.add(socket, .writable)
            _ = try? poll.wait(milliseconds: 1000)  // the next turn tells
        }
    }

    /// A value with a line end in it says its length before (64 bits, little endian).
    private static func field(_ name: String, _ value: some Collection<UInt8>) -> [UInt8] {
        var bytes = Array(name.utf8)
        if value.contains(0x0a) {
            bytes.append(0x0a)
            for shift in stride(from: 0, to: 64, by: 8) {
                bytes.append(UInt8(truncatingIfNeeded: value.count >> shift))
            }
        } else {
            bytes.append(UInt8(ascii: "="))
        }
        bytes += value
        bytes.append(0x0a)
        return bytes
    }
}

/// Where a container's output is kept.
enum LogSink: ~Copyable {
    case file(LogWriter)
    case journal(JournalWriter)

    init(_ target: LogTarget, directory: borrowing FD) throws(SysError) {
        switch target {
        case .file(let limits, let attributes):
            self = .file(try LogWriter(directory: directory.duplicate(), limits, attributes: attributes))
        case .journal(let fields): self = .journal(try JournalWriter(fields: fields))
        }
    }

    mutating func write(_ chunk: UnsafeRawBufferPointer, _ stream: LogStream) {
        switch consume self {
        case .file(var writer):
            writer.write(chunk, stream)
            self = .file(writer)
        case .journal(var writer):
            writer.write(chunk, stream)
            self = .journal(writer)
        }
    }

    mutating func finish() {
        switch consume self {
        case .file(var writer):
            writer.finish()
            self = .file(writer)
        case .journal(var writer):
            writer.finish()
            self = .journal(writer)
        }
    }
}
