/// Links that move to another network namespace.
extension Route {
    /// Moves a link to the network namespace of a process and names it there. What it was set to stays, but for its
    /// addresses.
    public static func move(index: UInt32, to pid: Int32, as name: String) -> NetlinkMessage {
        // struct ifinfomsg: family, pad, type, index, flags, which flags change
        let header = [UInt8](repeating: 0, count: 4) + native(index) + [UInt8](repeating: 0, count: 8)
        var message = NetlinkMessage(
            type: 16, flags: .request, fixed: header, subject: "move link to \(name)")
        message.add(19, UInt32(bitPattern: pid))  // IFLA_NET_NS_PID
        message.add(3, name)  // IFLA_IFNAME
        return message
    }

    /// The addresses of a link that somebody gave it to be reached at: permanent and of global scope.
    public static func addresses(
        of index: UInt32, using socket: inout NetlinkSocket
    ) throws(SysError) -> [LinkAddress] {
        let list = NetlinkMessage(
            type: 22, flags: [.request, .dump], fixed: [0, 0, 0, 0, 0, 0, 0, 0], subject: "list addresses")
        return try socket.request(list).filter { $0.type == 20 }.compactMap { reply in
            guard let address = LinkAddress(reply), address.index == index else { return nil }
            return address.isGlobal && address.isPermanent ? address : nil
        }
    }

    /// Gives an address to the link with this index.
    public static func add(_ address: LinkAddress, to index: UInt32) -> NetlinkMessage {
        let header: [UInt8] = [address.family, address.prefix, 0, 0] + native(index)
        var message = NetlinkMessage(
            type: 20, flags: [.request, .create, .exclusive], fixed: header, subject: "add address")
        for attribute in address.attributes { message.add(attribute.type, Array(attribute.payload)) }
        return message
    }
}

/// An address of a link, of any family (struct ifaddrmsg).
public struct LinkAddress: Sendable {
    let family: UInt8
    let prefix: UInt8
    let index: UInt32
    let isGlobal: Bool
    let isPermanent: Bool
    /// IFA_ADDRESS, IFA_LOCAL and IFA_BROADCAST.
    let attributes: [(type: UInt16, payload: ArraySlice<UInt8>)]

    init?(_ reply: NetlinkReply) {
        let body = reply.body
        guard body.count >= 8 else { return nil }
        (family, prefix, isGlobal) = (body[0], body[1], body[3] == 0)
        index = number32(body[4...])
        let all = reply.attributes(after: 8)
        let flags = all.first { $0.type == 8 }.map { number32($0.payload) } ?? UInt32(body[2])
        isPermanent = flags & 0x80 != 0  // IFA_F_PERMANENT
        attributes = all.filter { [1, 2, 4].contains($0.type) }
    }
}
