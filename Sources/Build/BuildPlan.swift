import OCI

/// The stages that a target needs, in an order in which each comes after what it uses.
struct BuildPlan: Equatable, Sendable {
    /// Where a stage starts.
    enum Base: Equatable, Sendable {
        case scratch
        case image(String)
        /// An earlier stage, by its number in the file.
        case stage(Int)
    }
    /// One FROM and the instructions below it.
    struct Stage: Equatable, Sendable {
        /// Its number in the file, from 0.
        let index: Int
        let name: String?
        let base: Base
        let from: Statement
        let statements: [Statement]
    }
    /// The needed stages; the last one is the target.
    let stages: [Stage]
    /// Arguments declared before the first FROM, with their values: what `ARG NAME` in a stage takes in.
    let globalArguments: [String: String]
    /// Build arguments that a FROM or an argument before it used.
    let consumed: Set<String>
    /// Steps as docker counts them: instructions of the needed stages.
    var stepCount: Int { stages.reduce(0) { $0 + 1 + $1.statements.count } }

    /// Resolves names, expands FROM lines and leaves out the stages that `target` (a name, a number, or nil for
    /// the last one) does not need. Reads nothing but its arguments.
    init(
        _ file: Dockerfile, arguments: [String: String] = [:], target: String? = nil,
        platform: Platform = .host
    ) throws(DockerfileError) {
        var globals = GlobalScope(arguments: arguments, platform: platform, escape: file.escape)
        let all = try BuildPlan.cut(file, &globals, platform)
        let wanted = try BuildPlan.find(target, in: all)
        var order = StageOrder(all, file: file.name)
        try order.add(wanted)
        stages = order.result.map { all[$0] }
        globalArguments = globals.declared
        consumed = globals.consumed
    }

    /// The stage that `--from=NAME` means; nil when it is an image.
    static func stageIndex(_ name: String, in stages: some Sequence<Stage>) -> Int? {
        if let number = Int(name) { return stages.first { $0.index == number }?.index }
        let lower = name.lowercased()
        return stages.first { $0.name == lower }?.index
    }

    private static func cut(
        _ file: Dockerfile, _ globals: inout GlobalScope, _ platform: Platform
    ) throws(DockerfileError) -> [Stage] {
        var stages: [Stage] = []
        var rest = file.statements[...]
        while let statement = rest.first {
            rest = rest.dropFirst()
            do throws(DockerfileError) {
                switch statement.instruction {
                case .arg(let arguments): try globals.declare(arguments)
                case .from(let from):
                    let body = rest.prefix { if case .from = $0.instruction { false } else { true } }
                    rest = rest.dropFirst(body.count)
                    try checkPlatform(from.platform, &globals, platform)
                    stages.append(
                        Stage(
                            index: stages.count, name: from.name, base: try base(of: from, stages, &globals),
                            from: statement, statements: Array(body)))
                default: throw DockerfileError("no build stage in current context")
                }
            } catch {
                throw error.at(statement.line, of: file.name)
            }
        }
        if stages.isEmpty {
            throw DockerfileError(
                "no build stage in current context: \(file.name) has no FROM", file: file.name)
        }
        return stages
    }

    private static func base(
        of from: Instruction.From, _ stages: [Stage], _ globals: inout GlobalScope
    ) throws(DockerfileError) -> Base {
        let name = try globals.expand(from.image)
        if name.isEmpty {
            throw DockerfileError("base name (\(from.image)) should not be blank", isSyntax: false)
        }
        // The latest stage of that name wins, as a later FROM may only see what stands above it.
        if let stage = stages.last(where: { $0.name == name.lowercased() }) { return .stage(stage.index) }
        return name == "scratch" ? .scratch : .image(name)
    }

    private static func checkPlatform(
        _ text: String?, _ globals: inout GlobalScope, _ host: Platform
    ) throws(DockerfileError) {
        guard let text else { return }
        let name = try globals.expand(text)
        let platform = Platform(name) ?? Platform(architecture: name)
        guard platform.os == host.os, platform.architecture == host.architecture else {
            throw DockerfileError(
                "FROM --platform=\(name) is not supported: this machine builds \(host) only", isSyntax: false)
        }
    }

    private static func find(_ target: String?, in stages: [Stage]) throws(DockerfileError) -> Int {
        guard let target, !target.isEmpty else { return stages.count - 1 }
        if let index = stageIndex(target, in: stages) { return index }
        throw DockerfileError("target stage \"\(target)\" could not be found", isSyntax: false)
    }
}

/// Puts stages after what they need, depth first.
private struct StageOrder {
    private enum Mark { case open, done }
    private let all: [BuildPlan.Stage]
    private let file: String
    private var marks: [Int: Mark] = [:]
    private(set) var result: [Int] = []

    init(_ all: [BuildPlan.Stage], file: String) { (self.all, self.file) = (all, file) }

    mutating func add(_ index: Int) throws(DockerfileError) {
        marks[index] = .open
        for (needed, line) in try needs(of: all[index]) {
            switch marks[needed] {
            case .done: continue
            case .open:
                throw DockerfileError(
                    "circular dependency detected on stage: \(all[needed].name ?? String(needed))",
                    file: file,
                    line: line, isSyntax: false)
            case nil: try add(needed)
            }
        }
        marks[index] = .done
        result.append(index)
    }

    private func needs(of stage: BuildPlan.Stage) throws(DockerfileError) -> [(Int, line: Int)] {
        var needs: [(Int, line: Int)] = []
        if case .stage(let base) = stage.base { needs.append((base, stage.from.line)) }
        for statement in stage.statements {
            guard case .copy(let copy) = statement.instruction, let from = copy.from else { continue }
            if let index = BuildPlan.stageIndex(from, in: all) {
                needs.append((index, statement.line))
            } else if Int(from) != nil {
                throw DockerfileError(
                    "invalid stage index \(from)", file: file, line: statement.line, isSyntax: false)
            }
        }
        return needs
    }
}

/// The arguments before the first FROM, visible in FROM lines only.
private struct GlobalScope {
    private let arguments: [String: String]
    private let automatic: [String: String]
    private let escape: Unicode.Scalar
    private(set) var declared: [String: String] = [:]
    private(set) var consumed: Set<String> = []

    init(arguments: [String: String], platform: Platform, escape: Unicode.Scalar) {
        (self.arguments, self.escape) = (arguments, escape)
        automatic = automaticArguments(platform)
    }

    mutating func declare(_ list: [Instruction.Argument]) throws(DockerfileError) {
        for argument in list {
            if let given = arguments[argument.name] {
                consumed.insert(argument.name)
                declared[argument.name] = given
            } else if let value = argument.value {
                declared[argument.name] = try expand(value)
            } else if let value = automatic[argument.name] {
                declared[argument.name] = value
            }
        }
    }

    mutating func expand(_ text: String) throws(DockerfileError) -> String {
        let (declared, automatic) = (declared, automatic)
        return try VariableExpander(escape: escape) { declared[$0] ?? automatic[$0] }.word(text)
    }
}

/// What BuildKit sets by itself: the platforms that it builds on and for.
func automaticArguments(_ platform: Platform) -> [String: String] {
    var result: [String: String] = [:]
    for kind in ["BUILD", "TARGET"] {
        result["\(kind)PLATFORM"] = platform.description
        result["\(kind)OS"] = platform.os
        result["\(kind)ARCH"] = platform.architecture
        result["\(kind)VARIANT"] = platform.variant ?? ""
    }
    return result
}
