import Support
import Testing

@Suite(.enabled(if: Caller.podman.isReady, Caller.podman.reason), .serialized)
final class PodmanTests {
    let node: Node
    let image = "localhost/fixture/docker:plain"
    init() throws {
        node = try Node()
        do {
            try node.configurePodman()
            try node.must("podman load -i /run/docker.tar")
        } catch {
            node.tearDown()
            throw error
        }
    }
    deinit { node.tearDown() }

    @Test func exitCodesArePodmans() throws {
        try node.expectNoTraces {
            let run = "podman run --rm --network none \(image)"
            let outcome = try node("\(run) sh -c 'echo out; echo err >&2; exit 7'")
            // podman warns of a host whose v2 tree has no controller for it.
            let errors = outcome.errorLines.filter { !$0.contains("level=warning") }
            #expect(outcome.code == 7 && outcome.out == "out\n" && errors == ["err"], "\(outcome)")
            let codes: [(String, Int32)] = [
                ("/nosuch", 127), ("nosuch", 127), ("/etc", 126), ("/etc/passwd", 126), ("", 0),
            ]
            for (command, code) in codes {
                let outcome = try node("\(run) \(command) </dev/null")
                #expect(outcome.code == code, "\(command): \(outcome)")
            }
            #expect(try node("podman run --nosuch \(image)").code == 125)
        }
    }

    @Test func aContainerIsEnteredPausedUpdatedAndStopped() throws {
        try node.expectNoTraces {
            let script = "trap \"exit 5\" TERM; echo started; while :; do sleep 0.1; done"
            try node.must("podman run -d --name box --network none \(image) sh -c '\(script)'")
            try expectSoon { try node("podman logs box").text == "started" }

            let entered = try node(
                "podman exec -u app -w /tmp -e A=b box sh -c 'id -u; pwd; echo $A; exit 3'")
            #expect(entered.code == 3 && entered.lines == ["1000", "/tmp", "b"], "\(entered)")
            #expect(try node("podman exec box nosuch").code == 127)
            #expect(try node("podman exec box /etc").code == 126)

            try node.must("podman pause box")
            #expect(try node("podman inspect -f '{{.State.Status}}' box").text == "paused")
            try node.must("podman unpause box")
            #expect(try node.must("podman top box").contains("sh"))
            try updateIsFollowedOrRefused()

            try node.must("podman stop -t 10 box")
            #expect(try node("podman inspect -f '{{.State.ExitCode}}' box").text == "5")
            try node.must("podman rm box")
        }
        let called = try node.called()
        #expect(
            called.isSuperset(of: ["create", "start", "exec", "pause", "resume", "update", "kill"]),
            "\(called)")
    }

    /// Where the controller is in the v2 hierarchy the limit is set; elsewhere the refusal names it.
    private func updateIsFollowedOrRefused() throws {
        let update = try node("podman update --memory 64m box")
        if Host.hasController("memory") {
            #expect(update.code == 0, "\(update)")
            #expect(try node("podman exec box cat /sys/fs/cgroup/memory.max").text == "67108864")
        } else {
            #expect(update.code != 0 && update.err.contains("memory"), "\(update)")
        }
    }

    @Test func terminalsHaveTheirSize() throws {
        let terminal = try node.terminal("podman run --rm -it --network none --name box \(image) sh")
        try terminal.expect("# ", timeout: 30)
        terminal.send("tty; stty size\n")
        try terminal.expect("/dev/pts/0")
        try terminal.expect("24 80")
        let other = try node.terminal("podman exec -it box sh")
        try other.expect("# ", timeout: 30)
        other.send("stty size; exit 6\n")
        try other.expect("24 80")
        #expect(other.wait() == 6)
        terminal.send("exit 5\n")
        #expect(terminal.wait(timeout: 30) == 5)
    }

    @Test func usersAndVolumesAreGiven() throws {
        try node.must("mkdir /tmp/volume && echo text > /tmp/volume/file")
        let script = "id -u; cat /volume/file; touch /volume/x 2>/dev/null || echo refused"
        let outcome = try node(
            "podman run --rm --network none --user app -v /tmp/volume:/volume:ro \(image) sh -c '\(script)'")
        #expect(outcome.lines == ["1000", "text", "refused"], "\(outcome)")
        let readOnly = try node("podman run --rm --network none --read-only \(image) touch /x")
        #expect(readOnly.code == 1 && readOnly.err.contains("Read-only file system"), "\(readOnly)")
    }

    @Test func containersReachEachOtherOverTheBridge() throws {
        try node.must("podman run -d --name server \(image) httpd -f -p 80")
        let address = try node.must(
            "podman inspect -f '{{.NetworkSettings.IPAddress}}' server")
        #expect(address.hasPrefix("10.88."), "\(address)")
        let fetched = try node(
            "podman run --rm \(image) wget -q -O - http://\(address)/etc/shells", timeout: 90)
        #expect(fetched.text == "/bin/sh", "\(fetched)")
        try node.must("podman rm -f -t 0 server")
    }

    @Test func theNamespacesOfTheHostAreShared() throws {
        let outcome = try node(
            "podman run --rm --network host --pid host --uts host --ipc host \(image) sh -c 'hostname; echo $$'"
        )
        #expect(outcome.code == 0 && outcome.lines.first == "node" && outcome.lines.last != "1", "\(outcome)")
        try node.must("podman run -d --name one --network none \(image) sleep 100")
        let joined = try node("podman run --rm --network none --pid container:one \(image) cat /proc/1/comm")
        #expect(joined.text == "sleep", "\(joined)")
        try node.must("podman rm -f -t 0 one")
    }
}

extension Node {
    /// What users write into containers.conf, and no limits that need CAP_SYS_RESOURCE or a controller.
    func configurePodman() throws {
        try must(
            """
            echo '{"default": [{"type": "insecureAcceptAnything"}]}' > /etc/containers/policy.json
            cat > /run/containers.conf <<'END'
            [containers]
            default_ulimits = ["nofile=1024:4096", "nproc=1024:4096"]
            pids_limit = 0
            [engine]
            cgroup_manager = "cgroupfs"
            events_logger = "file"
            runtime = "apus-runtime"
            runtime_supports_json = ["apus-runtime"]
            [engine.runtimes]
            apus-runtime = ["/run/bin/apus-runtime"]
            [network]
            network_backend = "netavark"
            END
            """)
    }
}
