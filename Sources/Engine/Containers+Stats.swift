import Linux
import Monitor
import OCI
import Runtime
import SystemPackage

/// What containers use.
extension Containers {
    /// One look at a container. Without a process it uses nothing.
    public func usage(of record: Records.Record) throws -> ContainerUsage {
        let now = Timestamp.sinceBoot()
        guard case .running(let pid, let startTime, _) = record.state.phase,
            let process = try Pidfd.find(pid: pid, startTime: startTime)
        else { return .none(at: now) }
        var usage = ContainerUsage(taken: now)
        if record.config.host.network == .host {
            // The host's own are nobody's use.
            (usage.received, usage.sent) = (0, 0)
        } else if let text = try Self.file(FilePath("/proc/\(process.pid)/net/dev")), !process.hasEnded() {
            (usage.received, usage.sent) = Self.networkBytes(text)
        }
        guard let tree = CgroupTree.find() else { return usage }
        let cgroup: Cgroup
        do { cgroup = try tree.open(try request(of: record.config.id).cgroup) } catch let error as SysError {
            guard error.errno == .noSuchFileOrDirectory else { throw error }
            return .none(at: now)
        }
        let isCounted = try !cgroup.numbers("cpu.stat").isEmpty
        Self.take(
            try cgroupStatistics(cgroup), hasProcessors: isCounted,
            memoryOfHost: UInt64(clamping: HostInfo().memory),
            into: &usage)
        return usage
    }

    /// What `runc events --stats` would say. Pure.
    static func take(
        _ statistics: JSON, hasProcessors: Bool, memoryOfHost: UInt64, into usage: inout ContainerUsage
    ) {
        func number(_ path: String...) -> UInt64? {
            path.reduce(statistics) { (json: JSON?, name) in json?[name] }.flatMap { UInt64($0.text) }
        }
        if hasProcessors { usage.processors = number("cpu", "usage", "total") }
        if let used = number("memory", "usage", "usage") {
            let inactive = number("memory", "raw", "inactive_file") ?? 0
            usage.memory = used > inactive ? used - inactive : used
            usage.memoryLimit = min(number("memory", "usage", "limit") ?? .max, memoryOfHost)
        }
        usage.processes = number("pids", "current")
        guard let disks = statistics["blkio"] else { return }
        func sum(_ operation: String) -> UInt64 {
            (disks["ioServiceBytesRecursive"]?.array ?? []).filter { $0["op"]?.string == operation }
                .reduce(0) { $0 &+ ($1["value"].flatMap { UInt64($0.text) } ?? 0) }
        }
        (usage.read, usage.written) = (sum("Read"), sum("Write"))
    }

    /// Of every interface but the loopback, from the kernel's table (proc_pid_net(5)).
    static func networkBytes(_ table: String) -> (received: UInt64, sent: UInt64) {
        var (received, sent): (UInt64, UInt64) = (0, 0)
        for line in table.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, parts[0].drop(while: { $0 == " " }) != "lo" else { continue }
            let numbers = parts[1].split(separator: " ").compactMap { UInt64($0) }
            guard numbers.count > 8 else { continue }
            received &+= numbers[0]
            sent &+= numbers[8]
        }
        return (received, sent)
    }

    private static func file(_ path: FilePath) throws(SysError) -> String? {
        do {
            return String(decoding: try FD.open(path).readAll(limit: 1 << 20), as: UTF8.self)
        } catch {
            guard [.noSuchFileOrDirectory, .noSuchProcess, .invalidArgument].contains(error.errno) else {
                throw error
            }
            return nil
        }
    }
}
