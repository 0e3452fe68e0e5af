// What its name says has no comment.

import Glibc

/// Fresh network, mount and pid namespaces that stand for a machine: whatever a test does to links, firewall or mounts
/// happens there, and everything ends with its first process. A second network namespace, `neighbour`, is connected to it
/// by a wire: 192.0.2.1 is this side, 192.0.2.2 the other.
public final class Enclosure {
    private let holder: Running
    private let neighbourHolder: Running
    private let target: String
    private let neighbourTarget: String

    public init() throws {
        // bash as the first process waits for orphans; `sleep` alone would leave zombies.
        holder = try Running(
            ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "bash", "-c", Enclosure.idle],
            stdin: nil)
        neighbourHolder = try Running(["unshare", "--net", "bash", "-c", Enclosure.idle], stdin: nil)
        let (first, second) = (holder, neighbourHolder)
        guard eventually(within: 10, { first.output.contains("up") && second.output.contains("up") }) else {
            throw Trouble(because: "unshare: no namespaces (\(first.finish(timeout: 0).err))")
        }
        // unshare has forked: the first process of the pid namespace is its only child.
        let children = readFile("/proc/\(holder.pid)/task/\(holder.pid)/children") ?? ""
        target = trimmed(children)
        neighbourTarget = String(neighbourHolder.pid)
        guard !target.isEmpty, isFresh(target), isFresh(neighbourTarget) else {
            throw Trouble(because: "unshare: the namespaces are not fresh")
        }
        try wire()
    }

    deinit { end() }

    private static let idle = "echo up; while :; do sleep 1000 & wait; done"

    /// Everything in the pid namespace dies with its first process.
    public func end() {
        if let first = pid_t(target) { kill(first, SIGKILL) }
        kill(-neighbourHolder.pid, SIGKILL)
        _ = holder.finish(timeout: 5)
        _ = neighbourHolder.finish(timeout: 5)
    }

    /// What has to stand before a command so that it runs in here.
    public var prefix: [String] { ["nsenter", "--target", target, "--net", "--mount", "--pid", "--"] }
    public var neighbourPrefix: [String] { ["nsenter", "--target", neighbourTarget, "--net", "--"] }

    private func isFresh(_ pid: String) -> Bool {
        link("/proc/\(pid)/ns/net") != link("/proc/self/ns/net")
    }

    private func link(_ path: String) -> String {
        var buffer = [UInt8](repeating: 0, count: 256)
        let count = buffer.withUnsafeMutableBytes { bytes -> Int in
            guard let start = bytes.baseAddress else { return -1 }
            return readlink(path, start.assumingMemoryBound(to: CChar.self), bytes.count)
        }
        return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
    }

    private func wire() throws {
        let here = """
            ip link set lo up && ip link add wire0 type veth peer name wire1 && ip link set wire1 netns \(neighbourTarget) &&
            ip addr add 192.0.2.1/24 dev wire0 && ip link set wire0 up
            """
        // The pid belongs to the machine's own pid namespace: this part enters the network namespace only.
        let outcome = try execute(["nsenter", "--target", target, "--net", "--", "sh", "-c", here])
        guard outcome.code == 0 else { throw Trouble(because: "wire: \(outcome.err)") }
        let there = "ip link set lo up && ip addr add 192.0.2.2/24 dev wire1 && ip link set wire1 up"
        let other = try execute(neighbourPrefix + ["sh", "-c", there])
        guard other.code == 0 else { throw Trouble(because: "wire: \(other.err)") }
    }
}
