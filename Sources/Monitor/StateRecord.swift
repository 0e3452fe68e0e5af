import Linux
import OCI
import SystemPackage

/// `state.json` of a container: what its monitor knows, in docker's words. A crash may forget it, so it is
/// replaced without fsync.
struct StateRecord: Equatable, Sendable {
    /// created, running, restarting or exited.
    var status = "created"
    /// While it runs: it stands still.
    var isPaused = false
    /// By its policy, since it was started by hand.
    var restartCount = 0
    /// A command has ended it, or will.
    var isStoppedByHand = false
    var pid: Int32 = 0
    var startTime: UInt64 = 0
    var bootID = ""
    var exitCode: Int32?
    var error = ""
    var oomKilled = false
    var startedAt = Timestamp.zero
    var finishedAt = Timestamp.zero
    var network: JSON?
    /// docker's `Health`; nil without a check.
    var health: JSON?

    var json: JSON {
        .fields([
            "Status": .string(status), "Pid": .int(Int64(pid)), "StartTime": .int(Int64(clamping: startTime)),
            "BootID": .string(bootID), "ExitCode": exitCode.map { .int(Int64($0)) }, "Error": .string(error),
            "OOMKilled": .bool(oomKilled), "StartedAt": .string(startedAt.rfc3339Nano),
            "FinishedAt": .string(finishedAt.rfc3339Nano), "Network": network,
            "Paused": .bool(isPaused), "RestartCount": .int(Int64(restartCount)),
            "StoppedByHand": .bool(isStoppedByHand), "Health": health,
        ])
    }

    init() {}

    init(_ json: JSON) throws(JSONError) {
        status = try json.requireString("Status")
        pid = Int32(clamping: try json.optionalInt("Pid") ?? 0)
        startTime = UInt64(clamping: try json.optionalInt("StartTime") ?? 0)
        bootID = try json.optionalString("BootID") ?? ""
        exitCode = try json.optionalInt("ExitCode").map { Int32(clamping: $0) }
        error = try json.optionalString("Error") ?? ""
        oomKilled = try json.optionalBool("OOMKilled") ?? false
        startedAt = try json.optionalString("StartedAt").flatMap { Timestamp(parsing: $0) } ?? .zero
        finishedAt = try json.optionalString("FinishedAt").flatMap { Timestamp(parsing: $0) } ?? .zero
        network = json["Network"]
        health = json["Health"]
        isPaused = try json.optionalBool("Paused") ?? false
        restartCount = Int(clamping: try json.optionalInt("RestartCount") ?? 0)
        isStoppedByHand = try json.optionalBool("StoppedByHand") ?? false
    }

    func write(to directory: borrowing FD) throws(SysError) {
        do {
            try directory.replace("state.json", with: json.bytes, durable: false)
        } catch {
            guard [.noSpace, .diskQuotaExceeded].contains(error.errno) else { throw error }
            try overwrite(in: directory)
        }
    }

    /// Without a new file: the room that the old record has is enough on a full disk too. Blanks cover what is left
    /// of a longer one.
    private func overwrite(in directory: borrowing FD) throws(SysError) {
        let file = try directory.open("state.json", .readWrite, resolve: [.beneath])
        let bytes = json.bytes
        let rest = Int(clamping: try file.status().size) - bytes.count
        try file.writeAll(bytes + [UInt8](repeating: UInt8(ascii: " "), count: max(0, rest)))
    }
}
