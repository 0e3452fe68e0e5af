import Support
import Testing

/// dockerd with `--add-runtime apus=...` and as the default runtime.
@Suite(.enabled(if: Caller.docker.isReady, Caller.docker.reason), .serialized)
final class DockerTests {
    let node: Node
    let image = "fixture/docker:plain"
    init() throws {
        node = try Node()
        do { try node.startDocker() } catch {
            node.tearDown()
            throw error
        }
    }
    deinit { node.tearDown() }

    private func run(_ words: String) throws -> Outcome { try node("docker run --rm \(words)") }

    @Test func exitCodesAreDockers() throws {
        try node.expectNoTraces {
            let outcome = try run("\(image) sh -c 'echo out; echo err >&2; exit 7'")
            #expect(outcome.code == 7 && outcome.out == "out\n" && outcome.err == "err\n", "\(outcome)")
            let codes: [(String, Int32, String)] = [
                ("/nosuch", 127, "exec: \"/nosuch\": stat /nosuch: no such file or directory"),
                ("nosuch", 127, "exec: \"nosuch\": executable file not found in $PATH"),
                ("/etc", 126, "exec: \"/etc\": is a directory: permission denied"),
                ("/etc/passwd", 126, "exec: \"/etc/passwd\": permission denied"),
            ]
            for (command, code, text) in codes {
                let outcome = try run("--network none \(image) \(command)")
                #expect(outcome.code == code && outcome.err.contains(text), "\(command): \(outcome)")
            }
        }
    }

    @Test func theRuntimeIsKnownToTheDaemon() throws {
        #expect(try node.must("docker info --format '{{.DefaultRuntime}}'") == "apus")
        let version = try node.must("/run/bin/runtime --version | sed -n 's/^apus-runtime version //p'")
        #expect(try node.must("docker version | grep -A 1 ' apus:'").contains(version))
        let outcome = try run("--network none --runtime apus \(image) echo named")
        #expect(outcome.text == "named", "\(outcome)")
    }

