public import Linux

/// `prune --filter`: `until=`, `label=` and `label!=`; all of them must hold.
public struct PruneFilters: Equatable, Sendable {
    /// Nothing that was made later goes.
    public private(set) var until: Timestamp?
    private var labels: [String] = []
    private var otherLabels: [String] = []
    /// As they were typed, for the question before.
    public private(set) var shown: [String] = []

    /// No filter.
    public init() {}

    public var isEmpty: Bool { shown.isEmpty }

    /// Takes one `key=value`.
    public mutating func add(_ text: String, now: Timestamp = .now()) throws(UsageError) {
        guard let equals = text.firstIndex(of: "=") else {
            throw UsageError("bad format of filter (expected name=value)")
        }
        let key = text[..<equals].lowercased().filter { $0 != " " }
        let value = String(text[text.index(after: equals)...])
        switch key {
        case "label": labels.append(value)
        case "label!": otherLabels.append(value)
        case "until":
            guard until == nil else { throw UsageError("more than one until filter specified") }
            until = try Durations.moment(value, now: now)
        default: throw UsageError("invalid filter '\(key)'")
        }
        shown.append("\(key)=\(value)")
    }

    /// Whether something that was made then, with these labels, passes.
    public func holds(created: Timestamp, labels own: [String: String]) -> Bool {
        if let until, created > until { return false }
        return labels.allSatisfy { Self.holds($0, own) } && !otherLabels.contains { Self.holds($0, own) }
    }

    /// Whether labels have `name` or `name=value`.
    static func holds(_ wanted: String, _ labels: [String: String]) -> Bool {
        let parts = wanted.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(
            String.init)
        guard let value = labels[parts[0]] else { return false }
        return parts.count == 1 || parts[1] == value
    }
}
