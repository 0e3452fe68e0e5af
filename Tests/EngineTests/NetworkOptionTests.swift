import Linux
import Network
import OCI
import Testing

@testable import Engine

@Suite struct NetworkOptionTests {
    private func host(_ networks: [String], aliases: [String] = [], ip: String? = nil) throws(UsageError)
        -> HostOptions
    {
        var host = HostOptions()
        try host.setNetworks(networks, aliases: aliases, address: ip, address6: nil, mac: nil)
        return host
    }

    @Test func whatIsTypedIsTaken() throws {
        #expect(try host([]).endpoints == [EndpointOptions(network: "bridge")])
        #expect(try host(["default"]).network == .bridge)
        #expect(try host(["host"]).endpoints.isEmpty)
        #expect(try host(["container:web"]).network == .container("web"))
        let two = try host(
            ["name=blue,alias=www,ip=10.0.0.5,mac-address=02:00:00:00:00:01", "green"], aliases: [])
        #expect(two.network == .named("blue") && two.endpoints.map(\.network) == ["blue", "green"])
        #expect(two.endpoints[0].aliases == ["www"] && two.endpoints[0].address == IPv4("10.0.0.5"))
        #expect(two.endpoints[0].mac == [2, 0, 0, 0, 0, 1])
        #expect(try HostOptions(two.json) == two)
        #expect(try host(["blue"], aliases: ["x"], ip: "10.0.0.9").endpoints[0].aliases == ["x"])
    }

    @Test(arguments: [
        (["name=blue,bogus=1"], "invalid field key bogus"), (["name=blue,x"], "invalid field x"),
        (["alias=x"], "network name/id is required"), (["name=blue,ip=x"], "invalid IPv4 address: x"),
        (["name=blue,mac-address=01:00:00:00:00:01"], "01:00:00:00:00:01 is not a valid mac address"),
        (["name=blue,gw-priority=1"], "--network gw-priority is not supported yet"),
        (["blue", "blue"], "network \"blue\" is specified multiple times"),
        (
            ["blue", "none"],
            "conflicting options: cannot attach both user-defined and non-user-defined network-modes"
        ),
        (["name=blue,alias=a b"], "invalid network alias \"a b\": only letters, digits, '.', '-' and '_'"),
    ])
    func whatIsWrongIsRefused(_ typed: [String], _ words: String) {
        #expect(throws: UsageError(words)) { try host(typed) }
    }

    @Test func whatANetworkIsMadeOfFitsTogether() throws {
        func check(_ edit: (inout NetworkOptions) throws(UsageError) -> Void) throws(UsageError) {
            var options = NetworkOptions(name: "blue")
            try edit(&options)
            try options.check()
        }
        try check { options throws(UsageError) in
            try options.add(subnet: "10.0.0.0/24")
            try options.add(gateway: "10.0.0.254")
            try options.add(range: "10.0.0.128/25")
            try options.add(reserved: "router=10.0.0.1")
        }
        #expect(throws: UsageError("no matching subnet for gateway 10.1.0.1")) {
            try check { options throws(UsageError) in
                try options.add(subnet: "10.0.0.0/24")
                try options.add(gateway: "10.1.0.1")
            }
        }
        #expect(throws: UsageError("invalid subnet x: invalid CIDR block notation")) {
            try check { options throws(UsageError) in try options.add(subnet: "x") }
        }
        #expect(throws: UsageError("an IPv6 subnet needs --ipv6")) {
            try check { options throws(UsageError) in try options.add(subnet: "fd00::/64") }
        }
        #expect(throws: UsageError("no matching subnet for range 10.0.0.0/8")) {
            try check { options throws(UsageError) in
                try options.add(subnet: "10.0.0.0/24")
                try options.add(range: "10.0.0.0/8")
            }
        }
    }

    @Test func portsOfARecordAreTypedAgain() {
        let binding = { (address: String) in
            JSON.fields(["HostIp": .string(address), "HostPort": .string("8080")])
        }
        let ports = JSON.object([
            .init("80/tcp", .array([binding("0.0.0.0"), binding("::"), binding("fd00::1")])),
            .init("53/udp", .array([binding("127.0.0.1")])),
        ])
        #expect(
            Containers.texts(ports) == ["8080:80/tcp", "[fd00::1]:8080:80/tcp", "127.0.0.1:8080:53/udp"])
    }

    @Test func filtersOfNetworksHold() throws {
        func names(_ texts: String...) throws -> [String] {
            var filters = NetworkFilters()
            for text in texts { try filters.add(text) }
            return networks.filter { filters.holds($0, used: ["blue"]) }.map(\.name)
        }
        #expect(try names("type=custom") == ["blue", "green"])
        #expect(try names("type=builtin") == ["host"])
        #expect(try names("driver=host") == ["host"])
        #expect(try names("label=a=b") == ["blue"])
        #expect(try names("dangling=true") == ["green"])
        #expect(try names("name=ee", "name=blu") == ["blue", "green"])
        #expect(throws: UsageError("invalid filter 'bogus'")) { try names("bogus=1") }
        #expect(throws: UsageError("invalid filter: 'type'='x'")) { try names("type=x") }
    }

    private var networks: [NetworkRecord] {
        let all = [("blue", "1", NetworkRecord.Driver.bridge), ("green", "2", .bridge), ("host", "3", .host)]
        return all.map { name, digit, driver in
            var record = NetworkRecord(
                id: String(repeating: digit, count: 64), name: name, created: .zero, driver: driver)
            if name == "blue" { record.labels = ["a": "b"] }
            return record
        }
    }
}
