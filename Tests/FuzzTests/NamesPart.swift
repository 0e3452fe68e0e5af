@testable import Network

/// A question to the name service, and what a server answers to it. The input is both: its first two bytes say how long
/// the question is.
enum NamesPart {
    static func run(_ bytes: [UInt8]) {
        let length = bytes.count < 2 ? 0 : min(Int(bytes[0]) << 8 | Int(bytes[1]), bytes.count - 2)
        let (message, other) = (Array(bytes.dropFirst(2).prefix(length)), Array(bytes.dropFirst(2 + length)))
        _ = isAnswer(other, to: message)
        _ = saysNothing(other)
        _ = nameServers(resolvConf: String(decoding: bytes, as: UTF8.self))
        switch NameQuery.read(message) {
        case .nothing: break
        case .refused(let answer): expect(answer.count >= 12 && answer.count < 1024, "a refusal is too long")
        case .query(let query):
            expect(query.name.utf8.count <= 255, "a name is too long")
            expect(!query.name.contains("/"), "a name leads elsewhere")
            _ = query.reversed
            for answer in answers(query) {
                expect(answer.count <= 4096 || answer.count < 65536, "an answer is too long")
                expect(answer.count < 12 || isAnswer(answer, to: message), "the answer does not fit")
            }
        }
    }

    private static func answers(_ query: NameQuery) -> [[UInt8]] {
        let addresses = [[UInt8]](repeating: [UInt8](repeating: 1, count: 16), count: 300)
        let cut = query.answer(addresses, isStream: false)
        expect(cut.count <= 4096, "a datagram is too long")
        return [
            query.answer(.noSuchName), query.answer([], isStream: false), cut,
            query.answer(addresses, isStream: true), query.answer(name: "web.blue", isStream: false),
        ]
    }
}
