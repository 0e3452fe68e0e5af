import Glibc
import Support
import Testing

/// Commands at work on the same container, commands that are killed, and clients that a monitor has no room for.
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class CommandRaceTests {
    let apus: Engine
    init() throws { apus = try Engine(withBusybox: true) }
    deinit { apus.tearDown() }

    private func entries(_ path: String) throws -> [String] { try execute(["ls", "-A", path]).lines }

    /// It had been removed below its monitor, which then ran it for ever.
    @Test func whatIsRemovedWhileItIsStartedIsGone() throws {
        let script = """
            for i in $(seq 12); do
                \(Host.bin)/apus create --name box --network none busybox sleep 86399 >/dev/null || exit 1
                for command in 'start' 'rm -f' 'restart -t 0' 'rename box other' 'update --restart on-failure:2' 'rm -f'
                do
                    case $command in rename*) words=$command ;; *) words="$command box" ;; esac
                    \(Host.bin)/apus $words >/dev/null 2>>\(apus.directory)/said &
                done
                wait
                \(Host.bin)/apus rm -f $(\(Host.bin)/apus ps -aq) >/dev/null 2>&1
            done
            true
            """
        let outcome = try apus.shell(script, timeout: 120)
        #expect(outcome.code == 0, "\(outcome)")
        #expect(try entries(apus.root + "/containers").isEmpty)
        #expect(try entries(apus.root + "/names") == [".lock"])
        #expect(try entries(apus.run + "/containers").isEmpty)
        #expect(try execute(["pgrep", "-f", "^sleep 86399"]).lines.isEmpty)
        let said = readFile(apus.directory + "/said") ?? ""
        #expect(!said.contains("without a word") && !said.contains("No such file"), "\(said)")
    }

    @Test func aRunningOneWithADamagedRecordIsKilledByItsRemoval() throws {
        try apus.must("run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "86398")
        let id = try apus.must("inspect", "-f", "{{.Id}}", "box")
        try apus.write("root/containers/\(id)/config.json", "{")
        try apus.must("rm", "-f", id)
        #expect(try execute(["pgrep", "-f", "^sleep 86398"]).lines.isEmpty)
        #expect(try entries(apus.run + "/containers").isEmpty)
    }

    @Test func aCommitThatIsKilledLetsTheContainerGoOn() throws {
        try apus.must(
            "run", "-d", "--name", "box", "--network", "none", "busybox", "sh", "-c",
            "dd if=/dev/zero of=/large bs=1M count=250 2>/dev/null; touch /ready; exec sleep 1000")
        try expectSoon { try self.apus("exec", "box", "test", "-e", "/ready").code == 0 }
        let pid = try apus.must("inspect", "-f", "{{.State.Pid}}", "box")
        let place = try apus.shell("sed -n 's/^0:://p' /proc/\(pid)/cgroup").text
        func isFrozen() throws -> Bool {
            try execute([
                "sh", "-c",
                "cat /sys/fs/cgroup\(place)/cgroup.freeze /sys/fs/cgroup/unified\(place)/cgroup.freeze",
            ])
            .text == "1"
        }
        let commit = try apus.start("commit", "box", "made")
        try expectSoon { try isFrozen() }
        kill(-commit.pid, SIGKILL)
        _ = commit.finish()
        try expectSoon { try !isFrozen() }
        #expect(try apus("exec", "box", "true", timeout: 5).code == 0)
    }

    /// More than it has descriptors for connect, and say nothing: its loop did nothing else then.
    @Test func aMonitorWithoutDescriptorsWaitsAndAnswers() throws {
        #expect(
            try apus.shell(
                "ulimit -n 40; \(Host.bin)/apus run -d --name box --network none busybox sleep 1000"
            ).code == 0)
        let id = try apus.must("inspect", "-f", "{{.Id}}", "box")
        let idle = try apus.write(
            "idle.py",
            """
            import os, socket, time
            directory = os.open("\(apus.run)/containers/\(id)", os.O_RDONLY)
            clients = []
            for _ in range(60):
                client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                client.setblocking(False)
                try: client.connect("/proc/self/fd/%d/attach" % directory)
                except BlockingIOError: time.sleep(0.01)
                clients.append(client)
            time.sleep(30)
            """)
        let clients = try Running(["python3", idle])
        defer { kill(-clients.pid, SIGKILL) }
        pause(1)
        let monitor = try apus.shell(
            "ps -o ppid= -p $(\(Host.bin)/apus inspect -f '{{.State.Pid}}' box)"
        ).text
        func ticks() throws -> Int {
            try execute(["awk", "{print $14 + $15}", "/proc/\(monitor)/stat"]).text.split(separator: "\n")
                .first
                .flatMap { Int($0) } ?? 0
        }
        let before = try ticks()
        pause(1)
        #expect(try ticks() - before < 30)
        #expect(try apus("stop", "-t", "0", "box", timeout: 10).text == "box")
    }

    /// Its cgroup stayed for ever, and the next start was refused for what was left in it.
    @Test func startsWhoseMonitorIsKilledLeaveNoCgroup() throws {
        try apus.must("create", "--name", "box", "--network", "none", "busybox", "sleep", "86396")
        let id = try apus.must("inspect", "-f", "{{.Id}}", "box")
        let script = """
            for i in $(seq 30); do
                \(Host.bin)/apus start box >/dev/null 2>&1 &
                sleep 0.00$((i % 10))
                for pid in $(pgrep -f '^apus-runtime monitor start'); do
                    case $(readlink /proc/$pid/fd/3) in \(apus.root)/*) kill -9 $pid ;; esac
                done
                wait
                \(Host.bin)/apus stop -t 0 box >/dev/null 2>&1
                \(Host.bin)/apus start box >/dev/null || exit 1
                \(Host.bin)/apus stop -t 0 box >/dev/null
                \(Host.bin)/apus start box >/dev/null 2>&1 &
                sleep 0.00$((i % 10))
                for pid in $(pgrep -f '^apus-runtime monitor start'); do
                    case $(readlink /proc/$pid/fd/3) in \(apus.root)/*) kill -9 $pid ;; esac
                done
                wait
                \(Host.bin)/apus rm -f box >/dev/null
                \(Host.bin)/apus create --name box --network none busybox sleep 86396 >>\(apus.directory)/ids
            done
            """
        let outcome = try apus.shell(script, timeout: 120)
        #expect(outcome.code == 0, "\(outcome)")
        for id in [id] + (readFile(apus.directory + "/ids") ?? "").split(separator: "\n").map(String.init) {
            let left = try execute([
                "sh", "-c", "ls -d /sys/fs/cgroup/*/\(id) /sys/fs/cgroup/*/*/\(id) 2>/dev/null",
            ])
            #expect(left.lines.isEmpty, "\(left)")
        }
        #expect(try execute(["pgrep", "-f", "^sleep 86396"]).lines.isEmpty)
    }

    /// The client waited in its write to the terminal, and heard no signal.
    @Test func aSignalPassesATerminalThatNobodyReads() throws {
        let script = try apus.write(
            "stalled.py",
            """
            import os, pty, signal, subprocess, time
            controller, terminal = pty.openpty()
            script = "trap 'exit 5' TERM; yes & wait"
            command = ["run", "--name", "box", "--network", "none", "busybox", "sh", "-c", script]
            client = subprocess.Popen(["\(Host.bin)/apus"] + command, stdin=terminal, stdout=terminal, stderr=terminal)
            time.sleep(1.5)
            client.send_signal(signal.SIGTERM)
            time.sleep(1.5)
            client.kill()
            """)
        #expect(try apus.shell("python3 \(script)").code == 0)
        #expect(try apus.must("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "box") == "exited 5")
    }
}
