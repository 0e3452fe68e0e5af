/// A buffer of log text that is written out piece by piece; who appends has made sure of the room.
struct LogText: ~Copyable {
    private let base: UnsafeMutableRawPointer
    private let capacity: Int
    private(set) var count = 0

    /// What `appendEscaped` writes at most for one byte, and beyond the end of its text.
    static let bytesPerByte = 6
    static let slack = 8

    init(capacity: Int) {
        self.capacity = capacity
        // Not touched before it is needed: an idle monitor pays nothing.
        base = .allocate(byteCount: capacity, alignment: 8)
    }
    deinit { base.deallocate() }

    var room: Int { capacity - count }
    var isEmpty: Bool { count == 0 }
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

    mutating func removeAll() { count = 0 }

    /// `{"log":"`, in one store.
    mutating func appendBeginning() {
        precondition(room >= 8)
        (base + count).storeBytes(of: 0x223a_2267_6f6c_227b, as: UInt64.self)
        count += 8
    }

    mutating func append(_ bytes: [UInt8]) { bytes.withUnsafeBytes { append($0) } }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress else { return }
        precondition(bytes.count <= room)
        (base + count).copyMemory(from: start, byteCount: bytes.count)
        count += bytes.count
    }

    /// Appends bytes as the inside of a JSON string, up to and with the first line end; how many it took. What is not
    /// UTF-8 becomes U+FFFD, as in docker's logs.
    mutating func appendEscaped(_ text: UnsafeRawBufferPointer) -> Int {
        precondition(text.count * Self.bytesPerByte + Self.slack <= room)
        var at = 0
        while at < text.count {
            at += copyPlain(text, from: at)
            guard at < text.count else { break }
            let byte = text[at]
            if byte >= 0x80 {
                at += appendSequence(text, at)
                continue
            }
            appendASCII(byte)
            at += 1
            if byte == 0x0a { break }
        }
        return at
    }

    /// Copies what stands for itself, eight bytes at a time; how many.
    private mutating func copyPlain(_ text: UnsafeRawBufferPointer, from start: Int) -> Int {
        var at = start
        while at + 8 <= text.count {
            let word = text.loadUnaligned(fromByteOffset: at, as: UInt64.self)
            (base + count).storeBytes(of: word, as: UInt64.self)
            let special = Self.special(word)
            guard special == 0 else {
                let plain = special.trailingZeroBitCount / 8
                count += plain
                return at + plain - start
            }
            count += 8
            at += 8
        }
        while at < text.count, !Self.isSpecial(text[at]) {
            put(text[at])
            at += 1
        }
        return at - start
    }

    /// The high bit of each byte that does not stand for itself; right up to and with the first one, which is all that is
    /// asked (little endian: the first byte is the lowest).
    private static func special(_ word: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let high = ones &* 0x80
        func zeros(_ x: UInt64) -> UInt64 { (x &- ones) & ~x & high }
        return (word & high) | ((word &- ones &* 0x20) & ~word & high)
            | zeros(word ^ ones &* 0x22) | zeros(word ^ ones &* 0x5c) | zeros(word ^ ones &* 0x7f)
    }

    private static func isSpecial(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte >= 0x7f || byte == 0x22 || byte == 0x5c
    }

    private mutating func put(_ byte: UInt8) {
        (base + count).storeBytes(of: byte, as: UInt8.self)
        count += 1
    }

    private mutating func appendASCII(_ byte: UInt8) {
        switch byte {
        case 0x22, 0x5c: putEscape(byte)
        case 0x0a: putEscape(UInt8(ascii: "n"))
        case 0x0d: putEscape(UInt8(ascii: "r"))
        case 0x09: putEscape(UInt8(ascii: "t"))
        case 0..<0x20, 0x7f:
            // \u00XY in one store.
            let (high, low) = (UInt64(byte >> 4), UInt64(byte & 15))
            let digits = (0x30 + high) << 32 | (low < 10 ? 0x30 + low : 0x57 + low) << 40
            (base + count).storeBytes(of: 0x3030_755c | digits, as: UInt64.self)
            count += 6
        default: put(byte)
        }
    }

    private mutating func putEscape(_ byte: UInt8) {
        put(0x5c)
        put(byte)
    }

    /// One character beyond ASCII; how many bytes it took.
    private mutating func appendSequence(_ text: UnsafeRawBufferPointer, _ at: Int) -> Int {
        let length = UTF8Text.sequenceLength(text, at)
        if length == 0 {
            for byte: UInt8 in [0xef, 0xbf, 0xbd] { put(byte) }
            return 1
        }
        for i in 0..<length { put(text[at + i]) }
        return length
    }
}

/// Well-formed UTF-8 (RFC 3629, the table of section 4).
enum UTF8Text {
    /// The length of the sequence at a place; 0 when there is none.
    static func sequenceLength(_ bytes: UnsafeRawBufferPointer, _ at: Int) -> Int {
        guard let (length, second) = shape(bytes[at]), at + length <= bytes.count else { return 0 }
        guard second.contains(bytes[at + 1]) else { return 0 }
        for i in 2..<max(2, length) where !(0x80...0xbf).contains(bytes[at + i]) { return 0 }
        return length
    }

    /// How many bytes at the end begin a sequence that may go on in what follows: 0 to 3.
    static func openEnd(_ bytes: UnsafeRawBufferPointer) -> Int {
        for back in 1...3 where back <= bytes.count {
            let byte = bytes[bytes.count - back]
            if (0x80...0xbf).contains(byte) { continue }
            guard let (length, second) = shape(byte), length > back else { return 0 }
            guard back == 1 || second.contains(bytes[bytes.count - back + 1]) else { return 0 }
            return back
        }
        return 0
    }

    /// By its first byte: how long a sequence is, and what its second byte may be.
    private static func shape(_ first: UInt8) -> (length: Int, second: ClosedRange<UInt8>)? {
        switch first {
        case 0xc2...0xdf: (2, 0x80...0xbf)
        case 0xe0: (3, 0xa0...0xbf)
        case 0xed: (3, 0x80...0x9f)
        case 0xe1...0xef: (3, 0x80...0xbf)
        case 0xf0: (4, 0x90...0xbf)
        case 0xf1...0xf3: (4, 0x80...0xbf)
        case 0xf4: (4, 0x80...0x8f)
        default: nil
        }
    }
}
