import CLinux
public import SystemPackage

/// AF_UNIX sockets whose messages keep their boundaries (SOCK_SEQPACKET).
public struct MessagePair: ~Copyable {
    public let ours: FD
    public let theirs: FD

    /// Two connected ends.
    public init() throws(SysError) {
        var ends: (CInt, CInt) = (-1, -1)
        _ = try sys("socketpair", "seqpacket") {
            withUnsafeMutableBytes(of: &ends) {
                cl_socketpair(5, $0.assumingMemoryBound(to: CInt.self).baseAddress)
            }
        }
        ours = FD(adopting: ends.0)
        theirs = FD(adopting: ends.1)
    }

    /// Keeps one end and closes the other: what each side of a clone does.
    public consuming func keepOurs() -> FD { ours }
    public consuming func keepTheirs() -> FD { theirs }
}

extension FD {
    /// A listening socket at a name in this directory, 0600; a name left by a dead owner is replaced.
    public func listenForMessages(at name: FilePath) throws(SysError) -> FD {
        try remove(name)
        let socket = FD(adopting: try sys("socket", name.string) { cl_socket(1, 5 | 0o4000, 0) })
        let mask = cl_umask(0o177)
        defer { _ = cl_umask(mask) }
        // A socket address holds 107 bytes: the directory is named by descriptor.
        let address = "/proc/self/fd/\(raw)/\(name.string)"
        _ = try sys("bind", name.string) { address.withCString { cl_bind_unix(socket.raw, $0) } }
        _ = try sys("listen", name.string) { cl_listen(socket.raw, 16) }
        return socket
    }

    /// Connects to a socket at a name in this directory.
    public func connectForMessages(to name: FilePath) throws(SysError) -> FD {
        let socket = FD(adopting: try sys("socket", name.string) { cl_socket(1, 5, 0) })
        let address = "/proc/self/fd/\(raw)/\(name.string)"
        _ = try sys("connect", name.string) { address.withCString { cl_connect_unix(socket.raw, $0) } }
        return socket
    }

    /// Connects to a stream socket (SOCK_STREAM) of the host, however long its path is.
    public static func connectStream(to path: FilePath) throws(SysError) -> FD {
        let socket = FD(adopting: try sys("socket", path.string) { cl_socket(1, 1, 0) })
        let directory = try FD.open(path.removingLastComponent(), [.path, .directory])
        let name = path.lastComponent?.string ?? ""
        let address = "/proc/self/fd/\(directory.raw)/\(name)"
        _ = try sys("connect", path.string) { address.withCString { cl_connect_unix(socket.raw, $0) } }
        return socket
    }

    /// Connects to a datagram socket of the host, non-blocking.
    public static func connectDatagrams(to path: FilePath) throws(SysError) -> FD {
        let socket = FD(adopting: try sys("socket", path.string) { cl_socket(1, 2 | 0o4000, 0) })
        _ = try sys("connect", path.string) { path.string.withCString { cl_connect_unix(socket.raw, $0) } }
        return socket
    }

    /// Whether the other side has received all that was sent (SIOCOUTQ), or has gone.
    public var hasBeenRead: Bool {
        var count: CInt = 0
        return cl_ioctl(raw, 0x5411, &count) < 0 || count == 0
    }

    /// The next client, non-blocking; nil when none waits, or it has gone again. EMFILE and its like: it goes on waiting.
    public func acceptClient() throws(SysError) -> FD? {
        do {
            return FD(adopting: try sys("accept", "socket") { cl_accept(raw) })
        } catch {
            guard
                [.tooManyOpenFiles, .tooManyOpenFilesInSystem, .noMemory, .noBufferSpace].contains(
                    error.errno)
            else { return nil }
            throw error
        }
    }

    /// The user at the other end (SO_PEERCRED).
    public func peerUser() throws(SysError) -> UInt32 {
        var (pid, uid, gid): (CInt, UInt32, UInt32) = (0, 0, 0)
        _ = try sys("getsockopt", "SO_PEERCRED") { cl_peer_credentials(raw, &pid, &uid, &gid) }
        return uid
    }

    /// Sends one message of a head and a body. False when the other side's buffer is full (non-blocking socket).
    public func sendMessage(_ head: [UInt8], _ body: UnsafeRawBufferPointer = .init(start: nil, count: 0))
        throws(SysError) -> Bool
    {
        do {
            _ = try sys("sendmsg", "socket") {
                cl_send2(raw, head, head.count, body.baseAddress, body.count, 0)
            }
            return true
        } catch {
            if error.errno == .wouldBlock { return false }
            throw error
        }
    }

    /// Receives one message; 0 bytes when the other side is gone, nil when none waits (non-blocking socket).
    public func receiveMessage(into buffer: UnsafeMutableRawBufferPointer) throws(SysError) -> Int? {
        do {
            return Int(try sys("recv", "socket") { cl_recv(raw, buffer.baseAddress, buffer.count, 0) })
        } catch {
            if error.errno == .wouldBlock { return nil }
            guard error.errno == .connectionReset else { throw error }
        }
        // The other side left without reading all of ours. This error, told once, hides what it said before.
        do {
            return Int(try sys("recv", "socket") { cl_recv(raw, buffer.baseAddress, buffer.count, 0) })
        } catch {
            if error.errno == .wouldBlock || error.errno == .connectionReset { return 0 }
            throw error
        }
    }
}

/// Messages that carry descriptors (SCM_RIGHTS).
extension FD {
    /// Sends one message with one descriptor.
    public func sendMessage(_ bytes: [UInt8], descriptor: borrowing FD) throws(SysError) {
        let other = descriptor.raw
        _ = try sys("sendmsg", "descriptor") { cl_send_fds(raw, bytes, bytes.count, [other], 1) }
    }

    /// Receives one message and the descriptor that came with it, if any. Empty when the other side is gone.
    public func receiveMessage(limit: Int) throws(SysError) -> ReceivedMessage {
        var bytes = [UInt8](repeating: 0, count: limit)
        var descriptors = [CInt](repeating: -1, count: 8)
        var count = 0
        var wasReset = false
        let n = try sys("recvmsg", "socket") {
            let n = cl_recv_fds(raw, &bytes, bytes.count, &descriptors, &count, 0)
            // The other side left without reading all of ours: ECONNRESET, told once, hides what it said before.
            guard n == -104, !wasReset else { return n }
            wasReset = true
            return -4  // once more
        }
        for extra in descriptors[..<count].dropFirst() { _ = cl_close(extra) }
        bytes.removeSubrange(Int(n)...)
        return ReceivedMessage(bytes: bytes, descriptor: count > 0 ? FD(adopting: descriptors[0]) : nil)
    }
}

/// One message and the descriptor that came with it.
public struct ReceivedMessage: ~Copyable {
    public let bytes: [UInt8]
    public var descriptor: FD?
}
