public import Linux
import OCI

/// A container as `ps` shows it.
public struct ContainerSummary: Equatable, Sendable {
    /// What it is.
    public var config: ContainerConfig
    /// What it does.
    public var state: ContainerState
    /// Bytes of the writable layer, where `-s` asks for them.
    public var size: Int64?
    /// The same with the image.
    public var wholeSize: Int64?
    /// The image's name means another image now, or none.
    public var imageIsRenamed = false

    /// Takes a record and what it says about the process.
    public init(config: ContainerConfig, state: ContainerState, size: Int64? = nil) {
        (self.config, self.state, self.size) = (config, state, size)
    }

    /// `Up 3 seconds`, `Exited (0) 2 minutes ago`.
    public func status(now: Timestamp) -> String {
        switch state.phase {
        case .created: return "Created"
        case .running:
            let up = "Up " + Durations.human(now.elapsed(since: state.startedAt ?? now))
            if state.isPaused { return up + " (Paused)" }
            guard let health = state.health?["Status"]?.string else { return up }
            return up + (health == "starting" ? " (health: starting)" : " (\(health))")
        case .restarting(let code, _):
            let shown = code.map(String.init) ?? "unknown"
            return "Restarting (\(shown)) " + Durations.ago(state.finishedAt ?? now, now: now)
        case .exited(let code):
            // A code that nobody saw is never shown as 0.
            let shown = code.map(String.init) ?? "unknown"
            return "Exited (\(shown)) " + Durations.ago(state.finishedAt ?? now, now: now)
        }
    }

    /// docker's Ports of a running container: those published with their bindings, those only exposed with null.
    var ports: JSON {
        guard state.isRunning else { return .object([]) }
        let published = state.network.ports.members ?? []
        let exposed = config.process.exposedPorts.sorted().filter { name in
            !published.contains { $0.name == name }
        }
        return .object(published + exposed.map { .init($0, .null) })
    }

    /// The image's name, or its id where the user typed that or the name is another's now.
    func imageShown(truncates: Bool) -> String {
        if imageIsRenamed { return truncates ? config.image.short : config.image.description }
        let hex =
            config.imageName.hasPrefix("sha256:") ? String(config.imageName.dropFirst(7)) : config.imageName
        return hex.utf8.count >= 12 && config.image.hex.hasPrefix(hex) ? config.image.short : config.imageName
    }
}

/// The listing of `ps`.
public enum PsView {
    /// One row a container, in the order given.
    public static func listing(
        _ containers: [ContainerSummary], now: Timestamp, truncates: Bool = true, showsSize: Bool = false
    ) -> Listing {
        let headings = [
            ("ID", "CONTAINER ID"), ("Image", "IMAGE"), ("Command", "COMMAND"), ("CreatedAt", "CREATED AT"),
            ("RunningFor", "CREATED"), ("Status", "STATUS"), ("State", "STATE"), ("Ports", "PORTS"),
            ("Names", "NAMES"), ("Labels", "LABELS"), ("Mounts", "MOUNTS"), ("LocalVolumes", "LOCAL VOLUMES"),
            ("Networks", "NETWORKS"), ("Platform", "PLATFORM"), ("Size", "SIZE"),
        ]
        var columns = ["ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names"]
        if showsSize { columns.append("Size") }
        let template = columns.map { "{{.\($0)}}" }.joined(separator: "\t")
        let rows = containers.map { row($0, now: now, truncates: truncates) }
        return Listing(
            headings: headings.map { (field: $0.0, heading: $0.1) }, template: template, rows: rows)
    }

    private static func row(_ container: ContainerSummary, now: Timestamp, truncates: Bool) -> Listing.Row {
        let (config, state) = (container.config, container.state)
        let command = shownCommand(config.command)
        let volumes = config.host.mounts.filter { $0.volume != nil }
        let labels = config.process.labels.sorted { $0.key < $1.key }
        let fields = [
            ("ID", truncates ? String(config.id.prefix(12)) : config.id),
            ("Image", container.imageShown(truncates: truncates)),
            ("Command", TemplateFunctions.quoted(truncates ? ellipsis(command, 20) : command)),
            ("CreatedAt", Durations.absolute(config.created)),
            ("RunningFor", Durations.ago(config.created, now: now)), ("Status", container.status(now: now)),
            ("State", state.status), ("Ports", PortsView.text(container.ports)),
            ("Names", config.name), ("Labels", labels.map { "\($0.key)=\($0.value)" }.joined(separator: ",")),
            ("Mounts", config.host.mounts.compactMap { mountName($0, truncates) }.joined(separator: ",")),
            ("LocalVolumes", String(volumes.count)), ("Networks", networks(config.host)),
            ("Platform", config.platform.description), ("Size", sizeShown(container)),
        ]
        let values = JSON.object(labels.map { .init($0.key, .string($0.value)) })
        return Listing.Row(fields.map { (name: $0.0, value: $0.1) }, methods: .fields(["Label": values]))
    }

