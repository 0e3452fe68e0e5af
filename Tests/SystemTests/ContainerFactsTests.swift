import Support
import Testing

/// `port`, `diff` and `top`: what is told of a container without touching it.
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class ContainerFactsTests {
    let apus: Engine
    init() throws { apus = try Engine(withBusybox: true) }
    deinit { apus.tearDown() }

    private func sleeper(_ flags: String...) throws {
        let made = try apus.apus(["run", "-d", "--name", "box"] + flags + ["busybox", "sleep", "1000"])
        #expect(made.code == 0, "\(made)")
    }

    // MARK: port

    @Test func portsArePrintedAsDockerPrintsThem() throws {
        try sleeper("-p", "8443:443", "-p", "8080:80", "-p", "127.0.0.1:5353:53/udp")
        #expect(
            try apus("port", "box").lines == [
                "53/udp -> 127.0.0.1:5353", "80/tcp -> 0.0.0.0:8080", "443/tcp -> 0.0.0.0:8443",
            ])
        for typed in ["80", "80/tcp"] { #expect(try apus("port", "box", typed).out == "0.0.0.0:8080\n") }
        #expect(try apus("container", "port", "box", "53/udp").out == "127.0.0.1:5353\n")
        let refusals = [
            ("80/udp", "Error: No public port '80/udp' published for box"),
            ("81", "Error: No public port '81' published for box"),
            ("x", "Error: invalid port (x): strconv.ParseUint: parsing \"x\": invalid syntax"),
            ("70000", "Error: invalid port (70000)"), ("", "Error: invalid port ()"),
        ]
        for (typed, text) in refusals {
            try apus.expectRefusal("port", "box", typed, code: 1, mentions: [text])
        }
        try apus.must("rm", "-f", "box")
        try apus.expectRefusal("port", "box", code: 1, mentions: ["No such container: box"])
        try apus.must("create", "--name", "made", "-p", "81:81", "busybox", "true")
        #expect(try apus("port", "made").out.isEmpty)
        try apus.expectRefusal("port", "made", "81", code: 1, mentions: ["No public port '81'"])
    }

    // MARK: diff

    private static let work = """
        echo x >> /etc/passwd; mkdir -p /n/a; echo 1 > /n/a/f; rm /bin/ls; rm -rf /home; mkdir /home
        touch /tmp/x; rm /tmp/x; echo > /etc/new; ln -s f /n/a/link; mkfifo /n/pipe; echo v > /volume/v
        """
    private static let changes = [
        "C /bin", "D /bin/ls", "C /etc", "A /etc/new", "C /etc/passwd", "C /home", "D /home/app", "A /n",
        "A /n/a",
        "A /n/a/f", "A /n/a/link", "A /n/pipe", "A /volume",
    ]

    @Test func changesAreThoseOfDocker() throws {
        try apus.must("create", "--name", "made", "--network", "none", "busybox", "true")
        #expect(try apus("diff", "made").out.isEmpty)
        try apus.must(
            "run", "--name", "box", "--network", "none", "-v", "/volume", "busybox", "sh", "-c", Self.work)
        #expect(try apus("diff", "box").lines == Self.changes)
        #expect(try apus("container", "diff", "box").lines == Self.changes)
    }

    @Test func aRunningContainerIsCompared() throws {
        try sleeper("--network", "none", "-v", "/volume")
        #expect(try apus("diff", "box").lines == ["A /volume"], "what only was made for mounts is left out")
        try apus.must("exec", "box", "sh", "-c", Self.work)
        #expect(try apus("diff", "box").lines == Self.changes)
        try apus.expectRefusal("diff", "nosuch", code: 1, mentions: ["No such container: nosuch"])
        try apus.expectRefusal("diff", code: 1, mentions: ["requires 1 argument"])
    }

    @Test func aDirectoryMadeAgainHidesAndANewTypeIsAChange() throws {
        let script = """
            rm -rf /etc/network /var; mkdir -p /var/deep; rm /etc/shells; mkdir /etc/shells; echo > /etc/shells/in
            chmod 711 /root
            """
        try apus.must("run", "--name", "box", "--network", "none", "busybox", "sh", "-c", script)
        let lines = try apus("diff", "box").lines
        #expect(lines.contains("C /etc/shells") && lines.contains("A /etc/shells/in"), "\(lines)")
        #expect(lines.contains("C /root") && lines.contains { $0.hasSuffix("/var/deep") }, "\(lines)")
    }

    /// A name is the container's: neither a line of its own nor a word for the terminal.
    @Test func namesCannotSpeakToTheTerminal() throws {
        try apus.must(
            "run", "--name", "box", "--network", "none", "busybox", "sh", "-c",
            "touch \"/a$(printf '\\033[2J')b\"")
        let terminal = try apus.terminal("diff", "box")
        #expect(try terminal.expect("b\r\n").contains("A /a\\u{1b}[2Jb"))
        #expect(terminal.wait() == 0)
        #expect(try apus("diff", "box").out == "A /a\u{1b}[2Jb\n")
    }

    @Test func aDeepTreeIsCompared() throws {
        let script = "cd /tmp; i=0; while [ $i -lt 1500 ]; do mkdir d && cd d; i=$((i+1)); done; echo > end"
        try apus.must("run", "--name", "box", "--network", "none", "busybox", "sh", "-c", script)
        #expect(try apus("diff", "box").lines.count == 1502)
    }

    // MARK: top

    @Test func processesAreShownAsPsShowsThem() throws {
        try sleeper("--network", "none", "--user", "app")
        let titles =
            "UID                 PID                 PPID                C                   STIME"
            + "               TTY                 TIME                CMD"
        let table = try apus("top", "box")
        #expect(table.lines.count == 2 && table.lines.first == titles, "\(table)")
        let pid = try apus.must("inspect", "--format", "{{.State.Pid}}", "box")
        let own = words(table.lines.last)
        #expect(own.count == 9 && own[1] == pid && own[7...] == ["sleep", "1000"], "\(own)")
        #expect(own[5] == "?" && own[6] == "00:00:00" && own[3] == "0", "\(own)")
        // The host's table says the same, however it is asked for.
        let hosts = words(try apus("top", "box", "-ef").lines.last)
        #expect(hosts[0] == own[0] && hosts[1] == pid && hosts[4...] == own[4...], "\(hosts), not \(own)")
        #expect(
            try apus("container", "top", "box", "-o", "pid,cmd").lines.map(words) == [
                ["PID", "CMD"], [pid, "sleep", "1000"],
            ])
        #expect(words(try apus("top", "box", "aux").lines.first).first == "USER")
    }

    private func words(_ line: String?) -> [String] { (line ?? "").split(separator: " ").map(String.init) }

    @Test func everyProcessOfTheContainerIsThereAndNoOther() throws {
        try sleeper("--network", "none")
        try apus.must("exec", "-d", "box", "sh", "-c", "sleep 2000 & sleep 3000")
        try expectSoon { try apus("top", "box").lines.count == 4 }
        let commands = try apus("top", "box", "-o", "pid,cmd").lines.dropFirst().map { words($0)[1...] }
        #expect(Set(commands.map { $0.joined(separator: " ") }).isSuperset(of: ["sleep 1000", "sleep 2000"]))
    }

    @Test func topRefusesAsDocker() throws {
        try apus.must("create", "--name", "made", "--network", "none", "busybox", "true")
        try apus.expectRefusal("top", "made", code: 1, mentions: ["Container ", " is not running"])
        try apus.expectRefusal("top", "nosuch", code: 1, mentions: ["No such container: nosuch"])
        try sleeper("--network", "none")
        try apus.expectRefusal("top", "box", "-o", "cmd", code: 1, mentions: ["find PID field in ps output"])
        try apus.expectRefusal(
            "top", "box", "-o", "foo=PID,pid", code: 1,
            mentions: ["specifying \"foo=PID,pid\" is not allowed"])
        try apus.expectRefusal(
            "top", "box", "--nosuch", code: 1, mentions: ["ps: error: unknown gnu long option"])
        try apus.must("kill", "box")
        try apus.must("wait", "box")
        try apus.expectRefusal("top", "box", code: 1, mentions: ["is not running"])
    }

    /// `podman top` ran nsenter, and with it the image's libraries, in the container.
    @Test func cve_2022_1227_topRunsNothingOfTheImage() throws {
        let fake =
            "printf '#!/bin/sh\\necho ran > /ran\\n' > /bin/ps; chmod 755 /bin/ps; cp /bin/ps /bin/nsenter; sleep 1000"
        try apus.must("run", "-d", "--name", "box", "--network", "none", "busybox", "sh", "-c", fake)
        for options in [[], ["aux"], ["-o", "pid,cmd"]] {
            #expect(try apus.apus(["top", "box"] + options).code == 0)
        }
        #expect(try apus("exec", "box", "test", "-e", "/ran").code == 1)
    }

    /// What a process calls itself is one row, and no word for the terminal.
    @Test func aProcessCannotMakeRows() throws {
        let name = "a\nroot 1 2 \u{1b}[2Jb"
        let script = "sleep 1000; true"
        try apus.must("run", "-d", "--name", "box", "--network", "none", "busybox", "sh", "-c", script, name)
        try expectSoon { try apus("top", "box").lines.count == 3 }
        #expect(try apus("top", "box").out.contains("sh -c sleep 1000; true a?root 1 2 ?[2Jb\n"))
    }
}
