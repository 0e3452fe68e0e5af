import Linux
import OCI
import Runtime
import Testing

@testable import Engine

// Not the one of the runtime-spec.
private typealias ContainerState = Engine.ContainerState

/// What `port` and `top` make of what is known.
@Suite struct FactsViewTests {
    private func running(_ ports: JSON) -> ContainerState {
        var state = ContainerState(phase: .running(pid: 5, startTime: 1, bootID: "b"))
        state.network.endpoints = [EndpointFacts()]
        state.network.endpoints[0].ports = ports
        return state
    }

    @Test func portsAreInTheOrderOfTheirNumbers() throws {
        func binding(_ address: String, _ port: String) -> JSON {
            .fields(["HostIp": .string(address), "HostPort": .string(port)])
        }
        let state = running(
            .object([
                .init("443/tcp", .array([binding("0.0.0.0", "8443")])), .init("9/udp", .null),
                .init("80/tcp", .array([binding("::", "8080"), binding("0.0.0.0", "8080")])),
            ]))
        #expect(
            PublishedPorts.lines(of: state) == [
                "80/tcp -> 0.0.0.0:8080", "80/tcp -> [::]:8080", "443/tcp -> 0.0.0.0:8443",
            ])
        #expect(
            try PublishedPorts.lines(of: state, port: "80/", named: "x") == ["0.0.0.0:8080", "[::]:8080"])
        #expect(throws: UsageError("Error: No public port '9/udp' published for x")) {
            try PublishedPorts.lines(of: state, port: "9/udp", named: "x")
        }
        #expect(PublishedPorts.lines(of: ContainerState()).isEmpty)
        #expect(PublishedPorts.naturalOrder("a9", "a10") && !PublishedPorts.naturalOrder("a10", "a9"))
        #expect(PublishedPorts.naturalOrder("a", "a1") && !PublishedPorts.naturalOrder("a", "a"))
    }

    private let now = Timestamp(seconds: 1_795_208_799)

    private func entry(_ stat: String, _ command: String = "sh\0-c\0x y\0") throws -> ProcessTable.Entry {
        try #require(
            ProcessTable.Entry(pid: 7, uid: 33, stat: Array(stat.utf8), cmdline: Array(command.utf8)))
    }

    @Test func rowsAreThoseOfPs() throws {
        let users = UserDatabase(passwd: Array("a-long-name:x:33:33::/:\n".utf8), group: [])
        let table = ProcessTable(users: users, now: now, uptime: 1000)
        let stat = "7 (a) b (c) S 5 7 7 34818 7 0 0 0 0 0 6100 200 0 0 20 0 1 0 90000 0 0\n"
        let row = table.row(try entry(stat))
        #expect(row.count == ProcessTable.titles.count)
        #expect(
            row[...3] == ["a-long-+", "7", "5", "63"] && row[5...] == ["pts/2", "00:01:03", "sh -c x y"])
        let zombie = table.row(try entry(stat.replacing(" S ", with: " Z "), ""))
        #expect(zombie.last == "[a) b (c] <defunct>")
        #expect(table.row(try entry(stat, "a\nb\u{1b}\0")).last == "a?b?")
    }

    @Test func brokenTextsAreNoProcess() {
        for stat in [
            "", "7", "7 (x", "7 )x( S 1", "7 (x) S 5 7", "7 (x) S y 7 7 0 7 0 0 0 0 0 1 1 0 0 20 0 1 0 9",
        ] {
            #expect(ProcessTable.Entry(pid: 7, uid: 0, stat: Array(stat.utf8), cmdline: []) == nil, "\(stat)")
        }
    }

    @Test func onlyRowsOfTheContainerAreKept() throws {
        let text = "USER   PID CMD\nroot     1 init x\nroot    17 sh -c  a\nbad\n"
        let (titles, rows) = try HostPS.table(of: [17], in: text)
        #expect(titles == ["USER", "PID", "CMD"] && rows == [["root", "17", "sh -c a"]])
        #expect(throws: RuntimeError.self) { try HostPS.table(of: [17], in: "USER CMD\n") }
        #expect(throws: RuntimeError.self) { try HostPS.table(of: [17], in: "") }
    }
}
