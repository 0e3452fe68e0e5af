public import Linux

/// Times as docker's listings and flags write them.
public enum Durations {
    /// `2 minutes`, `About an hour`: for `Up ...` and `... ago`.
    public static func human(_ seconds: Double) -> String {
        let whole = Int64(max(0, min(seconds, 1e15)))
        let minutes = whole / 60
        let hours = Int64((Double(whole) / 3600).rounded())
        switch whole {
        case 0: return "Less than a second"
        case 1: return "1 second"
        case 2..<60: return "\(whole) seconds"
        default: break
        }
        if minutes == 1 { return "About a minute" }
        if minutes < 60 { return "\(minutes) minutes" }
        if hours == 1 { return "About an hour" }
        if hours < 48 { return "\(hours) hours" }
        if hours < 24 * 7 * 2 { return "\(hours / 24) days" }
        if hours < 24 * 30 * 2 { return "\(hours / 24 / 7) weeks" }
        if hours < 24 * 365 * 2 { return "\(hours / 24 / 30) months" }
        return "\(whole / 3600 / 24 / 365) years"
    }

    /// How long ago `time` was: `3 seconds ago`.
    public static func ago(_ time: Timestamp, now: Timestamp) -> String {
        human(now.elapsed(since: time)) + " ago"
    }

    /// `2026-11-20 22:06:39 +0100 CET`; in the zone of this process unless another is given.
    public static func absolute(_ time: Timestamp, in zone: LocalZone? = nil) -> String {
        let zone = zone ?? LocalZone(at: time)
        let local = Timestamp(seconds: time.seconds &+ zone.offset)
        return "\(local.date) \(local.clock) \(zone.clock()) \(zone.name)"
    }

    /// `2026-11-20T22:06:39+01:00`, or with a `Z` where that is UTC.
    public static func rfc3339(_ time: Timestamp, in zone: LocalZone? = nil) -> String {
        let zone = zone ?? LocalZone(at: time)
        let local = Timestamp(seconds: time.seconds &+ zone.offset)
        return "\(local.date)T\(local.clock)" + (zone.offset == 0 ? "Z" : zone.clock(separator: ":"))
    }

    /// `2026-11-20T22:06:39.000000000+01:00`: always nine digits.
    public static func rfc3339Nano(_ time: Timestamp) -> String {
        let zone = LocalZone(at: time)
        let local = Timestamp(seconds: time.seconds &+ zone.offset)
        let digits = String(1_000_000_000 + Int(time.nanoseconds)).dropFirst()
        return "\(local.date)T\(local.clock).\(digits)"
            + (zone.offset == 0 ? "Z" : zone.clock(separator: ":"))
    }

    /// A duration of Go: `1h30m`, `10s`, `1.5h`, `300ms`; in seconds. nil for anything else.
    public static func parse(_ text: String) -> Double? {
        var rest = Substring(text)
        let sign = rest.hasPrefix("-") ? -1.0 : 1.0
        if rest.hasPrefix("-") || rest.hasPrefix("+") { rest.removeFirst() }
        if rest == "0" { return 0 }
        let units: [(String, Double)] = [
            ("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1), ("m", 60), ("h", 3600),
        ]
        var total = 0.0
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            let digits = rest.prefix { $0 == "." || ($0.isASCII && $0.isNumber) }
            rest = rest.dropFirst(digits.count)
            let unit = rest.prefix { !($0 == "." || ($0.isASCII && $0.isNumber)) }
            rest = rest.dropFirst(unit.count)
            guard let number = Double(digits), let factor = units.first(where: { $0.0 == unit })?.1 else {
                return nil
            }
            total += number * factor
        }
        return total < 1e12 ? sign * total : nil
    }

    /// `--since` and `--until`: RFC 3339 (the zone and the time may be missing), seconds since 1970 with a
    /// fraction, or a duration before `now`.
    public static func moment(_ text: String, now: Timestamp) throws(UsageError) -> Timestamp {
        if let time = Timestamp(parsing: text) { return time }
        for ending in ["Z", ":00Z", ":00:00Z", "T00:00:00Z"] {
            if let time = Timestamp(parsing: text + ending) { return time }
        }
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        if let seconds = Int64(parts[0]), abs(seconds) < 1 << 40, parts.count == 1 || UInt64(parts[1]) != nil
        {
            let fraction = parts.count == 2 ? parts[1].prefix(9) : ""
            let digits = fraction + String(repeating: "0", count: 9 - fraction.count)
            return Timestamp(seconds: seconds, nanoseconds: Int32(digits) ?? 0)
        }
        guard let duration = parse(text) else {
            throw UsageError(
                "failed to parse value as time or duration: \"\(text)\"")
        }
        let whole = duration.rounded(.down)
        var nanoseconds = Int64(now.nanoseconds) - Int64((duration - whole) * 1e9)
        var seconds = now.seconds - Int64(whole)
        if nanoseconds < 0 {
            nanoseconds += 1_000_000_000
            seconds -= 1
        }
        return Timestamp(seconds: seconds, nanoseconds: Int32(truncatingIfNeeded: nanoseconds))
    }
}
