import Support
import Testing

/// Limits as the kernel has them: only where cgroup v2 has its controllers, which is in the test machine (Tests/VM).
@Suite(.enabled(if: Host.limitObstacle == nil, Comment(rawValue: Host.limitObstacle ?? "ready")), .serialized)
final class LimitTests {
    let apus: Engine
    init() throws { apus = try Engine(withBusybox: true) }
    deinit { apus.tearDown() }

    /// A file of a container's cgroup, as the machine sees it.
    private func value(_ file: String, of container: String) throws -> String {
        let first = try apus.must("inspect", "--format", "{{.State.Pid}}", container)
        let script = "cat \(Host.cgroupRoot)$(cut -d: -f3 /proc/\(first)/cgroup)/\(file)"
        return try apus.shell(script).text
    }

    private func start(_ name: String, _ flags: String...) throws {
        let started = try apus.apus(
            ["run", "-d", "--name", name, "--network", "none"] + flags + ["busybox", "sleep", "1000"])
        guard started.code == 0 else { throw Trouble(because: "run \(flags): \(started)") }
    }

    @Test func limitsReachTheKernel() throws {
        try start("box", "-m", "64m", "--cpus", "0.5", "--pids-limit", "50", "--cpuset-cpus", "0")
        #expect(try value("memory.max", of: "box") == "67108864")
        // docker's rule: as much swap as memory, where nothing was said about it.
        #expect(try value("memory.swap.max", of: "box") == "67108864")
        #expect(try value("cpu.max", of: "box") == "50000 100000")
        #expect(try value("pids.max", of: "box") == "50")
        #expect(try value("cpuset.cpus", of: "box") == "0")
        // Inside, the container's cgroup is the root of its own tree.
        let inside = try apus("exec", "box", "cat", "/sys/fs/cgroup/memory.max", "/proc/self/cgroup")
        #expect(inside.lines == ["67108864", "0::/"], "\(inside)")
    }

    @Test func weightsAndReservationsReachTheKernel() throws {
        try start(
            "box", "-m", "64m", "--memory-reservation", "32m", "--memory-swap", "64m", "--cpu-shares", "1024")
        #expect(try value("memory.low", of: "box") == "33554432")
        #expect(try value("memory.swap.max", of: "box") == "0")
        #expect(try ["39", "100"].contains(value("cpu.weight", of: "box")))
    }

    @Test func whoeverTakesTooMuchMemoryIsKilledAndRecorded() throws {
        let eater = try apus(
            "run", "--name", "eater", "--network", "none", "-m", "16m", "--memory-swap", "16m", "busybox",
            "sh", "-c", "exec tail -c 100000000 /dev/zero")
        #expect(eater.code == 137, "\(eater)")
        #expect(
            try apus.must("inspect", "--format", "{{.State.OOMKilled}} {{.State.ExitCode}}", "eater")
                == "true 137")
        let modest = try apus("run", "--name", "modest", "--network", "none", "-m", "64m", "busybox", "true")
        #expect(modest.code == 0, "\(modest)")
        #expect(try apus.must("inspect", "--format", "{{.State.OOMKilled}}", "modest") == "false")
    }

    @Test func processesAreCounted() throws {
        try start("box", "--pids-limit", "5")
        let forks = "n=0; while [ $n -lt 20 ]; do sleep 30 & n=$((n+1)); done; echo all"
        let outcome = try apus("exec", "box", "sh", "-c", forks)
        #expect(!outcome.out.contains("all") && outcome.err.contains("fork"), "\(outcome)")
        #expect(try !value("pids.events", of: "box").hasSuffix("max 0"))
    }

    @Test func limitsChangeWhileTheContainerRuns() throws {
        try start("box", "-m", "64m", "--restart", "always")
        try apus.must("update", "-m", "96m", "--pids-limit", "20", "--cpu-shares", "512", "box")
        let wanted = ["100663296", "33554432", "20"]
        func kernels() throws -> [String] {
            try ["memory.max", "memory.swap.max", "pids.max"].map { try value($0, of: "box") }
        }
        #expect(try kernels() == wanted)
        // docker's rule: the limit of both stays.
        try apus.expectRefusal(
            "update", "-m", "200m", "box", code: 1, mentions: ["already set memoryswap limit"])
        #expect(
            try apus.must("inspect", "-f", "{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}", "box")
                == "100663296 20")
        // What its policy starts again has them too, and so has what is started by hand.
        let pid = try apus.must("inspect", "-f", "{{.State.Pid}}", "box")
        try apus.shell("kill -9 \(pid)")
        try expectSoon { try !["0", pid].contains(self.apus.must("inspect", "-f", "{{.State.Pid}}", "box")) }
        #expect(try kernels() == wanted)
        try apus.must("restart", "-t", "0", "box")
        #expect(try kernels() == wanted)
    }

    @Test func noCgroupStaysBehind() throws {
        let left = try apus.leaks(within: 20) {
            #expect(try apus("run", "--rm", "--network", "none", "-m", "64m", "busybox", "true").code == 0)
            try start("box", "-m", "64m")
            try apus.must("rm", "-f", "box")
        }
        #expect(left.isEmpty, "\(left)")
        let listed = try apus.shell("find \(Host.cgroupRoot) -maxdepth 1 -name 'apus-*'")
        #expect(listed.text.isEmpty, "\(listed)")
    }
}
