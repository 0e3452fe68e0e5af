/// One challenge of a WWW-Authenticate header (RFC 9110, 11.6.1).
struct Challenge: Equatable {
    /// Lower case: `bearer`, `basic`.
    var scheme: String
    /// By lower-case names; of a repeated one the first counts.
    var parameters: [String: String] = [:]

    /// The challenges of all WWW-Authenticate headers of a response. What cannot be read ends its header.
    static func parse(_ headers: [String]) -> [Challenge] {
        headers.prefix(8).flatMap { header -> [Challenge] in
            var parser = ChallengeParser(Array(header.utf8.prefix(8192)))
            return parser.challenges()
        }
    }
}

private struct ChallengeParser {
    private let bytes: [UInt8]
    private var at = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func challenges() -> [Challenge] {
        var found: [Challenge] = []
        while true {
            skip { $0 == 0x20 || $0 == 0x09 || $0 == UInt8(ascii: ",") }
            guard let word = token() else { return found }
            skip { $0 == 0x20 || $0 == 0x09 }
            guard take(UInt8(ascii: "=")) else {
                found.append(Challenge(scheme: word.lowercased()))
                continue
            }
            skip { $0 == 0x20 || $0 == 0x09 }
            guard !found.isEmpty, let value = take(UInt8(ascii: "\"")) ? quoted() : token() else {
                return found
            }
            let name = word.lowercased()
            if found[found.count - 1].parameters[name] == nil {
                found[found.count - 1].parameters[name] = value
            }
        }
    }

    private mutating func skip(_ isSkipped: (UInt8) -> Bool) {
        while at < bytes.count, isSkipped(bytes[at]) { at += 1 }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard at < bytes.count, bytes[at] == byte else { return false }
        at += 1
        return true
    }

    /// Lenient where registries are: all but separators.
    private mutating func token() -> String? {
        let start = at
        skip { $0 > 0x20 && $0 < 0x7f && !"\",=".utf8.contains($0) }
        return at > start ? String(decoding: bytes[start..<at], as: UTF8.self) : nil
    }

    private mutating func quoted() -> String? {
        var text: [UInt8] = []
        while at < bytes.count {
            let byte = bytes[at]
            at += 1
            if byte == UInt8(ascii: "\"") { return String(decoding: text, as: UTF8.self) }
            if byte == UInt8(ascii: "\\"), at < bytes.count {
                text.append(bytes[at])
                at += 1
            } else {
                text.append(byte)
            }
        }
        return nil
    }
}
