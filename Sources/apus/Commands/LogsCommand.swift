import Engine
import Linux
import SystemPackage

/// `logs`.
enum LogsCommand {
    static let logs = Command(
        "logs", group: "container", "CONTAINER", "Fetch the logs of a container", words: 1...1,
        flags: [
            .toggle("follow", "f", "Follow log output"),
            .value("since", "Show logs since a time (RFC 3339, seconds) or a duration ago (42m)"),
            .value("tail", "n", "string", "Number of lines to show from the end of the logs"),
            .toggle("timestamps", "t", "Show timestamps"),
            .value("until", "Show logs before a time (RFC 3339, seconds) or a duration ago (42m)"),
            .toggle("details", "Show extra details provided to logs"),
        ]
    ) { arguments, session in
        let containers = try session.containers()
        let record = try containers.records.read(named: arguments.words[0])
        guard record.config.host.log.driver == .jsonFile else {
            throw CommandFailure.bare("configured logging driver does not support reading")
        }
        let directory = try FD.open(containers.paths.container(record.config.id), [.readOnly, .directory])
        var reader = LogReader(directory: directory, try selection(arguments))
        let id = record.config.id
        try reader.run { try containers.records.read(id).state.isRunning }
        return 0
    }

    private static func selection(_ arguments: Arguments) throws -> LogSelection {
        let now = Timestamp.now()
        var options = LogSelection()
        options.follow = arguments.isOn("follow")
        options.timestamps = arguments.isOn("timestamps")
        options.details = arguments.isOn("details")
        func moment(_ name: String) throws -> Timestamp? {
            do { return try arguments.text(name).map { try Durations.moment($0, now: now) } } catch {
                throw CommandFailure("invalid value for \"\(name)\": \(error)")
            }
        }
        (options.since, options.until) = (try moment("since"), try moment("until"))
        // What is no number means all, as with docker.
        if let count = arguments.value("tail").flatMap({ Int($0) }), count >= 0 { options.tail = count }
        return options
    }
}
