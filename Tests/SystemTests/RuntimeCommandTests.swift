import Support
import Testing

/// The command line of a runtime as engines call it.
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class RuntimeCommandTests {
    let bundle: OCIBundle
    init() throws { bundle = try OCIBundle() }
    deinit { bundle.tearDown() }

    private func status() throws -> String {
        let lines = try bundle(["state", bundle.id]).lines
        let line = lines.first { $0.contains("\"status\"") } ?? ""
        return String(line.split(separator: "\"").dropFirst(3).first ?? "none")
    }

    private func create(_ args: [String], _ flags: [String] = []) throws -> Outcome {
        try bundle.write { $0.args = args }
        return try bundle(["create", "--bundle", bundle.directory] + flags + [bundle.id])
    }

    @Test func aContainerGoesThroughItsLife() throws {
        let pidFile = bundle.directory + "/pid"
        #expect(try create(["sleep", "1000"], ["--pid-file", pidFile]).code == 0)
        #expect(try status() == "created")
        let pid = readFile(pidFile) ?? ""
        #expect(readFile("/proc/\(pid)/comm")?.isEmpty == false)
        // Who waits has nothing of the host open: its streams, its gate, its socket.
        let descriptors = try execute(["sh", "-c", "readlink /proc/\(pid)/fd/*"]).lines
        #expect(!descriptors.contains { $0.hasPrefix("/sys") || $0 == bundle.directory + "/state" })
        #expect(try bundle(["start", bundle.id]).code == 0)
        #expect(try status() == "running")
        #expect(try bundle(["start", bundle.id]).err.contains("cannot start an already running container"))
        #expect(try bundle(["delete", bundle.id]).err.contains("that is not stopped"))
        #expect(try bundle(["ps", "--format", "json", bundle.id]).text == "[\(pid)]")
        #expect(try bundle(["kill", bundle.id, "KILL"]).code == 0)
        #expect(try eventually { try self.status() == "stopped" })
        #expect(try bundle(["kill", bundle.id, "TERM"]).err.contains("container not running"))
        #expect(try bundle(["exec", bundle.id, "true"]).err.contains("container not running"))
        #expect(try bundle(["delete", bundle.id]).code == 0)
        #expect(try bundle(["delete", bundle.id]).err.contains("container does not exist"))
        #expect(try bundle(["delete", "--force", bundle.id]).code == 0)
    }

    /// The words on which engines decide between 126 and 127.
    @Test(arguments: [
        ("nosuch", 127, "exec: \"nosuch\": executable file not found in $PATH"),
        ("/nosuch", 127, "no such file or directory"),
        ("/etc", 126, "permission denied"),
        ("/etc/passwd", 126, "permission denied"),
    ])
    func whatCannotBeRunIsSaidByCreate(command: String, code: Int32, words: String) throws {
        let outcome = try create([command])
        #expect(outcome.code == code && outcome.err.contains(words), "\(outcome)")
        #expect(try bundle(["list", "-q"]).lines.isEmpty)
    }

    /// The id stayed taken.
    @Test func aCgroupThatCannotBeLeavesNoState() throws {
        try bundle.write { $0.linux = ", \"cgroupsPath\": \"/../x\"" }
        for _ in 1...2 {
            let outcome = try bundle(["create", "--bundle", bundle.directory, bundle.id])
            #expect(outcome.code == 1 && outcome.err.contains("leads out of the cgroup tree"), "\(outcome)")
        }
        #expect(!Host.has(bundle.directory + "/state/" + bundle.id))
    }

    @Test func theLogHoldsTheErrorAsJSON() throws {
        let log = bundle.directory + "/log.json"
        try bundle.write { $0.args = ["/nosuch"] }
        let outcome = try bundle([
            "--log", log, "--log-format", "json", "create", "--bundle", bundle.directory, bundle.id,
        ])
        #expect(outcome.code != 0)
        let last = readFile(log)?.split(separator: "\n").last ?? ""
        #expect(
            last.hasPrefix("{\"level\":\"error\",\"msg\":\"") && last.contains("no such file or directory"))
        #expect(last.contains("\"time\":\"20") && last.hasSuffix("Z\"}"))
    }

    @Test func execRunsInTheContainerAndAnswersItsCode() throws {
        #expect(try create(["sleep", "1000"]).code == 0)
        #expect(try bundle(["start", bundle.id]).code == 0)
        let inside = try bundle([
            "exec", "--cwd", "/tmp", "--env", "A=b", bundle.id, "sh", "-c", "pwd; echo $A; exit 7",
        ])
        #expect(inside.code == 7 && inside.lines == ["/tmp", "b"], "\(inside)")
        let user = try bundle(["exec", "--user", "1000:2000", "-g", "3000", bundle.id, "busybox", "id"])
        #expect(user.text.contains("uid=1000(app) gid=2000 groups=2000,3000"), "\(user)")
        for text in ["-1", "4294967296", "0x0", "1:", "root"] {
            let refused = try bundle(["exec", "--user=" + text, bundle.id, "true"])
            #expect(refused.code != 0, "\(text): \(refused)")
        }
        let missing = try bundle(["exec", bundle.id, "nosuch"])
        #expect(missing.code == 255 && missing.err.contains("executable file not found in $PATH"))
        #expect(try bundle(["exec", "none", "true"]).code == 255)
        let above = try bundle(["exec", "--cgroup", "..", bundle.id, "true"])
        #expect(above.code == 255 && above.err.contains("bad sub cgroup path"), "\(above)")
    }

    @Test func aDetachedExecLeavesItsProcess() throws {
        #expect(try create(["sleep", "1000"]).code == 0)
        #expect(try bundle(["start", bundle.id]).code == 0)
        let file = bundle.directory + "/process.json"
        try writeFile(
            file,
            #"{"args": ["sleep", "999"], "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 5, "gid": 6}}"#)
        let pidFile = bundle.directory + "/exec.pid"
        let outcome = try bundle(["exec", "--process", file, "--detach", "--pid-file", pidFile, bundle.id])
        #expect(outcome.code == 0, "\(outcome)")
        let status = readFile("/proc/\(readFile(pidFile) ?? "")/status") ?? ""
        #expect(status.contains("Uid:\t5\t5") && status.contains("Gid:\t6\t6"), "\(status)")
    }

    /// A document without a score got that of whoever called: an engine's daemon, which the kernel spares.
    @Test func aFurtherProcessHasTheContainersScore() throws {
        try bundle.write {
            $0.args = ["sleep", "1000"]
            $0.process = ", \"oomScoreAdj\": 55"
        }
        #expect(try bundle(["run", "--detach", "--bundle", bundle.directory, bundle.id]).code == 0)
        let file = bundle.directory + "/process.json"
        try writeFile(file, #"{"args": ["/bin/cat", "/proc/self/oom_score_adj"], "cwd": "/"}"#)
        #expect(try bundle(["exec", "--process", file, bundle.id]).text == "55")
    }

    @Test func aPausedContainerTakesNoExec() throws {
        #expect(try create(["sleep", "1000"]).code == 0)
        #expect(try bundle(["start", bundle.id]).code == 0)
        #expect(try bundle(["pause", bundle.id]).code == 0)
        #expect(try status() == "paused")
        #expect(try bundle(["exec", bundle.id, "true"]).err.contains("paused"))
        #expect(try bundle(["resume", bundle.id]).code == 0)
        #expect(try bundle(["resume", bundle.id]).err.contains("container not paused"))
        #expect(try bundle(["exec", bundle.id, "true"]).code == 0)
    }

    @Test func badInputIsRefusedInOneLineAndLosesNothing() throws {
        try bundle.write { $0.args = ["true"] }
        for id in ["../x", "", ".", "a/b", "a b"] {
            let outcome = try bundle(["create", "--bundle", bundle.directory, id])
            #expect(outcome.code == 1 && outcome.errorLines.count == 1, "\(id): \(outcome)")
        }
        for arguments in [
            ["nosuch"], ["start"], ["start", "none"], ["kill", "none", "NOSIGNAL"],
            ["create", "--nosuch", "x"],
            ["create", "--bundle", "/nosuch", "x"], ["--log-format", "xml", "list"], ["checkpoint", "x"],
            ["restore", "x"], ["--cgroup-manager", "none", "run", "x"], ["exec"],
        ] {
            let outcome = try bundle(arguments)
            #expect(outcome.code == 1 && outcome.errorLines.count == 1, "\(arguments): \(outcome)")
        }
        for text in ["", "{", "[]", "{\"ociVersion\": 1}", "{\"ociVersion\": \"1.2.0\", \"root\": {}}"] {
            try writeFile(bundle.directory + "/config.json", text)
            let outcome = try bundle(["run", "--bundle", bundle.directory, bundle.id])
            #expect(outcome.code == 1 && outcome.err.contains("config.json"), "\(text): \(outcome)")
        }
        #expect(try bundle(["list", "-q"]).lines.isEmpty)
    }

    @Test func theExampleSpecRuns() throws {
        _ = try execute(["rm", "-f", bundle.directory + "/config.json"])
        #expect(try bundle(["spec", "--bundle", bundle.directory]).code == 0)
        #expect(try bundle(["spec", "--bundle", bundle.directory]).err.contains("config.json exists"))
        let text = readFile(bundle.directory + "/config.json") ?? ""
        let changed = text.split(separator: "\n").map { line in
            line.contains("\"terminal\"")
                ? "\"terminal\": false," : line.contains("\"sh\"") ? "\"id\"" : String(line)
        }
        try writeFile(bundle.directory + "/config.json", changed.joined(separator: "\n"))
        let outcome = try bundle(["run", "--bundle", bundle.directory, bundle.id])
        #expect(outcome.text == "uid=0(root) gid=0(root) groups=0(root)", "\(outcome)")
    }

    /// Whoever creates without staying sees init among the orphans of its subreaper, with the streams it gave.
    @Test func createLeavesInitWithItsStreams() throws {
        try bundle.write { $0.args = ["sh", "-c", "echo from init"] }
        let script = """
            \(bundle.command(["create", "--bundle", bundle.directory, bundle.id]).joined(separator: " ")) &&
            \(bundle.command(["start", bundle.id]).joined(separator: " "))
            """
        let outcome = try execute(["sh", "-c", script + "; sleep 0.3"])
        #expect(outcome.out == "from init\n", "\(outcome)")
    }

    /// Swift's runtime would run a program that analyses the crash, looked up from where it takes itself to be.
    @Test func aCrashRunsNothingOfTheBundle() throws {
        let directory = bundle.directory + "/libexec/swift/linux", marker = bundle.directory + "/marker"
        #expect(try execute(["mkdir", "-p", directory]).code == 0)
        for name in ["swift-backtrace", "swift-backtrace-static"] {
            try writeFile("\(directory)/\(name)", "#!/bin/sh\necho run > \(marker)\n", mode: 0o755)
        }
        try bundle.write { $0.args = ["sleep", "1000"] }
        let command = bundle.command(["run", "--bundle", bundle.directory, bundle.id]).joined(separator: " ")
        let outcome = try execute([
            "sh", "-c", "cd \(bundle.directory); \(command) & sleep 1; kill -SEGV $!; wait $!",
        ])
        #expect(outcome.code == 128 + 11, "\(outcome)")
        #expect(!Host.has(marker))
    }
}
