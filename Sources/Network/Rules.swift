import Linux

/// The nftables table of a bridge as messages. Made once; a container only adds and removes elements of the
/// two maps. Whatever leads to the bridge and was not asked for is dropped, whoever routes it here.
struct Rules {
    let network: BridgeNetwork

    /// Names of the two maps: a port on one address of the host, and a port on all of them.
    static let addressed = "addressed4"
    static let everywhere = "everywhere4"

    /// The whole table, for one batch.
    func table() -> [NetlinkMessage] {
        let pair: (type: UInt32, length: UInt32) = (0x1cd, 8)  // address . port
        let maps = [
            Nftables.makeMap(
                Rules.addressed, in: network.table, key: (0xc1cd, 12), value: pair, id: 1),
            Nftables.makeMap(Rules.everywhere, in: network.table, key: (0x30d, 8), value: pair, id: 2),
        ]
        return [Nftables.makeTable(network.table)] + maps + raw() + translation() + masquerade() + forward()
    }

    /// Before everything else: nothing from another link goes to a container's own address, and nothing from
    /// any link to the host's loopback (CVE-2020-8558), for our bridge routes 127/8 so that a port published
    /// there can be reached from the host.
    private func raw() -> [NetlinkMessage] {
        let rules: [[NftExpression]] = [
            input("lo") + [.verdict(accept: true)],
            destination(loopback) + [.verdict(accept: false)],
            source(loopback) + [.verdict(accept: false)],
            input(network.link) + [.verdict(accept: true)],
            destination(network.subnet) + [.verdict(accept: false)],
        ]
        return chain("raw", "filter", .prerouting, -300, rules)
    }

    /// What is for a published port goes to its container, for packets of others and of the host itself.
    private func translation() -> [NetlinkMessage] {
        let local: [NftExpression] = [.destinationKind(into: 1), .compare(1, equal: true, [2, 0, 0, 0])]
        let transport: [NftExpression] = [.meta(.transport, into: 1)]
        let toContainer: NftExpression = .destinationNAT(address: 1, port: 9)
        let rules: [[NftExpression]] = [
            isIPv4 + transport + [
                .payload(.network, offset: 16, length: 4, into: 9),
                .payload(.transport, offset: 2, length: 2, into: 10),
                .lookup(map: Rules.addressed, id: 1, register: 1), toContainer,
            ],
            isIPv4 + local + transport + [
                .payload(.transport, offset: 2, length: 2, into: 9),
                .lookup(map: Rules.everywhere, id: 2, register: 1), toContainer,
            ],
        ]
        return chain("prerouting", "nat", .prerouting, -100, rules)
            + chain("output", "nat", .output, -100, rules)
    }

    /// Containers leave with the host's address. Back to the bridge they do when they asked for a published
    /// port, and so does the host when it asked at its loopback address: else the answer would not come back
    /// this way.
    private func masquerade() -> [NetlinkMessage] {
        let rules: [[NftExpression]] = [
            source(network.subnet) + output(network.link, equal: false) + [.masquerade],
            source(network.subnet) + output(network.link) + isTranslated + [.masquerade],
            source(loopback) + output(network.link) + [.masquerade],
        ]
        return chain("postrouting", "nat", .postrouting, 100, rules)
    }

    private func forward() -> [NetlinkMessage] {
        let known: [NftExpression] = [
            .connection(.state, into: 1), .mask(word(0x2 | 0x4), register: 1),  // established, related
            .compare(1, equal: false, word(0)),
        ]
        let rules: [[NftExpression]] = [
            output(network.link) + known + [.verdict(accept: true)],
            output(network.link) + isTranslated + [.verdict(accept: true)],
            input(network.link) + [.verdict(accept: true)],
            output(network.link) + [.verdict(accept: false)],
        ]
        return chain("forward", "filter", .forward, 0, rules)
    }

    private func chain(
        _ name: String, _ type: String, _ hook: Nftables.Hook, _ priority: Int32, _ rules: [[NftExpression]]
    ) -> [NetlinkMessage] {
        [Nftables.makeChain(name, in: network.table, type: type, hook: hook, priority: priority)]
            + rules.map { Nftables.addRule($0, to: name, in: network.table) }
    }
}

private let loopback = IPv4Subnet(base: IPv4(0x7f00_0000), length: 8)

/// NFPROTO_IPV4.
private let isIPv4: [NftExpression] = [.meta(.networkFamily, into: 1), .compare(1, equal: true, [2])]
/// IPS_DST_NAT: the connection goes to a published port.
private let isTranslated: [NftExpression] = [
    .connection(.status, into: 1), .mask(word(0x20), register: 1), .compare(1, equal: false, word(0)),
]

private func input(_ link: String) -> [NftExpression] {
    [.meta(.inputName, into: 1), .compare(1, equal: true, padded(link))]
}

private func output(_ link: String, equal: Bool = true) -> [NftExpression] {
    [.meta(.outputName, into: 1), .compare(1, equal: equal, padded(link))]
}

private func source(_ subnet: IPv4Subnet) -> [NftExpression] { address(at: 12, in: subnet) }
private func destination(_ subnet: IPv4Subnet) -> [NftExpression] { address(at: 16, in: subnet) }

private func address(at offset: UInt32, in subnet: IPv4Subnet) -> [NftExpression] {
    isIPv4 + [
        .payload(.network, offset: offset, length: 4, into: 1), .mask(subnet.mask.bytes, register: 1),
        .compare(1, equal: true, subnet.base.bytes),
    ]
}

/// A link's name fills a whole register of 16 bytes.
private func padded(_ link: String) -> [UInt8] {
    let bytes = Array(link.utf8.prefix(15))
    return bytes + Array(repeating: 0, count: 16 - bytes.count)
}

/// A number in the machine's order.
private func word(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number) { Array($0) } }

/// A published port as an element: which map, its key. Every part is padded to 4 bytes.
struct PortKey: Equatable, Hashable {
    let map: String
    let bytes: [UInt8]

    /// Nil for a port on an IPv6 address, which is only held.
    init?(_ mapping: PortMapping) {
        let proto: [UInt8] = [mapping.proto.number, 0, 0, 0]
        switch mapping.hostAddress {
        case .none:
            map = Rules.everywhere
            bytes = proto + portBytes(mapping.hostPort)
        case .v4(let address):
            map = Rules.addressed
            bytes = proto + address.bytes + portBytes(mapping.hostPort)
        case .v6: return nil
        }
    }

    func add(to address: IPv4, port: UInt16, in table: String) -> NetlinkMessage {
        Nftables.addElement(bytes, address.bytes + portBytes(port), to: map, in: table)
    }

    func remove(from table: String) -> NetlinkMessage {
        Nftables.removeElement(bytes, from: map, in: table)
    }
}

/// A port in network order, padded.
private func portBytes(_ port: UInt16) -> [UInt8] { [UInt8(port >> 8), UInt8(port & 0xff), 0, 0] }
