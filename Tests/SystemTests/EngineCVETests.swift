import Support
import Testing

/// The attacks of advisories that the engine itself stands against, by what it asks of the runtime.
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class EngineCVETests {
    let apus: Engine
    init() throws { apus = try Engine(withBusybox: true) }
    deinit { apus.tearDown() }

    /// The image `hostile`: busybox's root after a script.
    private func importHostile(_ script: String) throws {
        let (directory, archive) = (apus.directory + "/image", apus.directory + "/hostile.tar")
        let make = """
            mkdir \(directory) && tar -xf \(Host.fixture("busybox.tar")) -C \(directory) && cd \(directory) && \(script) &&
            tar -cf \(archive) .
            """
        let made = try execute(["sh", "-c", make])
        #expect(made.code == 0, "\(made)")
        try apus.must("import", archive, "hostile")
    }

    /// A container in the host's network reached the engine by a socket that is in the network's namespace.
    @Test func cve_2020_15257_noSocketOfTheEngineIsInTheNetwork() throws {
        try apus.must("run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000")
        let exec = try apus.start("exec", "-i", "box", "cat", stdin: nil)
        #expect(eventually { exec.isRunning })
        // Path: the last of eight columns, an @ before what is no file.
        let script = "awk '$8 ~ /^@/' /proc/net/unix"
        let outcome = try apus.inContainer(script, flags: ["--network", "host"])
        #expect(outcome.code == 0 && outcome.out.isEmpty, "\(outcome)")
        #expect(try apus.shell("grep -c / /proc/net/unix").code == 0, "the engine has sockets here")
        exec.closeInput()
        #expect(exec.finish().code == 0)
    }

    /// A new user namespace gave the rights to set what the kernel runs on the host when a cgroup is empty.
    @Test func cve_2022_0492_cgroupsCannotBeMountedNorWritten() throws {
        let outcome = try apus.inContainer(
            """
            unshare -U true; echo $?; unshare -m true; echo $?
            mount -t cgroup2 cgroup /mnt; echo $?
            mkdir /sys/fs/cgroup/made; echo $?; find /sys/fs/cgroup -name release_agent
            """)
        #expect(outcome.lines == ["1", "1", "1", "1"], "\(outcome)")
        let reasons = outcome.errorLines.map { $0.split(separator: ": ").last ?? "" }
        #expect(Set(reasons.prefix(2)) == ["Operation not permitted"], "\(outcome)")
        #expect(reasons.last == "Read-only file system", "\(outcome)")
    }

    /// An image's user database that never ends kept the engine for ever.
    @Test func cve_2024_9676_aUserDatabaseThatIsNoFileIsRefused() throws {
        try importHostile("rm etc/passwd && mkfifo etc/passwd")
        let outcome = try apus.apus(
            ["run", "--rm", "--network", "none", "--user", "app", "hostile", "true"], timeout: 10)
        #expect(outcome.code == 125 && outcome.err.contains("not a regular file"), "\(outcome)")
    }

    /// Numbers that wrap were root's, and the one that the kernel takes for "do not change".
    @Test func cve_2024_40635_usersDoNotWrap() throws {
        for user in ["4294967296", "4294967295", "2147483648", "-1", "0x0", "+0", " 0"] {
            let outcome = try apus.inContainer("id", flags: ["--network", "none", "--user=\(user)"])
            #expect(outcome.code == 125 && outcome.out.isEmpty, "\(user): \(outcome)")
        }
        try importHostile("echo 'evil:x:4294967295:0::/:/bin/sh' >>etc/passwd")
        let outcome = try apus("run", "--rm", "--network", "none", "--user", "evil", "hostile", "id")
        #expect(outcome.code == 125 && outcome.out.isEmpty, "\(outcome)")
    }

    /// Nothing is inheritable in any way to start a process, privileged or not.
    @Test func cve_2022_24769_nothingIsInheritable() throws {
        let show = ["sh", "-c", "grep -E '^Cap(Inh|Amb)' /proc/self/status"]
        let none = ["CapInh:\t0000000000000000", "CapAmb:\t0000000000000000"]
        try apus.must("run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000")
        let run = ["run", "--rm", "--network", "none"]
        for command in [
            run + ["busybox"], run + ["--privileged", "busybox"], run + ["--user", "app", "busybox"],
            ["exec", "box"], ["exec", "--user", "app", "box"],
        ] {
            let outcome = try execute(
                ["setpriv", "--inh-caps=+kill,+chown"] + apus.command(command + show),
                environment: apus.environment)
            #expect(outcome.lines == none, "\(command): \(outcome)")
        }
    }
}
