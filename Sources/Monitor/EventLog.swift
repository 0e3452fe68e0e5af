public import Linux
public import OCI
public import SystemPackage

/// Something that has happened to an object of the engine: a line of `events`, in docker's words (Engine API, events).
public struct Event: Equatable, Sendable {
    /// What it happened to: `container`, `image`, `network`, `volume`.
    public var type: String
    /// `start`, `die`, `health_status: healthy`.
    public var action: String
    /// The object's id; of images and volumes what they were called by.
    public var id: String
    public var attributes: [String: String]
    public var time: Timestamp

    /// Takes its parts; it happened now.
    public init(_ type: String, _ action: String, id: String, _ attributes: [String: String] = [:]) {
        (self.type, self.action, self.id, self.attributes) = (type, action, id, attributes)
        time = .now()
    }

    /// docker's document.
    public var json: JSON {
        let isOld = type == "container" || type == "image"
        let actor = JSON.fields([
            "ID": .string(id), "Attributes": .nonEmpty(attributes) ?? .object([]),
        ])
        let nanoseconds = time.seconds.multipliedReportingOverflow(by: 1_000_000_000).partialValue
        return .fields([
            "status": isOld ? .string(action) : nil, "id": isOld ? .string(id) : nil,
            "from": type == "container" ? attributes["image"].map { .string($0) } : nil,
            "Type": .string(type), "Action": .string(action), "Actor": actor, "scope": .string("local"),
            "time": .int(time.seconds), "timeNano": .int(nanoseconds &+ Int64(time.nanoseconds)),
        ])
    }

    /// What stands in the file.
    public init(_ json: JSON) throws(JSONError) {
        guard let actor = json["Actor"] else { throw JSONError("Actor is missing") }
        self.init(
            try json.requireString("Type"), try json.requireString("Action"),
            id: try actor.requireString("ID"),
            try actor.mapOrEmpty("Attributes"))
        let nanoseconds = try json.requireInt("timeNano")
        time = Timestamp(
            seconds: nanoseconds / 1_000_000_000, nanoseconds: Int32(nanoseconds % 1_000_000_000))
    }
}

/// The events of this boot, one JSON line each, in the run directory: `events`, and `events.1` before it. Commands and
/// monitors write side by side, under a shared lock of the directory; whoever makes a new file has it alone.
public struct EventLog: Equatable, Sendable {
    public let directory: FilePath

    /// The name of its newest file.
    public static let name = "events"
    private static let limit: Int64 = 4 << 20

    /// `directory` is the engine's run directory.
    public init(in directory: FilePath) { self.directory = directory }

    /// Writes it down, or not: no command fails for want of an event.
    public func tell(_ event: Event) { try? write(event.json.bytes + [0x0a]) }

    private func write(_ line: [UInt8]) throws(SysError) {
        let directory = try FD.directory(directory, make: true)
        try directory.lock(shared: true)
        let file = try directory.open(
            FilePath(Self.name), [.writeOnly, .create, .append], mode: 0o600, resolve: [.beneath])
        try file.writeAll(line)
        guard try file.status().size > Self.limit else { return }
        try directory.lock()
        // Another one may have been first.
        guard let size = try directory.status(of: FilePath(Self.name))?.size, size > Self.limit else {
            return
        }
        try directory.rename(FilePath(Self.name), to: FilePath(Self.name + ".1"), in: directory)
        _ = try directory.open(FilePath(Self.name), [.writeOnly, .create], mode: 0o600, resolve: [.beneath])
    }
}

/// What the events of a container say of it, wherever they come from.
public struct EventSource: Equatable, Sendable {
    public var log: EventLog
    /// Labels, `image` and `name`.
    public var attributes: [String: String]

    /// Takes its parts.
    public init(_ log: EventLog, _ attributes: [String: String]) {
        (self.log, self.attributes) = (log, attributes)
    }

    /// Something has happened to the container.
    public func tell(_ action: String, _ id: String, _ more: [String: String] = [:]) {
        log.tell(Event("container", action, id: id, attributes.merging(more) { $1 }))
    }

    var json: JSON {
        .fields([
            "directory": .string(log.directory.string),
            "attributes": .nonEmpty(attributes),
        ])
    }

    init(_ json: JSON) throws(JSONError) {
        self.init(
            EventLog(in: FilePath(try json.requireString("directory"))),
            try json.mapOrEmpty("attributes"))
    }
}
