import Support
import Testing

/// Pulling and pushing with Debian's registry (distribution 2.8), which runs beside the engine in its namespaces.
@Suite(
    .enabled(if: Host.isReady, Comment(rawValue: Host.reason)),
    .enabled(if: Host.has("/usr/bin/docker-registry"), "docker-registry is not installed"), .serialized)
final class RegistryTests {
    let apus: Engine
    private let name = "127.0.0.1:5000/team/app"

    init() throws {
        apus = try Engine(withBusybox: true)
        do { try apus.startRegistry() } catch {
            apus.tearDown()
            throw error
        }
    }
    deinit { apus.tearDown() }

    /// How often blobs were fetched, by the registry's own account of requests.
    private func blobsFetched() -> [Substring] {
        (readFile(apus.directory + "/registry-5000.log") ?? "").split(separator: "\n")
            .filter { $0.contains("GET /v2/team/app/blobs/sha256:") && !$0.contains("\" 3") }
    }

    // MARK: what comes back is what went

    @Test func whatIsPushedIsPulledTheSame() throws {
        try apus.must("tag", "busybox", name)
        let id = try apus.must("images", "-q", "--no-trunc", name)
        let pushed = try apus.must("push", name)
        #expect(pushed.hasPrefix("Using default tag: latest\nThe push refers to repository [\(name)]"))
        let digest = pushed.split(separator: " ").first { $0.hasPrefix("sha256:") }.map(String.init) ?? "none"
        #expect(try apus.must("push", name).contains(": Layer already exists"))
        for image in [name, "busybox"] { try apus.must("rmi", image) }
        let pulled = try apus.must("pull", name)
        #expect(pulled.contains("Pull complete") && pulled.contains("Digest: \(digest)"))
        #expect(pulled.hasSuffix("Status: Downloaded newer image for \(name):latest\n\(name):latest"))
        #expect(try apus.must("images", "-q", "--no-trunc", name) == id)
        #expect(try apus.must("pull", name).contains("Status: Image is up to date for \(name):latest"))
        #expect(try apus.must("run", "--rm", "--network", "none", name, "echo", "ran") == "ran")
        #expect(try apus.must("pull", "-q", "\(name)@\(digest)") == "\(name)@\(digest)")
    }

