// What its name says has no comment.

import Glibc

/// A program under a pseudo-terminal of its own, as a person would sit before it.
public final class Terminal {
    private var controller: CInt
    public let pid: Int32
    private var unread: [UInt8] = []
    private var status: Int32?
    /// Everything that came out, for the message of a failure.
    public private(set) var transcript = ""

    public init(
        _ arguments: [String], environment: [String: String] = [:], rows: UInt16 = 24, columns: UInt16 = 80
    ) throws {
        // Swift's Glibc has no posix_openpt, unlockpt and ptsname: TIOCSPTLCK and TIOCGPTN are what they do on Linux.
        controller = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        var (locked, number) = (CInt(0), CInt(0))
        guard controller >= 0, ioctl(controller, 0x4004_5431, &locked) == 0,
            ioctl(controller, 0x8004_5430, &number) == 0
        else { throw Trouble("/dev/ptmx") }
        var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        _ = ioctl(controller, UInt(TIOCSWINSZ), &size)
        let path = "/dev/pts/\(number)"
        pid = try spawn(
            arguments, environment: ["TERM": "xterm"].merging(environment) { $1 }, stdio: [], session: true,
            terminal: path)
        _ = fcntl(controller, F_SETFL, O_NONBLOCK)
    }

    deinit {
        if status == nil {
            kill(-pid, SIGKILL)
            kill(pid, SIGKILL)
            var raw: Int32 = 0
            waitpid(pid, &raw, 0)
        }
        close(controller)
    }

    public func send(_ text: String) { send(bytes: Array(text.utf8)) }
    /// Control characters: ctrl-c is 3, ctrl-p 16, ctrl-q 17.
    public func send(bytes: [UInt8]) { _ = write(controller, bytes, bytes.count) }

    /// The window gets another size; the kernel tells the foreground programs with SIGWINCH.
    public func resize(rows: UInt16, columns: UInt16) {
        var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        _ = ioctl(controller, UInt(TIOCSWINSZ), &size)
    }

    /// Closes the terminal from the outside, as a window that is shut or a connection that breaks off.
    public func hangUp() {
        take()
        close(controller)
        controller = -1
    }

    /// Reads until `text` was seen; what came up to its end is taken away and returned.
    @discardableResult
    public func expect(_ text: String, timeout: Double = 10) throws -> String {
        let deadline = now() + timeout
        let wanted = Array(text.utf8)
        while true {
            if let end = find(wanted) {
                let seen = String(decoding: unread[..<end], as: UTF8.self)
                unread.removeFirst(end)
                return seen
            }
            guard now() < deadline else {
                throw Trouble(because: "no '\(text)' within \(timeout) s; the terminal shows: \(transcript)")
            }
            var waiting = pollfd(fd: controller, events: Int16(POLLIN), revents: 0)
            _ = poll(&waiting, 1, 50)
            take()
        }
    }

    /// The exit code, once the program has ended; nil when it still runs after `timeout` seconds.
    public func wait(timeout: Double = 10) -> Int32? {
        let ended = eventually(within: timeout) {
            take()
            var raw: Int32 = 0
            if status == nil, waitpid(pid, &raw, WNOHANG) == pid { status = exitCode(raw) }
            return status != nil
        }
        if ended { take() }  // what came after the last look
        return ended ? status : nil
    }

    private func take() {
        guard controller >= 0 else { return }
        let bytes = readSome(controller)
        unread += bytes
        transcript += String(decoding: bytes, as: UTF8.self)
    }

    private func find(_ wanted: [UInt8]) -> Int? {
        guard !wanted.isEmpty, unread.count >= wanted.count else { return nil }
        for start in 0...(unread.count - wanted.count) where unread[start] == wanted[0] {
            if unread[start..<(start + wanted.count)].elementsEqual(wanted) { return start + wanted.count }
        }
        return nil
    }
}
