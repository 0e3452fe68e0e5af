import Linux
import Testing

/// Socket of a pair whose other end said a last word and left without reading ours.
private func abandoned() throws -> FD {
    let pair = try MessagePair()
    _ = try pair.ours.sendMessage(Array("unread".utf8))
    _ = try pair.theirs.sendMessage(Array("last word".utf8))
    return pair.keepOurs()
}

@Suite struct MessageTests {
    @Test func theLastWordOfOneWhoDidNotListenIsHeard() throws {
        let socket = try abandoned()
        var buffer = [UInt8](repeating: 0, count: 64)
        let first = try buffer.withUnsafeMutableBytes { try socket.receiveMessage(into: $0) }
        #expect(first.map { String(decoding: buffer[..<$0], as: UTF8.self) } == "last word")
        #expect(try buffer.withUnsafeMutableBytes { try socket.receiveMessage(into: $0) } == 0)
    }
}
