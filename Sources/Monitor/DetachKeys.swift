/// Recognises the keys that detach a client from a terminal: ctrl-p ctrl-q unless chosen otherwise. A prefix of
/// the sequence that does not complete is the container's and is handed on.
public struct DetachKeys: Equatable, Sendable {
    public static let standard: [UInt8] = [0x10, 0x11]

    private let sequence: [UInt8]
    private var matched = 0

    public init(_ sequence: [UInt8]) { self.sequence = sequence }

    /// docker's notation: `ctrl-p,ctrl-q`, single letters, `ctrl-@ [ \ ] ^ _`. Nil for anything else.
    public static func parse(_ text: String) -> [UInt8]? {
        if text.isEmpty { return [] }
        var keys: [UInt8] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let bytes = Array(part.utf8)
            if bytes.count == 1 {
                keys.append(bytes[0])
            } else if bytes.count == 6, part.lowercased().hasPrefix("ctrl-"), let key = control(bytes[5]) {
                keys.append(key)
            } else {
                return nil
            }
        }
        return keys
    }

    private static func control(_ byte: UInt8) -> UInt8? {
        let upper = byte >= 0x61 && byte <= 0x7a ? byte - 32 : byte
        return (0x40...0x5f).contains(upper) ? upper - 64 : nil
    }

    /// What of `input` goes on to the container, and whether the sequence is complete; then the rest is dropped.
    public mutating func filter(_ input: [UInt8]) -> (forward: [UInt8], detached: Bool) {
        guard !sequence.isEmpty else { return (input, false) }
        var forward: [UInt8] = []
        for byte in input {
            if byte != sequence[matched], matched > 0 {
                forward += sequence[..<matched]
                matched = 0
            }
            if byte == sequence[matched] {
                matched += 1
                if matched == sequence.count { return (forward, true) }
            } else {
                forward.append(byte)
            }
        }
        return (forward, false)
    }
}
