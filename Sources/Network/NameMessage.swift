/// One question of a DNS client (RFC 1035): what the name service has to know of it. What comes from a container is not
/// to be trusted.
public struct NameQuery: Equatable, Sendable {
    /// Types of records that are answered here.
    public enum Kind: Equatable, Sendable {
        case a, aaaa, ptr
        case other(UInt16)
    }

    public let id: UInt16
    /// Labels joined by dots, in lower case, without the last dot; empty for the root.
    public let name: String
    public let kind: Kind
    let wantsRecursion: Bool
    /// Name, type and class as they came: an answer begins with them.
    let question: [UInt8]
    /// How long an answer by datagram may be.
    let limit: Int

    /// What a message turned out to be.
    public enum Reading: Equatable, Sendable {
        case query(NameQuery)
        /// It is answered with an error.
        case refused([UInt8])
        /// Not even that.
        case nothing
    }

    /// Reads a message.
    public static func read(_ message: [UInt8]) -> Reading {
        guard message.count >= 12, message[2] & 0x80 == 0 else { return .nothing }
        let header = NameHeader(message)
        guard message[2] & 0x78 == 0 else { return .refused(header.answer(.notImplemented)) }
        guard header.questions == 1, header.answers == 0, let read = Question(message) else {
            return .refused(header.answer(.formatError))
        }
        let query = NameQuery(
            id: header.id, name: read.name, kind: kind(read.type), wantsRecursion: message[2] & 1 == 1,
            question: Array(message[12..<read.end]), limit: limit(message, after: read.end))
        // Class IN, or any.
        guard [1, 255].contains(read.class) else { return .refused(query.answer(.refused)) }
        return .query(query)
    }

    private static func kind(_ type: UInt16) -> Kind {
        switch type {
        case 1: .a
        case 28: .aaaa
        case 12: .ptr
        default: .other(type)
        }
    }

    /// EDNS (RFC 6891): a record of type 41 behind the question says what the client can take.
    private static func limit(_ message: [UInt8], after end: Int) -> Int {
        guard message.count >= end + 11, message[end] == 0, number16(message, end + 1) == 41 else {
            return 512
        }
        return min(max(Int(number16(message, end + 3)), 512), 4096)
    }
}

/// RCODE.
public enum NameError: UInt8, Sendable {
    case none = 0
    case formatError, serverFailure, noSuchName, notImplemented, refused
}

extension NameQuery {
    /// An answer without records.
    public func answer(_ error: NameError) -> [UInt8] { answer(error, [], isCut: false) }

    /// Addresses of the kind that was asked for, as many as fit; `isStream`: all do.
    public func answer(_ addresses: [[UInt8]], isStream: Bool) -> [UInt8] {
        let type: UInt16 = kind == .aaaa ? 28 : 1
        let records = addresses.map { NameQuery.record(type, $0) }
        return answer(fitting: records, isStream)
    }

    /// The name of an address.
    public func answer(name: String, isStream: Bool) -> [UInt8] {
        answer(fitting: [NameQuery.record(12, NameQuery.encoded(name))], isStream)
    }

    private func answer(fitting records: [[UInt8]], _ isStream: Bool) -> [UInt8] {
        let room = (isStream ? 65535 : limit) - 12 - question.count
        var (fitting, used): ([[UInt8]], Int) = ([], 0)
        for record in records where used + record.count <= room {
            fitting.append(record)
            used += record.count
        }
        return answer(.none, fitting, isCut: fitting.count < records.count)
    }

    private func answer(_ error: NameError, _ records: [[UInt8]], isCut: Bool) -> [UInt8] {
        NameHeader.bytes(
            id, wantsRecursion: wantsRecursion, isCut: isCut, error, questions: 1, answers: records.count)
            + question + records.flatMap(\.self)
    }

    /// The name is that of the question, at offset 12. docker's 600 seconds.
    private static func record(_ type: UInt16, _ data: [UInt8]) -> [UInt8] {
        [0xc0, 12] + bytes16(type) + [0, 1, 0, 0, 2, 88] + bytes16(UInt16(truncatingIfNeeded: data.count))
            + data
    }

    /// A name as labels; parts that are too long are cut.
    static func encoded(_ name: String) -> [UInt8] {
        name.split(separator: ".").flatMap { label in
            let bytes = label.utf8.prefix(63)
            return [UInt8(bytes.count)] + bytes
        } + [0]
    }

