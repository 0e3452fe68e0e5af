import Support
import Testing

/// Each is the attack of one advisory, and fails when what stops it is taken out.
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class RuntimeCVETests {
    let bundle: OCIBundle
    /// A directory of the host's, for which all these containers reach.
    let canary: String
    private typealias Configuration = OCIBundle.Configuration

    init() throws {
        bundle = try OCIBundle()
        canary = try bundle.makeCanary()
    }
    deinit { bundle.tearDown() }

    private func expectUntouchedCanary(location: SourceLocation = #_sourceLocation) throws {
        let made = try execute(["ls", "-A", canary]).lines
        #expect(made.isEmpty, "made on the host: \(made)", sourceLocation: location)
    }

    /// A user who is not root had all capabilities, in the first process or in further ones.
    @Test func cve_2018_10856_furtherProcessesOfUsersHaveNoCapabilities() throws {
        try bundle.start {
            $0.args = ["sleep", "1000"]
            $0.process = Configuration.capabilities(["CAP_KILL", "CAP_CHOWN"])
        }
        let outcome = try bundle([
            "exec", "--user", "7:8", bundle.id, "grep", "-E", "^Cap(Inh|Prm|Eff|Amb)", "/proc/self/status",
        ])
        let values = Set(outcome.lines.compactMap { $0.split(separator: "\t").last })
        #expect(outcome.lines.count == 4 && values == ["0000000000000000"], "\(outcome)")
    }

    /// Inheritable capabilities, the caller's here, came back by files that have the same ones.
    @Test func cve_2022_29162_nothingIsInheritable() throws {
        let script = "grep -E '^Cap(Inh|Amb)' /proc/self/status"
        let caller = ["setpriv", "--inh-caps=+kill,+chown"]
        for extra in [[], ["--cap", "CAP_KILL"]] {
            try bundle.write {
                $0.args = extra.isEmpty ? ["sh", "-c", script] : ["sleep", "1000"]
                $0.process = Configuration.capabilities(["CAP_KILL", "CAP_CHOWN"])
            }
            let detach = extra.isEmpty ? [] : ["--detach"]
            var outcome = try execute(
                caller + bundle.command(["run"] + detach + ["--bundle", bundle.directory, bundle.id]))
            if !extra.isEmpty {
                outcome = try execute(
                    caller + bundle.command(["exec"] + extra + [bundle.id, "sh", "-c", script]))
            }
            #expect(
                outcome.lines == ["CapInh:\t0000000000000000", "CapAmb:\t0000000000000000"],
                "\(extra): \(outcome)")
        }
    }

    /// The primary group is among the groups of further processes too.
    @Test func cve_2022_36109_furtherProcessesHaveTheirPrimaryGroup() throws {
        try bundle.start { $0.args = ["sleep", "1000"] }
        let outcome = try bundle([
            "exec", "--user", "7:2000", bundle.id, "sh", "-c", "grep ^Groups /proc/self/status",
        ])
        #expect(outcome.text == "Groups:\t2000", "\(outcome)")
    }

    /// A user that wraps, or that the kernel takes for "do not change", was root.
    @Test func cve_2024_40635_furtherProcessesAreNotRootByOverflow() throws {
        try bundle.start { $0.args = ["sleep", "1000"] }
        for user in ["4294967295", "4294967296", "-1"] {
            let outcome = try bundle(["exec", "--user=\(user)", bundle.id, "sh", "-c", "id"])
            #expect(outcome.code != 0 && outcome.out.isEmpty, "\(user): \(outcome)")
        }
    }

    /// Links of an image led a mount, a masked path and the working directory to places of the host.
    @Test func cve_2019_18837_linksOfAnImageStayInside() throws {
        try bundle.inRoot(
            "ln -s \(canary) absolute; ln -s ../../../../../..\(canary) upward; ln -s absolute again")
        let file = bundle.directory + "/config.json"
        let outcome = try bundle.run {
            $0.mounts += [
                Configuration.mount("/absolute/tmpfs", "tmpfs"),
                Configuration.mount("/upward/file", "bind", file, options: ["bind"]),
                Configuration.mount("/again/deep/proc", "bind", file, options: ["bind"]),
            ]
            $0.cwd = "/upward/work"
            $0.args = ["sh", "-c", "pwd -P; grep -c \(canary) /proc/self/mountinfo"]
        }
        #expect(outcome.lines == ["\(canary)/work", "3"], "\(outcome)")
        try expectUntouchedCanary()
        #expect(Host.has(bundle.rootfs + canary + "/work"))
    }

    /// What has another name for /proc is no way to mount something into it.
    @Test func cve_2019_16884_linksAreNoWayIntoProc() throws {
        try bundle.inRoot("ln -s proc/self attributes; mkdir empty")
        let outcome = try bundle.run {
            $0.mounts.append(Configuration.mount("/attributes/attr", "tmpfs"))
        }
        #expect(outcome.code == 1 && outcome.err.contains("inside /proc"), "\(outcome)")
    }

    /// A link in the place of /proc or /sys had them mounted elsewhere, so that the image's files were the kernel's.
    @Test(arguments: ["proc", "sys"])
    func cve_2023_27561_cve_2023_28642_aLinkIsNoPlaceForKernelFiles(name: String) throws {
        try bundle.inRoot("rmdir \(name) 2>/dev/null; mkdir false; ln -s false \(name)")
        let outcome = try bundle.run {
            $0.mounts = [Configuration.mount("/" + name, name == "proc" ? "proc" : "sysfs")]
        }
        #expect(
            outcome.code == 1 && outcome.err.contains("must be mounted on ordinary directory"), "\(outcome)")
    }

    /// Devices and links were made where an image's link /dev leads, which may be a directory of the host's.
    @Test(arguments: [true, false])
    func cve_2026_41579_cve_2026_47766_noDevicesWhereALinkLeads(hasTmpfs: Bool) throws {
        try bundle.inRoot("rm -rf dev; mkdir volume; ln -s /volume dev")
        let outcome = try bundle.run {
            $0.mounts = [
                Configuration.mount("/proc", "proc"),
                Configuration.mount("/volume", "bind", canary, options: ["bind", "rw"]),
            ]
            if hasTmpfs { $0.mounts.append(Configuration.mount("/dev", "tmpfs")) }
        }
        #expect(outcome.code == 1, "\(outcome)")
        try expectUntouchedCanary()
    }

    /// Directories that the caller had open, without close-on-exec, were a way out by the working directory.
    @Test func cve_2024_21626_theWorkingDirectoryIsInside() throws {
        let last = 60
        let leak = "for n in $(seq 3 \(last)); do eval \"exec $n</\"; done; exec \"$@\""
        func leaking(_ arguments: [String]) throws -> Outcome {
            try execute(["bash", "-c", leak, "bash"] + bundle.command(arguments))
        }
        let show = ["sh", "-c", "pwd -P; ls -d etc/hostname home 2>&1"]
        // An emulated machine takes a second for each.
        let numbers = Array(stride(from: 3, through: last, by: patience > 1 ? 8 : 1))
        for n in numbers {
            try bundle.write {
                $0.args = show
                $0.cwd = "/proc/self/fd/\(n)"
            }
            let outcome = try leaking(["run", "--bundle", bundle.directory, bundle.id])
            #expect(outcome.code != 0 && outcome.out.isEmpty, "run in \(n): \(outcome)")
        }
        try bundle.start { $0.args = ["sleep", "1000"] }
        for n in numbers {
            let outcome = try leaking(["exec", "--cwd", "/proc/self/fd/\(n)", bundle.id] + show)
            #expect(outcome.code != 0 && outcome.out.isEmpty, "exec in \(n): \(outcome)")
        }
        // `ls` has the directory itself open as 3.
        let list = ["ls", "/proc/self/fd"]
        #expect(try leaking(["exec", bundle.id] + list).lines == ["0", "1", "2", "3"])
        try bundle.write { $0.args = list }
        let first = try leaking(["run", "--bundle", bundle.directory, bundle.id + "-2"])
        #expect(first.lines == ["0", "1", "2", "3"], "\(first)")
    }

    /// A user database that never ends, or one of the host's, is not read.
    @Test func cve_2024_9676_theUserDatabaseIsAFileOfTheImage() throws {
        try writeFile(canary + "/passwd", "root:x:0:0::/stolen:/bin/sh\n")
        try bundle.inRoot("rm etc/passwd; ln -s \(canary)/passwd etc/passwd")
        let link = try execute(runCommand { $0.args = ["sh", "-c", "echo $HOME"] }, timeout: 5)
        #expect(link.text == "/", "\(link)")
        try bundle.inRoot("rm etc/passwd; mkfifo etc/passwd")
        let fifo = try execute(runCommand { $0.args = ["sh", "-c", "echo $HOME"] }, timeout: 5)
        #expect(fifo.text == "/" && fifo.err.contains("not a regular file"), "\(fifo)")
    }

    private func runCommand(_ change: (inout OCIBundle.Configuration) -> Void) throws -> [String] {
        try bundle.write(change)
        return bundle.command(["run", "--bundle", bundle.directory, bundle.id])
    }

    /// An ordinary user's container without a cgroup namespace of its own could write to the host's cgroups.
    @Test func cve_2023_25809_theHostsCgroupsAreReadOnly() throws {
        let own = "[{\"containerID\": 0, \"hostID\": 1234, \"size\": 1}]"
        let script = "mkdir /sys/fs/cgroup/made; grep ' /sys/fs/cgroup ' /proc/self/mountinfo | cut -d' ' -f6"
        try bundle.write {
            $0.args = ["sh", "-c", script]
            $0.namespaces.append("{\"type\": \"user\"}")
            $0.linux = ", \"uidMappings\": \(own), \"gidMappings\": \(own)"
            $0.mounts += [
                Configuration.mount("/sys", "bind", "/sys", options: ["rbind", "ro"]),
                Configuration.mount("/sys/fs/cgroup", "cgroup", options: ["ro", "nosuid"]),
            ]
        }
        #expect(try execute(["chown", "-R", "1234:1234", bundle.directory]).code == 0)
        let user = ["setpriv", "--reuid", "1234", "--regid", "1234", "--clear-groups"]
        let outcome = try execute(user + bundle.command(["run", "--bundle", bundle.directory, bundle.id]))
        #expect(outcome.err.contains("Read-only file system"), "\(outcome)")
        // The last one hides what /sys has brought.
        #expect(outcome.lines.last?.hasPrefix("ro,") == true, "\(outcome)")
    }

    /// The terminal of whoever started it is nothing that a container could type into (TIOCSTI): it is not its
    /// controlling terminal, and with a terminal of its own it has no descriptor of it either.
    @Test func cve_2017_5226_theCallersTerminalIsNotTheContainers() throws {
        // tty_nr of proc_pid_stat(5).
        let script = "cut -d' ' -f7 /proc/self/stat | sed 's/^/terminal /'; readlink /proc/self/fd/0"
        try bundle.start { $0.args = ["sleep", "1000"] }
        for command in [
            ["exec", bundle.id, "sh", "-c", script], ["run", "--bundle", bundle.directory, bundle.id + "-2"],
        ] {
            try bundle.write { $0.args = ["sh", "-c", script] }
            let session = try Terminal(bundle.command(command))
            try session.expect("terminal 0")
            #expect(session.wait() == 0, "\(session.transcript)")
        }
        let devpts = Configuration.mount("/dev/pts", "devpts", options: ["newinstance", "ptmxmode=0666"])
        try bundle.write {
            // The same file: a host's /dev/pts/0 would be called so too.
            $0.args = [
                "sh", "-c", "[ /proc/self/fd/0 -ef /dev/pts/0 ] && [ -t 0 ] && echo its own; " + script,
            ]
            $0.process = ", \"terminal\": true"
            $0.mounts.append(devpts)
        }
        let session = try Terminal(
            bundle.command(["run", "--bundle", bundle.directory, bundle.id + "-3"]))
        try session.expect("its own")
        // 136:0, which is the first of a devpts.
        try session.expect("terminal 34816")
        #expect(session.wait() == 0, "\(session.transcript)")
    }
}
