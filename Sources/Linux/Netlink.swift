import CLinux
import SystemPackage

/// One netlink message in the making: header, a protocol's fixed part, attributes (man 7 netlink).
public struct NetlinkMessage: Equatable, Sendable {
    /// What the message is about, for errors.
    public let subject: String
    /// The whole message; length and sequence number are filled in when it is sent.
    public private(set) var bytes: [UInt8]

    /// `fixed` is the protocol's own header, such as struct ifinfomsg.
    public init(type: UInt16, flags: NetlinkFlags, fixed: [UInt8], subject: String) {
        self.subject = subject
        bytes = [0, 0, 0, 0] + native(type) + native(flags.rawValue) + Array(repeating: 0, count: 8)
        append(fixed)
    }

    /// An attribute of bytes.
    public mutating func add(_ type: UInt16, _ payload: [UInt8]) {
        bytes += native(UInt16(truncatingIfNeeded: payload.count + 4)) + native(type)
        append(payload)
    }

    /// A text that ends with a NUL.
    public mutating func add(_ type: UInt16, _ text: String) { add(type, Array(text.utf8) + [0]) }

    /// A number in the machine's order.
    public mutating func add(_ type: UInt16, _ number: UInt32) { add(type, native(number)) }

    /// A number in network order, which nf_tables wants everywhere.
    public mutating func add(_ type: UInt16, big number: UInt32) { add(type, native(number.bigEndian)) }

    /// An attribute of attributes; `body` adds them. At most 64 KB.
    public mutating func nest(_ type: UInt16, _ body: (inout NetlinkMessage) -> Void) {
        let start = bytes.count
        bytes += [0, 0] + native(type | 0x8000)
        body(&self)
        let length = native(UInt16(truncatingIfNeeded: bytes.count - start))
        bytes.replaceSubrange(start..<(start + 2), with: length)
    }

    /// The bytes of a structure inside an attribute (the peer's ifinfomsg of a veth pair).
    public mutating func append(_ payload: [UInt8]) {
        bytes += payload
        bytes += Array(repeating: 0, count: (4 - payload.count % 4) % 4)
    }

    func sealed(sequence: UInt32) -> [UInt8] {
        var sealed = bytes
        sealed.replaceSubrange(0..<4, with: native(UInt32(truncatingIfNeeded: bytes.count)))
        sealed.replaceSubrange(8..<12, with: native(sequence))
        return sealed
    }

    mutating func wantAcknowledgement() {
        bytes[6] |= UInt8(NetlinkFlags.acknowledge.rawValue)
    }
}

/// Flags of a netlink request (linux/netlink.h).
public struct NetlinkFlags: OptionSet, Sendable {
    /// NLM_F_*.
    public let rawValue: UInt16
    /// Takes NLM_F_* bits.
    public init(rawValue: UInt16) { self.rawValue = rawValue }
    /// A request, as all of ours are.
    public static let request = NetlinkFlags(rawValue: 0x1)
    /// An answer is wanted also when all went well.
    public static let acknowledge = NetlinkFlags(rawValue: 0x4)
    /// Every object, in many answers.
    public static let dump = NetlinkFlags(rawValue: 0x300)
    /// EEXIST when there is one already.
    public static let exclusive = NetlinkFlags(rawValue: 0x200)
    /// Made when there is none.
    public static let create = NetlinkFlags(rawValue: 0x400)
    /// At the end of a list.
    public static let append = NetlinkFlags(rawValue: 0x800)
}

/// A number as its bytes in the machine's order.
func native<I: FixedWidthInteger>(_ number: I) -> [UInt8] { withUnsafeBytes(of: number) { Array($0) } }

/// What the kernel answered: one message's body behind the netlink header.
public struct NetlinkReply: Equatable, Sendable {
    /// The message type of the protocol.
    public let type: UInt16
    /// The protocol's header and the attributes.
    public let body: [UInt8]

    /// The attributes that follow `fixed` bytes of header, without the nested and byte-order bits. What is cut
    /// short is left out.
    public func attributes(after fixed: Int) -> [(type: UInt16, payload: ArraySlice<UInt8>)] {
        netlinkAttributes(body.dropFirst((fixed + 3) & ~3))
    }
}

/// The attributes in the payload of a nested one.
public func netlinkAttributes(_ bytes: ArraySlice<UInt8>) -> [(type: UInt16, payload: ArraySlice<UInt8>)] {
    var result: [(type: UInt16, payload: ArraySlice<UInt8>)] = []
    var rest = bytes
    while rest.count >= 4 {
        let length = Int(number16(rest)), type = number16(rest.dropFirst(2)) & 0x3fff
        guard length >= 4, length <= rest.count else { break }
        result.append((type, rest.prefix(length).dropFirst(4)))
        rest = rest.dropFirst((length + 3) & ~3)
    }
    return result
}

/// Two bytes in the machine's order; 0 when there are fewer.
func number16(_ bytes: ArraySlice<UInt8>) -> UInt16 {
    bytes.count < 2 ? 0 : bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt16.self) }
}

