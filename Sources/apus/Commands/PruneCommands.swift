import Engine
import Linux
import SystemPackage

/// `container prune`, `image prune`, `volume prune`, `builder prune` and `system prune`.
enum PruneCommands {
    static let force = Flag.toggle("force", "f", "Do not prompt for confirmation")
    static let dryRun = Flag.toggle("dry-run", "Say what would be removed, and remove nothing")
    static let filter = Flag.list(
        "filter", nil, "filter", "Only what passes: until=<timestamp>, label=<key>[=<value>] or label!=...")

    static let container = Command(
        "", group: "container", as: ["prune"], "", "Remove all stopped containers",
        flags: [filter, force, dryRun]
    ) { arguments, session in
        let filters = try filters(arguments)
        var report = PruneReport(arguments)
        guard try report.isAgreed("WARNING! This will remove all stopped containers.\n\(question)") else {
            return 0
        }
        try report.add("Containers", session.containers().prune(filters, isDryRun: report.isDryRun))
        return try report.finish()
    }

    static let image = Command(
        "", group: "image", as: ["prune"], "", "Remove unused images",
        flags: [
            .toggle("all", "a", "Remove all unused images, not just dangling ones"),
            .list("filter", nil, "filter", "\(filter.help); dangling=false is --all"), force, dryRun,
        ]
    ) { arguments, session in
        var dangling: Bool?
        let filters = try filters(arguments) { text throws(UsageError) in
            guard text.hasPrefix("dangling=") else { return false }
            let value = String(text.dropFirst(9))
            dangling = parseBool(value)
            guard dangling != nil else { throw UsageError("invalid filter 'dangling=[\(value)]'") }
            return true
        }
        let all = arguments.isOn("all") || dangling == false
        var report = PruneReport(arguments)
        let which = all ? "images without at least one container associated to them" : "dangling images"
        guard try report.isAgreed("WARNING! This will remove all \(which).\n\(question)") else { return 0 }
        if let images = try session.imagesIfThere() {
            try report.add("Images", images.prune(all: all, filters, isDryRun: report.isDryRun))
        }
        return try report.finish()
    }

    static let volume = Command(
        "", group: "volume", as: ["prune"], "", "Remove unused local volumes",
        flags: [
            .toggle("all", "a", "Remove all unused volumes, not just anonymous ones"),
            .list("filter", nil, "filter", "Only what passes: label=<key>[=<value>] or label!=..."), force,
            dryRun,
        ]
    ) { arguments, session in
        var all = arguments.isOn("all")
        let filters = try filters(arguments) { (text: String) throws(UsageError) -> Bool in
            if text.hasPrefix("until=") { throw UsageError("invalid filter 'until'") }
            guard text.hasPrefix("all=") else { return false }
            guard let value = parseBool(String(text.dropFirst(4))) else {
                throw UsageError("invalid filter '\(text)'")
            }
            all = all || value
            return true
        }
        var report = PruneReport(arguments)
        let which = all ? "all local volumes" : "anonymous local volumes"
        let asked = "WARNING! This will remove \(which) not used by at least one container.\n\(question)"
        guard try report.isAgreed(asked) else { return 0 }
        let volumes = try session.volumes()
        try report.add("Volumes", volumes.prune(all: all, filters, isDryRun: report.isDryRun))
        return try report.finish()
    }

    static let builder = Command(
        "", group: "builder", as: ["prune"], "", "Remove build cache",
        flags: [
            .toggle("all", "a", "Remove all unused build cache, not just dangling ones"), filter, force,
            dryRun,
        ]
            + Flag.later("keep-storage", "reserved-space", "max-used-space", "min-free-space")
    ) { arguments, session in
        let filters = try filters(arguments)
        let all = arguments.isOn("all")
        var report = PruneReport(arguments)
        let which = all ? "build cache" : "dangling build cache"
        guard try report.isAgreed("WARNING! This will remove all \(which). \(question)") else { return 0 }
        if let images = try session.imagesIfThere() {
            try report.add(
                "build cache objects", images.pruneBuildCache(all: all, filters, isDryRun: report.isDryRun))
        }
        return try report.finish()
    }