    @Test func allTagsGoAndComeBack() throws {
        let tags = ["\(name):v1", "\(name):v2"]
        for tag in tags { try apus.must("tag", "busybox", tag) }
        let pushed = try apus.must("push", "-a", name)
        let digest = pushed.split(separator: " ").first { $0.hasPrefix("sha256:") }.map(String.init) ?? "none"
        #expect(pushed.contains("v1: digest: sha256:") && pushed.contains("v2: digest: sha256:"))
        let known = #"{{join .RepoDigests " "}}"#
        #expect(try apus.must("inspect", "-f", known, tags[0]).contains("\(name)@\(digest)"))
        try apus.must("rmi", "busybox", tags[0], tags[1])
        let pulled = try apus.must("pull", "--all-tags", name)
        #expect(pulled.contains("v1: Pulling from team/app") && pulled.hasSuffix("\n\(name)"))
        #expect(
            try apus.must("images", "--digests", "--format", "{{.Repository}}:{{.Tag}} {{.Digest}}", name)
                .split(separator: "\n").sorted() == tags.map { "\($0) \(digest)" })
        #expect(try apus.must("inspect", "-f", known, tags[1]) == "\(name)@\(digest)")
        #expect(
            try apus.must("run", "--rm", "--network", "none", "\(name)@\(digest)", "echo", "ran") == "ran")
        for command in ["pull", "push"] {
            let refused = try apus(command, "-a", tags[0])
            #expect(refused.code == 1 && refused.err.contains("tag can't be used with --all-tags/-a"))
        }
    }

    /// Whiteouts, opaque directories and links, as another engine's tools packed them.
    @Test func severalLayersComeBack() throws {
        try apus.must("load", "-i", Host.fixture("archives/layered.tar"))
        try apus.must("tag", "fixture/layered", name)
        let tree = ["run", "--rm", "--network", "none", name, "find", "/", "-xdev"]
        let before = try apus.apus(tree).lines.sorted()
        try apus.must("push", "-q", name)
        for image in [name, "fixture/layered", "busybox"] { try apus.must("rmi", image) }
        try apus.must("pull", "-q", name)
        #expect(try apus.apus(tree).lines.sorted() == before && before.count > 100)
    }

    /// What was built here is a plain tar, and is sent as gzip.
    @Test func whatWasBuiltIsCompressedOnTheWay() throws {
        try apus.write("context/Dockerfile", "FROM busybox\nRUN head -c 3000000 /dev/zero > /zeros\n")
        try apus.must("build", "-q", "-t", name, apus.directory + "/context")
        let id = try apus.must("images", "-q", "--no-trunc", name)
        try apus.must("push", "-q", name)
        let sent = try apus.shell("du -sb \(apus.directory)/registry-5000 | cut -f1")
        #expect((Int(sent.text) ?? 0) < 2_500_000, "\(sent)")
        #expect(try apus.must("pull", name).contains("Status: Image is up to date for"))
        try apus.must("rmi", name)
        try apus.must("pull", "-q", name)
        #expect(try apus.must("images", "-q", "--no-trunc", name) == id)
    }

    // MARK: pulled when needed

    @Test func whatIsMissingIsPulledBeforeARun() throws {
        try apus.must("tag", "busybox", name)
        try apus.must("push", "-q", name)
        for image in [name, "busybox"] { try apus.must("rmi", image) }
        try apus.expectRefusal(
            "run", "--rm", "--pull", "never", name, "true", code: 125, mentions: ["No such image: \(name)"])
        let first = try apus("run", "--rm", "--network", "none", name, "echo", "ran")
        #expect(
            first.out == "ran\n" && first.err.hasPrefix("Unable to find image '\(name):latest' locally\n"))
        // What is here is for another platform: what the registry has is taken, and that is no better.
        let other = try apus("run", "--rm", "--platform", "linux/s390x", name, "true")
        #expect(other.code == 125 && other.err.contains("does not match the specified platform"))
        #expect(try apus("pull", "--platform", "s390x", name).err.contains("WARNING: image with reference"))
        let second = try apus("run", "--rm", "--network", "none", name, "echo", "ran")
        #expect(second.err.isEmpty && second.out == "ran\n")
        let always = try apus(
            "run", "-q", "--rm", "--pull", "always", "--network", "none", name, "echo", "ran")
        #expect(always.code == 0 && always.out == "ran\n" && !always.err.contains("Unable"), "\(always)")
        try apus.write("context/Dockerfile", "FROM \(name):latest\nENV a=b\n")
        try apus.must("rmi", name)
        try apus.must("build", "-q", "-t", "built", apus.directory + "/context")
        let none = try apus("run", "--rm", "127.0.0.1:5000/none", "true")
        #expect(none.code == 125 && none.out.isEmpty)
        let why = none.errorLines.dropLast().last ?? ""
        #expect(why.contains("manifest for 127.0.0.1:5000/none:latest not found"), "\(none)")
        #expect(none.errorLines.last == "apus: 127.0.0.1:5000/none was not pulled")
    }

    @Test func manyPullsFetchEachBlobOnce() throws {
        try apus.must("load", "-i", Host.fixture("archives/layered.tar"))
        try apus.must("tag", "fixture/layered", name)
        try apus.must("push", "-q", name)
        for image in [name, "fixture/layered", "busybox"] { try apus.must("rmi", image) }
        let pulls = try apus.shell(
            """
            for i in $(seq 50); do \(Host.bin)/apus pull -q \(name) & pids="$pids $!"; done
            for pid in $pids; do wait $pid || echo failed; done
            """, timeout: 120)
        #expect(pulls.lines == Array(repeating: "\(name):latest", count: 50), "\(pulls)")
        let fetched = blobsFetched().map { line in line.drop { $0 != ":" }.prefix(71) }
        #expect(fetched.count == 5 && Set(fetched).count == 5, "four layers, a configuration: \(fetched)")
        #expect(try apus("system", "check").code == 0)
        #expect(try apus.shell("ls -A $APUS_ROOT/staging $APUS_ROOT/downloads | grep -v :").text.isEmpty)
    }

    /// What a run relies on is there until it has ended, whoever removes and brings it meanwhile.
    @Test func removalsBesidePullsAndRunsLeaveNothingHalf() throws {
        try apus.must("load", "-i", Host.fixture("archives/layered.tar"))
        try apus.must("tag", "fixture/layered", name)
        try apus.must("push", "-q", name)
        for image in [name, "fixture/layered", "busybox"] { try apus.must("rmi", image) }
        let engine = "\(Host.bin)/apus"
        // Each loop tells what went wrong in a way that it must not; that an image is gone is right.
        let outcome = try apus.shell(
            """
            cd \(apus.directory); end=$(($(date +%s) + 5)); until_end() { [ $(date +%s) -lt $end ]; }; : >ran
            while until_end; do
                \(engine) pull -q \(name) >>pulls 2>&1 || echo "pull: $(tail -1 pulls)"
            done &
            for i in 1 2; do
                while until_end; do
                    \(engine) run --rm --network none \(name) cat /opaque/new >run$i 2>&1
                    if [ "$(tail -1 run$i)" = new ]; then echo ran >>ran
                    elif ! grep -q 'No such image' run$i; then echo "run: $(tail -1 run$i)"; fi
                done &
            done
            while until_end; do \(engine) rmi -f \(name) >>removals 2>&1; done &
            while until_end; do \(engine) image prune -af >>prunes 2>&1 || echo "prune: $(tail -1 prunes)"; done &
            wait; wc -l <ran; grep -c Deleted removals
            """, timeout: 120)
        let counts = outcome.lines.suffix(2).compactMap { Int($0) }
        #expect(counts.count == 2 && counts[1] > 0, "\(outcome)")
        #expect(outcome.lines.count == 2 && outcome.err.isEmpty, "\(outcome)")
        let check = try apus("system", "check")
        #expect(check.code == 0, "\(check)")
        try apus.must("pull", "-q", name)
        #expect(try apus.must("run", "--rm", "--network", "none", name, "cat", "/opaque/new") == "new")
        _ = try apus("rmi", "-f", name)
        try apus.must("image", "prune", "-af")
        let left = try apus.shell(
            "cd $APUS_ROOT; ls -A layers blobs/sha256 staging downloads containers | grep -v :")
        #expect(left.text.isEmpty, "\(left)")
    }

    // MARK: who may

    @Test(.enabled(if: Host.has("/usr/bin/htpasswd"), "htpasswd is not installed"))
    func credentialsOpenWhatIsClosed() throws {
        try apus.shell("htpasswd -Bbn user secret > \(apus.directory)/passwords")
        try apus.startRegistry(
            port: 5001, auth: "auth: {htpasswd: {realm: test, path: \(apus.directory)/passwords}}")
        let (server, closed) = ("127.0.0.1:5001", "127.0.0.1:5001/closed")
        let home = ["HOME": apus.directory]
        func run(_ words: String..., stdin: String = "") throws -> Outcome {
            try apus.apus(words, stdin: stdin, environment: home)
        }
        try apus.must("tag", "busybox", closed)
        let refused = try run("push", closed)
        #expect(refused.code == 1 && refused.err.contains("apus login"), "\(refused)")
        let wrong = try run("login", "-u", "user", "--password-stdin", server, stdin: "guess\n")
        #expect(wrong.code == 1 && wrong.err.contains("incorrect username or password"), "\(wrong)")
        #expect(!Host.has(apus.directory + "/.docker/config.json"))
        let right = try run("login", "-u", "user", "--password-stdin", server, stdin: "secret\n")
        #expect(right.code == 0 && right.out == "Login Succeeded\n", "\(right)")
        let mode = try execute(["stat", "-c", "%a", apus.directory + "/.docker/config.json"])
        #expect(mode.text == "600")
        #expect(try run("push", "-q", closed).code == 0)
        #expect(try run("pull", "-q", closed).out == "\(closed):latest\n")
        #expect(try run("logout", server).out == "Removing login credentials for \(server)\n")
        #expect(try run("pull", closed).code == 1)
    }

    @Test(.enabled(if: Host.has("/usr/bin/htpasswd"), "htpasswd is not installed"))
    func storedCredentialsAreTriedAgain() throws {
        let passwords = apus.directory + "/passwords"
        try apus.shell("htpasswd -Bbn user secret > \(passwords)")
        try apus.startRegistry(port: 5001, auth: "auth: {htpasswd: {realm: test, path: \(passwords)}}")
        let server = "127.0.0.1:5001"
        let file = apus.directory + "/cfg/config.json"
        func login(_ words: String..., stdin: String = "") throws -> Outcome {
            try apus.apus(["--config", apus.directory + "/cfg", "login"] + words + [server], stdin: stdin)
        }
        let none = try login()
        #expect(none.code == 1 && none.err.hasPrefix("Error: Cannot perform an interactive login"), "\(none)")
        let first = try login("-u", "user", "--password-stdin", stdin: "secret\n")
        #expect(first.code == 0 && first.err.contains("stored unencrypted in '\(file)'"), "\(first)")
        let again = try login()
        #expect(again.code == 0 && again.out == "Login Succeeded\n", "\(again)")
        #expect(again.err == "Authenticating with existing credentials... [Username: user]\n")
        let other = try login("-u", "user", "--password-stdin", stdin: "secret\n")
        #expect(other.code == 0 && other.err.isEmpty, "\(other)")
        try apus.must("tag", "busybox", "\(server)/closed")
        #expect(try apus("push", "\(server)/closed").code == 1)
        try apus.must("--config", apus.directory + "/cfg", "push", "-q", "\(server)/closed")
        try apus.shell("htpasswd -Bbn user other > \(passwords)")
        let refused = try login()
        #expect(
            refused.code == 1 && refused.err.contains("\nStored credentials invalid or expired"), "\(refused)"
        )
        let terminal = try apus.terminal("--config", apus.directory + "/cfg", "login", server)
        try terminal.expect("Username (user): ")
        terminal.send("\n")
        try terminal.expect("Password: ")
        terminal.send(bytes: [4])
        try terminal.expect("Error: Password Required")
        #expect(terminal.wait() == 1)
    }

    @Test func endOfInputIsNoUser() throws {
        let terminal = try apus.terminal("login", "127.0.0.1:5000")
        try terminal.expect("Username: ")
        terminal.send(bytes: [4])
        try terminal.expect("Error: Non-null Username Required")
        #expect(terminal.wait() == 1)
    }

    @Test(.enabled(if: Host.has("/usr/bin/htpasswd"), "htpasswd is not installed"))
    func credentialsThatCannotBeUsedAreAWarning() throws {
        try apus.shell("htpasswd -Bbn user secret > \(apus.directory)/passwords")
        try apus.startRegistry(
            port: 5001, auth: "auth: {htpasswd: {realm: test, path: \(apus.directory)/passwords}}")
        try apus.must("tag", "busybox", name)
        let configs = [
            (
                #"{"credsStore": "absent"}"#,
                "WARNING: credential helper docker-credential-absent: not found in PATH"
            ),
            ("{", "WARNING: Error parsing config file (\(apus.directory)/cfg/config.json): "),
        ]
        for (text, warning) in configs {
            try apus.write("cfg/config.json", text)
            func run(_ words: String...) throws -> Outcome {
                try apus.apus(["--config", apus.directory + "/cfg"] + words)
            }
            #expect(try run("push", "-q", name).code == 0)
            let pulled = try run("pull", "127.0.0.1:5001/closed")
            #expect(pulled.code == 1 && pulled.err.contains("no basic auth credentials"), "\(pulled)")
            #expect(pulled.err.hasPrefix(warning) && pulled.errorLines.count == 2, "\(pulled)")
            for command in ["login", "logout"] {
                let words = [command] + (command == "login" ? ["-u", "user", "-p", "secret"] : [])
                let failed = try apus.apus(
                    ["--config", apus.directory + "/cfg"] + words + ["127.0.0.1:5001"])
                #expect(failed.code == 1 && !failed.out.contains("Succeeded"), "\(failed)")
            }
        }
    }

    // MARK: what programs and people are told

    @Test func programsAreToldHowItEnded() throws {
        try apus.must("tag", "busybox", name)
        let pushed = try apus("push", "--progress=json", name)
        let last = pushed.lines.last ?? ""
        #expect(
            last.hasPrefix(#"{"progressDetail":{},"aux":{"Tag":"latest","Digest":"sha256:"#)
                && last.contains(#","Size":"#), "\(pushed)")
        let failed = try apus("pull", "--progress=json", "127.0.0.1:5000/none")
        #expect(failed.code == 1 && failed.err.contains("manifest for 127.0.0.1:5000/none:latest not found"))
        let line = failed.lines.last ?? ""
        #expect(line.hasPrefix(#"{"errorDetail":{"message":"manifest for"#), "\(failed)")
        #expect(line.contains(#"},"error":"manifest for"#))
    }

    @Test func namesThatCannotBePushedOrPulled() throws {
        try apus.must("tag", "busybox", name + ":there")
        let digest = "sha256:" + String(repeating: "ab", count: 32)
        for (words, text) in [
            (["push", "\(name)@\(digest)"], "cannot push a digest reference"),
            (["push", "\(name):absent"], "tag does not exist: \(name):absent"),
            (
                ["push", "127.0.0.1:5000/none"],
                "image does not exist locally with the tag: 127.0.0.1:5000/none"
            ),
            (["pull", "scratch"], "'scratch' is a reserved name"),
            (["create", "scratch"], "'scratch' is a reserved name"),
            (["create", "127.0.0.1:5000/none"], "manifest for 127.0.0.1:5000/none:latest not found"),
        ] {
            let refused = try apus.apus(words)
            #expect(refused.code == 1 && refused.err.contains(text), "\(words): \(refused)")
        }
        let run = try apus("run", "scratch")
        #expect(run.code == 125 && run.err.contains("\napus: 'scratch' is a reserved name\n"), "\(run)")
    }
}
