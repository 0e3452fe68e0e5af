import Engine
import Linux

/// `history`.
enum HistoryCommand {
    static let history = Command(
        "history", group: "image", "IMAGE", "Show the history of an image", words: 1...1,
        flags: [
            .value("format", "Print 'table', 'table TEMPLATE', 'json' or a Go template"),
            .toggle("human", "H", "Print sizes and dates in human readable format", default: true),
            .toggle("no-trunc", "Don't truncate output"),
            .toggle("quiet", "q", "Only show image IDs"),
        ] + Flag.later("platform")
    ) { arguments, session in
        guard let images = try session.imagesIfThere() else {
            throw CommandFailure("No such image: \(arguments.words[0])")
        }
        let steps = try images.history(arguments.words[0])
        let listing = HistoryView.listing(
            steps, now: .now(), truncates: !arguments.isOn("no-trunc"), isHuman: arguments.isOn("human"))
        let format = arguments.value("format").flatMap { $0.isEmpty ? nil : $0 }
        try Listings.print(listing, format: format ?? (arguments.isOn("quiet") ? "{{.ID}}" : nil))
        return 0
    }
}
