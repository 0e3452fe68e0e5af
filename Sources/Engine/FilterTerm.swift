import Linux

/// One `key=value` of a `--filter`.
struct FilterTerm {
    /// In lower case and without blanks: docker takes ` Label` for `label`.
    let key: String
    let value: String

    /// Reads one whose key is among `keys`.
    init(_ text: String, of keys: Set<String>) throws(UsageError) {
        guard let equals = text.firstIndex(of: "=") else {
            throw UsageError("bad format of filter (expected name=value)")
        }
        key = text[..<equals].lowercased().filter { $0 != " " }
        value = String(text[text.index(after: equals)...])
        guard keys.contains(key) else { throw UsageError("invalid filter '\(key)'") }
    }

    /// For a value that its key does not take.
    var refusal: UsageError { UsageError("invalid filter '\(key)=\(value)'") }

    /// Refuses an expression that cannot be read: the user's mistake, whatever there is to look through.
    func checkExpression() throws(UsageError) {
        // What is wrong in it, docker does not say either.
        guard (try? Regex(value)) != nil else { throw refusal }
    }

    /// Whether `text` has what the expression `pattern`, which was checked, describes.
    static func matches(_ text: String, _ pattern: String) -> Bool {
        guard let expression = try? Regex(pattern) else { return false }  // was checked
        return text.firstMatch(of: expression) != nil
    }

    /// Whether `labels` have `wanted`, a `name` or `name=value`.
    static func hasLabel(_ wanted: String, _ labels: [String: String]) -> Bool {
        let parts = wanted.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard let value = labels[String(parts[0])] else { return false }
        return parts.count == 1 || value == parts[1]
    }
}
