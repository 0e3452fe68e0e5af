/// One step of an nf_tables rule. A comparison that fails ends the rule. Registers: 1 is the first of 16 bytes,
/// 9, 10 and 11 are its second to fourth words; 2 is the next one of 16 bytes, 12 and 13 are its first words.
public enum NftExpression: Equatable, Sendable {
    /// Loads a fact about the packet.
    case meta(Meta, into: UInt32)
    /// Loads header bytes.
    case payload(Header, offset: UInt32, length: UInt32, into: UInt32)
    /// Loads a fact about the connection.
    case connection(Connection, into: UInt32)
    /// Loads what kind of address the packet is for (RTN_*).
    case destinationKind(into: UInt32)
    /// Keeps the bits of a mask.
    case mask([UInt8], register: UInt32)
    /// Goes on when the register equals (or not) the bytes.
    case compare(UInt32, equal: Bool, [UInt8])
    /// Replaces the key in a register by the map's value; no such key ends the rule. `id` names the map within
    /// the batch that makes both.
    case lookup(map: String, id: UInt32, register: UInt32)
    /// Goes on when the key in a register is in the set, or when it is not.
    case member(of: String, id: UInt32, register: UInt32, isIn: Bool)
    /// Sends the connection to the address and port in two registers.
    case destinationNAT(address: UInt32, port: UInt32, isIPv6: Bool)
    /// Sends it on with the address of the link it leaves by.
    case masquerade
    /// Loads bytes.
    case immediate([UInt8], into: UInt32)
    /// Ends the packet's way through this chain.
    case verdict(accept: Bool)

    /// NFT_META_*.
    public enum Meta: UInt32, Sendable {
        case inputName = 6
        case outputName = 7
        case networkFamily = 15
        case transport = 16
    }
    /// NFT_PAYLOAD_*_HEADER.
    public enum Header: UInt32, Sendable { case network = 1, transport = 2 }
    /// NFT_CT_*.
    public enum Connection: UInt32, Sendable { case state = 0, status = 2 }
}

extension NftExpression {
    private var name: String {
        switch self {
        case .meta: "meta"
        case .payload: "payload"
        case .connection: "ct"
        case .destinationKind: "fib"
        case .mask: "bitwise"
        case .compare: "cmp"
        case .lookup, .member: "lookup"
        case .destinationNAT: "nat"
        case .masquerade: "masq"
        case .verdict, .immediate: "immediate"
        }
    }

    func write(to message: inout NetlinkMessage) {
        message.add(1, name)
        message.nest(2) { data in
            switch self {
            case .meta(let key, let register): data.add(2, 1, key.rawValue, register)
            case .connection(let key, let register): data.add(2, 1, key.rawValue, register)
            case .payload(let header, let offset, let length, let register):
                for (i, number) in [register, header.rawValue, offset, length].enumerated() {
                    data.add(UInt16(i + 1), big: number)
                }
            case .destinationKind(let register):
                data.add(3, big: 2)  // NFTA_FIB_F_DADDR
                data.add(2, 1, 3, register)  // NFT_FIB_RESULT_ADDRTYPE
            case .compare(let register, let equal, let bytes):
                data.add(1, 2, register, equal ? 0 : 1)
                data.nest(3) { $0.add(1, bytes) }
            case .mask(let bytes, let register): data.addMask(bytes, register)
            case .lookup(let map, let id, let register):
                data.add(2, 3, register, register)
                data.add(1, map)
                data.add(4, big: id)
            case .member(let set, let id, let register, let isIn):
                data.add(2, big: register)
                data.add(1, set)
                data.add(4, big: id)
                data.add(5, big: isIn ? 0 : 1)  // NFT_LOOKUP_F_INV
            case .destinationNAT(let address, let port, let isIPv6):
                data.add(1, 2, 1, isIPv6 ? 10 : 2)  // NFT_NAT_DNAT, the family
                data.add(3, 5, address, port)
            case .masquerade: break
            case .immediate(let bytes, let register):
                data.add(1, big: register)
                data.nest(2) { $0.add(1, bytes) }
            case .verdict(let accept): data.addVerdict(accept)
            }
        }
    }
}

extension NetlinkMessage {
    /// Two numbers.
    fileprivate mutating func add(_ first: UInt16, _ second: UInt16, _ one: UInt32, _ two: UInt32) {
        add(first, big: one)
        add(second, big: two)
    }

    fileprivate mutating func addMask(_ bytes: [UInt8], _ register: UInt32) {
        add(1, 2, register, register)
        add(3, big: UInt32(bytes.count))
        nest(4) { $0.add(1, bytes) }
        nest(5) { $0.add(1, Array(repeating: 0, count: bytes.count)) }
    }

    /// Register 0 holds the verdict: NF_ACCEPT or NF_DROP.
    fileprivate mutating func addVerdict(_ accept: Bool) {
        add(1, big: 0)
        nest(2) { data in data.nest(2) { $0.add(1, big: accept ? 1 : 0) } }
    }
}
