import Support
import Testing

/// Names are asked for with getent, whose resolver reads /etc/resolv.conf: busybox's own crashes where it is linked
/// statically.
@Suite(
    .enabled(if: Host.isReady, Comment(rawValue: Host.reason)),
    .enabled(if: Host.has(Host.fixture("small.tar")), "a resolver is needed: Debian's"), .serialized)
final class NameServiceTests {
    let apus: Engine
    init() throws {
        apus = try Engine()
        try apus.must("import", Host.fixture("small.tar"), "debian")
        try apus.must("network", "create", "--subnet", "10.9.0.0/24", "blue")
    }
    deinit { apus.tearDown() }

    private func start(_ name: String, _ flags: String...) throws {
        let out = try apus.apus(["run", "-d", "--name", name] + flags + ["debian", "sleep", "1000"])
        #expect(out.code == 0, "\(out)")
    }
    /// The addresses of a name, as a container sees them.
    private func look(
        up name: String, from container: String = "asker", _ options: String = ""
    ) throws -> [String] {
        let lines = try apus(
            "exec", "-e", "RES_OPTIONS=\(options)", container, "getent", "ahostsv4", name
        ).lines
        return Set(lines.compactMap { $0.split(separator: " ").first.map(String.init) }).sorted()
    }

    @Test func containersFindEachOtherByNameAliasAndShortID() throws {
        try start("asker", "--network", "blue")
        try start(
            "web", "--network", "blue", "--ip", "10.9.0.50", "--network-alias", "www", "--hostname", "h1")
        let id = try apus.must("inspect", "-f", "{{.Id}}", "web")
        for name in ["web", "WEB", "www", "web.blue", String(id.prefix(12)), "h1"] {
            #expect(try look(up: name) == ["10.9.0.50"], "\(name)")
        }
        #expect(try look(up: "nosuch").isEmpty)
        let reverse = try apus.must("exec", "asker", "getent", "hosts", "10.9.0.50")
        #expect(reverse.contains("web.blue"), "\(reverse)")
        #expect(
            try apus.must("exec", "asker", "cat", "/etc/resolv.conf").contains("nameserver 127.0.0.11"))
        try apus.must("rename", "web", "site")
        #expect(try look(up: "site") == ["10.9.0.50"])
        #expect(try look(up: "web").isEmpty)
        try apus.must("stop", "-t", "0", "site")
        #expect(try look(up: "site").isEmpty)
    }

    @Test func oneAliasIsSeveralContainersInTurn() throws {
        try start("asker", "--network", "blue")
        for number in 1...3 {
            try start("w\(number)", "--network", "name=blue,alias=pool,ip=10.9.0.10\(number)")
        }
        #expect(try look(up: "pool") == ["10.9.0.101", "10.9.0.102", "10.9.0.103"])
        var first: Set<String> = []
        for _ in 0..<9 {
            let script = "getent ahostsv4 pool | head -n 1 | cut -d' ' -f1"
            first.insert(try apus.must("exec", "asker", "sh", "-c", script))
        }
        #expect(first.count > 1, "\(first)")
    }

    @Test func namesComeBackWithANewMonitorAndWithANewStart() throws {
        try start("asker", "--network", "blue", "--restart", "always")
        try start("web", "--network", "blue", "--ip", "10.9.0.50")
        #expect(try look(up: "web") == ["10.9.0.50"])
        let pid = try apus.must("inspect", "-f", "{{.State.Pid}}", "asker")
        _ = try apus.shell("kill -9 $(awk '/^PPid/ {print $2}' /proc/\(pid)/status)")
        try apus.must("ps")
        try expectSoon { try look(up: "web") == ["10.9.0.50"] }
        try apus.must("restart", "-t", "0", "asker")
        try expectSoon { try look(up: "web") == ["10.9.0.50"] }
    }

    @Test func aConnectedContainerHasNamesFromThenOn() throws {
        try start("asker")
        try start("web", "--network", "blue", "--ip", "10.9.0.50")
        #expect(try look(up: "web").isEmpty)
        try apus.must("network", "connect", "blue", "asker")
        #expect(try look(up: "web") == ["10.9.0.50"])
        try apus.must("network", "disconnect", "blue", "asker")
        #expect(try look(up: "web").isEmpty)
    }

    @Test(.enabled(if: Upstream.isReady, Upstream.reason))
    func otherNamesAreAskedOutsideButNeverFromAnInternalNetwork() throws {
        let server = try Upstream(apus, .answers)
        try apus.must("network", "create", "--internal", "inner")
        try start("asker", "--network", "blue", "--dns", "192.0.2.2")
        try start("locked", "--network", "inner", "--dns", "192.0.2.2")
        #expect(try look(up: "www.example.org") == ["203.0.113.2"])
        #expect(try look(up: "secret.example.org", from: "locked").isEmpty)
        let asked = server.asked
        #expect(asked.contains { $0.hasSuffix("www.example.org") }, "\(asked)")
        #expect(!asked.contains { $0.contains("secret") }, "\(asked)")
    }

    @Test(.enabled(if: Upstream.isReady, Upstream.reason))
    func theNextServerIsAskedWhenOneHasNoAnswer() throws {
        let good = try Upstream(apus, .answers)
        let bad = [
            ("silent", try Upstream(apus, .silent, last: 3).address),
            ("fails", try Upstream(apus, .fails, last: 4).address),
            ("refuses", try Upstream(apus, .refuses, last: 5).address),
            // Nobody listens there, and there is nobody at all.
            ("closed", "192.0.2.1"), ("gone", "192.0.2.9"),
        ]
        for (name, address) in bad {
            try start(name, "--network", "blue", "--dns", address, "--dns", good.address)
            #expect(try look(up: "www.example.org", from: name) == ["203.0.113.2"], "\(name)")
            #expect(
                try look(up: "www.example.org", from: name, "use-vc") == ["203.0.113.2"],
                "\(name) by a stream")
        }
    }

    @Test(.enabled(if: Upstream.isReady, Upstream.reason))
    func aServerThatSaysNothingHoldsUpNobody() throws {
        let server = try Upstream(apus, .silent)
        try start("asker", "--network", "blue", "--dns", server.address)
        try start("web", "--network", "blue", "--ip", "10.9.0.50")
        let waiting = try apus.start("exec", "asker", "getent", "ahostsv4", "www.example.org")
        try expectSoon { !server.asked.isEmpty }
        #expect(try look(up: "web") == ["10.9.0.50"])
        #expect(waiting.finish(timeout: 60).code == 2)  // getent: not found
    }

    @Test(.enabled(if: Upstream.isReady, Upstream.reason))
    func anAnswerThatDoesNotFitComesByAStream() throws {
        for (manner, last) in [(Upstream.Manner.cut, 2), (.slow, 3)] {
            let server = try Upstream(apus, manner, last: last)
            try start("asker\(last)", "--network", "blue", "--dns", server.address)
            let found = try look(up: "www.example.org", from: "asker\(last)")
            #expect(found == ["203.0.113.\(last)"], "\(manner)")
            #expect(server.asked.contains { $0.hasPrefix("tcp ") }, "\(server.asked)")
        }
    }

    /// A resolver sends both questions of a name at once then.
    @Test func namesAreAnsweredByAStream() throws {
        try apus.must("network", "create", "--ipv6", "--subnet", "10.8.0.0/24", "six")
        try start("asker", "--network", "six")
        try start("web", "--network", "six", "--ip", "10.8.0.50")
        let address6 = try apus.must(
            "inspect", "-f", "{{.NetworkSettings.Networks.six.GlobalIPv6Address}}", "web")
        let out = try apus.must("exec", "-e", "RES_OPTIONS=use-vc", "asker", "getent", "ahosts", "web")
        #expect(out.contains("10.8.0.50") && out.contains(address6), "\(out)")
    }

    @Test(.enabled(if: Upstream.isReady, Upstream.reason))
    func aForgedAnswerHasToKnowNumberAndPort() throws {
        let server = try Upstream(apus, .forged)
        try start("asker", "--network", "blue", "--dns", server.address)
        #expect(try look(up: "www.example.org") == ["203.0.113.2"])
        // A client whose own numbers anybody can guess.
        let script = #"""
            use Socket; socket(S, PF_INET, SOCK_DGRAM, 17); my $to = sockaddr_in(53, inet_aton("127.0.0.11"));
            for (1..8) { send(S, pack("n6", 7, 256, 1, 0, 0, 0) . "\1n\7example\3org\0" . pack("n2", 1, 1), 0, $to);
            recv(S, my $m, 512, 0); print unpack("n", $m), " " }
            """#
        #expect(try apus.must("exec", "asker", "perl", "-e", script) == "7 7 7 7 7 7 7 7")
        let asked = server.asked.filter { $0.hasSuffix(" n.example.org") }.map { $0.split(separator: " ") }
        #expect(asked.count == 8)
        #expect(Set(asked.map { $0[1] }).count > 4, "numbers: \(asked)")
        #expect(Set(asked.map { $0[2] }).count > 4, "ports: \(asked)")
    }

    @Test func theContainersOwnServerMayHavePort53() throws {
        let script = """
            use Socket; socket(S, PF_INET, SOCK_DGRAM, 17); bind(S, sockaddr_in(53, INADDR_ANY)) or die "taken";
            while ($from = recv(S, $m, 512, 0)) { send(S, "own $m", 0, $from) }
            """
        try start("asker", "--network", "blue", "--ip", "10.9.0.60")
        try apus.must(
            "run", "-d", "--name", "server", "--network", "blue", "--ip", "10.9.0.50", "debian", "perl", "-e",
            script)
        let ask = """
            use Socket; socket(S, PF_INET, SOCK_DGRAM, 17); alarm 5;
            send(S, "question", 0, sockaddr_in(53, inet_aton("10.9.0.50"))); recv(S, $m, 512, 0); print $m
            """
        try expectSoon { try apus("exec", "asker", "perl", "-e", ask).text == "own question" }
        #expect(try look(up: "asker", from: "server") == ["10.9.0.60"])
    }

    // MARK: the host's servers

    /// In the mount namespace of the engine.
    private func setHost(_ text: String) throws {
        let path = try apus.write("resolv.conf", text)
        let mounted = try apus.shell("mount --bind \(path) /etc/resolv.conf")
        #expect(mounted.code == 0, "\(mounted)")
    }

    @Test(.enabled(if: Upstream.isReady, Upstream.reason))
    func aServerAtTheHostsLoopbackIsAskedForContainers() throws {
        let server = try Upstream(apus, .answers, onHost: true)
        try setHost("nameserver \(server.address)\nsearch example.org\n")
        try start("plain")
        try start("asker", "--network", "blue")
        #expect(
            try apus.must("exec", "plain", "cat", "/etc/resolv.conf")
                == "search example.org\nnameserver 127.0.0.11")
        for name in ["plain", "asker"] {
            #expect(try look(up: "www", from: name) == ["203.0.113.2"], "\(name)")
        }
        // On the default network, names are not for others.
        #expect(try look(up: "asker", from: "plain") == ["203.0.113.2"])
        try apus.must("network", "connect", "blue", "plain")
        #expect(try look(up: "asker", from: "plain") != ["203.0.113.2"])
        try apus.must("network", "disconnect", "blue", "plain")
        try apus.must("restart", "-t", "0", "plain")
        try expectSoon { try look(up: "www", from: "plain") == ["203.0.113.2"] }
        try start("chosen", "--dns", "192.0.2.7")
        #expect(try apus.must("exec", "chosen", "cat", "/etc/resolv.conf").contains("nameserver 192.0.2.7"))
    }

    @Test func aContainerHasTheServersThatSystemdAsks() throws {
        try setHost("nameserver 127.0.0.53\noptions edns0\n")
        let made = try apus.shell(
            """
            mount -t tmpfs none /run && mkdir -p /run/systemd/resolve &&
            echo nameserver 192.0.2.2 >/run/systemd/resolve/resolv.conf
            """)
        #expect(made.code == 0, "\(made)")
        try start("plain")
        try start("hosted", "--network", "host")
        #expect(try apus.must("exec", "plain", "cat", "/etc/resolv.conf") == "nameserver 192.0.2.2")
        #expect(try apus.must("exec", "hosted", "cat", "/etc/resolv.conf").contains("127.0.0.53"))
    }
}
