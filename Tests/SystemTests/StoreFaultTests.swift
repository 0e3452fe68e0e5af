import Support
import Testing

/// Commands that change the store are killed, or one of their calls fails, at every call in turn with APUS_FAULTS=all,
/// else at some: what was acknowledged is there and verifies, the rest is absent, and nobody has to repair anything.
@Suite(
    .enabled(if: Host.isReady, Comment(rawValue: Host.reason)),
    .enabled(if: Host.has("/usr/bin/strace"), "strace is not installed"), .serialized)
final class StoreFaultTests {
    let apus: Engine
    init() throws { apus = try Engine(withBusybox: false) }
    deinit { apus.tearDown() }

    /// What changes a file system.
    private static let changes: Set = [
        "copy_file_range", "fallocate", "fchmod", "fchmodat", "fchown", "fchownat", "fdatasync", "fsetxattr",
        "fsync",
        "ftruncate", "linkat", "mkdirat", "mknodat", "openat", "openat2", "pwrite64", "pwritev", "rename",
        "renameat",
        "renameat2", "sendfile", "symlinkat", "syncfs", "unlinkat", "utimensat", "write", "writev",
    ]
    /// What a full disk, one without inodes, a failing one and a process with too many files answer.
    private static let errors: [(error: String, calls: Set<String>)] = [
        (
            "ENOSPC",
            [
                "copy_file_range", "fallocate", "fsync", "linkat", "mkdirat", "mknodat", "openat2",
                "pwrite64",
                "renameat", "renameat2", "symlinkat", "syncfs", "write",
            ]
        ),
        (
            "EIO",
            [
                "copy_file_range", "fchownat", "fsync", "ftruncate", "getdents64", "pread64", "read",
                "renameat2", "syncfs",
                "unlinkat", "utimensat", "write",
            ]
        ),
        // Not epoll_create1 and eventfd2: who has too few descriptors for its threads is told before they begin
        // (`tooFewDescriptorsAreTold`), and libdispatch ends the process where one of its own calls fails alone.
        ("EMFILE", ["openat", "openat2", "fcntl", "pipe2", "socket"]),
    ]

    /// Some of the points unless all are asked for.
    private func chosen(_ points: [CallPoint], _ count: Int) -> [CallPoint] {
        if Host.environment("APUS_FAULTS") == "all" || points.count <= count { return points }
        return (0..<count).map { points[(2 * $0 + 1) * points.count / (2 * count)] }
    }

    private func kill(_ sweep: StoreSweep) throws {
        for point in chosen(try sweep.points(Self.changes), 8) {
            let (outcome, problems) = try sweep.run(with: "signal=KILL", at: point)
            #expect(problems.isEmpty, "\(sweep.work) killed at \(point): \(problems) \(outcome)")
        }
        #expect(try sweep.finalProblems().isEmpty)
    }

    private func fail(_ sweep: StoreSweep) throws {
        for (error, calls) in Self.errors {
            // A pull's go to sockets and to eventfds, whose loss no kernel knows: its files are written by pwrite.
            let real = sweep.work.name == "pull" ? calls.subtracting(["write"]) : calls
            for point in chosen(try sweep.points(real), 4) {
                let (outcome, problems) = try sweep.run(with: "error=\(error)", at: point)
                let fault = "\(sweep.work): \(error) at \(point)"
                #expect(problems.isEmpty, "\(fault): \(problems) \(outcome)")
                // What can be done without is no error.
                if outcome.code == 0 { continue }
                // Of the file that the user named, docker's words have no name of a program before them.
                let words = ["apus: ", "open ", "failed to save image: "]
                let said = outcome.errorLines.count { line in words.contains { line.hasPrefix($0) } }
                #expect(outcome.code == 1 && said == 1, "\(fault): \(outcome)")
                // What a build prints goes before, as in docker, also with -q.
                #expect(sweep.work.name == "build" || outcome.errorLines.count == 1, "\(fault): \(outcome)")
            }
        }
        #expect(try sweep.finalProblems().isEmpty)
    }

    @Test(arguments: StoreWork.all) func aKillAtAnyCallHurtsNothing(work: StoreWork) throws {
        try kill(StoreSweep(work, on: apus))
    }

    @Test(arguments: StoreWork.all) func anyCallMayFail(work: StoreWork) throws {
        try fail(StoreSweep(work, on: apus))
    }

    private static var registry: Bool { Host.has("/usr/bin/docker-registry") }

    @Test(.enabled(if: registry, "docker-registry is not installed"))
    func aKillOfAPullAtAnyCallHurtsNothing() throws {
        try apus.startRegistry()
        try kill(StoreSweep(.pull, on: apus))
    }

    @Test(.enabled(if: registry, "docker-registry is not installed"))
    func anyCallOfAPullMayFail() throws {
        try apus.startRegistry()
        try fail(StoreSweep(.pull, on: apus))
    }

    /// Not one call fails here, but all that come after: up to the number with which the work is done.
    @Test(arguments: StoreWork.all) func tooFewDescriptorsAreTold(work: StoreWork) throws {
        let sweep = try StoreSweep(work, on: apus)
        var limit = 4
        while limit < 100 {
            let command = "ulimit -n \(limit); exec apus \(work.command.joined(separator: " "))"
            let outcome = try StoreSweep.shell(command, apus)
            let problems = try sweep.problems(after: outcome)
            #expect(problems.isEmpty, "\(work) with \(limit) descriptors: \(problems) \(outcome)")
            if outcome.code == 0 { break }
            #expect(
                outcome.code == 1 && outcome.err.contains("oo many open files"),
                "\(work) with \(limit) descriptors: \(outcome)")
            limit += Host.environment("APUS_FAULTS") == "all" ? 1 : 3
        }
        #expect(limit < 100)
    }
}
