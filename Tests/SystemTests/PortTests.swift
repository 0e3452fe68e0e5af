import Support
import Testing

@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class PortTests {
    let apus: Engine
    init() throws { apus = try Engine(withBusybox: true) }
    deinit { apus.tearDown() }

    private func serve(_ name: String, ports: String...) throws {
        try apus.must(
            "run", "-d", "--name", name, ports[0], ports[1], "busybox", "httpd", "-f", "-p", "80", "-h",
            "/etc")
        try expectSoon { try apus.apus(["exec", name] + ask("127.0.0.1", 80)).text == "/bin/sh" }
    }
    /// A request from inside a container. Not wget: busybox's, linked statically, crashes where it asks for an address.
    private func ask(_ address: String, _ port: Int, file: String = "shells") -> [String] {
        ["sh", "-c", "printf 'GET /\(file) HTTP/1.0\\r\\n\\r\\n' | nc -w 3 \(address) \(port) | tail -n 1"]
    }
    private func fetch(_ address: String) throws -> String {
        try apus.shell("curl --silent --max-time 3 http://\(address)/shells").text
    }
    private func neighbourFetch(_ address: String) throws -> String {
        try apus.neighbour("curl --silent --max-time 2 http://\(address)/shells").text
    }
    private func address(of name: String) throws -> String {
        try apus.must("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", name)
    }

    @Test func publishedPortsAnswerOnEveryAddressOfTheHost() throws {
        try serve("web", ports: "-p", "8080:80")
        #expect(try fetch("127.0.0.1:8080") == "/bin/sh")
        #expect(try fetch("192.0.2.1:8080") == "/bin/sh")
        #expect(try neighbourFetch("192.0.2.1:8080") == "/bin/sh")
        #expect(try apus.must("ps", "--format", "{{.Ports}}").contains("0.0.0.0:8080->80/tcp"))
        #expect(try apus.apus(["exec", "web"] + ask("192.0.2.1", 8080)).text == "/bin/sh")
    }

    @Test func loopbackPortsAreClosedToNeighbours() throws {
        try serve("web", ports: "-p", "127.0.0.1:8081:80")
        #expect(try fetch("127.0.0.1:8081") == "/bin/sh")
        #expect(try neighbourFetch("192.0.2.1:8081").isEmpty)
        let inside = try address(of: "web")
        _ = try apus.neighbour(
            "ip route add \(inside)/32 via 192.0.2.1; ip route add 127.0.0.0/8 via 192.0.2.1 table 77")
        #expect(try neighbourFetch(inside).isEmpty, "a neighbour reaches what was published and nothing else")
    }

    @Test func unpublishedPortsAreReachedFromTheHostOnly() throws {
        try apus.must("run", "-d", "--name", "web", "busybox", "httpd", "-f", "-p", "80", "-h", "/etc")
        let inside = try address(of: "web")
        try expectSoon { try fetch(inside) == "/bin/sh" }
        _ = try apus.neighbour("ip route add \(inside)/32 via 192.0.2.1")
        #expect(try neighbourFetch(inside).isEmpty)
    }

    @Test func containersReachOutAndEachOther() throws {
        try apus.must("run", "-d", "--name", "web", "busybox", "httpd", "-f", "-p", "80", "-h", "/etc")
        let inside = try address(of: "web")
        try expectSoon { try fetch(inside) == "/bin/sh" }
        #expect(try apus.apus(["run", "--rm", "busybox"] + ask(inside, 80)).text == "/bin/sh")
        let server = try apus.neighbour(
            "busybox httpd -f -p 192.0.2.2:9000 -h /etc </dev/null >/dev/null 2>&1 & echo $!; sleep 0.2")
        defer { _ = try? apus.neighbour("kill \(server.text)") }  // it has ended by itself
        let out = try apus.apus(["run", "--rm", "busybox"] + ask("192.0.2.2", 9000, file: "debian_version"))
        #expect(out.text == readFile("/etc/debian_version").map(trimmed), "\(out)")
    }

    @Test(
        .enabled(
            if: Host.has(Host.fixture("small.tar")), "busybox cannot receive datagrams, Debian's perl can"))
    func datagramsArePublished() throws {
        try apus.must("import", Host.fixture("small.tar"), "debian")
        let echo = """
            use Socket; socket(S, PF_INET, SOCK_DGRAM, 17); bind(S, sockaddr_in(53, INADDR_ANY)) or die;
            while (1) { my $peer = recv(S, my $text, 99, 0); send(S, "got $text", 0, $peer) }
            """
        try apus.must("run", "-d", "--name", "echo", "-p", "5353:53/udp", "debian", "perl", "-e", echo)
        for address in ["127.0.0.1", "192.0.2.1"] {
            let script = "exec 3<>/dev/udp/\(address)/5353; echo hi >&3; timeout 1 head -n 1 <&3"
            try expectSoon { try apus.shell("bash -c '\(script)'").text == "got hi" }
        }
    }

    @Test func sctpIsPublishedWhereTheKernelHasIt() throws {
        let out = try apus("run", "-d", "--name", "web", "-p", "8080:80/sctp", "busybox", "sleep", "100")
        if Host.has("/proc/net/sctp") {
            #expect(out.code == 0, "\(out)")
            #expect(try apus.must("port", "web") == "80/sctp -> 0.0.0.0:8080")
        } else {
            #expect(out.code == 125 && out.err.contains("this kernel has no SCTP"), "\(out)")
            #expect(out.err.contains("modprobe sctp"), "\(out)")
        }
    }

    @Test func aPortIsTakenOnceAndFreeAgainAfterwards() throws {
        try serve("first", ports: "-p", "8080:80")
        let second = try apus("run", "-d", "--name", "second", "-p", "8080:80", "busybox", "sleep", "9")
        #expect(second.code == 125 && second.err.contains("8080"), "\(second)")
        try apus.must("rm", "-f", "first")
        try apus.must("rm", "-f", "second")
        try serve("third", ports: "-p", "8080:80")
        #expect(try fetch("127.0.0.1:8080") == "/bin/sh")
    }

    @Test func aPortHeldByAnotherProgramIsAnError() throws {
        _ = try apus.shell("busybox httpd -p 8082 -h /etc")
        let run = try apus("run", "-d", "--name", "late", "-p", "8082:80", "busybox", "sleep", "9")
        #expect(run.code == 125 && run.err.contains("8082"), "\(run)")
    }

    @Test func modesAreNoneAndHost() throws {
        #expect(try apus.inContainer("ls /sys/class/net", flags: ["--network", "none"]).text == "lo")
        #expect(try apus.inContainer("ip -o link | grep -c wire0", flags: ["--network", "host"]).text == "1")
        let bridge = try apus.inContainer(
            "ip -o -4 addr show eth0; ip route", flags: ["--network", "bridge"])
        #expect(bridge.out.contains("inet ") && bridge.out.contains("default via"), "\(bridge)")
    }
}
