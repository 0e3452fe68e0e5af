public import Linux
public import OCI
import SystemPackage

/// What a cgroup has used, in the shape of `runc events --stats`: times in nanoseconds, sizes in bytes; what the
/// cgroup has no controller for is missing.
public func cgroupStatistics(_ cgroup: borrowing Cgroup) throws(RuntimeError) -> JSON {
    try asCgroupError { () throws(SysError) in
        .fields([
            "cpu": try cpuStatistics(cgroup), "cpuset": try cpusetStatistics(cgroup),
            "memory": try memoryStatistics(cgroup), "pids": try pidsStatistics(cgroup),
            "blkio": try ioStatistics(cgroup), "hugetlb": try hugetlbStatistics(cgroup),
            "intel_rdt": .object([]),
            "network_interfaces": .null,
        ])
    }
}

private func cpuStatistics(_ cgroup: borrowing Cgroup) throws(SysError) -> JSON {
    let stat = try cgroup.numbers("cpu.stat")
    func nanoseconds(_ name: String) -> JSON {
        // Microseconds of 584 years would still fit.
        .number((stat[name] ?? 0).multipliedReportingOverflow(by: 1000).partialValue)
    }
    return .fields([
        "usage": .fields([
            "total": nanoseconds("usage_usec"), "kernel": nanoseconds("system_usec"),
            "user": nanoseconds("user_usec"),
        ]),
        "throttling": .fields([
            "periods": .number(stat["nr_periods"] ?? 0),
            "throttledPeriods": .number(stat["nr_throttled"] ?? 0),
            "throttledTime": nanoseconds("throttled_usec"),
        ]),
        "psi": try pressure(cgroup, "cpu.pressure"),
    ])
}

private func cpusetStatistics(_ cgroup: borrowing Cgroup) throws(SysError) -> JSON {
    .fields([
        "cpus": .nonEmpty(numberList(try cgroup.read("cpuset.cpus.effective"))),
        "mems": .nonEmpty(numberList(try cgroup.read("cpuset.mems.effective"))),
    ])
}

/// `0-2,5`.
func numberList(_ text: String?) -> [UInt16] {
    var isThere = [Bool](repeating: false, count: 8192)  // no kernel has more
    for part in (text ?? "").split(separator: ",") {
        let ends = part.split(separator: "-").compactMap { UInt16($0) }
        guard let first = ends.first, let last = ends.last, first <= last, last < isThere.count else {
            continue
        }
        for number in first...last { isThere[Int(number)] = true }
    }
    return isThere.indices.filter { isThere[$0] }.map { UInt16($0) }
}

extension JSON {
    fileprivate static func nonEmpty(_ numbers: [UInt16]) -> JSON? {
        numbers.isEmpty ? nil : .array(numbers.map { .number($0) })
    }
}

private func memoryStatistics(_ cgroup: borrowing Cgroup) throws(SysError) -> JSON? {
    guard let usage = try amount(cgroup, "memory.current") else { return nil }
    let stat = try cgroup.numbers("memory.stat")
    let events = try cgroup.numbers("memory.events")
    let limit = try amount(cgroup, "memory.max") ?? .max
    let raw = stat.sorted { $0.key < $1.key }.map { JSON.Member($0.key, .number($0.value)) }
    return .fields([
        "cache": .number(stat["file"] ?? 0),
        "usage": .fields([
            "limit": .number(limit), "usage": .number(usage),
            "max": try amount(cgroup, "memory.peak").map { .number($0) },
            "failcnt": .number(events["max"] ?? 0),
        ]),
        "swap": try swapStatistics(cgroup, memory: usage, limit: limit),
        "kernel": .fields([
            "limit": .number(UInt64.max), "usage": .number(stat["kernel"] ?? 0), "failcnt": .number(0),
        ]),
        "raw": .object(raw), "psi": try pressure(cgroup, "memory.pressure"),
    ])
}

/// Memory and swap together, as readers know it from v1.
private func swapStatistics(
    _ cgroup: borrowing Cgroup, memory: UInt64, limit: UInt64
) throws(SysError) -> JSON? {
    guard let usage = try amount(cgroup, "memory.swap.current") else { return nil }
    let (total, isUnlimited) = limit.addingReportingOverflow(try amount(cgroup, "memory.swap.max") ?? .max)
    let events = try cgroup.numbers("memory.swap.events")
    return .fields([
        "limit": .number(isUnlimited ? UInt64.max : total), "usage": .number(usage &+ memory),
        "failcnt": .number(events["max"] ?? 0),
    ])
}

