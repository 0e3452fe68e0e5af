/// A content digest, `sha256:` and 64 lower-case hexadecimal digits (image-spec, descriptor.md#digests).
/// Other algorithms are refused: an unvalidated one was CVE-2024-3727.
public struct Digest: Hashable, Sendable, CustomStringConvertible {
    /// The 64 hexadecimal digits.
    public let hex: String

    /// Takes `sha256:HEX`; nil for anything else.
    public init?(_ text: String) {
        guard text.hasPrefix("sha256:") else { return nil }
        self.init(hex: String(text.dropFirst(7)))
    }

    /// Takes the 64 digits alone; nil for anything else.
    public init?(hex: String) {
        let valid = hex.utf8.allSatisfy { ($0 >= 0x30 && $0 <= 0x39) || ($0 >= 0x61 && $0 <= 0x66) }
        guard hex.utf8.count == 64, valid else { return nil }
        self.hex = hex
    }

    /// Takes what SHA-256 gave, which is never anything else.
    public init(sha256 hex: String) {
        guard let digest = Digest(hex: hex) else {
            preconditionFailure("SHA-256 has 64 hexadecimal digits")
        }
        self = digest
    }

    /// `sha256:` and the digits.
    public var description: String { "sha256:\(hex)" }
    /// The first 12 digits, as docker prints ids.
    public var short: String { String(hex.prefix(12)) }
}
