import Support
import Testing

@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class CrashTests {
    let apus: Engine
    init() throws { apus = try Engine(withBusybox: true) }
    deinit { apus.tearDown() }

    private let counter = "i=0; while :; do i=$((i+1)); echo line $i; usleep 2000; done"

    /// Every number from 1 to the last, once and in order.
    private func isComplete(_ log: [String]) -> Bool {
        log.enumerated().allSatisfy { $0.element == "line \($0.offset + 1)" }
    }

    @Test func aContainerOutlivesItsMonitorAndIsAdopted() throws {
        try apus.must("run", "-d", "--name", "box", "--network", "none", "busybox", "sh", "-c", counter)
        try expectSoon { try apus("logs", "box").lines.count > 20 }
        let (first, monitor) = try apus.processes(of: "box")
        _ = try apus.shell("kill -9 \(monitor)")
        pause(0.5)
        #expect(try apus.shell("kill -0 \(first)").code == 0, "the container lives on")
        #expect(try apus.must("ps", "--format", "{{.Names}} {{.State}}") == "box running")
        let adopted = try apus.shell("awk '/^PPid/ { print $2 }' /proc/\(first)/status").text
        #expect(adopted != monitor)
        let before = try apus("logs", "box").lines
        try expectSoon { try apus("logs", "box").lines.count > before.count + 50 }
        #expect(try apus("exec", "box", "echo", "works").text == "works")
        try apus.must("stop", "-t", "1", "box")
        let log = try apus("logs", "box").lines
        #expect(isComplete(log) && log.count > before.count, "a line is missing among \(log.count)")
        #expect(try apus.must("wait", "box") != "0")
        #expect(try apus.must("rm", "box") == "box")
    }

    @Test func waitWorksAcrossTheDeathOfAMonitor() throws {
        let script = "sleep 1; exit 6"
        try apus.must("run", "-d", "--name", "box", "--network", "none", "busybox", "sh", "-c", script)
        _ = try apus.shell("kill -9 \(apus.processes(of: "box").monitor)")
        let code = try apus("wait", "box", timeout: 20).text
        #expect(code == "6" || Int(code).map { $0 != 0 } == true, "an unknown code is never 0: \(code)")
    }

    @Test func aTerminalEndsWithItsMonitor() throws {
        let session = try apus.terminal("run", "-it", "--name", "box", "--network", "none", "busybox", "sh")
        try session.expect("# ")
        _ = try apus.shell("kill -9 \(apus.processes(of: "box").monitor)")
        #expect(session.wait() != nil && session.wait() != 0)
        try expectSoon { try apus.must("ps", "-q").isEmpty }
    }

    @Test func theDeathOfMonitorAndContainerLeavesNothing() throws {
        try apus.must("run", "--rm", "busybox", "true")
        let left = try apus.leaks {
            try apus.must("run", "-d", "--name", "box", "-p", "8080:80", "busybox", "sleep", "100")
            let (first, monitor) = try apus.processes(of: "box")
            _ = try apus.shell("kill -9 \(monitor) \(first)")
            pause(0.2)
            #expect(try apus.must("ps", "-a", "--format", "{{.State}}") == "exited")
        }
        #expect(left.isEmpty, "\(left)")
        #expect(try apus("rm", "box").code == 0)
    }

    @Test func theDeathOfAMonitorAloneLeavesNothingAfterwards() throws {
        try apus.must("run", "--rm", "busybox", "true")
        let left = try apus.leaks {
            try apus.must("run", "-d", "--rm", "--name", "box", "-p", "8080:80", "busybox", "sleep", "100")
            _ = try apus.shell("kill -9 \(apus.processes(of: "box").monitor)")
            try apus.must("ps")
            try apus.must("rm", "-f", "box")
        }
        #expect(left.isEmpty, "\(left)")
    }

    @Test func aClientMayDieAtAnyMoment() throws {
        try apus.must("run", "--rm", "busybox", "true")
        let left = try apus.leaks(within: 20) {
            for moment in 0..<20 {
                let script = """
                    \(Host.bin)/apus run --rm --name box\(moment) busybox sleep 0.3 & p=$!
                    busybox usleep \(moment * 3000); kill -9 $p 2>/dev/null; wait $p; true
                    """
                _ = try apus.shell(script)
            }
            _ = try eventually(within: 10) { try apus("ps", "-q").text.isEmpty }
            try apus.must("ps", "-a")
        }
        #expect(left.isEmpty, "\(left)")
        // A container whose client died before it was started may stay, created; it runs or goes when told to.
        for name in try apus.must("ps", "-aq").split(separator: "\n") {
            try apus.must("rm", "-f", String(name))
        }
        try apus.expectWholeStore()
    }

    @Test func twoHundredRunsLeaveNothing() throws {
        try apus.must("run", "--rm", "busybox", "true")
        let left = try apus.leaks {
            let script =
                "i=0; while [ $i -lt 200 ]; do \(Host.bin)/apus run --rm busybox true || exit 1; i=$((i+1)); done"
            let runs = try apus.shell(script, timeout: 240)
            #expect(runs.code == 0, "\(runs)")
        }
        #expect(left.isEmpty, "\(left)")
        #expect(try apus.shell("ls \"$APUS_ROOT/containers\" | wc -l").text == "0")
    }

    /// What nobody waited for to be on the disk is blank after a power cut: the record of a container with --rm, which is
    /// over then, and the state of any other, which ran.
    @Test func whatAPowerCutLeftBlankIsNoDamage() throws {
        let gone = try apus.must("create", "--rm", "--name", "gone", "busybox", "true")
        let stays = try apus.must("create", "--name", "stays", "busybox", "true")
        let powerCut = """
            cd "$APUS_ROOT/containers" && : > \(gone)/config.json && : > \(stays)/state.json && mkdir .new-\(gone) &&
            rm -r "$APUS_RUN"
            """
        #expect(try apus.shell(powerCut).code == 0)
        let checked = try apus("system", "check")
        #expect(checked.code == 0 && checked.out.contains("no damage") && checked.err.isEmpty, "\(checked)")
        #expect(try apus.must("ps", "-a", "--format", "{{.Names}} {{.State}}") == "stays exited")
        #expect(try apus.shell("ls -A \"$APUS_ROOT/containers\"").text == stays)
        try apus.must("create", "--name", "gone", "busybox", "true")
        #expect(try apus.must("start", "-a", "stays") == "")
    }

    @Test func damageToOneRecordHurtsNoOther() throws {
        try apus.must("create", "--name", "good", "busybox", "true")
        let id = try apus.must("create", "--name", "bad", "busybox", "true")
        _ = try apus.shell("echo '{' > \"$APUS_ROOT/containers/\(id)/config.json\"")
        let listing = try apus("ps", "-a", "--format", "{{.Names}}")
        #expect(listing.out.contains("good"), "\(listing)")
        #expect(try apus("start", "good").code == 0)
    }
}
