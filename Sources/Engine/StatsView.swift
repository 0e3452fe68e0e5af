public import Linux

/// What a container uses, as one look at its cgroup and its network saw it. Nil where the host has no controller for it.
public struct ContainerUsage: Equatable, Sendable {
    /// Nanoseconds of processors since it was started, and when that was read.
    public var processors: UInt64?
    public var taken: Timestamp
    /// Bytes without what the kernel can take back at once, and how many may be used.
    public var memory: UInt64?
    public var memoryLimit: UInt64?
    /// Bytes from and to networks.
    public var received: UInt64?
    public var sent: UInt64?
    /// Bytes from and to disks.
    public var read: UInt64?
    public var written: UInt64?
    /// Processes and threads.
    public var processes: UInt64?

    /// A container that does not run uses nothing.
    public static func none(at time: Timestamp) -> ContainerUsage {
        var usage = ContainerUsage(taken: time)
        (usage.processors, usage.memory, usage.memoryLimit, usage.processes) = (0, 0, 0, 0)
        (usage.received, usage.sent, usage.read, usage.written) = (0, 0, 0, 0)
        return usage
    }

    init(taken: Timestamp) { self.taken = taken }
}

/// The listing of `stats`.
public enum StatsView {
    /// One container between two looks; `name` is how it was asked for.
    public struct Sample: Equatable, Sendable {
        public let id: String
        public let name: String
        public let container: String
        public let before: ContainerUsage?
        public let now: ContainerUsage

        /// `container` is what the user called it.
        public init(
            id: String, name: String, container: String, before: ContainerUsage?, now: ContainerUsage
        ) {
            (self.id, self.name, self.container, self.before, self.now) = (id, name, container, before, now)
        }
    }

    /// A row for each, in the order given.
    public static func listing(_ samples: [Sample], truncates: Bool) -> Listing {
        let headings = [
            ("Container", "CONTAINER"), ("ID", "CONTAINER ID"), ("Name", "NAME"), ("CPUPerc", "CPU %"),
            ("MemUsage", "MEM USAGE / LIMIT"), ("MemPerc", "MEM %"), ("NetIO", "NET I/O"),
            ("BlockIO", "BLOCK I/O"), ("PIDs", "PIDS"),
        ]
        let columns = headings.dropFirst().map { "{{.\($0.0)}}" }
        return Listing(
            headings: headings.map { (field: $0.0, heading: $0.1) },
            template: columns.joined(separator: "\t"), rows: samples.map { row($0, truncates) })
    }

    private static func row(_ sample: Sample, _ truncates: Bool) -> Listing.Row {
        let now = sample.now
        return Listing.Row([
            (name: "Container", value: sample.container),
            (name: "ID", value: truncates ? String(sample.id.prefix(12)) : sample.id),
            (name: "Name", value: sample.name),
            (name: "CPUPerc", value: percent(processors(sample))),
            (name: "MemUsage", value: pair(now.memory, now.memoryLimit, binary)),
            (name: "MemPerc", value: percent(share(now.memory, of: now.memoryLimit))),
            (name: "NetIO", value: pair(now.received, now.sent, decimal)),
            (name: "BlockIO", value: pair(now.read, now.written, decimal)),
            (name: "PIDs", value: now.processes.map { String($0) } ?? "--"),
        ])
    }

    /// Of one processor, in hundredths, between two looks; of a container's first look nothing is known.
    private static func processors(_ sample: Sample) -> Double? {
        guard let now = sample.now.processors else { return nil }
        guard let before = sample.before, let used = before.processors else { return now == 0 ? 0 : nil }
        let seconds = sample.now.taken.elapsed(since: before.taken)
        guard seconds > 0, now >= used else { return 0 }
        return Double(now - used) / 1e9 / seconds * 100
    }

    private static func share(_ part: UInt64?, of whole: UInt64?) -> Double? {
        guard let part, let whole else { return nil }
        return whole == 0 ? 0 : Double(part) / Double(whole) * 100
    }

    private static func percent(_ value: Double?) -> String {
        guard let value else { return "--" }
        let hundredths = Int64((value * 100).rounded())
        return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100)%"
    }

    private static func pair(_ a: UInt64?, _ b: UInt64?, _ text: (UInt64) -> String) -> String {
        "\(a.map(text) ?? "--") / \(b.map(text) ?? "--")"
    }

    private static func decimal(_ bytes: UInt64) -> String { Size.human(Int64(clamping: bytes)) }

    /// Powers of 1024 with four digits, as docker counts memory: `1.945GiB`.
    static func binary(_ bytes: UInt64) -> String {
        var value = Double(bytes)
        var unit = 0
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
        while value >= 1024, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        return Size.significant(value, digits: 4) + units[unit]
    }
}
