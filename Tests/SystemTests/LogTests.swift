import Support
import Testing

/// `logs`, `--log-driver` and `--log-opt`.
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class LogTests {
    let apus: Engine
    init() throws { apus = try Engine(withBusybox: true) }
    deinit { apus.tearDown() }

    private func run(_ name: String, _ flags: String..., script: String) throws {
        let words =
            ["run", "-d", "--name", name, "--network", "none"] + flags + ["busybox", "sh", "-c", script]
        let outcome = try apus.apus(words)
        #expect(outcome.code == 0, "\(outcome)")
    }

    /// Rotations all the time, a reader beside them: each line once, in its order.
    @Test func nothingIsLostOrDoubledUnderRotation() throws {
        let numbers =
            "i=0; while [ $i -lt 400 ]; do i=$((i+1)); seq $((i*50)) $((i*50+49)); usleep 5000; done"
        try run("loud", "--log-opt", "max-size=20k", "--log-opt", "max-file=3", script: numbers)
        let followed = try apus("logs", "-f", "loud", timeout: 60).lines.compactMap { Int($0) }
        #expect(followed == Array(50..<20_050), "\(followed.count) lines, from \(followed.first ?? 0)")
        // What is kept is an unbroken end.
        let kept = try apus("logs", "loud").lines.compactMap { Int($0) }
        #expect(kept.count > 300 && kept == Array((20_050 - kept.count)..<20_050), "\(kept.count)")
        #expect(try apus("logs", "--tail", "250", "loud").lines.first == "19800")
        let files = try apus.shell(
            "cd $APUS_ROOT/containers/*/ && stat -c %s log log.1 log.2; ls | grep -c ^log")
        #expect(
            files.lines.last == "3" && files.lines.allSatisfy { Int($0).map { $0 <= 20_000 } == true },
            "\(files)")
    }

    @Test func charactersAreKeptWholeHoweverTheyAreWritten() throws {
        try run("box", script: "printf '\\303'; sleep 0.2; printf '\\251\\n'; printf '\\377x\\n'")
        try apus.must("wait", "box")
        #expect(try apus("logs", "box").out == "é\n\u{fffd}x\n")
    }

    @Test func timesChooseLines() throws {
        try run("box", script: "echo one; sleep 1.2; echo two")
        try apus.must("wait", "box")
        let times = try apus("logs", "-t", "box").lines.map { String($0.prefix { $0 != " " }) }
        #expect(times.count == 2)
        #expect(try apus("logs", "--since", times[1], "box").lines == ["two"])
        #expect(try apus("logs", "--until", times[0], "box").lines == ["one"])
        #expect(try apus("logs", "--since", "1h", "--until", "0s", "box").lines == ["one", "two"])
        #expect(try apus("logs", "--since", "2099-01-01", "box").lines.isEmpty)
        // Following ends at its time.
        try run("long", script: "echo begin; sleep 100")
        let until = try apus.shell("date -u -d '+1 second' +%Y-%m-%dT%H:%M:%SZ").text
        #expect(try apus("logs", "-f", "--until", until, "long", timeout: 10).lines == ["begin"])
    }

    @Test func linesCarryWhatIsAskedFor() throws {
        try run(
            "box", "--label", "tier=web front", "--label", "other=1", "-e", "STAGE=a&b",
            "--log-opt", "labels=tier", "--log-opt", "env=STAGE,NONE", "--log-opt",
            "tag={{.Name}}/{{.ImageName}}", script: "echo hello")
        try apus.must("wait", "box")
        #expect(
            try apus("logs", "--details", "box").out == "STAGE=a%26b,tag=box%2Fbusybox,tier=web+front hello\n"
        )
        #expect(try apus("logs", "box").out == "hello\n")
        #expect(
            try apus.must(
                "inspect", "-f", "{{.HostConfig.LogConfig.Type}} {{.HostConfig.LogConfig.Config.labels}}",
                "box")
                == "json-file tier")
    }

    @Test func noDriverKeepsNothing() throws {
        let outcome = try apus(
            "run", "--name", "box", "--network", "none", "--log-driver", "none", "busybox", "echo", "hello")
        #expect(outcome.out == "hello\n")
        try apus.expectRefusal(
            "logs", "box", code: 1, mentions: ["configured logging driver does not support reading"])
        #expect(try apus.shell("ls $APUS_ROOT/containers/*/log*").code != 0)
    }

    @Test func whatNoDriverKnowsIsRefused() throws {
        for (flags, words) in [
            (["--log-driver", "nosuch"], "no log driver named 'nosuch' is registered"),
            (["--log-driver", "syslog"], "--log-driver syslog is not supported yet"),
            (["--log-opt", "max-size"], "invalid logging opt"),
            (["--log-opt", "max-size=0"], "must be positive"),
            (["--log-opt", "max-file=0"], "max-file"), (["--log-opt", "tag={{"], "tag"),
            (
                ["--log-driver", "journald", "--log-opt", "max-size=1m"],
                "unknown log opt 'max-size' for journald"
            ),
            (["--log-opt", "max-buffer-size=1m"], "max-buffer-size"),
            (["--log-opt", "mode=x"], "mode not supported: x"),
        ] {
            let outcome = try apus.apus(["run", "--rm", "--network", "none"] + flags + ["busybox", "true"])
            #expect(outcome.code == 125 && outcome.err.contains(words), "\(flags): \(outcome)")
        }
        #expect(try apus.must("ps", "-aq").isEmpty)
    }

    /// A journal of the test's own stands where the host's would, in the engine's mount namespace.
    @Test(.enabled(if: Host.has("/usr/bin/python3"), "python3 is not installed"))
    func theJournalGetsDockersFields() throws {
        let listener = """
            import socket, sys
            s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind('/run/systemd/journal/socket')
            print('ready', flush=True); s.settimeout(10)
            for _ in range(2): print(s.recv(65536).decode().replace('\\n', ' '), flush=True)
            """
        let program = try apus.write("journal.py", listener)
        let script = """
            mkdir -p /run/systemd && mount -t tmpfs tmpfs /run/systemd && mkdir /run/systemd/journal
            python3 \(program) > \(apus.directory)/journal & i=0
            until grep -q ready \(apus.directory)/journal || [ $i -gt 50 ]; do sleep 0.1; i=$((i+1)); done
            \(Host.bin)/apus run --name box --network none --log-driver journald --log-opt tag=T/{{.Name}} \
                busybox sh -c 'echo hello; sleep 0.2; printf oops >&2'
            wait; cat \(apus.directory)/journal; umount /run/systemd
            """
        let outcome = try apus.shell(script)
        let lines = outcome.lines.filter { $0.contains("MESSAGE=") }
        #expect(lines.count == 2, "\(outcome)")
        for (line, parts) in zip(
            lines,
            [
                ["MESSAGE=hello ", "PRIORITY=6 "],
                ["MESSAGE=oops ", "PRIORITY=3 ", "CONTAINER_PARTIAL_MESSAGE=true "],
            ])
        {
            for part in parts + ["CONTAINER_NAME=box ", "SYSLOG_IDENTIFIER=T/box ", "IMAGE_NAME=busybox "] {
                #expect(line.contains(part), "\(part): \(line)")
            }
        }
        try apus.expectRefusal("logs", "box", code: 1, mentions: ["does not support reading"])
        let missing = try apus(
            "run", "--rm", "--network", "none", "--log-driver", "journald", "busybox", "true")
        #expect(missing.code == 125 && missing.err.contains("journald is not enabled"), "\(missing)")
    }
}
