import Testing

@testable import Network

@Suite struct NameMessages {
    /// A query as a resolver sends it.
    private func query(_ name: String, _ type: UInt16 = 1, tail: [UInt8] = [], count: UInt8 = 1) -> [UInt8] {
        [0xab, 0xcd, 1, 0, 0, count, 0, 0, 0, 0, 0, tail.isEmpty ? 0 : 1] + NameQuery.encoded(name)
            + [UInt8(type >> 8), UInt8(type & 255), 0, 1] + tail
    }

    private func read(_ bytes: [UInt8]) throws -> NameQuery {
        guard case .query(let query) = NameQuery.read(bytes) else { throw NetworkError("no query") }
        return query
    }

    @Test func aQuestionIsReadInLowerCase() throws {
        let query = try read(query("Web.Example", 28))
        #expect(query.id == 0xabcd && query.name == "web.example" && query.kind == .aaaa)
        #expect(query.wantsRecursion && query.limit == 512)
    }

    @Test func anAnswerHasTheQuestionAndTheAddresses() throws {
        let answer = try read(query("web")).answer([[10, 0, 0, 2], [10, 0, 0, 3]], isStream: false)
        #expect(answer.prefix(12) == [0xab, 0xcd, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0])
        #expect(answer.dropFirst(12).prefix(9) == [3, 0x77, 0x65, 0x62, 0, 0, 1, 0, 1])
        #expect(answer.suffix(16) == [0xc0, 12, 0, 1, 0, 1, 0, 0, 2, 88, 0, 4, 10, 0, 0, 3])
        #expect(isAnswer(answer, to: query("web")))
        #expect(!isAnswer(answer, to: query("www")))
        #expect(!isAnswer(answer, to: query("web", 28)))
    }

    @Test func whatDoesNotFitIsCutAndSaid() throws {
        let many = (0..<100).map { [10, 0, 0, UInt8($0)] as [UInt8] }
        let cut = try read(query("web")).answer(many, isStream: false)
        #expect(cut.count <= 512 && cut[2] & 2 == 2)
        let edns: [UInt8] = [0, 0, 41, 16, 0, 0, 0, 0, 0, 0, 0]
        let large = try read(query("web", tail: edns)).answer(many, isStream: false)
        #expect(large.count > 1600 && large[2] & 2 == 0)
        #expect(try read(query("web")).answer(many, isStream: true)[2] & 2 == 0)
    }

    @Test func aReverseNameIsAnAddress() throws {
        #expect(try read(query("4.3.2.1.in-addr.arpa", 12)).reversed == HostAddress("1.2.3.4"))
        let six = String(repeating: "1.", count: 31) + "f.ip6.arpa"
        #expect(
            try read(query(six, 12)).reversed == HostAddress("f111:1111:1111:1111:1111:1111:1111:1111"))
        for name in ["3.2.1.in-addr.arpa", "x.3.2.1.in-addr.arpa", "999.3.2.1.in-addr.arpa", "web"] {
            #expect(try read(query(name, 12)).reversed == nil)
        }
    }

    @Test func hostileMessagesAreRefusedOrLeftAlone() throws {
        let good = query("web")
        for length in 0..<12 { #expect(NameQuery.read(Array(good.prefix(length))) == .nothing) }
        for length in 12..<good.count {
            guard case .refused(let answer) = NameQuery.read(Array(good.prefix(length))) else {
                Issue.record("\(length) bytes are no query")
                continue
            }
            #expect(answer[3] & 15 == 1)
        }
        var answer = good
        answer[2] |= 0x80  // an answer is none: two services would talk to each other for ever
        #expect(NameQuery.read(answer) == .nothing)
        var pointer = good
        (pointer[12], pointer[13]) = (0xc0, 12)  // to itself
        var two = good
        two[5] = 2
        var update = good
        update[2] = 0x28
        let long = good.prefix(12) + [UInt8](repeating: 1, count: 600)
        let dotted = Array(good.prefix(12)) + [3, 0x61, 0x2e, 0x62, 0, 0, 1, 0, 1]
        let slash = Array(good.prefix(12)) + [3, 0x61, 0x2f, 0x62, 0, 0, 1, 0, 1]
        for bytes in [pointer, two, update, Array(long), dotted, slash] {
            guard case .refused = NameQuery.read(bytes) else {
                Issue.record("taken: \(bytes)")
                continue
            }
        }
        var other = good
        other[good.count - 1] = 3  // class CHAOS
        guard case .refused(let refused) = NameQuery.read(other) else { throw NetworkError("taken") }
        #expect(refused[3] & 15 == 5)
    }

    @Test func serversAreReadAsResolversDo() {
        let text =
            "# one\nnameserver 192.0.2.53\nsearch x\nnameserver\tfe80::1%eth0\nnameserver x\nnameserver\n"
        #expect(nameServers(resolvConf: text).map(\.description) == ["192.0.2.53", "fe80::1"])
    }
}
