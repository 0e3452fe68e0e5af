import OCI

/// A piece of a parsed template.
indirect enum TemplateNode: Equatable, Sendable {
    case text(String)
    case action(TemplatePipeline)
    case conditional(TemplatePipeline, then: [TemplateNode], otherwise: [TemplateNode])
    case with(TemplatePipeline, then: [TemplateNode], otherwise: [TemplateNode])
    case range(TemplatePipeline, body: [TemplateNode], otherwise: [TemplateNode])
    case stop, next
}

/// `$x := a | b`: commands whose result is the last argument of the one after.
struct TemplatePipeline: Equatable, Sendable {
    var declared: [String] = []
    var isAssignment = false
    var commands: [TemplateCommand] = []
}

/// Words; the first may be a function or a field that takes the others.
struct TemplateCommand: Equatable, Sendable {
    var words: [TemplateOperand]
    var at: TemplatePosition
}

/// One word of a command.
indirect enum TemplateOperand: Equatable, Sendable {
    case dot
    case literal(JSON)
    case function(String)
    case variable(String)
    case pipeline(TemplatePipeline)
    /// Fields below another operand: `.A.B`, `$x.A`, `(...).A`.
    case fields(TemplateOperand, [String])
}

/// Builds the tree of a template.
struct TemplateParser {
    private let tokens: [TemplateToken]
    private let functions: Set<String>
    private var index = 0
    private var rangeDepth = 0
    private var depth = 0

    static func parse(_ template: String, functions: Set<String>) throws(TemplateError) -> [TemplateNode] {
        var parser = TemplateParser(tokens: try TemplateLexer.tokens(template), functions: functions)
        let (nodes, end) = try parser.nodes()
        if let end { throw parser.error("unexpected {{\(end)}}") }
        return nodes
    }

    private init(tokens: [TemplateToken], functions: Set<String>) {
        (self.tokens, self.functions) = (tokens, functions)
    }

    /// Nodes up to an `end` or `else` (which is returned, its action being read but for what follows `else`).
    private mutating func nodes() throws(TemplateError) -> ([TemplateNode], end: String?) {
        depth += 1
        defer { depth -= 1 }
        guard depth < 100 else { throw error("nested too deeply") }
        var result: [TemplateNode] = []
        while let token = next() {
            if case .text(let text) = token.kind {
                result.append(.text(text))
                continue
            }
            guard case .word(let word)? = peek()?.kind else {
                result.append(.action(try pipelineToClose("command")))
                continue
            }
            switch word {
            case "end":
                index += 1
                try close("end")
                return (result, "end")
            case "else":
                index += 1
                return (result, "else")
            case "if", "with", "range":
                index += 1
                result.append(try control(word))
            case "break", "continue":
                index += 1
                guard rangeDepth > 0 else { throw error("{{\(word)}} outside {{range}}") }
                try close(word)
                result.append(word == "break" ? .stop : .next)
            case "define", "template", "block": throw error("{{\(word)}} is not supported")
            default: result.append(.action(try pipelineToClose("command")))
            }
        }
        return (result, nil)
    }

    private mutating func control(_ word: String) throws(TemplateError) -> TemplateNode {
        let pipeline = try pipelineToClose(word)
        if word == "range" { rangeDepth += 1 }
        let (body, end) = try nodes()
        if word == "range" { rangeDepth -= 1 }
        var otherwise: [TemplateNode] = []
        if end == "else" {
            // `else if` is an if in the else that shares its end.
            if case .word(let chained)? = peek()?.kind, chained == word, word != "range" {
                index += 1
                otherwise = [try control(word)]
                return node(word, pipeline, body, otherwise)
            }
            try close("else")
            let (rest, last) = try nodes()
            guard last == "end" else {
                throw error(last == nil ? "unexpected EOF" : "expected end; found {{else}}")
            }
            otherwise = rest
        } else if end == nil {
            throw error("unexpected EOF")
        }
        return node(word, pipeline, body, otherwise)
    }

    private func node(
        _ word: String, _ pipeline: TemplatePipeline, _ body: [TemplateNode], _ otherwise: [TemplateNode]
    ) -> TemplateNode {
        switch word {
        case "if": .conditional(pipeline, then: body, otherwise: otherwise)
        case "with": .with(pipeline, then: body, otherwise: otherwise)
        default: .range(pipeline, body: body, otherwise: otherwise)
        }
    }

