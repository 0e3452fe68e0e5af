public import OCI

/// A `--format`: the part of Go's text/template that docker's users write, over JSON values.
/// Fields, `index`, pipes, if/else/range/with, variables, and docker's functions.
public struct Template: Equatable, Sendable {
    private let nodes: [TemplateNode]

    /// Parses it; errors are Go's: `template: :1: unclosed action`.
    public init(_ text: String) throws(TemplateError) {
        nodes = try TemplateParser.parse(text, functions: TemplateFunctions.names)
    }

    /// What it prints for `data`. `methods` are further members of the outermost value that `{{json .}}` leaves
    /// out; an object among them may be called with a key, as in `{{.Label "a"}}`. `zeros` are what is missing or
    /// null in `data`. `isHeader` makes functions hand on their text, for the heading of a table.
    public func render(
        _ data: JSON, methods: JSON = .object([]), zeros: TemplateZeros = .none, isHeader: Bool = false
    ) throws(TemplateError) -> String {
        var evaluation = TemplateEvaluation(root: data, methods: methods, zeros: zeros, isHeader: isHeader)
        _ = try evaluation.run(nodes, dot: data)
        return evaluation.output
    }
}

/// Members that docker's types have though JSON may leave them out: their Go zero values, by the member that
/// holds them ("" at the top) and their own name.
public struct TemplateZeros: Sendable {
    private let groups: [String: [String: JSON]]

    /// A document that has all its members.
    public static let none = TemplateZeros([:])

    init(_ groups: [String: [String: JSON]]) { self.groups = groups }

    /// The group of what lies below a name that somebody has chosen.
    static let anyName = "*"

    /// With no parent known (`with`, `range`) the name alone decides.
    func value(of name: String, below parent: String?) -> JSON? {
        if let parent { return (groups[parent] ?? groups[Self.anyName])?[name] }
        return groups.values.lazy.compactMap { $0[name] }.first
    }
}

/// One run of a template.
struct TemplateEvaluation {
    let root: JSON
    let methods: JSON
    let zeros: TemplateZeros
    let isHeader: Bool
    var output = ""
    private var variables: [(name: String, value: JSON)] = []

    /// How a list of nodes ended.
    enum Outcome { case done, stop, next }

    init(root: JSON, methods: JSON, zeros: TemplateZeros, isHeader: Bool) {
        (self.root, self.methods, self.zeros, self.isHeader) = (root, methods, zeros, isHeader)
    }

    mutating func run(_ nodes: [TemplateNode], dot: JSON) throws(TemplateError) -> Outcome {
        let known = variables.count
        defer { variables.removeLast(variables.count - known) }
        for node in nodes {
            switch node {
            case .text(let text): output += text
            case .action(let pipeline):
                let value = try evaluate(pipeline, dot: dot)
                if pipeline.declared.isEmpty { output += TemplateFunctions.printed(value) }
            case .conditional(let pipeline, let then, let otherwise),
                .with(let pipeline, let then, let otherwise):
                let before = variables.count
                let value = try evaluate(pipeline, dot: dot)
                var inner = dot
                if case .with = node { inner = value }
                let isTrue = TemplateFunctions.isTrue(value)
                let outcome = try run(isTrue ? then : otherwise, dot: isTrue ? inner : dot)
                variables.removeLast(variables.count - before)
                if outcome != .done { return outcome }
            case .range(let pipeline, let body, let otherwise):
                try range(pipeline, body, otherwise, dot: dot)
            case .stop: return .stop
            case .next: return .next
            }
        }
        return .done
    }

    private mutating func range(
        _ pipeline: TemplatePipeline, _ body: [TemplateNode], _ otherwise: [TemplateNode], dot: JSON
    ) throws(TemplateError) {
        var bare = pipeline
        bare.declared = []
        let value = try evaluate(bare, dot: dot)
        let elements: [(key: JSON, value: JSON)]
        switch value {
        case .array(let array): elements = array.enumerated().map { (.int(Int64($0.offset)), $0.element) }
        case .object(let members):
            elements = members.sorted { $0.name < $1.name }.map { (.string($0.name), $0.value) }
        case .null: elements = []
        default:
            throw failure(
                pipeline.commands.first, "range can't iterate over \(TemplateFunctions.printed(value))")
        }
        if elements.isEmpty { _ = try run(otherwise, dot: dot) }
        for element in elements {
            let known = variables.count
            if pipeline.declared.count == 2 { variables.append((pipeline.declared[0], element.key)) }
            if let name = pipeline.declared.last { variables.append((name, element.value)) }
            let outcome = try run(body, dot: element.value)
            variables.removeLast(variables.count - known)
            if outcome == .stop { break }
        }
    }

