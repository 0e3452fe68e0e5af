/// Base64 as credentials and extended attributes are written (RFC 4648, section 4).
public enum Base64 {
    private static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// With padding.
    public static func encode(_ bytes: [UInt8]) -> String {
        var out: [UInt8] = []
        var at = 0
        while at < bytes.count {
            let group = bytes[at..<min(at + 3, bytes.count)]
            var word: UInt32 = 0
            for byte in group { word = word << 8 | UInt32(byte) }
            word <<= UInt32(8 * (3 - group.count))
            for place in 0..<4 {
                let digit = digits[Int(word >> UInt32(18 - 6 * place) & 63)]
                out.append(place <= group.count ? digit : UInt8(ascii: "="))
            }
            at += 3
        }
        return String(decoding: out, as: UTF8.self)
    }

    /// Nil when it is not base64. Padding may be absent.
    public static func decode(_ text: some BidirectionalCollection<UInt8>) -> [UInt8]? {
        var out: [UInt8] = []
        var (word, bits) = (UInt32(0), 0)
        var body = text[...]
        while body.last == UInt8(ascii: "="), text.count - body.count < 2 { body = body.dropLast() }
        guard body.count % 4 != 1 else { return nil }
        for byte in body {
            guard let digit = digits.firstIndex(of: byte) else { return nil }
            word = word << 6 | UInt32(digit)
            bits += 6
            guard bits >= 8 else { continue }
            bits -= 8
            out.append(UInt8(truncatingIfNeeded: word >> UInt32(bits)))
            word &= (1 << UInt32(bits)) - 1
        }
        return word == 0 ? out : nil
    }
}
