import CLinux

/// Rows and columns of a terminal.
public struct WindowSize: Equatable, Sendable {
    public var rows: UInt16
    public var columns: UInt16
    public init(rows: UInt16, columns: UInt16) { (self.rows, self.columns) = (rows, columns) }
}

/// Terminals: raw mode that is always undone, pseudo-terminals by descriptor.
public enum Terminal {
    public static func isTerminal(_ raw: CInt) -> Bool { cl_isatty(raw) == 1 }

    /// TIOCGWINSZ; nil for what has no size.
    public static func windowSize(_ raw: CInt) -> WindowSize? {
        var size = WindowSize(rows: 0, columns: 0)
        return cl_get_window_size(raw, &size.rows, &size.columns) == 0 ? size : nil
    }

    public static func setWindowSize(_ fd: borrowing FD, _ size: WindowSize) throws(SysError) {
        let raw = fd.raw
        _ = try sys("ioctl", "TIOCSWINSZ") { cl_set_window_size(raw, size.rows, size.columns) }
    }

    /// The other end of a master, opened through the master itself (TIOCGPTPEER): no path, so nothing to race
    /// (CVE-2025-52565).
    public static func openPeer(of master: borrowing FD) throws(SysError) -> FD {
        let raw = master.raw
        _ = try sys("ioctl", "TIOCSPTLCK") { cl_unlock_pt(raw) }
        return FD(adopting: try sys("ioctl", "TIOCGPTPEER") { cl_open_pt_peer(raw, 0o2 | 0o400) })
    }

    /// Lines end with a line feed alone: whoever copies the output to another terminal has that add the rest.
    public static func keepLineFeeds(_ fd: borrowing FD) throws(SysError) {
        let raw = fd.raw
        _ = try sys("tcsetattr", "terminal") { cl_clear_onlcr(raw) }
    }

    /// Makes a descriptor's terminal the controlling one of this session.
    public static func makeControlling(_ raw: CInt) throws(SysError) {
        _ = try sys("ioctl", "TIOCSCTTY") { cl_set_controlling_terminal(raw) }
    }
}

/// Raw mode of the user's terminal, undone when it goes away.
public final class RawMode {
    private let raw: CInt
    private var saved = cl_termios()
    private var active = true

    /// Switches a terminal to raw mode; `keepsOutput`: what is written to it is still processed, so that a line feed
    /// begins a line.
    public init(_ raw: CInt, keepsOutput: Bool = false) throws(SysError) {
        self.raw = raw
        var settings = cl_termios()
        _ = try sys("tcgetattr", "terminal") { cl_tcgetattr(raw, &settings) }
        saved = settings
        _ = try sys("tcsetattr", "terminal") { cl_make_raw(raw, &settings, keepsOutput ? 1 : 0) }
    }

    /// The settings from before; calling it twice does no harm.
    public func restore() {
        guard active else { return }
        active = false
        _ = cl_tcsetattr(raw, &saved)
    }

    deinit { restore() }
}
