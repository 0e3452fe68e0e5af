import Support
import Testing

/// containerd's own client, with `--runc-binary`.
@Suite(.enabled(if: Caller.containerd.isReady, Caller.containerd.reason), .serialized)
final class ContainerdTests {
    let node: Node
    let image = "docker.io/fixture/oci:plain"
    init() throws {
        node = try Node()
        do {
            try node.daemon("containerd", "containerd", ready: "ctr version")
            try node.must("ctr image import /run/oci-plain.tar")
        } catch {
            node.tearDown()
            throw error
        }
    }
    deinit { node.tearDown() }

    private func run(_ words: String) throws -> Outcome {
        try node("ctr run --runc-binary /run/bin/apus-runtime \(words)")
    }

    @Test func aCommandRunsAndItsExitCodeComesBack() throws {
        try node.expectNoTraces {
            let outcome = try run("--rm \(image) box sh -c 'echo out; echo err >&2; exit 7'")
            #expect(outcome.code == 7 && outcome.out == "out\n" && outcome.err == "err\n", "\(outcome)")
        }
        let calls = try node.calls()
        #expect(calls.map { $0.prefix { $0 != " " } } == ["create", "start", "delete", "delete"], "\(calls)")
    }

    @Test func aMissingCommandIsNamed() throws {
        try node.expectNoTraces {
            let outcome = try run("--rm \(image) box /nosuch")
            #expect(outcome.code == 1)
            #expect(
                outcome.err.contains("exec: \"/nosuch\": stat /nosuch: no such file or directory"),
                "\(outcome)")
            let other = try run("--rm \(image) box nosuch")
            #expect(other.err.contains("exec: \"nosuch\": executable file not found in $PATH"), "\(other)")
        }
    }

    @Test func aTaskIsEnteredPausedMeasuredAndKilled() throws {
        try node.expectNoTraces {
            #expect(try run("-d \(image) box sleep 1000").code == 0)
            let entered = try node("ctr task exec --exec-id one box sh -c 'echo in; exit 3'")
            #expect(entered.code == 3 && entered.text == "in", "\(entered)")

            try node.must("ctr task pause box")
            #expect(try node("ctr task ls").out.contains("PAUSED"))
            try node.must("ctr task resume box")
            #expect(try node("ctr task ls").out.contains("RUNNING"))

            let first = try node.must("ctr task ls | awk '/^box/ { print $2 }'")
            #expect(try node("ctr task ps box").out.contains(first))
            #expect(try node.must("ctr task metrics box").contains("pids.current"))

            try node.must("ctr task kill --signal KILL box")
            try expectSoon { try node("ctr task ls").out.contains("STOPPED") }
            // Its exit code is the container's.
            #expect(try node("ctr task rm box").code == 0)
            try node.must("ctr container rm box")
        }
        #expect(try node.called().isSuperset(of: ["exec", "pause", "resume", "ps", "kill", "delete"]))
    }

    @Test func aTerminalIsHandedOver() throws {
        let terminal = try node.terminal(
            "ctr run --rm --tty --runc-binary /run/bin/apus-runtime \(image) box sh")
        try terminal.expect("# ")
        terminal.send("tty; exit 5\n")
        try terminal.expect("/dev/pts/0")
        #expect(terminal.wait() == 5)
    }

    @Test func theProcessIsAsTheFlagsSay() throws {
        let network = try run("--rm --net-host \(image) box cat /proc/net/dev")
        #expect(network.code == 0 && network.out.contains("lo:"), "\(network)")
        let flags =
            "--cwd /tmp --env A=b --read-only --mount type=bind,src=/run/home,dst=/home,options=rbind:ro"
        let script = "pwd; echo $A; touch /x /home/x || echo refused"
        let process = try run("--rm \(flags) \(image) box sh -c '\(script)'")
        #expect(process.lines == ["/tmp", "b", "refused"], "\(process)")
        #expect(process.errorLines.count { $0.contains("Read-only file system") } == 2)
    }
}
