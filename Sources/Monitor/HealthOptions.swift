public import OCI

/// A health check that is to be made: docker's `Healthcheck` with its defaults filled in.
public struct HealthOptions: Equatable, Sendable {
    /// What is executed in the container.
    public var command: [String]
    /// In nanoseconds, as all durations here.
    public var interval: Int64 = 30_000_000_000
    public var timeout: Int64 = 30_000_000_000
    /// So long after a start failures count for nothing.
    public var startPeriod: Int64 = 0
    /// Between checks in that time.
    public var startInterval: Int64 = 5_000_000_000
    /// So many failures in a row are a sick container.
    public var retries = 3

    /// Checks are at least so far apart.
    static let shortest: Int64 = 50_000_000

    /// Reads docker's document; nil: no check is to be made. `shell` is the image's, for `CMD-SHELL`.
    public init?(_ document: JSON, shell: [String]?) throws(JSONError) {
        let test = try document.stringsOrEmpty("Test")
        switch test.first {
        case "CMD" where test.count > 1: command = Array(test.dropFirst())
        case "CMD-SHELL" where test.count > 1:
            command = (shell.flatMap { $0.isEmpty ? nil : $0 } ?? ["/bin/sh", "-c"]) + [test[1]]
        default: return nil
        }
        // Zero is docker's word for the default. A check is started on the host's account: not without a pause.
        func value(_ name: String, _ standard: Int64, atLeast least: Int64 = 0) throws(JSONError) -> Int64 {
            let given = try document.optionalInt(name) ?? 0
            return given > 0 ? max(given, least) : standard
        }
        interval = try value("Interval", interval, atLeast: Self.shortest)
        timeout = try value("Timeout", timeout, atLeast: 1_000_000)
        startPeriod = try value("StartPeriod", 0)
        startInterval = try value("StartInterval", startInterval, atLeast: Self.shortest)
        retries = Int(clamping: try value("Retries", 3))
    }

    /// A document that reads the same.
    public var json: JSON {
        .fields([
            "Test": .array((["CMD"] + command).map(JSON.string)), "Interval": .int(interval),
            "Timeout": .int(timeout), "StartPeriod": .int(startPeriod), "StartInterval": .int(startInterval),
            "Retries": .int(Int64(retries)),
        ])
    }
}
