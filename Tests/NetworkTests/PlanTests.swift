import OCI
import SystemPackage
import Testing

@testable import Linux
@testable import Network

@Suite struct Addresses {
    @Test(arguments: ["0.0.0.0", "127.0.0.1", "255.255.255.255"])
    func ipv4ReadsAndPrints(_ text: String) { #expect(IPv4(text)?.description == text) }

    @Test(arguments: ["", "1.2.3", "1.2.3.4.5", "256.0.0.1", "1.2.3.04", "1.2.3.+4", "1..2.3", " 1.2.3.4"])
    func otherTextIsNoIPv4(_ text: String) { #expect(IPv4(text) == nil) }

    @Test(arguments: [
        ("::", "::"), ("::1", "::1"), ("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("1::", "1::"),
        ("1:0:3:4:5:6:7:8", "1:0:3:4:5:6:7:8"), ("::ffff:1.2.3.4", "::ffff:102:304"),
    ])
    func ipv6ReadsAndPrints(_ text: String, _ printed: String) {
        #expect(HostAddress(text)?.description == printed)
    }

    @Test(arguments: [
        ":", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "g::", "::1.2.3",
    ])
    func otherTextIsNoIPv6(_ text: String) { #expect(HostAddress(text) == nil) }

    @Test func subnetsKnowWhatTheyHold() throws {
        let subnet = try #require(IPv4Subnet("172.30.5.6/16"))
        #expect(subnet.description == "172.30.0.0/16")
        #expect(try subnet.overlaps(#require(IPv4Subnet("172.30.9.0/24"))))
        #expect(try subnet.overlaps(#require(IPv4Subnet("0.0.0.0/0"))))
        #expect(try !subnet.overlaps(#require(IPv4Subnet("172.31.0.0/16"))))
        #expect(IPv4Subnet("1.2.3.4/33") == nil)
    }
}

@Suite struct Choices {
    @Test func aSubnetInUseIsPassedOver() throws {
        let used = try [#require(IPv4Subnet("172.30.4.0/24")), #require(IPv4Subnet("172.16.0.0/12"))]
        let chosen = BridgeNetwork.firstFree(BridgeNetwork.subnetCandidates(suffix: nil), used: used)
        #expect(chosen?.description == "10.200.0.0/16")
    }

    @Test func enginesBeginAtDifferentSubnets() {
        let first = ["00000001", "0badcafe"].map { BridgeNetwork.subnetCandidates(suffix: $0)[0].description }
        #expect(first == ["10.64.16.0/20", "10.111.224.0/20"])
        #expect(Set(BridgeNetwork.subnetCandidates(suffix: "ffffffff")).count == 1024)
    }

    @Test func poolsAreCutIntoSubnets() throws {
        func pool(_ text: String, _ size: UInt8) throws -> AddressPlan.Pool? {
            AddressPlan.Pool(base: try #require(IPv4Subnet(text)), size: size)
        }
        var plan = AddressPlan()
        plan.pools = [
            try #require(try pool("10.50.0.0/23", 24)), try #require(try pool("10.60.0.0/16", 17)),
        ]
        #expect(
            plan.subnets.map(\.description) == [
                "10.50.0.0/24", "10.50.1.0/24", "10.60.0.0/17", "10.60.128.0/17",
            ])
        plan.pools = [try #require(try pool("0.0.0.0/0", 30))]
        #expect(BridgeNetwork.firstFree(plan.subnets, used: [])?.description == "0.0.0.0/30")
        #expect(try pool("10.0.0.0/24", 23) == nil)
    }

    @Test func addressesGoRoundAndSkipTheGateway() throws {
        let network = try small()
        #expect(Array(network.candidates(after: nil)).map(\.description).first == "10.0.0.2")
        let all = Array(network.candidates(after: IPv4("10.0.0.13")))
        #expect(all.map(\.description).prefix(3) == ["10.0.0.14", "10.0.0.2", "10.0.0.3"])
        #expect(all.count == 13)
    }

    @Test func aRecordReadsBackAndABadOneIsRefused() throws {
        let network = try small()
        #expect(try BridgeNetwork(network.json) == network)
        #expect(throws: JSONError.self) { try BridgeNetwork(.object([])) }
        let bad = JSON.fields([
            "name": .string("n"), "link": .string("a/b"), "table": .string("t"),
            "subnet": .string("10.0.0.0/16"), "leases": .string("/x"),
        ])
        #expect(throws: JSONError.self) { try BridgeNetwork(bad) }
    }

    private func small() throws -> BridgeNetwork {
        BridgeNetwork(
            name: "n", link: "l", table: "t", subnet: try #require(IPv4Subnet("10.0.0.0/28")), leases: "/x")
    }
}

@Suite struct Messages {
    @Test func anElementIsPaddedToWords() throws {
        let address = try #require(IPv4("10.0.0.2"))
        let element = try #require(PortMapping.parse("127.0.0.1:8080:80")[0].elements(to: address, nil).first)
        #expect(element.key.bytes == [6, 0, 0, 0, 127, 0, 0, 1, 0x1f, 0x90, 0, 0])
        #expect(element.target == [10, 0, 0, 2, 0, 80, 0, 0])
        #expect(try PortMapping.parse("[::1]:8080:80")[0].elements(to: address, nil).isEmpty)
    }

    @Test func attributesAreAlignedAndReadBack() {
        var message = NetlinkMessage(type: 16, flags: .request, fixed: [1, 2, 3, 4], subject: "test")
        message.add(3, "ab")
        message.nest(18) { $0.add(1, [9]) }
        let bytes = message.sealed(sequence: 7)
        #expect(bytes.count == 40)
        #expect(number32(bytes[0...]) == 40 && number32(bytes[8...]) == 7)
        let read = NetlinkReply(type: 16, body: Array(bytes[16...])).attributes(after: 4)
        #expect(read.map(\.type) == [3, 18])
        #expect(Array(read[0].payload) == [97, 98, 0])
        #expect(netlinkAttributes(read[1].payload).map { Array($0.payload) } == [[9]])
    }

    @Test(arguments: [[8, 0, 1], [3, 0, 1, 0], [9, 0, 1, 0, 5, 5, 5, 5], [0, 0, 0, 0]] as [[UInt8]])
    func whatIsCutShortIsLeftOut(_ bytes: [UInt8]) { #expect(netlinkAttributes(bytes[...]).isEmpty) }
}