    private static func networks(_ host: HostOptions) -> String {
        switch host.network {
        case .bridge, .named: host.endpoints.map(\.network).sorted().joined(separator: ",")
        case .host, .none: host.network.text
        case .container: ""
        }
    }

    /// docker's: arguments with a blank in single quotes, whatever else is in them.
    private static func shownCommand(_ command: [String]) -> String {
        let arguments = command.dropFirst().map { $0.contains(" ") ? "'\($0)'" : $0 }
        return (command.prefix(1) + arguments).joined(separator: " ")
    }

    /// docker's cut: `max` characters, the last of them `…`.
    static func ellipsis(_ text: String, _ max: Int) -> String {
        text.count <= max ? text : text.prefix(max - 1) + "…"
    }

    /// Of the writable layer, and of all that the container sees.
    private static func sizeShown(_ container: ContainerSummary) -> String {
        let own = Size.human(container.size ?? 0)
        return container.wholeSize.map { "\(own) (virtual \(Size.human($0)))" } ?? own
    }

    private static func mountName(_ mount: MountOption, _ truncates: Bool) -> String? {
        switch mount.kind {
        case .bind(let bind): truncates ? ellipsis(bind.source, 15) : bind.source
        case .volume(let volume): volume.name.map { truncates ? ellipsis($0, 15) : $0 }
        case .tmpfs: nil
        }
    }
}

/// The PORTS column.
enum PortsView {
    private struct Port: Comparable {
        let number: Int
        let address: String
        let host: Int
        let kind: String
        static func < (a: Port, b: Port) -> Bool {
            (a.number, a.address, a.host, a.kind) < (b.number, b.address, b.host, b.kind)
        }
    }

    /// `0.0.0.0:8080->80/tcp, 443/tcp`; neighbours whose host port is the same are one range.
    static func text(_ ports: JSON) -> String {
        var groups: [(key: String, first: Int, last: Int)] = []
        var result: [String] = []
        var mapped: [String] = []
        for port in list(ports).sorted() {
            if !port.address.isEmpty, port.host != port.number {
                mapped.append("\(join(port.address, "\(port.host)"))->\(port.number)/\(port.kind)")
                continue
            }
            let key = port.address.isEmpty ? port.kind : "\(port.address)/\(port.kind)"
            guard let at = groups.firstIndex(where: { $0.key == key }) else {
                groups.append((key, port.number, port.number))
                continue
            }
            if port.number == groups[at].last + 1 {
                groups[at].last = port.number
            } else {
                result.append(shown(groups[at]))
                groups[at] = (key, port.number, port.number)
            }
        }
        return (result + groups.map(shown) + mapped).joined(separator: ", ")
    }

    private static func list(_ ports: JSON) -> [Port] {
        (ports.members ?? []).flatMap { member -> [Port] in
            let parts = member.name.split(separator: "/").map(String.init)
            guard let number = parts.first.flatMap({ Int($0) }) else { return [] }
            let kind = parts.count > 1 ? parts[1] : "tcp"
            let bindings = member.value.array ?? []
            if bindings.isEmpty { return [Port(number: number, address: "", host: 0, kind: kind)] }
            return bindings.map { binding in
                let host = binding["HostPort"].flatMap {
                    $0.string.flatMap { Int($0) } ?? $0.int.map { Int($0) }
                }
                return Port(
                    number: number, address: binding["HostIp"]?.string ?? "0.0.0.0", host: host ?? 0,
                    kind: kind)
            }
        }
    }

    private static func shown(_ group: (key: String, first: Int, last: Int)) -> String {
        let parts = group.key.split(separator: "/").map(String.init)
        let range = group.first == group.last ? "\(group.first)" : "\(group.first)-\(group.last)"
        return parts.count == 1 ? "\(range)/\(parts[0])" : "\(join(parts[0], range))->\(range)/\(parts[1])"
    }

    private static func join(_ address: String, _ port: String) -> String {
        address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
    }
}
