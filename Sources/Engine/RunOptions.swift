import Monitor
public import OCI

/// What `run` and `create` were asked for: every flag parsed once into its final type.
public struct RunOptions: Equatable, Sendable {
    /// Where an image that the store lacks may come from.
    public enum Pull: String, Equatable, Sendable { case always, missing, never }

    /// The streams that the client stays connected to.
    public struct Streams: OptionSet, Sendable {
        public let rawValue: UInt8
        /// Takes the bits of stdin, stdout and stderr.
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        public static let stdin = Streams(rawValue: 1)
        public static let stdout = Streams(rawValue: 2)
        public static let stderr = Streams(rawValue: 4)
    }

    /// As typed; a `Reference` or the beginning of an image's id.
    public var image: String
    public var command: [String] = []
    /// nil: made up.
    public var name: String?
    /// Empty: run in the background (`-d`).
    public var attach: Streams = [.stdout, .stderr]
    /// `-t`: a pseudo-terminal is the container's stdin, stdout and stderr.
    public var terminal = false
    /// `-i`: stdin stays open, attached or not.
    public var openStdin = false
    /// In order, later ones win; a bare name removes the variable.
    public var env: [String] = []
    public var labels: [String: String] = [:]
    /// Of `--expose`: `80/tcp`.
    public var exposedPorts: Set<String> = []
    public var health = HealthFlags()
    public var hostname: String?
    public var domainname: String?
    /// `name|uid[:group|gid]`.
    public var user: String?
    /// Absolute.
    public var workingDirectory: String?
    /// An empty word resets the image's.
    public var entrypoint: String?
    /// A name or number that `Signal.number` knows.
    public var stopSignal: String?
    /// In seconds; negative waits for ever.
    public var stopTimeout: Int?
    public var host = HostOptions()
    public var platform: Platform?
    public var pull = Pull.missing
    public var quiet = false
    public var proxiesSignals = true
    /// The bytes that detach a client from a terminal.
    public var detachKeys = RunOptions.standardDetachKeys

    /// The options of a container of `image` when nothing else is typed.
    public init(image: String) { self.image = image }

    public var isDetached: Bool { attach.isEmpty }

    /// ctrl-p ctrl-q.
    public static let standardDetachKeys = DetachKeys.standard

    /// Reads `--detach-keys`; nothing is the standard ones.
    public static func detachKeys(_ text: String) throws(UsageError) -> [UInt8] {
        guard let keys = DetachKeys.parse(text) else {
            throw UsageError("invalid detach keys (\(text)) provided")
        }
        return keys.isEmpty ? standardDetachKeys : keys
    }
}

extension RunOptions {
    private static func isHostname(_ name: String) -> Bool {
        name.utf8.allSatisfy { byte in
            (byte >= 0x30 && byte <= 0x39) || (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7a)
                || [0x2d, 0x2e, 0x5f].contains(byte)
        }
    }

    /// What no single flag shows to be wrong, and what depends on the machine; docker's texts.
    public func validate(processors: @autoclosure () -> Int) throws(UsageError) {
        if let name, !ContainerName.isValid(name) { throw ContainerName.refusal(name) }
        if let workingDirectory, !workingDirectory.hasPrefix("/") {
            throw UsageError(
                "the working directory '\(workingDirectory)' is invalid, it needs to be an absolute path")
        }
        if let hostname, hostname.utf8.count > 64 {
            throw UsageError("invalid hostname \"\(hostname)\": longer than the kernel's 64 bytes")
        }
        // A line end would write lines of its own into /etc/hosts.
        for name in [hostname, domainname].compactMap(\.self) where !Self.isHostname(name) {
            throw UsageError(
                "invalid hostname \"\(name)\": only letters, digits, '.', '-' and '_' are allowed")
        }
        if host.sharing.uts == "host", hostname != nil || domainname != nil {
            throw UsageError("conflicting options: hostname and the UTS mode")
        }
        if case .container = host.network {
            if hostname != nil { throw UsageError("conflicting options: hostname and the network mode") }
            if !host.ports.isEmpty || host.publishesAll {
                throw UsageError("conflicting options: port publishing and the container type network mode")
            }
            if !exposedPorts.isEmpty {
                throw UsageError("conflicting options: port exposing and the container type network mode")
            }
            if !host.dns.isEmpty { throw UsageError("conflicting options: dns and the network mode") }
            if !host.extraHosts.isEmpty {
                throw UsageError("conflicting options: custom host-to-IP mapping and the network mode")
            }
        }
        _ = try host.portMappings()
        try host.limits.validate(processors: processors())
        var targets = Set<String>()
        for mount in host.mounts where !targets.insert(mount.target).inserted {
            throw UsageError("Duplicate mount point: \(mount.target)")
        }
    }
}
