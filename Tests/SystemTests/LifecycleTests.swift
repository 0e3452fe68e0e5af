import Support
import Testing

@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class LifecycleTests {
    let apus: Engine
    init() throws { apus = try Engine(withBusybox: true) }
    deinit { apus.tearDown() }

    @Test func createStartStopWaitRemove() throws {
        let id = try apus.must(
            "create", "--name", "box", "--network", "none", "busybox", "sh", "-c", "exit 3")
        #expect(id.utf8.count == 64)
        #expect(try apus.must("ps", "-a", "--format", "{{.Names}} {{.State}}") == "box created")
        #expect(try apus.must("start", "box") == "box")
        #expect(try apus.must("wait", "box") == "3")
        #expect(try apus.must("ps", "-a", "--format", "{{.Status}}").hasPrefix("Exited (3)"))
        #expect(try apus.must("rm", "box") == "box")
        #expect(try apus.must("ps", "-aq").isEmpty)
    }

    @Test func psShowsWhatRunsNewestFirst() throws {
        for name in ["one", "two"] {
            try apus.must("run", "-d", "--name", name, "--network", "none", "busybox", "sleep", "100")
        }
        let listing = try apus.must("ps")
        #expect(listing.hasPrefix("CONTAINER ID   IMAGE"), "\(listing)")
        #expect(try apus.must("ps", "--format", "{{.Names}}") == "two\none")
        #expect(try apus.must("ps", "-q", "--filter", "name=one").utf8.count == 12)
        try apus.must("kill", "one")
        #expect(try apus.must("wait", "one") == "137")
        #expect(try apus.must("ps", "--format", "{{.Names}}") == "two")
    }

    @Test func stopSendsTheSignalThenKills() throws {
        let script = "trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done"
        try apus.must("run", "-d", "--name", "kind", "--network", "none", "busybox", "sh", "-c", script)
        try expectSoon { try apus("logs", "kind").text == "ready" }
        try apus.must("stop", "kind")
        #expect(try apus.must("wait", "kind") == "5")
        try apus.must("run", "-d", "--name", "deaf", "--network", "none", "busybox", "sleep", "100")
        try apus.must("stop", "-t", "1", "deaf")
        #expect(try apus.must("wait", "deaf") == "137")
    }

    /// The first ends when the second has had its signal: one after the other they would be killed.
    @Test(arguments: ["stop", "restart"]) func severalAreEndedSideBySide(command: String) throws {
        let first = "trap 'while [ ! -e /shared/second ]; do sleep 0.05; done; exit 4' TERM"
        let second = "trap 'touch /shared/second; exit 5' TERM"
        let shared = apus.directory + "/shared:/shared"
        for (name, trap) in [("first", first), ("second", second)] {
            let script = trap + "; echo ready; while :; do sleep 0.05; done"
            try apus.must(
                "run", "-d", "--name", name, "--network", "none", "-v", shared, "busybox", "sh", "-c", script)
            try expectSoon { try apus("logs", name).text == "ready" }
        }
        #expect(try apus(command, "-t", "20", "first", "nosuch", "second").out == "first\nsecond\n")
        let events = ["events", "--since", "1", "--until", "0s", "--filter", "event=die"]
        let format = ["--format", "{{.Actor.Attributes.exitCode}}"]
        try expectSoon { try Set(apus.apus(events + format).lines) == ["4", "5"] }
    }

    @Test func logsKeepStreamsOrderAndTail() throws {
        let script = "for i in 1 2 3; do echo out$i; done; echo err >&2; printf unfinished"
        try apus.must("run", "-d", "--name", "talker", "--network", "none", "busybox", "sh", "-c", script)
        try apus.must("wait", "talker")
        let logs = try apus("logs", "talker")
        #expect(logs.out == "out1\nout2\nout3\nunfinished" && logs.err == "err\n", "\(logs)")
        #expect(try apus("logs", "--tail", "1", "talker").out == "unfinished")
        #expect(try apus("logs", "--tail", "0", "talker").out.isEmpty)
        #expect(try apus("logs", "-t", "talker").lines.first?.hasSuffix("Z out1") == true)
    }

    @Test func followingEndsWithTheContainer() throws {
        let script = "for i in 1 2 3; do echo $i; sleep 0.2; done"
        try apus.must("run", "-d", "--name", "slow", "--network", "none", "busybox", "sh", "-c", script)
        #expect(try apus("logs", "-f", "slow", timeout: 10).lines == ["1", "2", "3"])
    }

    @Test func execSharesNamespacesAndRights() throws {
        try apus.must(
            "run", "-d", "--name", "box", "-e", "A=1", "-h", "inside", "--network", "none", "busybox",
            "sleep", "100")
        #expect(try apus("exec", "-e", "B=2", "box", "sh", "-c", "echo $A$B $(hostname); exit 4").code == 4)
        #expect(try apus("exec", "-e", "B=2", "box", "sh", "-c", "echo $A$B $(hostname)").text == "12 inside")
        #expect(try apus("exec", "-i", "box", "cat", stdin: "to exec").out == "to exec")
        #expect(try apus("exec", "-u", "app", "box", "id", "-u").text == "1000")
        #expect(try apus("exec", "-w", "/etc", "box", "pwd").text == "/etc")
        let status = try apus("exec", "box", "cat", "/proc/self/status").lines
        for line in ["CapEff:\t00000000800405fb", "Seccomp:\t2", "Umask:\t0022", "SigIgn:\t0000000000000000"]
        {
            #expect(status.contains(line), "\(line)")
        }
        #expect(try apus("exec", "box", "nosuch").code == 127)
        #expect(try apus("exec", "box", "/etc").code == 126)
        #expect(try apus("exec", "box", "sh", "-c", "kill -9 $$").code == 137)
        #expect(try apus("exec", "nosuch", "true").code == 1)
        try apus.must("exec", "-d", "box", "sh", "-c", "echo detached > /detached")
        try expectSoon { try apus("exec", "box", "cat", "/detached").text == "detached" }
        try apus.must("kill", "box")
        try apus.must("wait", "box")
        #expect(try apus("exec", "box", "true").code == 1)
    }

    @Test func anUnknownUserOfExecIsItsOwnFailure() throws {
        try apus.must("run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "100")
        try apus.expectRefusal("exec", "-u", "nobodyx", "box", "true", code: 126, mentions: ["nobodyx"])
    }

    @Test func filesStayBetweenRuns() throws {
        let script = "cat /kept 2>/dev/null; echo again >> /kept"
        try apus.must("run", "--name", "box", "--network", "none", "busybox", "sh", "-c", script)
        #expect(try apus("start", "-a", "box").text == "again")
        #expect(try apus("start", "-a", "box").text == "again\nagain")
    }

    @Test func inspectIsDockersDocument() throws {
        let id = try apus.must(
            "run", "-d", "--name", "box", "--label", "a=b", "-p", "8080:80", "busybox", "sleep", "9")
        #expect(try apus.must("inspect", "--format", "{{.Id}}", "box") == id)
        #expect(try apus.must("inspect", "--format", "{{.State.Running}} {{.Name}}", "box") == "true /box")
        #expect(try apus.must("inspect", "-f", "{{json .Config.Labels}}", "box") == #"{"a":"b"}"#)
        #expect(try apus.must("inspect", "box").hasPrefix("["))
        #expect(try apus("inspect", "nosuch").code == 1)
        #expect(try apus.must("inspect", "--format", "{{.Os}}", "busybox") == "linux")
    }

    @Test func formatsAndSizesOfPs() throws {
        let script = "head -c 1000 /dev/zero > /file; exit 3"
        _ = try apus("run", "--name", "box", "--network", "none", "busybox", "sh", "-c", script)
        #expect(try apus.must("ps", "-a", "--format", "{{.Size}}").hasPrefix("1kB (virtual "))
        #expect(try apus.must("ps", "-as").contains("1kB (virtual "))
        #expect(
            try apus.must("ps", "-a", "--no-trunc", "--format", "{{.Command}}") == "\"sh -c '\(script)'\"")
        let quiet = try apus("ps", "-aq", "--format", "{{.Names}}")
        #expect(
            quiet.text.utf8.count == 12 && quiet.err.hasPrefix("WARNING: Ignoring custom format"), "\(quiet)")
        #expect(try apus("logs", "--tail", "x", "box").code == 0)
        #expect(try apus.must("images", "-q", "b*y*x").isEmpty == false)
        #expect(try apus.must("images", "-q", "b*y").isEmpty)
    }

    @Test func aStartThatFailedKeepsItsCode() throws {
        for (command, code) in [("/nosuch", "127"), ("/etc", "126")] {
            let run = try apus("run", "--name", "failed", "--network", "none", "busybox", command)
            #expect(run.code == Int32(code))
            let shown = try apus.must("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "failed")
            #expect(shown == "created \(code)")
            #expect(try apus.must("wait", "failed") == code)
            try apus.must("rm", "failed")
        }
    }

    @Test func removalOfARunningContainerNeedsForce() throws {
        try apus.must("run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "100")
        try apus.expectRefusal("rm", "box", code: 1, mentions: ["running", "force"])
        #expect(try apus("rm", "-f", "nosuch").code == 0)
        #expect(try apus("rm", "-f", "box", "nosuch").text == "box")
        #expect(try apus.must("ps", "-aq").isEmpty)
    }

    @Test func logsAreBoundedAndRotated() throws {
        let script = "yes 0123456789012345678901234567890123456789 | head -c 70000000"
        try apus.must(
            "run", "--name", "loud", "--network", "none", "busybox", "sh", "-c", script + " > /dev/stderr")
        let size = try apus.shell("du -sm \"$APUS_ROOT/containers\" | cut -f1").text
        #expect(Int(size).map { $0 <= 60 } == true, "the log takes \(size) MiB")
        #expect(try apus("logs", "--tail", "1", "loud").err == "012")
    }
}
