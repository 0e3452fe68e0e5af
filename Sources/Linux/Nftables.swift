import CLinux
import SystemPackage

/// nf_tables by netlink (linux/netfilter/nf_tables.h): messages for tables, chains, rules, maps and elements.
/// Family is inet everywhere, so that one table sees IPv4 and IPv6.
public enum Nftables {
    /// Where a chain hangs in the way of a packet.
    public enum Hook: UInt32, Sendable {
        case prerouting = 0
        case input, forward, output, postrouting
    }

    static func message(_ type: UInt16, _ flags: NetlinkFlags, _ subject: String) -> NetlinkMessage {
        // struct nfgenmsg: family inet, version 0, resource 0; the type's high byte is nf_tables
        NetlinkMessage(
            type: 0x0a00 | type, flags: flags.union(.request), fixed: [1, 0, 0, 0], subject: subject)
    }

    /// A table; nothing happens when there is one of this name.
    public static func makeTable(_ name: String) -> NetlinkMessage {
        var message = message(0, .create, "make table \(name)")
        message.add(1, name)
        message.add(2, big: 0)
        return message
    }

    /// Removes a table with all that is in it; ENOENT when there is none.
    public static func removeTable(_ name: String) -> NetlinkMessage {
        var message = message(2, [], "remove table \(name)")
        message.add(1, name)
        return message
    }

    /// A base chain that accepts what no rule decides; `type` is `filter` or `nat`.
    public static func makeChain(
        _ name: String, in table: String, type: String, hook: Hook, priority: Int32
    ) -> NetlinkMessage {
        var message = message(3, .create, "make chain \(name)")
        message.add(1, table)
        message.add(3, name)
        message.nest(4) { place in
            place.add(1, big: hook.rawValue)
            place.add(2, big: UInt32(bitPattern: priority))
        }
        message.add(5, big: 1)  // policy accept
        message.add(7, type)
        return message
    }

    /// A rule at the end of a chain.
    public static func addRule(
        _ expressions: [NftExpression], to chain: String, in table: String
    ) -> NetlinkMessage {
        var message = message(6, [.create, .append], "add rule to \(chain)")
        message.add(1, table)
        message.add(2, chain)
        message.nest(4) { list in
            for expression in expressions { list.nest(1) { expression.write(to: &$0) } }
        }
        return message
    }

    /// A set, a map when `value` is given. The type numbers only tell the `nft` program how to print it: six bits for
    /// each part. `id` names it within the batch that makes it; elements of an interval come in pairs, its first
    /// address and the one behind its last.
    public static func makeSet(
        _ name: String, in table: String, key: (type: UInt32, length: UInt32),
        value: (type: UInt32, length: UInt32)? = nil, isInterval: Bool = false, id: UInt32
    ) -> NetlinkMessage {
        var message = message(9, .create, "make set \(name)")
        message.add(1, table)
        message.add(2, name)
        message.add(3, big: (value == nil ? 0 : 8) | (isInterval ? 4 : 0))  // NFT_SET_MAP, NFT_SET_INTERVAL
        message.add(4, big: key.type)
        message.add(5, big: key.length)
        if let value {
            message.add(6, big: value.type)
            message.add(7, big: value.length)
        }
        message.add(10, big: id)
        // A name of a link is in the machine's order, which `nft` wants to be told (NFTNL_UDATA_SET_KEYBYTEORDER).
        if key.type == 41 { message.add(13, [0, 4] + native(UInt32(1))) }
        return message
    }

    /// Adds elements; EEXIST when one's key has another value. Each part of key and value is padded to 4 bytes.
    public static func addElements(_ elements: [NftElement], to set: String, in table: String)
        -> NetlinkMessage
    {
        self.elements(12, .create, elements, set, table, "add element to \(set)")
    }

    /// Removes elements by their keys; ENOENT when there is none with one of them.
    public static func removeElements(_ elements: [NftElement], from set: String, in table: String)
        -> NetlinkMessage
    {
        self.elements(14, [], elements, set, table, "remove element from \(set)")
    }

    /// Asks for one element by its key; ENOENT when it is not there.
    public static func findElement(_ key: [UInt8], in set: String, of table: String) -> NetlinkMessage {
        elements(13, [], [NftElement(key)], set, table, "find element in \(set)")
    }

