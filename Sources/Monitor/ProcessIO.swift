import Linux
import SystemPackage

/// The ends that a monitor holds of one process's standard streams, non-blocking.
struct ProcessIO: ~Copyable {
    /// Read end of stdout, or the terminal's master.
    var output: FD?
    var error: FD?
    /// Write end of stdin; with a terminal the master is written to.
    var input: FD?
    let isTerminal: Bool

    init(output: consuming FD?, error: consuming FD?, input: consuming FD?) {
        self.output = output
        self.error = error
        self.input = input
        isTerminal = false
    }

    /// A terminal's master, in both directions.
    init(console: consuming FD) throws(SysError) {
        try console.setNonBlocking(true)
        input = try console.duplicate()
        output = consume console
        isTerminal = true
    }

    func addOutput(to poll: inout Poll) -> Int? { Self.add(output, .readable, to: &poll) }
    func addError(to poll: inout Poll) -> Int? { Self.add(error, .readable, to: &poll) }
    func addInput(to poll: inout Poll) -> Int? { Self.add(input, .writable, to: &poll) }

    private static func add(_ fd: borrowing FD?, _ events: PollEvents, to poll: inout Poll) -> Int? {
        fd.raw.map { poll.add(raw: $0, events) }
    }

    /// Reads what is there: the count, or nil when there is nothing. At its end the stream is closed; after the
    /// process's end, nothing more to read is the end.
    mutating func readOutput(into buffer: inout [UInt8], afterEnd: Bool) -> Int? {
        guard output != nil else { return nil }
        let count = Self.read(output, &buffer)
        if count == 0 || (count == nil && afterEnd) { output = nil }
        return count == 0 ? nil : count
    }

    mutating func readError(into buffer: inout [UInt8], afterEnd: Bool) -> Int? {
        guard error != nil else { return nil }
        let count = Self.read(error, &buffer)
        if count == 0 || (count == nil && afterEnd) { error = nil }
        return count == 0 ? nil : count
    }

    /// 0 at the end (EIO: the last user of the terminal is gone), nil when nothing waits.
    private static func read(_ fd: borrowing FD?, _ buffer: inout [UInt8]) -> Int? {
        var result: Int? = 0
        buffer.withUnsafeMutableBytes { bytes in
            _ = fd.withFD { fd in
                do throws(SysError) { result = try fd.read(into: bytes) } catch {
                    result = error.errno == .wouldBlock ? nil : 0
                }
            }
        }
        return result
    }

    /// Writes what the process takes now; how much. A process that has closed its stdin takes everything.
    mutating func writeInput(_ bytes: [UInt8]) -> Int {
        // Nil when there is nobody to write to any more.
        let written: Int?? = input.withFD { fd in
            do throws(SysError) { return try fd.writeSome(bytes) } catch {
                return error.errno == .wouldBlock ? 0 : nil
            }
        }
        if case .some(.some(let count)) = written { return count }
        input = nil
        return bytes.count
    }

    /// End of stdin. A terminal has none: it stays.
    mutating func closeInput() { if !isTerminal { input = nil } }

    func resize(_ size: WindowSize) {
        guard isTerminal else { return }
        output.withFD { _ = try? Terminal.setWindowSize($0, size) }  // the terminal may just have ended
    }
}

/// The ends that the process gets, until it has them.
struct ProcessEnds: ~Copyable {
    let stdin: FD
    let stdout: FD
    let stderr: FD

    init(stdin: consuming FD, stdout: consuming FD, stderr: consuming FD) {
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
    }
}

/// A container's streams: FIFOs named in its run directory. Its own descriptors hold them open for reading and
/// writing, so that it goes on when its monitor is killed, and the next monitor opens them again.
enum StandardFIFOs {
    static func make(in directory: borrowing FD) throws(SysError) {
        for name: FilePath in ["out", "err"] {
            try directory.remove(name)
            try directory.makeNode(name, type: .fifo, mode: 0o600)
        }
    }

    static func monitorEnd(_ name: FilePath, in directory: borrowing FD) throws(SysError) -> FD {
        try directory.open(name, [.readOnly, .nonBlocking], resolve: [.beneath, .noSymlinks])
    }

    static func containerEnd(_ name: FilePath, in directory: borrowing FD) throws(SysError) -> FD {
        try directory.open(name, .readWrite, resolve: [.beneath, .noSymlinks])
    }
}
