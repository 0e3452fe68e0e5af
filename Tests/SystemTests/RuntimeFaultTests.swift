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
        // What the search itself is called with must not be what it finds: the id comes from a file. What has ended is
        // its reaper's, who may take a second.
        try writeFile(bundle.directory + "/search", bundle.id + "\n")
        let script = """
            cd \(bundle.directory)
            for f in $(grep -alsf search /proc/[0-9]*/cgroup /proc/[0-9]*/cmdline); do
                grep -q "^State:.[^Z]" ${f%/*}/status && echo $f
            done 2>/dev/null
            grep \(bundle.directory) /proc/self/mountinfo
            find /sys/fs/cgroup -name "$(cat search)" -type d
            """
        var left = ""
        _ = try eventually(within: 5) {
            left = try Support.execute(["sh", "-c", script]).text
            return left.isEmpty
        }
        #expect(left.isEmpty, "\(fault)")
    }

    /// Runs a command with one call failing, in it and in all that it starts.
    private func execute(_ arguments: [String], failing call: String, _ error: String, when: String) throws
        -> Outcome
    {
        let inject = "inject=\(call):error=\(error):when=\(when)"
        return try Support.execute(
            ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=\(call)", "-e", inject]
                + bundle.command(arguments), timeout: 30)
    }

    private var run: [String] { ["run", "--bundle", bundle.directory, bundle.id] }

    /// An error is one when it is said and has a code.
    private func expectCleanError(_ outcome: Outcome, _ fault: String) {
        #expect((1...127).contains(outcome.code) && !outcome.err.isEmpty, "\(fault): \(outcome)")
    }

    /// Calls that a kernel, a filter or an enclosing engine may not have. Those with another way still start the
    /// container.
    @Test(
        .enabled(if: strace, "strace is not installed"),
        arguments: [
            "openat2", "clone3", "close_range", "mount_setattr", "open_tree", "pidfd_open", "fsopen",
            "move_mount", "pidfd_send_signal",
        ])
    func aDeniedCallIsAnErrorOrAnotherWay(call: String) throws {
        try bundle.write { $0.args = ["echo", "ran"] }
        for error in ["ENOSYS", "EPERM"] {
            let outcome = try execute(run, failing: call, error, when: "1+")
            if outcome.out != "ran\n" { expectCleanError(outcome, "\(call) \(error)") }
            try expectNothingLeft("\(call) \(error)")
        }
    }

    /// The calls of a command and how often one process makes each of them at most.
    private func calls(of arguments: [String]) throws -> [(name: String, times: Int)] {
        let trace = bundle.directory + "/trace"
        let outcome = try Support.execute(
            ["strace", "-f", "-qq", "-e", "signal=none", "-o", trace] + bundle.command(arguments), timeout: 60
        )
        #expect(outcome.code == 0, "\(outcome)")
        return countCalls(inTrace: trace)
    }

    /// Every call of a command and of what it starts fails at its first, second, ... time: all of them with
    /// APUS_FAULTS=all, else the first and the last of each.
    private func forEachFault(_ arguments: [String], _ body: (Outcome, String) throws -> Void) throws {
        let all = Host.environment("APUS_FAULTS") == "all"
        // Without these there is no end, no start of Swift's runtime and no message; what failed to close is closed.
        let exempt: Set = [
            "exit_group", "exit", "rt_sigreturn", "restart_syscall", "brk", "readlink", "write", "close",
        ]
        for call in try calls(of: arguments) where !exempt.contains(call.name) {
            for n in stride(from: 1, through: call.times, by: all ? 1 : max(1, call.times - 1)) {
                let fault = "\(arguments[0]): \(call.name) \(n)"
                try body(try execute(arguments, failing: call.name, "EIO", when: "\(n)"), fault)
            }
        }
    }

    @Test(.enabled(if: strace, "strace is not installed"))
    func eachCallOfRunMayFail() throws {
        try bundle.write { $0.args = ["echo", "ran"] }
        try forEachFault(run) { outcome, fault in
            if outcome.out != "ran\n" { expectCleanError(outcome, fault) }
            try expectNothingLeft(fault)
        }
    }

    @Test(.enabled(if: strace, "strace is not installed"))
    func eachCallOfExecMayFail() throws {
        try bundle.write { $0.args = ["sleep", "1000"] }
        #expect(try bundle(["run", "--detach", "--bundle", bundle.directory, bundle.id]).code == 0)
        try forEachFault(["exec", bundle.id, "echo", "ran"]) { outcome, fault in
            // As runc's, exec answers 255 for its own failures.
            let isClean = outcome.code == 255 && !outcome.err.isEmpty
            if outcome.out != "ran\n", !isClean { expectCleanError(outcome, fault) }
            let isAlone = try eventually(within: 5) {
                try !self.bundle(["ps", "-f", "json", self.bundle.id]).text.contains(",")
            }
            #expect(isAlone, "\(fault)")
        }
    }

    /// What is said to have been deleted is gone; what could not be is deleted by the next.
    @Test(.enabled(if: strace, "strace is not installed"))
    func eachCallOfDeleteMayFail() throws {
        try bundle.write { $0.args = ["sleep", "1000"] }
        // A container that had our pipes would keep them open.
        let create = ["run", "--detach", "--bundle", bundle.directory, bundle.id]
        let script = bundle.command(create).joined(separator: " ") + " >/dev/null 2>&1"
        func start() throws { #expect(try Support.execute(["sh", "-c", script]).code == 0) }
        try start()
        try forEachFault(["delete", "--force", bundle.id]) { outcome, fault in
            if outcome.code != 0 {
                expectCleanError(outcome, fault)
                #expect(try bundle(["delete", "--force", bundle.id]).code == 0, "\(fault)")
            }
            try expectNothingLeft(fault)
            try start()
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
        let outcome = try Support.execute(["sh", "-c", script], timeout: 600)
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
        let outcome = try Support.execute(["sh", "-c", script], timeout: 300)
        #expect(outcome.out.isEmpty && outcome.err.isEmpty, "\(outcome)")
        try expectNothingLeft("50 at once")
    }
}
