import CLinux

/// A time zone at one moment: how clocks there go, and what that is called.
public struct LocalZone: Equatable, Sendable {
    /// Seconds east of Greenwich.
    public let offset: Int64
    /// `CEST`; `+03` where the zone has no name.
    public let name: String

    /// Greenwich's, as Go calls it.
    public static let utc = LocalZone(offset: 0, name: "UTC")

    public init(offset: Int64, name: String) { (self.offset, self.name) = (offset, name) }

    /// The zone of this process (TZ, else /etc/localtime) at a moment; UTC where it has none, or an unknown one.
    public init(at time: Timestamp) {
        var offset: CLong = 0
        let name = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 32) { buffer in
            guard let start = buffer.baseAddress, cl_local_time(time.seconds, &offset, start, 32) >= 0 else {
                return ""
            }
            return String(cString: start)
        }
        // Of a zone whose file it does not find, libc makes UTC with the beginning of its name: `Asia`.
        let isKnown =
            !name.isEmpty && (offset != 0 || ["UTC", "GMT", "WET"].contains(name) || !Self.asked(for: name))
        self = isKnown ? LocalZone(offset: Int64(offset), name: name) : .utc
    }

    private static func asked(for name: String) -> Bool {
        Process.environment.contains { $0.hasPrefix("TZ=\(name)") || $0.hasPrefix("TZ=:\(name)") }
    }

    /// `+0900`, with a separator `+09:00`.
    public func clock(separator: String = "") -> String {
        let minutes = abs(offset) / 60
        func padded(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return (offset < 0 ? "-" : "+") + padded(minutes / 60) + separator + padded(minutes % 60)
    }
}
