public import Linux
import Monitor
import OCI
import SystemPackage

/// `events --filter`: values of one key are alternatives (labels must all hold), keys must all hold.
public struct EventFilters: Equatable, Sendable {
    private var values: [String: [String]] = [:]

    /// No filter.
    public init() {}

    private static let keys: Set<String> = [
        "config", "container", "daemon", "event", "image", "label", "network", "node", "plugin", "scope",
        "secret", "service", "type", "volume",
    ]

    /// Takes one `key=value`.
    public mutating func add(_ text: String) throws(UsageError) {
        let term = try FilterTerm(text, of: Self.keys)
        values[term.key, default: []].append(term.value)
    }

    func holds(for event: Event) -> Bool {
        values.allSatisfy { key, wanted in holds(key, wanted, event) }
    }

    private func holds(_ key: String, _ wanted: [String], _ event: Event) -> Bool {
        switch key {
        case "type": return wanted.contains(event.type)
        // `health_status` means each of its values.
        case "event":
            let kind = String(event.action.prefix { $0 != ":" })
            return wanted.contains { $0 == event.action || $0 == kind }
        case "label":
            return wanted.allSatisfy { FilterTerm.hasLabel($0, event.attributes) }
        case "scope": return wanted.contains("local")
        case "image": return wanted.contains { isImage($0, event) }
        case "container", "network", "volume":
            // Of another object's event it is who took part.
            if event.type != key { return wanted.contains { event.attributes[key]?.hasPrefix($0) ?? false } }
            let name = event.attributes["name"] ?? ""
            return wanted.contains { event.id.hasPrefix($0) || name.hasPrefix($0) }
        default: return false
        }
    }

    /// With or without its tag.
    private func isImage(_ wanted: String, _ event: Event) -> Bool {
        let key = event.type == "image" ? "name" : "image"
        guard event.type == "image" || event.type == "container" else { return false }
        func withoutTag(_ name: String) -> String {
            guard let reference = try? Reference(name) else { return name }  // an id
            return reference.repository
        }
        return [event.attributes[key], event.type == "image" ? event.id : nil].contains { name in
            guard let name else { return false }
            return name == wanted || withoutTag(name) == wanted || withoutTag(name) == withoutTag(wanted)
        }
    }
}

/// The events of an engine since it has a run directory, in the order in which they were written.
public struct EventReader: ~Copyable {
    private var chain: LogChain
    private var rest: [UInt8] = []
    public var filters = EventFilters()
    public var since: Timestamp?
    public var until: Timestamp?

    /// `paths.run` is made where it is not there yet.
    public init(_ paths: EnginePaths) throws {
        chain = LogChain(directory: try FD.directory(paths.run, make: true), name: EventLog.name)
    }

    /// Hands on each event: what has been since `since` or, where only `until` is given, at all, and what comes; until
    /// `until`, else for ever.
    public mutating func run(_ show: (EventView) throws -> Void) throws {
        try chain.refresh()
        if since == nil, until == nil { try chain.skip(toLast: 0) }
        var pause: Int32 = 1
        while true {
            let isOver = until.map { $0 <= .now() } ?? false
            let chunk = try chain.readMore()
            rest += chunk
            try handOn(show)
            guard chunk.isEmpty else {
                pause = 1
                continue
            }
            if isOver { return }
            Kernel.sleep(milliseconds: pause)
            pause = min(50, pause * 2)
        }
    }

    private mutating func handOn(_ show: (EventView) throws -> Void) throws {
        var start = rest.startIndex
        while let end = rest[start...].firstIndex(of: 0x0a) {
            let line = Array(rest[start..<end])
            start = end + 1
            // A line that a full disk has cut is left out.
            guard let json = try? JSON(parsing: line), let event = try? Event(json) else { continue }
            if let since, event.time < since { continue }
            if let until, event.time > until { continue }
            if filters.holds(for: event) { try show(EventView(event, json)) }
        }
        rest.removeSubrange(..<start)
    }
}

/// An event as it is shown.
public struct EventView: Sendable {
    private let event: Event
    /// docker's document.
    let json: JSON

    init(_ event: Event, _ json: JSON) { (self.event, self.json) = (event, json) }

    /// How each is shown: docker's line, `json`, or a Go template.
    public static func formatter(_ format: String) throws(TemplateError) -> (EventView) throws -> String {
        switch format {
        case "": return { $0.line }
        case "json", "{{json .}}": return { String(decoding: $0.json.bytes, as: UTF8.self) }
        default:
            let template = try Template(Listing.unescaped(format))
            return { try template.render($0.facts) }
        }
    }

    /// docker's line: the time, what happened to whom, and its attributes by name.
    var line: String {
        let pairs = event.attributes.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        let tail = pairs.isEmpty ? "" : " (\(pairs.joined(separator: ", ")))"
        return "\(Durations.rfc3339Nano(event.time)) \(event.type) \(event.action) \(event.id)\(tail)"
    }

    /// By the names of docker's templates.
    var facts: JSON {
        return .fields([
            "Status": json["status"] ?? .string(""), "ID": json["id"] ?? .string(""),
            "From": json["from"] ?? .string(""), "Type": json["Type"], "Action": json["Action"],
            "Actor": json["Actor"], "Scope": .string("local"), "Time": json["time"],
            "TimeNano": json["timeNano"],
        ])
    }
}

extension EventSource {
    /// What the events of a container say of it.
    init(of config: ContainerConfig, _ paths: EnginePaths) {
        var attributes = config.process.labels
        (attributes["image"], attributes["name"]) = (config.imageName, config.name)
        self.init(EventLog(in: paths.run), attributes)
    }
}
