import Linux
public import Network
public import SystemPackage

/// Where an engine keeps what, and what it has of the host: names that derive from its root, so that several engines
/// run side by side, and addresses.
public struct EnginePaths: Equatable, Sendable {
    /// What lasts: images, containers, volumes.
    public let root: FilePath
    /// What a reboot clears: sockets, locks, leases.
    public let run: FilePath
    /// What the configuration says of addresses.
    public var addresses = AddressPlan()

    public static let defaultRoot: FilePath = "/var/lib/apus"
    public static let defaultRun: FilePath = "/run/apus"

    public init(root: FilePath, run: FilePath) {
        self.root = root.lexicallyNormalized()
        self.run = run.lexicallyNormalized()
    }

    /// `--root` and `--run`, else APUS_ROOT and APUS_RUN, else the configuration's, else the defaults. A root of one's own without a run
    /// directory keeps that below itself, so that two engines never share one by mistake.
    public init(
        root: String?, run: String?, environment: (String) -> String?, _ configuration: Configuration
    ) throws(UsageError) {
        let chosen = root ?? environment("APUS_ROOT") ?? configuration.root
        // Not that of another root.
        let configured = root ?? environment("APUS_ROOT") == nil ? configuration.run : nil
        let chosenRun = run ?? environment("APUS_RUN") ?? configured
        for path in [chosen, chosenRun].compactMap(\.self) where !path.hasPrefix("/") {
            throw UsageError("\(path) is not an absolute path: give --root and --run from /")
        }
        let root = chosen.map { FilePath($0) } ?? Self.defaultRoot
        let fallback = chosen == nil ? Self.defaultRun : root.appending("run")
        self.init(root: root, run: chosenRun.map { FilePath($0) } ?? fallback)
        addresses = configuration.addresses
    }

    public var isDefault: Bool { root == Self.defaultRoot }
    /// Eight hexadecimal digits of the root, for names on the host; nil for the default root.
    public var suffix: String? { isDefault ? nil : String(SHA256.hex(of: Array(root.string.utf8)).prefix(8)) }
    /// Below the cgroup v2 tree.
    public var cgroupParent: FilePath { FilePath(suffix.map { "apus-\($0)" } ?? "apus") }

    public var containers: FilePath { root.appending("containers") }
    public var names: FilePath { root.appending("names") }
    public var volumes: FilePath { root.appending("volumes") }
    public var networks: FilePath { root.appending("networks") }
    /// Who has which address, by network namespace.
    var leases: FilePath { run.appending("network") }
    public var seccompCache: FilePath { root.appending("cache/seccomp") }
    public var runContainers: FilePath { run.appending("containers") }
    public func container(_ id: String) -> FilePath { containers.appending(id) }
    public func runContainer(_ id: String) -> FilePath { runContainers.appending(id) }
}
