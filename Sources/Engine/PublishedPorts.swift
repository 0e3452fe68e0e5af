import OCI

/// What `port` prints.
public enum PublishedPorts {
    /// `80/tcp -> 0.0.0.0:8080`, a line for each place where a running container's port is published.
    public static func lines(of container: ContainerState) -> [String] {
        all(container).flatMap { port, places in places.map { "\(port) -> \($0)" } }.sorted(by: naturalOrder)
    }

    /// `0.0.0.0:8080`: the places of one port, `80` or `80/tcp` as it was typed. Errors are docker's.
    public static func lines(
        of container: ContainerState, port typed: String, named name: String
    ) throws(UsageError) -> [String] {
        let parts = typed.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let number = String(parts.first ?? "")
        guard !number.isEmpty, number.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), UInt16(number) != nil
        else {
            throw UsageError(
                "Error: invalid port (\(number)): strconv.ParseUint: parsing \"\(number)\": invalid syntax")
        }
        let kind = parts.count > 1 && !parts[1].isEmpty ? String(parts[1]) : "tcp"
        let places = all(container).first { $0.port == "\(number)/\(kind)" }?.places ?? []
        guard !places.isEmpty else {
            throw UsageError("Error: No public port '\(typed)' published for \(name)")
        }
        return places.sorted(by: naturalOrder)
    }

    private static func all(_ container: ContainerState) -> [(port: String, places: [String])] {
        guard container.isRunning else { return [] }
        return (container.network.ports.members ?? []).map { member in
            let places = (member.value.array ?? []).map { binding in
                let address = binding["HostIp"]?.string ?? "0.0.0.0"
                let port = binding["HostPort"]?.string ?? ""
                return address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
            }
            return (member.name, places)
        }
    }

    /// Numbers by their value: 80 before 443.
    static func naturalOrder(_ a: String, _ b: String) -> Bool {
        var (left, right) = (Array(a.utf8)[...], Array(b.utf8)[...])
        while let x = left.first, let y = right.first {
            let (one, two) = (left.prefix(while: isDigit), right.prefix(while: isDigit))
            if !one.isEmpty, !two.isEmpty {
                let (first, second) = (one.drop { $0 == 0x30 }, two.drop { $0 == 0x30 })
                if first.count != second.count { return first.count < second.count }
                if !first.elementsEqual(second) { return first.lexicographicallyPrecedes(second) }
                left = left.dropFirst(one.count)
                right = right.dropFirst(two.count)
            } else {
                if x != y { return x < y }
                (left, right) = (left.dropFirst(), right.dropFirst())
            }
        }
        return left.isEmpty && !right.isEmpty
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }
}
