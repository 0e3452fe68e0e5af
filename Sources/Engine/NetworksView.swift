import Network
import OCI

/// `network ls` and its filters.
public enum NetworksView {
    /// One row a network, in the order given.
    public static func listing(_ networks: [NetworkRecord], truncates: Bool) -> Listing {
        let headings = [
            ("ID", "NETWORK ID"), ("Name", "NAME"), ("Driver", "DRIVER"), ("Scope", "SCOPE"),
            ("IPv4", "IPV4"), ("IPv6", "IPV6"), ("Internal", "INTERNAL"), ("CreatedAt", "CREATED AT"),
            ("Labels", "LABELS"),
        ]
        return Listing(
            headings: headings.map { (field: $0.0, heading: $0.1) },
            template: "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}",
            rows: networks.map { row($0, truncates) })
    }

    private static func row(_ network: NetworkRecord, _ truncates: Bool) -> Listing.Row {
        let labels = network.labels.sorted { $0.key < $1.key }
        let fields = [
            ("ID", truncates ? String(network.id.prefix(12)) : network.id), ("Name", network.name),
            ("Driver", network.driver.rawValue), ("Scope", "local"), ("IPv4", "true"),
            ("IPv6", network.bridge?.subnet6 == nil ? "false" : "true"),
            ("Internal", network.bridge?.isInternal == true ? "true" : "false"),
            ("CreatedAt", Durations.absolute(network.created)),
            ("Labels", labels.map { "\($0.key)=\($0.value)" }.joined(separator: ",")),
        ]
        let values = JSON.object(labels.map { .init($0.key, .string($0.value)) })
        return Listing.Row(fields.map { (name: $0.0, value: $0.1) }, methods: .fields(["Label": values]))
    }
}

/// `network ls --filter`: values of one key are alternatives (labels must all hold), keys must all hold.
public struct NetworkFilters: Equatable, Sendable {
    private var values: [String: [String]] = [:]
    private static let keys: Set<String> = ["dangling", "driver", "id", "label", "name", "scope", "type"]

    /// No filter.
    public init() {}

    /// Takes one `key=value`.
    public mutating func add(_ text: String) throws(UsageError) {
        let term = try FilterTerm(text, of: Self.keys)
        let (key, value) = (term.key, term.value)
        if key == "type", !["custom", "builtin"].contains(value) {
            throw UsageError("invalid filter: 'type'='\(value)'")
        }
        if key == "dangling", !["true", "false", "1", "0"].contains(value) {
            throw term.refusal
        }
        if key == "name" { try term.checkExpression() }
        values[key, default: []].append(value)
    }

    /// Whether a network passes; `used` are the names of those that a container has.
    public func holds(_ network: NetworkRecord, used: Set<String>) -> Bool {
        values.allSatisfy { key, wanted in
            switch key {
            case "driver": wanted.contains(network.driver.rawValue)
            case "id": wanted.contains { network.id.hasPrefix($0) }
            case "name": wanted.contains { FilterTerm.matches(network.name, $0) }
            case "scope": wanted.contains("local")
            case "type": wanted.contains(network.isBuiltIn ? "builtin" : "custom")
            case "label": wanted.allSatisfy { FilterTerm.hasLabel($0, network.labels) }
            case "dangling":
                ["true", "1"].contains(wanted.last ?? "")
                    == (!network.isBuiltIn && !used.contains(network.name))
            default: true
            }
        }
    }

    public var needsUse: Bool { values["dangling"] != nil }
}
