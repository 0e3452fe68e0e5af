import Support
import Testing

/// Devices, kernel settings and namespaces that a container has of the host or of another container.
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class SharingTests {
    let apus: Engine
    init() throws { apus = try Engine(withBusybox: true) }
    deinit { apus.tearDown() }

    private func run(_ flags: [String], _ script: String) throws -> Outcome {
        try apus.inContainer(script, flags: ["--network", "none"] + flags)
    }

    @Test func devicesOfTheHostAreGiven() throws {
        // Nothing is behind it: what opening it says is whether it may be opened.
        #expect(try apus.shell("mknod $APUS_RUN-node c 10 250").code == 0)
        let open =
            "cat /dev/made 2>&1 | grep -c 'not permitted'; (echo > /dev/made) 2>&1 | grep -c 'not permitted'; true"
        let device = try run(["--device", "\(apus.run)-node:/dev/made:r"], open)
        #expect(device.lines == ["0", "1"], "\(device)")
        let elsewhere = try run(["--device", "/dev/zero:/some/zero"], "head -c 2 /some/zero | wc -c")
        #expect(elsewhere.text == "2", "\(elsewhere)")
        let script =
            "mkdir -p $APUS_RUN-devices/sub; mknod $APUS_RUN-devices/sub/n c 1 3; mknod $APUS_RUN-devices/f c 1 7"
        #expect(try apus.shell(script).code == 0)
        let directory = try run(
            ["--device", "\(apus.run)-devices:/dev/all"],
            "find /dev/all -type c | sort; echo x > /dev/all/sub/n")
        #expect(directory.code == 0 && directory.lines == ["/dev/all/f", "/dev/all/sub/n"], "\(directory)")
        // A rule alone makes no node; with it one that the container makes works.
        let node = "mknod /dev/own c 10 250; cat /dev/own 2>&1 | grep -c 'not permitted'; true"
        #expect(try run(["--cap-add", "MKNOD"], node).text == "1")
        #expect(try run(["--cap-add", "MKNOD", "--device-cgroup-rule", "c 10:250 rwm"], node).text == "0")
    }

    @Test(arguments: [
        (
            ["--device", "/dev/nosuch"],
            "error gathering device information while adding custom device \"/dev/nosuch\": no such file"
        ),
        (["--device", "/etc"], "adding custom device \"/etc\": not a device node"),
        (["--device", "/etc/passwd"], "adding custom device \"/etc/passwd\": not a device node"),
        (["--device", "x"], "x is not an absolute path"),
        (["--device-cgroup-rule", "foo"], "invalid device cgroup format 'foo'"),
        (["--sysctl", "kernel.foo=1"], "sysctl 'kernel.foo=1' is not allowed"),
        (["--sysctl", "kernel.msgmax=foo"], "sysctl kernel.msgmax=foo"),
        (["--ipc", "host", "--sysctl", "kernel.msgmax=65536"], "is not allowed in the hosts ipc namespace"),
        (["--ipc", "container:nosuch"], "No such container: nosuch"),
        (["--pid", "container:nosuch"], "No such container: nosuch"),
        (["--pid", "foo"], "--pid: invalid PID mode"), (["--ipc", "foo"], "invalid IPC mode: foo"),
        (["--uts", "host", "-h", "x"], "conflicting options: hostname and the UTS mode"),
        (["--userns", "auto"], "--userns: invalid USER mode"),
        (["--cgroup-parent", "../../x"], "invalid cgroup-parent"),
        (
            ["--annotation", "org.systemd.property.X=1"],
            "is not allowed: it would change what the runtime does"
        ),
        (["--runtime", "kata"], "unknown or invalid runtime name: kata"),
    ])
    func whatCannotBeIsRefused(flags: [String], why: String) throws {
        let outcome = try run(flags, "true")
        #expect(outcome.code >= 125 && outcome.err.contains(why), "\(outcome)")
        #expect(try apus.must("ps", "-aq").isEmpty)
    }

    @Test func kernelSettingsAreTheContainers() throws {
        let outcome = try run(
            ["--sysctl", "kernel.msgmax=4096", "--sysctl", "net.ipv4.ip_forward=1"],
            "cat /proc/sys/kernel/msgmax /proc/sys/net/ipv4/ip_forward")
        #expect(outcome.lines == ["4096", "1"], "\(outcome)")
    }

    @Test func namespacesOfTheHostAreShared() throws {
        let host = try apus.shell(
            "for kind in pid ipc uts cgroup; do readlink /proc/self/ns/$kind; done; hostname"
        ).lines
        let script = "for kind in pid ipc uts cgroup; do readlink /proc/self/ns/$kind; done; hostname"
        let flags = [
            "--pid", "host", "--ipc", "host", "--uts", "host", "--cgroupns", "host", "--userns", "host",
        ]
        let shared = try run(flags, script)
        #expect(shared.lines == host, "\(shared)")
        let own = try run([], script)
        #expect(Set(own.lines).isDisjoint(with: host), "\(own)")
        #expect(
            try run(["--ipc", "none"], "ls -d /dev/shm 2>&1; grep -c shm /proc/mounts").lines.last == "0")
        try apus.must(
            "create", "--name", "box", "--annotation", "a=b", "--cgroup-parent", "/apus-test-parent",
            "--runtime", "runc", "--network", "none", "busybox", "true")
        #expect(
            try apus.must(
                "inspect", "-f",
                "{{.HostConfig.Annotations.a}} {{.HostConfig.CgroupParent}} {{.HostConfig.Runtime}} {{.HostConfig.IpcMode}}|{{.HostConfig.PidMode}}",
                "box")
                == "b /apus-test-parent runc private|")
    }

    @Test func namespacesOfAnotherContainerAreFoundAtEachStart() throws {
        let sleeper = [
            "run", "-d", "--name", "donor", "--ipc", "shareable", "--network", "none", "busybox", "sh", "-c",
            "echo here > /dev/shm/f; sleep 1000",
        ]
        #expect(try apus.apus(sleeper).code == 0)
        try expectSoon { try apus("exec", "donor", "cat", "/dev/shm/f").code == 0 }
        let script =
            "readlink /proc/self/ns/pid; readlink /proc/self/ns/ipc; cat /dev/shm/f; ps | grep -c 'sleep 1000'; echo back > /dev/shm/g"
        try apus.must(
            "create", "--name", "guest", "--network", "none", "--pid", "container:donor", "--ipc",
            "container:donor", "busybox", "sh", "-c", script)
        for _ in 0..<2 {
            let donors = try apus.must(
                "exec", "donor", "sh", "-c", "readlink /proc/self/ns/pid; readlink /proc/self/ns/ipc")
            let guest = try apus("start", "-a", "guest")
            #expect(
                Array(guest.lines.prefix(2)) == donors.split(separator: "\n").map(String.init), "\(guest)")
            #expect(guest.lines.dropFirst(2).first == "here" && guest.lines.last != "0", "\(guest)")
            #expect(try apus.must("exec", "donor", "cat", "/dev/shm/g") == "back")
            // Another run has other namespaces.
            try apus.must("restart", "-t", "0", "donor")
            try expectSoon { try apus("exec", "donor", "cat", "/dev/shm/f").code == 0 }
        }
        let id = try apus.must("inspect", "-f", "{{.Id}}", "donor")
        #expect(try apus.must("inspect", "-f", "{{.HostConfig.PidMode}}", "guest") == "container:\(id)")
        try apus.must("stop", "-t", "0", "donor")
        let without = try apus("start", "-a", "guest")
        #expect(without.code != 0 && without.err.contains("container \(id) is not running"), "\(without)")
        try apus.must("run", "-d", "--name", "closed", "--network", "none", "busybox", "sleep", "1000")
        let closed = try run(["--ipc", "container:closed"], "true")
        #expect(closed.err.contains("non-shareable IPC (hint: use IpcMode:shareable"), "\(closed)")
    }

    @Test func privilegedExecHasAllCapabilities() throws {
        try apus.must("run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000")
        let words = ["grep", "-E", "CapEff|Seccomp:", "/proc/self/status"]
        let plain = try apus.apus(["exec", "box"] + words).lines
        let full = try apus.apus(["exec", "--privileged", "box"] + words).lines
        let own = try apus.shell("grep CapPrm /proc/self/status").text.split(separator: "\t").last
        #expect(plain.last == "Seccomp:\t2" && full.last == "Seccomp:\t0", "\(full)")
        #expect(full.first == "CapEff:\t\(own ?? "")" && plain.first != full.first, "\(full)")
    }

    @Test func aCgroupOfTheUsersIsKept() throws {
        let parent = "apus-test-\(apus.directory.split(separator: "-").last ?? "x")"
        try apus.must(
            "run", "-d", "--name", "box", "--cgroup-parent", "/\(parent)/inner", "--network", "none",
            "busybox", "sleep", "1000")
        let id = try apus.must("inspect", "-f", "{{.Id}}", "box")
        let place = "\(Host.cgroupRoot)/\(parent)/inner"
        #expect(try execute(["cat", "\(place)/\(id)/cgroup.procs"]).lines.count == 1)
        try apus.must("pause", "box")
        try apus.must("unpause", "box")
        try apus.must("rm", "-f", "box")
        let left = try execute([
            "sh", "-c", "ls -d \(place)/*/ \(place); rmdir \(place) \(Host.cgroupRoot)/\(parent)",
        ])
        #expect(left.lines == [place], "\(left)")
    }
}
