import CLinux

/// A port of the host that is taken for as long as this object lives, without anyone answering on it.
public final class HostPort {
    private let socket: FD
    /// Its number, also when the kernel chose it.
    public let number: UInt16

    /// What kind of sockets it is for: the number of the protocol in an IP header.
    public enum Transport: CInt, Sendable {
        case tcp = 6
        case udp = 17
        case sctp = 132
    }

    /// Takes a port. `address` is 4 or 16 bytes in network order; `port` 0 lets the kernel choose. EADDRINUSE when
    /// somebody has it, here or on an address that includes this one.
    public init(address: [UInt8], port: UInt16, _ transport: Transport) throws(SysError) {
        let subject = "port \(port)"
        let (family, stream): (CInt, Bool) = (address.count == 16 ? 10 : 2, transport == .tcp)
        let socket = FD(adopting: try HostPort.open(family, transport))
        // IPV6_V6ONLY: the same port of IPv4 is another one.
        if family == 10 { _ = try sys("setsockopt", subject) { cl_setsockopt_int(socket.raw, 41, 26, 1) } }
        // The kernel chooses a port without conflicts, and gives one that it chose back when listening ends
        // (SOCK_BINDPORT_LOCK is for numbers asked for): such a port is held by the bind alone.
        let mayLinger = stream && port != 0
        if mayLinger { try HostPort.setReuse(socket, true) }
        _ = try sys("bind", subject) { cl_bind_inet(socket.raw, family, address, port) }
        if mayLinger { try HostPort.keepFromOthers(socket, subject) }
        let number = try sys("getsockname", subject) { cl_local_port(socket.raw) }
        self.number = UInt16(truncatingIfNeeded: number)
        self.socket = socket
    }

    private static func open(_ family: CInt, _ transport: Transport) throws(SysError) -> CInt {
        do throws(SysError) {
            return try sys("socket", "\(transport) port") {
                cl_socket(family, transport == .udp ? 2 : 1, transport == .sctp ? transport.rawValue : 0)
            }
        } catch {
            guard transport == .sctp else { throw error }
            throw error.hinting("this kernel has no SCTP: load its module with `modprobe sctp`")
        }
    }

    /// With SO_REUSEADDR connections in TIME_WAIT are no conflict, but only listen(2) finds real ones then.
    /// The port stays bound when the listening ends, and a connection attempt is refused, not left hanging.
    private static func keepFromOthers(_ socket: borrowing FD, _ subject: String) throws(SysError) {
        let raw = socket.raw
        _ = try sys("listen", subject) { cl_listen(raw, 0) }
        try setReuse(socket, false)
        _ = try sys("shutdown", subject) { cl_shutdown(raw, 2) }
    }

    private static func setReuse(_ socket: borrowing FD, _ on: Bool) throws(SysError) {
        let raw = socket.raw
        _ = try sys("setsockopt", "SO_REUSEADDR") { cl_setsockopt_int(raw, 1, 2, on ? 1 : 0) }
    }
}
