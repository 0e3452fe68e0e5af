extension RuntimeSpec.Resources {
    /// Reads the `resources` member, also the whole document of `update --resources`. Names that Go's reader takes in
    /// other letters and that are written so (`CPU`, `Cpus`, `Mems`, `pagesize`) are understood.
    public init(_ json: JSON) throws(JSONError) {
        guard json.members != nil else { throw JSONError("resources is not an object") }
        devices = try json.children("devices", RuntimeSpec.DeviceRule.init)
        memory = try json.child("memory", RuntimeSpec.Memory.init) ?? RuntimeSpec.Memory()
        cpu =
            try json.child(json.either("cpu", "CPU"), RuntimeSpec.CPU.init) ?? RuntimeSpec.CPU()
        pids = try json.child("pids", RuntimeSpec.PidsLimit.init)
        blockIO = try json.child("blockIO", RuntimeSpec.BlockIO.init) ?? RuntimeSpec.BlockIO()
        hugepageLimits = try json.children("hugepageLimits", RuntimeSpec.HugepageLimit.init)
        network = try json.child("network", RuntimeSpec.NetworkClass.init) ?? RuntimeSpec.NetworkClass()
        rdma = try json.childMap("rdma", RuntimeSpec.RdmaLimit.init)
        unified = try json.textMap("unified")
    }

    /// The `resources` member.
    public var json: JSON {
        .fields([
            "devices": .nonEmpty(devices, \.json), "memory": memory.json.unlessEmpty,
            "cpu": cpu.json.unlessEmpty,
            "pids": pids?.json, "blockIO": blockIO.json.unlessEmpty,
            "hugepageLimits": .nonEmpty(hugepageLimits, \.json), "network": network.json.unlessEmpty,
            "rdma": .nonEmpty(rdma, \.json), "unified": .nonEmpty(unified),
        ])
    }
}

extension RuntimeSpec.DeviceRule {
    init(_ json: JSON) throws(JSONError) {
        allow = try json.optionalBool("allow").required("allow")
        kind = try json.word("type") ?? .all
        major = try Self.deviceNumber(json, "major")
        minor = try Self.deviceNumber(json, "minor")
        let letters = try json.text("access") ?? "rwm"
        // An `a` is written by some and means nothing.
        access = letters.filter { $0 != "a" }
        guard !access.isEmpty, access.utf8.allSatisfy({ "rwm".utf8.contains($0) }) else {
            throw JSONError("access \"\(letters)\" is not of r, w and m")
        }
    }

    /// -1 means every one, as absence does.
    private static func deviceNumber(_ json: JSON, _ name: String) throws(JSONError) -> UInt32? {
        json[name] == .int(-1) ? nil : try json.number(name)
    }

    var json: JSON {
        .fields([
            "allow": .bool(allow), "type": kind == .all ? nil : .string(kind.rawValue),
            "major": .optional(major), "minor": .optional(minor), "access": .string(access),
        ])
    }
}

extension RuntimeSpec.Memory {
    init(_ json: JSON) throws(JSONError) {
        limit = try json.number("limit")
        reservation = try json.number("reservation")
        swap = try json.number("swap")
        kernel = try json.number("kernel")
        kernelTCP = try json.number("kernelTCP")
        swappiness = try json.number("swappiness")
        disableOOMKiller = try json.optionalBool("disableOOMKiller")
        useHierarchy = try json.optionalBool("useHierarchy")
        checkBeforeUpdate = try json.optionalBool("checkBeforeUpdate")
    }

    var json: JSON {
        .fields([
            "limit": .optional(limit), "reservation": .optional(reservation), "swap": .optional(swap),
            "kernel": .optional(kernel), "kernelTCP": .optional(kernelTCP),
            "swappiness": .optional(swappiness),
            "disableOOMKiller": .optional(disableOOMKiller), "useHierarchy": .optional(useHierarchy),
            "checkBeforeUpdate": .optional(checkBeforeUpdate),
        ])
    }
}

extension RuntimeSpec.CPU {
    init(_ json: JSON) throws(JSONError) {
        shares = try json.number("shares")
        quota = try json.number("quota")
        burst = try json.number("burst")
        period = try json.number("period")
        realtimeRuntime = try json.number("realtimeRuntime")
        realtimePeriod = try json.number("realtimePeriod")
        cpus = try json.text(json.either("cpus", "Cpus"))
        mems = try json.text(json.either("mems", "Mems"))
        idle = try json.number("idle")
    }

