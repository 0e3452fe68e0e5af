/// A pattern for paths: Go's filepath.Match, or with `doubleStars` the syntax of .dockerignore.
public struct PathPattern: Equatable, Sendable {
    private enum Token: Equatable, Sendable {
        case literal(UInt32)
        /// `?`: any character but `/`.
        case anyOne
        /// `*`: any text without `/`.
        case anyName
        /// `**` at the end: any text.
        case anyText
        /// `**/`: nothing, or directories with their slashes. Always followed by the state inside a name.
        case anyDirectories, insideDirectories
        case choice(negated: Bool, ranges: [ClosedRange<UInt32>])
    }
    private var tokens: [Token] = []
    /// What every match starts with; nil when the pattern is this text and nothing else.
    private var prefix: [UInt32] = []
    let isLiteral: Bool
    /// What a pattern without wildcards stands for, its escapes taken away.
    var literal: [UInt8] {
        prefix.flatMap { character -> [UInt8] in
            if character & 0x8000_0000 != 0 { return [UInt8(truncatingIfNeeded: character)] }
            return Unicode.Scalar(character).map { Array(String($0).utf8) } ?? []
        }
    }

    /// Nil when the pattern is malformed: an open bracket, an escape at the end.
    public init?(_ text: String, doubleStars: Bool) {
        let characters = PathPattern.characters(of: text.utf8)
        var reader = Reader(text: characters)
        while let character = reader.next() {
            switch character {
            case "*":
                guard doubleStars, reader.take("*") else { tokens.append(.anyName); continue }
                while reader.take("*") {}
                if reader.isAtEnd { tokens.append(.anyText); continue }
                _ = reader.take("/")
                tokens += [.anyDirectories, .insideDirectories]
            case "?": tokens.append(.anyOne)
            case "[":
                guard let choice = reader.choice() else { return nil }
                tokens.append(.choice(negated: choice.negated, ranges: choice.ranges))
            case "\\":
                guard let escaped = reader.next() else { return nil }
                tokens.append(.literal(escaped))
            default: tokens.append(.literal(character))
            }
        }
        if tokens.count > 4096 { return nil }
        for case .literal(let character) in tokens.prefix(while: {
            if case .literal = $0 { true } else { false }
        }) {
            prefix.append(character)
        }
        isLiteral = prefix.count == tokens.count
    }

    /// A path's characters; bytes that are no UTF-8 stay apart from every character.
    static func characters(of bytes: some Sequence<UInt8>) -> [UInt32] {
        let bytes = Array(bytes)
        var result: [UInt32] = []
        result.reserveCapacity(bytes.count)
        var at = 0
        while at < bytes.count {
            let lead = bytes[at]
            let length = lead < 0xc2 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
            let sequence = bytes[at..<min(at + length, bytes.count)]
            if lead < 0x80 {
                result.append(UInt32(lead))
            } else if length > 1,
                let scalar = String(validating: sequence, as: UTF8.self)?.unicodeScalars.first
            {
                result.append(scalar.value)
                at += length - 1
            } else {
                result.append(0x8000_0000 | UInt32(lead))
            }
            at += 1
        }
        return result
    }

    /// Whether a whole text matches.
    public func matches(_ text: String) -> Bool { matches(text.unicodeScalars.map(\.value)) }

    /// Whether the whole path matches. All positions in the pattern are followed at once: no pattern is slow.
    func matches(_ path: [UInt32]) -> Bool {
        if isLiteral { return path == prefix }
        guard path.count >= prefix.count, path.starts(with: prefix) else { return false }
        let size = tokens.count + 1
        return withUnsafeTemporaryAllocation(of: Bool.self, capacity: 2 * size) { memory in
            memory.initialize(repeating: false)
            var live = UnsafeMutableBufferPointer(rebasing: memory[..<size])
            var following = UnsafeMutableBufferPointer(rebasing: memory[size...])
            live[prefix.count] = true
            for character in path[prefix.count...] {
                skipEmpty(live)
                guard step(character, from: live, to: following) else { return false }
                swap(&live, &following)
                following.update(repeating: false)
            }
            skipEmpty(live)
            return live[tokens.count]
        }
    }

    private func skipEmpty(_ live: UnsafeMutableBufferPointer<Bool>) {
        for (i, token) in tokens.enumerated() where live[i] {
            switch token {
            case .anyName, .anyText: live[i + 1] = true
            case .anyDirectories: live[i + 2] = true
            default: break
            }
        }
    }

    private func step(
        _ character: UInt32, from live: UnsafeMutableBufferPointer<Bool>,
        to next: UnsafeMutableBufferPointer<Bool>
    ) -> Bool {
        for (i, token) in tokens.enumerated() where live[i] {
            switch token {
            case .literal(let wanted): if wanted == character { next[i + 1] = true }
            case .anyOne: if character != "/" { next[i + 1] = true }
            case .anyName: if character != "/" { next[i] = true }
            case .anyText: next[i] = true
            case .anyDirectories:
                next[i + 1] = true
                if character == "/" { next[i + 2] = true }
            case .insideDirectories:
                next[i] = true
                if character == "/" { next[i + 1] = true }
            case .choice(let negated, let ranges):
                if character != "/", ranges.contains(where: { $0.contains(character) }) != negated {
                    next[i + 1] = true
                }
            }
        }
        return next.contains(true)
    }

    private struct Reader {
        let text: [UInt32]
        var at = 0
        var isAtEnd: Bool { at == text.count }

        mutating func next() -> UInt32? {
            guard at < text.count else { return nil }
            at += 1
            return text[at - 1]
        }

        mutating func take(_ character: Unicode.Scalar) -> Bool {
            guard at < text.count, text[at] == character.value else { return false }
            at += 1
            return true
        }

        /// After `[`.
        mutating func choice() -> (negated: Bool, ranges: [ClosedRange<UInt32>])? {
            let negated = take("^")
            var ranges: [ClosedRange<UInt32>] = []
            while true {
                if !ranges.isEmpty, take("]") { return (negated, ranges) }
                guard let low = bound() else { return nil }
                let high = take("-") ? bound() : low
                guard let high, low <= high else { return nil }
                ranges.append(low...high)
            }
        }

        private mutating func bound() -> UInt32? {
            guard let character = next(), character != "-", character != "]" else { return nil }
            return character == "\\" ? next() : character
        }
    }
}

/// So that characters can be written as such.
extension UInt32 {
    fileprivate static func == (a: UInt32, b: Unicode.Scalar) -> Bool { a == b.value }
    fileprivate static func != (a: UInt32, b: Unicode.Scalar) -> Bool { a != b.value }
    fileprivate static func ~= (pattern: Unicode.Scalar, value: UInt32) -> Bool { pattern.value == value }
}
