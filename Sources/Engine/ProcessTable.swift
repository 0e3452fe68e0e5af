import Linux
import SystemPackage

/// Processes as `ps -ef` shows them, from /proc: neither a program of the host nor one of the image is needed.
struct ProcessTable {
    /// What /proc tells of one process.
    struct Entry: Equatable {
        var pid: Int32
        var parent: Int32
        var uid: UInt32
        /// Used on processors, and when it started after boot, in hundredths of a second.
        var ticks: UInt64
        var start: UInt64
        /// The kernel's number of its terminal; 0 for none.
        var terminal: Int
        var isZombie: Bool
        /// Its own word for itself, at most 15 bytes.
        var name: String
        /// Empty for a zombie and for threads of the kernel.
        var arguments: [String]
    }

    static let titles = ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    /// Numbers in /proc are in clock ticks, of which user space has always seen 100 in a second.
    private static let ticksPerSecond: UInt64 = 100

    /// Of the host, since that is whose numbers they are.
    let users: UserDatabase
    let now: Timestamp
    /// Since boot.
    let uptime: Double

    func row(_ entry: Entry) -> [String] {
        let used = entry.ticks / Self.ticksPerSecond
        return [
            user(entry.uid), String(entry.pid), String(entry.parent), String(share(entry)), started(entry),
            Self.terminal(entry.terminal), Self.clock(used), Self.command(entry),
        ]
    }

    /// A name that has no room loses its end, as ps shows it.
    private func user(_ uid: UInt32) -> String {
        guard let name = users.name(of: uid) else { return String(uid) }
        return name.utf8.count > 8 ? name.prefix(7) + "+" : name
    }

    /// Of one processor, since it started, in hundredths.
    private func share(_ entry: Entry) -> Int {
        let life = uptime - Double(entry.start) / Double(Self.ticksPerSecond)
        guard life > 0 else { return 0 }
        return min(99, Int(Double(entry.ticks) / Double(Self.ticksPerSecond) / life * 100))
    }

    /// The time of today, the day of this year, or the year.
    private func started(_ entry: Entry) -> String {
        let start = Timestamp(seconds: now.seconds - Int64(uptime) + Int64(clamping: entry.start / 100))
        let zone = LocalZone(at: start)
        let local = Timestamp(seconds: start.seconds &+ zone.offset)
        let today = Timestamp(seconds: now.seconds &+ LocalZone(at: now).offset)
        if local.date == today.date { return String(local.clock.prefix(5)) }
        let year = local.date.prefix(4)
        guard year == today.date.prefix(4) else { return String(year) }
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let month = Int(local.date.dropFirst(5).prefix(2)) ?? 1
        return months[max(0, min(11, month - 1))] + local.date.suffix(2)
    }

    /// Major and minor stand in one number as Linux packs them (proc_pid_stat(5)).
    private static func terminal(_ number: Int) -> String {
        let (major, minor) = ((number >> 8) & 0xfff, (number & 0xff) | ((number >> 12) & 0xfff00))
        switch major {
        case 136...143: return "pts/\(minor + (major - 136) << 20)"
        case 4 where minor < 64: return "tty\(minor)"
        case 4: return "ttyS\(minor - 64)"
        default: return "?"
        }
    }

    private static func clock(_ seconds: UInt64) -> String {
        func padded(_ number: UInt64) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let (days, rest) = (seconds / 86400, seconds % 86400)
        let clock = "\(padded(rest / 3600)):\(padded(rest / 60 % 60)):\(padded(rest % 60))"
        return days > 0 ? "\(padded(days))-\(clock)" : clock
    }

    /// One line, whatever a process calls itself.
    private static func command(_ entry: Entry) -> String {
        let text =
            entry.arguments.isEmpty ? "[\(entry.name)]" : entry.arguments.joined(separator: " ")
        let shown = String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7f ? "?" : $0 }))
        return entry.isZombie ? shown + " <defunct>" : shown
    }
}

extension ProcessTable.Entry {
    /// Reads /proc; nil when the process is gone.
    init?(pid: Int32) throws(SysError) {
        guard let stat = try Self.file("stat", of: pid), let line = try Self.file("cmdline", of: pid),
            let owner = try Self.owner(of: pid)
        else { return nil }
        self.init(pid: pid, uid: owner, stat: stat, cmdline: line)
    }

    /// The kernel's texts (proc_pid_stat(5)): the name stands in brackets and may hold some itself.
    init?(pid: Int32, uid: UInt32, stat: [UInt8], cmdline: [UInt8]) {
        guard let open = stat.firstIndex(of: UInt8(ascii: "(")),
            let close = stat.lastIndex(of: UInt8(ascii: ")")), open < close
        else { return nil }
        let fields = stat[(close + 1)...].split { $0 == 0x20 || $0 == 0x0a }.map {
            String(decoding: $0, as: UTF8.self)
        }
        guard fields.count > 19, let parent = Int32(fields[1]), let user = UInt64(fields[11]),
            let system = UInt64(fields[12]), let start = UInt64(fields[19])
        else { return nil }
        self.pid = pid
        self.parent = parent
        self.uid = uid
        (ticks, self.start) = (user &+ system, start)
        terminal = Int(fields[4]) ?? 0
        isZombie = fields[0] == "Z"
        name = String(decoding: stat[(open + 1)..<close], as: UTF8.self)
        var words = cmdline.split(separator: 0, omittingEmptySubsequences: false)
        if words.last?.isEmpty == true { words.removeLast() }
        arguments = words.map { String(decoding: $0, as: UTF8.self) }
    }

    /// The directory of a process belongs to its effective user, but for one that cannot be traced.
    private static func owner(of pid: Int32) throws(SysError) -> UInt32? {
        guard let status = try file("status", of: pid) else { return nil }
        let line = status.split(separator: 0x0a).first { $0.starts(with: "Uid:".utf8) }
        let ids = line?.split { $0 == 0x09 || $0 == 0x20 }.map { String(decoding: $0, as: UTF8.self) } ?? []
        return ids.count > 2 ? UInt32(ids[2]) : nil
    }

    private static func file(_ name: String, of pid: Int32) throws(SysError) -> [UInt8]? {
        do {
            return try FD.open(FilePath("/proc/\(pid)/\(name)")).readSome(limit: 1 << 17)
        } catch {
            if [.noSuchFileOrDirectory, .noSuchProcess].contains(error.errno) { return nil }
            throw error
        }
    }
}
