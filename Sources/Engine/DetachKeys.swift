/// The keys that leave a container's terminal without ending it.
public struct DetachKeys: Equatable, Sendable {
    /// What is looked for in the input.
    public let bytes: [UInt8]

    /// ctrl-p ctrl-q.
    public static let standard = DetachKeys(bytes: [0x10, 0x11])

    private init(bytes: [UInt8]) { self.bytes = bytes }

    /// `ctrl-p,ctrl-q`, `a,b`: single characters or `ctrl-` with a letter or one of `@[\]^_`. Empty is standard.
    public init(parsing text: String) throws(UsageError) {
        if text.isEmpty {
            self = .standard
            return
        }
        var bytes: [UInt8] = []
        for key in text.split(separator: ",", omittingEmptySubsequences: false) {
            let last = key.utf8.last ?? 0
            if key.utf8.count == 1, last < 0x80 {
                bytes.append(last)
            } else if key.lowercased().hasPrefix("ctrl-"), key.utf8.count == 6,
                let control = Self.control(last)
            {
                bytes.append(control)
            } else {
                throw UsageError("invalid detach keys (\(text)) provided: Unknown character: '\(key)'")
            }
        }
        self.init(bytes: bytes)
    }

    private static func control(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x61...0x7a: byte - 0x60
        case 0x40, 0x5b...0x5f: byte - 0x40
        default: nil
        }
    }
}
