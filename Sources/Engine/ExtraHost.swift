/// Addresses and names for /etc/hosts and /etc/resolv.conf as they are typed.
public enum NameOptions {
    /// One `--add-host`, `name:address` or `name=address`: always `name:address` with the address bare.
    public static func extraHost(_ text: String) throws(UsageError) -> String {
        guard let separator = text.firstIndex(of: "=") ?? text.firstIndex(of: ":"),
            separator != text.startIndex
        else { throw UsageError("bad format for add-host: \"\(text)\"") }
        let name = text[..<separator]
        var address = text[text.index(after: separator)...]
        if address.hasPrefix("["), address.hasSuffix("]") { address = address.dropFirst().dropLast() }
        guard !address.isEmpty, !name.contains(where: \.isWhitespace) else {
            throw UsageError("bad format for add-host: \"\(text)\"")
        }
        guard address == "host-gateway" || isAddress(address) else {
            throw UsageError("invalid IP address in add-host: \"\(address)\"")
        }
        return "\(name):\(address)"
    }

    /// One `--dns`.
    public static func server(_ text: String) throws(UsageError) -> String {
        guard isAddress(text[...]) else { throw UsageError("IP address is not correctly formatted: \(text)") }
        return text
    }

    /// One `--dns-search`; `.` stands for none.
    public static func searchDomain(_ text: String) throws(UsageError) -> String {
        let trimmed = text.hasSuffix(".") && text != "." ? String(text.dropLast()) : text
        let labels = trimmed.split(separator: ".", omittingEmptySubsequences: false)
        let valid = labels.allSatisfy { label in
            !label.isEmpty && label.utf8.count <= 63 && !label.hasPrefix("-") && !label.hasSuffix("-")
                && label.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") }
        }
        guard text == "." || valid else { throw UsageError("\(text) is not a valid domain") }
        return text
    }

    /// One `--dns-option`: anything that stays on its line.
    public static func resolverOption(_ text: String) throws(UsageError) -> String {
        guard !text.isEmpty, !text.contains(where: \.isWhitespace) else {
            throw UsageError("invalid DNS option \"\(text)\"")
        }
        return text
    }

    /// Dotted decimal, or hexadecimal groups with at most one `::`.
    static func isAddress(_ text: Substring) -> Bool { isIPv4(text) || isIPv6(text) }

    static func isIPv4(_ text: Substring) -> Bool {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4
            && parts.allSatisfy { part in
                (1...3).contains(part.utf8.count) && (part == "0" || !part.hasPrefix("0"))
                    && part.utf8.allSatisfy { $0 >= 0x30 && $0 <= 0x39 } && UInt8(part) != nil
            }
    }

    static func isIPv6(_ text: Substring) -> Bool {
        guard let gap = text.firstRange(of: "::") else { return groups(text) == 8 }
        let (head, tail) = (text[..<gap.lowerBound], text[gap.upperBound...])
        guard !head.contains(".") else { return false }
        guard let before = head.isEmpty ? 0 : groups(head), let after = tail.isEmpty ? 0 : groups(tail) else {
            return false
        }
        return before + after < 8
    }

    /// How many groups of 16 bits stand between the colons, a dotted IPv4 address at the end being two; nil
    /// when one is none.
    private static func groups(_ text: Substring) -> Int? {
        var parts = text.split(separator: ":", omittingEmptySubsequences: false)
        var count = 0
        if let last = parts.last, last.contains(".") {
            guard isIPv4(last) else { return nil }
            parts.removeLast()
            count = 2
        }
        let valid = parts.allSatisfy { part in
            (1...4).contains(part.utf8.count) && UInt16(part, radix: 16) != nil && !part.hasPrefix("+")
        }
        return valid ? count + parts.count : nil
    }
}
