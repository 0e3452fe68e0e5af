import Linux

/// A listening socket. When the monitor has no descriptor left for who comes in, it looks away for a moment: the socket
/// would stay readable, and its loop would do nothing else.
final class Door {
    let socket: FD
    private var shutUntil: ContinuousClock.Instant?

    init(_ socket: consuming FD) { self.socket = socket }

    /// Whether somebody waited whom there was no descriptor for, a moment ago.
    var isShut: Bool { shutUntil.map { $0 > .now } ?? false }

    /// Its place in a round; nil while it is shut.
    func add(to poll: inout Poll) -> Int? { isShut ? nil : poll.add(socket, .readable) }

    /// How long until it is looked at again; -1: it is now.
    var milliseconds: Int32 {
        guard let shutUntil, isShut else { return -1 }
        return Int32(max(0, ((shutUntil - .now) / .milliseconds(1)).rounded(.up)))
    }

    /// Who waits; nil when nobody does, or cannot come in.
    func accept() -> FD? {
        do throws(SysError) { return try socket.acceptClient() } catch {
            shutUntil = .now + .milliseconds(100)
            return nil
        }
    }
}