private func pidsStatistics(_ cgroup: borrowing Cgroup) throws(SysError) -> JSON? {
    guard let current = try amount(cgroup, "pids.current") else { return nil }
    let limit = try amount(cgroup, "pids.max") ?? .max
    // Without a limit there is none to show.
    return .fields(["current": .number(current), "limit": limit == .max ? nil : .number(limit)])
}

private func ioStatistics(_ cgroup: borrowing Cgroup) throws(SysError) -> JSON? {
    guard let text = try cgroup.read("io.stat") else { return nil }
    let entries = ioEntries(text)
    return .fields([
        "ioServiceBytesRecursive": entries.bytes.isEmpty ? nil : .array(entries.bytes),
        "ioServicedRecursive": entries.operations.isEmpty ? nil : .array(entries.operations),
        "psi": try pressure(cgroup, "io.pressure"),
    ])
}

/// Lines like `8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0`.
func ioEntries(_ text: String) -> (bytes: [JSON], operations: [JSON]) {
    var (bytes, operations): ([JSON], [JSON]) = ([], [])
    let words = [("rbytes", "Read"), ("wbytes", "Write"), ("dbytes", "Discard")]
    let counts = [("rios", "Read"), ("wios", "Write"), ("dios", "Discard")]
    for line in text.split(separator: "\n") {
        let parts = line.split(separator: " ")
        let device = parts.first?.split(separator: ":").compactMap { UInt64($0) } ?? []
        guard device.count == 2 else { continue }
        var values: [Substring: UInt64] = [:]
        for part in parts.dropFirst() {
            let pair = part.split(separator: "=")
            if pair.count == 2 { values[pair[0]] = UInt64(pair[1]) }
        }
        func entries(_ names: [(String, String)]) -> [JSON] {
            names.compactMap { name, op in
                guard let value = values[name[...]] else { return nil }
                return .fields([
                    "major": .number(device[0]), "minor": .number(device[1]), "op": .string(op),
                    "value": .number(value),
                ])
            }
        }
        bytes += entries(words)
        operations += entries(counts)
    }
    return (bytes, operations)
}

private func hugetlbStatistics(_ cgroup: borrowing Cgroup) throws(SysError) -> JSON? {
    var sizes: [JSON.Member] = []
    for entry in try cgroup.directory.entries() {
        let parts = entry.name.string.split(separator: ".")
        guard parts.count == 3, parts[0] == "hugetlb", parts[2] == "current" else { continue }
        let name = "hugetlb.\(parts[1])"
        let events = try cgroup.numbers("\(name).events")
        sizes.append(
            JSON.Member(
                String(parts[1]),
                .fields([
                    "usage": .number(try amount(cgroup, "\(name).current") ?? 0),
                    "failcnt": .number(events["max"] ?? 0),
                ])))
    }
    return sizes.isEmpty ? nil : .object(sizes.sorted { $0.name < $1.name })
}

/// How long tasks waited for it (kernel documentation, accounting/psi.rst).
private func pressure(_ cgroup: borrowing Cgroup, _ file: String) throws(SysError) -> JSON? {
    let text: String?
    do {
        text = try cgroup.read(file)
    } catch {
        // Switched off at boot.
        guard error.errno == .notSupportedOnSocket || error.errno == .notSupported else { throw error }
        return nil
    }
    guard let text else { return nil }
    return .object(
        text.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ")
            guard let kind = words.first else { return nil }
            let members = words.dropFirst().compactMap { word -> JSON.Member? in
                let pair = word.split(separator: "=")
                guard pair.count == 2 else { return nil }
                if let total = UInt64(pair[1]) { return JSON.Member(String(pair[0]), .number(total)) }
                return Double(pair[1]).map { JSON.Member(String(pair[0]), .double($0)) }
            }
            return JSON.Member(String(kind), .object(members))
        })
}

/// A file with one number; `max` is the largest. Nil when there is no such file.
private func amount(_ cgroup: borrowing Cgroup, _ file: String) throws(SysError) -> UInt64? {
    guard let text = try cgroup.read(file) else { return nil }
    return text == "max" ? .max : UInt64(text)
}