    static let system = Command(
        "", group: "system", as: ["prune"], "", "Remove unused data",
        flags: [
            .toggle("all", "a", "Remove all unused images not just dangling ones"),
            .toggle("volumes", "Prune anonymous volumes"), filter, force, dryRun,
        ]
    ) { arguments, session in
        let filters = try filters(arguments)
        let (all, volumes) = (arguments.isOn("all"), arguments.isOn("volumes"))
        if volumes, filters.until != nil {
            throw CommandFailure("the \"until\" filter is not supported with \"--volumes\"")
        }
        var report = PruneReport(arguments)
        guard try report.isAgreed(warning(all: all, volumes: volumes, filters)) else { return 0 }
        let dry = report.isDryRun
        var gone = try report.add("Containers", session.containers().prune(filters, isDryRun: dry))
        let networks = Networks(paths: try session.paths())
        try report.add("Networks", networks.prune(filters, isDryRun: dry, after: gone))
        if volumes {
            let pruned = try session.volumes().prune(filters, isDryRun: dry, after: gone)
            report.add("Volumes", pruned)
        }
        guard let images = try session.imagesIfThere() else { return try report.finish() }
        gone = try report.add("Images", images.prune(all: all, filters, isDryRun: dry, after: gone))
        // A step of a build has no label.
        if filters.shown.allSatisfy({ $0.hasPrefix("until=") }) {
            try report.add(
                "build cache objects",
                images.pruneBuildCache(all: all, filters, isDryRun: dry, after: gone))
        }
        if filters.isEmpty { report.add(bytes: try images.removeDownloads(isDryRun: dry)) }
        return try report.finish()
    }

    private static let question = "Are you sure you want to continue?"

    /// docker's.
    static func warning(all: Bool, volumes: Bool, _ filters: PruneFilters) -> String {
        var lines = ["all stopped containers", "all networks not used by at least one container"]
        if volumes { lines.append("all anonymous volumes not used by at least one container") }
        lines.append(
            all ? "all images without at least one container associated to them" : "all dangling images")
        lines.append(all ? "all build cache" : "unused build cache")
        var text = "WARNING! This will remove:\n" + lines.map { "  - \($0)\n" }.joined()
        if !filters.isEmpty {
            text +=
                "\n  Items to be pruned will be filtered with:\n"
                + filters.shown.map { "  - \($0)\n" }.joined()
        }
        return text + "\n" + question
    }

    /// `takes` has the first look at each.
    static func filters(
        _ arguments: Arguments, _ takes: (String) throws(UsageError) -> Bool = { _ in false }
    ) throws -> PruneFilters {
        var filters = PruneFilters()
        try arguments.eachFilter { text throws(UsageError) in
            if try !takes(text) { try filters.add(text) }
        }
        return filters
    }
}

/// What a prune asks before and says after.
struct PruneReport {
    let isDryRun: Bool
    private let isForced: Bool
    private var bytes: Int64 = 0
    private var sections: [String] = []

    init(_ arguments: Arguments) {
        (isDryRun, isForced) = (arguments.isOn("dry-run"), arguments.isOn("force"))
    }

    /// Asks, unless --force or --dry-run makes that needless. No answer is a no.
    func isAgreed(_ question: String) throws -> Bool {
        if isDryRun || isForced { return true }
        try Standard.out("\(question) [y/N] ")
        let input = try Standard.duplicate(0)
        var answer: [UInt8] = []
        while answer.last != UInt8(ascii: "\n"), answer.count < 100 {
            let byte = try input.readSome(limit: 1)
            if byte.isEmpty { break }
            answer += byte
        }
        return ["y\n", "y", "Y\n", "Y"].contains(String(decoding: answer, as: UTF8.self))
    }

    mutating func add(bytes more: Int64) { bytes += more }

    /// One kind of thing. Answers what is taken for removed by now.
    @discardableResult
    mutating func add(_ kind: String, _ reclaimed: Reclaimed) -> Reclaimed.Gone {
        for line in reclaimed.warnings { Standard.error("WARNING: \(line)") }
        bytes += reclaimed.bytes
        guard !reclaimed.lines.isEmpty else { return reclaimed.gone }
        let title = isDryRun ? "Would delete \(kind.lowercased()):" : "Deleted \(kind):"
        sections.append(title + "\n" + reclaimed.lines.map { "\($0)\n" }.joined())
        return reclaimed.gone
    }

    func finish() throws -> Int32 {
        let word = isDryRun ? "reclaimable" : "reclaimed"
        let text = sections.map { $0 + "\n" }.joined()
        try Standard.show(text + "Total \(word) space: \(Size.human(bytes, digits: 4))\n")
        return 0
    }
}
