import Support
import Testing

/// What happens when a call of the runtime fails: a clean error or another way, and nothing is left behind.
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class RuntimeFaultTests {
    let bundle: OCIBundle
    init() throws { bundle = try OCIBundle() }
    deinit { bundle.tearDown() }

    private static var strace: Bool { Host.has("/usr/bin/strace") }

    /// Nothing of the container: no state, no process, no mount, no cgroup.
    private func expectNothingLeft(_ fault: String) throws {
        let states = try bundle(["list", "-q"]).lines
        #expect(states.isEmpty, "\(fault): \(states)")
        // What the search itself is called with must not be what it finds.
        let script = """
            i=\(bundle.id)
            for p in /proc/[0-9]*; do
                { cat $p/cgroup; tr '\\0' ' ' <$p/cmdline; } 2>/dev/null | grep -qe "/$i" -e "/state run .* $i" && echo $p
            done
            grep \(bundle.directory) /proc/self/mountinfo
            find /sys/fs/cgroup -name $i -type d
            """
        var left = ""
        _ = try eventually(within: 5) {
            left = try execute(["sh", "-c", script]).text
            return left.isEmpty
        }
        #expect(left.isEmpty, "\(fault)")
    }

    /// Runs the container with one call failing.
    private func run(_ call: String, _ error: String, when: String) throws -> Outcome {
        let inject = "inject=\(call):error=\(error):when=\(when)"
        return try execute(
            ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=\(call)", "-e", inject]
                + bundle.command(["run", "--bundle", bundle.directory, bundle.id]), timeout: 30)
    }

    /// Calls that a kernel, a filter or an enclosing engine may not have. Those with another way still start the
    /// container.
    @Test(
        .enabled(if: strace, "strace is not installed"),
        arguments: [
            "openat2", "clone3", "close_range", "mount_setattr", "open_tree", "pidfd_open", "fsopen",
            "move_mount",
            "pidfd_send_signal",
        ])
    func aDeniedCallIsAnErrorOrAnotherWay(call: String) throws {
        try bundle.write { $0.args = ["echo", "ran"] }
        for error in ["ENOSYS", "EPERM"] {
            let outcome = try run(call, error, when: "1+")
            let isCleanError = outcome.code > 0 && outcome.code < 128 && !outcome.err.isEmpty
            #expect(outcome.out == "ran\n" || isCleanError, "\(call) \(error): \(outcome)")
            try expectNothingLeft("\(call) \(error)")
        }
    }

    /// Every call that parent and child make, failing at its first, second, ... time.
    @Test(.enabled(if: strace, "strace is not installed"))
    func eachCallMayFailOnce() throws {
        try bundle.write { $0.args = ["echo", "ran"] }
        let calls: [(String, Int)] = [
            ("clone3", 1), ("openat2", 12), ("mkdirat", 4), ("mknodat", 3), ("fsopen", 2), ("fsconfig", 4),
            ("fsmount", 2),
            ("move_mount", 4), ("mount_setattr", 3), ("open_tree", 2), ("pivot_root", 1), ("umount2", 1),
            ("sethostname", 1), ("setresuid", 1), ("setresgid", 1), ("setgroups", 1), ("capset", 1),
            ("fchdir", 2),
            ("sendmsg", 2), ("recvmsg", 1), ("socketpair", 1), ("execve", 2), ("prctl", 3), ("renameat2", 1),
            ("setsid", 1), ("unshare", 1), ("setrlimit", 1),
        ]
        for (call, times) in calls {
            for n in 1...times {
                let outcome = try run(call, "EIO", when: "\(n)")
                #expect(outcome.code >= 0 && outcome.code < 128, "\(call) \(n): \(outcome)")
                #expect(outcome.out == "ran\n" || !outcome.err.isEmpty, "\(call) \(n): \(outcome)")
                try expectNothingLeft("\(call) \(n)")
            }
        }
    }

    /// As many rounds as APUS_ROUNDS says: the sweep has 1,000.
    @Test func manyInARowLeaveNothing() throws {
        try bundle.write { $0.args = ["sleep", "1000"] }
        let rounds = Host.number("APUS_ROUNDS") ?? 50
        let runtime = bundle.command([]).joined(separator: " ")
        let script = """
            for i in $(seq \(rounds)); do
                \(runtime) create --bundle \(bundle.directory) \(bundle.id) && \(runtime) start \(bundle.id) &&
                \(runtime) kill \(bundle.id) KILL && \(runtime) delete --force \(bundle.id) || echo failed $i
            done
            """
        let outcome = try execute(["sh", "-c", script], timeout: 600)
        #expect(outcome.code == 0 && outcome.out.isEmpty && outcome.err.isEmpty, "\(outcome)")
        try expectNothingLeft("\(rounds) rounds")
    }

    @Test func manyAtOnceDoNotDisturbEachOther() throws {
        try bundle.write { $0.args = ["sh", "-c", "exit 3"] }
        let runtime = bundle.command([]).joined(separator: " ")
        let script = """
            for i in $(seq 50); do
                { \(runtime) run --bundle \(bundle.directory) \(bundle.id)-$i; [ $? = 3 ] || echo failed $i; } &
            done
            wait
            """
        let outcome = try execute(["sh", "-c", script], timeout: 300)
        #expect(outcome.out.isEmpty && outcome.err.isEmpty, "\(outcome)")
        try expectNothingLeft("50 at once")
    }
}
