public import Linux
import Network
public import OCI

/// What a container is, from its creation to its removal: the image's configuration and the user's options
/// merged. Stored as config.json in the shape that `docker inspect` shows.
public struct ContainerConfig: Equatable, Sendable {
    /// 64 hexadecimal digits.
    public var id: String
    /// Without a slash.
    public var name: String
    public var created: Timestamp
    /// As the user typed it.
    public var imageName: String
    public var image: Digest
    public var platform: Platform
    /// The merged process; `env` may hold bare names, which are removed from the environment.
    public var process: ImageConfig.Process
    /// nil: the first 12 digits of the id, or the host's own with `--network host`.
    public var hostname: String?
    public var domainname: String?
    public var terminal: Bool
    public var openStdin: Bool
    /// stdin is closed when the first client that was attached to it leaves (`-i` without `-d`).
    public var stdinOnce: Bool
    public var attach: RunOptions.Streams
    /// In seconds; nil is docker's 10, negative waits for ever.
    public var stopTimeout: Int?
    public var host: HostOptions

    /// docker's rules of merging; refuses a container without a command.
    public init(
        id: String, name: String, created: Timestamp, image: Digest, config: ImageConfig, options: RunOptions
    ) throws(UsageError) {
        (self.id, self.name, self.created, self.image) = (id, name, created, image)
        (imageName, platform) = (options.image, config.platform)
        process = try ContainerConfig.merge(config.process, options)
        (hostname, domainname) = (options.hostname, options.domainname)
        (terminal, openStdin, attach) = (options.terminal, options.openStdin, options.attach)
        stdinOnce = options.openStdin && options.attach.contains(.stdin)
        (stopTimeout, host) = (options.stopTimeout, options.host)
        guard let first = command.first else { throw UsageError("no command specified") }
        if first.isEmpty { throw UsageError("the command's first word is empty: give a program to run") }
        if !process.workingDir.isEmpty, !process.workingDir.hasPrefix("/") {
            throw UsageError(
                "the working directory '\(process.workingDir)' is invalid, it needs to be an absolute path")
        }
    }

    /// What is executed: the entrypoint and its arguments.
    public var command: [String] { (process.entrypoint ?? []) + (process.cmd ?? []) }

    /// What the kernel is told.
    public var effectiveHostname: String { hostname ?? String(id.prefix(12)) }
}

extension ContainerConfig {
    /// The image's process with the user's options over it.
    static func merge(
        _ image: ImageConfig.Process, _ options: RunOptions
    ) throws(UsageError) -> ImageConfig.Process {
        var merged = image
        if let user = options.user, !user.isEmpty { merged.user = user }
        if let directory = options.workingDirectory, !directory.isEmpty { merged.workingDir = directory }
        if let signal = options.stopSignal { merged.stopSignal = signal }
        merged.healthcheck = options.health.merged(over: image.healthcheck)
        merged.exposedPorts.formUnion(options.exposedPorts)
        for mount in options.host.mounts
        where mount.origin == .volumeFlag && mount.volume?.isAnonymous == true {
            merged.volumes.insert(mount.target)
        }
        for port in try options.host.portMappings() {
            merged.exposedPorts.insert("\(port.containerPort)/\(port.proto.rawValue)")
        }
        merged.labels.merge(options.labels) { _, typed in typed }
        // docker puts the user's variables first, then those of the image that the user did not name.
        var named: [String: Int] = [:]
        merged.env = []
        for variable in options.env {
            let name = variableName(variable)
            if let at = named[name] {
                merged.env[at] = variable
            } else {
                named[name] = merged.env.count
                merged.env.append(variable)
            }
        }
        merged.env += image.env.filter { named[variableName($0)] == nil }
        mergeCommand(&merged, options)
        return merged
    }

    /// An entrypoint that is typed, an empty one too, takes the image's command with it.
    private static func mergeCommand(_ merged: inout ImageConfig.Process, _ options: RunOptions) {
        if let entrypoint = options.entrypoint {
            merged.entrypoint = entrypoint.isEmpty ? nil : [entrypoint]
            merged.cmd = options.command.isEmpty ? nil : options.command
        } else if !options.command.isEmpty {
            merged.cmd = options.command
        }
    }

    /// The environment of the container's first process without HOME, which the runtime adds from passwd:
    /// docker's defaults, then the configured ones, which replace a default in its place.
    static let standardPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    public var environment: [String] {
        var result = [
            ContainerConfig.standardPath,
            "HOSTNAME=\(effectiveHostname)",
        ]
        if terminal { result.append("TERM=xterm") }
        ContainerConfig.apply(process.env, to: &result)
        return result
    }

    /// Puts variables over others: in the place of one of the same name or at the end; a bare name removes it.
    public static func apply(_ variables: [String], to environment: inout [String]) {
        var result = environment.map(Optional.some)
        var places: [String: Int] = [:]
        for (at, variable) in environment.enumerated().reversed() { places[variableName(variable)] = at }
        for variable in variables {
            let name = variableName(variable)
            switch (places[name], variable.contains("=")) {
            case (let at?, true): result[at] = variable
            case (let at?, false):
                result[at] = nil
                places[name] = nil
            case (nil, true):
                places[name] = result.count
                result.append(variable)
            case (nil, false): break
            }
        }
        environment = result.compactMap(\.self)
    }

    private static func variableName(_ variable: String) -> String { String(variable.prefix { $0 != "=" }) }
}
