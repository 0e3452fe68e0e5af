import Support
import Testing

/// How sessions on a terminal end, and who else is there.
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class TerminalEndTests {
    let apus: Engine
    init() throws { apus = try Engine(withBusybox: true) }
    deinit { apus.tearDown() }

    private static let waiting = "trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done"

    /// A shell on a terminal: the settings before and after a command, and meanwhile.
    private func sit(before command: String) throws -> Terminal {
        try apus.write("client", "echo $$ > pid; exec \(Host.bin)/apus \(command)\n")
        let script = """
            cd \(apus.directory); tty > tty; stty -g > before
            sh client; echo code $?; stty -g > after; echo over
            """
        return try Terminal(
            (apus.enclosure?.prefix ?? []) + ["sh", "-c", script], environment: apus.environment)
    }

    private func settings(_ moment: String) -> String? { readFile(apus.directory + "/" + moment) }

    /// Ways to end `run -it` of a container that waits: what is done from outside, and the client's code.
    @Test(arguments: [
        ("\(Host.bin)/apus kill box", 137), ("\(Host.bin)/apus rm -f box", 137),
        ("\(Host.bin)/apus stop box", 5),
        ("kill -9 $(\(Host.bin)/apus inspect -f '{{.State.Pid}}' box)", 137),
        (
            "p=$(\(Host.bin)/apus inspect -f '{{.State.Pid}}' box); kill -9 $(awk '/^PPid/ {print $2}' /proc/$p/status)",
            125
        ),
        ("kill -TERM $(cat pid)", 5),
    ])
    func theTerminalIsRestoredWhateverEndsIt(end: String, code: Int) throws {
        let session = try sit(
            before: "run -it --name box --network none busybox sh -c \"\(Self.waiting)\"")
        try session.expect("ready")
        #expect(
            try apus.shell("stty -g -F $(cat \(apus.directory)/tty)").text != settings("before").map(trimmed))
        let outcome = try apus.shell("cd \(apus.directory); \(end)")
        #expect(outcome.code == 0, "\(outcome)")
        try session.expect("code \(code)")
        try session.expect("over")
        #expect(settings("before") != nil && settings("before") == settings("after"))
    }

    @Test(arguments: [("true", 0), ("nosuch", 127), ("sh -c \"exit 7\"", 7)])
    func theTerminalIsRestoredAfterEachEndOfItsOwn(command: String, code: Int) throws {
        let session = try sit(before: "run -it --rm --network none busybox \(command)")
        try session.expect("code \(code)")
        try session.expect("over")
        #expect(settings("before") != nil && settings("before") == settings("after"))
    }

    @Test(arguments: ["run -it --name box", "attach box", "exec -it box"])
    func whoeverLosesTheTerminalLeavesTheContainerRunning(command: String) throws {
        let script = "trap 'echo hangup > /hangup' HUP; echo ready; while :; do sleep 0.05; echo tick; done"
        let words = "--network none busybox sh -c \"\(script)\""
        if command != "run -it --name box" {
            #expect(try apus.shell("\(Host.bin)/apus run -dit --name box \(words)").code == 0)
        }
        let line =
            command.hasPrefix("run")
            ? "run -it --name box \(words)"
            : command.hasPrefix("exec")
                ? "exec -it box sh -c \"echo ready; sleep 1000\"" : "attach box"
        let session = try sit(before: line)
        try session.expect(command == "attach box" ? "tick" : "ready")
        session.hangUp()
        try expectSoon { try self.apus.shell("kill -0 $(cat \(self.apus.directory)/pid)").code != 0 }
        #expect(try apus.must("ps", "--format", "{{.Names}}") == "box")
        #expect(try apus("exec", "box", "ls", "/hangup").code != 0)
        let again = try apus.terminal("attach", "box")
        try again.expect("tick")
    }

    /// Signals that are not the process's end the client, which leaves the terminal as it was.
    @Test func withoutAProxySignalsEndTheClientAlone() throws {
        let session = try sit(
            before: "run -it --sig-proxy=false --name box --network none busybox sh -c \"\(Self.waiting)\"")
        try session.expect("ready")
        #expect(try apus.shell("kill -TERM $(cat \(apus.directory)/pid)").code == 0)
        try session.expect("code 143")
        try session.expect("over")
        #expect(settings("before") != nil && settings("before") == settings("after"))
        #expect(try apus.must("ps", "--format", "{{.Names}}") == "box")
    }

    @Test func detachKeysAreChosen() throws {
        let run = try apus.terminal(
            "run", "-it", "--detach-keys", "ctrl-x,x", "--name", "box", "--network", "none", "busybox", "sh")
        try run.expect("# ")
        // What leaves otherwise is the shell's now, and so is a half of what leaves.
        run.send(
            "stty raw -echo; echo g''o; dd bs=1 count=4 2>/dev/null | od -An -tu1; stty sane; echo don''e\n")
        try run.expect("go")
        run.send(bytes: [16, 17, 24, 97])
        try run.expect("16  17  24  97")
        try run.expect("done")
        run.send(bytes: [24])
        pause(0.1)
        run.send(bytes: [120])
        #expect(run.wait() == 0)

        let attach = try apus.terminal("attach", "--detach-keys", "ctrl-a", "box")
        attach.send("echo her''e\n")
        try attach.expect("here")
        attach.send(bytes: [1])
        try attach.expect("read escape sequence")
        #expect(attach.wait() == 1)

        let exec = try apus.terminal("exec", "-it", "--detach-keys", "q,q", "box", "sh")
        try exec.expect("# ")
        exec.send("qq")
        try exec.expect("read escape sequence")
        #expect(exec.wait() == 1)
        let refused = try apus("exec", "--detach-keys", "ctrl-", "box", "true")
        #expect(refused.code == 1 && refused.err.contains("ctrl-"), "\(refused)")
        #expect(try apus.must("ps", "--format", "{{.Names}}") == "box")
    }

    /// The window has the size that it had: only the change makes a program draw it again.
    @Test func whoeverComesSeesThePictureAgain() throws {
        let script = "trap 'echo drawn' WINCH; echo ready; while :; do sleep 0.05; done"
        try apus.must("run", "-dit", "--name", "box", "--network", "none", "busybox", "sh", "-c", script)
        try expectSoon { try self.apus("logs", "box").out.hasPrefix("ready") }
        for _ in 1...2 {
            let session = try apus.terminal("attach", "box")
            try session.expect("drawn")
            session.send(bytes: [16, 17])
            #expect(session.wait() == 1)
        }
    }

    @Test func everyoneWhoIsAttachedSeesAllAndMayType() throws {
        try apus.must("run", "-dit", "--name", "box", "--network", "none", "busybox", "sh")
        let clients = try (0..<3).map { _ in try apus.terminal("attach", "box") }
        for (number, client) in clients.enumerated() {
            // Who sees its own line is attached.
            let isAttached = eventually {
                client.send("echo here-'\(number)'\n")
                return (try? client.expect("here-\(number)\r\n", timeout: 0.5)) != nil  // not yet
            }
            #expect(isAttached)
        }
        for (number, client) in clients.enumerated() {
            client.send("echo from-'\(number)'\n")
            for other in clients { try other.expect("from-\(number)") }
        }
        clients[0].send(bytes: [16, 17])
        #expect(clients[0].wait() == 1)
        clients[1].send("exit 3\n")
        #expect(clients[1].wait() == 3 && clients[2].wait() == 3)
    }
}
