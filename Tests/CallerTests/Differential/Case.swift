import Support

/// A line of a table in `cases/`: one invocation of docker and of apus, and what is not the same on purpose.
struct Case: Sendable {
    enum Stream: String, Sendable, CaseIterable { case code, out, err }

    /// An intended difference: `key` is that of an entry of docs/differences.md.
    struct Difference: Sendable {
        let stream: Stream
        let key: String
        /// What apus has there instead, as compared; an empty line is nothing, nil what is not looked at.
        var expected: [String]?
    }

    let file: String
    let line: Int
    /// A line of shell in which `apus` is the program; on docker's side it is docker.
    let script: String
    /// Not compared, only run: it prepares what follows.
    let isSetUp: Bool
    var differences: [Difference] = []
    /// The order of stdout's lines is nobody's promise.
    var isUnordered = false

    var place: String { "\(file):\(line)" }
}

extension Case {
    /// The grammar of a table. `# ...` is a comment, `: SHELL` prepares, any other line that is not indented is a
    /// case. Below a case, indented: `! STREAM KEY` names a difference, `> TEXT` a line that apus has there,
    /// `sorted` that the lines' order does not count.
    static func parse(_ text: String, file: String) throws -> [Case] {
        var cases: [Case] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            func refuse(_ why: String) -> Trouble {
                Trouble(because: "\(file):\(index + 1): \(why): \(line)")
            }
            if line.hasPrefix("#") || line.allSatisfy(\.isWhitespace) { continue }
            guard line.hasPrefix("  ") else {
                let isSetUp = line.hasPrefix(": ")
                cases.append(
                    Case(
                        file: file, line: index + 1, script: String(isSetUp ? line.dropFirst(2) : line),
                        isSetUp: isSetUp))
                continue
            }
            guard !cases.isEmpty, !cases[cases.count - 1].isSetUp else { throw refuse("no case above") }
            try cases[cases.count - 1].take(line.dropFirst(2), refuse)
        }
        return cases
    }

    private mutating func take(_ line: Substring, _ refuse: (String) -> Trouble) throws {
        let words = line.split(separator: " ")
        if words == ["sorted"] {
            isUnordered = true
        } else if line.hasPrefix("! ") {
            guard words.count == 3, let stream = Stream(rawValue: String(words[1])) else {
                throw refuse("`! STREAM KEY` has three words")
            }
            differences.append(Difference(stream: stream, key: String(words[2])))
        } else if line.hasPrefix(">") {
            guard !differences.isEmpty else { throw refuse("no difference above") }
            let text = String(line.dropFirst(line.hasPrefix("> ") ? 2 : 1))
            differences[differences.count - 1].expected = (differences.last?.expected ?? []) + [text]
        } else {
            throw refuse("not understood")
        }
    }
}
