import Monitor
public import OCI

/// docker's HostConfig, with apus's own members where docker has none: mounts of every kind stand in Mounts.
extension HostOptions {
    /// The document.
    public var json: JSON {
        .fields([
            "Binds": .nonEmpty(binds) ?? .null, "AllMounts": .array(mounts.map(\.json)),
            "VolumesFrom": .nonEmpty(volumesFrom) ?? .null, "LogConfig": log.json,
            "NetworkMode": .string(network.text), "PublishedPorts": .nonEmpty(ports),
            "Endpoints": connections.map { .array($0.map(\.json)) },
            "RestartPolicy": restart.json,
            "AutoRemove": .bool(removesItself), "CapAdd": .nonEmpty(addedCapabilities) ?? .null,
            "CapDrop": .nonEmpty(droppedCapabilities) ?? .null,
            "Dns": .array(dns.map(JSON.string)), "DnsOptions": .array(dnsOptions.map(JSON.string)),
            "DnsSearch": .array(dnsSearch.map(JSON.string)), "ExtraHosts": .nonEmpty(extraHosts) ?? .null,
            "GroupAdd": .nonEmpty(groups) ?? .null,
            "OomScoreAdj": .int(Int64(oomScoreAdjustment ?? 0)), "Privileged": .bool(isPrivileged),
            "PublishAllPorts": .bool(publishesAll), "ReadonlyRootfs": .bool(hasReadOnlyRoot),
            "SecurityOpt": .nonEmpty(securityOptions) ?? .null, "ShmSize": .int(shmSize),
            "Mounts": mountFlags.isEmpty ? nil : .array(mountFlags),
            "Tmpfs": .nonEmpty(tmpfsFlags),
            "Ulimits": .array(ulimits.map(\.json)), "Init": usesInit ? .bool(true) : nil,
            "OomScoreAdjSet": oomScoreAdjustment == nil ? nil : .bool(true),
            "ContainerIDFile": .string(idFile ?? ""),
        ]).appending(limits.json).appending(sharing.json)
    }

    /// Reads HostConfig.
    public init(_ json: JSON) throws(JSONError) {
        do throws(UsageError) {
            network = try Network(parsing: json["NetworkMode"]?.string ?? "bridge")
        } catch { throw JSONError("NetworkMode: \(error)") }
        if let records = json["Endpoints"]?.array {
            var found: [EndpointOptions] = []
            for record in records { found.append(try EndpointOptions(record)) }
            connections = found
        }
        // Older records have all of them as Mounts.
        let all = json["AllMounts"] == nil ? "Mounts" : "AllMounts"
        for mount in try json.arrayOrEmpty(all) { mounts.append(try MountOption(mount)) }
        for ulimit in try json.arrayOrEmpty("Ulimits") { ulimits.append(try Ulimit(ulimit)) }
        sharing = try SharingOptions(json)
        volumesFrom = try json.stringsOrEmpty("VolumesFrom")
        ports = try json.stringsOrEmpty("PublishedPorts")
        if let policy = json["RestartPolicy"] { restart = try RestartPolicy(policy) }
        publishesAll = try json.optionalBool("PublishAllPorts") ?? false
        dns = try json.stringsOrEmpty("Dns")
        dnsSearch = try json.stringsOrEmpty("DnsSearch")
        dnsOptions = try json.stringsOrEmpty("DnsOptions")
        extraHosts = try json.stringsOrEmpty("ExtraHosts")
        addedCapabilities = try json.stringsOrEmpty("CapAdd")
        droppedCapabilities = try json.stringsOrEmpty("CapDrop")
        isPrivileged = try json.optionalBool("Privileged") ?? false
        for option in try json.stringsOrEmpty("SecurityOpt") { readSecurity(option) }
        hasReadOnlyRoot = try json.optionalBool("ReadonlyRootfs") ?? false
        usesInit = try json.optionalBool("Init") ?? false
        shmSize = try json.optionalInt("ShmSize") ?? shmSize
        groups = try json.stringsOrEmpty("GroupAdd")
        if try json.optionalBool("OomScoreAdjSet") == true {
            oomScoreAdjustment = try json.optionalInt("OomScoreAdj").map { Int(truncatingIfNeeded: $0) }
        }
        idFile = try json.optionalString("ContainerIDFile").flatMap { $0.isEmpty ? nil : $0 }
        removesItself = try json.optionalBool("AutoRemove") ?? false
        limits = try Limits(json)
        log = try json["LogConfig"].map { value throws(JSONError) in try LogOptions(value) } ?? log
    }

    private var securityOptions: [String] {
        var options = noNewPrivileges ? ["no-new-privileges"] : []
        switch seccomp {
        case .standard: break
        case .unconfined: options.append("seccomp=unconfined")
        case .profile(let text): options.append("seccomp=\(text)")
        }
        return options
    }

    /// The stored form of `securityOptions`, where a profile's text stands in place of its path.
    private mutating func readSecurity(_ option: String) {
        switch option {
        case "no-new-privileges": noNewPrivileges = true
        case "seccomp=unconfined": seccomp = .unconfined
        default: if option.hasPrefix("seccomp=") { seccomp = .profile(String(option.dropFirst(8))) }
        }
    }
}

extension JSON {
    /// An object with the members of another after its own.
    func appending(_ other: JSON) -> JSON { .object((members ?? []) + (other.members ?? [])) }
}

extension Ulimit {
    var json: JSON { .fields(["Name": .string(name), "Hard": .int(hard), "Soft": .int(soft)]) }

    init(_ json: JSON) throws(JSONError) {
        self.init(
            name: try json.requireString("Name"), soft: try json.requireInt("Soft"),
            hard: try json.requireInt("Hard"))
    }
}

extension Limits {
    /// docker writes 0 and "" for what is not limited.
    var json: JSON {
        .fields([
            "CpuShares": .int(cpuShares ?? 0), "Memory": .int(memory ?? 0), "NanoCpus": .int(nanoCPUs ?? 0),
            "CpuPeriod": .int(cpuPeriod ?? 0), "CpuQuota": .int(cpuQuota ?? 0),
            "CpusetCpus": .string(cpusetCPUs ?? ""), "CpusetMems": .string(cpusetMems ?? ""),
            "MemoryReservation": .int(memoryReservation ?? 0), "MemorySwap": .int(memorySwap ?? 0),
            "PidsLimit": pids.map(JSON.int) ?? .null,
        ])
    }

    init(_ json: JSON) throws(JSONError) {
        func amount(_ name: String) throws(JSONError) -> Int64? {
            try json.optionalInt(name).flatMap { $0 == 0 ? nil : $0 }
        }
        memory = try amount("Memory")
        memoryReservation = try amount("MemoryReservation")
        memorySwap = try amount("MemorySwap")
        nanoCPUs = try amount("NanoCpus")
        cpuShares = try amount("CpuShares")
        cpuPeriod = try amount("CpuPeriod")
        cpuQuota = try amount("CpuQuota")
        cpusetCPUs = try json.optionalString("CpusetCpus").flatMap { $0.isEmpty ? nil : $0 }
        cpusetMems = try json.optionalString("CpusetMems").flatMap { $0.isEmpty ? nil : $0 }
        pids = try json.optionalInt("PidsLimit")
    }
}