    /// The address that a name below in-addr.arpa or ip6.arpa stands for.
    public var reversed: HostAddress? {
        let labels = name.split(separator: ".")
        if labels.count == 6, name.hasSuffix(".in-addr.arpa") {
            return IPv4(labels.prefix(4).reversed().joined(separator: ".")).map { .v4($0) }
        }
        guard labels.count == 34, name.hasSuffix(".ip6.arpa") else { return nil }
        var bytes: [UInt8] = []
        let digits = labels.prefix(32).reversed().compactMap { $0.count == 1 ? UInt8($0, radix: 16) : nil }
        guard digits.count == 32 else { return nil }
        for at in stride(from: 0, to: 32, by: 2) { bytes.append(digits[at] << 4 | digits[at + 1]) }
        return .v6(bytes)
    }
}

/// What of a header is looked at.
struct NameHeader {
    let id: UInt16
    let questions: UInt16
    let answers: UInt16
    private let wantsRecursion: Bool

    /// At least 12 bytes.
    init(_ message: [UInt8]) {
        (id, questions, answers) = (number16(message, 0), number16(message, 4), number16(message, 6))
        wantsRecursion = message[2] & 1 == 1
    }

    func answer(_ error: NameError) -> [UInt8] {
        NameHeader.bytes(
            id, wantsRecursion: wantsRecursion, isCut: false, error, questions: 0, answers: 0)
    }

    static func bytes(
        _ id: UInt16, wantsRecursion: Bool, isCut: Bool, _ error: NameError, questions: UInt16, answers: Int
    ) -> [UInt8] {
        let flags = 0x80 | (isCut ? 2 : 0) | (wantsRecursion ? 1 : 0)
        return bytes16(id) + [UInt8(flags), 0x80 | error.rawValue] + bytes16(questions)
            + bytes16(UInt16(clamping: answers)) + [0, 0, 0, 0]
    }
}

/// The first question of a message, which stands behind its header.
private struct Question {
    let name: String
    let type: UInt16
    let `class`: UInt16
    let end: Int

    /// Nil for what is cut short or too long. A compressed name has nothing before it to point to.
    init?(_ message: [UInt8]) {
        var (at, labels): (Int, [String]) = (12, [])
        while true {
            guard at < message.count, at - 12 < 255 else { return nil }
            let length = Int(message[at])
            guard length < 64, at + 1 + length <= message.count else { return nil }
            at += 1
            if length == 0 { break }
            let label = message[at..<(at + length)].map { (0x41...0x5a).contains($0) ? $0 | 0x20 : $0 }
            // A dot inside of a label would make it another name.
            guard label.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != 0x2e && $0 != 0x2f }) else { return nil }
            labels.append(String(decoding: label, as: UTF8.self))
            at += length
        }
        guard at + 4 <= message.count else { return nil }
        (name, type, self.class) = (
            labels.joined(separator: "."), number16(message, at), number16(message, at + 2)
        )
        end = at + 4
    }
}

/// Whether what a server sent answers what it was asked: the same number, the same question.
public func isAnswer(_ message: [UInt8], to query: [UInt8]) -> Bool {
    guard message.count >= 12, message[2] & 0x80 != 0, query.count >= 12,
        number16(message, 0) == number16(query, 0)
    else { return false }
    // A server that fails may leave the question out.
    guard number16(message, 4) == 1 else { return message[3] & 0xf != 0 }
    guard let asked = Question(query), let answered = Question(message) else { return false }
    return asked.name == answered.name && asked.type == answered.type && asked.class == answered.class
}

/// Whether an answer is none: the server failed, or does not serve whoever asks.
public func saysNothing(_ answer: [UInt8]) -> Bool {
    guard answer.count >= 12, let error = NameError(rawValue: answer[3] & 0xf) else { return false }
    return error == .serverFailure || error == .refused
}

/// The servers that a resolv.conf names, in their order.
public func nameServers(resolvConf text: String) -> [HostAddress] {
    text.split(separator: "\n").compactMap { line in
        let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
        guard words.count > 1, words[0] == "nameserver" else { return nil }
        return HostAddress(String(words[1].prefix { $0 != "%" }))
    }
}

/// Two bytes in network order; the caller has looked that they are there.
private func number16(_ bytes: [UInt8], _ at: Int) -> UInt16 {
    UInt16(bytes[at]) << 8 | UInt16(bytes[at + 1])
}

private func bytes16(_ number: UInt16) -> [UInt8] { [UInt8(number >> 8), UInt8(number & 0xff)] }
