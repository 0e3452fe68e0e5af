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
        let isVerbose = arguments.isOn("verbose")
        if isVerbose, let format, format.hasPrefix("table") {
            throw CommandFailure.bare("--verbose has several tables: give it a template, or json")
        }
        // A mere look makes nothing.
        let usage = try session.imagesIfThere()?.diskUsage() ?? .none
        for line in usage.damaged { Standard.error("WARNING: \(line)") }
        if isVerbose, let format {
            do {
                try Standard.out(DiskUsageView.details(usage, now: .now(), format: format))
            } catch let error as TemplateError {
                throw CommandFailure("failed to parse template: \(error)")
            }
        } else if isVerbose {
            try Standard.out(
                try DiskUsageView.details(usage, now: .now(), escaping: Standard.outIsTerminal))
        } else {
            try Listings.print(DiskUsageView.summary(usage), format: format)
        }
        return 0
    }
}
