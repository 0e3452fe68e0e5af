import OCI

/// The unit of a container in systemd: a transient scope with its processes, or a slice.
struct SystemdScope: Sendable {
    let unit: CgroupPlace.Unit

    /// Starts the unit around a process, and waits until it is in the unit's cgroup. A unit that failed and was left
    /// behind under this name is taken away first.
    func start(_ pid: Int32, _ properties: [DBusProperty]) throws(RuntimeError) {
        let bus = try DBusConnection()
        let all = ownProperties(pid) + (try known(properties, on: bus))
        do throws(RuntimeError) {
            try start(all, on: bus)
        } catch {
            guard error.description.hasSuffix("(org.freedesktop.systemd1.UnitExists)") else {
                throw RuntimeError("unable to start unit \"\(unit.name)\": \(error)")
            }
            _ = try? bus.call(Self.manager("ResetFailedUnit", .string(unit.name)))  // the second try tells
            do throws(RuntimeError) { try start(all, on: bus) } catch {
                throw RuntimeError("unable to start unit \"\(unit.name)\": \(error)")
            }
        }
    }

    /// Changes the unit's limits; they last as long as it does.
    func set(_ properties: [DBusProperty]) throws(RuntimeError) {
        guard !properties.isEmpty else { return }
        do throws(RuntimeError) {
            let bus = try DBusConnection()
            let known = try known(properties, on: bus)
            _ = try bus.call(
                Self.manager("SetUnitProperties", .string(unit.name), .bool(true), .properties(known)))
        } catch {
            throw RuntimeError("unable to set properties of unit \"\(unit.name)\": \(error)")
        }
    }

    /// Stops the unit, and with it what is left of its processes. One that is gone is not an error.
    func stop() throws(RuntimeError) {
        let bus = try DBusConnection()
        try listen(on: bus)
        do throws(RuntimeError) {
            let answer = try bus.call(
                Self.manager("StopUnit", .string(unit.name), .string("replace")))
            _ = try wait(for: answer, on: bus)
        } catch {
            guard error.description.hasSuffix("(org.freedesktop.systemd1.NoSuchUnit)") else {
                throw RuntimeError("unable to stop unit \"\(unit.name)\": \(error)")
            }
        }
        _ = try? bus.call(Self.manager("ResetFailedUnit", .string(unit.name)))  // most have not failed
    }

    private static let service = "org.freedesktop.systemd1"

    private static func manager(_ member: String, _ arguments: DBusValue...) -> DBusCall {
        DBusCall(
            destination: service, path: "/org/freedesktop/systemd1", interface: "\(service).Manager",
            member: member, arguments: arguments)
    }

    private func start(_ properties: [DBusProperty], on bus: DBusConnection) throws(RuntimeError) {
        try listen(on: bus)
        let answer = try bus.call(
            Self.manager(
                "StartTransientUnit", .string(unit.name), .string("replace"), .properties(properties),
                .noUnits))
        let result = try wait(for: answer, on: bus)
        guard result == "done" else { throw RuntimeError("its job ended as \"\(result)\"") }
    }

    /// Weight 0, idle, came with systemd 252. An older one would refuse it; there the file alone says it, as with runc.
    private func known(
        _ properties: [DBusProperty], on bus: DBusConnection
    ) throws(RuntimeError) -> [DBusProperty] {
        let idle = DBusProperty("CPUWeight", .uint64(0))
        guard properties.contains(idle) else { return properties }
        let answer = try bus.call(
            DBusCall(
                destination: Self.service, path: "/org/freedesktop/systemd1",
                interface: "org.freedesktop.DBus.Properties", member: "Get",
                arguments: [.string("\(Self.service).Manager"), .string("Version")]))
        guard case .string(let version)? = answer.first, systemdVersion(version) < 252 else {
            return properties
        }
        return properties.filter { $0 != idle }
    }

    /// Before the job: its end must not be missed. Only systemd's own signals are taken.
    private func listen(on bus: DBusConnection) throws(RuntimeError) {
        let rule =
            "type='signal',sender='\(Self.service)',interface='\(Self.service).Manager',member='JobRemoved'"
        _ = try bus.call(DBusConnection.bus("AddMatch", .string(rule)))
    }

