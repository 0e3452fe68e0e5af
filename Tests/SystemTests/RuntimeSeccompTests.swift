import Glibc
import Support
import Testing

@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class RuntimeSeccompTests {
    let bundle: OCIBundle
    init() throws { bundle = try OCIBundle() }
    deinit { bundle.tearDown() }

    #if arch(arm64)
        private static let mkdirs: Set<Int32> = [34]
    #else
        private static let mkdirs: Set<Int32> = [83, 258]
    #endif

    private func filter(_ names: [String], _ action: String, _ more: String = "") -> String {
        """
        , "seccomp": {"defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
        "syscalls": [{"names": [\(names.map(json).joined(separator: ", "))], "action": "\(action)"}]\(more)}
        """
    }

    private func run(_ script: String, _ seccomp: String, noNewPrivileges: Bool = true) throws -> Outcome {
        try bundle.run {
            $0.args = ["sh", "-c", script]
            $0.noNewPrivileges = noNewPrivileges
            $0.linux = seccomp
        }
    }

    @Test(arguments: [true, false])
    func callsFailAsTheProfileSays(noNewPrivileges: Bool) throws {
        let denied = try run(
            "mkdir /dev/shm/a", filter(["mkdir", "mkdirat"], "SCMP_ACT_ERRNO"),
            noNewPrivileges: noNewPrivileges)
        #expect(denied.code == 1 && denied.err.contains("Operation not permitted"), "\(denied)")
        let killed = try run(
            "mkdir /dev/shm/a; echo $?", filter(["mkdir", "mkdirat"], "SCMP_ACT_KILL"),
            noNewPrivileges: noNewPrivileges)
        #expect(killed.out == "159\n", "\(killed)")
        let unknown = try run("echo ok", filter(["frobnicate"], "SCMP_ACT_ERRNO"))
        #expect(unknown.out == "ok\n", "\(unknown)")
    }

    /// A filter that is loaded before the capabilities are dropped covers our own last calls.
    @Test(arguments: [true, false])
    func oldFiltersLetContainersStart(noNewPrivileges: Bool) throws {
        let newer = [
            "close_range", "fsopen", "fsconfig", "fspick", "openat2", "open_tree", "move_mount",
            "mount_setattr",
        ]
        let outcome = try run("echo ok", filter(newer, "SCMP_ACT_ERRNO"), noNewPrivileges: noNewPrivileges)
        #expect(outcome.out == "ok\n", "\(outcome)")
    }

    @Test func startContainerHooksRunUnderTheFilter() throws {
        let old = try bundle.run {
            $0.linux = filter(["close_range"], "SCMP_ACT_ERRNO")
            $0.top = #", "hooks": {"startContainer": [{"path": "/bin/true"}]}"#
        }
        #expect(old.code == 0, "\(old)")
        let outcome = try bundle.run {
            $0.linux = filter(["mkdir", "mkdirat"], "SCMP_ACT_KILL")
            $0.top =
                #", "hooks": {"startContainer": [{"path": "/bin/mkdir", "args": ["mkdir", "/dev/shm/a"]}]}"#
        }
        #expect(
            outcome.err.contains("error running startContainer hook #0: signal: bad system call"),
            "\(outcome)")
    }

    @Test func compiledFiltersAreKeptBesideTheStates() throws {
        _ = try run("true", filter(["mkdir"], "SCMP_ACT_ERRNO"))
        let kept = bundle.directory + "/state/@seccomp"
        #expect(try execute(["stat", "-c", "%a %u", kept]).text == "700 0")
        #expect(try execute(["ls", kept]).lines.count == 1)
        #expect(try bundle(["list", "-q"]).out.isEmpty)
        // No container can take its place.
        #expect(try bundle(["create", "--bundle", bundle.directory, "@seccomp"]).code == 1)
    }

    @Test(arguments: [true, false])
    func supervisorsDecideOverCalls(noNewPrivileges: Bool) throws {
        let agent = try SeccompAgent(path: bundle.directory + "/agent-\(noNewPrivileges)")
        let more = #", "listenerPath": "\#(agent.path)", "listenerMetadata": "about it""#
        // Calls that the runtime itself makes after loading are among them.
        let names = ["mkdir", "mkdirat", "openat", "read", "close", "mmap", "execve", "sendmsg", "setresuid"]
        try bundle.write {
            $0.args = ["sh", "-c", "mkdir /dev/shm/a || echo no"]
            $0.noNewPrivileges = noNewPrivileges
            $0.linux = filter(names, "SCMP_ACT_NOTIFY", more)
        }
        let program = try Running(bundle.command(["run", "--bundle", bundle.directory, bundle.id]))
        let count = agent.serve(program, failing: Self.mkdirs, with: ENOMEDIUM)
        let outcome = program.finish()
        #expect(outcome.out == "no\n" && outcome.err.contains("No medium found"), "\(outcome)")
        #expect(count > 1)
        #expect(agent.message.contains(#""fds":["seccompFd"],"pid":"#), "\(agent.message)")
        #expect(agent.message.contains(#""metadata":"about it","state":{"#))
        #expect(
            agent.message.contains(#""id":"\#(bundle.id)""#)
                && agent.message.contains(#""status":"creating""#))
    }

    @Test func supervisorsDecideOverFurtherProcessesToo() throws {
        let more = #", "listenerPath": "\#(bundle.directory)/agent""#
        try bundle.write {
            $0.args = ["sleep", "1000"]
            $0.linux = filter(["mkdir", "mkdirat"], "SCMP_ACT_NOTIFY", more)
        }
        let first = try SeccompAgent(path: bundle.directory + "/agent")
        let starting = try Running(
            bundle.command(["run", "--detach", "--bundle", bundle.directory, bundle.id]))
        _ = first.serve(starting, failing: [], with: 0)
        unlink(first.path)
        let second = try SeccompAgent(path: first.path)
        let program = try Running(bundle.command(["exec", bundle.id, "mkdir", "/dev/shm/a"]))
        #expect(second.serve(program, failing: Self.mkdirs, with: ENOMEDIUM) == 1)
        let outcome = program.finish()
        #expect(outcome.code == 1 && outcome.err.contains("No medium found"), "\(outcome)")
        #expect(second.message.contains(#""status":"running""#), "\(second.message)")
    }

    @Test func aSupervisorThatIsNotThereIsAnError() throws {
        func notify(_ path: String) throws -> Outcome {
            try run("true", filter(["mkdir"], "SCMP_ACT_NOTIFY", #", "listenerPath": "\#(path)""#))
        }
        let words = "failed to connect with seccomp agent specified in the seccomp profile"
        #expect(try notify(bundle.directory + "/nobody").err.contains(words))
        #expect(try notify("/nowhere/nobody").err.contains(words))
        #expect(try notify("").err.contains("needs an absolute listenerPath"))
        #expect(try notify("@abstract").err.contains("needs an absolute listenerPath"))
        let write = try run("true", filter(["write"], "SCMP_ACT_NOTIFY", #", "listenerPath": "/x""#))
        #expect(write.err.contains("SCMP_ACT_NOTIFY cannot be used for the write syscall"), "\(write)")
        // As in runc: a path that nobody needs.
        let unneeded = try run("echo ok", filter(["mkdir"], "SCMP_ACT_ALLOW", #", "listenerPath": "/x""#))
        #expect(unneeded.out == "ok\n", "\(unneeded)")
        #expect(try bundle(["list", "-q"]).out.isEmpty)
    }

    /// Labels that nobody here would heed are refused before anything is made (rule R15).
    @Test(.enabled(if: !Host.hasAppArmor, "AppArmor is switched on here"))
    func aProfileWithoutItsModuleIsRefused() throws {
        let outcome = try bundle.run { $0.process = #", "apparmorProfile": "some""# }
        #expect(
            outcome.code == 1 && outcome.err.contains("apparmor: config provided but apparmor not supported"),
            "\(outcome)")
        #expect(try bundle(["list", "-q"]).out.isEmpty)
    }

    @Test(
        .enabled(
            if: Host.hasAppArmor, "AppArmor is not switched on here; `make test-vm` brings a kernel with it"))
    func profilesAreAppliedAtTheExec() throws {
        let unconfined = try bundle.run {
            $0.args = ["cat", "/proc/self/attr/apparmor/current"]
            $0.process = #", "apparmorProfile": "unconfined""#
        }
        #expect(unconfined.out == "unconfined\n", "\(unconfined)")
        let unknown = try bundle.run { $0.process = #", "apparmorProfile": "nosuchprofile""# }
        #expect(
            unknown.code != 0 && unknown.err.contains("apparmor failed to apply profile nosuchprofile"),
            "\(unknown)")
    }

    /// A container put its own files where its further processes' labels were written (CVE-2025-52881).
    @Test(
        .enabled(
            if: Host.hasAppArmor, "AppArmor is not switched on here; `make test-vm` brings a kernel with it"))
    func cve_2025_52881_aLabelIsNotWrittenToTheContainersProc() throws {
        let trap =
            "mkdir -p /proc/thread-self/attr/apparmor && touch /proc/thread-self/attr/apparmor/exec /ready"
        try bundle.write {
            $0.args = ["sh", "-c", "mount -t tmpfs tmpfs /proc && \(trap) && exec sleep 1000"]
            let sets = ["bounding", "effective", "permitted"].map { "\"\($0)\": [\"CAP_SYS_ADMIN\"]" }
            $0.process = ", \"capabilities\": {\(sets.joined(separator: ", "))}"
        }
        let started = try bundle(["run", "--detach", "--bundle", bundle.directory, bundle.id])
        #expect(started.code == 0, "\(started)")
        #expect(eventually { Host.has(bundle.rootfs + "/ready") })
        let file = "/proc/thread-self/attr/apparmor/exec"
        let inside = try bundle(["exec", "--apparmor", "unconfined", bundle.id, "cat", file])
        #expect(inside.code == 0 && inside.out.isEmpty, "\(inside)")
    }

    /// The session keyring is the container's own and its further processes'; or the caller's, where asked for.
    @Test(.enabled(if: Host.has("/proc/keys"), "the kernel has no /proc/keys"))
    func sessionKeyringsAreTheContainersOwn() throws {
        try bundle.write { $0.args = ["sh", "-c", "grep -o '_ses[^:]*' /proc/keys; exec sleep 1000"] }
        let first = try bundle(["run", "--detach", "--bundle", bundle.directory, bundle.id])
        #expect(first.code == 0, "\(first)")
        let second = try bundle([
            "exec", bundle.id, "grep", "-o", "-e", "[0-9a-f]* .*_ses.\(bundle.id)", "/proc/keys",
        ])
        let third = try bundle([
            "exec", bundle.id, "grep", "-o", "-e", "[0-9a-f]* .*_ses.\(bundle.id)", "/proc/keys",
        ])
        #expect(second.lines.count == 1, "\(second)")
        #expect(second.text.split(separator: " ").first == third.text.split(separator: " ").first, "\(third)")
        try bundle.write { $0.args = ["cat", "/proc/keys"] }
        let other = bundle.id + "-other"
        let none = try bundle(["run", "--no-new-keyring", "--bundle", bundle.directory, other])
        #expect(none.code == 0 && !none.out.contains("_ses.\(other)"), "\(none)")
    }
}
