import CLinux

/// Signal numbers by name and what a process does with them.
public enum Signal {
    public static let hangUp: Int32 = 1
    public static let interrupt: Int32 = 2
    public static let quit: Int32 = 3
    public static let kill: Int32 = 9
    public static let pipe: Int32 = 13
    public static let terminate: Int32 = 15
    public static let child: Int32 = 17
    public static let urgent: Int32 = 23
    public static let windowChange: Int32 = 28

    /// Names without SIG, in the order of their numbers from 1 (signal(7), x86-64 and arm64).
    private static let names = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
        "ALRM",
        "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM",
        "PROF",
        "WINCH", "IO", "PWR", "SYS",
    ]

    /// `TERM`, `SIGTERM`, `term`, `15`, `RTMIN+3`, `SIGRTMAX-1`: the number; nil for anything else.
    public static func number(_ text: String) -> Int32? {
        if let number = Int32(text) { return (1...64).contains(number) ? number : nil }
        var name = text.uppercased()
        if name.hasPrefix("SIG") { name.removeFirst(3) }
        if let index = names.firstIndex(of: name) { return Int32(index + 1) }
        let aliases: [String: Int32] = ["IOT": 6, "CLD": 17, "POLL": 29, "RTMIN": 34, "RTMAX": 64]
        if let number = aliases[name] { return number }
        if name.hasPrefix("RTMIN+"), let n = Int32(name.dropFirst(6)), (0...30).contains(n) { return 34 + n }
        if name.hasPrefix("RTMAX-"), let n = Int32(name.dropFirst(6)), (0...30).contains(n) { return 64 - n }
        return nil
    }

    /// Whether the name of this signal is known, for messages: `SIGTERM`.
    public static func name(_ number: Int32) -> String {
        guard number >= 1, number <= names.count else { return "signal \(number)" }
        return "SIG" + names[Int(number) - 1]
    }

    /// What a signal says, as Go and the shells write it: `killed`, `bad system call`.
    public static func text(_ number: Int32) -> String {
        cl_signal_description(number).map { String(cString: $0).lowercased() } ?? "signal \(number)"
    }

    /// From now on a write to a closed pipe is EPIPE.
    public static func ignorePipe() { _ = cl_signal_ignore(pipe) }

    /// Those by which people and systems end a program.
    public static let endings = [hangUp, interrupt, quit, terminate]

    /// A monitor is not ended by its starter's terminal or session; its container's end ends it.
    public static func ignoreEndings() {
        for signal in endings + [pipe] { _ = cl_signal_ignore(signal) }
    }
}

/// A signalfd(2): blocked signals read one after the other.
public struct SignalDescriptor: ~Copyable {
    public let fd: FD

    /// Blocks these signals and reads them here.
    public init(_ signals: [Int32]) throws(SysError) {
        let mask = signals.reduce(UInt64(0)) { $0 | 1 << UInt64($1 - 1) }
        fd = FD(adopting: try sys("signalfd", "signals") { cl_signalfd(mask) })
    }

    /// All signals but those that cannot be blocked and those that tell of a fault in this program.
    public static func allProxied() throws(SysError) -> SignalDescriptor {
        try SignalDescriptor((1...64).filter { ![4, 5, 7, 8, 9, 11, 13, 19, 31, 32, 33].contains($0) })
    }

    /// The next signal; nil when none waits.
    public func next() -> Int32? {
        let value = cl_read_signal(fd.raw)
        return value > 0 ? Int32(truncatingIfNeeded: value) : nil
    }
}
