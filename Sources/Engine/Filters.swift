import Linux
import OCI

/// `ps --filter`: values of one key are alternatives (labels must all hold), keys must all hold.
public struct ContainerFilters: Equatable, Sendable {
    private var values: [String: [String]] = [:]

    /// No filter.
    public init() {}

    private static let keys: Set<String> = [
        "ancestor", "before", "exited", "expose", "health", "id", "is-task", "isolation", "label", "name",
        "network", "publish", "since", "status", "volume",
    ]
    private static let statuses: Set<String> = [
        "created", "restarting", "running", "removing", "paused", "exited", "dead",
    ]

    /// Takes one `key=value`.
    public mutating func add(_ text: String) throws(UsageError) {
        let term = try FilterTerm(text, of: Self.keys)
        let (key, value) = (term.key, term.value)
        if key == "status", !ContainerFilters.statuses.contains(value) { throw term.refusal }
        if key == "exited", Int32(value) == nil {
            throw UsageError("strconv.Atoi: parsing \"\(value)\": invalid syntax")
        }
        if key == "health", !["starting", "healthy", "unhealthy", "none"].contains(value) {
            throw UsageError("Unrecognised filter value for health: \(value)")
        }
        if key == "publish" || key == "expose", ContainerFilters.ports(value) == nil {
            throw UsageError(
                "error while looking up for \(key) \(value): strconv.ParseUint: parsing "
                    + "\"\(value.prefix { $0 != "/" })\": invalid syntax")
        }
        if key == "id" || key == "name" || key == "volume" { try term.checkExpression() }
        values[key, default: []].append(value)
    }

    /// A filter on the status shows containers that do not run, too.
    public var showsAll: Bool { values["status"] != nil }

    /// Those of `containers` that pass; `before` and `since` name containers among all of them.
    public func apply(_ containers: [ContainerSummary]) throws(UsageError) -> [ContainerSummary] {
        let candidates = containers.map { Lookup.Candidate(id: $0.config.id, name: $0.config.name) }
        func created(_ names: [String]?) throws(UsageError) -> Timestamp? {
            guard let name = names?.last else { return nil }
            let found = try Lookup.find(name, in: candidates)
            return containers.first { $0.config.id == found.id }?.config.created
        }
        let before = try created(values["before"])
        let since = try created(values["since"])
        return containers.filter { container in
            if let before, container.config.created >= before { return false }
            if let since, container.config.created <= since { return false }
            return values.allSatisfy { key, wanted in holds(key, wanted, container) }
        }
    }

    private func holds(_ key: String, _ wanted: [String], _ container: ContainerSummary) -> Bool {
        let (config, state) = (container.config, container.state)
        switch key {
        case "id": return wanted.contains { FilterTerm.matches(config.id, $0) }
        case "name":
            return wanted.contains {
                FilterTerm.matches(config.name, $0) || FilterTerm.matches("/\(config.name)", $0)
            }
        case "label": return wanted.allSatisfy { FilterTerm.hasLabel($0, config.process.labels) }
        case "status": return wanted.contains(state.status)
        case "exited":
            guard case .exited(let code?) = state.phase else { return false }
            return wanted.contains(String(code))
        case "ancestor": return wanted.contains { isImage($0, of: config) }
        case "network":
            let ids = state.network.endpoints.map(\.networkID).filter { !$0.isEmpty }
            let names = config.host.endpoints.map(\.network) + [config.host.network.text]
            return wanted.contains { wanted in names.contains(wanted) || ids.contains { $0.hasPrefix(wanted) }
            }
        case "publish": return wanted.contains { isPublished($0, state.network.ports) }
        case "expose":
            return wanted.contains { wanted in
                config.process.exposedPorts.contains { port in
                    ContainerFilters.covers(wanted, port)
                }
            }
        case "volume": return wanted.contains { usesVolume($0, config.host.mounts) }
        case "health": return wanted.contains(state.health?["Status"]?.string ?? "none")
        case "is-task": return wanted.contains("false")
        default: return true
        }
    }

    private func isImage(_ wanted: String, of config: ContainerConfig) -> Bool {
        let hex = wanted.hasPrefix("sha256:") ? String(wanted.dropFirst(7)) : wanted
        if hex.utf8.count >= 4, config.image.hex.hasPrefix(hex) { return true }
        // Neither text need be a reference: an id is none.
        guard let a = try? Reference(wanted), let b = try? Reference(config.imageName) else { return false }
        return a.canonical == b.canonical
    }

    private func isPublished(_ wanted: String, _ ports: JSON) -> Bool {
        (ports.members ?? []).contains { member in
            (member.value.array ?? []).contains { binding in
                guard let port = binding["HostPort"]?.string else { return false }
                let kind = member.name.split(separator: "/").last ?? "tcp"
                return ContainerFilters.covers(wanted, "\(port)/\(kind)")
            }
        }
    }

    /// Whether `8080`, `8000-8100/tcp` covers `8080/tcp`.
    private static func covers(_ wanted: String, _ port: String) -> Bool {
        guard let a = ports(wanted), let b = ports(port) else { return false }
        return a.kind == b.kind && a.range.contains(b.range.lowerBound)
            && a.range.contains(b.range.upperBound)
    }

    private static func ports(_ text: String) -> (range: ClosedRange<UInt16>, kind: Substring)? {
        let halves = text.split(separator: "/")
        let ends = (halves.first ?? "").split(separator: "-").compactMap { UInt16($0) }
        guard let first = ends.first, let last = ends.last, first <= last else { return nil }
        return (first...last, halves.count > 1 ? halves[1] : "tcp")
    }

    private func usesVolume(_ wanted: String, _ mounts: [MountOption]) -> Bool {
        mounts.contains { mount in
            switch mount.kind {
            case .bind(let bind): mount.target == wanted || bind.source == wanted
            case .volume(let volume): mount.target == wanted || volume.name == wanted
            case .tmpfs: false
            }
        }
    }
}
