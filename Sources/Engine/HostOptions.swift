import Linux
public import Monitor
import Network

/// The part of a container's options that says what the host gives it: docker's HostConfig.
public struct HostOptions: Equatable, Sendable {
    /// Which network namespace the container has.
    public enum Network: Equatable, Sendable {
        case none, host, bridge
        /// Another container's, by name or id.
        case container(String)
        /// A user's network.
        case named(String)
    }

    /// Which system calls are let through.
    public enum Seccomp: Equatable, Sendable {
        case standard, unconfined
        /// A profile's text, JSON in docker's format.
        case profile(String)
    }

    public var mounts: [MountOption] = []
    /// `container[:mode]`, as typed.
    public var volumesFrom: [String] = []
    public var sharing = SharingOptions()
    /// As typed: `[[address:]host:]container[/protocol]`.
    public var ports: [String] = []
    public var publishesAll = false
    public var network = Network.bridge
    /// With a bridge: what was asked of each network; nil is the one of `network`, and whatever is free in it.
    public var connections: [EndpointOptions]?
    public var dns: [String] = []
    public var dnsSearch: [String] = []
    public var dnsOptions: [String] = []
    /// `name:address`, the address may be `host-gateway`.
    public var extraHosts: [String] = []
    public var limits = Limits()
    public var ulimits: [Ulimit] = []
    /// `CAP_NET_ADMIN` or `ALL`.
    public var addedCapabilities: [String] = []
    public var droppedCapabilities: [String] = []
    public var isPrivileged = false
    public var seccomp = Seccomp.standard
    public var noNewPrivileges = false
    public var hasReadOnlyRoot = false
    public var usesInit = false
    /// Of /dev/shm, in bytes.
    public var shmSize: Int64 = 64 << 20
    /// Names or numbers of groups of the container.
    public var groups: [String] = []
    /// -1000 to 1000.
    public var oomScoreAdjustment: Int?
    public var log = LogOptions()
    /// `--rm`.
    public var removesItself = false
    public var restart = RestartPolicy()
    /// The path of a file that must not exist yet; the id is written there.
    public var idFile: String?

    /// What a container gets when nothing is typed.
    public init() {}
}

extension HostOptions {
    /// What is published, parsed; docker's texts.
    func portMappings() throws(UsageError) -> [PortMapping] {
        var mappings: [PortMapping] = []
        for text in ports {
            do { mappings += try PortMapping.parse(text) } catch { throw UsageError("\(error)") }
        }
        return mappings
    }

    /// Takes one `--security-opt`; `readFile` reads a profile of the client.
    public mutating func setSecurity(
        _ option: String, readFile: (String) throws -> String
    ) throws {
        let separator = option.firstIndex(of: "=") ?? option.firstIndex(of: ":")
        let key = separator.map { String(option[..<$0]) } ?? option
        let value = separator.map { String(option[option.index(after: $0)...]) }
        switch (key, value) {
        case ("no-new-privileges", nil), ("no-new-privileges", "true"): noNewPrivileges = true
        case ("no-new-privileges", "false"): noNewPrivileges = false
        case ("seccomp", "unconfined"): seccomp = .unconfined
        case ("seccomp", "builtin"): seccomp = .standard
        case ("seccomp", let path?):
            do {
                seccomp = .profile(try readFile(path))
            } catch { throw UsageError("opening seccomp profile (\(path)) failed: \(error)") }
        // No security module is used, so there is nothing to turn off.
        case ("apparmor", "unconfined"), ("label", "disable"): break
        case ("apparmor", _?), ("label", _?), ("systempaths", _?):
            throw UsageError("--security-opt \(key) is not supported yet")
        default: throw UsageError("Invalid --security-opt: \"\(option)\"")
        }
    }

    /// A capability as typed, with or without `CAP_`, in any case: `CAP_NET_ADMIN`, or `ALL`.
    public static func capability(_ text: String) throws(UsageError) -> String {
        let upper = text.uppercased()
        if upper == "ALL" || upper == "CAP_ALL" { return "ALL" }
        let name = upper.hasPrefix("CAP_") ? upper : "CAP_\(upper)"
        guard CapabilitySet(name: name) != nil else { throw UsageError("\(UnknownCapability(name: name))") }
        return name
    }
}

extension HostOptions.Network {
    /// Takes what `--network` was given.
    public init(parsing text: String) throws(UsageError) {
        switch text {
        case "": throw UsageError("no name set for network")
        case "none": self = .none
        case "host": self = .host
        case "bridge", "default": self = .bridge
        default:
            guard text.hasPrefix("container:") else {
                self = .named(text)
                return
            }
            let name = String(text.dropFirst(10))
            guard !name.isEmpty else {
                throw UsageError("invalid network mode: invalid container format container:<name|id>")
            }
            self = .container(name)
        }
    }

    /// As it is typed, and as docker's NetworkMode.
    public var text: String {
        switch self {
        case .none: "none"
        case .host: "host"
        case .bridge: "bridge"
        case .container(let name): "container:\(name)"
        case .named(let name): name
        }
    }
}
