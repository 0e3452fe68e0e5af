import CLinux

/// A running SHA-256 (FIPS 180-4).
public struct SHA256: Sendable {
    private var state = cl_sha256()
    /// The state before the first byte.
    public init() { cl_sha256_init(&state) }

    /// Takes in further bytes.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        cl_sha256_update(&state, bytes.baseAddress, bytes.count)
    }

    /// Takes in further bytes.
    public mutating func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }

    /// Takes in the UTF-8 of a text.
    public mutating func update(_ text: String) {
        var text = text
        text.withUTF8 { update(UnsafeRawBufferPointer($0)) }
    }

    /// The 32 bytes; the state is used up.
    public mutating func bytes() -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        cl_sha256_final(&state, &digest)
        return digest
    }

    /// The 64 hexadecimal digits; the state is used up.
    public mutating func hex() -> String {
        let digest = bytes()
        return String(unsafeUninitializedCapacity: 64) { out in
            let digits: StaticString = "0123456789abcdef"
            for (i, byte) in digest.enumerated() {
                out[2 * i] = digits.utf8Start[Int(byte >> 4)]
                out[2 * i + 1] = digits.utf8Start[Int(byte & 15)]
            }
            return 64
        }
    }

    /// The 64 hexadecimal digits of some bytes.
    public static func hex(of bytes: [UInt8]) -> String {
        var hash = SHA256()
        hash.update(bytes)
        return hash.hex()
    }
}
