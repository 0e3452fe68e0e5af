// What its name says has no comment.

public import Glibc

/// An engine with state directories of its own. Everything it started is stopped, and everything it made removed, when
/// the test is over.
public final class Engine {
    public enum Network {
        /// In namespaces of its own (`Enclosure`): the machine's links and firewall stay untouched.
        case isolated
        /// In the machine's own namespaces, for tests that need the machine's way to the package mirror.
        case machine
    }

    /// A directory of this test under /tmp: `root` and `run` are in it, tests put their files beside them.
    public let directory: String
    public let root: String
    public let run: String
    public let enclosure: Enclosure?
    private let linksBefore: Set<String>

    public init(network: Network = .isolated, sharing other: Engine? = nil) throws {
        var template = Array("/tmp/apus-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Trouble("mkdtemp") }
        directory = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        (root, run) = (directory + "/root", directory + "/run")
        switch network {
        case .isolated: enclosure = try other?.enclosure ?? Enclosure()
        case .machine: enclosure = nil
        }
        linksBefore = network == .machine ? Engine.links() : []
    }

    /// An isolated engine, where asked for with the image `busybox`. A suite holds one and calls `tearDown` in its deinit.
    public convenience init(withBusybox: Bool) throws {
        try self.init()
        guard withBusybox else { return }
        do { try importBusybox() } catch {
            tearDown()
            throw error
        }
    }

    /// The argument vector of an `apus` command on this engine.
    public func command(_ arguments: [String]) -> [String] { prefix + [Host.bin + "/apus"] + arguments }
    public var environment: [String: String] { ["APUS_ROOT": root, "APUS_RUN": run] }
    var prefix: [String] { enclosure?.prefix ?? [] }

    /// Runs one `apus` command to its end.
    @discardableResult
    public func callAsFunction(
        _ arguments: String..., stdin: String = "", timeout: Double = 60,
        environment more: [String: String] = [:]
    ) throws -> Outcome {
        try apus(arguments, stdin: stdin, timeout: timeout, environment: more)
    }

    @discardableResult
    public func apus(
        _ arguments: [String], stdin: String = "", timeout: Double = 60,
        environment more: [String: String] = [:]
    ) throws -> Outcome {
        try execute(
            command(arguments), environment: environment.merging(more) { $1 }, stdin: stdin, timeout: timeout)
    }

    /// Runs one `apus` command that has to succeed; answers its stdout without white space around it.
    @discardableResult
    public func must(_ arguments: String..., timeout: Double = 60) throws -> String {
        let outcome = try apus(arguments, timeout: timeout)
        guard outcome.code == 0 else {
            throw Trouble(because: "apus \(arguments.joined(separator: " ")): \(outcome)")
        }
        return outcome.text
    }

    /// Starts an `apus` command and leaves it running; `stdin` nil keeps the pipe open.
    public func start(_ arguments: String..., stdin: String? = "") throws -> Running {
        try Running(command(arguments), environment: environment, stdin: stdin)
    }

    /// Starts an `apus` command under a terminal.
    public func terminal(_ arguments: String..., rows: UInt16 = 24, columns: UInt16 = 80) throws -> Terminal {
        try Terminal(command(arguments), environment: environment, rows: rows, columns: columns)
    }

    /// A shell script where the engine is: in its namespaces, with `$APUS_ROOT` and `$APUS_RUN` set.
    @discardableResult
    public func shell(_ script: String, timeout: Double = 60) throws -> Outcome {
        try execute(prefix + ["sh", "-c", script], environment: environment, timeout: timeout)
    }

    /// A shell script on the other end of the wire (`Enclosure`).
    public func neighbour(_ script: String, timeout: Double = 30) throws -> Outcome {
        guard let enclosure else { throw Trouble(because: "only an isolated engine has a neighbour") }
        return try execute(enclosure.neighbourPrefix + ["sh", "-c", script], timeout: timeout)
    }

    /// Imports the busybox root as the image `busybox`.
    public func importBusybox() throws { try must("import", Host.fixture("busybox.tar"), "busybox") }

    /// A file below the test's directory, with the directories above it; answers its path.
    @discardableResult
    public func write(_ name: String, _ text: String, mode: mode_t = 0o644) throws -> String {
        let path = directory + "/" + name
        var parent = directory
        for part in name.split(separator: "/").dropLast() {
            parent += "/" + part
            mkdir(parent, 0o755)
        }
        try writeFile(path, text, mode: mode)
        return path
    }

    /// The directory below which this engine's cgroups are: named by the first digits of the root's SHA-256.
    var cgroup: String {
        let digest = try? execute(["sha256sum"], stdin: root).text
        return Host.cgroupRoot + "/apus-" + (digest?.prefix(8) ?? "unknown")
    }

    /// Removes containers, processes, links and files, whatever the test did.
    public func tearDown() {
        if Host.has(root), let listed = try? apus(["ps", "-aq"], timeout: 20), !listed.lines.isEmpty {
            // A failure here shows as a leak, or not at all: the enclosure's end kills what is left.
            _ = try? apus(["rm", "-f"] + listed.lines, timeout: 30)
        }
        if let enclosure { enclosure.end() } else { removeLinks() }
        // Only empty ones can be removed; those of an engine that is gone hold nobody.
        _ = try? execute(["find", cgroup, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"])
        // Mounts below the directory (a test's full disk) keep their files; they are unmounted by the tests themselves.
        _ = try? execute(["rm", "-rf", "--one-file-system", directory])
    }

    /// Only tests that run in the machine's own namespaces: their bridges and tables, known by being new.
    private func removeLinks() {
        for link in Engine.links().subtracting(linksBefore)
        where link.hasPrefix("apus") || link.hasPrefix("ap-") {
            _ = try? execute(["ip", "link", "delete", link])
        }
        let tables = (try? execute(["nft", "list", "tables"]).lines) ?? []
        for table in tables where table.contains(" apus-") {
            _ = try? execute(["sh", "-c", "nft delete \(table)"])
        }
    }

    static func links() -> Set<String> {
        let listing = (try? execute(["ip", "-o", "link"]).lines) ?? []
        let names = listing.compactMap { line -> String? in
            let fields = line.split(separator: " ")
            guard fields.count > 1 else { return nil }
            return String(fields[1].prefix { $0 != ":" && $0 != "@" })
        }
        return Set(names)
    }
}
