/// Go's path.Match: `*` and `?` stop at a slash, `[a-z]` and `[^a]` are classes, `\` takes the next character as it is.
enum PathMatch {
    private enum Part: Equatable {
        case any, one
        case character(UInt8)
        case oneOf([ClosedRange<UInt8>], isNegated: Bool)

        func takes(_ byte: UInt8) -> Bool {
            switch self {
            case .any, .one: byte != UInt8(ascii: "/")
            case .character(let wanted): byte == wanted
            case .oneOf(let ranges, let isNegated): ranges.contains { $0.contains(byte) } != isNegated
            }
        }
    }

    static func isValid(_ pattern: String) -> Bool { parts(pattern) != nil }

    /// False for a pattern that is none.
    static func matches(_ pattern: String, _ text: String) -> Bool {
        guard let parts = parts(pattern) else { return false }
        let text = Array(text.utf8)
        // reachable[j]: the pattern so far matches the first j bytes.
        var reachable = [Bool](repeating: false, count: text.count + 1)
        reachable[0] = true
        for part in parts {
            var next = [Bool](repeating: false, count: text.count + 1)
            for j in 0...text.count {
                if part == .any {
                    next[j] = reachable[j] || (j > 0 && next[j - 1] && part.takes(text[j - 1]))
                } else if j > 0, reachable[j - 1] {
                    next[j] = part.takes(text[j - 1])
                }
            }
            reachable = next
        }
        return reachable[text.count]
    }

    private static func parts(_ pattern: String) -> [Part]? {
        var rest = Array(pattern.utf8)[...]
        var result: [Part] = []
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "*"): result.append(.any)
            case UInt8(ascii: "?"): result.append(.one)
            case UInt8(ascii: "["):
                guard let part = oneOf(&rest) else { return nil }
                result.append(part)
            case UInt8(ascii: "\\"):
                guard let next = rest.popFirst() else { return nil }
                result.append(.character(next))
            default: result.append(.character(byte))
            }
        }
        return result
    }

    /// After `[`.
    private static func oneOf(_ rest: inout ArraySlice<UInt8>) -> Part? {
        let isNegated = rest.first == UInt8(ascii: "^")
        if isNegated { rest.removeFirst() }
        var ranges: [ClosedRange<UInt8>] = []
        while rest.first != UInt8(ascii: "]") || ranges.isEmpty {
            guard let low = character(&rest) else { return nil }
            var high = low
            if rest.first == UInt8(ascii: "-") {
                rest.removeFirst()
                guard let end = character(&rest), end >= low else { return nil }
                high = end
            }
            ranges.append(low...high)
        }
        rest.removeFirst()
        return .oneOf(ranges, isNegated: isNegated)
    }

    private static func character(_ rest: inout ArraySlice<UInt8>) -> UInt8? {
        guard let byte = rest.popFirst(), byte != UInt8(ascii: "-"), byte != UInt8(ascii: "]") else {
            return nil
        }
        return byte == UInt8(ascii: "\\") ? rest.popFirst() : byte
    }
}
