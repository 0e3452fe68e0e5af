public import Images
import Linux
import OCI
import SystemPackage

/// Builds images from Dockerfiles, one step after the other, each looked up before it is done.
public final class Builder<Runner: StepRunner> {
    let store: ImageStore
    let runner: Runner
    let cache: BuildCache
    let report: (BuildReport) -> Void

    // Of the build that is going on.
    var options = BuildOptions(contextPath: ".")
    var fileName = ""
    var escape: Unicode.Scalar = "\\"
    var context: SourceTree?
    var plan: BuildPlan?
    var finished: [Int: StageState] = [:]
    var trees: [[Digest]: SourceTree] = [:]
    var workspace: Workspace?
    var consumed: Set<String> = []
    private var pulled: Set<String> = []
    var stepNumber = 0
    /// What a quiet build shows only when it fails.
    var unshown = OutputTail()

    /// `report` hears of progress while the build goes on.
    public init(store: ImageStore, runner: Runner, report: @escaping (BuildReport) -> Void) throws {
        self.store = store
        self.runner = runner
        self.report = report
        cache = try BuildCache(root: store.root)
    }

    /// Builds the target and names it. The same inputs give the same image.
    public func build(_ options: BuildOptions) throws -> Image {
        self.options = options
        unshown = OutputTail()
        defer { (workspace, context, trees, finished, plan) = (nil, nil, [:], [:], nil) }
        do { return try buildAll(options) } catch {
            if !unshown.bytes.isEmpty { report(.log(unshown.bytes)) }
            throw error
        }
    }

    private func buildAll(_ options: BuildOptions) throws -> Image {
        let inputs = try BuildInputs.read(options)
        (fileName, escape, stepNumber) = (inputs.file.name, inputs.file.escape, 0)
        for warning in inputs.file.warnings { warn(warning) }
        let plan = try BuildPlan(inputs.file, arguments: givenArguments, target: options.target)
        (self.plan, consumed) = (plan, plan.consumed)
        let statCache = try cache.statCache(of: inputs.context)
        let tree = SourceTree(
            root: try inputs.context.duplicate(), ignore: inputs.ignore, keepsOwners: false, cache: statCache)
        context = tree
        for stage in plan.stages { finished[stage.index] = try build(stage) }
        for tree in [tree] + trees.values { for warning in tree.warnings { warn(warning) } }
        if let learned = tree.cache { try cache.save(learned, of: inputs.context) }
        guard let last = plan.stages.last, let state = finished[last.index] else {
            preconditionFailure("a plan has at least one stage")
        }
        return try finish(state)
    }

    /// The arguments that were given a value; the last one of a name counts.
    var givenArguments: [String: String] {
        var result: [String: String] = [:]
        for (name, value) in options.buildArguments { result[name] = value }
        return result
    }

    func say(_ line: String) { if options.quiet { unshown.append(line) } else { report(.line(line)) } }
    func warn(_ line: String) { if options.quiet { unshown.append(line) } else { report(.warning(line)) } }

    private func build(_ stage: BuildPlan.Stage) throws -> StageState {
        announce(stage.from.text)
        var state = try located(stage.from) { try start(stage) }
        state.config.created = state.created
        sayState(state)
        let triggers = state.config.process.onBuild
        state.config.process.onBuild = []
        if !triggers.isEmpty {
            say("# Executing \(triggers.count) build trigger\(triggers.count == 1 ? "" : "s")")
        }
        for trigger in triggers {
            let statement = try located(stage.from) { try parseTrigger(trigger) }
            try located(stage.from) { try perform(statement, &state) }
        }
        for statement in stage.statements {
            announce(statement.text)
            try located(statement) { try perform(statement, &state) }
            sayState(state)
        }
        return state
    }

    private func announce(_ text: String) {
        stepNumber += 1
        say("Step \(stepNumber)/\(plan?.stepCount ?? 0) : \(text)")
    }

    private func sayState(_ state: StageState) {
        if !options.quiet { say(" ---> \(SHA256.hex(of: state.config.json.bytes).prefix(12))") }
    }

