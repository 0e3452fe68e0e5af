/// What a container's cgroup is limited to; nil leaves a limit alone.
public struct Limits: Equatable, Sendable {
    /// In bytes, like the next two.
    public var memory: Int64?
    public var memoryReservation: Int64?
    /// Memory and swap together; -1 is unlimited.
    public var memorySwap: Int64?
    /// Billionths of a processor.
    public var nanoCPUs: Int64?
    /// 2 to 262144, the v1 sense.
    public var cpuShares: Int64?
    /// In microseconds, like the quota.
    public var cpuPeriod: Int64?
    public var cpuQuota: Int64?
    /// `0-3,7`.
    public var cpusetCPUs: String?
    public var cpusetMems: String?
    /// -1 is unlimited.
    public var pids: Int64?

    /// Memory and swap together where it is not said: as much swap as memory (docker).
    var swapAndMemory: Int64? {
        memorySwap ?? memory.flatMap { $0 > 0 && $0 < .max / 2 ? $0 * 2 : nil }
    }

    /// No limit.
    public init() {}

    /// Refuses what docker refuses; `processors` are those of the host.
    public func validate(processors: @autoclosure () -> Int) throws(UsageError) {
        try validateMemory()
        if let nanoCPUs {
            guard cpuPeriod == nil, cpuQuota == nil else {
                let other = cpuPeriod == nil ? "Quota" : "Period"
                throw UsageError("Conflicting options: Nano CPUs and CPU \(other) cannot both be set.")
            }
            let processors = processors()
            guard nanoCPUs >= 10_000_000, nanoCPUs <= Int64(processors) * 1_000_000_000 else {
                throw UsageError(
                    "range of CPUs is from 0.01 to \(processors).00, as there are only \(processors) CPUs available"
                )
            }
        }
        if let cpuPeriod, !(1000...1_000_000).contains(cpuPeriod) {
            throw UsageError(
                "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")
        }
        if let cpuQuota, cpuQuota != -1, cpuQuota < 1000 {
            throw UsageError("CPU cfs quota can not be less than 1ms (i.e. 1000)")
        }
        if let cpuShares, cpuShares != 0, !(2...262_144).contains(cpuShares) {
            throw UsageError("CPU shares must be from 2 to 262144, not \(cpuShares)")
        }
        if let cpusetCPUs, !Limits.isCPUList(cpusetCPUs) {
            throw UsageError("Invalid value \(cpusetCPUs) for cpuset cpus")
        }
        if let cpusetMems, !Limits.isCPUList(cpusetMems) {
            throw UsageError("Invalid value \(cpusetMems) for cpuset mems")
        }
    }

    /// These limits with those that a change names; docker's texts where they do not go together.
    func updated(by change: Limits, processors: Int) throws(UsageError) -> Limits {
        if change.nanoCPUs != nil, cpuPeriod != nil || cpuQuota != nil {
            let other = cpuPeriod == nil ? "Quota" : "Period"
            throw UsageError(
                "Conflicting options: Nano CPUs cannot be updated as CPU \(other) has already been set")
        }
        if change.cpuPeriod != nil || change.cpuQuota != nil, nanoCPUs != nil {
            let what = change.cpuPeriod == nil ? "Quota" : "Period"
            throw UsageError(
                "Conflicting options: CPU \(what) cannot be updated as NanoCPUs has already been set")
        }
        if let memory = change.memory, change.memorySwap == nil, let swap = swapAndMemory, swap >= 0,
            memory > swap
        {
            throw UsageError(
                "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the "
                    + "same time")
        }
        var result = self
        result.memory = change.memory ?? memory
        result.memoryReservation = change.memoryReservation ?? memoryReservation
        // What followed from the memory before stays.
        result.memorySwap = change.memorySwap ?? swapAndMemory
        result.nanoCPUs = change.nanoCPUs ?? nanoCPUs
        result.cpuShares = change.cpuShares ?? cpuShares
        result.cpuPeriod = change.cpuPeriod ?? cpuPeriod
        result.cpuQuota = change.cpuQuota ?? cpuQuota
        result.cpusetCPUs = change.cpusetCPUs ?? cpusetCPUs
        result.cpusetMems = change.cpusetMems ?? cpusetMems
        result.pids = change.pids ?? pids
        try result.validate(processors: processors)
        return result
    }

    private func validateMemory() throws(UsageError) {
        let least: Int64 = 6 << 20
        if let memory, memory < least { throw UsageError("Minimum memory limit allowed is 6MB") }
        if let memoryReservation {
            guard memoryReservation >= least else {
                throw UsageError("Minimum memory reservation allowed is 6MB")
            }
            if let memory, memory < memoryReservation {
                throw UsageError(
                    "Minimum memory limit can not be less than memory reservation limit, see usage")
            }
        }
        guard let memorySwap else { return }
        guard let memory else {
            if memorySwap < 0 { return }
            throw UsageError("You should always set the Memory limit when using Memoryswap limit, see usage")
        }
        if memorySwap >= 0, memorySwap < memory {
            throw UsageError("Minimum memoryswap limit should be larger than memory limit, see usage")
        }
    }

    /// Numbers and ranges `a-b`, joined by commas.
    static func isCPUList(_ text: String) -> Bool {
        text.split(separator: ",", omittingEmptySubsequences: false).allSatisfy { part in
            let ends = part.split(separator: "-", omittingEmptySubsequences: false)
            let numbers = ends.compactMap { UInt16($0) }
            return numbers.count == ends.count && (1...2).contains(ends.count)
                && (numbers.first ?? 1) <= (numbers.last ?? 0)
        }
    }
}

/// `--ulimit name=soft[:hard]`.
public struct Ulimit: Equatable, Sendable {
    /// docker's name: `nofile`.
    public var name: String
    /// -1 is unlimited, in both.
    public var soft: Int64
    public var hard: Int64

    /// Takes both limits.
    public init(name: String, soft: Int64, hard: Int64) {
        (self.name, self.soft, self.hard) = (name, soft, hard)
    }

    /// Takes what was typed; docker's texts.
    public init(parsing text: String) throws(UsageError) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(
            String.init)
        guard parts.count == 2 else { throw UsageError("invalid ulimit argument: \(text)") }
        guard Ulimit.names.contains(parts[0]) else { throw UsageError("invalid ulimit type: \(parts[0])") }
        let limits = parts[1].split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard limits.count <= 2 else {
            throw UsageError(
                "too many limit value arguments - \(parts[1]), can only have up to two, `soft[:hard]`")
        }
        var numbers: [Int64] = []
        for limit in limits {
            guard let number = Int64(limit) else {
                throw UsageError("strconv.ParseInt: parsing \"\(limit)\": invalid syntax")
            }
            guard number >= -1 else { throw UsageError("invalid ulimit value \(number): less than -1") }
            numbers.append(number)
        }
        self.init(name: parts[0], soft: numbers[0], hard: numbers[numbers.count - 1])
        if hard != -1, soft > hard || soft == -1 {
            throw UsageError("ulimit soft limit must be less than or equal to hard limit: \(soft) > \(hard)")
        }
    }

    /// getrlimit(2) without RLIMIT_, in lower case; `as` is docker's one omission and harmless.
    static let names: Set<String> = [
        "as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc",
        "rss",
        "rtprio", "rttime", "sigpending", "stack",
    ]

    /// As runtime-spec names it: `RLIMIT_NOFILE`.
    public var rlimit: String { "RLIMIT_\(name.uppercased())" }
}
