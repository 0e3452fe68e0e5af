import Glibc
import Support

/// A machine of its own for a container engine: namespaces, /run, /var/lib, /etc, a sysfs, and a cgroup v2
/// hierarchy whose root is a cgroup made for it. The machine's links, firewall, mounts and other engines are not
/// seen from here, and everything ends with the first process.
final class Node {
    let name: String
    private let cgroup: String
    private let holder: Running
    private let target: String
    private var daemons: [Running] = []

    /// `runtime` answers the engines under the name `apus-runtime`; each call is recorded.
    init(
        _ name: String = "node",
        runtime: String = Host.environment("APUS_CALLED_RUNTIME") ?? Host.bin + "/apus-runtime"
    ) throws {
        self.name = name
        cgroup = "\(Host.cgroupRoot)/apus-callers-\(getpid())-\(name)"
        mkdir(cgroup, 0o755)
        mkdir(cgroup + "/init", 0o755)
        let fresh = ["--cgroup", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork"]
        let holder = try Running(
            ["sh", "-c", Node.join, cgroup, "unshare"] + fresh
                + ["bash", "-c", Node.setUp, name, runtime, Host.fixtures, Host.bin],
            stdin: nil)
        self.holder = holder
        guard eventually(within: 20, { holder.output.contains("up") || !holder.isRunning }), holder.isRunning
        else {
            let problem = holder.finish(timeout: 0)
            rmdir(cgroup + "/init")
            rmdir(cgroup)
            throw Trouble(because: "no node: \(problem)")
        }
        // unshare has forked: the first process of the pid namespace is its only child.
        target = trimmed(readFile("/proc/\(holder.pid)/task/\(holder.pid)/children") ?? "")
        guard !target.isEmpty, try ownNetwork() else {
            throw Trouble(because: "unshare: the namespaces are not fresh")
        }
        // It had to make the namespace in the upper cgroup, which can pass controllers on once it has no process.
        try writeFile(cgroup + "/init/cgroup.procs", String(holder.pid))
    }

    /// Whether the first process is in a network namespace of its own.
    private func ownNetwork() throws -> Bool {
        let links = try execute(["readlink", "/proc/self/ns/net", "/proc/\(target)/ns/net"]).lines
        return links.count == 2 && links[0] != links[1]
    }

    /// Enters the cgroup `$0` and becomes the command.
    private static let join = "echo 0 > $0/cgroup.procs && exec \"$@\""

    /// Makes the node and stays as its first process; `$1` is the runtime, `$2` the fixtures, `$3` where `apus`
    /// is: a checkout below /tmp cannot be seen in here. The key limits and
    /// other settings of the kernel that dockerd writes belong to the machine: read-only. The wrapper is called as
    /// the runtime, because podman asks only programs of known names for logs in JSON.
    private static let setUp = """
        set -e
        mount --make-rprivate /
        hostname $0
        mount -t tmpfs tmpfs /mnt
        mkdir -p /mnt/bin /mnt/home /mnt/lock
        cp $1 /mnt/bin/runtime
        cp $3/apus /mnt/bin/apus
        cp $2/archives/docker.tar $2/archives/oci-plain.tar /mnt
        printf '#!/bin/sh\\necho "$*" >> /run/calls\\nexec /run/bin/runtime "$@"\\n' > /mnt/bin/apus-runtime
        chmod 755 /mnt/bin/*
        mount --no-mtab --move /mnt /run
        for private in /tmp /var/lib /var/tmp /var/log /opt /etc/docker /etc/containers /etc/cni; do
            mkdir -p $private 2>/dev/null || true
            mount -t tmpfs tmpfs $private
        done
        mkdir /var/lib/containers
        mount -t proc proc /proc
        for shared in kernel vm fs; do
            mount --bind /proc/sys/$shared /proc/sys/$shared
            mount -o remount,bind,ro /proc/sys/$shared
        done
        umount --recursive /sys/fs/cgroup
        mount -t sysfs sysfs /sys
        mount -t cgroup2 cgroup2 /sys/fs/cgroup
        echo 0 > /sys/fs/cgroup/init/cgroup.procs
        ip link set lo up
        echo up
        while :; do sleep 1000 & wait; done
        """

    /// What stands before a command so that it runs in here.
    private var prefix: [String] {
        ["sh", "-c", Node.join, cgroup + "/init", "nsenter", "--target", target]
            + ["--cgroup", "--net", "--mount", "--uts", "--ipc", "--pid", "--"]
    }
    /// Debian's programs, not others of the same name in /usr/local.
    private var environment: [String: String] {
        [
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/run/home",
            "CONTAINERS_CONF": "/run/containers.conf",
        ]
    }

    /// Runs a shell script in here.
    @discardableResult
    func callAsFunction(_ script: String, timeout: Double = 60) throws -> Outcome {
        try execute(prefix + ["sh", "-c", script], environment: environment, timeout: timeout)
    }

    /// Runs a shell script that has to succeed; answers its stdout without white space around it.
    @discardableResult
    func must(_ script: String, timeout: Double = 60) throws -> String {
        let outcome = try self(script, timeout: timeout)
        guard outcome.code == 0 else {
            throw Trouble(because: "\(script): \(outcome)\n\(try self("tail -n 20 /run/*.log").out)")
        }
        return outcome.text
    }

    /// Starts a shell script in here and leaves it running.
    func start(_ script: String) throws -> Running {
        try Running(prefix + ["sh", "-c", script], environment: environment)
    }

    /// Starts a command under a terminal.
    func terminal(_ script: String) throws -> Terminal {
        try Terminal(prefix + ["sh", "-c", script], environment: environment)
    }

    /// Starts a daemon, its messages in /run/NAME.log, and waits until `ready` succeeds.
    func daemon(_ name: String, _ command: String, ready: String) throws {
        let daemon = try Running(
            prefix + ["sh", "-c", "exec \(command) >/run/\(name).log 2>&1"], environment: environment)
        daemons.append(daemon)
        guard try eventually(within: 60, { try self(ready, timeout: 10).code == 0 || !daemon.isRunning }),
            daemon.isRunning
        else { throw Trouble(because: "\(name): \(try self("tail -n 20 /run/\(name).log").out)") }
    }

    /// A cable between two nodes: 10.77.0.1 here, 10.77.0.2 there, `wire0` on both.
    func wire(to other: Node) throws {
        // The other's pid is one of the machine's pid namespace: this enters the network namespace only.
        let laid = try execute(
            ["nsenter", "--target", target, "--net", "--", "ip", "link", "add", "wire0", "type", "veth"]
                + ["peer", "name", "wire0", "netns", other.target])
        guard laid.code == 0 else { throw Trouble(because: "no wire: \(laid)") }
        for (node, address, neighbour) in [
            (self, "10.77.0.1", "10.77.0.2"), (other, "10.77.0.2", "10.77.0.1"),
        ] {
            try node.must(
                "ip addr add \(address)/24 dev wire0 && ip link set wire0 up && "
                    + "ip route add default via \(neighbour)"
            )
        }
    }

    /// How the engines have called the runtime until now: for each call the words after the global flags.
    func calls() throws -> [String] {
        try self("cat /run/calls").lines.map { line in
            var words = line.split(separator: " ")[...]
            while let flag = words.first, flag.hasPrefix("--log") || flag.hasPrefix("--root") {
                words = words.dropFirst(flag.contains("=") ? 1 : 2)
            }
            return words.joined(separator: " ")
        }
    }

    /// The names of the runtime's commands that were called.
    func called() throws -> Set<String> {
        Set(try calls().compactMap { $0.split(separator: " ").first.map(String.init) })
    }

    /// Everything in the pid namespace dies with its first process, and all mounts with the last process.
    func tearDown() {
        if let first = pid_t(target) { kill(first, SIGKILL) }
        for daemon in daemons { _ = daemon.finish(timeout: 5) }
        _ = holder.finish(timeout: 5)
        // Killed processes leave their cgroups one after the other.
        let removal = ["find", cgroup, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"]
        _ = try? eventually(within: 10) {
            _ = try execute(removal)
            return !Host.has(cgroup)
        }
    }
}
