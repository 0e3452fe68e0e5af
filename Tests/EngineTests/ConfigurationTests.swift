import Linux
import Network
import OCI
import Testing

@testable import Engine

@Suite struct ConfigurationTests {
    private func read(_ text: String) throws(UsageError) -> Configuration {
        try Configuration(Array(text.utf8))
    }

    @Test func nothingIsChosenByNothing() throws {
        #expect(try read("{}") == Configuration())
        #expect(Configuration().addresses == AddressPlan())
    }

    @Test func addressesAreRead() throws {
        let plan = try read(
            """
            {"ip": "127.0.0.1", "bip": "192.168.5.7/24", "ipv6": true, "fixed-cidr-v6": "fd00:9::/64",
             "default-address-pools": [{"base": "10.50.0.0/16", "size": 24}, {"base": "10.60.0.0/24", "size": 24}]}
            """
        ).addresses
        #expect(plan.publishAddress == IPv4("127.0.0.1"))
        #expect(plan.bridgeSubnet == IPv4Subnet("192.168.5.0/24"))
        #expect(plan.bridgeGateway == IPv4("192.168.5.7"))
        #expect(plan.bridgeHasIPv6 && plan.bridgeSubnet6 == IPv6Subnet("fd00:9::/64"))
        #expect(plan.pools.map(\.size) == [24, 24])
        #expect(plan.pools.map(\.base.description) == ["10.50.0.0/16", "10.60.0.0/24"])
        #expect(try read(#"{"ip": "0.0.0.0"}"#).addresses.publishAddress == nil)
    }

    @Test(arguments: [
        (#"{"ip": "localhost"}"#, "ip: \"localhost\" is no IPv4 address"), (#"{"ip": "::1"}"#, "ip: "),
        (#"{"ip": 1}"#, "ip"), (#"{"bip": "192.168.5.0/24"}"#, "bip: "),
        (#"{"bip": "192.168.5.255/24"}"#, "bip: "), (#"{"bip": "192.168.5.1"}"#, "bip: "),
        (#"{"bip": "192.168.5.1/31"}"#, "bip: "), (#"{"bip": "fd00::1/64"}"#, "bip: "),
        (#"{"fixed-cidr-v6": "fd00::/64"}"#, "fixed-cidr-v6 needs \"ipv6\": true"),
        (#"{"ipv6": true, "fixed-cidr-v6": "fd00::/120"}"#, "fixed-cidr-v6: "),
        (#"{"ipv6": "yes"}"#, "ipv6"), (#"{"default-address-pools": {}}"#, "default-address-pools"),
        (#"{"default-address-pools": [{"base": "10.0.0.0/24", "size": 16}]}"#, "default-address-pools: "),
        (#"{"default-address-pools": [{"base": "10.0.0.0/24", "size": 31}]}"#, "default-address-pools: "),
        (#"{"default-address-pools": [{"base": "10.0.0.0/24", "size": -1}]}"#, "default-address-pools: "),
        (#"{"default-address-pools": [{"base": "fd00::/48", "size": 64}]}"#, "default-address-pools: "),
        (#"{"default-address-pools": [{"size": 24}]}"#, "base"), (#"{"ips": "127.0.0.1"}"#, "unknown key"),
        ("[]", "an object is expected"), ("", ""),
    ])
    func whatCannotBeReadIsNamed(_ text: String, _ complaint: String) {
        let error = #expect(throws: UsageError.self) { try read(text) }
        #expect(
            error.map { "\($0)".contains(complaint) } == true || complaint.isEmpty, "\(text): \(error as Any)"
        )
    }
}
