/// One instruction's text, continuation lines joined and comments dropped.
struct LogicalLine: Equatable {
    let number: Int
    let text: String
    let heredocs: [Instruction.Heredoc]
}

/// Cuts a Dockerfile into logical lines: byte order mark, directives, comments, continuations, heredocs.
struct DockerfileLexer {
    /// Limits on what a file may ask of us (a Dockerfile comes from anywhere).
    static let longestLine = 1 << 20
    static let mostInstructions = 10_000

    private var lines: [[UInt8]]
    private var next = 0
    private(set) var escape = UInt8(ascii: "\\")
    private(set) var warnings: [String] = []

    init(_ bytes: [UInt8]) throws(DockerfileError) {
        let body = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? bytes.dropFirst(3) : bytes[...]
        lines = body.split(separator: 0x0a, omittingEmptySubsequences: false).map { line in
            line.last == 0x0d ? Array(line.dropLast()) : Array(line)
        }
        for (i, line) in lines.enumerated() {
            if line.count > Self.longestLine {
                throw DockerfileError("the line is longer than 1 MiB", line: i + 1)
            }
            if line.contains(0) { throw DockerfileError("the line holds a NUL byte", line: i + 1) }
            if String(validating: line, as: UTF8.self) == nil {
                throw DockerfileError("the line is not UTF-8", line: i + 1)
            }
        }
        try readDirectives()
    }

    /// Every instruction in turn.
    mutating func logicalLines() throws(DockerfileError) -> [LogicalLine] {
        next = 0
        var result: [LogicalLine] = []
        while let line = try logicalLine() {
            result.append(line)
            if result.count > Self.mostInstructions {
                throw DockerfileError("more than \(Self.mostInstructions) instructions", line: line.number)
            }
        }
        return result
    }

    private mutating func logicalLine() throws(DockerfileError) -> LogicalLine? {
        while next < lines.count {
            let number = next + 1
            var (text, continues) = continuation(isComment(lines[next]) ? [] : trimmed(lines[next]))
            next += 1
            if text.isEmpty, !continues { continue }
            while continues, next < lines.count {
                let line = lines[next]
                next += 1
                if isComment(line) { continue }
                if trimmed(line).isEmpty {
                    warnings.append("[Warning] line \(next): empty continuation line")
                    continue
                }
                let (more, goesOn) = continuation(line)
                (text, continues) = (text + more, goesOn)
                if text.count > Self.longestLine {
                    throw DockerfileError("the instruction is longer than 1 MiB", line: number)
                }
            }
            let joined = String(decoding: text, as: UTF8.self)
            let trimmedText = joined.trimmingBlanks()
            if trimmedText.isEmpty { continue }
            let heredocs = try readHeredocs(of: trimmedText, line: number)
            return LogicalLine(number: number, text: trimmedText, heredocs: heredocs)
        }
        return nil
    }

    /// The line without the escape character at its end, and whether there was one. `\\` at the end is none.
    private func continuation(_ line: [UInt8]) -> ([UInt8], Bool) {
        var end = line.count
        while end > 0, line[end - 1] == 0x20 || line[end - 1] == 0x09 { end -= 1 }
        guard end > 0, line[end - 1] == escape else { return (line, false) }
        if end > 1, line[end - 2] == escape { return (line, false) }
        return (Array(line[..<(end - 1)]), true)
    }

    private func trimmed(_ line: [UInt8]) -> [UInt8] { Array(line.drop(while: isBlank)) }

    private func isComment(_ line: [UInt8]) -> Bool {
        line.first(where: { !isBlank($0) }) == UInt8(ascii: "#")
    }
}

extension DockerfileLexer {
    /// `# key=value` lines at the very top; the first line that is no known directive ends them.
    private mutating func readDirectives() throws(DockerfileError) {
        var seen: Set<String> = []
        var first = true
        for (i, line) in lines.enumerated() {
            // `#!` on the first line lets a Dockerfile be executable.
            if first, line.starts(with: Array("#!".utf8)) { first = false; continue }
            first = false
            guard let (key, value) = directive(line) else { return }
            guard ["syntax", "escape", "check"].contains(key) else { return }
            guard seen.insert(key).inserted else {
                throw DockerfileError("only one \(key) parser directive can be used", line: i + 1)
            }
            if key == "escape" {
                guard value == "\\" || value == "`", let byte = value.utf8.first else {
                    throw DockerfileError("invalid ESCAPE '\(value)'. Must be ` or \\", line: i + 1)
                }
                escape = byte
            } else if key == "syntax", !isBuiltIn(syntax: value) {
                throw DockerfileError(
                    "# syntax=\(value): external frontends are not run; remove the line to use the built-in one",
                    line: i + 1, isSyntax: false)
            }
        }
    }

