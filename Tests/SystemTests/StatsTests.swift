import Support
import Testing

/// `stats`: what is known of a container's use, and nothing else.
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class StatsTests {
    let apus: Engine
    init() throws { apus = try Engine(withBusybox: true) }
    deinit { apus.tearDown() }

    @Test func theTableIsDockers() throws {
        try apus.must("create", "--name", "made", "--network", "none", "busybox", "true")
        let script = "while :; do :; done"
        try apus.must("run", "-d", "--name", "busy", "--network", "none", "busybox", "sh", "-c", script)
        let table = try apus("stats", "--no-stream")
        #expect(table.lines.count == 2, "\(table)")
        for word in [
            "CONTAINER ID   NAME      CPU %", "MEM USAGE / LIMIT   MEM %", "NET I/O", "BLOCK I/O", "PIDS",
        ] {
            #expect(table.lines.first?.contains(word) == true, "\(word): \(table)")
        }
        #expect(try apus("stats", "--no-stream", "-a").lines.count == 3)
        let share = try apus.must("container", "stats", "--no-stream", "--format", "{{.CPUPerc}}", "busy")
        let number = Double(share.dropLast()) ?? -1
        #expect(share.hasSuffix("%") && number > 1 && number < 150, "\(share)")
        let resting = try apus("stats", "--no-stream", "--format", "json", "made")
        #expect(
            resting.text.hasPrefix(#"{"BlockIO":"0B / 0B","CPUPerc":"0.00%","Container":"made","ID":""#)
                && resting.text.hasSuffix(
                    #""MemUsage":"0B / 0B","Name":"made","NetIO":"0B / 0B","PIDs":"0"}"#),
            "\(resting)")
        let id = try apus.must("inspect", "--format", "{{.Id}}", "busy")
        #expect(try apus.must("stats", "--no-stream", "--no-trunc", "--format", "{{.ID}}", "busy") == id)
        #expect(try apus.must("stats", "--no-stream", "--format", "{{.ID}}").utf8.count == 12)
        try apus.must("pause", "busy")
        #expect(try apus.must("stats", "--no-stream", "--format", "{{.CPUPerc}}", "busy") == "0.00%")
        try apus.must("unpause", "busy")
    }

    @Test func refusalsAndGoneContainers() throws {
        try apus.expectRefusal(
            "stats", "--no-stream", "nosuch", code: 1, mentions: ["No such container: nosuch"])
        try apus.expectRefusal(
            "stats", "--no-stream", "--format", "{{.Nosuch", code: 1, mentions: ["template"])
        #expect(try apus("stats", "--no-stream").lines.count == 1, "the heading alone")
    }

    @Test func trafficIsCounted() throws {
        try apus.must("run", "-d", "--name", "net", "busybox", "sleep", "1000")
        let address = try apus.must("inspect", "--format", "{{.NetworkSettings.Gateway}}", "net")
        _ = try apus("exec", "net", "nc", "-w", "1", address, "9")
        let traffic = try apus.must("stats", "--no-stream", "--format", "{{.NetIO}}", "net")
        #expect(!traffic.hasSuffix("/ 0B") && !traffic.contains("--"), "\(traffic)")
    }

    @Test func aTerminalIsDrawnAgainEachSecondAndAPipeIsNot() throws {
        try apus.must("run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000")
        let terminal = try apus.terminal("stats")
        _ = try terminal.expect("\u{1b}[H")
        _ = try terminal.expect("\u{1b}[J")
        _ = try terminal.expect("\u{1b}[H")
        terminal.send("\u{3}")
        #expect(terminal.wait() != nil)
        let piped = try apus.shell("timeout 4 \(Host.bin)/apus stats box; true")
        #expect(piped.lines.count >= 4 && !piped.out.contains("\u{1b}"), "\(piped)")
    }

    @Test func aContainerThatGoesLeavesTheTable() throws {
        try apus.must("run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000")
        let running = try apus.start("stats")
        #expect(eventually { running.output.contains("box") })
        try apus.must("rm", "-f", "box")
        #expect(eventually { running.output.hasSuffix("PIDS\n") }, "\(running.output)")
        #expect(running.isRunning)
        _ = running.finish(timeout: 0)
    }
}
