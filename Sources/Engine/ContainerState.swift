public import Linux
public import OCI

/// What a container does now and how it ended: state.json, which its monitor writes.
public struct ContainerState: Equatable, Sendable {
    /// Where it stands.
    public enum Phase: Equatable, Sendable {
        case created
        /// The start time in clock ticks after boot and the boot's id tell this process from a later one.
        case running(pid: Int32, startTime: UInt64, bootID: String)
        /// Its monitor waits before the next start; the code is the last run's.
        case restarting(code: Int32?, bootID: String)
        /// nil: it ended while nobody watched.
        case exited(code: Int32?)
    }

    public var phase: Phase
    /// Why it could not be started; empty when it could.
    public var error = ""
    /// docker's code for a start that failed, of a container that was only created; else 0.
    public var failedStartCode: Int32 = 0
    public var oomKilled = false
    /// Of a running one: its processes stand still.
    public var isPaused = false
    /// Starts by its policy since it was started by hand.
    public var restartCount = 0
    /// A command has ended it: `unless-stopped` does not start it at boot.
    public var isStoppedByHand = false
    public var startedAt: Timestamp?
    public var finishedAt: Timestamp?
    /// docker's `Health`; nil without a check.
    public var health: JSON?
    public var network = NetworkFacts()

    /// A container that was never started.
    public init(phase: Phase = .created) { self.phase = phase }

    /// With docker, one that is about to be started again runs.
    public var isRunning: Bool {
        switch phase {
        case .running, .restarting: true
        case .created, .exited: false
        }
    }
    /// The boot it runs in.
    var bootID: String? {
        switch phase {
        case .running(_, _, let boot), .restarting(_, let boot): boot
        case .created, .exited: nil
        }
    }
    public var isRestarting: Bool { if case .restarting = phase { true } else { false } }
}

extension ContainerState {
    /// The document; nothing that is not known is written as if it were.
    public var json: JSON {
        var pid: Int32 = 0
        var startTime: UInt64?
        var boot: String?
        var code: JSON = .null
        switch phase {
        case .created: code = .int(Int64(failedStartCode))
        case .running(let process, let start, let bootID):
            (pid, startTime, boot, code) = (process, start, bootID, .int(0))
        case .restarting(let exit, let bootID):
            (boot, code) = (bootID, exit.map { .int(Int64($0)) } ?? .null)
        case .exited(let exit): code = exit.map { .int(Int64($0)) } ?? .null
        }
        return .fields([
            "Status": .string(isPaused ? "running" : status), "Pid": .int(Int64(pid)),
            "StartTime": startTime.map { .int(Int64(clamping: $0)) }, "BootID": boot.map(JSON.string),
            "ExitCode": code, "Error": .string(error), "OOMKilled": .bool(oomKilled),
            "StartedAt": startedAt.map { .string($0.rfc3339Nano) },
            "FinishedAt": finishedAt.map { .string($0.rfc3339Nano) }, "Network": network.json,
            "Paused": .bool(isPaused), "RestartCount": .int(Int64(restartCount)),
            "StoppedByHand": .bool(isStoppedByHand), "Health": health,
        ])
    }

    /// docker's word.
    public var status: String {
        switch phase {
        case .created: "created"
        case .running: isPaused ? "paused" : "running"
        case .restarting: "restarting"
        case .exited: "exited"
        }
    }

    /// Reads state.json.
    public init(_ json: JSON) throws(JSONError) {
        switch try json.requireString("Status") {
        case "created":
            phase = .created
            failedStartCode = Int32(clamping: try json.optionalInt("ExitCode") ?? 0)
        case "running":
            guard let pid = Int32(exactly: try json.requireInt("Pid")), pid > 0 else {
                throw JSONError("Pid is out of range")
            }
            guard let start = UInt64(exactly: try json.requireInt("StartTime")) else {
                throw JSONError("StartTime is out of range")
            }
            phase = .running(pid: pid, startTime: start, bootID: try json.requireString("BootID"))
        case "restarting":
            phase = .restarting(
                code: try json.optionalInt("ExitCode").map { Int32(truncatingIfNeeded: $0) },
                bootID: try json.requireString("BootID"))
        case "exited":
            phase = .exited(code: try json.optionalInt("ExitCode").map { Int32(truncatingIfNeeded: $0) })
        case let other: throw JSONError("Status \"\(other)\" is not known")
        }
        error = try json.optionalString("Error") ?? ""
        oomKilled = try json.optionalBool("OOMKilled") ?? false
        startedAt = try ContainerState.time(json, "StartedAt")
        finishedAt = try ContainerState.time(json, "FinishedAt")
        if let network = json["Network"] { self.network = try NetworkFacts(network) }
        health = json["Health"]
        isPaused = try json.optionalBool("Paused") ?? false
        restartCount = Int(clamping: try json.optionalInt("RestartCount") ?? 0)
        isStoppedByHand = try json.optionalBool("StoppedByHand") ?? false
    }

    /// docker's zero time and an empty text count as never.
    private static func time(_ json: JSON, _ member: String) throws(JSONError) -> Timestamp? {
        guard let text = try json.optionalString(member), !text.isEmpty else { return nil }
        guard let time = Timestamp(parsing: text) else {
            throw JSONError("\(member) is not a time of RFC 3339")
        }
        return time == .zero ? nil : time
    }
}
