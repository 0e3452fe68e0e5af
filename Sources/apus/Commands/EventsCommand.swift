import Engine
import Linux

/// `events`.
enum EventsCommand {
    static let events = Command(
        "events", group: "system", "", "Get real time events from the engine",
        flags: [
            .list("filter", "f", "filter", "Filter output based on conditions provided"),
            .value("format", "Format output using a custom template: 'json' or a Go template"),
            .value("since", "Show all events created since timestamp"),
            .value("until", "Stream events until this timestamp"),
        ]
    ) { arguments, session in
        var reader = try EventReader(try session.paths())
        var filters = EventFilters()
        try arguments.eachFilter { text throws(UsageError) in try filters.add(text) }
        reader.filters = filters
        let now = Timestamp.now()
        if let text = arguments.text("since") { reader.since = try Durations.moment(text, now: now) }
        if let text = arguments.text("until") { reader.until = try Durations.moment(text, now: now) }
        if let since = reader.since, let until = reader.until, until < since {
            throw CommandFailure(
                "`since` time (\(since.seconds)) cannot be after `until` time (\(until.seconds))")
        }
        let show: (EventView) throws -> String
        do { show = try EventView.formatter(arguments.value("format") ?? "") } catch {
            throw CommandFailure("template parsing error: \(error)")
        }
        try reader.run { event in
            let text = try show(event)
            try Standard.out((Standard.outIsTerminal ? escapeControls(text) : text) + "\n")
        }
        return 0
    }
}
