// What its name says has no comment.

import Glibc

/// A supervisor of system calls: it takes the descriptor of one filter and answers what it is asked, as a program
/// behind `listenerPath` does (man 2 seccomp_unotify).
public final class SeccompAgent {
    public let path: String
    private let listener: CInt
    private var filter: CInt = -1
    /// What came with the descriptor.
    public private(set) var message = ""

    public init(path: String) throws {
        self.path = path
        listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count < 108 else { throw Trouble(because: "\(path) is too long") }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let bound = withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard bound == 0, listen(listener, 4) == 0 else { throw Trouble("listen at \(path)") }
    }

    deinit {
        close(listener)
        if filter >= 0 { close(filter) }
    }

    /// Serves until the program has ended: calls with one of `numbers` fail with `errno`, all others go on. Answers how
    /// many were asked about.
    public func serve(_ program: Running, failing numbers: Set<Int32>, with errno: Int32) -> Int {
        var count = 0
        while program.isRunning {
            var wait = pollfd(fd: filter < 0 ? listener : filter, events: Int16(POLLIN), revents: 0)
            guard poll(&wait, 1, 20) > 0 else { continue }
            if filter < 0 { accept() } else if answer(numbers, errno) { count += 1 } else { pause(0.02) }
        }
        return count
    }

    private func accept() {
        let client = Glibc.accept(listener, nil, nil)
        defer { close(client) }
        var bytes = [UInt8](repeating: 0, count: 8192)
        var control = [UInt8](repeating: 0, count: 64)
        let count = bytes.withUnsafeMutableBytes { bytes in
            control.withUnsafeMutableBytes { control in
                var part = iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
                return withUnsafeMutablePointer(to: &part) { part in
                    var header = msghdr()
                    header.msg_iov = part
                    header.msg_iovlen = 1
                    header.msg_control = control.baseAddress
                    header.msg_controllen = control.count
                    return recvmsg(client, &header, 0)
                }
            }
        }
        guard count > 0 else { return }
        message = String(decoding: bytes[..<count], as: UTF8.self)
        // After the header of 16 bytes: length, level and type.
        filter = control.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 16, as: CInt.self) }
    }

    /// False when the filter has nobody left under it, or the one that asked is gone.
    private func answer(_ numbers: Set<Int32>, _ errno: Int32) -> Bool {
        var question = [UInt8](repeating: 0, count: 80)
        guard ioctl(filter, 0xc050_2100, &question) == 0 else { return false }
        let (id, number) = question.withUnsafeBytes {
            ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 16, as: Int32.self))
        }
        let fails = numbers.contains(number)
        // id, value, error, flags: SECCOMP_USER_NOTIF_FLAG_CONTINUE.
        var reply: (UInt64, Int64, Int32, UInt32) = (id, 0, fails ? -errno : 0, fails ? 0 : 1)
        return ioctl(filter, 0xc018_2101, &reply) == 0
    }
}