    /// docker/dockerfile:1 in any version and from its usual mirrors is what is built in here.
    private func isBuiltIn(syntax: String) -> Bool {
        let name = syntax.split(separator: "@").first.map(String.init) ?? syntax
        let parts = name.split(separator: ":", maxSplits: 1).map(String.init)
        let repository = parts.first ?? ""
        let known = ["docker/dockerfile", "docker.io/docker/dockerfile", "docker/dockerfile-upstream"]
        return known.contains(repository)
            && (parts.count < 2 || parts[1].hasPrefix("1") || parts[1] == "latest")
    }

    private func directive(_ line: [UInt8]) -> (String, String)? {
        guard isComment(line) else { return nil }
        let text = String(decoding: trimmed(line).dropFirst(), as: UTF8.self).trimmingBlanks()
        guard let equals = text.firstIndex(of: "=") else { return nil }
        let key = String(text[..<equals]).trimmingBlanks().lowercased()
        let value = String(text[text.index(after: equals)...]).trimmingBlanks()
        let isName = key.utf8.allSatisfy { ($0 >= 0x61 && $0 <= 0x7a) || ($0 >= 0x30 && $0 <= 0x39) }
        return key.isEmpty || value.isEmpty || !isName ? nil : (key, value)
    }
}

extension DockerfileLexer {
    /// Only ADD, COPY and RUN (also behind ONBUILD) take heredocs, and not in JSON form.
    private func takesHeredocs(_ text: String) -> Bool {
        var words = text.split(maxSplits: 2, whereSeparator: \.isBlank).map { $0.lowercased() }
        if words.first == "onbuild" { words.removeFirst() }
        guard let keyword = words.first, ["add", "copy", "run"].contains(keyword) else { return false }
        return words.count > 1 && text.contains("<<")
    }

    private mutating func readHeredocs(of text: String, line: Int) throws(DockerfileError) -> [Instruction
        .Heredoc]
    {
        guard takesHeredocs(text) else { return [] }
        var heredocs: [Instruction.Heredoc] = []
        for word in splitRawWords(text, escape: Unicode.Scalar(escape)) {
            guard let start = HeredocStart(word, escape: Unicode.Scalar(escape)) else { continue }
            heredocs.append(try readBody(start, line: line))
        }
        return heredocs
    }

    private mutating func readBody(_ start: HeredocStart, line: Int) throws(DockerfileError)
        -> Instruction.Heredoc
    {
        var content: [UInt8] = []
        while next < lines.count {
            var body = lines[next][...]
            next += 1
            if start.stripsTabs { body = body.drop { $0 == 0x09 } }
            if body.elementsEqual(start.name.utf8) {
                return Instruction.Heredoc(
                    name: start.name, expands: start.expands,
                    content: String(decoding: content, as: UTF8.self),
                    written: start.written)
            }
            content += body
            content.append(0x0a)
            if content.count > Self.longestLine {
                throw DockerfileError("the heredoc \(start.name) is longer than 1 MiB", line: line)
            }
        }
        throw DockerfileError("unterminated heredoc", line: line)
    }
}

/// A word `[digits]<<[-]NAME`.
struct HeredocStart: Equatable {
    let name: String
    let stripsTabs: Bool
    let expands: Bool
    let written: String

    init?(_ word: String, escape: Unicode.Scalar) {
        let rest = word.drop { $0.isASCII && $0.isNumber }
        guard rest.hasPrefix("<<") else { return nil }
        var name = rest.dropFirst(2)
        stripsTabs = name.hasPrefix("-")
        if stripsTabs { name = name.dropFirst() }
        guard !name.isEmpty, !name.contains("<") else { return nil }
        written = String(name)
        var plain = ""
        var quote: Character?
        for character in name {
            if character == quote { quote = nil; continue }
            if quote == nil, character == "'" || character == "\"" { quote = character; continue }
            if quote == nil, character == Character(escape) { continue }
            plain.append(character)
        }
        guard quote == nil, !plain.isEmpty else { return nil }
        self.name = plain
        expands = plain == written
    }
}

func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 0x09 && byte <= 0x0d) }

extension Character {
    /// The blanks between words of a Dockerfile.
    var isBlank: Bool { self == " " || self == "\t" || self == "\u{0b}" || self == "\u{0c}" || self == "\r" }
}

extension StringProtocol {
    func trimmingBlanks() -> String {
        guard let first = firstIndex(where: { !$0.isBlank && $0 != "\n" }) else { return "" }
        let last = lastIndex { !$0.isBlank && $0 != "\n" } ?? first
        return String(self[first...last])
    }
}
