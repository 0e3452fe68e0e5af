/// Names and ids of containers.
public enum ContainerName {
    /// docker's grammar: a letter or digit, then at least one of letters, digits, `_`, `.` and `-`.
    public static func isValid(_ name: String) -> Bool {
        func isWord(_ byte: UInt8) -> Bool {
            (byte >= 0x30 && byte <= 0x39) || (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7a)
        }
        guard let first = name.utf8.first, isWord(first), (2...200).contains(name.utf8.count) else {
            return false
        }
        return name.utf8.allSatisfy { isWord($0) || $0 == 0x5f || $0 == 0x2e || $0 == 0x2d }
    }

    /// docker's refusal of a name.
    static func refusal(_ name: String) -> UsageError {
        UsageError("Invalid container name (\(name)), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
    }

    /// A random adjective and surname; from the second try on with a digit.
    public static func random(attempt: Int = 0) -> String {
        let adjective = adjectives[Int.random(in: adjectives.indices)]
        let surname = surnames[Int.random(in: surnames.indices)]
        return "\(adjective)_\(surname)" + (attempt == 0 ? "" : String(Int.random(in: 0...9)))
    }

    /// A new id: 64 hexadecimal digits from getrandom(2), the 12 that are shown never all decimal.
    public static func newID() -> String {
        let digits = Array("0123456789abcdef".utf8)
        var random = SystemRandomNumberGenerator()
        while true {
            let id = String(
                decoding: (0..<64).map { _ in digits[Int.random(in: 0..<16, using: &random)] }, as: UTF8.self)
            // A short id of decimal digits alone is taken for a number by scripts (YAML, shells).
            if Int(id.prefix(12)) == nil { return id }
        }
    }

    static let adjectives = [
        "able", "bold", "brave", "breezy", "bright", "brisk", "calm", "cheerful", "clever", "cosmic",
        "curious",
        "daring", "deft", "eager", "early", "fleet", "gentle", "glad", "golden", "happy", "hardy", "honest",
        "humble", "jolly", "keen", "kind", "lively", "lucid", "mellow", "merry", "nimble", "patient", "quick",
        "quiet", "soaring", "steady", "sunny", "swift", "warm", "witty",
    ]
    /// People who watched birds, flew, or described the swifts.
    static let surnames = [
        "audubon", "bailey", "banks", "bewick", "bleriot", "brisson", "cayley", "coleman", "curtiss",
        "darwin",
        "earhart", "farman", "ferrari", "gould", "haast", "hartert", "humboldt", "jardine", "johnson", "kaup",
        "lack", "latham", "lilienthal", "linnaeus", "markham", "merian", "nuttall", "peterson", "quimby",
        "raiche",
        "ridgway", "scopoli", "selby", "sikorsky", "swainson", "temminck", "tinbergen", "wallace", "white",
        "wright",
    ]
}

/// Finding what a user named.
public enum Lookup {
    /// A container that can be named.
    public struct Candidate: Equatable, Sendable {
        /// 64 hexadecimal digits.
        public let id: String
        /// Without a slash.
        public let name: String
        /// Takes the id's 64 digits and the name without a slash.
        public init(id: String, name: String) { (self.id, self.name) = (id, name) }
    }

    /// The candidate of a whole id, else of a name, else of the beginning of an id that only one has.
    public static func find(_ text: String, in candidates: [Candidate]) throws(UsageError) -> Candidate {
        let name = text.hasPrefix("/") ? String(text.dropFirst()) : text
        if let found = candidates.first(where: { $0.id == text }) { return found }
        if let found = candidates.first(where: { $0.name == name }) { return found }
        let matches = text.isEmpty ? [] : candidates.filter { $0.id.hasPrefix(text) }
        guard let found = matches.first else { throw UsageError("No such container: \(text)") }
        guard matches.count == 1 else { throw UsageError("multiple IDs found with provided prefix: \(text)") }
        return found
    }
}
