import Linux

/// The nftables table of an engine as messages. It is made once, whatever networks and containers there are: those are
/// elements of its sets and maps. Whatever leads to a bridge of ours and was not asked for is dropped, whoever routes
/// it here.
struct Rules {
    let table: String

    /// One set or map of the table; the id names it within the batch that makes it.
    struct Container: Equatable, Sendable {
        let name: String
        let id: UInt32
        let key: (type: UInt32, length: UInt32)
        var value: (type: UInt32, length: UInt32)?
        var isInterval = false

        static func == (a: Container, b: Container) -> Bool { a.id == b.id }
    }

    // The type numbers are those of `nft`: 7 ipv4_addr, 8 ipv6_addr, 12 inet_proto, 13 inet_service, 41 ifname.

    /// A published port on one address of the host, and one on all of them, to the container's address and port.
    static let addressed4 = Container(name: "addressed4", id: 1, key: (0xc1cd, 12), value: (0x1cd, 8))
    static let everywhere4 = Container(name: "everywhere4", id: 2, key: (0x30d, 8), value: (0x1cd, 8))
    static let addressed6 = Container(name: "addressed6", id: 3, key: (0xc20d, 24), value: (0x20d, 20))
    static let everywhere6 = Container(name: "everywhere6", id: 4, key: (0x30d, 8), value: (0x20d, 20))
    /// Our bridges; each with itself; those that nothing goes in or out of.
    static let bridges = Container(name: "bridges", id: 5, key: (41, 16))
    static let pairs = Container(name: "pairs", id: 6, key: (0xa69, 32))
    static let enclosed = Container(name: "internal", id: 7, key: (41, 16))
    /// The addresses behind them, and those that leave with the host's address.
    static let subnets4 = Container(name: "subnets4", id: 8, key: (7, 4), isInterval: true)
    static let subnets6 = Container(name: "subnets6", id: 9, key: (8, 16), isInterval: true)
    static let leaving4 = Container(name: "leaving4", id: 10, key: (7, 4), isInterval: true)
    static let leaving6 = Container(name: "leaving6", id: 11, key: (8, 16), isInterval: true)

    private static let containers = [
        addressed4, everywhere4, addressed6, everywhere6, bridges, pairs, enclosed, subnets4, subnets6,
        leaving4, leaving6,
    ]

    /// One base chain and its rules.
    struct Chain {
        let name: String
        let type: String
        let hook: Nftables.Hook
        let priority: Int32
        let rules: [[NftExpression]]
    }

    static let chains = [
        Chain(name: "raw", type: "filter", hook: .prerouting, priority: -300, rules: raw),
        Chain(name: "prerouting", type: "nat", hook: .prerouting, priority: -100, rules: translation),
        Chain(name: "output", type: "nat", hook: .output, priority: -100, rules: translation),
        Chain(name: "postrouting", type: "nat", hook: .postrouting, priority: 100, rules: masquerade),
        Chain(name: "forward", type: "filter", hook: .forward, priority: 0, rules: forward),
    ]

    /// Table, sets, chains and rules, in the place of what there is of that name.
    func messages() -> [NetlinkMessage] {
        // Made before it is removed, so that removing it never fails.
        [Nftables.makeTable(table), Nftables.removeTable(table), Nftables.makeTable(table)]
            + Rules.containers.map {
                Nftables.makeSet(
                    $0.name, in: table, key: $0.key, value: $0.value, isInterval: $0.isInterval, id: $0.id)
            }
            + Rules.chains.flatMap { chain in
                [
                    Nftables.makeChain(
                        chain.name, in: table, type: chain.type, hook: chain.hook, priority: chain.priority)
                ] + chain.rules.map { Nftables.addRule($0, to: chain.name, in: table) }
            }
    }
}

extension Rules {
    /// Before everything else: nothing from another link goes to a container's own address, and nothing from
    /// any link to the host's loopback (CVE-2020-8558), for our bridges route 127/8 so that a port published
    /// there can be reached from the host.
    private static let raw: [[NftExpression]] = [
        input("lo") + [.verdict(accept: true)],
        loopback4(at: 16) + [.verdict(accept: false)],
        loopback4(at: 12) + [.verdict(accept: false)],
        loopback6(at: 24) + [.verdict(accept: false)],
        loopback6(at: 8) + [.verdict(accept: false)],
        input(in: bridges) + [.verdict(accept: true)],
        destination4(in: subnets4) + [.verdict(accept: false)],
        destination6(in: subnets6) + [.verdict(accept: false)],
    ]

