import Images
import Linux
import OCI
import SystemPackage

// One instruction on a stage.
extension Builder {
    func perform(_ statement: Statement, _ state: inout StageState) throws {
        let before = state
        let expander = VariableExpander(escape: escape) { before.value(of: $0) }
        switch statement.instruction {
        case .from: preconditionFailure("a FROM starts a stage")
        case .arg(let list): try declare(list, &state, expander)
        case .run(let run): try perform(run, &state)
        case .copy(let copy): try perform(copy, statement, &state, expander)
        case .workdir(let path): try enterDirectory(try expander.word(path), &state)
        default:
            if let history = try state.apply(statement.instruction, expander: expander) {
                state.addHistory(history, emptyLayer: true)
            }
        }
    }

    private func declare(
        _ list: [Instruction.Argument], _ state: inout StageState, _ expander: VariableExpander
    ) throws {
        let given = givenArguments
        for argument in list {
            let name = try expander.word(argument.name)
            consumed.insert(name)
            var value = given[name]
            if value == nil {
                value = try argument.value.map { text throws(DockerfileError) in try expander.word(text) }
            }
            if value == nil, argument.value == nil {
                value = plan?.globalArguments[name] ?? automaticArguments(state.config.platform)[name]
            }
            state.declare(name, value)
            state.addHistory("ARG \(name)" + (value.map { "=\($0)" } ?? ""), emptyLayer: true)
        }
    }

    /// Takes a step's outcome from the cache, or makes it: `make` writes into the upper directory.
    func layered(
        _ key: StepKey, _ state: inout StageState, _ history: String,
        make: (_ layers: [FilePath], _ upper: FilePath, _ work: FilePath) throws -> Void
    ) throws {
        let digest = key.digest
        if !options.noCache, let outcome = cache.outcome(of: digest), adopt(outcome, &state, history) {
            return say(" ---> Using cache")
        }
        let workspace = try currentWorkspace()
        let lower = trees(of: state.layers)
        let root = try lower.first.map { try FD.open($0, [.path, .directory]).status() }
        let step = try workspace.makeStep(root: root)
        let base = store.root.pushing(workspace.path)
        let upper = base.pushing(step.upper)
        try make(lower, upper, base.pushing(step.work))
        var outcome = BuildCache.Outcome.nothing
        if try !workspace.isEmpty(step.upper) {
            outcome = .layer(try store.commitLayer(upper: upper, epoch: state.epoch).diffID)
        }
        try workspace.remove(step.upper)
        try workspace.remove(step.work)
        try cache.record(outcome, of: digest)
        guard adopt(outcome, &state, history) else {
            throw BuildError("the layer that this step made is gone; is another command removing layers?")
        }
    }

    /// False when the layer is not in the store any more.
    private func adopt(_ outcome: BuildCache.Outcome, _ state: inout StageState, _ history: String) -> Bool {
        switch outcome {
        case .nothing:
            state.addHistory(history, emptyLayer: true)
        case .layer(let id):
            guard let layer = store.layer(id) else { return false }
            state.add(layer)
            state.addHistory(history, emptyLayer: false)
        }
        return true
    }

    private func currentWorkspace() throws -> Workspace {
        if let workspace { return workspace }
        let made = try cache.makeWorkspace()
        workspace = made
        return made
    }

    /// What overlayfs stacks, topmost first; an opaque layer hides all below it.
    func trees(of layers: [Layer]) -> [FilePath] {
        var result: [FilePath] = []
        for layer in layers.reversed() {
            result.append(layer.tree)
            if layer.isOpaque { break }
        }
        return result
    }
}

// RUN.
extension Builder {
    private func perform(_ run: Instruction.Run, _ state: inout StageState) throws {
        let argv = self.argv(of: run, state)
        let network = run.network == .default ? options.network : run.network.rawValue
        let arguments = state.visibleArguments
        let env = state.config.process.env + arguments
        let key = StepKey.run(argv, env: env, network: network, on: state)
        let prefix = arguments.isEmpty ? "" : "|\(arguments.count) \(arguments.joined(separator: " ")) "
        let config = state.config.process
        let workingDir = state.workingDir
        let given = givenArguments
        let known = Set(env.map { String($0.prefix { $0 != "=" }) })
        let proxies = given.keys.filter { proxyArguments.contains($0) && !known.contains($0) }.sorted()
        try layered(key, &state, "RUN \(prefix)\(argv.joined(separator: " "))") { layers, upper, work in
            let id = key.digest.short
            say(" ---> Running in \(id)")
            var script: FilePath?
            if let body = wholeBody(of: run), body.hasPrefix("#!") {
                script = try writeScript(body, named: FilePath(".build-\(id)"), in: upper)
            }
            let step = RunStep(
                argv: script.map { ["/\($0)"] } ?? argv,
                env: env + proxies.map { "\($0)=\(given[$0] ?? "")" }, workingDir: workingDir,
                user: config.user, layers: layers, upper: upper, work: work, network: network, config: config,
                stepName: "build-\(id)")
            try execute(step)
            if let script { try FD.open(upper, [.readOnly, .directory]).remove(script) }
            try removeMountPoints(upper: upper, layers: layers)
        }
    }

