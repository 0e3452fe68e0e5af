import Engine
import Linux

/// `stats`.
enum StatsCommand {
    static let stats = Command(
        "stats", group: "container", "[CONTAINER...]",
        "Display a live stream of container(s) resource usage statistics", words: Command.atLeast(0),
        flags: [
            .toggle("all", "a", "Show all containers (default shows just running)"),
            .value("format", "Print 'table', 'table TEMPLATE', 'json' or a Go template"),
            .toggle("no-stream", "Disable streaming stats and only pull the first result"),
            .toggle("no-trunc", "Do not truncate output"),
        ]
    ) { arguments, session in
        let containers = try session.containers()
        let named = try arguments.words.map { (name: $0, id: try containers.records.find($0)) }
        let streams = !arguments.isOn("no-stream")
        var before = try looks(containers, named, all: arguments.isOn("all"))
        // The share of a processor is that of a time: a second of it, or less for who waits.
        Kernel.sleep(milliseconds: streams ? 1000 : 500)
        while true {
            let now = try looks(containers, named, all: arguments.isOn("all"))
            let samples = now.map { look in
                StatsView.Sample(
                    id: look.id, name: look.name, container: look.container,
                    before: before.first { $0.id == look.id }?.usage, now: look.usage)
            }
            let listing = StatsView.listing(samples, truncates: !arguments.isOn("no-trunc"))
            try show(listing, arguments.value("format"), redraws: streams && Standard.outIsTerminal)
            guard streams else { return 0 }
            before = now
            Kernel.sleep(milliseconds: 1000)
        }
    }

    private typealias Look = (id: String, name: String, container: String, usage: ContainerUsage)

    /// One look at each container that was named, else at each that runs. One that is gone is left out.
    private static func looks(
        _ containers: Containers, _ named: [(name: String, id: String)], all: Bool
    ) throws -> [Look] {
        let wanted =
            named.isEmpty
            ? try containers.records.readAll().records.filter { all || $0.state.isRunning }.map(\.config.id)
                .map { (name: $0, id: $0) } : named
        return try wanted.compactMap { name, id in
            do {
                let record = try containers.records.read(id)
                return (id, record.config.name, name, try containers.usage(of: record))
            } catch {
                // What has just been removed is no error.
                guard try containers.records.ids().contains(id) else { return nil }
                throw error
            }
        }
    }

    /// On a terminal over the last picture: to the top, each line's rest and what is below erased.
    private static func show(_ listing: Listing, _ format: String?, redraws: Bool) throws {
        guard redraws else { return try Listings.print(listing, format: format) }
        let text: String
        do { text = try listing.render(format: format, escaping: true) } catch {
            throw CommandFailure("failed to parse template: \(error)")
        }
        try Standard.out("\u{1b}[H" + text.replacing("\n", with: "\u{1b}[K\n") + "\u{1b}[J")
    }
}
