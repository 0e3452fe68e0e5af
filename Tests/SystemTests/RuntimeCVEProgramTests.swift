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

    /// Opens the program of each process that is not busybox's, ends the process, and writes to its file when nobody
    /// executes it any longer.
    private static let attack = """
        while :; do for p in /proc/[0-9]*; do
            [ $p/exe -ef /bin/busybox ] && continue
            command exec 9<$p/exe || continue
            kill -9 ${p#/proc/}
            echo caught >>/log
            for n in 1 2 3 4 5 6 7 8 9 10; do (echo changed >/proc/self/fd/9) && echo written >>/log; usleep 10000; done
            exec 9<&-
        done; done 2>/dev/null
        """
    private var log: [String] {
        readFile(bundle.rootfs + "/log")?.split(separator: "\n").map(String.init) ?? []
    }

    /// The first process of the container attacks whatever comes.
    private func startAttack(_ process: String = "") throws {
        try bundle.write {
            $0.args = ["sh", "-c", Self.attack]
            $0.process = process
        }
        let outcome = try execute(command(["run", "--detach", "--bundle", bundle.directory, bundle.id]))
        #expect(outcome.code == 0, "\(outcome)")
    }

    private func expectUnchanged(location: SourceLocation = #_sourceLocation) throws {
        pause(0.15)
        #expect(!log.contains("written"), sourceLocation: location)
        #expect(try execute(["sha256sum", program]).text == digest, sourceLocation: location)
    }

    /// A command `#!/proc/self/exe` is the runtime inside the container. Here it waits, for a configuration that is a
    /// FIFO, until the attacker has it.
    @Test func cve_2019_5736_aCommandThatIsTheRuntimeGivesNoAccessToIt() throws {
        let script = "echo '#!/proc/self/exe create' >bin/evil && chmod 755 bin/evil && mkfifo config.json"
        #expect(try execute(["sh", "-c", "cd \(bundle.rootfs) && " + script]).code == 0)
        try startAttack()
        let pid = try execute(command(["state", bundle.id])).out.split(separator: "\"pid\": ").last
        let first = pid.map { $0.prefix { $0.isNumber } } ?? ""
        try bundle.write {
            $0.args = ["/bin/evil"]
            $0.namespaces[0] = "{\"type\": \"pid\", \"path\": \"/proc/\(first)/ns/pid\"}"
        }
        for round in 1...3 {
            let exec = try execute(command(["exec", bundle.id, "/bin/evil"]))
            let run = try execute(
                command(["run", "--bundle", bundle.directory, "\(bundle.id)-\(round)"]))
            #expect(exec.code == 137 && run.code == 137, "\(exec) \(run)")
        }
        #expect(log.count { $0 == "caught" } >= 6, "\(log)")
        try expectUnchanged()
    }

    /// A privileged process of the container waits for the one that enters it and is still the runtime.
    @Test func cve_2019_5736_whoWaitsForTheRuntimeGetsNoAccessToIt() throws {
        try startAttack(
            OCIBundle.Configuration.capabilities(["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_KILL"]))
        let isMet = try eventually(within: 15) {
            for _ in 0..<10 { _ = try execute(command(["exec", bundle.id, "true"])) }
            return log.contains("caught")
        }
        #expect(isMet, "it met none")
        try expectUnchanged()
    }
}