    /// How the job ended: `done`, `failed`, `timeout`...
    private func wait(for answer: [DBusValue], on bus: DBusConnection) throws(RuntimeError) -> String {
        guard case .objectPath(let job)? = answer.first else { throw RuntimeError("systemd named no job") }
        let manager = try bus.owner(of: Self.service)
        while true {
            let signal = try bus.signal("JobRemoved", of: "\(Self.service).Manager", from: manager)
            guard signal.count == 4, signal[1] == .objectPath(job), case .string(let result) = signal[3]
            else {
                continue
            }
            return result
        }
    }

    /// What makes it a container's, as runc has it. Delegated, so that systemd keeps out of what is below.
    func ownProperties(_ pid: Int32) -> [DBusProperty] {
        let isSlice = unit.name.hasSuffix(".slice")
        var properties = [
            DBusProperty("Description", .string("apus container \(unit.name)")),
            isSlice
                ? DBusProperty("Wants", .strings([unit.slice])) : DBusProperty("Slice", .string(unit.slice)),
        ]
        if !isSlice {
            properties += [
                DBusProperty("Delegate", .bool(true)),
                DBusProperty("PIDs", .uint32s([UInt32(bitPattern: pid)])),
            ]
        }
        let accounting = ["CPUAccounting", "MemoryAccounting", "IOAccounting", "TasksAccounting"]
        return properties + accounting.map { DBusProperty($0, .bool(true)) }
            + [DBusProperty("DefaultDependencies", .bool(false))]
    }
}

/// The number in `252.38-1~deb12u1` or `v249.11`; 0 without one.
func systemdVersion(_ text: String) -> Int {
    let digits = text.drop { $0 == "v" }.prefix { $0.isASCII && $0.isNumber }
    return Int(digits) ?? 0
}

/// What systemd has to know of a container's limits, so that it does not undo them: runc's mapping for cgroup v2. The
/// files are written as well. `limits` are the planned writes: what this host cannot have is not among them.
func systemdProperties(_ limits: [CgroupWrite]) -> [DBusProperty] {
    var values: [String: DBusProperty] = [:]
    var properties: [DBusProperty] = []
    for limit in limits {
        // A later write to the same file wins, as it does in the file.
        for property in systemdProperties(limit) {
            if values.updateValue(property, forKey: property.name) == nil { properties.append(property) }
        }
    }
    return properties.compactMap { values[$0.name] }
}

private func systemdProperties(_ limit: CgroupWrite) -> [DBusProperty] {
    let names = [
        "memory.max": "MemoryMax", "memory.low": "MemoryLow", "memory.high": "MemoryHigh",
        "memory.min": "MemoryMin", "memory.swap.max": "MemorySwapMax", "cpu.weight": "CPUWeight",
    ]
    switch limit.file {
    case "cpu.max": return cpuQuota(limit.value)
    // Weight 0 stands for idle; one that is no longer has the kernel's default again. The kernel refuses the rest.
    case "cpu.idle":
        return ["1": 0, "0": 100][limit.value].map { [DBusProperty("CPUWeight", .uint64($0))] } ?? []
    // systemd knows no smaller one.
    case "pids.max": return amount(limit.value).map { [DBusProperty("TasksMax", .uint64(max($0, 1)))] } ?? []
    case "cpuset.cpus": return mask("AllowedCPUs", limit.value)
    case "cpuset.mems": return mask("AllowedMemoryNodes", limit.value)
    default:
        guard let name = names[limit.file], let value = amount(limit.value) else { return [] }
        return [DBusProperty(name, .uint64(value))]
    }
}

private func amount(_ text: String) -> UInt64? { text == "max" ? .max : UInt64(text) }

extension LimitPlan {
    /// The quota in the steps that systemd knows, so that the file and the unit say the same.
    func rounded() -> LimitPlan {
        var plan = self
        plan.writes = writes.map { limit in
            let words = limit.value.split(separator: " ").compactMap { UInt64($0) }
            guard limit.file == "cpu.max", words.count == 2, words[0] <= .max / 1_000_000,
                let perSecond = roundedQuota(words[0], period: words[1])
            else { return limit }
            let (product, overflow) = perSecond.multipliedReportingOverflow(by: words[1])
            return overflow ? limit : CgroupWrite("cpu", "cpu.max", "\(product / 1_000_000) \(words[1])")
        }
        return plan
    }
}

/// Microseconds of each second in steps of 10 ms, rounded up; nil for a quota that needs no rounding.
private func roundedQuota(_ quota: UInt64, period: UInt64) -> UInt64? {
    let (perSecond, step) = (quota * 1_000_000 / max(period, 1), UInt64(10_000))
    return perSecond % step == 0 || perSecond > .max - step ? nil : (perSecond / step + 1) * step
}

