public import Linux

/// The rules in a container's own namespace that lead its questions to the name service.
public enum NameRedirection {
    /// What goes to port 53 of `address` (4 bytes) goes to these ports instead; in the place of the rules of a monitor
    /// before.
    public static func install(address: [UInt8], datagrams: UInt16, streams: UInt16) throws(SysError) {
        let table = "apus-names"
        func rule(_ proto: UInt8, _ port: UInt16) -> NetlinkMessage {
            let expressions: [NftExpression] = [
                .meta(.networkFamily, into: 1), .compare(1, equal: true, [2]),
                .payload(.network, offset: 16, length: 4, into: 1), .compare(1, equal: true, address),
                .meta(.transport, into: 1), .compare(1, equal: true, [proto]),
                .payload(.transport, offset: 2, length: 2, into: 1), .compare(1, equal: true, [0, 53]),
                .immediate(address, into: 1), .immediate([UInt8(port >> 8), UInt8(port & 0xff)], into: 9),
                .destinationNAT(address: 1, port: 9, isIPv6: false),
            ]
            return Nftables.addRule(expressions, to: "output", in: table)
        }
        var socket = try NetlinkSocket(.netfilter)
        try socket.transactAtOnce([
            Nftables.makeTable(table), Nftables.removeTable(table), Nftables.makeTable(table),
            Nftables.makeChain("output", in: table, type: "nat", hook: .output, priority: -100),
            rule(17, datagrams), rule(6, streams),
        ])
    }
}
