import Support
import Testing

/// Commands that take several names: side by side, with their output in the names' order.
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class SeveralTests {
    let apus: Engine
    init() throws { apus = try Engine(withBusybox: true) }
    deinit { apus.tearDown() }

    private func run(_ name: String, _ flags: [String] = [], _ command: String...) throws {
        let words = ["run", "-d", "--network", "none", "--name", name] + flags + ["busybox"]
        let out = try apus.apus(words + (command.isEmpty ? ["sleep", "1000"] : command))
        #expect(out.code == 0, "\(out)")
    }

    /// More than are begun at once.
    @Test func manyAreWaitedForKilledAndRemoved() throws {
        let names = (0..<55).map { "c\($0)" }
        for name in names { try run(name) }
        let waiting = try Running(
            apus.command(["wait"] + names), environment: apus.environment, stdin: "")
        #expect(try apus.apus(["kill"] + names).lines == names)
        let waited = waiting.finish(timeout: 60)
        #expect(waited.code == 0 && waited.lines == names.map { _ in "137" }, "\(waited)")
        for name in names.prefix(3) { try apus.must("start", name) }
        let removed = try apus.apus(["rm", "-f"] + names)
        #expect(removed.code == 0 && removed.lines == names, "\(removed)")
        #expect(try apus.must("ps", "-aq").isEmpty)
    }

    /// Whoever waits for one hears of the next, too, though that has gone meanwhile.
    @Test func aWaitHearsOfWhatGoesByItself() throws {
        let loop = "echo up; while :; do sleep 0.1; done"
        try run("slow", [], "sh", "-c", "trap 'exit 3' TERM; \(loop)")
        try run("quick", ["--rm"], "sh", "-c", "trap 'exit 4' TERM; \(loop)")
        for name in ["slow", "quick"] { try expectSoon { try apus.must("logs", name) == "up" } }
        let waiting = try apus.start("wait", "slow", "quick")
        // It listens to both.
        let sockets =
            "for p in /proc/[0-9]*; do grep -zqx wait $p/cmdline && ls -l $p/fd | grep -c socket; done"
        try expectSoon { try apus.shell(sockets).lines.contains { Int($0) ?? 0 >= 2 } }
        try apus.must("kill", "-s", "TERM", "quick")
        try expectSoon { try apus.must("ps", "-aq", "-f", "name=quick").isEmpty }
        try apus.must("kill", "-s", "TERM", "slow")
        let waited = waiting.finish(timeout: 30)
        #expect(waited.code == 0 && waited.lines == ["3", "4"], "\(waited)")
    }

    @Test func oneThatFailsLeavesTheOthersTheirTurn() throws {
        for name in ["aa", "bb", "cc"] { try run(name) }
        try apus.must("stop", "-t", "0", "bb")
        let killed = try apus("kill", "aa", "bb", "nosuch", "cc")
        #expect(killed.code == 1 && killed.lines == ["aa", "cc"], "\(killed)")
        #expect(killed.errorLines.count == 2, "\(killed)")
        #expect(killed.errorLines.allSatisfy { $0.hasPrefix("apus: Cannot kill container: ") }, "\(killed)")
        let waited = try apus("wait", "aa", "nosuch", "bb")
        #expect(waited.code == 1 && waited.lines == ["137", "137"], "\(waited)")
        try apus.must("start", "bb")
        let removed = try apus("rm", "aa", "bb", "nosuch", "cc", "cc")
        #expect(removed.code == 1 && removed.lines == ["aa", "cc"], "\(removed)")
        #expect(removed.errorLines.count == 3, "\(removed)")
        #expect(removed.errorLines.first?.contains("Stop the container before") == true, "\(removed)")
        let forced = try apus("rm", "-f", "nosuch", "bb", "bb")
        #expect(forced.lines == ["bb"] && forced.errorLines.count == 2, "\(forced)")
        #expect(forced.err.contains("No such container: nosuch"), "\(forced)")
    }
}
