import Support
import Testing

/// Pulls from a registry that misbehaves, and with what is on disk for registries: credentials, certificates and
/// `registries.conf`. How each answer is taken apart is tested below (Tests/RegistryTests); this is what a user sees.
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class BadRegistryTests {
    let apus: Engine
    private let registry: FakeRegistry
    private var good: String { registry.host + "/good/app" }

    init() throws {
        apus = try Engine()
        do {
            // /etc is the machine's: what is written there stays in the test's directory.
            let etc = """
                cd \(apus.directory) && mkdir upper work home && mount -t tmpfs tmpfs work && mkdir work/upper work/work &&
                mount -t overlay overlay -o lowerdir=/etc,upperdir=work/upper,workdir=work/work /etc && mkdir -p /etc/apus
                """
            let made = try apus.shell(etc)
            guard made.code == 0 else { throw Trouble(because: "no /etc: \(made)") }
            registry = try FakeRegistry(beside: apus)
            try apus.must("load", "-i", Host.fixture("archives/layered.tar"))
            try push(to: registry.host + "/good/app")
            try apus.must("rmi", "fixture/layered")
        } catch {
            apus.tearDown()
            throw error
        }
    }
    deinit { apus.tearDown() }

    private func push(to name: String) throws {
        try apus.must("tag", "fixture/layered", name)
        try apus.must("push", "-q", name)
        try apus.must("rmi", name)
    }

    private func pull(_ name: String) throws -> Outcome {
        try apus(
            "pull", "-q", name, timeout: 60,
            environment: ["HOME": apus.directory + "/home", "PATH": apus.directory + ":/usr/bin:/bin"])
    }

    private func expectPulled(_ name: String, location: SourceLocation = #_sourceLocation) throws {
        let outcome = try pull(name)
        #expect(
            outcome.code == 0 && outcome.out == name + ":latest\n" && outcome.err.isEmpty,
            "\(name): \(outcome)",
            sourceLocation: location)
        let run = try apus("run", "--rm", "--network", "none", name, "cat", "/opaque/new")
        #expect(run.text == "new", "\(name): \(run)", sourceLocation: location)
        try apus.must("rmi", name)
    }

    /// One line that says what is wrong, exit code 1, and nothing of it here.
    private func expectNotPulled(
        _ name: String, _ mentions: String..., location: SourceLocation = #_sourceLocation
    ) throws {
        let outcome = try pull(name)
        #expect(
            outcome.code == 1 && outcome.out.isEmpty && outcome.errorLines.count == 1
                && outcome.err.hasPrefix("apus: "), "\(name): \(outcome)", sourceLocation: location)
        for word in mentions {
            #expect(outcome.err.contains(word), "\(name): \(word): \(outcome)", sourceLocation: location)
        }
        let left = try apus.shell(
            "cd $APUS_ROOT; ls -A layers blobs/sha256 staging downloads 2>/dev/null | grep -v '^[a-z/0-9]*:$'"
        )
        #expect(left.text.isEmpty, "\(name): \(left)", sourceLocation: location)
    }

    private func write(_ name: String, _ text: String) throws {
        let path = try apus.write("part", text)
        let outcome = try apus.shell("mkdir -p $(dirname /etc/apus/\(name)) && cp \(path) /etc/apus/\(name)")
        #expect(outcome.code == 0, "\(outcome)")
    }

    // MARK: answers

    @Test func whatPassesIsTriedAgain() throws {
        for mood in ["cut", "busy", "broken", "away", "bearer", "expiring"] {
            try expectPulled("\(registry.host)/\(mood)/app")
        }
    }

    @Test func whatIsWrongIsSaid() throws {
        let host = registry.host
        try expectNotPulled("\(host)/wrong/app", "digest")
        try expectNotPulled("\(host)/longer/app", "more bytes")
        try expectNotPulled("\(host)/shorter/app", "763")
        try expectNotPulled("\(host)/loop/app", "5 redirects")
        try expectNotPulled("\(host)/to-metadata/app", "169.254.169.254")
        try expectNotPulled("\(host)/to-file/app", "file:///etc/passwd")
        try expectNotPulled("\(host)/patient/app", "429")
        try expectNotPulled("\(host)/private/app", "denied")
        try expectNotPulled("\(host)/junk/app", "not a valid manifest")
        try expectNotPulled("\(host)/refused/app", "apus login")
        try expectNotPulled("\(host)/realm-link/app", "169.254.169.254")
        try expectNotPulled("127.0.0.1:1/app", "127.0.0.1:1", "onnection refused")
    }

    // MARK: what is on disk

    @Test func credentialsAreReadWhereDockerKeepsThem() throws {
        let name = "\(registry.host)/basic/app"
        try expectNotPulled(name, "apus login")
        let wrong = "{\"auths\": {\"\(registry.host)\": {\"auth\": \"YWxpY2U6Z3Vlc3M=\"}}}"
        try apus.write("home/.docker/config.json", wrong)
        try expectNotPulled(name, "incorrect username or password")
        // alice:secret
        try apus.write(
            "home/.docker/config.json", wrong.replacing("YWxpY2U6Z3Vlc3M=", with: "YWxpY2U6c2VjcmV0"))
        try expectPulled(name)
        try apus.write("home/.docker/config.json", "{\"credHelpers\": {\"\(registry.host)\": \"tests\"}}")
        try expectWarning(name, "docker-credential-tests")
        try apus.write(
            "docker-credential-tests",
            """
            #!/bin/sh
            read server; [ "$1 $server" = "get \(registry.host)" ] || exit 1
            echo '{"ServerURL": "'$server'", "Username": "alice", "Secret": "secret"}'
            """, mode: 0o755)
        try expectPulled(name)
        try apus.write("home/.docker/config.json", "{\"auths\": [")
        try expectWarning(name, ".docker/config.json")
    }

    /// What is wrong with credentials is said, and the pull goes on without.
    private func expectWarning(_ name: String, _ word: String, location: SourceLocation = #_sourceLocation)
        throws
    {
        let outcome = try pull(name)
        #expect(
            outcome.code == 1 && outcome.err.hasPrefix("WARNING: ") && outcome.err.contains(word)
                && outcome.errorLines.last?.contains("apus login") == true, "\(outcome)",
            sourceLocation: location)
    }

    @Test func mirrorsThatAreDownOrLieArePassedBy() throws {
        func configuration(_ mirrors: [String], location: String, more: String = "") -> String {
            let parts = mirrors.map { "[[registry.mirror]]\nlocation = \"\($0)\"\ninsecure = true\n" }
            return """
                [[registry]]
                prefix = "registry.example/team"
                location = "\(location)"
                \(more)
                \(parts.joined())
                """
        }
        let name = "registry.example/team/app"
        let bad =
            ["127.0.0.1:1/x"] + ["wrong", "shorter", "private", "loop"].map { "\(registry.host)/\($0)" }
        try write("registries.conf", configuration(bad, location: registry.host + "/good"))
        try expectPulled(name)
        try write(
            "registries.conf", configuration(bad + [registry.host + "/good"], location: "127.0.0.1:1/x"))
        try expectPulled(name)
        // One that lies only about a tag has its blobs.
        let short = bad.filter { !$0.hasSuffix("/wrong") }
        try write("registries.conf", configuration(short, location: "127.0.0.1:1/x"))
        try expectNotPulled(name, "127.0.0.1:")
        try write(
            "registries.conf", configuration([], location: registry.host + "/good", more: "blocked = true"))
        try expectNotPulled(name, "blocked", "registry.example/team")
        try write("registries.conf", "[[registry]\nprefix = 1\n")
        try expectNotPulled(name, "/etc/apus/registries.conf")
    }

    @Test(.enabled(if: Host.has("/usr/bin/openssl"), "openssl is not installed"))
    func certificatesAreReadFromTheRegistrysDirectory() throws {
        let made = try apus.shell(
            """
            cd \(apus.directory) && curve="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2" &&
            openssl req -x509 -subj /CN=tests $curve -keyout ca.key -out ca.crt &&
            openssl req -x509 -CA ca.crt -CAkey ca.key -subj /CN=registry -addext subjectAltName=IP:127.0.0.1 \
                -addext basicConstraints=CA:FALSE $curve -keyout server.key -out server.crt &&
            openssl req -x509 -CA ca.crt -CAkey ca.key -subj /CN=client -addext basicConstraints=CA:FALSE \
                $curve -keyout client.key -out client.cert
            """)
        #expect(made.code == 0, "\(made)")
        let files = ["server.crt", "server.key", "ca.crt"].map { "\(apus.directory)/\($0)" }
        let secure = try FakeRegistry(
            beside: apus, Array(files.prefix(2)), environment: ["CLIENTS": files[2]])
        let (name, place) = (secure.host + "/good/app", "/etc/apus/certs.d/\(secure.host)")
        func put(_ file: String) throws {
            try apus.shell("mkdir -p \(place) && cp \(apus.directory)/\(file) \(place)/")
        }
        try expectNotPulled(name, "certificate")
        try put("ca.crt")
        // Its alert may be lost with the connection.
        try expectNotPulled(name, secure.host)
        try put("client.cert")
        try expectNotPulled(name, place, "client.key")
        try put("client.key")
        try apus.must("load", "-i", Host.fixture("archives/layered.tar"))
        try push(to: name)
        try apus.must("rmi", "fixture/layered")
        try expectPulled(name)
        // Unverified, where that was said; our own certificate is shown all the same.
        try apus.shell("rm \(place)/ca.crt")
        try expectNotPulled(name, "certificate")
        try write("registries.conf", "[[registry]]\nlocation = \"\(secure.host)\"\ninsecure = true\n")
        try expectPulled(name)
    }
}
