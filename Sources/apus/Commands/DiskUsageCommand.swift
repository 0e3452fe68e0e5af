import Engine
import Linux

/// `system df`.
enum DiskUsageCommand {
    static let df = Command(
        "", group: "system", as: ["df"], "", "Show disk usage",
        flags: [
            .value("format", "Print 'table', 'table TEMPLATE', 'json' or a Go template"),
            .toggle("verbose", "v", "Show detailed information on space usage"),
        ]
    ) { arguments, session in
        let format = arguments.value("format").flatMap { $0.isEmpty ? nil : $0 }
        if arguments.isOn("verbose"), format != nil {
            throw CommandFailure.bare("the verbose and the format options conflict")
        }
        // A mere look makes nothing.
        let usage = try session.imagesIfThere()?.diskUsage() ?? .none
        for line in usage.damaged { Standard.error("WARNING: \(line)") }
        if arguments.isOn("verbose") {
            try Standard.out(
                try DiskUsageView.details(usage, now: .now(), escaping: Standard.outIsTerminal))
        } else {
            try Listings.print(DiskUsageView.summary(usage), format: format)
        }
        return 0
    }
}