    /// Errors get the file and line.
    private func located<R>(_ statement: Statement, _ body: () throws -> R) throws -> R {
        do {
            return try body()
        } catch let error as DockerfileError {
            throw error.at(statement.line, of: fileName)
        } catch let error as BuildError {
            throw BuildError("\(fileName):\(statement.line): \(error)", exitCode: error.exitCode)
        } catch {
            throw BuildError("\(fileName):\(statement.line): \(error)")
        }
    }

    private func start(_ stage: BuildPlan.Stage) throws -> StageState {
        switch stage.base {
        case .scratch:
            return .scratch(.host, epoch: try givenEpoch() ?? 0)
        case .stage(let index):
            guard var state = finished[index] else { preconditionFailure("a stage comes after its base") }
            state.setsCommand = false
            return state
        case .image(let name):
            let image = try image(named: name)
            let epoch = try givenEpoch() ?? max(0, image.created.seconds)
            var state = StageState(config: image.config, epoch: epoch)
            state.layers = try layers(of: image)
            return state
        }
    }

    /// What FROM and COPY --from name; pulled once when it is not there, or always when that is wished.
    func image(named name: String) throws -> Image {
        if options.pulls, !pulled.contains(name) {
            try pull(name)
        }
        do throws(ImageError) {
            return try store.image(named: name)
        } catch {
            guard error.kind == .notFound else { throw error }
        }
        try pull(name)
        return try store.image(named: name)
    }

    private func pull(_ name: String) throws {
        try runner.pull(name)
        pulled.insert(name)
    }

    /// The layers of an image, unpacked again when one is gone.
    func layers(of image: Image) throws -> [Layer] {
        func present() -> [Layer] { image.config.diffIDs.compactMap { store.layer($0) } }
        let found = present()
        if found.count == image.config.diffIDs.count { return found }
        _ = try store.layerDirectories(of: image)
        let unpacked = present()
        guard unpacked.count == image.config.diffIDs.count else {
            throw BuildError("image \(image.id.short) lacks a layer; load or import it again")
        }
        return unpacked
    }

    private func givenEpoch() throws -> Int64? {
        guard let text = givenArguments["SOURCE_DATE_EPOCH"] ?? options.sourceDateEpoch else { return nil }
        guard let epoch = Int64(text), epoch >= 0, epoch < 253_402_300_800 else {
            throw BuildError("SOURCE_DATE_EPOCH=\(text) is not a number of seconds since 1970")
        }
        return epoch
    }
}

// The end of a build.
extension Builder {
    private func finish(_ state: StageState) throws -> Image {
        var config = state.config
        for (name, value) in options.labels { config.process.labels[name] = value }
        warnOfUnusedArguments()
        let image =
            try unchanged(config) ?? store.create(config: config, layers: state.layers, as: options.tags)
        if let idFile = options.idFile { try write(image.id, to: idFile) }
        if options.quiet {
            report(.line(image.id.description))
        } else {
            say("Successfully built \(image.id.short)")
            for tag in options.tags { say("Successfully tagged \(tag)") }
        }
        return image
    }

    /// The image that already has this configuration and these names: nothing to write, nothing to sync.
    private func unchanged(_ config: ImageConfig) throws -> Image? {
        guard let tag = options.tags.first else { return nil }
        // Not there, or damaged: it is made.
        guard let image = try? store.image(named: tag.canonical) else { return nil }
        let isSame = image.id.hex == SHA256.hex(of: config.json.bytes)
        return isSame && options.tags.allSatisfy(image.names.contains) ? image : nil
    }

    private func warnOfUnusedArguments() {
        let known = consumed.union(proxyArguments).union(["SOURCE_DATE_EPOCH"])
        var unused = options.buildArguments.map(\.name).filter {
            !known.contains($0) && !$0.hasPrefix("BUILDKIT_")
        }
        unused = unused.enumerated().filter { unused.firstIndex(of: $0.element) == $0.offset }.map(\.element)
        if unused.isEmpty { return }
        warn("[Warning] One or more build-args [\(unused.joined(separator: " "))] were not consumed")
    }

    private func write(_ id: Digest, to path: FilePath) throws {
        let file = try FD.open(path, [.writeOnly, .create, .truncate], mode: 0o644)
        try file.writeAll(Array(id.description.utf8))
    }
}
