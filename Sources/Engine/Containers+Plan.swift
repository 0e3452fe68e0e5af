import Images
import Linux
import Monitor
import Network
public import OCI
import Runtime
import SystemPackage

/// What `run` would do with some options: nothing of it is done.
public struct ContainerPlan {
    private let config: ContainerConfig
    private let request: MonitorRequest
    private let start: StartPlan
    private let layers: Int
    private let ports: [PortMapping]
    /// What would come to be on the host; nil: the container is made.
    private let made: [String]?

    fileprivate init(
        _ config: ContainerConfig, _ request: MonitorRequest, _ ports: [PortMapping], made: [String]? = nil
    ) throws {
        (self.config, self.request, self.ports, self.made) = (config, request, ports, made)
        guard case .overlay(let lower, _, _, _) = request.root else {
            throw EngineError("container \(config.id.prefix(12)) has no layers")
        }
        layers = lower.count
        start = try StartPlan(request, root: try mountOverlay(lower: lower, upper: nil, work: nil))
    }

    /// A paragraph of what it is, and a numbered line for each step.
    public var text: String {
        // What images and users say makes no lines of its own.
        let shown = facts.filter { !$0.value.isEmpty }.map {
            $0.name.padded(to: 14) + escapeControls($0.value)
        }
        let width = String(start.steps.count).count
        let steps = start.steps.enumerated().map { number, step in
            "\(String(number + 1).padded(to: width, right: true))  \(escapeControls(withoutID(step)))"
        }
        return (shown + ["", "the container's first process:"] + steps).joined(separator: "\n") + "\n"
    }

    /// `spec` is the OCI runtime-spec's document; of the environment it has the names alone.
    public var json: JSON {
        var spec = request.spec
        spec.process.env = spec.process.env.map { String($0.prefix { $0 != "=" }) }
        func list(_ texts: [String]) -> JSON { .array(texts.map { .string($0) }) }
        return .fields([
            "name": .string(config.name), "image": .string(config.image.description),
            "user": .fields([
                "uid": .int(Int64(start.user.uid)), "gid": .int(Int64(start.user.gid)),
                "groups": .array(start.user.groups.map { .int(Int64($0)) }),
            ]),
            "network": list(networks), "made": list(made ?? []),
            "cgroup": .string(withoutID("/\(request.cgroup)")), "limits": list(start.limits),
            "warnings": list(start.warnings), "steps": list(start.steps.map(withoutID)),
            "spec": spec.json,
        ])
    }

    /// The id of what is not made yet will be another one.
    private func withoutID(_ text: String) -> String {
        guard made != nil else { return text }
        return [config.id, String(config.id.prefix(12))].reduce(text) { text, id in
            text.split(separator: id, omittingEmptySubsequences: false).joined(separator: "ID")
        }
    }

    private var facts: [(name: String, value: String)] {
        let user = start.user
        return [
            ("container", "\(config.name)" + (config.host.removesItself ? ", removed when it ends" : "")),
            (
                "image",
                "\(config.imageName) (\(config.image.short), \(layers) layer\(layers == 1 ? "" : "s"))"
            ),
            ("command", config.command.map(\.quotedForShell).joined(separator: " ")),
            (
                "user",
                "\(user.uid):\(user.gid), groups \(user.groups.map(String.init).joined(separator: ","))"
            ),
            // Values may be secrets.
            (
                "environment",
                config.environment.map { String($0.prefix { $0 != "=" }) }.joined(separator: " ")
            ),
            (
                "host name",
                config.host.sharing.uts == "host" ? "the host's" : config.hostname ?? "its short id"
            ),
            ("networks", networks.joined(separator: ", ")),
            ("shares", shared.joined(separator: ", ")),
            ("makes", (made ?? []).joined(separator: ", ")),
            ("cgroup", withoutID("/\(request.cgroup)")),
            ("limits", start.limits.joined(separator: ", ")),
            ("left out", start.warnings.joined(separator: "; ")),
            ("output", config.host.log.driver.rawValue),
            ("restart", config.host.restart.kind.rawValue),
            ("health check", request.health == nil ? "none" : "by its monitor"),
        ]
    }

    private var networks: [String] {
        let names = config.host.endpoints.map(\.network)
        return (names.isEmpty ? [config.host.network.text] : names)
            + ports.map {
                "published "
                    + ($0.hostPort == 0
                        ? "a free port for \($0.containerPort)/\($0.proto.rawValue)" : "\($0)")
            }
    }

    private var shared: [String] {
        [("pid", config.host.sharing.pid), ("ipc", config.host.sharing.ipc)].compactMap { kind, mode in
            mode == "host" || mode.hasPrefix("container:") ? "\(kind) namespace of \(mode)" : nil
        }
    }
}

extension Containers {
    /// Plans a container of an image that is there. Fails as `create` and the start would, as far as it can be known
    /// before.
    public func plan(_ options: RunOptions) throws -> ContainerPlan {
        guard try FD.directoryIfThere(paths.root) != nil else { throw Self.notHere(options.image) }
        let store = try ImageStore(root: paths.root)
        let image: Image
        do throws(ImageError) { image = try store.image(named: options.image) } catch {
            throw error.kind == .notFound ? Self.notHere(options.image) : error
        }
        var config = try newConfig(options, image: image).config
        if options.name == nil { config.name = "a free name" }
        let layers = try store.layerDirectories(of: image)
        let planned = try Volumes(paths).plan(config)
        let request = try makeRequest(
            config, layers: layers, mounts: planned.prepared, network: .none, ResolvConf(of: config.host))
        return try ContainerPlan(config, request, NetworkChoice(paths).ports(config), made: planned.made)
    }

    /// That of a container that was made.
    public func plan(of id: String) throws -> ContainerPlan {
        let config = try records.read(id).config
        return try ContainerPlan(config, try request(of: id), NetworkChoice(paths).ports(config))
    }

    private static func notHere(_ image: String) -> any Error {
        EngineError("No such image: \(image): what would be done depends on it (apus pull \(image))")
    }
}

extension String {
    fileprivate func padded(to width: Int, right: Bool = false) -> String {
        let blanks = String(repeating: " ", count: max(0, width - count))
        return right ? blanks + self : self + blanks
    }

    /// As a shell takes it for one word.
    fileprivate var quotedForShell: String {
        let plain = utf8.allSatisfy { byte in
            byte >= 0x80 || Character(UnicodeScalar(byte)).isLetter || Character(UnicodeScalar(byte)).isNumber
                || "-_./=:,@%+".utf8.contains(byte)
        }
        return plain && !isEmpty
            ? self
            : "'"
                + split(separator: "'", omittingEmptySubsequences: false)
                .joined(separator: "'\\''") + "'"
    }
}
