import Support
import Testing

/// The runtime's own file, which containers could reach through /proc and change for all later ones (CVE-2019-5736).
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class RuntimeCVEProgramTests {
    let bundle: OCIBundle
    /// A copy, lest a hole spoil the one that is under test.
    let program: String
    private let digest: String

    init() throws {
        bundle = try OCIBundle()
        program = bundle.directory + "/apus-runtime"
        #expect(try execute(["cp", Host.bin + "/apus-runtime", program]).code == 0)
        digest = try execute(["sha256sum", program]).text
    }
    deinit { bundle.tearDown() }

    private func command(_ arguments: [String]) -> [String] {
        [program] + bundle.command(arguments).dropFirst()
    }

    /// Opens the program of each process that is not busybox's, ends the process, and writes to its file.
    private static let attack = """
        for p in /proc/[0-9]*; do
            [ $p/exe -ef /bin/busybox ] && continue
            command exec 9<$p/exe || continue
            echo caught
            kill -9 ${p#/proc/}
            for n in 1 2 3 4 5; do (echo changed >/proc/self/fd/9) && echo written; usleep 20000; done
            exec 9<&-
        done 2>/dev/null
        """

    private func start(_ process: String = "") throws {
        try bundle.write {
            $0.args = ["sleep", "1000"]
            $0.process = process
        }
        let outcome = try execute(command(["run", "--detach", "--bundle", bundle.directory, bundle.id]))
        #expect(outcome.code == 0, "\(outcome)")
    }

    private func expectUnchanged(location: SourceLocation = #_sourceLocation) throws {
        #expect(try execute(["sha256sum", program]).text == digest, sourceLocation: location)
    }

    /// A command `#!/proc/self/exe` is the runtime inside the container. Here it waits, for a configuration that is a
    /// FIFO, until the attacker has it.
    @Test func cve_2019_5736_aCommandThatIsTheRuntimeGivesNoAccessToIt() throws {
        let script =
            "cd \(bundle.rootfs) && echo '#!/proc/self/exe create' >bin/evil && chmod 755 bin/evil && mkfifo config.json"
        #expect(try execute(["sh", "-c", script]).code == 0)
        try start()
        let pid = try execute(command(["state", bundle.id])).out.split(separator: "\"pid\": ").last
        let first = pid.map { $0.prefix { $0.isNumber } } ?? ""
        for round in 0..<6 {
            try bundle.write {
                $0.args = ["/bin/evil"]
                $0.namespaces[0] = "{\"type\": \"pid\", \"path\": \"/proc/\(first)/ns/pid\"}"
            }
            let isFirst = round % 2 == 0
            let evil = try Running(
                command(
                    isFirst
                        ? ["exec", bundle.id, "/bin/evil"]
                        : ["run", "--bundle", bundle.directory, "\(bundle.id)-\(round)"]))
            var seen: [String] = []
            _ = try eventually {
                seen = try execute(command(["exec", bundle.id, "sh", "-c", Self.attack])).lines
                return seen.contains("caught")
            }
            #expect(seen.contains("caught") && !seen.contains("written"), "\(seen)")
            #expect(evil.finish().code == 137)
            try expectUnchanged()
        }
    }

    /// A privileged process of the container waits for the one that enters it and is still the runtime.
    @Test func cve_2019_5736_whoWaitsForTheRuntimeGetsNoAccessToIt() throws {
        try start(OCIBundle.Configuration.capabilities(["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_KILL"]))
        let waiting = try Running(
            command(["exec", bundle.id, "sh", "-c", "while :; do \(Self.attack); done"]))
        var count = 0
        let caught = try eventually(within: 15) {
            for _ in 0..<10 { _ = try execute(command(["exec", bundle.id, "true"])) }
            count += 10
            return count >= 30 && waiting.output.contains("caught")
        }
        #expect(caught, "none of \(count) was met")
        #expect(!waiting.output.contains("written"), "\(waiting.output)")
        try expectUnchanged()
        _ = try execute(command(["delete", "--force", bundle.id]))
        #expect(waiting.finish(timeout: 5).code != -1)
    }
}
