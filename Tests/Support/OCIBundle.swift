// What its name says has no comment.

import Glibc

/// A bundle for `apus-runtime` with the busybox root, and a directory for the state of its containers. A suite holds
/// one and calls `tearDown` in its deinit; what it did not delete is deleted then.
public final class OCIBundle {
    public let directory: String
    /// Of its container: its cgroup must not be that of another suite's.
    public let id: String
    public var rootfs: String { directory + "/rootfs" }

    /// What the configuration says; the members that are not here are the same for all tests.
    public struct Configuration {
        public var args = ["/bin/true"]
        public var env = ["PATH=/bin:/sbin"]
        public var noNewPrivileges = true
        /// In JSON.
        public var user = "{\"uid\": 0, \"gid\": 0}"
        public var cwd = "/"
        public var hostname: String? = "box"
        /// Each in JSON.
        public var namespaces = ["pid", "mount", "ipc", "uts", "network"].map { "{\"type\": \"\($0)\"}" }
        /// In order; `mount` makes one.
        public var mounts = [
            mount("/proc", "proc"), mount("/dev", "tmpfs", options: ["nosuid", "mode=755"]),
            mount("/dev/shm", "tmpfs", "shm", options: ["nosuid", "nodev"]),
        ]
        /// Further members in JSON, each with a comma before it.
        public var process = ""
        public var linux = ""
        public var top = ""
        public init() {}
    }

    public init() throws {
        var template = Array("/tmp/apus-bundle-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Trouble("mkdtemp") }
        directory = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        id = "box-" + directory.suffix(6)
        mkdir(rootfs, 0o755)
        let outcome = try execute(["tar", "-xf", Host.fixture("busybox.tar"), "-C", rootfs])
        guard outcome.code == 0 else { throw Trouble(because: "busybox root: \(outcome)") }
    }

    public func tearDown() {
        for id in (try? self(["list", "-q"]).lines) ?? [] { _ = try? self(["delete", "--force", id]) }
        _ = try? execute(["rm", "-rf", "--one-file-system", directory])
    }

    /// Runs one command of the runtime on this bundle's containers.
    @discardableResult
    public func callAsFunction(_ arguments: [String], timeout: Double = 60) throws -> Outcome {
        try execute(command(arguments), timeout: timeout)
    }

    /// The argument vector of a command.
    public func command(_ arguments: [String]) -> [String] {
        [Host.bin + "/apus-runtime", "--root", directory + "/state"] + arguments
    }

    /// Writes the configuration and runs a container with it to its end.
    public func run(_ change: (inout Configuration) -> Void) throws -> Outcome {
        try write(change)
        return try self(["run", "--bundle", directory, id])
    }

    /// Writes the configuration and starts a container with it in the background; answers the pid of its first process.
    @discardableResult
    public func start(_ change: (inout Configuration) -> Void) throws -> String {
        try write(change)
        let file = directory + "/pid"
        let outcome = try self(["run", "--detach", "--pid-file", file, "--bundle", directory, id])
        guard outcome.code == 0 else { throw Trouble(because: "apus-runtime run: \(outcome)") }
        return trimmed(readFile(file) ?? "")
    }

    /// A shell script in the root, which has to succeed.
    public func inRoot(_ script: String) throws { try onHost("cd rootfs && " + script) }

    /// The same beside the root.
    public func onHost(_ script: String) throws {
        let outcome = try execute(["sh", "-c", "cd \(directory) && " + script])
        guard outcome.code == 0 else { throw Trouble(because: "\(script): \(outcome)") }
    }

    /// An empty directory of the host's, for which hostile containers reach.
    public func makeCanary() throws -> String {
        try onHost("mkdir canary")
        return directory + "/canary"
    }

    /// Writes `config.json`.
    public func write(_ change: (inout Configuration) -> Void) throws {
        var configuration = Configuration()
        change(&configuration)
        try writeFile(directory + "/config.json", configuration.text)
    }
}

extension OCIBundle.Configuration {
    fileprivate var text: String {
        """
        {"ociVersion": "1.2.0", "root": {"path": "rootfs"}\(hostname.map { ", \"hostname\": \(json($0))" } ?? ""),
        "process": {"user": \(user), "cwd": \(json(cwd)), "args": \(list(args)), "env": \(list(env)),
        "noNewPrivileges": \(noNewPrivileges)\(process)},
        "mounts": [\(mounts.joined(separator: ", "))],
        "linux": {"namespaces": [\(namespaces.joined(separator: ", "))]\(linux)}\(top)}
        """
    }

    /// A mount in JSON; without a source it is called like its type.
    public static func mount(
        _ destination: String, _ type: String, _ source: String? = nil, options: [String] = []
    ) -> String {
        """
        {"destination": \(json(destination)), "type": \(json(type)), "source": \(json(source ?? type)),
        "options": \(list(options))}
        """
    }

    /// The member of `process` that gives it capabilities, none of them inheritable.
    public static func capabilities(_ names: [String]) -> String {
        let sets = ["bounding", "effective", "permitted"].map { "\(json($0)): \(list(names))" }
        return ", \"capabilities\": {\(sets.joined(separator: ", "))}"
    }

    fileprivate static func list(_ texts: [String]) -> String {
        "[" + texts.map(json).joined(separator: ", ") + "]"
    }
    private func list(_ texts: [String]) -> String { Self.list(texts) }
}

/// A text as JSON.
public func json(_ text: String) -> String {
    var out = "\""
    for character in text.unicodeScalars {
        switch character {
        case "\"", "\\": out += "\\\(character)"
        case "\n": out += "\\n"
        default: out.unicodeScalars.append(character)
        }
    }
    return out + "\""
}
