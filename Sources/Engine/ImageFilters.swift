import Images
import Linux
import OCI

/// `images --filter`.
public struct ImageFilters: Equatable, Sendable {
    private var values: [String: [String]] = [:]

    /// No filter.
    public init() {}

    /// Takes one `key=value`.
    public mutating func add(_ text: String) throws(UsageError) {
        guard let equals = text.firstIndex(of: "=") else {
            throw UsageError("bad format of filter (expected name=value)")
        }
        let key = text[..<equals].lowercased().filter { $0 != " " }
        let value = String(text[text.index(after: equals)...])
        guard ["before", "since", "label", "reference", "dangling"].contains(key) else {
            throw UsageError("invalid filter '\(key)'")
        }
        if key == "dangling", parseBool(value) == nil {
            throw UsageError("invalid filter 'dangling=\(value)'")
        }
        values[key, default: []].append(value)
    }

    /// The times that `before` and `since` stand for; `created` finds an image's.
    func bounds(_ created: (String) throws -> Timestamp) rethrows -> (before: Timestamp?, since: Timestamp?) {
        (try values["before"]?.last.map(created), try values["since"]?.last.map(created))
    }

    /// Whether an image passes, its names aside.
    func holds(for image: Image, _ bounds: (before: Timestamp?, since: Timestamp?)) -> Bool {
        if let before = bounds.before, image.created >= before { return false }
        if let since = bounds.since, image.created <= since { return false }
        if let dangling = values["dangling"]?.last.flatMap(parseBool), dangling != image.names.isEmpty {
            return false
        }
        return (values["label"] ?? []).allSatisfy { wanted in
            let parts = wanted.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(
                String.init)
            guard let value = image.config.process.labels[parts[0]] else { return false }
            return parts.count == 1 || parts[1] == value
        }
    }

    /// Whether a name passes: `repository` and each `reference` are patterns of `name` or `name:tag`.
    func holds(for name: Reference?, _ repository: String?) -> Bool {
        if let repository {
            guard let name,
                Self.matches(repository, name.name)
                    || Self.matches(repository, "\(name.name):\(name.tag ?? "")")
            else { return false }
        }
        guard let patterns = values["reference"] else { return true }
        guard let name else { return false }
        return patterns.contains {
            Self.matches($0, name.name) || Self.matches($0, "\(name.name):\(name.tag ?? "")")
        }
    }

    /// Go's path.Match without classes: `*` and `?` stop at a slash.
    static func matches(_ pattern: String, _ text: String) -> Bool {
        let (pattern, text) = (Array(pattern.utf8), Array(text.utf8))
        // reachable[j]: the pattern so far matches the first j bytes.
        var reachable = [Bool](repeating: false, count: text.count + 1)
        reachable[0] = true
        for byte in pattern {
            var next = [Bool](repeating: false, count: text.count + 1)
            for j in 0...text.count {
                if byte == UInt8(ascii: "*") {
                    next[j] = reachable[j] || (j > 0 && next[j - 1] && text[j - 1] != UInt8(ascii: "/"))
                } else if j > 0, reachable[j - 1] {
                    let any = byte == UInt8(ascii: "?") && text[j - 1] != UInt8(ascii: "/")
                    next[j] = any || byte == text[j - 1]
                }
            }
            reachable = next
        }
        return reachable[text.count]
    }
}
