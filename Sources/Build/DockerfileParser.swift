import OCI

extension Dockerfile {
    /// Parses a Dockerfile; `name` is how errors call it.
    init(parsing bytes: [UInt8], name: String) throws(DockerfileError) {
        do throws(DockerfileError) {
            var lexer = try DockerfileLexer(bytes)
            let lines = try lexer.logicalLines()
            if lines.isEmpty { throw DockerfileError("the Dockerfile (\(name)) cannot be empty") }
            let escape = Unicode.Scalar(lexer.escape)
            var statements: [Statement] = []
            for line in lines {
                let parser = InstructionParser(line, escape: escape)
                do throws(DockerfileError) {
                    statements.append(try parser.statement())
                } catch {
                    throw error.at(line.number, of: name)
                }
            }
            self.init(name: name, escape: escape, statements: statements, warnings: lexer.warnings)
        } catch {
            guard let line = error.line else { throw error }
            throw DockerfileError(error.message, file: name, line: line, isSyntax: error.isSyntax)
        }
    }
}

/// Parses one trigger that a base image carries (its `OnBuild`).
func parseTrigger(_ text: String) throws(DockerfileError) -> Statement {
    try parseInstruction(text, isTrigger: true)
}

/// Parses one instruction by itself; a trigger may not be every one.
func parseInstruction(_ text: String, isTrigger: Bool = false) throws(DockerfileError) -> Statement {
    var lexer = try DockerfileLexer(Array(text.utf8))
    guard let line = try lexer.logicalLines().first else { throw DockerfileError("empty ONBUILD trigger") }
    let parser = InstructionParser(line, escape: "\\")
    if isTrigger { try parser.refuseAsTrigger() }
    return try parser.statement()
}

/// Reads the arguments of one instruction; errors get their place from the caller.
struct InstructionParser {
    let line: LogicalLine
    let escape: Unicode.Scalar
    /// In upper case.
    let keyword: String
    let arguments: String

    init(_ line: LogicalLine, escape: Unicode.Scalar) {
        (self.line, self.escape) = (line, escape)
        let end = line.text.firstIndex(where: \.isBlank) ?? line.text.endIndex
        keyword = line.text[..<end].uppercased()
        arguments = line.text[end...].trimmingBlanks()
    }

    func statement() throws(DockerfileError) -> Statement {
        let text = arguments.isEmpty ? keyword : "\(keyword) \(arguments)"
        return Statement(line: line.number, text: text, instruction: try instruction())
    }

    private func instruction() throws(DockerfileError) -> Instruction {
        let read = try InstructionFlags(arguments, escape: escape)
        // CMD and its like may start with dashes of their own; only these take flags.
        let takesFlags = ["FROM", "RUN", "COPY", "ADD", "HEALTHCHECK"].contains(keyword)
        if !takesFlags, Self.names.contains(keyword), !["CMD", "ENTRYPOINT", "ONBUILD"].contains(keyword) {
            try read.finish(keyword)
        }
        switch keyword {
        case "FROM": return .from(try from(read))
        case "RUN": return .run(try run(read))
        case "COPY", "ADD": return .copy(try copy(read))
        case "ENV": return .env(try pairs())
        case "LABEL": return .label(try pairs())
        case "ARG": return .arg(try declarations())
        case "WORKDIR": return .workdir(try one())
        case "USER": return .user(try one())
        case "CMD": return .cmd(try command(arguments))
        case "ENTRYPOINT": return .entrypoint(try command(arguments))
        case "EXPOSE": return .expose(try some(words(arguments)))
        case "VOLUME": return .volume(try volumes())
        case "STOPSIGNAL": return .stopSignal(try one())
        case "SHELL": return .shell(try shell())
        case "HEALTHCHECK": return .healthcheck(try healthcheck(read))
        case "MAINTAINER": return .maintainer(try one())
        case "ONBUILD": return .onBuild(try trigger())
        default: throw DockerfileError("unknown instruction: \(keyword)\(suggestion)")
        }
    }

    static let names: Set<String> = [
        "FROM", "RUN", "COPY", "ADD", "ENV", "LABEL", "ARG", "WORKDIR", "USER", "CMD", "ENTRYPOINT", "EXPOSE",
        "VOLUME", "STOPSIGNAL", "SHELL", "HEALTHCHECK", "MAINTAINER", "ONBUILD",
    ]

    /// A word that differs in one letter, or two of a longer one.
    private var suggestion: String {
        let near = Self.names.sorted().min { distance($0, keyword) < distance($1, keyword) }
        guard let near, distance(near, keyword) <= (near.utf8.count > 4 ? 2 : 1) else { return "" }
        return " (did you mean \(near)?)"
    }

