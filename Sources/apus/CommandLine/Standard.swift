import Engine
import Linux

/// The program's own output.
enum Standard {
    /// Writes to stdout; a full disk or a closed pipe is an error like any other.
    static func out(_ text: String) throws(SysError) { try write(Array(text.utf8), to: 1) }

    /// Writes what images and containers had a hand in: a terminal gets their control characters as text.
    static func show(_ text: String) throws(SysError) {
        try out(outIsTerminal ? escapeControls(text, keeping: ["\n", "\t"]) : text)
    }

    /// Writes a line to stderr, control characters of what containers and images said shown as text.
    static func error(_ text: String) {
        let safe = escapeControls(text, keeping: ["\n"]) + "\n"
        try? write(Array(safe.utf8), to: 2)  // there is nowhere left to report that stderr is gone
    }

    static func write(_ bytes: [UInt8], to raw: CInt) throws(SysError) {
        let fd = FD(adopting: raw)
        do {
            try fd.writeAll(bytes)
            _ = fd.release()
        } catch {
            _ = fd.release()
            throw error
        }
    }

    /// The open file of stdin (0) or stdout (1), from where it stands; a pipe or a socket, too.
    static func duplicate(_ raw: CInt) throws(SysError) -> FD {
        let fd = FD(adopting: raw)
        do throws(SysError) {
            let copy = try fd.duplicate()
            _ = fd.release()
            return copy
        } catch {
            _ = fd.release()
            throw error
        }
    }

    /// Whether what is printed reaches a terminal, which must not obey it.
    static var outIsTerminal: Bool { Terminal.isTerminal(1) }
}
