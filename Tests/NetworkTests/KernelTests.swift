import Linux
import SystemPackage
import Testing

/// Each scenario runs in a helper program that makes network namespaces of its own: nothing of the machine's
/// network is touched.
@Suite(.serialized, .enabled(if: Process.effectiveUser == 0, "making network namespaces needs root"))
struct KernelTests {
    private let allocated = "port is already allocated"
    private let bindFailed = "driver failed programming external connectivity on endpoint: Bind for"

    @Test func whatIsPublishedIsReachedAndNothingElse() throws {
        expect(
            try runProbe("reach"),
            [
                "host 127.0.0.1:8080 web", "host gateway:8080 web", "host 192.0.2.1:8080 web",
                "host 127.0.0.1:8081 web", "host container:80 web",
                "neighbour 192.0.2.1:8080 web", "neighbour 192.0.2.1:8081 closed",
                "neighbour gateway:8080 closed", "neighbour 127.0.0.1:8080 closed",
                "neighbour 127.0.0.1:8081 closed", "neighbour 127.0.0.1:2375 closed",
                "neighbour container:80 closed", "neighbour container:9999 closed",
                "container container:9999 hidden", "container 192.0.2.1:8080 web",
                "container gateway:8080 web", "container 192.0.2.1:8081 closed",
                "container outside:7000 outside", "forger 127.0.0.1:2375 closed", "itself 192.0.2.1:8080 web",
                // The neighbour's probes are real: without our table they get through.
                "unguarded 127.0.0.1:2375 daemon", "unguarded container:9999 hidden",
            ])
    }

    @Test func releasingLeavesTheHostAsItWas() throws {
        let lines = try runProbe("lifecycle")
        #expect(lines.contains { $0.hasPrefix("attached: 1 leases, 3 elements, 1 links 10.") })
        #expect(lines.contains { $0.hasPrefix("attached:") && $0.hasSuffix(" first") })
        #expect(lines.contains("sysctls: 0-2147483647 0 1 0"))
        #expect(lines.contains("after the conflicts: 1 leases, 3 elements, 1 links"))
        #expect(lines.contains("released: 0 leases, 0 elements, 0 links"))
        #expect(lines.contains("removed: no link"))
        #expect(lines.contains { $0.hasPrefix("made again: 10.") })
    }