/// Four bytes in the machine's order; 0 when there are fewer.
public func number32(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    bytes.count < 4 ? 0 : bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
}

/// A netlink socket. It stays in the network namespace it was opened in, wherever its process goes.
public struct NetlinkSocket: ~Copyable {
    /// Which part of the kernel it speaks to.
    public enum Family: CInt, Sendable {
        case route = 0
        case netfilter = 12
    }

    let fd: FD
    private var sequence: UInt32 = 0

    /// Opens one in the calling process's network namespace.
    public init(_ family: Family) throws(SysError) {
        let fd = FD(adopting: try sys("socket", "netlink") { cl_socket(16, 3, family.rawValue) })
        var port: UInt32 = 0
        _ = try sys("bind", "netlink") { cl_bind_netlink(fd.raw, &port) }
        self.fd = fd
    }

    /// Sends messages together and waits until the kernel has done them all; the first failure is thrown.
    /// Those after a failed one may have been done.
    public mutating func transact(_ messages: [NetlinkMessage]) throws(SysError) {
        var acknowledged = messages
        for i in acknowledged.indices { acknowledged[i].wantAcknowledgement() }
        let first = try send(acknowledged)
        var failure: SysError?
        try receive(first...(first + UInt32(messages.count - 1))) { (index, errno) in
            guard errno != 0, failure == nil, messages.indices.contains(index) else { return true }
            failure = error(messages[index].subject, errno)
            return true
        } each: { _ in
        }
        if let failure { throw failure }
    }

    /// Sends one batch of nf_tables: all of it happens, or nothing does and the first failure is thrown.
    public mutating func transactAtOnce(_ messages: [NetlinkMessage]) throws(SysError) {
        guard !messages.isEmpty else { return }
        var batch = [NetlinkMessage.batch(begin: true)] + messages
        batch[batch.count - 1].wantAcknowledgement()
        batch.append(.batch(begin: false))
        let first = try send(batch)
        var failure: SysError?
        try receive(first...(first + UInt32(messages.count))) { (index, errno) in
            guard errno != 0 else { return true }
            failure = error(batch.indices.contains(index) ? batch[index].subject : "batch", errno)
            return false
        } each: { _ in
        }
        if let failure { throw failure }
    }

    /// Sends a request for many answers (NLM_F_DUMP) or one.
    public mutating func request(_ message: NetlinkMessage) throws(SysError) -> [NetlinkReply] {
        var replies: [NetlinkReply] = []
        var failure: SysError?
        var asked = message
        asked.wantAcknowledgement()
        let sequence = try send([asked])
        try receive(sequence...sequence) { (_, errno) in
            if errno != 0 { failure = error(message.subject, errno) }
            return false
        } each: { reply in
            replies.append(reply)
        }
        if let failure { throw failure }
        return replies
    }
}

extension NetlinkSocket {
    /// Answers the first message's sequence number.
    private mutating func send(_ messages: [NetlinkMessage]) throws(SysError) -> UInt32 {
        let first = sequence &+ 1
        var bytes: [UInt8] = []
        for message in messages {
            sequence &+= 1
            bytes += message.sealed(sequence: sequence)
        }
        let raw = fd.raw
        // SO_SNDBUFFORCE: a batch is one datagram, and the default buffer ends at some 2,000 ports.
        if bytes.count > 100_000 { _ = cl_setsockopt_int(raw, 1, 32, CInt(clamping: bytes.count * 2)) }
        _ = try sys("send", messages.first?.subject ?? "netlink") { cl_send(raw, bytes, bytes.count, 0) }
        return first
    }

    /// Reads answers until the one to the last of `sequences` is there, or `acknowledgement` (which message,
    /// errno) answers false.
    private func receive(
        _ sequences: ClosedRange<UInt32>, _ acknowledgement: (Int, CInt) -> Bool, each: (NetlinkReply) -> Void
    ) throws(SysError) {
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let n = try sys("recv", "netlink") { cl_recv(fd.raw, &buffer, buffer.count, 0) }
            var rest = buffer[..<Int(n)]
            while rest.count >= 16 {
                let length = Int(number32(rest))
                guard length >= 16, length <= rest.count else {
                    throw SysError(call: "recv", subject: "netlink", errno: Errno(rawValue: 74))  // EBADMSG
                }
                let type = number16(rest.dropFirst(4)), sequence = number32(rest.dropFirst(8))
                let body = rest.prefix(length).dropFirst(16)
                rest = rest.dropFirst((length + 3) & ~3)
                switch type {
                case 2, 3:  // NLMSG_ERROR, NLMSG_DONE: both begin with 0 or a negative errno
                    let errno = -CInt(bitPattern: number32(body))
                    let index = Int(sequence &- sequences.lowerBound)
                    guard acknowledgement(index, errno), sequence != sequences.upperBound else { return }
                case 1: continue  // NLMSG_NOOP
                default: each(NetlinkReply(type: type, body: Array(body)))
                }
            }
        }
    }
}

private func error(_ subject: String, _ errno: CInt) -> SysError {
    SysError(call: "netlink", subject: subject, errno: Errno(rawValue: errno))
}
