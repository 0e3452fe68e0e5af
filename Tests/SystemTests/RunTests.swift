import Support
import Testing

@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class RunTests {
    let apus: Engine
    init() throws { apus = try Engine(withBusybox: true) }
    deinit { apus.tearDown() }

    @Test func exitCodesAreDockers() throws {
        #expect(try apus.inContainer("exit 7").code == 7)
        #expect(try apus.inContainer("exit 300").code == 44)
        #expect(try apus("run", "--rm", "--network", "none", "busybox", "nosuch").code == 127)
        #expect(try apus("run", "--rm", "--network", "none", "busybox", "/etc").code == 126)
        #expect(try apus("run", "--rm", "--network", "none", "busybox", "/etc/passwd").code == 126)
        #expect(try apus("run", "--rm", "--pull", "never", "nosuchimage", "true").code == 125)
        #expect(try apus("run", "--nosuchflag", "busybox").code == 125)
        // Signals that its own namespace sends do not end the first process; one with a child does.
        #expect(try apus.inContainer("sh -c 'kill -TERM $$'; exit $?").code == 143)
    }

    @Test func streamsStayApartAndStdinEnds() throws {
        let both = try apus.inContainer("echo out; echo err >&2")
        #expect(both.out == "out\n" && both.err == "err\n")
        let piped = try apus("run", "--rm", "-i", "--network", "none", "busybox", "wc", "-c", stdin: "12345")
        #expect(piped.text == "5")
        #expect(
            try apus("run", "--rm", "--network", "none", "busybox", "wc", "-c", stdin: "12345").text == "0")
    }

    @Test func manyBytesArriveUnchanged() throws {
        let script = "head -c 8000000 /dev/zero | tr '\\\\0' x"
        let outcome = try apus.inContainer(script)
        #expect(outcome.out.utf8.count == 8_000_000)
    }

    /// Input goes into the process's own pipe, from a pipe and from a file, with pauses, and to who does not want it.
    @Test func inputArrivesUnchangedOrIsLeft() throws {
        let run = "\(Host.bin)/apus run --rm -i --network none busybox"
        let input = apus.directory + "/input"
        let sums = try apus.shell(
            """
            head -c 20000000 /dev/urandom > \(input)
            sha256sum < \(input)
            cat \(input) | \(run) sha256sum
            \(run) sha256sum < \(input)
            (head -c 100000 \(input); sleep 0.3; tail -c +100001 \(input)) | \(run) sh -c 'sleep 0.1; sha256sum'
            """)
        #expect(sums.lines.count == 4 && Set(sums.lines).count == 1, "\(sums)")
        for (script, words) in [
            ("yes | \(run) head -n 1; echo $?", "y\n0\n"),
            ("yes | \(run) sh -c 'exec <&-; sleep 0.5; echo closed'; echo $?", "closed\n0\n"),
            ("echo x | \(run) true; echo $?", "0\n"), ("\(run) cat < /dev/null; echo $?", "0\n"),
        ] {
            let outcome = try apus.shell(script)
            #expect(outcome.out == words, "\(script): \(outcome)")
        }
    }

    @Test func detachedContainersPrintTheirIdAndHoldNoPipe() throws {
        let outcome = try apus("run", "-d", "--network", "none", "busybox", "sleep", "100")
        #expect(outcome.code == 0 && outcome.text.utf8.count == 64, "\(outcome)")
        #expect(!outcome.isHeldOpen)
    }

    @Test func defaultsAreTheDecidedOnes() throws {
        let status = try apus("run", "--rm", "--network", "none", "busybox", "cat", "/proc/self/status").lines
        for line in [
            "CapEff:\t00000000800405fb", "CapPrm:\t00000000800405fb", "CapBnd:\t00000000800405fb",
            "CapInh:\t0000000000000000", "CapAmb:\t0000000000000000", "Seccomp:\t2", "NoNewPrivs:\t0",
            "SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000", "Umask:\t0022", "Pid:\t1",
        ] { #expect(status.contains(line), "\(line)") }
    }

    @Test func onlyThreeDescriptorsAreOpen() throws {
        let script = "n=0; while [ $n -lt 1024 ]; do [ -e /proc/$$/fd/$n ] && echo $n; n=$((n+1)); done"
        #expect(try apus.inContainer(script).lines == ["0", "1", "2"])
    }

    @Test func devicesThatWereNotGivenCannotBeOpened() throws {
        let script = "mknod /dev/k c 1 11 && dd if=/dev/k count=0"
        let run = ["run", "--rm", "--network", "none"]
        let denied = try apus.apus(run + ["--cap-add", "MKNOD", "busybox", "sh", "-c", script])
        #expect(denied.code == 1 && denied.err.contains("Operation not permitted"), "\(denied)")
        #expect(try apus.apus(run + ["--privileged", "busybox", "sh", "-c", script]).code == 0)
        let given = try apus.inContainer(
            "set -e; for d in null zero full random urandom; do : < /dev/$d; done")
        #expect(given.code == 0, "\(given)")
    }

    @Test func noMountOfTheHostIsVisible() throws {
        let expected: Set = ["/", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf"]
        let points = try apus.inContainer("cut -d' ' -f5 /proc/self/mountinfo").lines
        #expect(points.contains("/proc") && points.contains("/dev"))
        for point in points where !expected.contains(point) {
            let top = point.split(separator: "/").first.map(String.init) ?? ""
            #expect(["proc", "sys", "dev"].contains(top), "\(point)")
        }
    }

    @Test func maskedPathsAreEmptyAndOthersReadOnly() throws {
        let script = """
            for p in /proc/asound /proc/acpi /proc/kcore /proc/keys /proc/latency_stats /proc/timer_list \
            /proc/timer_stats /proc/sched_debug /proc/scsi /proc/interrupts /sys/firmware \
            /sys/devices/virtual/powercap /sys/fs/selinux /sys/dev/block; do
            [ -d $p ] && [ -n "$(ls -A $p)" ] && echo "$p is not empty"
            [ -f $p ] && [ -n "$(head -c 1 $p)" ] && echo "$p can be read"
            done
            for p in /proc/sys /proc/sysrq-trigger /proc/irq /proc/bus /proc/fs /sys; do
            [ -d $p ] && touch $p/x 2>/dev/null && echo "$p can be written"
            [ -f $p ] && { echo h > $p; } 2>/dev/null && echo "$p can be written"
            done
            true
            """
        let outcome = try apus.inContainer(script)
        #expect(outcome.code == 0 && outcome.out.isEmpty, "\(outcome)")
    }

    @Test func anotherUserOwnsItsStreams() throws {
        let flags = ["--network", "none", "--user", "1000"]
        let outcome = try apus.inContainer("echo out > /dev/stdout; echo err > /dev/stderr; id", flags: flags)
        #expect(outcome.out.hasPrefix("out\n") && outcome.err == "err\n", "\(outcome)")
        #expect(outcome.out.contains("uid=1000(app) gid=1000(app) groups=29(audio),50(staff),1000(app)"))
        let status = try apus(
            "run", "--rm", "-u", "app", "--network", "none", "busybox", "cat", "/proc/self/status")
        #expect(status.out.contains("CapEff:\t0000000000000000"))
    }

    @Test func usersAreTheImagesOwn() throws {
        func identity(_ user: String) throws -> String {
            try apus.inContainer("id", flags: ["-u", user]).text
        }
        #expect(try identity("app") == identity("1000"))
        #expect(try identity("5555") == "uid=5555 gid=0(root) groups=0(root)")
        #expect(try identity("app:77").hasPrefix("uid=1000(app) gid=77"))
        #expect(try apus.inContainer("echo $HOME", flags: ["-u", "app"]).text == "/home/app")
    }

    @Test func anUnprivilegedUserMayPingAndListenLow() throws {
        let script = "cat /proc/sys/net/ipv4/ping_group_range /proc/sys/net/ipv4/ip_unprivileged_port_start"
        for flags in [["--network", "none"], ["--network", "bridge"]] {
            let lines = try apus.inContainer(script, flags: flags).lines
            #expect(lines == ["0\t2147483647", "0"], "\(flags)")
        }
    }

    @Test func environmentHostnameDirectoryAndReadOnlyRoot() throws {
        let flags = ["--network", "none", "-e", "A=1", "-h", "box", "-w", "/new/place"]
        #expect(try apus.inContainer("echo $A $(hostname) $(pwd)", flags: flags).text == "1 box /new/place")
        #expect(try apus.inContainer("grep box /etc/hosts /etc/hostname", flags: flags).code == 0)
        #expect(try apus.inContainer("touch /x", flags: ["--read-only", "--network", "none"]).code != 0)
        #expect(try apus.inContainer("touch /run/x", flags: ["--read-only", "--tmpfs", "/run"]).code == 0)
    }

    @Test func aContainerKnowsItselfByDockersFile() throws {
        #expect(try apus.inContainer("stat -c '%F %a' /.dockerenv").text == "regular empty file 755")
    }

    @Test func missingHostDirectoriesAreMadeForAll() throws {
        let source = apus.directory + "/a/b"
        try apus.must("run", "--rm", "--network", "none", "-v", source + ":/m", "busybox", "true")
        #expect(try apus.shell("stat -c %a \(source) \(source)/..").lines == ["755", "755"])
    }

    @Test func portsOfTheHostsNetworkAreDiscardedWithAWord() throws {
        let run = try apus("create", "--network", "host", "-p", "80:80", "busybox", "true")
        let warning = "WARNING: Published ports are discarded when using host network mode\n"
        #expect(run.code == 0 && run.err == warning, "\(run)")
    }

    @Test func hostDirectoriesAndNamedVolumesAreMounted() throws {
        try apus.write("shared/file", "from outside\n")
        let bind = ["--network", "none", "-v", apus.directory + "/shared:/mnt:ro"]
        #expect(try apus.inContainer("cat /mnt/file", flags: bind).text == "from outside")
        #expect(try apus.inContainer("touch /mnt/file", flags: bind).code != 0)
        #expect(try apus.inContainer("echo kept > /data/x", flags: ["-v", "vol1:/data"]).code == 0)
        #expect(try apus.inContainer("cat /data/x", flags: ["-v", "vol1:/data"]).text == "kept")
    }

    @Test func signalsOfTheClientReachTheContainer() throws {
        // The client is the shell's own child: a signal to `nsenter` would not get there.
        let script = """
            \(Host.bin)/apus run --rm --network none busybox \
            sh -c 'trap "echo got; exit 9" TERM; echo ready; while :; do sleep 0.1; done' > "$APUS_RUN-out" & p=$!
            until grep -q ready "$APUS_RUN-out"; do sleep 0.05; done
            kill -TERM $p; wait $p; echo "code $?"; cat "$APUS_RUN-out"
            """
        let outcome = try apus.shell(script, timeout: 20)
        #expect(outcome.lines == ["code 9", "ready", "got"], "\(outcome)")
    }

    @Test func anInitProcessPassesSignalsAndReaps() throws {
        try apus.must(
            "run", "-d", "--init", "--name", "with-init", "--network", "none", "busybox", "sleep", "100")
        #expect(
            try apus.must("exec", "with-init", "cat", "/proc/1/cmdline")
                == "/sbin/docker-init\0--\0sleep\0100\0")
        // An orphan ends with its parent, and is reaped.
        try apus.must("exec", "with-init", "sh", "-c", "(sleep 0.1 &)")
        try expectSoon {
            try !apus.must("exec", "with-init", "sh", "-c", "cat /proc/[0-9]*/stat").contains(") Z ")
        }
        try apus.must("stop", "-t", "10", "with-init", timeout: 5)
        #expect(try apus.must("wait", "with-init") == "143")
        let run = ["run", "--rm", "--init", "--network", "none"]
        for (command, code) in [("exit 7", Int32(7)), ("kill -9 $$", 137), ("exec ls -d /usr >&2", 0)] {
            let outcome = try apus.apus(run + ["busybox", "sh", "-c", command])
            #expect(outcome.code == code, "\(command): \(outcome)")
        }
        for (command, code) in [("nosuch", Int32(127)), ("/etc", 126), ("/etc/passwd", 126)] {
            let outcome = try apus.apus(run + ["busybox", command])
            #expect(outcome.code == code && outcome.err.contains("exec: \"\(command)\""), "\(outcome)")
        }
        // As another user, with a filter, and what it is itself cannot be had.
        let own = try apus.apus(
            run + ["-u", "1234", "busybox", "sh", "-c", "id -u; readlink /proc/1/exe; exit 3"])
        #expect(own.code == 3 && own.lines.first == "1234", "\(own)")
        #expect(try apus.must("inspect", "--format", "{{.HostConfig.Init}}", "with-init") == "true")
    }

    @Test func limitsAreAppliedOrRefused() throws {
        let outcome = try apus("run", "--rm", "--memory", "64m", "--network", "none", "busybox", "true")
        if Host.hasController("memory") {
            #expect(outcome.code == 0, "\(outcome)")
        } else {
            #expect(outcome.code == 125 && outcome.errorLines.count == 1, "\(outcome)")
            #expect(outcome.err.contains("memory") && outcome.err.contains("cgroup"), "\(outcome)")
        }
    }

    @Test func twoEnginesRunSideBySide() throws {
        let second = try Engine(sharing: apus)
        defer { second.tearDown() }
        try second.importBusybox()
        for engine in [apus, second] {
            try engine.must("run", "-d", "--name", "same", "busybox", "sleep", "100")
        }
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.Gateway}}{{end}}"
        let one = try apus.must("inspect", "-f", format, "same")
        #expect(try one != second.must("inspect", "-f", format, "same"))
        try apus.must("rm", "-f", "same")
        #expect(try second.must("ps", "--format", "{{.Names}}") == "same")
    }
}
