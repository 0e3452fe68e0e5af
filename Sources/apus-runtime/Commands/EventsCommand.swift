import Linux
import OCI
import Runtime

extension Command {
    static let events = Command(
        "events", "[--stats] [--interval DURATION] ID",
        "show what a container uses, and when it runs out of memory",
        flags: ["interval=", "stats"]
    ) { context throws(RuntimeError) in
        let id = try context.onlyID("events")
        let text = context.arguments["interval"] ?? "5s"
        guard let interval = milliseconds(text), interval > 0 else {
            throw RuntimeError("duration interval must be greater than 0: \"\(text)\"")
        }
        if context.arguments.has("stats") {
            Standard.out(try containerStatistics(id, root: context.root).text + "\n")
        } else {
            try watchContainer(id, root: context.root, interval: interval) { event throws(RuntimeError) in
                Standard.out(event.text + "\n")
            }
        }
        return 0
    }
}

/// Go's durations in one unit: `5s`, `100ms`, `1.5m`.
private func milliseconds(_ text: String) -> Int32? {
    let number = text.prefix { $0.isASCII && $0.isNumber || $0 == "." }
    let units: [Substring: Double] = ["ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000]
    guard let value = Double(number), let unit = units[text.dropFirst(number.count)], value * unit < 2e9
    else {
        return nil
    }
    return Int32(value * unit)
}
