/// Ports as `--expose` and EXPOSE name them.
public enum ExposedPort {
    /// `80`, `53/udp`, `8000-8010/tcp`: one name a port, `80/tcp`; docker's texts.
    public static func parse(_ text: String) throws(UsageError) -> [String] {
        guard !text.contains(":") else { throw UsageError("invalid port format for --expose: \(text)") }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        let kind = parts.count > 1 ? parts[1].lowercased() : "tcp"
        guard parts.count <= 2, ["tcp", "udp", "sctp"].contains(kind) else {
            throw UsageError("invalid range format for --expose: \(text), error: invalid proto: \(kind)")
        }
        let ends = parts[0].split(separator: "-", omittingEmptySubsequences: false).map(String.init)
        var numbers: [UInt16] = []
        for end in ends {
            guard let number = UInt16(end), number > 0 else {
                let isNumber = !end.isEmpty && end.utf8.allSatisfy { $0 >= 0x30 && $0 <= 0x39 }
                throw UsageError(
                    "invalid range format for --expose: \(text), error: strconv.ParseUint: parsing \"\(end)\": "
                        + (isNumber ? "value out of range" : "invalid syntax"))
            }
            numbers.append(number)
        }
        guard numbers.count <= 2, let first = numbers.first, let last = numbers.last, first <= last else {
            throw UsageError(
                "invalid range format for --expose: \(text), error: invalid range specified for port")
        }
        return (first...last).map { "\($0)/\(kind)" }
    }
}