    private static func elements(
        _ type: UInt16, _ flags: NetlinkFlags, _ elements: [NftElement], _ set: String, _ table: String,
        _ subject: String
    ) -> NetlinkMessage {
        var message = message(type, flags, subject)
        message.add(1, table)
        message.add(2, set)
        message.nest(3) { list in
            for element in elements {
                list.nest(1) { part in
                    part.nest(1) { $0.add(1, element.key) }
                    if let value = element.value { part.nest(2) { $0.add(1, value) } }
                    if element.endsInterval { part.add(3, big: 1) }  // NFT_SET_ELEM_INTERVAL_END
                }
            }
        }
        return message
    }
}

/// An element of a set, or with a value of a map.
public struct NftElement: Equatable, Sendable {
    let key: [UInt8]
    let value: [UInt8]?
    let endsInterval: Bool

    /// `endsInterval`: the key is the first that the interval before it does not have.
    public init(_ key: [UInt8], _ value: [UInt8]? = nil, endsInterval: Bool = false) {
        (self.key, self.value, self.endsInterval) = (key, value, endsInterval)
    }
}

extension Nftables {
    /// How many rules a chain has, and jumps that lead to it; nil when there is no such chain or table.
    public static func uses(
        of chain: String, in table: String, using socket: inout NetlinkSocket
    ) throws(SysError) -> UInt32? {
        var message = message(4, [], "find chain \(chain)")
        message.add(1, table)
        message.add(3, chain)
        do throws(SysError) {
            let reply = try socket.request(message).first { $0.type == 0x0a03 }
            let use = reply?.attributes(after: 4).first { $0.type == 6 }  // NFTA_CHAIN_USE
            return use.map { UInt32(bigEndian: number32($0.payload)) }
        } catch {
            guard error.errno == .noSuchFileOrDirectory else { throw error }
            return nil
        }
    }

    /// Whether a set is there and has an element with this key.
    public static func has(
        _ key: [UInt8], in set: String, of table: String, using socket: inout NetlinkSocket
    ) throws(SysError) -> Bool {
        do throws(SysError) {
            _ = try socket.request(findElement(key, in: set, of: table))
            return true
        } catch {
            guard error.errno == .noSuchFileOrDirectory else { throw error }
            return false
        }
    }
}

/// A base chain as the kernel lists it.
public struct NftChain: Equatable, Sendable {
    /// NFPROTO_*: 1 inet, 2 ip, 10 ip6, 7 bridge.
    public let family: UInt8
    /// The table it is in.
    public let table: String
    /// Unique in its table.
    public let name: String
    /// Its hook's number in that family.
    public let hook: UInt32
    /// Whether what no rule decides is dropped.
    public let drops: Bool
}

extension Nftables {
    /// The base chains of every table in this network namespace.
    public static func baseChains() throws(SysError) -> [NftChain] {
        var socket = try NetlinkSocket(.netfilter)
        var all = NetlinkMessage(
            type: 0x0a04, flags: [.request, .dump], fixed: [0, 0, 0, 0], subject: "list chains")
        all.wantAcknowledgement()
        return try socket.request(all).compactMap(chain)
    }

    static func chain(_ reply: NetlinkReply) -> NftChain? {
        guard reply.type == 0x0a03, let family = reply.body.first else { return nil }
        var (table, name, hook, drops): (String, String, UInt32?, Bool) = ("", "", nil, false)
        for (type, payload) in reply.attributes(after: 4) {
            switch type {
            case 1: table = text(payload)
            case 3: name = text(payload)
            case 4:
                let number = netlinkAttributes(payload).first { $0.type == 1 }
                hook = number.map { UInt32(bigEndian: number32($0.payload)) }
            case 5: drops = number32(payload) == 0
            default: break
            }
        }
        return hook.map { NftChain(family: family, table: table, name: name, hook: $0, drops: drops) }
    }

    private static func text(_ bytes: ArraySlice<UInt8>) -> String {
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
}

extension NetlinkMessage {
    /// NFNL_MSG_BATCH_BEGIN or _END around what nf_tables does at once.
    static func batch(begin: Bool) -> NetlinkMessage {
        NetlinkMessage(
            type: begin ? 16 : 17, flags: .request, fixed: [0, 0, 0, 10], subject: "nf_tables batch")
    }
}