    private mutating func evaluate(_ pipeline: TemplatePipeline, dot: JSON) throws(TemplateError) -> JSON {
        var value: JSON?
        for command in pipeline.commands { value = try evaluate(command, dot: dot, piped: value) }
        let result = value ?? .null
        if let name = pipeline.declared.first {
            if pipeline.isAssignment {
                guard let at = variables.lastIndex(where: { $0.name == name }) else {
                    throw failure(pipeline.commands.first, "undefined variable: $\(name)")
                }
                variables[at].value = result
            } else {
                variables.append((name, result))
            }
        }
        return result
    }

    private mutating func evaluate(
        _ command: TemplateCommand, dot: JSON, piped: JSON?
    ) throws(TemplateError) -> JSON {
        var arguments: [JSON] = []
        if case .function(let name) = command.words[0] {
            // and/or stop at the first argument that decides, as Go's do.
            for word in command.words.dropFirst() {
                let value = try evaluate(word, dot: dot, in: command)
                arguments.append(value)
                if name == "and" && !TemplateFunctions.isTrue(value)
                    || name == "or" && TemplateFunctions.isTrue(value)
                {
                    return value
                }
            }
            if let piped { arguments.append(piped) }
            if isHeader { return TemplateFunctions.heading(arguments) }
            do throws(UsageError) {
                return try TemplateFunctions.call(name, arguments)
            } catch { throw failure(command, "error calling \(name): \(error)", at: name) }
        }
        let value = try evaluate(command.words[0], dot: dot, in: command)
        for word in command.words.dropFirst() { arguments.append(try evaluate(word, dot: dot, in: command)) }
        if let piped { arguments.append(piped) }
        if arguments.isEmpty { return value }
        // A method with an argument: `.Label "key"`.
        guard arguments.count == 1, let key = arguments[0].string, case .object = value else {
            throw failure(command, "wrong number of args: want 0 got \(arguments.count)")
        }
        return value[key] ?? (isHeader ? .string(key) : .string(""))
    }

    private mutating func evaluate(
        _ operand: TemplateOperand, dot: JSON, in command: TemplateCommand
    ) throws(TemplateError) -> JSON {
        switch operand {
        case .dot: return dot
        case .literal(let value): return value
        case .variable(""): return root
        case .variable(let name):
            guard let value = variables.last(where: { $0.name == name })?.value else {
                throw failure(command, "undefined variable: $\(name)")
            }
            return value
        case .pipeline(let pipeline): return try evaluate(pipeline, dot: dot)
        case .function:
            return try evaluate(TemplateCommand(words: [operand], at: command.at), dot: dot, piped: nil)
        case .fields(let base, let names):
            var value = try evaluate(base, dot: dot, in: command)
            for (depth, name) in names.enumerated() {
                value = try field(name, of: value, below: depth == 0 ? nil : names[depth - 1], in: command)
            }
            return value
        }
    }

    /// Members that are maps in docker's types: what they lack is "<no value>", elsewhere an error.
    private static let maps: Set<String> = [
        "Labels", "Networks", "Ports", "ExposedPorts", "Volumes", "Annotations", "Label",
        "Data",
    ]

    private func field(
        _ name: String, of value: JSON, below parent: String?, in command: TemplateCommand
    ) throws(TemplateError) -> JSON {
        switch value {
        case .object(let members):
            if let member = members.first(where: { $0.name == name }), member.value != .null {
                return member.value
            }
            if let zero = zero(name, of: value, below: parent, in: command) { return zero }
            if members.contains(where: { $0.name == name }) { return .null }
            if value == root, let method = methods[name] { return method }
            if let parent, TemplateEvaluation.maps.contains(parent) { return .string("<no value>") }
            throw failure(command, "map has no entry for key \"\(name)\"", at: ".\(name)")
        case .null: throw failure(command, "nil pointer evaluating .\(name)", at: ".\(name)")
        default:
            if value == .string("<no value>") { return value }
            throw failure(
                command, "can't evaluate field \(name) in \(TemplateFunctions.printed(value))", at: ".\(name)"
            )
        }
    }

    /// `json` shows Go's nil lists and maps as null, everything else prints them as empty.
    private func zero(
        _ name: String, of value: JSON, below parent: String?, in command: TemplateCommand
    ) -> JSON? {
        let zero = zeros.value(of: name, below: parent ?? (value == root ? "" : nil))
        switch zero {
        case .array, .object: return command.words.first == .function("json") ? .null : zero
        default: return zero
        }
    }

    private func failure(_ command: TemplateCommand?, _ why: String, at context: String = "") -> TemplateError
    {
        let at = command?.at ?? TemplatePosition()
        let place = context.isEmpty ? "" : " at <\(context)>"
        return TemplateError("template: :\(at.line):\(at.column): executing \"\"\(place): \(why)")
    }
}
