import Linux
import Monitor
import Runtime
import SystemPackage

/// The processes of a container.
extension Containers {
    /// Titles and rows: with `options` what the host's ps says, else what `ps -ef` would.
    public func top(_ id: String, options: [String]) throws -> (titles: [String], rows: [[String]]) {
        let record = try records.read(id)
        let pids = try processes(of: record)
        tell("top", record.config)
        if !options.isEmpty {
            try Self.checkPSOptions(options)
            do { return try HostPS.table(of: Set(pids), options: options) } catch {
                throw EngineError("\(error)", exitCode: 1)
            }
        }
        let table = ProcessTable(
            users: try UserDatabase(root: FD.open("/", [.path, .directory])), now: .now(),
            uptime: Self.uptime())
        return (ProcessTable.titles, try pids.compactMap { try ProcessTable.Entry(pid: $0) }.map(table.row))
    }

    /// Every process in the container's cgroup and below it, in our numbers, sorted.
    func processes(of record: Records.Record) throws -> [Int32] {
        let id = record.config.id
        _ = try firstProcess(of: record)
        guard let tree = CgroupTree.find() else {
            throw EngineError(
                "cannot find the processes of container \(id.prefix(12)): no cgroup v2 is mounted below "
                    + "/sys/fs/cgroup (mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified)", exitCode: 1)
        }
        do {
            let pids = try tree.open(try request(of: id).cgroup)
                .processes(recursive: true)
            return pids.filter { $0 > 0 }.sorted()
        } catch let error as SysError {
            guard error.errno == .noSuchFileOrDirectory else { throw error }
            throw Self.notRunning(id)
        }
    }

    /// The first process of a container, held: its pid cannot be another's while the answer is.
    func firstProcess(of record: Records.Record) throws -> Pidfd {
        guard !record.state.isRestarting else {
            throw EngineError(
                "Container \(record.config.id) is restarting, wait until the container is running",
                exitCode: 1)
        }
        guard case .running(let pid, let startTime, _) = record.state.phase,
            let process = try Pidfd.find(pid: pid, startTime: startTime)
        else { throw Self.notRunning(record.config.id) }
        return process
    }

    static func notRunning(_ id: String) -> EngineError {
        EngineError("Container \(id) is not running", exitCode: 1)
    }

    /// What dockerd refuses: another column by the name of the one that rows are found by.
    static func checkPSOptions(_ options: [String]) throws(EngineError) {
        for word in options {
            guard let equals = word.firstRange(of: "=PID")?.lowerBound, word[..<equals] != "pid" else {
                continue
            }
            throw EngineError("specifying \"\(word)\" is not allowed", exitCode: 1)
        }
    }

    private static func uptime() -> Double { Timestamp.sinceBoot().elapsed(since: Timestamp(seconds: 0)) }
}
