import CCodecs
import Linux

/// How an archive is packed, told by its first bytes, never by its name.
enum Compression: Equatable, Sendable {
    case none, gzip, zstd
    /// Known, but not unpacked here.
    case refused(String)

    init(magic: UnsafeRawBufferPointer) {
        func starts(_ bytes: [UInt8]) -> Bool { magic.count >= bytes.count && magic.starts(with: bytes) }
        if starts([0x1f, 0x8b]) {
            self = .gzip
        } else if starts([0x28, 0xb5, 0x2f, 0xfd]) || Compression.isSkippableFrame(magic) {
            self = .zstd
        } else if starts([0x42, 0x5a, 0x68]) {
            self = .refused("bzip2")
        } else if starts([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]) {
            self = .refused("xz")
        } else {
            self = .none
        }
    }

    /// zstd's skippable frames (RFC 8878, 3.1.2) may come first.
    private static func isSkippableFrame(_ m: UnsafeRawBufferPointer) -> Bool {
        m.count >= 4 && m[0] & 0xf0 == 0x50 && m[1] == 0x2a && m[2] == 0x4d && m[3] == 0x18
    }
}

/// Owns a C decoder. Not private: the compiler (6.3.1) crashes on a private member type of a ~Copyable
/// struct.
struct Decoder: ~Copyable {
    let raw: OpaquePointer
    /// 128 MiB: what security.md allows a zstd window.
    static let windowLog: CInt = 27

    init(_ compression: Compression) throws(ImageError) {
        guard let raw = compression == .zstd ? cc_zstd(Decoder.windowLog) : cc_gzip() else {
            throw ImageError(.system, "decompress: out of memory")
        }
        self.raw = raw
    }
    deinit { cc_free(raw) }
}

/// Reads a plain, gzip or zstd stream through fixed buffers, in one pass: the digest of what was read, the
/// digest of what came out, and a copy of what was read when `copy` is given. What comes out is looked at in
/// place.
struct ByteStream: ~Copyable {
    private let source: FD
    /// For errors.
    private let name: String
    private let copy: FD?
    private var decoder: Decoder?
    private static let inputSize = 256 << 10, outputSize = 1 << 20
    private let input = UnsafeMutableRawPointer.allocate(byteCount: inputSize, alignment: 64)
    private var inputAt = 0, inputEnd = 0
    private let output = UnsafeMutableRawPointer.allocate(byteCount: outputSize, alignment: 64)
    private var outputAt = 0, outputEnd = 0
    private var sourceEnded = false
    /// Between two gzip members or zstd frames, where the stream may end.
    private var atBoundary = false
    /// The decoder filled the output and may have more without more input.
    private var holdsMore = false
    private var rawHash = SHA256(), plainHash = SHA256()
    private(set) var compression = Compression.none
    /// Bytes read, and bytes that came out.
    private(set) var rawCount: UInt64 = 0, plainCount: UInt64 = 0

    init(
        _ source: consuming FD, name: String = "the archive", copyTo copy: consuming FD? = nil
    ) throws(ImageError) {
        self.source = source
        self.name = name
        self.copy = copy
        while inputEnd < 8, !sourceEnded { try readMore() }
        compression = Compression(magic: UnsafeRawBufferPointer(start: input, count: inputEnd))
        if case .refused(let name) = compression {
            throw .invalid("\(name) is not supported (decompress it first, or use gzip or zstd)")
        }
        if compression != .none { decoder = try Decoder(compression) }
    }

    deinit {
        input.deallocate()
        output.deallocate()
    }

    /// At least `count` bytes (at most 64 KiB), valid until the next call; fewer only at the end.
    mutating func peek(_ count: Int) throws(ImageError) -> UnsafeRawBufferPointer {
        while outputEnd - outputAt < count, try fill() {}
        return UnsafeRawBufferPointer(start: output + outputAt, count: min(outputEnd - outputAt, count))
    }

    /// Up to `limit` bytes, as many as are there without waiting for more; empty only at the end.
    mutating func take(_ limit: UInt64) throws(ImageError) -> UnsafeRawBufferPointer {
        if outputAt == outputEnd { _ = try fill() }
        let count = Int(min(limit, UInt64(outputEnd - outputAt)))
        defer { outputAt += count }
        return UnsafeRawBufferPointer(start: output + outputAt, count: count)
    }

    /// Goes past bytes that `peek` showed.
    mutating func consume(_ count: Int) { outputAt = min(outputAt + count, outputEnd) }

