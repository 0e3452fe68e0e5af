import Support
import Testing

@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class NetworkCommandTests {
    let apus: Engine
    init() throws { apus = try Engine(withBusybox: true) }
    deinit { apus.tearDown() }

    private func serve(_ name: String, _ flags: String...) throws {
        let out = try apus.apus(
            ["run", "-d", "--name", name] + flags + ["busybox", "httpd", "-f", "-p", "80", "-h", "/etc"])
        #expect(out.code == 0, "\(out)")
    }
    private func ask(_ address: String, _ port: Int = 80, from name: String) throws -> Bool {
        let script = "printf 'GET /shells HTTP/1.0\\r\\n\\r\\n' | nc -w 2 \(address) \(port) | tail -n 1"
        return try apus("exec", name, "sh", "-c", script).text == "/bin/sh"
    }
    private func address(of name: String, in network: String) throws -> String {
        try apus.must("inspect", "-f", "{{(index .NetworkSettings.Networks \"\(network)\").IPAddress}}", name)
    }

    @Test func aNetworkIsMadeListedShownAndRemoved() throws {
        let id = try apus.must("network", "create", "--subnet", "10.9.0.0/24", "--label", "a=b", "blue")
        #expect(id.utf8.count == 64)
        #expect(
            try apus.must("network", "ls", "--format", "{{.Name}} {{.Driver}} {{.Scope}}")
                == "blue bridge local\nbridge bridge local\nhost host local\nnone null local")
        #expect(try apus.must("network", "ls", "-q", "--no-trunc", "-f", "label=a=b") == id)
        #expect(try apus.must("network", "ls").hasPrefix("NETWORK ID     NAME      DRIVER    SCOPE\n"))
        let shown = try apus.must(
            "network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}} {{.Internal}} {{.Labels.a}}",
            "blue")
        #expect(shown == "10.9.0.1 false b")
        let again = try apus("network", "create", "blue")
        #expect(again.code == 1 && again.err == "apus: network with name blue already exists\n", "\(again)")
        let overlap = try apus("network", "create", "--subnet", "10.9.0.128/25", "other")
        #expect(overlap.err.hasSuffix("Pool overlaps with other one on this address space\n"), "\(overlap)")
        #expect(try apus.must("network", "rm", String(id.prefix(12))) == String(id.prefix(12)))
        #expect(try apus("network", "rm", "blue").err == "apus: network blue not found\n")
        #expect(
            try apus("network", "rm", "bridge").err
                == "apus: bridge is a pre-defined network and cannot be removed\n")
        #expect(try apus("network", "inspect", "nosuch").out == "[]\n")
    }

    @Test func containersOfOneNetworkReachEachOtherAndNoOthers() throws {
        try apus.must("network", "create", "blue")
        try apus.must("network", "create", "green")
        try serve("web", "--network", "blue", "-p", "8080:80")
        try serve("friend", "--network", "blue")
        try serve("stranger", "--network", "green")
        let web = try address(of: "web", in: "blue")
        try expectSoon { try ask(web, from: "friend") }
        #expect(try !ask(web, from: "stranger"))
        #expect(try apus.shell("curl --silent --max-time 3 http://127.0.0.1:8080/shells").text == "/bin/sh")
        #expect(try apus.must("ps", "--format", "{{.Networks}}", "--filter", "name=web") == "blue")
        #expect(try apus.must("ps", "-q", "--filter", "network=green").utf8.count == 12)
        let busy = try apus("network", "rm", "blue")
        #expect(busy.code == 1 && busy.err.contains("has active endpoints"), "\(busy)")
        let id = try apus.must("inspect", "-f", "{{.Id}}", "web")
        #expect(
            try apus.must("network", "inspect", "-f", "{{(index .Containers \"\(id)\").Name}}", "blue")
                == "web")
        try apus.must("rm", "-f", "web", "friend", "stranger")
        #expect(try apus("network", "prune", "-f").out == "Deleted Networks:\nblue\ngreen\n\n")
        let gone = try apus("run", "--rm", "--network", "blue", "busybox", "true")
        #expect(gone.code == 125 && gone.err.contains("network blue not found"), "\(gone)")
    }

    @Test func anInternalNetworkHasNoWayOut() throws {
        try apus.must("network", "create", "--internal", "inner")
        try serve("web", "--network", "inner")
        try serve("friend", "--network", "inner")
        let web = try address(of: "web", in: "inner")
        try expectSoon { try ask(web, from: "friend") }
        #expect(try apus.must("exec", "web", "ip", "route").contains("default") == false)
        let published = try apus("run", "-d", "--network", "inner", "-p", "8080:80", "busybox", "true")
        #expect(published.code == 125 && published.err.contains("is internal"), "\(published)")
    }

    @Test func aRunningContainerIsConnectedAndDisconnected() throws {
        try apus.must("network", "create", "--subnet", "10.9.0.0/24", "blue")
        try serve("web", "-p", "8080:80")
        try serve("friend", "--network", "blue")
        try apus.must("network", "connect", "--ip", "10.9.0.77", "blue", "web")
        #expect(try address(of: "web", in: "blue") == "10.9.0.77")
        try expectSoon { try ask("10.9.0.77", from: "friend") }
        #expect(try apus.must("exec", "web", "cat", "/etc/hosts").contains("10.9.0.77\t"))
        #expect(try apus.must("ps", "--format", "{{.Networks}}", "--filter", "name=web") == "blue,bridge")
        let twice = try apus("network", "connect", "blue", "web")
        #expect(twice.err == "apus: endpoint with name web already exists in network blue\n", "\(twice)")
        // The default route and the published port move on.
        try apus.must("network", "disconnect", "bridge", "web")
        #expect(try apus.must("exec", "web", "ip", "route").contains("default via 10.9.0.1 dev eth1"))
        #expect(try apus.shell("curl --silent --max-time 3 http://127.0.0.1:8080/shells").text == "/bin/sh")
        try apus.must("restart", "-t", "0", "web")
        #expect(try address(of: "web", in: "blue") == "10.9.0.77")
        try apus.must("network", "disconnect", "blue", "web")
        #expect(try apus.must("exec", "web", "ls", "/sys/class/net") == "lo")
        let off = try apus("network", "disconnect", "blue", "web")
        #expect(off.err.contains("is not connected to network blue"), "\(off)")
    }

    @Test func severalNetworksAndChosenAddresses() throws {
        try apus.must("network", "create", "--subnet", "10.9.0.0/24", "blue")
        try apus.must("network", "create", "--subnet", "10.8.0.0/24", "green")
        try serve(
            "web", "--network", "name=blue,ip=10.9.0.5,mac-address=02:00:00:00:00:05", "--network",
            "name=green,alias=www")
        let addresses = try apus.must("exec", "web", "ip", "-o", "-4", "addr")
        #expect(
            addresses.contains("eth0    inet 10.9.0.5/24") && addresses.contains("eth1    inet 10.8.0.2/24"))
        #expect(try apus.must("exec", "web", "cat", "/sys/class/net/eth0/address") == "02:00:00:00:00:05")
        let taken = try apus("run", "--rm", "--network", "blue", "--ip", "10.9.0.5", "busybox", "true")
        #expect(taken.code == 125 && taken.err.contains("Address already in use"), "\(taken)")
        for (flags, words) in [
            (["--ip", "10.9.0.5"], "supported on user defined networks only"),
            (["--network", "blue", "--ip", "10.1.0.5"], "does not belong to any of this network's subnets"),
            (["--network-alias", "x"], "supported only for containers in user defined networks"),
            (["--network", "blue", "--network", "host"], "cannot attach both"),
            (["--network", "nosuch"], "network nosuch not found"),
        ] {
            let out = try apus.apus(["run", "--rm"] + flags + ["busybox", "true"])
            #expect(out.code == 125 && out.err.contains(words), "\(flags): \(out)")
        }
    }

    @Test func ipv6ReachesWhatIsPublished() throws {
        try apus.must("network", "create", "--ipv6", "--subnet", "fd00:9::/64", "six")
        _ = try apus.shell("ip -6 addr add 2001:db8::1/64 dev wire0 nodad")
        try apus.must("import", Host.fixture("busybox.tar"), "busybox")
        try apus.must(
            "run", "-d", "--name", "web", "--network", "six", "--ip6", "fd00:9::99", "-p", "8080:80",
            "busybox",
            "httpd", "-f", "-p", "[::]:80", "-h", "/etc")
        #expect(
            try apus.must(
                "inspect", "-f", "{{.NetworkSettings.Networks.six.GlobalIPv6Address}}", "web") == "fd00:9::99"
        )
        try expectSoon {
            try apus.shell("curl --silent --max-time 3 http://[2001:db8::1]:8080/shells").text == "/bin/sh"
        }
        #expect(try apus.must("ps", "--format", "{{.Ports}}") == "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp")
    }

    @Test func aFlushedTableIsRepairedByTheNextCommand() throws {
        try serve("web", "-p", "8080:80")
        #expect(try apus.shell("command -v nft >/dev/null && nft flush ruleset; echo $?").text == "0")
        try apus.must("ps")
        #expect(
            try apus.neighbour("curl --silent --max-time 3 http://192.0.2.1:8080/shells").text == "/bin/sh")
        let inside = try address(of: "web", in: "bridge")
        _ = try apus.neighbour("ip route add \(inside)/32 via 192.0.2.1")
        #expect(try apus.neighbour("curl --silent --max-time 2 http://\(inside)/shells").text.isEmpty)
    }

    @Test func aContainerSharesTheNetworkOfAnother() throws {
        try apus.must("network", "create", "--subnet", "10.9.0.0/24", "blue")
        try serve("web", "--network", "blue", "--ip", "10.9.0.5", "--hostname", "webhost")
        let shown = try apus.must(
            "run", "--rm", "--network", "container:web", "busybox", "sh", "-c",
            "hostname; ip -o -4 addr show eth0 | grep -c 10.9.0.5; grep -c 10.9.0.5 /etc/hosts; cat /etc/hostname"
        )
        #expect(shown == "webhost\n1\n1\nwebhost")
        try apus.must("run", "-d", "--name", "side", "--network", "container:web", "busybox", "sleep", "1000")
        try expectSoon { try ask("127.0.0.1", from: "side") }
        for (flags, words) in [
            (["-p", "80:80"], "conflicting options: port publishing and the container type network mode"),
            (["--dns", "1.1.1.1"], "conflicting options: dns and the network mode"),
            (
                ["--add-host", "a:1.1.1.1"],
                "conflicting options: custom host-to-IP mapping and the network mode"
            ),
            (["--hostname", "x"], "conflicting options: hostname and the network mode"),
            (["--ip", "10.9.0.6"], "supported on user defined networks only"),
        ] {
            let out = try apus.apus(
                ["run", "--rm", "--network", "container:web"] + flags + ["busybox", "true"])
            #expect(out.code == 125 && out.err.contains(words), "\(flags): \(out)")
        }
        let connect = try apus("network", "connect", "blue", "side")
        #expect(connect.err.contains("container sharing network namespace"), "\(connect)")
        try apus.must("rm", "-f", "side")
        try apus.must("create", "--name", "late", "--network", "container:web", "busybox", "true")
        try apus.must("stop", "-t", "0", "web")
        let late = try apus("start", "late")
        #expect(
            late.code == 1 && late.err.contains("cannot join network of a non running container"), "\(late)")
        let none = try apus("run", "--rm", "--network", "container:nosuch", "busybox", "true")
        #expect(none.code == 125 && none.err.contains("No such container: nosuch"), "\(none)")
    }

    @Test func theHostsNetworkHasTheHostsNames() throws {
        let shown = try apus.must(
            "run", "--rm", "--network", "host", "busybox", "sh", "-c", "hostname; cat /etc/hosts")
        let name = try apus.shell("hostname").text
        #expect(shown.hasPrefix(name + "\n"))
        #expect(shown.hasSuffix(trimmed(readFile("/etc/hosts") ?? "")))
    }

    @Test func anotherTablesDropIsWarnedOf() throws {
        #expect(
            try apus.shell(
                "nft 'add table ip wall; add chain ip wall front { type filter hook forward priority 0; policy drop; }'; echo $?"
            ).text == "0")
        let out = try apus("run", "--rm", "-p", "8080:80", "busybox", "true")
        #expect(out.code == 0 && out.err.contains("WARNING: published ports may not be reached"), "\(out)")
        #expect(try apus("run", "--rm", "busybox", "true").err.isEmpty)
    }

    @Test func aPublishedPortMovesWithoutARefusedConnection() throws {
        try apus.must("network", "create", "app")
        try serve("blue", "--network", "app", "-p", "8080:80")
        let script = "mkdir /www; echo green > /www/shells; exec httpd -f -p 80 -h /www"
        let green = try apus(
            "run", "-d", "--name", "green", "--network", "app", "busybox", "sh", "-c", script)
        #expect(green.code == 0, "\(green)")
        func fetch() throws -> String {
            try apus.shell("curl --silent --max-time 3 --fail http://127.0.0.1:8080/shells").text
        }
        try expectSoon { try fetch() == "/bin/sh" }
        let loop = """
            (while [ ! -e \(apus.directory)/over ]; do
                curl --silent --max-time 3 --output /dev/null http://127.0.0.1:8080/ || echo $? >> \(apus.directory)/refused
            done; echo done > \(apus.directory)/done) </dev/null >/dev/null 2>&1 &
            """
        _ = try apus.shell(loop)
        #expect(try apus.must("update", "--publish-from", "blue", "green") == "green")
        #expect(try fetch() == "green")
        try apus.must("rm", "-f", "blue")
        #expect(try fetch() == "green")
        writeFileOrRecord("\(apus.directory)/over")
        try expectSoon { readFile("\(apus.directory)/done") != nil }
        #expect(readFile("\(apus.directory)/refused") == nil)
        #expect(try apus.must("port", "green") == "80/tcp -> 0.0.0.0:8080")
        let taken = try apus("run", "--rm", "-p", "8080:80", "busybox", "true")
        #expect(taken.code == 125 && taken.err.contains("port is already allocated"), "\(taken)")
        try apus.must("restart", "-t", "0", "green")
        try expectSoon { try fetch() == "green" }
        let none = try apus("update", "--publish-from", "green", "nosuch")
        #expect(none.err == "apus: No such container: nosuch\n", "\(none)")
    }

    private func writeFileOrRecord(_ path: String) {
        do { try writeFile(path, "") } catch { Issue.record("\(error)") }
    }

    @Test func eventsTellOfNetworks() throws {
        try apus.must("network", "create", "blue")
        try apus.must("run", "--rm", "--network", "blue", "busybox", "true")
        try apus.must("network", "rm", "blue")
        let told = try apus.must(
            "events", "--since", "1h", "--until", "0s", "--filter", "type=network", "--format",
            "{{.Action}} {{.Actor.Attributes.name}}")
        #expect(told == "create blue\nconnect blue\ndisconnect blue\ndestroy blue")
    }
}
