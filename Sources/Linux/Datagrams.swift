import CLinux
import SystemPackage

/// Internet sockets of the name service: without waiting, everywhere.
public enum Internet {
    /// A datagram's sender.
    public struct Peer: Equatable, Sendable {
        let address: [UInt8]
        let port: UInt16
    }

    /// A socket for datagrams at an IPv4 address (4 bytes); `port` 0 lets the kernel choose.
    public static func datagrams(at address: [UInt8], port: UInt16 = 0) throws(SysError) -> FD {
        let socket = FD(adopting: try sys("socket", "datagrams") { cl_socket(2, 2 | nonBlocking, 0) })
        _ = try sys("bind", "datagrams") { cl_bind_inet(socket.raw, 2, address, port) }
        return socket
    }

    /// A listening socket at an IPv4 address (4 bytes).
    public static func listener(at address: [UInt8], port: UInt16 = 0) throws(SysError) -> FD {
        let socket = FD(adopting: try sys("socket", "listener") { cl_socket(2, 1 | nonBlocking, 0) })
        _ = try sys("bind", "listener") { cl_bind_inet(socket.raw, 2, address, port) }
        _ = try sys("listen", "listener") { cl_listen(socket.raw, 16) }
        return socket
    }

    /// A socket that is connected to an address of 4 or 16 bytes, or will be in a moment.
    public static func connection(
        to address: [UInt8], port: UInt16, isStream: Bool
    ) throws(SysError) -> FD {
        let family: CInt = address.count == 16 ? 10 : 2
        let socket = FD(
            adopting: try sys("socket", "connection") {
                cl_socket(family, (isStream ? 1 : 2) | nonBlocking, 0)
            })
        let result = cl_connect_inet(socket.raw, family, address, port)
        if result != -115 { _ = try sys("connect", "connection") { result } }  // EINPROGRESS
        return socket
    }

    /// SOCK_NONBLOCK.
    private static let nonBlocking: CInt = 0o4000
}

extension FD {
    /// The local port of an internet socket.
    public func localPort() throws(SysError) -> UInt16 {
        UInt16(truncatingIfNeeded: try sys("getsockname", "socket") { cl_local_port(raw) })
    }

    /// The next datagram and who sent it; nil when none waits. One that is larger than the buffer is cut.
    public func receive(into buffer: inout [UInt8]) throws(SysError) -> (count: Int, from: Internet.Peer)? {
        var (address, port) = ([UInt8](repeating: 0, count: 4), UInt16(0))
        let n = cl_recvfrom_inet4(raw, &buffer, buffer.count, &address, &port)
        if n == -11 { return nil }
        return (Int(try sys("recvfrom", "datagram") { n }), Internet.Peer(address: address, port: port))
    }

    /// Sends a datagram; one that cannot be sent now is lost, as datagrams are.
    public func send(_ bytes: [UInt8], to peer: Internet.Peer) {
        _ = cl_sendto_inet4(raw, bytes, bytes.count, peer.address, peer.port)
    }

    /// Sends what goes at once on a connected socket; nil when nothing does now. Failures are -1.
    public func sendSome(_ bytes: ArraySlice<UInt8>) -> Int? {
        let n = bytes.withUnsafeBytes { cl_send(raw, $0.baseAddress, $0.count, 0) }
        return n == -11 ? nil : max(-1, Int(n))
    }

    /// Reads what is there of a connected socket: nil when nothing is now, 0 at its end, -1 for a failure.
    public func receiveSome(into buffer: inout [UInt8]) -> Int? {
        let n = cl_recv(raw, &buffer, buffer.count, 0)
        return n == -11 ? nil : max(-1, Int(n))
    }
}