    var json: JSON {
        .fields([
            "shares": .optional(shares), "quota": .optional(quota), "burst": .optional(burst),
            "period": .optional(period), "realtimeRuntime": .optional(realtimeRuntime),
            "realtimePeriod": .optional(realtimePeriod), "cpus": .optional(cpus), "mems": .optional(mems),
            "idle": .optional(idle),
        ])
    }
}

extension RuntimeSpec.PidsLimit {
    init(_ json: JSON) throws(JSONError) { limit = try json.number("limit").required("limit") }

    var json: JSON { .fields(["limit": .number(limit)]) }
}

extension RuntimeSpec.BlockIO {
    init(_ json: JSON) throws(JSONError) {
        weight = try json.number("weight")
        leafWeight = try json.number("leafWeight")
        weightDevice = try json.children("weightDevice", RuntimeSpec.WeightDevice.init)
        throttleReadBpsDevice = try json.children("throttleReadBpsDevice", RuntimeSpec.ThrottleDevice.init)
        throttleWriteBpsDevice = try json.children("throttleWriteBpsDevice", RuntimeSpec.ThrottleDevice.init)
        throttleReadIOPSDevice = try json.children("throttleReadIOPSDevice", RuntimeSpec.ThrottleDevice.init)
        throttleWriteIOPSDevice = try json.children(
            "throttleWriteIOPSDevice", RuntimeSpec.ThrottleDevice.init)
    }

    var json: JSON {
        .fields([
            "weight": .optional(weight), "leafWeight": .optional(leafWeight),
            "weightDevice": .nonEmpty(weightDevice, \.json),
            "throttleReadBpsDevice": .nonEmpty(throttleReadBpsDevice, \.json),
            "throttleWriteBpsDevice": .nonEmpty(throttleWriteBpsDevice, \.json),
            "throttleReadIOPSDevice": .nonEmpty(throttleReadIOPSDevice, \.json),
            "throttleWriteIOPSDevice": .nonEmpty(throttleWriteIOPSDevice, \.json),
        ])
    }
}

extension RuntimeSpec.WeightDevice {
    init(_ json: JSON) throws(JSONError) {
        major = try json.number("major").required("major")
        minor = try json.number("minor").required("minor")
        weight = try json.number("weight")
        leafWeight = try json.number("leafWeight")
    }

    var json: JSON {
        .fields([
            "major": .number(major), "minor": .number(minor), "weight": .optional(weight),
            "leafWeight": .optional(leafWeight),
        ])
    }
}

extension RuntimeSpec.ThrottleDevice {
    init(_ json: JSON) throws(JSONError) {
        major = try json.number("major").required("major")
        minor = try json.number("minor").required("minor")
        rate = try json.number("rate").required("rate")
    }

    var json: JSON { .fields(["major": .number(major), "minor": .number(minor), "rate": .number(rate)]) }
}

extension RuntimeSpec.HugepageLimit {
    init(_ json: JSON) throws(JSONError) {
        pageSize = try json.text(json.either("pageSize", "pagesize")).required("pageSize")
        limit = try json.number("limit").required("limit")
    }

    var json: JSON { .fields(["pageSize": .string(pageSize), "limit": .number(limit)]) }
}

extension RuntimeSpec.NetworkClass {
    init(_ json: JSON) throws(JSONError) {
        classID = try json.number("classID")
        priorities = try json.children("priorities", RuntimeSpec.InterfacePriority.init)
    }

    var json: JSON { .fields(["classID": .optional(classID), "priorities": .nonEmpty(priorities, \.json)]) }
}

extension RuntimeSpec.InterfacePriority {
    init(_ json: JSON) throws(JSONError) {
        name = try json.text("name").required("name")
        priority = try json.number("priority").required("priority")
    }

    var json: JSON { .fields(["name": .string(name), "priority": .number(priority)]) }
}

extension RuntimeSpec.RdmaLimit {
    init(_ json: JSON) throws(JSONError) {
        hcaHandles = try json.number("hcaHandles")
        hcaObjects = try json.number("hcaObjects")
    }

    var json: JSON { .fields(["hcaHandles": .optional(hcaHandles), "hcaObjects": .optional(hcaObjects)]) }
}

extension JSON {
    /// The spec's name, or another spelling of it where only that is there.
    fileprivate func either(_ name: String, _ other: String) -> String {
        self[name] == nil && self[other] != nil ? other : name
    }
}