    /// A heredoc that is all of the command: its body is the script.
    private func wholeBody(of run: Instruction.Run) -> String? {
        guard let only = run.heredocs.first, case .shell(let text) = run.command else { return nil }
        return splitRawWords(text, escape: escape).count == 1 ? only.content : nil
    }

    private func argv(of run: Instruction.Run, _ state: StageState) -> [String] {
        guard !run.heredocs.isEmpty, case .shell(let text) = run.command else {
            return state.words(of: run.command)
        }
        // A body that names its interpreter is a program; its text stands for it in the key.
        if let body = wholeBody(of: run) { return body.hasPrefix("#!") ? [body] : state.shell + [body] }
        let bodies = run.heredocs.map { "\n\($0.content)\($0.name)" }.joined()
        return state.shell + [text + bodies]
    }

    /// The program of a step, in its root while it runs.
    private func writeScript(_ text: String, named name: FilePath, in upper: FilePath) throws -> FilePath {
        let directory = try FD.open(upper, [.readOnly, .directory])
        let file = try directory.open(name, [.writeOnly, .create, .exclusive], mode: 0o755)
        try file.changeMode(0o755)
        try file.writeAll(Array(text.utf8))
        return name
    }

    private func execute(_ step: RunStep) throws {
        let (report, tail, isQuiet) = (report, unshown, options.quiet)
        let code = try runner.run(step) { bytes in
            if isQuiet { tail.append(bytes) } else { report(.output(Array(bytes))) }
        }
        if code == 0 { return }
        throw BuildError(
            "The command '\(step.argv.joined(separator: " "))' returned a non-zero code: \(code)",
            exitCode: code)
    }

    /// A container needs places to mount on; those it got for the step alone are no part of the image.
    private func removeMountPoints(upper: FilePath, layers: [FilePath]) throws {
        let changed = try FD.open(upper, [.readOnly, .directory])
        let old: FD
        if layers.isEmpty {
            old = try FD.newMount("tmpfs", options: ["size=4k"])
        } else {
            old = try mountOverlay(lower: layers, upper: nil, work: nil)
        }
        for name: FilePath in ["dev", "proc", "sys"] where try old.status(of: name) == nil {
            try removeIfEmpty(name, in: changed)
        }
        guard let etc = try changed.status(of: "etc"), etc.type == .directory else { return }
        let inner = try changed.open("etc", [.readOnly, .directory, .noFollow])
        let before = try old.resolve("etc")
        let beforeEtc = before.status?.type == .directory ? before.path : nil
        for name: FilePath in ["hosts", "hostname", "resolv.conf"] {
            if let beforeEtc {
                let directory = try old.openResolved(beforeEtc, [.readOnly, .directory])
                if try directory.status(of: name) != nil { continue }
            }
            if let file = try inner.status(of: name), file.type == .regular, file.size == 0 {
                try inner.remove(name)
            }
        }
        let isCopy = before.status.map {
            ($0.permissions, $0.uid, $0.gid) == (etc.permissions, etc.uid, etc.gid)
        }
        if isCopy ?? true { try removeIfEmpty("etc", in: changed) }
    }

    /// Whiteouts are entries too: a directory with one stays.
    private func removeIfEmpty(_ name: FilePath, in directory: borrowing FD) throws {
        guard try directory.status(of: name)?.type == .directory else { return }
        let inner = try directory.open(name, [.readOnly, .directory, .noFollow])
        if try inner.entries().isEmpty,
            try inner.attributeNames().allSatisfy({ !$0.contains("overlay.opaque") })
        {
            try directory.remove(name, directory: true)
        }
    }
}

/// The end of what a quiet build had to say.
final class OutputTail {
    private(set) var bytes: [UInt8] = []

    func append(_ line: String) { Array("\(line)\n".utf8).withUnsafeBytes { append($0) } }

    func append(_ more: UnsafeRawBufferPointer) {
        bytes += more
        if bytes.count > 1 << 17 { bytes.removeFirst(bytes.count - (1 << 16)) }
    }
}