/// systemd counts the quota of a second, and in steps of 10 ms: rounded up, as runc does.
private func cpuQuota(_ value: String) -> [DBusProperty] {
    let words = value.split(separator: " ").map(String.init)
    guard let first = words.first, let quota = amount(first) else { return [] }
    let period = words.dropFirst().first.flatMap { UInt64($0) }
    var properties = period.map { [DBusProperty("CPUQuotaPeriodUSec", .uint64($0))] } ?? []
    guard quota != .max else { return properties + [DBusProperty("CPUQuotaPerSecUSec", .uint64(.max))] }
    let (product, overflow) = quota.multipliedReportingOverflow(by: 1_000_000)
    let perSecond = overflow ? .max : product / max(period ?? 100_000, 1)
    let step: UInt64 = 10_000
    let rounded = perSecond > .max - step ? .max : (perSecond + step - 1) / step * step
    properties.append(DBusProperty("CPUQuotaPerSecUSec", .uint64(rounded)))
    return properties
}

/// Bit n of byte n/8 for each number of a list; nothing for a list that the kernel has to refuse.
private func mask(_ name: String, _ list: String) -> [DBusProperty] {
    // What is longer is written by nobody, and would take long to read.
    guard list.utf8.count < 1 << 16, let highest = numberList(list).last else { return [] }
    var bytes = [UInt8](repeating: 0, count: Int(highest) / 8 + 1)
    for number in numberList(list) { bytes[Int(number) / 8] |= 1 << (number % 8) }
    return [DBusProperty(name, .bytes(bytes))]
}

/// Properties that annotations `org.systemd.property.NAME` may set: when and how the unit is stopped and ordered. All
/// others are refused: some of them switch the machine off (CVE-2024-3154).
func systemdProperties(annotations: [String: String]) throws(RuntimeError) -> [DBusProperty] {
    let prefix = Annotations.systemdProperty
    var properties: [DBusProperty] = []
    for (key, text) in annotations.sorted(by: { $0.key < $1.key }) where key.hasPrefix(prefix) {
        let name = String(key.dropFirst(prefix.utf8.count))
        guard let value = annotationValue(name, text) else {
            throw RuntimeError(
                "annotation \(key) = \"\(text)\" is not allowed: only CollectMode, TimeoutStopUSec, TimeoutStopSec, "
                    + "RuntimeMaxSec, KillSignal, DefaultDependencies, After and Before may be set, each in its own type"
            )
        }
        properties.append(value)
    }
    return properties
}

private func annotationValue(_ name: String, _ text: String) -> DBusProperty? {
    let number = text.hasPrefix("uint64 ") ? String(text.dropFirst(7)) : text
    switch name {
    case "TimeoutStopUSec", "RuntimeMaxUSec": return UInt64(number).map { DBusProperty(name, .uint64($0)) }
    case "TimeoutStopSec", "RuntimeMaxSec":
        guard let seconds = UInt64(number), seconds < 1 << 40 else { return nil }
        return DBusProperty(String(name.dropLast(3)) + "USec", .uint64(seconds * 1_000_000))
    case "KillSignal":
        guard let signal = Int32(text), (1...64).contains(signal) else { return nil }
        return DBusProperty(name, .int32(signal))
    case "DefaultDependencies":
        return ["true": true, "false": false][text].map { DBusProperty(name, .bool($0)) }
    case "CollectMode":
        guard let word = quoted(text[...]), ["inactive", "inactive-or-failed"].contains(word) else {
            return nil
        }
        return DBusProperty(name, .string(word))
    case "After", "Before":
        guard text.hasPrefix("["), text.hasSuffix("]"), text.utf8.count >= 2 else { return nil }
        let parts = text.dropFirst().dropLast().split(separator: ",")
        let units = parts.compactMap { quoted($0) }
        return units.count == parts.count ? DBusProperty(name, .strings(units)) : nil
    default: return nil
    }
}

/// `'text'` or `"text"`, without quotes in it.
private func quoted(_ text: Substring) -> String? {
    let trimmed = text.drop { $0 == " " }
    guard let quote = trimmed.first, quote == "'" || quote == "\"", trimmed.last == quote, trimmed.count >= 2
    else {
        return nil
    }
    let inner = trimmed.dropFirst().dropLast()
    return inner.allSatisfy { $0 != "'" && $0 != "\"" && $0 != "\\" } ? String(inner) : nil
}
