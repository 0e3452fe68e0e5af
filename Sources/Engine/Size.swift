/// Amounts of bytes as users write and read them.
public enum Size {
    /// `512`, `64m`, `1.5g`, `2GiB`, powers of 1024; docker's text otherwise.
    public static func parse(_ text: String) throws(UsageError) -> Int64 {
        let refusal = UsageError("invalid size: '\(text)'")
        var rest = Substring(text.lowercased())
        if rest.hasSuffix("b") { rest.removeLast() }
        if rest.hasSuffix("i") { rest.removeLast() }
        var shift: Int64 = 0
        if let last = rest.last, let index = "kmgtp".firstIndex(of: last) {
            shift = 10 * Int64("kmgtp".distance(from: "kmgtp".startIndex, to: index) + 1)
            rest.removeLast()
        } else if text.lowercased().hasSuffix("i") || text.lowercased().hasSuffix("ib") {
            throw refusal
        }
        if rest.hasSuffix(" ") { rest.removeLast() }
        guard rest.utf8.allSatisfy({ ($0 >= 0x30 && $0 <= 0x39) || $0 == 0x2e }), let number = Double(rest)
        else {
            throw refusal
        }
        let bytes = number * Double(Int64(1) << shift)
        guard bytes < 0x1p62 else { throw refusal }
        return Int64(bytes)
    }

    /// As `parse`, or -1 for no limit.
    public static func parseOrUnlimited(_ text: String) throws(UsageError) -> Int64 {
        text == "-1" ? -1 : try parse(text)
    }

    /// docker's listings: powers of 1000, `1.23MB`, `167MB`, `0B`; where it counts disk usage it shows a fourth digit.
    public static func human(_ bytes: Int64, digits: Int = 3) -> String {
        var value = Double(bytes)
        var unit = 0
        let units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"]
        while value >= 1000, unit < units.count - 1 {
            value /= 1000
            unit += 1
        }
        return significant(value, digits: digits) + units[unit]
    }

    /// A number as C's `%.<digits>g` prints it, for values from 0 to below 1000.
    static func significant(_ value: Double, digits: Int) -> String {
        var decimals = digits - 1
        var limit = 10.0
        while value >= limit, decimals > 0 {
            limit *= 10
            decimals -= 1
        }
        var scale: Int64 = 1
        for _ in 0..<decimals { scale *= 10 }
        let scaled = Int64((value * Double(scale)).rounded(.toNearestOrEven))
        var text = String(scaled / scale)
        if scale > 1, scaled % scale != 0 {
            let fraction = String(scaled % scale)
            text += "." + String(repeating: "0", count: decimals - fraction.utf8.count) + fraction
            while text.hasSuffix("0") { text.removeLast() }
        }
        return text
    }
}

/// Processors as `--cpus` takes them.
public enum Processors {
    /// `1.5` or `3/2` in billionths.
    public static func parse(_ text: String) throws(UsageError) -> Int64 {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        let numbers = parts.compactMap { Double($0) }.filter(\.isFinite)
        guard numbers.count == parts.count, (1...2).contains(parts.count),
            numbers.last != 0 || parts.count == 1
        else { throw UsageError("failed to parse \(text) as a rational number") }
        let value = parts.count == 2 ? numbers[0] / numbers[1] : numbers[0]
        let nano = (value * 1e9).rounded()
        guard abs(nano) < 1e18 else { throw UsageError("failed to parse \(text) as a rational number") }
        guard abs(value * 1e9 - nano) < 1e-3 else { throw UsageError("value is too precise") }
        return Int64(nano)
    }
}
