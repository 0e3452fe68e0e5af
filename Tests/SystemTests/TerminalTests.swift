import Support
import Testing

@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class TerminalTests {
    let apus: Engine
    init() throws { apus = try Engine(withBusybox: true) }
    deinit { apus.tearDown() }

    private static let controlC: [UInt8] = [3]
    private static let detach: [UInt8] = [16, 17]

    @Test func aSessionFromPromptToExitCode() throws {
        let session = try apus.terminal("run", "-it", "--name", "box", "--network", "none", "busybox", "sh")
        try session.expect("# ")
        session.send("stty size\n")
        try session.expect("24 80")
        session.resize(rows: 30, columns: 100)
        let seen = try eventually(within: 5) {
            session.send("stty size\n")
            try session.expect("# ")
            return session.transcript.contains("30 100")
        }
        #expect(seen, "\(session.transcript)")
        session.send("sleep 100\n")
        try session.expect("sleep 100")
        pause(0.3)
        session.send(bytes: Self.controlC)
        session.send("echo code $?\n")
        try session.expect("code 130")

        session.send(bytes: Self.detach)
        #expect(session.wait() == 0)
        #expect(try apus.must("ps", "--format", "{{.Names}}") == "box")

        let again = try apus.terminal("attach", "box")
        again.send("echo back again\n")
        try again.expect("back again")
        again.send("exit 7\n")
        #expect(again.wait() == 7)
        #expect(try apus.must("wait", "box") == "7")
    }

    @Test func theExitCodeOfASessionIsTheClients() throws {
        let session = try apus.terminal("run", "-it", "--rm", "--network", "none", "busybox", "sh")
        try session.expect("# ")
        session.send("exit 7\n")
        #expect(session.wait() == 7)
    }

    @Test func anUnfinishedDetachSequenceIsPassedOn() throws {
        let session = try apus.terminal(
            "run", "-it", "--rm", "--network", "none", "busybox", "sh", "-c",
            "stty raw -echo; echo ready; dd bs=1 count=2 2>/dev/null | od -An -tu1")
        try session.expect("ready")
        session.send(bytes: [16, 120])
        try session.expect("16 120")
        #expect(session.wait() == 0)
    }

    @Test func startTakesInputForATerminalFromAPipe() throws {
        try apus.must("create", "-it", "--name", "box", "--network", "none", "busybox", "sh")
        let started = try apus("start", "-i", "box", stdin: "exit 4\n")
        #expect(started.code == 4, "\(started)")
    }

    @Test func leavingAnExecByKeysIsSaidSo() throws {
        try apus.must("run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "100")
        let session = try apus.terminal("exec", "-it", "box", "sh")
        try session.expect("# ")
        session.send(bytes: Self.detach)
        try session.expect("read escape sequence")
        #expect(session.wait() == 1)
    }

    @Test func execGivesATerminalToo() throws {
        try apus.must("run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "100")
        let session = try apus.terminal("exec", "-it", "box", "sh", rows: 40, columns: 132)
        try session.expect("# ")
        session.send("stty size; tty\n")
        try session.expect("40 132")
        try session.expect("/dev/pts/")
        session.send("exit 3\n")
        #expect(session.wait() == 3)
    }

    @Test func aTerminalNeedsOneToStartFrom() throws {
        let outcome = try apus("run", "-it", "--rm", "--network", "none", "busybox", "true")
        #expect(outcome.code == 1 && outcome.err.contains("not a TTY"), "\(outcome)")
        let merged = try apus(
            "run", "-t", "--rm", "--network", "none", "busybox", "sh", "-c", "tty; echo e >&2")
        #expect(merged.out == "/dev/pts/0\r\ne\r\n", "\(merged)")
    }
}