    @Test func aTakenPortIsDockersError() throws {
        let lines = try runProbe("lifecycle")
        #expect(lines.contains("conflict: \(bindFailed) 0.0.0.0:8080 failed: \(allocated)"))
        #expect(
            lines.contains("conflict with one address: \(bindFailed) 127.0.0.1:8080 failed: \(allocated)"))
        #expect(
            lines.contains {
                $0.hasPrefix(
                    "without IPv6: cannot publish [2001:db8::1]:8082->80/tcp: network bridge has no IPv6")
            })
        #expect(lines.contains("conflict of datagrams: \(bindFailed) 0.0.0.0:9000 failed: \(allocated)"))
        // 8080 is another container's, and 8081 is on one of its addresses.
        #expect(lines.contains("range: [8082]"))
    }

    @Test func theRecordHasDockersMembers() throws {
        let ports =
            #"{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"},{"HostIp":"127.0.0.1","HostPort":"8081"}],"#
            + #""9000/udp":[{"HostIp":"0.0.0.0","HostPort":"9000"}]}"#
        #expect(try runProbe("lifecycle").contains("record: \(ports)"))
    }

    @Test func aPublishedPortIsTakenOnTheHost() throws {
        expect(
            try runProbe("ports"),
            [
                "taken by the host: \(bindFailed) 0.0.0.0:8080 failed: \(allocated)",
                "after it ended: 8080", "chosen by the kernel: yes",
                "for others: bind server: Address already in use",
                "the chosen one for others: bind server: Address already in use",
                "without a server: closed",
            ])
    }

    @Test func anotherMonitorTakesOver() throws {
        expect(
            try runProbe("adopt"),
            [
                "adopted: same record 1 leases, 1 elements, 1 links", "reached: web",
                "held: \(bindFailed) 0.0.0.0:8080 failed: \(allocated)", "without the table: closed",
                "damaged: the record of a container's network is damaged: endpoint is missing",
            ])
    }

    @Test func anAddressRestsUntilItsLinkIsGone() throws {
        let lines = try runProbe("leases")
        #expect(lines.first == "first and last: 10.99.0.2 10.99.0.14")
        #expect(lines.dropFirst().first?.hasSuffix("(every address is leased; remove containers)") == true)
        #expect(lines.contains("freed one: 10.99.0.6"))
        #expect(lines.last == "swept: 10.99.0.2 true")
    }

    @Test func aSweepFreesWhatDeadContainersLeft() throws {
        let lines = try runProbe("sweep")
        // The dead one's link goes with its network namespace, whenever the kernel gets to that.
        #expect(lines.first?.hasPrefix("before: 2 leases, 2 elements, ") == true, "\(lines)")
        #expect(
            lines.dropFirst() == [
                "after: 1 leases, 1 elements, 1 links web", "again: 1 leases, 1 elements, 1 links",
            ])
    }

    @Test func networksDoNotReachEachOther() throws {
        expect(
            try runProbe("siblings"),
            [
                "same network one", "other network closed", "other network's published port web",
                "internal network closed", "outside outside", "internal to itself hidden",
                "internal to another closed", "internal to another by a route closed",
                "internal to outside closed", "internal to a published port closed",
                "host to internal hidden",
                "in use: error while removing network: network blue has active endpoints",
                "after a removal web",
            ])
    }

    @Test func whatIsPublishedIsReachedByIPv6AndNothingElse() throws {
        expect(
            try runProbe("reach6"),
            [
                "address fd00:1::2", "host [::1]:8080 closed", "host [fd00:1::1]:8080 web",
                "host [2001:db8::1]:8080 web", "host 127.0.0.1:8080 web",
                "host container:80 web", "neighbour [2001:db8::1]:8080 web",
                "neighbour [2001:db8::1]:8082 web",
                "neighbour 192.0.2.1:8080 web", "neighbour gateway:8080 closed",
                "neighbour [::1]:8080 closed", "neighbour [::1]:2375 closed",
                "neighbour container:80 closed", "neighbour container:9999 closed",
                "host [::1]:2375 daemon", "container container:9999 hidden",
                "container [2001:db8::1]:8080 web",
                "container outside:7000 outside", "sibling container:80 closed",
                "itself [2001:db8::1]:8080 web", "unguarded container:9999 hidden",
            ])
    }

    @Test func aFlushedTableIsNoticedAndMadeAgain() throws {
        let lines = try runProbe("repair")
        #expect(lines.prefix(2) == ["before any network: false", "whole: false"])
        for name in ["flush table", "delete table", "flush ruleset"] {
            #expect(lines.contains("\(name): hidden"))  // the danger is real
        }
        #expect(lines.count { $0 == "repaired: true" } == 3)
        #expect(lines.count { $0 == "then: closed web late" } == 3)
        #expect(lines.last == "a start: closed late")
    }

    @Test func noNetworkIsALoopback() throws {
        expect(
            try runProbe("loopback"), ["own: own", "sysctls: 0-2147483647 0 - -"])
    }

    @Test func anotherTablesDropIsNamed() throws {
        expect(
            try runProbe("foreign"), ["alone: nothing", "with a wall: table inet wall, chain FORWARD"])
    }
}

/// Compares what was printed, and shows it where it differs.
private func expect(_ lines: [String], _ expected: [String], at place: SourceLocation = #_sourceLocation) {
    #expect(lines == expected, sourceLocation: place)
}

/// Runs the helper beside this test bundle with a directory of its own; answers the lines it printed.
private func runProbe(_ scenario: String) throws -> [String] {
    let own = try FD.open("/proc/self", [.readOnly, .directory]).readSymlink("exe").removingLastComponent()
    let program = own.appending("network-probe")
    let parent = try FD.open("/tmp", [.readOnly, .directory])
    let name = FilePath("apus-test-\(SHA256.hex(of: Kernel.random(16)).prefix(16))")
    try parent.makeDirectory(name)
    defer { _ = try? parent.removeTree(name) }  // what is left of it harms nobody
    let output = try parent.open(name.appending("output"), [.readWrite, .create], mode: 0o600)
    let directory = FilePath("/tmp").appending(name.components)
    let pid = try Process.spawn(
        path: program, arguments: [program.string, scenario, directory.string], environment: [],
        stdio: [-1, output.raw, -1])
    let status = try Process.wait(pid: pid)
    #expect(status.code == 0)
    let text = try parent.contents(of: name.appending("output")) ?? []
    return String(decoding: text, as: UTF8.self).split(separator: "\n").map(String.init)
}
