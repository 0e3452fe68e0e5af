import CLinux

/// A moment in UTC, to the nanosecond. Records and logs write it as RFC 3339 with nine digits.
public struct Timestamp: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// Since 1970-01-01T00:00:00Z; negative before.
    public let seconds: Int64
    /// 0 to 999,999,999.
    public let nanoseconds: Int32

    /// Brings nanoseconds that are out of range back to 0.
    public init(seconds: Int64, nanoseconds: Int32 = 0) {
        self.seconds = seconds
        self.nanoseconds = (0..<1_000_000_000).contains(nanoseconds) ? nanoseconds : 0
    }

    /// The clock of the wall (CLOCK_REALTIME).
    public static func now() -> Timestamp {
        var seconds: Int64 = 0
        var nanoseconds: CLong = 0
        // CLOCK_REALTIME cannot fail; were it to, 1970 is what we show.
        _ = cl_clock(0, &seconds, &nanoseconds)
        return Timestamp(seconds: seconds, nanoseconds: Int32(truncatingIfNeeded: nanoseconds))
    }

    /// Time since boot (CLOCK_MONOTONIC), for deadlines: nobody sets this clock.
    public static func sinceBoot() -> Timestamp {
        var seconds: Int64 = 0
        var nanoseconds: CLong = 0
        _ = cl_clock(1, &seconds, &nanoseconds)
        return Timestamp(seconds: seconds, nanoseconds: Int32(truncatingIfNeeded: nanoseconds))
    }

    /// docker's "never": the year 1, as Go writes its zero time.
    public static let zero = Timestamp(seconds: -62_135_596_800)

    /// Earlier.
    public static func < (a: Timestamp, b: Timestamp) -> Bool {
        (a.seconds, a.nanoseconds) < (b.seconds, b.nanoseconds)
    }

    /// Seconds from `earlier` to this moment, with their fraction.
    public func elapsed(since earlier: Timestamp) -> Double {
        Double(seconds &- earlier.seconds) + Double(nanoseconds - earlier.nanoseconds) / 1e9
    }

    /// `2026-11-20T21:06:39.798857238Z`: always nine digits, as docker's log prefix.
    public var rfc3339Nano: String { "\(date)T\(clock).\(fraction)Z" }

    /// Without trailing zeros of the fraction, as Go's RFC3339Nano and docker inspect: `...:39.5Z`, `...:39Z`.
    public var rfc3339Short: String {
        if nanoseconds == 0 { return "\(date)T\(clock)Z" }
        var digits = fraction
        while digits.hasSuffix("0") { digits.removeLast() }
        return "\(date)T\(clock).\(digits)Z"
    }

    /// As `rfc3339Nano`.
    public var description: String { rfc3339Nano }

    /// `2026-11-20`.
    public var date: String {
        let day = Timestamp.civil(days: floorDivide(seconds, 86400))
        return "\(padded(day.year, 4))-\(padded(Int64(day.month), 2))-\(padded(Int64(day.day), 2))"
    }

    /// `21:06:39`.
    public var clock: String {
        let second = (seconds % 86400 + 86400) % 86400
        return "\(padded(second / 3600, 2)):\(padded(second / 60 % 60, 2)):\(padded(second % 60, 2))"
    }

    private var fraction: String { padded(Int64(nanoseconds), 9) }
}

extension Timestamp {
    /// Reads RFC 3339: `T`, `t` or a blank between date and time, up to nine digits of a fraction (more are cut),
    /// `Z` or an offset. Days that no calendar has are refused; nil for anything else.
    public init?(parsing text: String) {
        var rest = Substring(text)
        guard let year = digits(&rest, 4), take(&rest, "-"), let month = digits(&rest, 2), take(&rest, "-"),
            let day = digits(&rest, 2), take(&rest, "T") || take(&rest, "t") || take(&rest, " "),
            let hour = digits(&rest, 2), take(&rest, ":"), let minute = digits(&rest, 2), take(&rest, ":"),
            let second = digits(&rest, 2), hour < 24, minute < 60, second <= 60
        else { return nil }
        var nanoseconds: Int32 = 0
        if take(&rest, ".") {
            let fraction = rest.prefix { ("0"..."9").contains($0) }
            guard !fraction.isEmpty, let value = Int32(fraction.prefix(9)) else { return nil }
            nanoseconds = value
            for _ in fraction.prefix(9).count..<9 { nanoseconds *= 10 }
            rest = rest.dropFirst(fraction.count)
        }
        guard let offset = Timestamp.offset(&rest), rest.isEmpty,
            let days = Timestamp.days(year: year, month: month, day: day)
        else { return nil }
        self.init(
            seconds: days * 86400 + hour * 3600 + minute * 60 + second - offset, nanoseconds: nanoseconds)
    }

    /// `Z`, `+02:00` or `-0330`, in seconds east of Greenwich.
    private static func offset(_ rest: inout Substring) -> Int64? {
        if take(&rest, "Z") || take(&rest, "z") { return 0 }
        let sign: Int64 = rest.hasPrefix("-") ? -1 : 1
        guard take(&rest, "+") || take(&rest, "-"), let hours = digits(&rest, 2) else { return nil }
        _ = take(&rest, ":")
        guard let minutes = digits(&rest, 2), hours < 24, minutes < 60 else { return nil }
        return sign * (hours * 3600 + minutes * 60)
    }

    /// Days since 1970-01-01 of a day of the Gregorian calendar; nil when there is no such day.
    public static func days(year: Int64, month: Int64, day: Int64) -> Int64? {
        guard (0...9999).contains(year), (1...12).contains(month), day >= 1 else { return nil }
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let lengths: [Int64] = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        guard day <= lengths[Int(month) - 1] else { return nil }
        // The year begins in March here, so that a leap day is its last; 400 years have 146,097 days.
        let y = month <= 2 ? year - 1 : year
        let era = floorDivide(y, 400)
        let yearOfEra = y - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// The Gregorian day that lies `days` after 1970-01-01.
    static func civil(days: Int64) -> (year: Int64, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = floorDivide(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), Int(month), Int(day))
    }
}

private func floorDivide(_ a: Int64, _ b: Int64) -> Int64 { a / b - (a % b < 0 ? 1 : 0) }

private func padded(_ value: Int64, _ width: Int) -> String {
    let text = String(value)
    return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
}

private func take(_ rest: inout Substring, _ character: Character) -> Bool {
    guard rest.first == character else { return false }
    rest.removeFirst()
    return true
}

private func digits(_ rest: inout Substring, _ count: Int) -> Int64? {
    let part = rest.prefix(count)
    guard part.utf8.count == count, part.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
    rest = rest.dropFirst(count)
    return Int64(part)
}
