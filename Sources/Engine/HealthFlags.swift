import OCI

/// What `--health-*` say; what is not given is the image's.
public struct HealthFlags: Equatable, Sendable {
    public var command: String?
    /// In nanoseconds.
    public var interval: Int64?
    public var timeout: Int64?
    public var startPeriod: Int64?
    public var startInterval: Int64?
    public var retries: Int?
    /// `--no-healthcheck`.
    public var isOff = false

    public init() {}

    private var isGiven: Bool {
        command != nil || retries != nil
            || [interval, timeout, startPeriod, startInterval].contains { $0 != nil }
    }

    /// Refuses what cannot be meant, in docker's words.
    public func check() throws(UsageError) {
        if isOff, isGiven { throw UsageError("--no-healthcheck conflicts with --health-* options") }
        for (name, value) in [
            ("interval", interval), ("timeout", timeout), ("start-period", startPeriod),
            ("start-interval", startInterval),
        ] {
            guard let value, value != 0 else { continue }
            if value < 0 { throw UsageError("--health-\(name) cannot be negative") }
            if value < 1_000_000 { throw UsageError("--health-\(name) cannot be less than 1ms") }
        }
        if let retries, retries < 0 { throw UsageError("--health-retries cannot be negative") }
    }

    /// docker's document for a container of an image with this one.
    func merged(over image: JSON?) -> JSON? {
        if isOff { return .fields(["Test": .array([.string("NONE")])]) }
        guard isGiven else { return image }
        func number(_ value: Int64?, _ name: String) -> JSON? { value.map(JSON.int) ?? image?[name] }
        let test = command.map { JSON.array([.string("CMD-SHELL"), .string($0)]) }
        return .fields([
            "Test": test ?? image?["Test"], "Interval": number(interval, "Interval"),
            "Timeout": number(timeout, "Timeout"), "StartPeriod": number(startPeriod, "StartPeriod"),
            "StartInterval": number(startInterval, "StartInterval"),
            "Retries": number(retries.map(Int64.init), "Retries"),
        ])
    }
}
