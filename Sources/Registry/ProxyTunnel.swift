import NIOCore

/// Asks a proxy for a tunnel (CONNECT, RFC 9110, 9.3.6) and leaves the pipeline when it has it.
final class ProxyTunnel: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let request: String
    private let opened: EventLoopPromise<Void>
    private var answer: [UInt8] = []
    private var isOpen = false

    /// `authority` is where the tunnel leads, with its port.
    init(to authority: String, authorization: String?, opened: EventLoopPromise<Void>) {
        let credentials = authorization.map { "Proxy-Authorization: \($0)\r\n" } ?? ""
        request = "CONNECT \(authority) HTTP/1.1\r\nHost: \(authority)\r\n\(credentials)\r\n"
        self.opened = opened
    }

    func channelActive(context: ChannelHandlerContext) {
        let bytes = context.channel.allocator.buffer(string: request)
        context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isOpen else { return context.fireChannelRead(data) }
        var bytes = unwrapInboundIn(data)
        answer.append(contentsOf: bytes.readBytes(length: bytes.readableBytes) ?? [])
        guard let end = answer.firstRange(of: Array("\r\n\r\n".utf8)) else {
            if answer.count > 16384 { refuse(context, "the proxy's answer is too long") }
            return
        }
        let line = String(decoding: answer.prefix { $0 != 0x0d }, as: UTF8.self)
        let words = line.split(separator: " ", maxSplits: 2)
        // A server speaks only after us in a tunnel to TLS: what follows the head belongs to no one.
        guard words.count > 1, words[0].hasPrefix("HTTP/1."), words[1].hasPrefix("2"),
            end.upperBound == answer.count
        else { return refuse(context, "the proxy answered \"\(escaped(line))\"") }
        isOpen = true
        opened.succeed(())
    }

    private func refuse(_ context: ChannelHandlerContext, _ why: String) {
        opened.fail(RegistryError(.network, why))
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        opened.fail(ConnectionError.closed)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        opened.fail(error)
        context.close(promise: nil)
    }
}
