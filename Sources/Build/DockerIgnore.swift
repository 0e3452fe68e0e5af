/// The patterns of a .dockerignore file: which paths of a context no instruction sees.
/// The last pattern that matches a path or one of its parents decides; `!` takes a path in again.
struct DockerIgnore: Equatable, Sendable {
    private struct Rule: Equatable, Sendable {
        let pattern: PathPattern
        let excludes: Bool
    }
    private let rules: [Rule]
    /// Without `!` nothing below an excluded directory can come back: the walk need not look there.
    let hasExceptions: Bool

    /// No file: everything is seen.
    init() { (rules, hasExceptions) = ([], false) }

    /// Parses a file's text; `name` is what errors call it.
    init(parsing bytes: [UInt8], name: String) throws(DockerfileError) {
        let body = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? bytes.dropFirst(3) : bytes[...]
        var rules: [Rule] = []
        for (i, line) in body.split(separator: 0x0a, omittingEmptySubsequences: false).enumerated() {
            func failure(_ message: String) -> DockerfileError {
                DockerfileError(message, file: name, line: i + 1, isSyntax: false)
            }
            if line.first == UInt8(ascii: "#") { continue }
            guard let text = String(validating: line, as: UTF8.self) else {
                throw failure("the line is not UTF-8")
            }
            var pattern = text.trimmingBlanks()
            if pattern.isEmpty { continue }
            let excludes = !pattern.hasPrefix("!")
            if !excludes { pattern = String(pattern.dropFirst()).trimmingBlanks() }
            if pattern.isEmpty { throw failure("illegal exclusion pattern: \"!\"") }
            pattern = cleanPath(pattern)
            if pattern.hasPrefix("/"), pattern != "/" { pattern.removeFirst() }
            guard let compiled = PathPattern(pattern, doubleStars: true) else {
                throw failure("syntax error in pattern: \(text.trimmingBlanks())")
            }
            rules.append(Rule(pattern: compiled, excludes: excludes))
            if rules.count > 10_000 { throw failure("more than 10000 patterns") }
        }
        self.rules = rules
        hasExceptions = rules.contains { !$0.excludes }
    }

    /// What the rules say about one directory, handed down to what is in it.
    struct Matches: Equatable, Sendable {
        fileprivate var matched: [Bool]
        /// Whether the path is left out.
        fileprivate(set) var isExcluded: Bool
    }

    /// What holds at the context's root.
    var root: Matches { Matches(matched: rules.map { _ in false }, isExcluded: false) }
    /// Whether there is no rule at all.
    var isEmpty: Bool { rules.isEmpty }

    /// What the rules say about `path` (below the root, without a slash in front), given its directory's.
    func matches(_ path: [UInt32], in parent: Matches) -> Matches {
        var result = parent
        result.isExcluded = false
        for (i, rule) in rules.enumerated() {
            if !result.matched[i] { result.matched[i] = rule.pattern.matches(path) }
            if result.matched[i] { result.isExcluded = rule.excludes }
        }
        return result
    }

    /// Whether a path below the root is left out.
    func excludes(_ path: String) -> Bool {
        var state = root
        let characters = PathPattern.characters(of: path.utf8)
        for end in characters.indices where characters[end] == 0x2f {
            state = matches(Array(characters[..<end]), in: state)
        }
        return matches(characters, in: state).isExcluded
    }
}

/// Go's path.Clean: no `.`, no empty names, `..` resolved by text; `.` for nothing.
func cleanPath(_ path: String) -> String {
    let isAbsolute = path.hasPrefix("/")
    var parts: [Substring] = []
    for part in path.split(separator: "/") where part != "." {
        if part != ".." {
            parts.append(part)
        } else if let last = parts.last, last != ".." {
            parts.removeLast()
        } else if !isAbsolute {
            parts.append(part)
        }
    }
    let joined = parts.joined(separator: "/")
    return isAbsolute ? "/" + joined : joined.isEmpty ? "." : joined
}
