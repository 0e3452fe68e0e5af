/// The pattern of `${v#p}` and its kin: `*` any text, `?` any one character, `\` before a literal one.
struct ShellPattern {
    private enum Token {
        case literal(Unicode.Scalar), anyOne, anyText
    }
    private var tokens: [Token] = []

    init(_ text: String, escape: Unicode.Scalar) throws(DockerfileError) {
        var scalars = text.unicodeScalars.makeIterator()
        while let scalar = scalars.next() {
            switch scalar {
            case "*": tokens.append(.anyText)
            case "?": tokens.append(.anyOne)
            case escape:
                guard let escaped = scalars.next() else {
                    throw DockerfileError("invalid escape '' in pattern")
                }
                tokens.append(.literal(escaped))
            default: tokens.append(.literal(scalar))
            }
        }
        if tokens.count > 4096 { throw DockerfileError("pattern is too long") }
    }

    /// For matching at the end of a text: both are turned round.
    func reversed() -> ShellPattern {
        var copy = self
        copy.tokens.reverse()
        return copy
    }

    /// The lengths of the shortest and the longest match at the start of the text; nil when there is none.
    /// All positions in the pattern are followed at once, so that no text makes it slow.
    func matches(_ text: ArraySlice<Unicode.Scalar>) -> (shortest: Int, longest: Int)? {
        var live = closure(of: [0])
        var result: (shortest: Int, longest: Int)?
        var length = 0
        func note() {
            guard live.contains(tokens.count) else { return }
            result = (result?.shortest ?? length, length)
        }
        note()
        for scalar in text {
            var following: Set<Int> = []
            for state in live where state < tokens.count {
                switch tokens[state] {
                case .anyText: following.insert(state)
                case .anyOne: following.insert(state + 1)
                case .literal(scalar): following.insert(state + 1)
                case .literal: break
                }
            }
            live = closure(of: following)
            if live.isEmpty { break }
            length += 1
            note()
        }
        return result
    }

    /// `*` may also stand for nothing.
    private func closure(of states: Set<Int>) -> Set<Int> {
        var result = states
        for state in states {
            var next = state
            while next < tokens.count, case .anyText = tokens[next] {
                next += 1
                result.insert(next)
            }
        }
        return result
    }
}