    /// What is for a published port goes to its container, for packets of others and of the host itself.
    private static let translation: [[NftExpression]] = {
        let local: [NftExpression] = [.destinationKind(into: 1), .compare(1, equal: true, [2, 0, 0, 0])]
        let transport: [NftExpression] = [.meta(.transport, into: 1)]
        let toContainer4: NftExpression = .destinationNAT(address: 1, port: 9, isIPv6: false)
        let toContainer6: NftExpression = .destinationNAT(address: 1, port: 12, isIPv6: true)
        let port: [NftExpression] = [.payload(.transport, offset: 2, length: 2, into: 9)]
        return [
            isIPv4 + transport + [
                .payload(.network, offset: 16, length: 4, into: 9),
                .payload(.transport, offset: 2, length: 2, into: 10), lookup(addressed4), toContainer4,
            ],
            isIPv4 + local + transport + port + [lookup(everywhere4), toContainer4],
            isIPv6 + transport + [
                .payload(.network, offset: 24, length: 16, into: 9),
                .payload(.transport, offset: 2, length: 2, into: 13), lookup(addressed6), toContainer6,
            ],
            // The kernel sends nothing from ::1 elsewhere: who asks there is refused, and asks 127.0.0.1.
            isIPv6 + local + [
                .payload(.network, offset: 24, length: 16, into: 1),
                .compare(1, equal: false, IPv6(1).bytes),
            ] + transport + port + [lookup(everywhere6), toContainer6],
        ]
    }()

    /// Containers leave with the host's address. Back to a bridge they do when they asked for a published
    /// port, and so does the host when it asked at its loopback address: else the answer would not come back
    /// this way.
    private static let masquerade: [[NftExpression]] = [
        source4(in: leaving4) + output(in: bridges, isIn: false) + [.masquerade],
        source4(in: subnets4) + output(in: bridges) + isTranslated + [.masquerade],
        loopback4(at: 12) + output(in: bridges) + [.masquerade],
        source6(in: leaving6) + output(in: bridges, isIn: false) + [.masquerade],
        source6(in: subnets6) + output(in: bridges) + isTranslated + [.masquerade],
        loopback6(at: 8) + output(in: bridges) + [.masquerade],
    ]

    /// To a container goes what answers it, what comes from its own network (where bridges filter), and what asks for
    /// a published port; of an internal network only the second.
    private static let forward: [[NftExpression]] = {
        let known: [NftExpression] = [
            .connection(.state, into: 1), .mask(word(0x2 | 0x4), register: 1),  // established, related
            .compare(1, equal: false, word(0)),
        ]
        let within: [NftExpression] = [
            .meta(.inputName, into: 1), .meta(.outputName, into: 2), member(pairs, isIn: true),
        ]
        return [
            output(in: bridges) + known + [.verdict(accept: true)],
            within + [.verdict(accept: true)],
            input(in: enclosed) + [.verdict(accept: false)],
            output(in: enclosed) + [.verdict(accept: false)],
            output(in: bridges) + isTranslated + [.verdict(accept: true)],
            output(in: bridges) + [.verdict(accept: false)],
        ]
    }()
}

/// NFPROTO_IPV4 and NFPROTO_IPV6.
private let isIPv4: [NftExpression] = [.meta(.networkFamily, into: 1), .compare(1, equal: true, [2])]
private let isIPv6: [NftExpression] = [.meta(.networkFamily, into: 1), .compare(1, equal: true, [10])]
/// IPS_DST_NAT: the connection goes to a published port.
private let isTranslated: [NftExpression] = [
    .connection(.status, into: 1), .mask(word(0x20), register: 1), .compare(1, equal: false, word(0)),
]

private func lookup(_ map: Rules.Container) -> NftExpression {
    .lookup(map: map.name, id: map.id, register: 1)
}

private func member(_ set: Rules.Container, isIn: Bool) -> NftExpression {
    .member(of: set.name, id: set.id, register: 1, isIn: isIn)
}

private func input(_ link: String) -> [NftExpression] {
    [.meta(.inputName, into: 1), .compare(1, equal: true, padded(link))]
}

private func input(in set: Rules.Container) -> [NftExpression] {
    [.meta(.inputName, into: 1), member(set, isIn: true)]
}

private func output(in set: Rules.Container, isIn: Bool = true) -> [NftExpression] {
    [.meta(.outputName, into: 1), member(set, isIn: isIn)]
}

private func source4(in set: Rules.Container) -> [NftExpression] { address4(at: 12, in: set) }
private func destination4(in set: Rules.Container) -> [NftExpression] { address4(at: 16, in: set) }
private func source6(in set: Rules.Container) -> [NftExpression] { address6(at: 8, in: set) }
private func destination6(in set: Rules.Container) -> [NftExpression] { address6(at: 24, in: set) }

private func address4(at offset: UInt32, in set: Rules.Container) -> [NftExpression] {
    isIPv4 + [.payload(.network, offset: offset, length: 4, into: 1), member(set, isIn: true)]
}

private func address6(at offset: UInt32, in set: Rules.Container) -> [NftExpression] {
    isIPv6 + [.payload(.network, offset: offset, length: 16, into: 1), member(set, isIn: true)]
}

/// 127.0.0.0/8.
private func loopback4(at offset: UInt32) -> [NftExpression] {
    isIPv4 + [.payload(.network, offset: offset, length: 1, into: 1), .compare(1, equal: true, [127])]
}

/// ::1.
private func loopback6(at offset: UInt32) -> [NftExpression] {
    isIPv6 + [
        .payload(.network, offset: offset, length: 16, into: 1), .compare(1, equal: true, IPv6(1).bytes),
    ]
}

/// A link's name fills a whole register of 16 bytes.
func padded(_ link: String) -> [UInt8] {
    let bytes = Array(link.utf8.prefix(15))
    return bytes + Array(repeating: 0, count: 16 - bytes.count)
}

/// A number in the machine's order.
private func word(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number) { Array($0) } }
