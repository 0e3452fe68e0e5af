import CLinux

/// What to wait for on a descriptor.
public struct PollEvents: OptionSet, Sendable {
    public let rawValue: Int16
    public init(rawValue: Int16) { self.rawValue = rawValue }
    public static let readable = PollEvents(rawValue: 0x1)
    /// POLLPRI: a file of a cgroup has changed since it was read.
    public static let exceptional = PollEvents(rawValue: 0x2)
    public static let writable = PollEvents(rawValue: 0x4)
    /// Only reported: error, hang-up, invalid.
    public static let failed = PollEvents(rawValue: 0x8)
    public static let hungUp = PollEvents(rawValue: 0x10)
}

/// One call of poll(2): fill it, wait, read the answers by position.
public struct Poll {
    private var fds: [CInt] = []
    private var events: [Int16] = []
    private var answers: [Int16] = []

    public init() {}

    /// Empties it for the next round, keeping its memory.
    public mutating func reset() {
        fds.removeAll(keepingCapacity: true)
        events.removeAll(keepingCapacity: true)
    }

    /// Adds a descriptor; the answer is at the returned position.
    @discardableResult
    public mutating func add(_ fd: borrowing FD, _ wanted: PollEvents) -> Int { add(raw: fd.raw, wanted) }

    /// Adds a descriptor by number.
    @discardableResult
    public mutating func add(raw: CInt, _ wanted: PollEvents) -> Int {
        fds.append(raw)
        events.append(wanted.rawValue)
        return fds.count - 1
    }

    /// Waits; -1 for ever. How many have something to say; 0 after the time or a signal.
    public mutating func wait(milliseconds: Int32) throws(SysError) -> Int {
        answers = [Int16](repeating: 0, count: fds.count)
        let n = cl_poll(&fds, &events, &answers, fds.count, milliseconds)
        if n == -4 { return 0 }
        return Int(try sys("poll", "\(fds.count) descriptors") { n })
    }

    /// What happened on the descriptor at a position.
    public subscript(position: Int) -> PollEvents { PollEvents(rawValue: answers[position]) }
}
