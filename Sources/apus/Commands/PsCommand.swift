import Engine
import OCI
import Linux

/// `ps`.
enum PsCommand {
    static let ps = Command(
        "ps", group: "container", as: ["ls", "list", "ps"], "", "List containers",
        flags: [
            .toggle("all", "a", "Show all containers (default shows just running)"),
            .list("filter", "f", "filter", "Filter output based on conditions provided"),
            .value("format", "Print 'table', 'table TEMPLATE', 'json' or a Go template"),
            .value("last", "n", "int", "Show n last created containers (includes all states)"),
            .toggle("latest", "l", "Show the latest created container (includes all states)"),
            .toggle("no-trunc", "Don't truncate output"),
            .toggle("quiet", "q", "Only display container IDs"),
            .toggle("size", "s", "Display total file sizes"),
        ]
    ) { arguments, session in
        var filters = ContainerFilters()
        try arguments.eachFilter { text throws(UsageError) in try filters.add(text) }
        let last = arguments.isOn("latest") ? 1 : try arguments.parsed("last", Arguments.integer) ?? -1
        let containers = try session.containers()
        let (records, damaged) = try containers.records.readAll()
        for text in damaged { Standard.error("WARNING: \(text)") }
        var shown = try filters.apply(records.map { ContainerSummary(config: $0.config, state: $0.state) })
        if last > 0 {
            shown = Array(shown.prefix(last))
        } else if !arguments.isOn("all"), !filters.showsAll {
            shown.removeAll { !$0.state.isRunning }
        }
        let truncates = !arguments.isOn("no-trunc")
        let format = format(arguments)
        let showsSize = arguments.isOn("size")
        if showsSize || format?.contains(".Size") == true { shown = try containers.measured(shown) }
        // What is not shown is not looked up.
        if format.map({ $0.contains(".Image") || $0.contains("json") || $0 == "table" }) ?? true {
            try markRenamed(&shown, session)
        }
        let listing = PsView.listing(shown, now: .now(), truncates: truncates, showsSize: showsSize)
        try Listings.print(listing, format: format)
        return 0
    }

    private static func markRenamed(_ shown: inout [ContainerSummary], _ session: Session) throws {
        guard let images = try session.imagesIfThere() else { return }
        var known: [[String]: Bool] = [:]
        for at in shown.indices {
            let (name, id) = (shown[at].config.imageName, shown[at].config.image)
            let key = [name, id.description]
            let isRenamed = try known[key] ?? !images.stillMeans(name, id)
            known[key] = isRenamed
            shown[at].imageIsRenamed = isRenamed
        }
    }

    private static func format(_ arguments: Arguments) -> String? {
        guard arguments.isOn("quiet") else { return arguments.value("format") }
        if arguments.value("format")?.isEmpty == false {
            Standard.error("WARNING: Ignoring custom format, because both --format and --quiet are set.")
        }
        return "{{.ID}}"
    }
}

/// Printing listings.
enum Listings {
    /// Control characters are shown, not sent, when a terminal reads them.
    static func print(_ listing: Listing, format: String?) throws {
        do {
            try Standard.out(listing.render(format: format, escaping: Standard.outIsTerminal))
        } catch let error as TemplateError {
            throw CommandFailure("failed to parse template: \(error)")
        }
    }
}
