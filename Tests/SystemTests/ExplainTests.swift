import Support
import Testing

/// `explain`, and `--debug` of a start.
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class ExplainTests {
    let apus: Engine
    init() throws { apus = try Engine(withBusybox: true) }
    deinit { apus.tearDown() }

    /// Every path of the engine but the cache of compiled filters.
    private func made() throws -> String {
        try execute(["sh", "-c", "find \(apus.root) \(apus.run) -not -path '*/cache*' | sort"]).out
    }

    @Test func whatWouldBeDoneIsShownAndNotDone() throws {
        let before = try made()
        let source = apus.directory + "/missing"
        let text = try apus.must(
            "explain", "run", "-d", "--name", "web", "-p", "8080:80", "-v", "data:/srv", "-v",
            "\(source):/h:ro",
            "-u", "1000:50", "-e", "TOKEN=secret", "--cap-add", "NET_ADMIN", "--security-opt",
            "no-new-privileges",
            "--read-only", "-w", "/srv", "busybox", "sh", "-c", "echo it's")
        for part in [
            "container     web\n", "image         busybox (", "1 layer)\n",
            #"command       sh -c 'echo it'\''s'"#,
            "user          1000:50, groups 50\n", " TOKEN\n", "published 0.0.0.0:8080->80/tcp",
            "makes         volume data, directory \(source)\n",
            "bind \(apus.root)/volumes/data/_data on /srv (",
            "bind \(source) on /h (", "mount_setattr ro /\n", "setresgid 50, setresuid 1000\n",
            "chdir /srv\n",
            "prctl no_new_privs\n",
        ] {
            #expect(text.contains(part), "\(part) in\n\(text)")
        }
        #expect(!text.contains("secret"))
        // The order in which it is safe.
        let order = [
            "pivot_root", "drop from the bounding set", "setresuid 1000", "prctl no_new_privs", "seccomp,",
            "execve sh",
        ]
        let lines = text.split(separator: "\n")
        let places = order.compactMap { step in lines.firstIndex { $0.contains(step) } }
        #expect(places.count == order.count && places == places.sorted(), "\(text)")
        #expect(try made() == before)
        #expect(try apus.must("ps", "-aq") == "")
    }

    @Test func thePlanIsADocumentToo() throws {
        let text = try apus.must(
            "explain", "--format", "json", "run", "--name", "box", "--hostname", "h", "busybox", "true")
        let facts = try execute(
            [
                "python3", "-c",
                "import json,sys; d=json.load(sys.stdin); print(d['name'], d['spec']['hostname'], "
                    + "d['spec']['process']['args'], d['user']['uid'], d['steps'][-1])",
            ], stdin: text)
        #expect(facts.out == "box h ['true'] 0 execve true\n", "\(facts)")
    }

    /// With the configuration's defaults.
    @Test func portsAreShownWhereTheyWillBe() throws {
        let file = try apus.write("config.json", #"{"ip": "127.0.0.1"}"#)
        let plan = try apus(
            "explain", "run", "-P", "--expose", "81", "-p", "8080:80", "busybox", "true",
            environment: ["APUS_CONFIG": file])
        #expect(plan.out.contains("published 127.0.0.1:8080->80/tcp"), "\(plan)")
        #expect(plan.out.contains("published a free port for 81/tcp"), "\(plan)")
    }

    @Test func whatCannotStartIsRefusedWithTheStartsWords() throws {
        for (words, code, part) in [
            (["run", "missing"], 125, "No such image: missing"),
            (["run", "-u", "nobody2", "busybox", "true"], 125, "unable to find user nobody2"),
            (
                ["run", "--mount", "type=bind,source=/missing,target=/x", "busybox", "true"], 125,
                "does not exist: /missing"
            ),
            (["run", "--network", "none2", "busybox", "true"], 125, "network none2 not found"),
            (["stop", "x"], 1, "what can be explained is run and create, not stop"),
            (["run", "--nonsense", "busybox"], 125, "unknown flag: --nonsense"),
        ] as [([String], Int32, String)] {
            let refused = try apus.apus(["explain"] + words)
            #expect(refused.code == code && refused.err.contains(part), "\(words): \(refused)")
        }
    }

    /// What is shown of a start that is done is the same plan.
    @Test func debugTellsThePlanOfAStart() throws {
        let run = try apus(
            "--debug", "run", "--rm", "--network", "none", "--init", "busybox", "echo", "done")
        #expect(run.code == 0 && run.out == "done\n", "\(run)")
        #expect(run.errorLines.allSatisfy { $0.hasPrefix("debug: ") }, "\(run.err)")
        #expect(run.err.contains("execve our init, which starts echo"), "\(run.err)")
        try apus.must("create", "--name", "box", "--network", "none", "busybox", "true")
        #expect(try apus("--debug", "start", "box").err.contains("execve true"))
    }
}
