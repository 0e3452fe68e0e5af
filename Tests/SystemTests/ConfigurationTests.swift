import Support
import Testing

/// The configuration file's keys about addresses, and what a mere look leaves behind.
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class ConfigurationTests {
    let apus: Engine
    init() throws { apus = try Engine(withBusybox: true) }
    deinit { apus.tearDown() }

    private func configured(_ text: String, _ arguments: String...) throws -> Outcome {
        let path = try apus.write("config.json", text)
        return try apus.apus(arguments, environment: ["APUS_CONFIG": path])
    }
    private func fetch(_ address: String, neighbour: Bool = false) throws -> Bool {
        let script = "curl --silent --max-time 2 http://\(address)/shells"
        return try (neighbour ? apus.neighbour(script) : apus.shell(script)).text == "/bin/sh"
    }

    @Test func portsArePublishedAtTheAddressThatWasChosen() throws {
        let config = #"{"ip": "127.0.0.1"}"#
        let out = try configured(
            config, "run", "-d", "--name", "web", "-p", "8080:80", "-p", "0.0.0.0:8081:80", "-P", "--expose",
            "90", "busybox", "httpd", "-f", "-p", "80", "-h", "/etc")
        #expect(out.code == 0, "\(out)")
        let ports = try apus.must("port", "web").split(separator: "\n").map(String.init)
        #expect(
            ports.contains("80/tcp -> 127.0.0.1:8080") && ports.contains("80/tcp -> 0.0.0.0:8081"), "\(ports)"
        )
        #expect(ports.contains { $0.hasPrefix("90/tcp -> 127.0.0.1:") }, "\(ports)")
        try expectSoon { try fetch("127.0.0.1:8080") }
        #expect(try fetch("192.0.2.1:8081", neighbour: true))
        #expect(try !fetch("192.0.2.1:8080", neighbour: true))
        // What was typed stays what it was.
        let bindings = "{{(index (index .HostConfig.PortBindings \"80/tcp\") 0).HostIp}}"
        #expect(try apus.must("inspect", "-f", bindings, "web") == "")
        let shown = try configured(
            config, "network", "inspect", "-f",
            "{{index .Options \"com.docker.network.bridge.host_binding_ipv4\"}}", "bridge")
        #expect(shown.text == "127.0.0.1", "\(shown)")
        #expect(try configured(config, "restart", "-t", "0", "web").code == 0)
        #expect(try apus.must("port", "web", "80").contains("127.0.0.1:8080"))
    }

    @Test func networksTakeTheirSubnetsFromThePools() throws {
        let config = #"{"default-address-pools": [{"base": "10.50.0.0/22", "size": 24}]}"#
        let subnet = "{{(index .IPAM.Config 0).Subnet}}"
        for (name, wanted) in [("one", "10.50.1.0/24"), ("two", "10.50.2.0/24"), ("three", "10.50.3.0/24")] {
            #expect(try configured(config, "network", "create", name).code == 0)
            #expect(try apus.must("network", "inspect", "-f", subnet, name) == wanted)
        }
        #expect(try apus.must("network", "inspect", "-f", subnet, "bridge") == "10.50.0.0/24")
        let full = try configured(config, "network", "create", "four")
        #expect(full.code == 1 && full.err.contains("could not find an available"), "\(full)")
        #expect(try configured(config, "network", "create", "--subnet", "10.51.0.0/24", "four").code == 0)
    }

    @Test func withoutASubnetForTheBridgeTheOthersAreShown() throws {
        #expect(try apus.shell("ip route add 10.50.0.0/24 dev lo").code == 0)
        let config = #"{"default-address-pools": [{"base": "10.50.0.0/24", "size": 24}]}"#
        let listed = try configured(config, "network", "ls", "--format", "{{.Name}}")
        #expect(listed.code == 0 && listed.lines == ["bridge", "host", "none"], "\(listed)")
        #expect(
            listed.err.contains("WARNING: network bridge: every subnet of default-address-pools"), "\(listed)"
        )
        #expect(try configured(config, "network", "inspect", "-f", "{{.IPAM.Config}}", "bridge").text == "[]")
        let run = try configured(config, "run", "--rm", "busybox", "true")
        #expect(run.code == 125 && run.err.contains("add a pool"), "\(run)")
        #expect(try configured(config, "run", "--rm", "--network", "none", "busybox", "true").code == 0)
    }

    @Test func theDefaultBridgeHasWhatWasChosen() throws {
        let config = #"{"bip": "10.70.0.9/24", "ipv6": true, "fixed-cidr-v6": "fd00:70::/64"}"#
        let out = try configured(
            config, "run", "--rm", "busybox", "sh", "-c", "ip route | grep default; ip -6 addr show eth0")
        #expect(out.out.contains("default via 10.70.0.9") && out.out.contains("fd00:70::"), "\(out)")
        #expect(try apus.must("network", "ls", "-f", "name=bridge", "--format", "{{.IPv6}}") == "true")
    }

    @Test func aBadValueEndsEveryCommand() throws {
        let out = try configured(#"{"bip": "10.70.0.0/24"}"#, "ps")
        #expect(
            out.code == 125 && out.errorLines.count == 1 && out.err.contains("bip: \"10.70.0.0/24\""),
            "\(out)")
    }

    // MARK: looks

    private static let looks = [
        ["ps", "-a"], ["images"], ["volume", "ls"], ["network", "ls"], ["network", "inspect", "bridge"],
        ["inspect", "nosuch"], ["inspect", "bridge"], ["info"], ["version"], ["system", "df"],
        ["network", "ls", "--filter", "dangling=true"], ["events", "--since", "1s", "--until", "0s"],
        ["port", "nosuch"], ["logs", "nosuch"], ["history", "nosuch"], ["search", "nosuch"],
    ]

    @Test func aLookWritesNothing() throws {
        let place = apus.directory + "/fresh"
        for look in Self.looks {
            _ = try apus.apus(look, environment: ["APUS_ROOT": place, "APUS_RUN": place + "-run"])
            #expect(!Host.has(place), "\(look) has made the root")
        }
        let before = try apus.shell("cd \(apus.root) && find . | sort").out
        for look in Self.looks { _ = try apus.apus(look) }
        #expect(try apus.shell("cd \(apus.root) && find . | sort").out == before)
    }

    @Test func aLookWorksWhereNothingCanBeWritten() throws {
        try apus.must("create", "--name", "box", "--network", "none", "busybox", "true")
        let mounted = try apus.shell(
            "mount --bind \(apus.root) \(apus.root) && mount -o remount,ro,bind \(apus.root)")
        #expect(mounted.code == 0, "\(mounted)")
        let networks = try apus("network", "ls", "--format", "{{.Name}}")
        #expect(networks.lines == ["bridge", "host", "none"], "\(networks)")
        #expect(try apus.must("network", "inspect", "-f", "{{.Name}}", "bridge") == "bridge")
        #expect(try apus.must("ps", "-a", "--format", "{{.Names}}") == "box")
        #expect(try apus.must("inspect", "-f", "{{.State.Status}}", "box") == "created")
        #expect(try apus("images").code == 0)
        // A change says why it cannot be.
        let made = try apus("network", "create", "blue")
        #expect(made.code != 0 && made.err.lowercased().contains("read-only file system"), "\(made)")
        _ = try apus.shell("umount \(apus.root)")
    }
}
