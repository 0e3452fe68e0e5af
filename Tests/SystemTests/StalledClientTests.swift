import Glibc
import Support
import Testing

/// Clients that take no output, and processes that take no input.
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class StalledClientTests {
    let apus: Engine
    init() throws { apus = try Engine(withBusybox: true) }
    deinit { apus.tearDown() }

    /// Writes when it is told to, more than all buffers hold.
    private static let writer =
        "echo ready; until [ -e /go ]; do echo tick; sleep 0.05; done; seq 100000; echo end; exec sleep 1000"

    private func run(_ name: String, _ script: String) throws {
        try apus.must("run", "-d", "--name", name, "--network", "none", "busybox", "sh", "-c", script)
    }

    /// Lets a stopped client go on: nsenter, its parent, stops itself once more when it sees that its child was stopped.
    private func goOn(_ client: Running, until: () throws -> Bool) rethrows {
        let came = try eventually {
            kill(-client.pid, SIGCONT)
            return try until()
        }
        #expect(came, "it did not come")
    }

    @Test func oneThatOnlyLooksOnIsPassedOver() throws {
        try run("box", Self.writer)
        let stalled = try apus.start("attach", "box")
        let other = try apus.start("attach", "box")
        try expectSoon { stalled.output.contains("tick") && other.output.contains("tick") }
        kill(-stalled.pid, SIGSTOP)
        // A terminal whose window does not move is the same.
        let window = try apus.terminal(
            "run", "-it", "--name", "window", "--network", "none", "busybox", "sh", "-c", Self.writer)
        try window.expect("tick")
        for name in ["box", "window"] { try apus.must("exec", name, "touch", "/go") }
        try expectSoon { other.output.hasSuffix("\n100000\nend\n") }
        try expectSoon {
            try self.apus("logs", "--tail", "2", "box").out == "100000\nend\n"
                && self.apus("logs", "--tail", "2", "window").out == "100000\r\nend\r\n"
        }
        let numbers = other.output.split(separator: "\n").compactMap { Int($0) }
        #expect(numbers == Array(1...100_000), "\(numbers.count)")
        // Going on it hears that something is missing, and then what comes.
        try window.expect("bytes of output are left out here")
        try apus.must("exec", "box", "sh", "-c", "echo later > /proc/1/fd/1")
        try expectSoon { other.output.hasSuffix("later\n") }
        try goOn(stalled) {
            try apus.must("exec", "box", "sh", "-c", "echo latest > /proc/1/fd/1")
            return stalled.output.hasSuffix("latest\n")
        }
        try apus.must("rm", "-f", "box")
        goOn(stalled) { !stalled.isRunning }
        let outcome = stalled.finish()
        #expect(
            outcome.code == 137 && outcome.err.contains("bytes of output are left out here"), "\(outcome)")
        // The last one before the gap may be cut.
        let seen = outcome.lines.compactMap { Int($0) }.dropLast()
        #expect(seen.elementsEqual(1...max(1, seen.count)) && seen.count < 100_000, "\(seen.count)")
        #expect(!outcome.out.contains("later\n"))
    }

    /// Longer than those who only look on are waited for.
    @Test func aPipeOfTheStartersCarriesEveryByte() throws {
        let script = "\(Host.bin)/apus run --rm --network none busybox seq 100000 | (sleep 7; md5sum)"
        #expect(try apus.shell(script).text == apus.shell("seq 100000 | md5sum").text)
    }

    /// Whatever of it the socket between just holds at the end, the exit code comes after it.
    @Test func theCodeComesBehindAllOutput() throws {
        let run = "\(Host.bin)/apus run --rm --network none busybox sh -c"
        let jobs = (4...9).map { count in
            "(\(run) 'dd if=/dev/zero bs=65536 count=\(count) 2>/dev/null; exit 7'; echo \(count) $? >&2) | (sleep 6; wc -c >&2) &"
        }
        let outcome = try apus.shell(jobs.joined(separator: "\n") + "\nwait")
        let wanted = (4...9).flatMap { ["\($0) 7", "\($0 * 65536)"] }
        #expect(outcome.errorLines.sorted() == wanted.sorted(), "\(outcome)")
    }

    @Test func aContainerEndsThoughItsClientTakesNothing() throws {
        let client = try apus.start("run", "--name", "box", "--network", "none", "busybox", "yes")
        try expectSoon { client.output.hasPrefix("y\n") }
        kill(-client.pid, SIGSTOP)
        pause(0.5)
        #expect(try apus("kill", "box", timeout: 4).text == "box")
        #expect(
            try apus.must("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "box") == "exited 137")
        #expect(try apus.must("rm", "box") == "box")
        goOn(client) { !client.isRunning }
        let outcome = client.finish(timeout: 10)
        #expect(outcome.code == 137 && outcome.out.hasSuffix("y\n"), "\(outcome.code)")
    }

    /// The starter's pipe is full, and its client in the middle of a write.
    @Test func outputThatIsNotTakenKeepsNoSignalAway() throws {
        let script = "trap 'exit 9' TERM; echo ready >&2; yes & wait"
        let run = "\(Host.bin)/apus run --name box --network none busybox sh -c \"\(script)\""
        let job = "{ { \(run) & echo $! >&2; wait $!; echo code $? >&2; } | { sleep 8; tail -c 2; }; } 2>&1"
        let client = try Running(
            (apus.enclosure?.prefix ?? []) + ["sh", "-c", job], environment: apus.environment)
        try expectSoon { client.output.contains("ready") }
        pause(1)
        #expect(try apus.shell("kill -TERM \(number(client))").code == 0)
        #expect(try apus("wait", "box", timeout: 5).text == "9")
        #expect(!client.output.contains("code"))
        let lines = client.finish(timeout: 20).lines
        #expect(lines.suffix(2).sorted() == ["code 9", "y"], "\(lines)")
    }

    /// A container that reads none of what is poured into it.
    private func flood() throws -> Running {
        let script = "trap \"exit 9\" INT; echo ready; while :; do sleep 0.05; done"
        let run = "\(Host.bin)/apus run -i --name box --network none busybox sh -c '\(script)'"
        return try Running(
            (apus.enclosure?.prefix ?? []) + ["sh", "-c", "yes | \(run) & echo $!; wait"],
            environment: apus.environment)
    }
    /// Its client's pid, where the engine is.
    private func number(_ client: Running) -> Int32 {
        client.output.split(separator: "\n").compactMap { Int32($0) }.first ?? 0
    }

    /// It has no connection but the one that is full: its client leaves it, as docker's does.
    @Test(arguments: ["head -c 100000 /dev/zero", "yes"])
    func anInterruptedExecEndsThoughItsInputIsNotTaken(input: String) throws {
        try run("box", "exec sleep 1000")
        let exec = "\(input) | \(Host.bin)/apus exec -i box sleep 1000 & echo $!; wait $!; echo code $?"
        let client = try Running(
            (apus.enclosure?.prefix ?? []) + ["sh", "-c", exec], environment: apus.environment)
        try expectSoon { try self.apus.must("top", "box").split(separator: "\n").count == 3 }
        pause(0.3)
        #expect(try apus.shell("kill -INT \(number(client))").code == 0)
        try expectSoon { client.output.contains("code 130") }
        _ = client.finish(timeout: 5)
        #expect(try apus.must("ps", "--format", "{{.Names}}") == "box")
    }

    /// Input that nobody takes keeps neither commands nor other clients nor signals away.
    @Test func inputThatIsNotTakenHoldsNothingUp() throws {
        let client = try flood()
        try expectSoon { client.output.contains("ready") }
        pause(0.5)
        let other = try apus.start("attach", "--no-stdin", "box")
        #expect(try apus("exec", "box", "echo", "in", timeout: 5).text == "in")
        #expect(try apus("pause", "box", timeout: 5).text == "box")
        #expect(try apus("unpause", "box", timeout: 5).text == "box")
        #expect(try apus.shell("kill -INT \(number(client))").code == 0)
        #expect(try apus("wait", "box", timeout: 5).text == "9")
        #expect(other.finish(timeout: 5).code == 9)
        _ = client.finish(timeout: 5)
        #expect(try apus("rm", "box").text == "box")
        // Not even when the client is gone: the monitor does not run in circles.
        let second = try flood()
        try expectSoon { try self.apus("logs", "box").text == "ready" }
        pause(0.5)
        #expect(try apus.shell("kill -9 \(number(second))").code == 0)
        let monitor = try apus.processes(of: "box").monitor
        let ticks = "awk '{ print $14 + $15 }' /proc/\(monitor)/stat"
        let before = Int(try apus.shell(ticks).text) ?? 0
        pause(1)
        #expect((Int(try apus.shell(ticks).text) ?? 0) - before < 30)
        #expect(try apus("stop", "-t", "0", "box", timeout: 5).text == "box")
        _ = second.finish(timeout: 5)
    }
}
