public import Linux

//   client (run, attach, exec, start)        monitor
//     | --- hello(streams, detach keys) ----> |   first message of a client
//     | <-- started | failed ---------------- |   once the process runs, or never will
//     | --- stdin, stdinEnd, resize, signal > |
//     | <-- stdout, stderr, missed ---------- |
//     | --- control ------------------------> |   what commands want
//     | <-- done | failed ------------------- |
//     | <-- detached | exited(code) --------- |   last message
//
// One seqpacket socket for each client: the first byte of a message is its kind. A full buffer stops the sender;
// nothing is queued beyond one message. Who only looks on (`lossless` is not among its streams) stops it for some
// seconds, then output goes by.

/// What a client of a monitor says.
public enum ClientMessage: Equatable, Sendable {
    /// Which streams it wants, whether its end of stdin is the container's, and the keys that detach it.
    case hello(Streams, detachKeys: [UInt8])
    case stdin([UInt8])
    case stdinEnd
    case resize(WindowSize)
    case signal(Int32)
    case control(ControlRequest)

    /// The standard streams a client is connected to.
    public struct Streams: OptionSet, Sendable {
        public let rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        public static let stdin = Streams(rawValue: 1)
        public static let stdout = Streams(rawValue: 2)
        public static let stderr = Streams(rawValue: 4)
        /// No stream: output waits for this client as long as it takes.
        public static let lossless = Streams(rawValue: 8)
    }

    /// The first byte of messages that carry input.
    public static let stdinKind: UInt8 = 1

    /// Head and body of the message.
    public var bytes: [UInt8] {
        switch self {
        case .hello(let streams, let keys): [0, streams.rawValue] + keys
        case .stdin(let bytes): [Self.stdinKind] + bytes
        case .stdinEnd: [2]
        case .resize(let size): [3] + Bytes.of(size.rows) + Bytes.of(size.columns)
        case .signal(let number): [4, UInt8(clamping: number)]
        case .control(let request): [5] + request.bytes
        }
    }

    /// Nil for what is no message of this protocol.
    public init?(_ bytes: ArraySlice<UInt8>) {
        let body = Array(bytes.dropFirst())
        switch (bytes.first, body.count) {
        case (0, 1...): self = .hello(Streams(rawValue: body[0]), detachKeys: Array(body.dropFirst()))
        case (1, _): self = .stdin(body)
        case (2, 0): self = .stdinEnd
        case (3, 4): self = .resize(WindowSize(rows: Bytes.uint16(body, 0), columns: Bytes.uint16(body, 2)))
        case (4, 1) where (1...64).contains(body[0]): self = .signal(Int32(body[0]))
        case (5, 1...):
            guard let request = ControlRequest(body) else { return nil }
            self = .control(request)
        default: return nil
        }
    }
}

/// What a monitor says to a client.
public enum MonitorMessage: Equatable, Sendable {
    case started(pid: Int32)
    /// The process was not started: docker's exit code and the reason.
    case failed(code: Int32, String)
    case stdout([UInt8])
    case stderr([UInt8])
    case detached
    case exited(code: Int32)
    /// What was wanted has been done, or will be with the end of this process; 0: none runs now.
    case done(pid: Int32)
    /// So many bytes of output went by because the client had taken nothing for some seconds.
    case missed(bytes: UInt64)

    /// The first byte of messages that carry output.
    public static let stdoutKind: UInt8 = 18
    public static let stderrKind: UInt8 = 19
    /// The largest message, kind included.
    public static let limit = 65537

    public var bytes: [UInt8] {
        switch self {
        case .started(let pid): [16] + Bytes.of(UInt32(bitPattern: pid))
        case .failed(let code, let text): [17, UInt8(clamping: code)] + Array(text.utf8.prefix(8192))
        case .stdout(let bytes): [Self.stdoutKind] + bytes
        case .stderr(let bytes): [Self.stderrKind] + bytes
        case .detached: [20]
        case .exited(let code): [21, UInt8(clamping: code)]
        case .done(let pid): [22] + Bytes.of(UInt32(bitPattern: pid))
        case .missed(let count):
            [23] + Bytes.of(UInt32(truncatingIfNeeded: count)) + Bytes.of(UInt32(count >> 32))
        }
    }

    /// Nil for what is no message of this protocol.
    public init?(_ bytes: ArraySlice<UInt8>) {
        let body = Array(bytes.dropFirst())
        switch (bytes.first, body.count) {
        case (16, 4): self = .started(pid: Int32(bitPattern: Bytes.uint32(body)))
        case (17, 1...): self = .failed(code: Int32(body[0]), String(decoding: body[1...], as: UTF8.self))
        case (18, _): self = .stdout(body)
        case (19, _): self = .stderr(body)
        case (20, 0): self = .detached
        case (21, 1): self = .exited(code: Int32(body[0]))
        case (22, 4): self = .done(pid: Int32(bitPattern: Bytes.uint32(body)))
        case (23, 8):
            let high = UInt64(Bytes.uint32(Array(body[4...])))
            self = .missed(bytes: high << 32 | UInt64(Bytes.uint32(body)))
        default: return nil
        }
    }
}

/// Little-endian numbers in messages.
enum Bytes {
    static func of(_ value: UInt16) -> [UInt8] { [UInt8(truncatingIfNeeded: value), UInt8(value >> 8)] }
    static func of(_ value: UInt32) -> [UInt8] {
        of(UInt16(truncatingIfNeeded: value)) + of(UInt16(truncatingIfNeeded: value >> 16))
    }
    static func uint16(_ bytes: [UInt8], _ at: Int) -> UInt16 {
        UInt16(bytes[at]) | UInt16(bytes[at + 1]) << 8
    }
    static func uint32(_ bytes: [UInt8]) -> UInt32 {
        UInt32(uint16(bytes, 0)) | UInt32(uint16(bytes, 2)) << 16
    }
}
