import Support
import Testing

/// Restart policies, `restart`, `pause` and `boot`.
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class RestartTests {
    let apus: Engine
    init() throws { apus = try Engine(withBusybox: true) }
    deinit { apus.tearDown() }

    private func inspect(_ name: String, _ template: String) throws -> String {
        try apus.must("inspect", "--format", template, name)
    }

    private func run(_ name: String, _ options: String..., command: [String]) throws {
        let outcome = try apus.apus(
            ["run", "-d", "--name", name, "--network", "none"] + options + ["busybox"] + command)
        #expect(outcome.code == 0, "\(outcome)")
    }

    @Test func aFailureIsTriedAgainAsOftenAsItIsAllowed() throws {
        try run("box", "--restart", "on-failure:2", command: ["sh", "-c", "echo run; exit 3"])
        let facts = "{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}"
        try expectSoon { try self.inspect("box", facts) == "2 exited 3" }
        #expect(try apus("logs", "box").lines == ["run", "run", "run"])
        #expect(try inspect("box", "{{.HostConfig.RestartPolicy.Name}}") == "on-failure")
        // Started by hand, the count begins anew.
        try apus.must("start", "box")
        try expectSoon { try self.inspect("box", facts) == "2 exited 3" }
        try run("fine", "--restart", "on-failure", command: ["true"])
        try expectSoon { try self.inspect("fine", facts) == "0 exited 0" }
    }

    @Test func stopEndsWhatIsAlwaysStartedAgain() throws {
        for policy in ["always", "unless-stopped"] {
            try run(policy, "--restart", policy, command: ["sh", "-c", "exit 1"])
            try expectSoon {
                try self.inspect(policy, "{{.State.Restarting}} {{.State.Running}}") == "true true"
            }
            #expect(
                try apus.must("ps", "--format", "{{.Names}} {{.State}} {{.Status}}").contains(
                    "Restarting (1)"))
            try apus.expectRefusal("exec", policy, "true", code: 1, mentions: ["is restarting"])
            try apus.expectRefusal("rm", policy, code: 1, mentions: ["You cannot remove a restarting"])
            try apus.must("stop", policy)
            #expect(try inspect(policy, "{{.State.Status}} {{.State.ExitCode}}") == "exited 1")
        }
        #expect(try apus.must("boot") == "always")
    }

    @Test func whoSharesWithAnotherIsStartedAfterIt() throws {
        try run("zone", "--restart", "always", command: ["sleep", "1000"])
        try apus.must(
            "run", "-d", "--name", "mate", "--restart", "always", "--network", "container:zone", "--pid",
            "container:zone", "busybox", "sleep", "1000")
        try apus.must(
            "run", "-d", "--name", "also", "--restart", "always", "--network", "container:mate",
            "--volumes-from", "zone", "busybox", "sleep", "1000")
        try apus.must("stop", "-t", "0", "also", "mate", "zone")
        let boot = try apus("boot")
        #expect(boot.code == 0 && boot.lines == ["zone", "mate", "also"], "\(boot)")
        #expect(try apus.must("ps", "-q").split(separator: "\n").count == 3)
        // Without the one it shares with, a container stays; the others start.
        try apus.must("stop", "-t", "0", "also", "mate", "zone")
        try apus.must("update", "--restart", "no", "zone")
        try run("free", "--restart", "always", command: ["sleep", "1000"])
        try apus.must("stop", "-t", "0", "free")
        let part = try apus("boot")
        #expect(part.code == 1 && part.lines == ["free"], "\(part)")
        #expect(part.err.contains("non running container"), "\(part)")
    }

    @Test func aRunningOneThatIsStoppedOrKilledStaysSo() throws {
        for (name, end) in [("stopped", ["stop", "-t", "0"]), ("killed", ["kill"])] {
            try run(name, "--restart", "always", command: ["sleep", "1000"])
            #expect(try apus.apus(end + [name]).code == 0)
            try expectSoon { try self.inspect(name, "{{.State.Status}}") == "exited" }
            #expect(try inspect(name, "{{.RestartCount}}") == "0")
        }
    }

    @Test func aProcessThatDiesIsReplacedWithItsAddressAndPorts() throws {
        try apus.must(
            "run", "-d", "--name", "web", "--restart", "always", "-p", "8080:80", "busybox", "sh", "-c",
            "echo $(hostname -i) > /www; exec httpd -f -p 80 -h /")
        let fetch = "busybox wget -qO- http://127.0.0.1:8080/www"
        try expectSoon { try self.apus.shell(fetch).code == 0 }
        let address = try apus.shell(fetch).text
        for _ in 1...3 {
            let pid = try inspect("web", "{{.State.Pid}}")
            #expect(try apus.shell("kill -9 \(pid)").code == 0)
            try expectSoon { try !["0", pid].contains(self.inspect("web", "{{.State.Pid}}")) }
            try expectSoon { try self.apus.shell(fetch).text == address }
        }
        #expect(try inspect("web", "{{.RestartCount}}") == "3")
    }

    @Test func restartKeepsWhatTheContainerHas() throws {
        try apus.must(
            "run", "-d", "--name", "box", "busybox", "sh", "-c", "date +%N >> /runs; exec sleep 1000")
        let address = try inspect("box", "{{.NetworkSettings.IPAddress}}")
        #expect(try apus.must("restart", "-t", "0", "box") == "box")
        #expect(try apus.must("exec", "box", "wc", "-l", "/runs") == "2 /runs")
        #expect(try inspect("box", "{{.NetworkSettings.IPAddress}} {{.RestartCount}}") == address + " 0")
        try apus.must("stop", "-t", "0", "box")
        try apus.must("restart", "box")
        #expect(try apus.must("exec", "box", "wc", "-l", "/runs") == "3 /runs")
        // What removes itself is there again, too.
        try run("gone", "--rm", command: ["sleep", "1000"])
        try apus.must("restart", "-t", "0", "gone")
        #expect(try inspect("gone", "{{.State.Running}}") == "true")
        try apus.must("stop", "-t", "0", "gone")
        #expect(try apus.must("ps", "-a", "--format", "{{.Names}}") == "box")
        try apus.expectRefusal("restart", "nosuch", code: 1, mentions: ["No such container: nosuch"])
    }

    @Test func theMonitorsDeathDoesNotEndThePolicy() throws {
        try run("box", "--restart", "always", command: ["sleep", "1000"])
        let pid = try inspect("box", "{{.State.Pid}}")
        let script = """
            m=$(grep PPid: /proc/\(pid)/status | tr -dc 0-9); kill -9 $m; kill -9 \(pid)
            """
        #expect(try apus.shell(script).code == 0)
        try expectSoon { try !["0", pid].contains(self.inspect("box", "{{.State.Pid}}")) }
        #expect(try inspect("box", "{{.RestartCount}} {{.State.Running}}") == "1 true")
    }

    /// The process dies while the monitor has not read yet what the command wants.
    @Test(arguments: ["stop -t 1", "kill", "rm -f", "restart -t 1"])
    func whatACommandWantsIsNotForgottenBetweenTwoRuns(command: String) throws {
        for round in 0...1 {
            try run("box", "--restart", "always", command: ["sleep", "1000"])
            if round == 1 { try apus.must("restart", "-t", "0", "box") }
            let pid = try inspect("box", "{{.State.Pid}}")
            let script = """
                m=$(grep PPid: /proc/\(pid)/status | tr -dc 0-9); kill -STOP $m
                \(Host.bin)/apus \(command) box & sleep 0.2
                kill -9 \(pid); sleep 0.1; kill -CONT $m; wait $!
                """
            let outcome = try apus.shell(script, timeout: 20)
            let isRestart = command.hasPrefix("restart")
            #expect(outcome.text == "box", "\(round): \(outcome)")
            let left = try apus.must("ps", "-a", "--format", "{{.State}}")
            #expect(left == (command == "rm -f" ? "" : isRestart ? "running" : "exited"), "\(round)")
            _ = try apus("rm", "-f", "box")
        }
    }

    @Test func aCommandThatIsInterruptedHasNoWishes() throws {
        let script = "trap '' TERM; while :; do sleep 0.05; done"
        try run("box", "--restart", "always", command: ["sh", "-c", script])
        let pid = try inspect("box", "{{.State.Pid}}")
        #expect(try apus.shell("timeout 0.5 \(Host.bin)/apus stop -t 100 box; kill -9 \(pid)").code == 0)
        try expectSoon { try self.inspect("box", "{{.RestartCount}} {{.State.Running}}") == "1 true" }
        try run("other", command: ["sh", "-c", script])
        #expect(
            try apus.shell("timeout 0.5 \(Host.bin)/apus restart -t 100 other; \(Host.bin)/apus kill other")
                .code == 0)
        try expectSoon { try self.inspect("other", "{{.State.Status}}") == "exited" }
    }

    @Test func aRestartThatFailsIsAnError() throws {
        try run("box", command: ["/bin/sleep", "1000"])
        try apus.must("exec", "box", "rm", "/bin/sleep")
        try apus.expectRefusal(
            "restart", "-t", "0", "box", code: 1, mentions: ["Cannot restart container", "/bin/sleep"])
        try run("wait", "--restart", "always", command: ["false"])
        try expectSoon { try self.inspect("wait", "{{.State.Restarting}}") == "true" }
        #expect(try apus("restart", "wait", timeout: 10).text == "wait")
    }

    @Test func pausedProcessesStandStill() throws {
        try run("box", command: ["sh", "-c", "trap 'exit 7' TERM; while :; do echo tick; sleep 0.02; done"])
        try expectSoon { try self.apus("logs", "box").lines.count > 2 }
        #expect(try apus.must("pause", "box") == "box")
        #expect(
            try inspect("box", "{{.State.Status}} {{.State.Paused}} {{.State.Running}}") == "paused true true"
        )
        #expect(try apus.must("ps", "--format", "{{.Status}}").hasSuffix("(Paused)"))
        let ticks = try apus("logs", "box").lines.count
        pause(0.2)
        #expect(try apus("logs", "box").lines.count == ticks)
        try apus.expectRefusal("pause", "box", code: 1, mentions: ["is already paused"])
        try apus.expectRefusal(
            "exec", "box", "true", code: 1, mentions: ["is paused, unpause the container before exec"])
        try apus.expectRefusal("attach", "box", code: 1, mentions: ["cannot attach to a paused"])
        try apus.expectRefusal("start", "box", code: 1, mentions: ["cannot start a paused"])
        try apus.expectRefusal("rm", "box", code: 1, mentions: ["Unpause and then stop"])
        #expect(try apus.must("unpause", "box") == "box")
        try expectSoon { try self.apus("logs", "box").lines.count > ticks }
        try apus.expectRefusal("unpause", "box", code: 1, mentions: ["is not paused"])
        // A signal wakes who stands still.
        try apus.must("pause", "box")
        try apus.must("stop", "box")
        #expect(try apus.must("wait", "box") == "7")
        try apus.expectRefusal("pause", "box", code: 1, mentions: ["is not running"])
        try run("other", command: ["sleep", "1000"])
        try apus.must("pause", "other")
        try apus.must("rm", "-f", "other")
    }

    @Test func policiesChange() throws {
        try run("box", command: ["sleep", "1000"])
        #expect(try apus.must("update", "--restart", "always", "box") == "box")
        #expect(try inspect("box", "{{.HostConfig.RestartPolicy.Name}}") == "always")
        let pid = try inspect("box", "{{.State.Pid}}")
        #expect(try apus.shell("kill -9 \(pid)").code == 0)
        try expectSoon { try self.inspect("box", "{{.RestartCount}}") == "1" }
        try run("short", "--rm", command: ["sleep", "1000"])
        try apus.expectRefusal(
            "update", "--restart", "always", "short", code: 1, mentions: ["AutoRemove is enabled"])
        try apus.expectRefusal("update", "box", code: 1, mentions: ["you must provide one or more flags"])
        let refused = [
            "always:3": "maximum retry count can only be used with 'on-failure'",
            "often": "unknown policy 'often'",
            "on-failure:x": "maximum retry count must be an integer", ":3": "no policy provided before colon",
        ]
        for (policy, why) in refused {
            try apus.expectRefusal("run", "--restart", policy, "busybox", "true", code: 125, mentions: [why])
        }
        try apus.expectRefusal(
            "run", "--rm", "--restart", "always", "busybox", "true", code: 125,
            mentions: ["Conflicting options: --restart and --rm"])
    }

    @Test func nothingIsLeftByContainersThatWereStartedOften() throws {
        try apus.must("run", "--rm", "busybox", "true")  // makes the bridge, which stays
        let left = try apus.leaks(within: 20) {
            try run("box", "--restart", "on-failure:3", command: ["false"])
            try expectSoon { try self.inspect("box", "{{.State.Status}}") == "exited" }
            try apus.must("rm", "box")
            try apus.must(
                "run", "-d", "--name", "web", "--restart", "always", "-p", "8080:80", "busybox", "false")
            try expectSoon { try self.inspect("web", "{{.State.Restarting}}") == "true" }
            try apus.must("rm", "-f", "web")
        }
        #expect(left.isEmpty, "\(left)")
    }
}