    @Test func aContainerIsEnteredPausedAndStopped() throws {
        try node.expectNoTraces {
            let script = "trap \"exit 5\" TERM; echo started; while :; do sleep 0.1; done"
            try node.must("docker run -d --name box \(image) sh -c '\(script)'")
            try expectSoon { try node("docker logs box").text == "started" }

            let entered = try node(
                "docker exec -u app -w /tmp -e A=b box sh -c 'id -u; pwd; echo $A; exit 3'")
            #expect(entered.code == 3 && entered.lines == ["1000", "/tmp", "b"], "\(entered)")
            // What dockerd 20.10 makes of any command that cannot be started.
            #expect(try node("docker exec box nosuch").code == 126)

            #expect(try node.must("docker top box").contains("sh -c trap"))
            try node.must("docker pause box")
            #expect(try node("docker inspect -f '{{.State.Status}}' box").text == "paused")
            try node.must("docker unpause box")

            try node.must("docker stop box")
            #expect(try node("docker inspect -f '{{.State.ExitCode}}' box").text == "5")
            // Once more from the same file system.
            try node.must("docker start box")
            try expectSoon { try node("docker logs box").lines == ["started", "started"] }
            try node.must("docker rm -f box")
        }
        #expect(
            try node.called().isSuperset(of: [
                "create", "start", "exec", "ps", "pause", "resume", "kill", "delete",
            ]))
    }

    @Test func aFailingContainerIsRestarted() throws {
        try node.expectNoTraces {
            try node.must("docker run -d --name box --restart on-failure:2 \(image) sh -c 'echo on; exit 9'")
            let format = "{{.RestartCount}} {{.State.ExitCode}} {{.State.Status}}"
            try expectSoon { try node("docker inspect -f '\(format)' box").text == "2 9 exited" }
            #expect(try node("docker logs box").lines == ["on", "on", "on"])
            try node.must("docker rm box")
        }
    }

    @Test func terminalsAreResized() throws {
        let terminal = try node.terminal("docker run --rm -it --name box \(image) sh")
        try terminal.expect("# ", timeout: 30)
        terminal.send("tty; stty size\n")
        try terminal.expect("/dev/pts/0")
        try terminal.expect("24 80")
        terminal.resize(rows: 30, columns: 90)
        try expectSoon { try node("docker exec box stty -F /dev/console size").text == "30 90" }
        let other = try node.terminal("docker exec -it box sh")
        try other.expect("# ", timeout: 30)
        other.send("exit 6\n")
        #expect(other.wait() == 6)
        terminal.send("exit 5\n")
        #expect(terminal.wait() == 5)
    }

    @Test func rootsUsersAndVolumesAreGiven() throws {
        let readOnly = try run("--read-only --tmpfs /scratch \(image) sh -c 'touch /scratch/x && touch /x'")
        #expect(readOnly.code == 1 && readOnly.err.contains("/x: Read-only file system"), "\(readOnly)")
        let user = try run("--user app \(image) sh -c 'id -u; id -G'")
        #expect(user.lines == ["1000", "1000 29 50"], "\(user)")
        try node.must("mkdir -p /tmp/volume && echo text > /tmp/volume/file")
        let script = "cat /volume/file; touch /volume/x 2>/dev/null || echo refused"
        let volume = try run("-v /tmp/volume:/volume:ro \(image) sh -c '\(script)'")
        #expect(volume.lines == ["text", "refused"], "\(volume)")
        try node.must("docker volume create named")
        #expect(try run("-v named:/volume \(image) touch /volume/kept").code == 0)
        #expect(try run("-v named:/volume \(image) ls /volume").text == "kept")
    }

    @Test func securityOptionsAreFollowed() throws {
        let status = try run(
            "--cap-drop ALL --cap-add CHOWN --security-opt no-new-privileges \(image) cat /proc/self/status")
        for line in [
            "CapEff:\t0000000000000001", "CapBnd:\t0000000000000001", "NoNewPrivs:\t1", "Seccomp:\t2",
        ] {
            #expect(status.lines.contains(line), "\(line) in \(status)")
        }
        let sysctl = "net.ipv4.ip_unprivileged_port_start"
        let options = try run(
            "-h named --sysctl \(sysctl)=7 --ulimit nofile=100 \(image) "
                + "sh -c 'hostname; sysctl -n \(sysctl); ulimit -n'"
        )
        #expect(options.lines == ["named", "7", "100"], "\(options)")
        #expect(try run("--init \(image) cat /proc/1/comm").text == "docker-init")
    }

    @Test func namespacesAreShared() throws {
        let host = try run(
            "--network host --pid host --uts host --ipc host \(image) sh -c 'hostname; echo $$'")
        #expect(host.code == 0 && host.lines.first == "node" && host.lines.last != "1", "\(host)")
        try node.must("docker run -d --name one \(image) sleep 100")
        let joined = try run(
            "--network container:one --pid container:one \(image) sh -c 'hostname; cat /proc/1/comm'")
        #expect(joined.lines.last == "sleep", "\(joined)")
        try node.must("docker rm -f one")
    }

    @Test func publishedPortsAnswer() throws {
        try node.expectNoTraces {
            try node.must("docker run -d --name server -p 8080:80 \(image) httpd -f -p 80")
            try expectSoon {
                try node("busybox wget -q -O - http://127.0.0.1:8080/etc/shells").text == "/bin/sh"
            }
            try node.must("docker rm -f server")
        }
    }

    @Test(.enabled(if: Host.hasController("memory"), "the memory controller is not in the v2 hierarchy"))
    func limitsAreSetAndChanged() throws {
        try node.must(
            "docker run -d --name box -m 64m --pids-limit 20 --cpus 0.5 \(image) sleep 100")
        let script = "cd /sys/fs/cgroup && cat memory.max pids.max cpu.max"
        #expect(try node("docker exec box sh -c '\(script)'").lines == ["67108864", "20", "50000 100000"])
        try node.must("docker update -m 128m --memory-swap 128m --pids-limit 30 box")
        #expect(try node("docker exec box sh -c '\(script)'").lines == ["134217728", "30", "50000 100000"])
        try node.must("docker rm -f box")
        let killed = try run("-m 8m --memory-swap 8m \(image) sh -c 'tail -c 100m /dev/zero'")
        #expect(killed.code == 137, "\(killed)")
    }
}

extension Node {
    /// Starts containerd and dockerd, and loads the image `fixture/docker:plain`.
    func startDocker() throws {
        try daemon("containerd", "containerd", ready: "ctr version")
        let runtime = "--add-runtime apus=/run/bin/apus-runtime --default-runtime apus"
        try daemon(
            "dockerd", "dockerd --containerd /run/containerd/containerd.sock \(runtime)",
            ready: "docker version")
        try must("docker load -i /run/docker.tar")
    }
}
