import Testing

@testable import Engine

@Suite struct ResolvConfTests {
    private func options(_ networks: [String] = [], dns: [String] = []) throws -> HostOptions {
        var options = HostOptions()
        try options.setNetworks(networks, aliases: [], address: nil, address6: nil, mac: nil)
        options.dns = dns
        return options
    }

    @Test func aContainerHasTheServersThatItCanReach() throws {
        let mixed = ResolvConf(
            host: "# x\nnameserver 127.0.0.1\nnameserver 192.0.2.1\nsearch a b\noptions edns0 trust-ad\n")
        #expect(
            try mixed.text(options()) == "search a b\nnameserver 192.0.2.1\noptions edns0 trust-ad\n")
        #expect(try !mixed.needsHost(options()))
        #expect(
            try mixed.text(options(["host"]))
                == "search a b\nnameserver 127.0.0.1\nnameserver 192.0.2.1\noptions edns0 trust-ad\n")
        #expect(
            try mixed.text(options(["blue"]))
                == "search a b\nnameserver 127.0.0.11\noptions edns0 trust-ad ndots:0\n")
    }

    @Test(arguments: ["127.0.0.1", "127.0.0.53", "::1"])
    func whereOnlyTheHostReachesThemTheNameServiceAsks(_ server: String) throws {
        let local = ResolvConf(host: "nameserver \(server)\noptions ndots:2\n")
        #expect(try local.needsHost(options()))
        #expect(try local.text(options()) == "nameserver 127.0.0.11\noptions ndots:2\n")
        #expect(try local.text(options(dns: ["192.0.2.9"])) == "nameserver 192.0.2.9\noptions ndots:2\n")
        #expect(try !local.needsHost(options(dns: ["192.0.2.9"])))
        #expect(try local.text(options(["none"])) == "options ndots:2\n")
        for network in ["none", "host", "container:x"] { #expect(try !local.needsHost(options([network]))) }
    }

    @Test func aHostWithoutServersHasNone() throws {
        #expect(try ResolvConf(host: "").text(options()) == "")
        #expect(try !ResolvConf(host: "nameserver\nnameserver x\n").needsHost(options()))
    }
}