    private func distance(_ a: String, _ b: String) -> Int {
        let b = Array(b.utf8)
        guard b.count <= 16 else { return b.count }
        var row = Array(0...b.count)
        for (i, x) in a.utf8.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, y) in b.enumerated() {
                let cost = min(row[j] + 1, row[j + 1] + 1, diagonal + (x == y ? 0 : 1))
                (diagonal, row[j + 1]) = (row[j + 1], cost)
            }
        }
        return row[b.count]
    }
}

// Small readers shared by several instructions.
extension InstructionParser {
    func words(_ text: String) -> [String] { text.split(whereSeparator: \.isBlank).map(String.init) }

    private func one() throws(DockerfileError) -> String {
        guard !arguments.isEmpty else { throw DockerfileError("\(keyword) requires exactly one argument") }
        return arguments
    }

    private func some(_ words: [String]) throws(DockerfileError) -> [String] {
        guard !words.isEmpty else { throw DockerfileError("\(keyword) requires at least one argument") }
        return words
    }

    /// The strings of a JSON array; nil when the text is none, so that it belongs to the shell.
    func jsonWords(_ text: String) throws(DockerfileError) -> [String]? {
        guard text.hasPrefix("["), let json = try? JSON(parsing: text) else {
            return nil  // not JSON is shell form, no error
        }
        guard let strings = json.strings else {
            throw DockerfileError("when using JSON array syntax, arrays must be comprised of strings only")
        }
        return strings
    }

    func command(_ text: String) throws(DockerfileError) -> Instruction.Command {
        if let words = try jsonWords(text) { return .exec(words) }
        return text.isEmpty ? .exec([]) : .shell(text)
    }

    private func pairs() throws(DockerfileError) -> [Instruction.Pair] {
        let words = try some(splitRawWords(arguments, escape: escape))
        guard words[0].contains("=") else { return [try legacyPair()] }
        var pairs: [Instruction.Pair] = []
        for word in words {
            guard let equals = word.firstIndex(of: "=") else {
                throw DockerfileError(
                    "Syntax error - can't find = in \"\(word)\". Must be of the form: name=value")
            }
            let pair = Instruction.Pair(
                name: String(word[..<equals]), value: String(word[word.index(after: equals)...]))
            if pair.name.isEmpty { throw DockerfileError("\(keyword) names can not be blank") }
            pairs.append(pair)
        }
        return pairs
    }

    /// `ENV name the whole rest`.
    private func legacyPair() throws(DockerfileError) -> Instruction.Pair {
        let parts = arguments.split(maxSplits: 1, whereSeparator: \.isBlank)
        guard parts.count == 2 else { throw DockerfileError("\(keyword) must have two arguments") }
        return Instruction.Pair(name: String(parts[0]), value: parts[1].trimmingBlanks())
    }

    private func declarations() throws(DockerfileError) -> [Instruction.Argument] {
        var result: [Instruction.Argument] = []
        for word in try some(splitRawWords(arguments, escape: escape)) {
            let equals = word.firstIndex(of: "=")
            let name = String(equals.map { word[..<$0] } ?? word[...])
            if name.isEmpty { throw DockerfileError("\(keyword) names can not be blank") }
            let value = equals.map { String(word[word.index(after: $0)...]) }
            result.append(Instruction.Argument(name: name, value: value))
        }
        return result
    }

    private func volumes() throws(DockerfileError) -> [String] {
        let paths = try some(try jsonWords(arguments) ?? words(arguments))
        if paths.contains(where: { $0.trimmingBlanks().isEmpty }) {
            throw DockerfileError("VOLUME specified can not be an empty string")
        }
        return paths
    }

    private func shell() throws(DockerfileError) -> [String] {
        guard !arguments.isEmpty else { throw DockerfileError("SHELL requires at least one argument") }
        guard let words = try jsonWords(arguments) else {
            throw DockerfileError("SHELL requires the arguments to be in JSON form")
        }
        return try some(words)
    }

    private func trigger() throws(DockerfileError) -> String {
        guard !arguments.isEmpty else { throw DockerfileError("ONBUILD requires at least one argument") }
        let inner = LogicalLine(number: line.number, text: arguments, heredocs: line.heredocs)
        let parser = InstructionParser(inner, escape: escape)
        try parser.refuseAsTrigger()
        _ = try parser.statement()
        let bodies = line.heredocs.map { "\n\($0.content)\($0.name)" }.joined()
        return arguments + bodies
    }

    /// Also what a base image carries goes through this: a FROM would begin a stage within one.
    func refuseAsTrigger() throws(DockerfileError) {
        switch keyword {
        case "ONBUILD": throw DockerfileError("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
        case "FROM", "MAINTAINER":
            throw DockerfileError("\(keyword) isn't allowed as an ONBUILD trigger")
        default: break
        }
    }
}
