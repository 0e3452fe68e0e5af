import Support
import Testing

@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class HealthTests {
    let apus: Engine
    init() throws { apus = try Engine(withBusybox: true) }
    deinit { apus.tearDown() }

    private func run(_ name: String, _ options: String..., image: String = "busybox") throws {
        let outcome = try apus.apus(
            ["run", "-d", "--name", name, "--network", "none", "--health-interval", "50ms"] + options
                + [image, "sleep", "1000"])
        #expect(outcome.code == 0, "\(outcome)")
    }

    private func inspect(_ name: String, _ template: String) throws -> String {
        try apus.must("inspect", "--format", template, name)
    }

    private func expectHealth(_ name: String, _ status: String, location: SourceLocation = #_sourceLocation)
        throws
    {
        try expectSoon(location: location) { try self.inspect(name, "{{.State.Health.Status}}") == status }
    }

    @Test func aContainerFallsIllAndRecovers() throws {
        try run("box", "--health-cmd", "echo checked; test ! -e /ill", "--health-retries", "2")
        #expect(["starting", "healthy"].contains(try inspect("box", "{{.State.Health.Status}}")))
        try expectHealth("box", "healthy")
        #expect(try apus.must("ps", "--format", "{{.Status}}").hasSuffix("(healthy)"))
        try apus.must("exec", "box", "touch", "/ill")
        try expectHealth("box", "unhealthy")
        #expect(try apus.must("ps", "-q", "--filter", "health=unhealthy").count == 12)
        #expect(try apus.must("ps", "-q", "--filter", "health=healthy").isEmpty)
        let log = "{{range .State.Health.Log}}{{.ExitCode}} {{.Output}}{{end}}"
        try expectSoon {
            try self.inspect("box", log) == String(repeating: "1 checked\n", count: 5).dropLast()
        }
        try apus.must("exec", "box", "rm", "/ill")
        try expectHealth("box", "healthy")
        #expect(try inspect("box", "{{.State.Health.FailingStreak}}") == "0")
        // No check is left behind as a zombie or a process.
        let pid = try inspect("box", "{{.State.Pid}}")
        let children =
            "m=$(grep PPid: /proc/\(pid)/status | tr -dc 0-9); cat /proc/$m/task/$m/children | wc -w"
        try expectSoon { try (Int(self.apus.shell(children).text) ?? 99) <= 2 }
        try apus.must("rm", "-f", "box")
    }

    @Test func aCheckThatHangsIsEnded() throws {
        try run(
            "box", "--health-cmd", "echo begun; sleep 1000", "--health-timeout", "100ms", "--health-retries",
            "1")
        try expectHealth("box", "unhealthy")
        let first = try inspect("box", "{{with (index .State.Health.Log 0)}}{{.ExitCode}} {{.Output}}{{end}}")
        #expect(first.hasPrefix("-1 begun") && first.contains("exceeded timeout (0.1s)"), "\(first)")
        try apus.must("rm", "-f", "box")
    }

    @Test func theStartPeriodForgives() throws {
        try run(
            "box", "--health-cmd", "test -e /up", "--health-retries", "1", "--health-start-period", "1h",
            "--health-start-interval", "50ms")
        try expectSoon { try self.inspect("box", "{{len .State.Health.Log}}") == "5" }
        #expect(
            try inspect("box", "{{.State.Health.Status}} {{.State.Health.FailingStreak}}") == "starting 0")
        #expect(try apus.must("ps", "--format", "{{.Status}}").hasSuffix("(health: starting)"))
        try apus.must("exec", "box", "touch", "/up")
        try expectHealth("box", "healthy")
        try apus.must("exec", "box", "rm", "/up")
        try expectHealth("box", "unhealthy")
    }

    @Test func theImagesCheckIsMadeUnlessItIsSwitchedOff() throws {
        try apus.write("image/Dockerfile", "FROM busybox\nHEALTHCHECK --interval=50ms CMD [\"true\"]\n")
        try apus.must("build", "-q", "-t", "checked", apus.directory + "/image")
        try run("on", image: "checked")
        try expectHealth("on", "healthy")
        try apus.must(
            "run", "-d", "--name", "off", "--network", "none", "--no-healthcheck", "checked", "sleep", "1000")
        #expect(try inspect("off", "{{.State.Health}} {{.Config.Healthcheck.Test}}") == "<nil> [NONE]")
        #expect(try apus.must("ps", "--format", "{{.Names}}", "--filter", "health=none") == "off")
        for (flag, value, why) in [
            ("--health-interval", "1us", "cannot be less than 1ms"),
            ("--health-timeout", "soon", "invalid duration"),
            ("--health-retries", "-1", "cannot be negative"),
        ] {
            try apus.expectRefusal("run", flag, value, "busybox", "true", code: 125, mentions: [why])
        }
        try apus.expectRefusal(
            "run", "--no-healthcheck", "--health-cmd", "true", "busybox", "true", code: 125,
            mentions: ["conflicts with --health-*"])
    }

    @Test func anAdoptedContainerIsCheckedFurther() throws {
        try run("box", "--health-cmd", "test ! -e /ill", "--health-retries", "1")
        try expectHealth("box", "healthy")
        let pid = try inspect("box", "{{.State.Pid}}")
        #expect(try apus.shell("kill -9 $(grep PPid: /proc/\(pid)/status | tr -dc 0-9)").code == 0)
        try apus.must("exec", "box", "touch", "/ill")
        try expectHealth("box", "unhealthy")
    }
}
