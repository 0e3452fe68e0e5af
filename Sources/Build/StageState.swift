import Images
import Linux
import OCI

/// Proxies can be given as build arguments without ARG; they are in no key and in no history.
let proxyArguments: Set<String> = {
    let names = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"]
    return Set(names + names.map { $0.lowercased() })
}()

/// A stage as far as it is built: the configuration and layers that the next step stands on.
struct StageState {
    var config: ImageConfig
    /// Lowest first; their diff ids are the configuration's.
    var layers: [Layer] = []
    /// Declared so far, in order; one without a value is not among them.
    var arguments: [(name: String, value: String)] = []
    /// CMD was given in this stage, so that a later ENTRYPOINT leaves it alone.
    var setsCommand = false
    /// Seconds since 1970 that no file is younger than, and the time of the image.
    var epoch: Int64

    static let defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    /// `FROM scratch`.
    static func scratch(_ platform: Platform, epoch: Int64) -> StageState {
        var config = ImageConfig(platform: platform)
        config.process.env = ["PATH=\(defaultPath)"]
        config.process.workingDir = "/"
        return StageState(config: config, epoch: epoch)
    }

    var created: String { Timestamp(seconds: epoch).rfc3339Short }
    var shell: [String] { config.process.shell ?? ["/bin/sh", "-c"] }
    var workingDir: String { config.process.workingDir.isEmpty ? "/" : config.process.workingDir }

    /// A variable as instructions see it: ENV wins over ARG. An image without PATH runs with the default one.
    func value(of name: String) -> String? {
        environment(name) ?? arguments.last { $0.name == name }?.value
            ?? (name == "PATH" ? Self.defaultPath : nil)
    }

    private func environment(_ name: String) -> String? {
        config.process.env.last { $0.hasPrefix(name + "=") }.map { String($0.dropFirst(name.utf8.count + 1)) }
    }

    /// Arguments that a command sees in its environment: those that no ENV hides.
    var visibleArguments: [String] {
        arguments.filter { environment($0.name) == nil }.map { "\($0.name)=\($0.value)" }
    }

    mutating func setEnvironment(_ name: String, _ value: String) {
        if let at = config.process.env.firstIndex(where: { $0.hasPrefix(name + "=") }) {
            config.process.env[at] = "\(name)=\(value)"
        } else {
            config.process.env.append("\(name)=\(value)")
        }
    }

    mutating func declare(_ name: String, _ value: String?) {
        arguments.removeAll { $0.name == name }
        if let value { arguments.append((name, value)) }
    }

    mutating func addHistory(_ createdBy: String, emptyLayer: Bool) {
        config.history.append(
            ImageConfig.History(created: created, createdBy: createdBy, emptyLayer: emptyLayer))
    }

    mutating func add(_ layer: Layer) {
        layers.append(layer)
        config.diffIDs.append(layer.diffID)
    }

    /// The path that WORKDIR or a destination means.
    func absolute(_ path: String) -> String {
        cleanPath(path.hasPrefix("/") ? path : workingDir + "/" + path)
    }
}

// Instructions that change nothing but the configuration.
extension StageState {
    /// Applies one; answers what the history says. Nil for instructions that touch files, and for ARG.
    mutating func apply(
        _ instruction: Instruction, expander: VariableExpander
    ) throws(DockerfileError) -> String? {
        switch instruction {
        case .env(let pairs):
            let done = try expand(pairs, expander)
            for (name, value) in done { setEnvironment(name, value) }
            return "ENV " + done.map { "\($0)=\($1)" }.joined(separator: " ")
        case .label(let pairs):
            let done = try expand(pairs, expander)
            for (name, value) in done { config.process.labels[name] = value }
            return "LABEL " + done.map { "\($0)=\($1)" }.joined(separator: " ")
        case .user(let text):
            config.process.user = try expander.word(text)
            return "USER \(config.process.user)"
        case .cmd(let command):
            config.process.cmd = words(of: command)
            setsCommand = true
            return "CMD " + list(config.process.cmd ?? [])
        case .entrypoint(let command):
            config.process.entrypoint = words(of: command)
            if !setsCommand { config.process.cmd = nil }
            return "ENTRYPOINT " + list(config.process.entrypoint ?? [])
        default: return try applyRest(instruction, expander)
        }
    }

    private mutating func applyRest(
        _ instruction: Instruction, _ expander: VariableExpander
    ) throws(DockerfileError) -> String? {
        switch instruction {
        case .expose(let texts):
            var ports: [String] = []
            for text in texts {
                for word in try expander.words(text) { ports += try portNames(word) }
            }
            config.process.exposedPorts.formUnion(ports)
            return "EXPOSE " + ports.joined(separator: " ")
        case .volume(let texts):
            var paths: [String] = []
            for text in texts { paths.append(try expander.word(text)) }
            if paths.contains("") { throw DockerfileError("VOLUME specified can not be an empty string") }
            config.process.volumes.formUnion(paths)
            return "VOLUME " + list(paths)
        case .stopSignal(let text):
            let signal = try expander.word(text)
            guard Signal.number(signal) != nil else {
                throw DockerfileError("Invalid signal: \(signal)", isSyntax: false)
            }
            config.process.stopSignal = signal
            return "STOPSIGNAL \(signal)"
        case .shell(let words):
            config.process.shell = words
            return "SHELL " + list(words)
        case .healthcheck(let document):
            config.process.healthcheck = document
            return "HEALTHCHECK " + document.text
        case .maintainer(let text):
            config.author = text
            return "MAINTAINER \(text)"
        case .onBuild(let text):
            config.process.onBuild.append(text)
            return "ONBUILD \(text)"
        default: return nil
        }
    }

    /// All values of one instruction see the variables as they were before it.
    private func expand(
        _ pairs: [Instruction.Pair], _ expander: VariableExpander
    ) throws(DockerfileError) -> [(String, String)] {
        var result: [(String, String)] = []
        for pair in pairs {
            let name = try expander.word(pair.name)
            if name.isEmpty { throw DockerfileError("names can not be blank") }
            let value = try expander.word(pair.value)
            result.append((name, value))
        }
        return result
    }

    /// The shell's words come before a shell form.
    func words(of command: Instruction.Command) -> [String] {
        switch command {
        case .exec(let words): words
        case .shell(let text): shell + [text]
        }
    }

    private func list(_ words: [String]) -> String { JSON.array(words.map(JSON.string)).text }
}

/// `80`, `80/udp`, `8000-8002/tcp`, each port by itself as the configuration wants it.
func portNames(_ text: String) throws(DockerfileError) -> [String] {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    let proto = parts.count == 2 ? parts[1].lowercased() : "tcp"
    let bounds = (parts.first ?? "").split(separator: "-", omittingEmptySubsequences: false).map {
        UInt16($0)
    }
    guard parts.count <= 2, bounds.count <= 2, let low = bounds.first ?? nil, let high = bounds.last ?? nil,
        low <= high
    else { throw DockerfileError("invalid containerPort: \(text)", isSyntax: false) }
    guard ["tcp", "udp", "sctp"].contains(proto) else {
        throw DockerfileError("invalid proto: \(proto)", isSyntax: false)
    }
    return (low...high).map { "\($0)/\(proto)" }
}