    /// Goes past `count` bytes; false when the stream ends before.
    mutating func skip(_ count: UInt64) throws(ImageError) -> Bool {
        var left = count
        while left > 0 {
            let bytes = try take(left)
            if bytes.isEmpty { return false }
            left -= UInt64(bytes.count)
        }
        return true
    }

    /// Reads to the end, so that the digests cover every byte.
    mutating func drain() throws(ImageError) {
        repeat { outputAt = outputEnd } while try fill()
    }

    /// The digests of all bytes read and of all that came out, in hexadecimal. Only after `drain`.
    mutating func digests() -> (raw: String, plain: String) {
        let raw = rawHash.hex()
        return (raw, compression == .none ? raw : plainHash.hex())
    }

    /// Reads one buffer from the source behind what `input` holds.
    private mutating func readMore() throws(ImageError) {
        let free = UnsafeMutableRawBufferPointer(start: input + inputEnd, count: Self.inputSize - inputEnd)
        let count: Int
        do { count = try source.read(into: free) } catch { throw ImageError(error, on: name) }
        if count == 0 {
            sourceEnded = true
            return
        }
        let new = UnsafeRawBufferPointer(start: input + inputEnd, count: count)
        rawHash.update(new)
        rawCount += UInt64(count)
        do { try copy?.writeAll(new) } catch { throw ImageError(error) }
        inputEnd += count
    }

    /// Puts more bytes behind those that are left in `output`; false at the end.
    private mutating func fill() throws(ImageError) -> Bool {
        if outputAt > 0 {
            let left = outputEnd - outputAt
            if left > 0 { output.copyMemory(from: output + outputAt, byteCount: left) }
            (outputAt, outputEnd) = (0, left)
        }
        let start = outputEnd
        while outputEnd == start {
            if inputAt == inputEnd, !holdsMore {
                (inputAt, inputEnd) = (0, 0)
                if !sourceEnded { try readMore() }
                if sourceEnded { return try end() }
            }
            if decoder == nil { passOn() } else { try decode() }
        }
        plainCount += UInt64(outputEnd - start)
        if compression != .none {
            plainHash.update(UnsafeRawBufferPointer(start: output + start, count: outputEnd - start))
            try checkRatio()
        }
        return true
    }

    private func end() throws(ImageError) -> Bool {
        guard compression == .none || atBoundary else {
            throw .invalid("\(compression) data ends early after \(rawCount) bytes (truncated?)")
        }
        return false
    }

    private mutating func passOn() {
        let count = min(inputEnd - inputAt, Self.outputSize - outputEnd)
        (output + outputEnd).copyMemory(from: input + inputAt, byteCount: count)
        inputAt += count
        outputEnd += count
    }

    private mutating func decode() throws(ImageError) {
        if atBoundary { try checkMember() }
        var used = inputEnd - inputAt
        var made = Self.outputSize - outputEnd
        let result = decodeStep(&used, &made)
        inputAt += used
        outputEnd += made
        if result < 0 {
            throw .invalid("\(compression) data is damaged near byte \(rawCount): \(decoderError)")
        }
        atBoundary = result == 1
        holdsMore = outputEnd == Self.outputSize && !atBoundary
        if used == 0, made == 0, result == 0, inputAt < inputEnd {
            throw .invalid("\(compression) data is damaged near byte \(rawCount)")
        }
    }

    private func decodeStep(_ used: inout Int, _ made: inout Int) -> CInt {
        switch decoder {
        case .some(let decoder):
            cc_decode(decoder.raw, input + inputAt, &used, output + outputEnd, &made)
        case .none: 0
        }
    }

    private var decoderError: String {
        switch decoder {
        case .some(let decoder): cc_error(decoder.raw).map { String(cString: $0) } ?? "unknown"
        case .none: ""
        }
    }

    /// What follows a member must be another one: bytes that no reader agrees about are refused.
    private mutating func checkMember() throws(ImageError) {
        if inputEnd - inputAt < 4, !sourceEnded {
            let left = inputEnd - inputAt
            input.copyMemory(from: input + inputAt, byteCount: left)
            (inputAt, inputEnd) = (0, left)
            while inputEnd < 4, !sourceEnded { try readMore() }
        }
        let next = Compression(
            magic: UnsafeRawBufferPointer(start: input + inputAt, count: inputEnd - inputAt))
        guard next == compression else { throw .invalid("trailing garbage after the \(compression) data") }
        atBoundary = false
    }

    /// A bomb: gzip makes at most 1032 bytes of one.
    private func checkRatio() throws(ImageError) {
        if plainCount > 64 << 20, plainCount / 1000 > rawCount {
            throw .invalid(
                "\(compression) data unpacks to over 1000 times its size (\(rawCount) bytes read): refused"
            )
        }
    }
}
