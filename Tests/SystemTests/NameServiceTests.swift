import Support
import Testing

/// Names are asked for with getent, whose resolver reads /etc/resolv.conf: busybox's own crashes where it is linked
/// statically.
@Suite(
    .enabled(if: Host.isReady, Comment(rawValue: Host.reason)),
    .enabled(if: Host.has(Host.fixture("debian.tar")), "a resolver is needed: Debian's"), .serialized)
final class NameServiceTests {
    let apus: Engine
    init() throws {
        apus = try Engine()
        try apus.must("import", Host.fixture("debian.tar"), "debian")
        try apus.must("network", "create", "--subnet", "10.9.0.0/24", "blue")
    }
    deinit { apus.tearDown() }

    private func start(_ name: String, _ flags: String...) throws {
        let out = try apus.apus(["run", "-d", "--name", name] + flags + ["debian", "sleep", "1000"])
        #expect(out.code == 0, "\(out)")
    }
    /// The addresses of a name, as a container sees them.
    private func look(up name: String, from container: String = "asker") throws -> [String] {
        let lines = try apus("exec", container, "getent", "ahostsv4", name).lines
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

    /// A server of the host's, which tells what it was asked.
    private func startServer() throws {
        let server = """
            import socket,threading
            u=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); u.bind(('192.0.2.2',53))
            log=open('\(apus.directory)/asked','ab',0)
            while True:
                m,a=u.recvfrom(4096)
                log.write(m[12:m.index(0,12)]+b'\\n')
                end=m.index(0,12)+5
                u.sendto(m[:2]+b'\\x81\\x80\\0\\1\\0\\1\\0\\0\\0\\0'+m[12:end]+b'\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\1\\0\\4'+bytes([203,0,113,7]),a)
            """
        let path = try apus.write("server.py", server)
        _ = try apus.neighbour("python3 \(path) </dev/null >/dev/null 2>&1 & sleep 0.5")
    }

    @Test(.enabled(if: Host.has("/usr/bin/python3"), "the server is in Python"))
    func otherNamesAreAskedOutsideButNeverFromAnInternalNetwork() throws {
        try startServer()
        try apus.must("network", "create", "--internal", "inner")
        try start("asker", "--network", "blue", "--dns", "192.0.2.2")
        try start("locked", "--network", "inner", "--dns", "192.0.2.2")
        #expect(try look(up: "www.example.org") == ["203.0.113.7"])
        #expect(try look(up: "secret.example.org", from: "locked").isEmpty)
        let asked = readFile(apus.directory + "/asked") ?? ""
        #expect(asked.contains("example") && !asked.contains("secret"), "\(asked)")
    }

    @Test func theContainersOwnServerMayHavePort53() throws {
        try start("web", "--network", "blue")
        let script = """
            use Socket; socket(S, PF_INET, SOCK_DGRAM, 17); bind(S, sockaddr_in(53, INADDR_ANY)) or die "taken"; print "bound"
            """
        #expect(try apus.must("exec", "web", "perl", "-e", script) == "bound")
    }
}