    private mutating func pipelineToClose(_ context: String) throws(TemplateError) -> TemplatePipeline {
        let pipeline = try self.pipeline(context)
        try close(context)
        return pipeline
    }

    private mutating func close(_ context: String) throws(TemplateError) {
        guard let token = next(), token.kind == .close else {
            throw error("unexpected \(TemplateParser.shown(tokens[index - 1].kind)) in \(context)")
        }
    }

    private mutating func pipeline(_ context: String) throws(TemplateError) -> TemplatePipeline {
        var pipeline = TemplatePipeline()
        declaration(&pipeline)
        while true {
            pipeline.commands.append(try command(context))
            guard peek()?.kind == .pipe else { break }
            index += 1
        }
        for command in pipeline.commands.dropFirst() {
            guard case .function? = command.words.first else {
                if case .fields? = command.words.first { continue }
                throw error("non executable command in pipeline stage 2")
            }
        }
        return pipeline
    }

    /// `$x :=`, `$i, $x :=` or `$x =` at the start of a pipeline.
    private mutating func declaration(_ pipeline: inout TemplatePipeline) {
        guard case .variable(let first)? = peek()?.kind, !first.isEmpty else { return }
        switch peek(1)?.kind {
        case .declare?, .assign?:
            pipeline.declared = [first]
            pipeline.isAssignment = peek(1)?.kind == .assign
            index += 2
        case .comma?:
            guard case .variable(let second)? = peek(2)?.kind, peek(3)?.kind == .declare else { return }
            pipeline.declared = [first, second]
            index += 4
        default: return
        }
    }

    private mutating func command(_ context: String) throws(TemplateError) -> TemplateCommand {
        var words: [TemplateOperand] = []
        let at = peek()?.at ?? TemplatePosition()
        while let token = peek() {
            if [.pipe, .close, .rightParenthesis].contains(token.kind) { break }
            words.append(try operand(context))
        }
        guard !words.isEmpty else { throw error("missing value for \(context)") }
        return TemplateCommand(words: words, at: at)
    }

    private mutating func operand(_ context: String) throws(TemplateError) -> TemplateOperand {
        guard let token = next() else { throw error("unclosed action") }
        let operand: TemplateOperand
        switch token.kind {
        case .dot: operand = .dot
        case .field(let name): operand = .fields(.dot, [name])
        case .variable(let name): operand = .variable(name)
        case .string(let text): return .literal(.string(text))
        case .integer(let value): return .literal(.int(value))
        case .number(let value): return .literal(.double(value))
        case .word(let name): return try word(name)
        case .leftParenthesis:
            depth += 1
            defer { depth -= 1 }
            guard depth < 100 else { throw error("nested too deeply") }
            operand = .pipeline(try pipeline("parenthesized pipeline"))
            guard next()?.kind == .rightParenthesis else { throw error("unclosed left paren") }
        default: throw error("unexpected \(TemplateParser.shown(token.kind)) in \(context)")
        }
        var names: [String] = []
        while case .field(let name)? = peek()?.kind, peek()?.afterSpace == false {
            names.append(name)
            index += 1
        }
        if names.isEmpty { return operand }
        if case .fields(let base, let first) = operand { return .fields(base, first + names) }
        return .fields(operand, names)
    }

    private func word(_ name: String) throws(TemplateError) -> TemplateOperand {
        switch name {
        case "true": return .literal(.bool(true))
        case "false": return .literal(.bool(false))
        case "nil": return .literal(.null)
        default:
            guard functions.contains(name) else { throw error("function \"\(name)\" not defined") }
            return .function(name)
        }
    }

    private func peek(_ ahead: Int = 0) -> TemplateToken? {
        tokens.indices.contains(index + ahead) ? tokens[index + ahead] : nil
    }

    private mutating func next() -> TemplateToken? {
        guard let token = peek() else { return nil }
        index += 1
        return token
    }

    private func error(_ text: String) -> TemplateError {
        let line = tokens.indices.contains(index) ? tokens[index].at.line : tokens.last?.at.line ?? 1
        return TemplateError("template: :\(line): \(text)")
    }

    private static func shown(_ kind: TemplateToken.Kind) -> String {
        switch kind {
        case .word(let name): "<\(name)>"
        case .field(let name): "<.\(name)>"
        case .string(let text): "\"\(text)\""
        case .comma: "\",\""
        case .declare: "\":=\""
        case .assign: "\"=\""
        case .rightParenthesis: "right paren"
        case .close: "\"}}\""
        default: "token"
        }
    }
}
