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
        let term = try FilterTerm(text, of: ["label", "label!", "until"])
        switch term.key {
        case "label": labels.append(term.value)
        case "label!": otherLabels.append(term.value)
        default:
            guard until == nil else { throw UsageError("more than one until filter specified") }
            until = try Durations.moment(term.value, now: now)
        }
        shown.append("\(term.key)=\(term.value)")
    }

    /// Whether something that was made then, with these labels, passes.
    public func holds(created: Timestamp, labels own: [String: String]) -> Bool {
        if let until, created > until { return false }
        return labels.allSatisfy { FilterTerm.hasLabel($0, own) }
            && !otherLabels.contains { FilterTerm.hasLabel($0, own) }
    }
}
