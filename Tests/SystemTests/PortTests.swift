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
        try expectSoon { try apus("exec", name, "wget", "-q", "-O-", "http://127.0.0.1/shells").code == 0 }
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
        #expect(
            try apus("exec", "web", "wget", "-q", "-T", "3", "-O-", "http://192.0.2.1:8080/shells").text
                == "/bin/sh")
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
        let flags = ["--network", "bridge"]
        #expect(
            try apus.inContainer("wget -q -T 3 -O- http://\(inside)/shells", flags: flags).text == "/bin/sh")
        let wire = "busybox httpd -p 192.0.2.2:9000 -h /etc; sleep 0.2"
        _ = try apus.neighbour(wire)
        let out = try apus.inContainer("wget -q -T 3 -O- http://192.0.2.2:9000/hostname", flags: flags)
        _ = try apus.neighbour("busybox fuser -k 9000/tcp")
        #expect(out.code == 0 && !out.out.isEmpty, "\(out)")
    }

    @Test func datagramsArePublished() throws {
        let script = "nc -u -l -p 53 > /got 2>/dev/null"
        try apus.must("run", "-d", "--name", "dns", "-p", "5353:53/udp", "busybox", "sh", "-c", script)
        try expectSoon {
            _ = try apus.shell("bash -c 'echo datagram > /dev/udp/192.0.2.1/5353'")
            return try apus("exec", "dns", "cat", "/got").out.contains("datagram")
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
