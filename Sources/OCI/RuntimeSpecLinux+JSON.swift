extension RuntimeSpec.Linux {
    init(_ json: JSON) throws(JSONError) {
        namespaces = try json.children("namespaces", RuntimeSpec.Namespace.init)
        uidMappings = try json.children("uidMappings", RuntimeSpec.IDMapping.init)
        gidMappings = try json.children("gidMappings", RuntimeSpec.IDMapping.init)
        timeOffsets = try json.childMap("timeOffsets", RuntimeSpec.TimeOffset.init)
        devices = try json.children("devices", RuntimeSpec.Device.init)
        let names = try json.childMap("netDevices") { device throws(JSONError) in try device.text("name") }
        for (outside, inside) in names { netDevices[outside] = inside ?? outside }
        cgroupsPath = try json.text("cgroupsPath")
        resources = try json.child("resources", RuntimeSpec.Resources.init) ?? RuntimeSpec.Resources()
        rootfsPropagation = try json.text("rootfsPropagation")
        seccomp = try json.child("seccomp", RuntimeSpec.Seccomp.init)
        sysctl = try json.textMap("sysctl")
        maskedPaths = try json.texts("maskedPaths")
        readonlyPaths = try json.texts("readonlyPaths")
        mountLabel = try json.text("mountLabel")
        intelRdt = try json.child("intelRdt", RuntimeSpec.IntelRdt.init)
        personality = try json.child("personality", RuntimeSpec.Personality.init)
        memoryPolicy = try json.child("memoryPolicy", RuntimeSpec.MemoryPolicy.init)
    }

    var json: JSON {
        .fields([
            "uidMappings": .nonEmpty(uidMappings, \.json), "gidMappings": .nonEmpty(gidMappings, \.json),
            "sysctl": .nonEmpty(sysctl), "resources": resources.json.unlessEmpty,
            "cgroupsPath": .optional(cgroupsPath), "namespaces": .nonEmpty(namespaces, \.json),
            "devices": .nonEmpty(devices, \.json),
            "netDevices": .nonEmpty(netDevices) { .fields(["name": .string($0)]) },
            "seccomp": seccomp?.json, "rootfsPropagation": .optional(rootfsPropagation),
            "maskedPaths": .nonEmpty(maskedPaths), "readonlyPaths": .nonEmpty(readonlyPaths),
            "mountLabel": .optional(mountLabel), "intelRdt": intelRdt?.json, "personality": personality?.json,
            "timeOffsets": .nonEmpty(timeOffsets, \.json), "memoryPolicy": memoryPolicy?.json,
        ])
    }
}

extension RuntimeSpec.Namespace {
    init(_ json: JSON) throws(JSONError) {
        kind = try json.word("type").required("type")
        path = try json.text("path")
    }

    var json: JSON { .fields(["type": .string(kind.rawValue), "path": .optional(path)]) }
}

extension RuntimeSpec.TimeOffset {
    init(_ json: JSON) throws(JSONError) {
        secs = try json.number("secs") ?? 0
        nanosecs = try json.number("nanosecs") ?? 0
    }

    var json: JSON { .fields(["secs": .number(secs), "nanosecs": .number(nanosecs)]) }
}

extension RuntimeSpec.Device {
    init(_ json: JSON) throws(JSONError) {
        path = try json.text("path").required("path")
        kind = try json.word("type").required("type")
        // A fifo has no numbers, whatever is written there.
        let numbers: (UInt32?, UInt32?) = (try json.number("major"), try json.number("minor"))
        major = kind == .fifo ? 0 : try numbers.0.required("major")
        minor = kind == .fifo ? 0 : try numbers.1.required("minor")
        fileMode = try json.number("fileMode")
        uid = try json.number("uid")
        gid = try json.number("gid")
    }

    var json: JSON {
        .fields([
            "path": .string(path), "type": .string(kind.rawValue),
            "major": kind == .fifo ? nil : .number(major), "minor": kind == .fifo ? nil : .number(minor),
            "fileMode": .optional(fileMode), "uid": .optional(uid), "gid": .optional(gid),
        ])
    }
}

extension RuntimeSpec.IntelRdt {
    init(_ json: JSON) throws(JSONError) {
        closID = try json.text("closID")
        l3CacheSchema = try json.text("l3CacheSchema")
        memBwSchema = try json.text("memBwSchema")
        enableCMT = try json.flag("enableCMT")
        enableMBM = try json.flag("enableMBM")
    }

    var json: JSON {
        .fields([
            "closID": .optional(closID), "l3CacheSchema": .optional(l3CacheSchema),
            "memBwSchema": .optional(memBwSchema), "enableCMT": .whenTrue(enableCMT),
            "enableMBM": .whenTrue(enableMBM),
        ])
    }
}

extension RuntimeSpec.Personality {
    init(_ json: JSON) throws(JSONError) {
        domain = try json.text("domain").required("domain")
        flags = try json.texts("flags")
    }

    var json: JSON { .fields(["domain": .string(domain), "flags": .nonEmpty(flags)]) }
}

extension RuntimeSpec.MemoryPolicy {
    /// A missing mode is for the runtime to refuse, in its own words.
    init(_ json: JSON) throws(JSONError) {
        mode = try json.text("mode") ?? ""
        nodes = try json.text("nodes")
        flags = try json.texts("flags")
    }

    var json: JSON {
        .fields(["mode": .string(mode), "nodes": .optional(nodes), "flags": .nonEmpty(flags)])
    }
}

extension RuntimeSpec.Seccomp {
    /// Reads the `seccomp` member.
    public init(_ json: JSON) throws(JSONError) {
        let syscalls = try json.children("syscalls", RuntimeSpec.SeccompRule.init)
        defaultAction = try (try json.text("defaultAction") ?? (syscalls.isEmpty ? "" : nil))
            .required("defaultAction")
        defaultErrnoRet = try json.number("defaultErrnoRet")
        architectures = try json.texts("architectures")
        flags = json["flags"] == nil ? nil : try json.texts("flags")
        listenerPath = try json.text("listenerPath")
        listenerMetadata = try json.text("listenerMetadata")
        self.syscalls = syscalls
    }

    /// The `seccomp` member.
    public var json: JSON {
        .fields([
            "defaultAction": .string(defaultAction), "defaultErrnoRet": .optional(defaultErrnoRet),
            "architectures": .nonEmpty(architectures), "flags": flags.map { .array($0.map(JSON.string)) },
            "listenerPath": .optional(listenerPath), "listenerMetadata": .optional(listenerMetadata),
            "syscalls": .nonEmpty(syscalls, \.json),
        ])
    }
}

extension RuntimeSpec.SeccompRule {
    init(_ json: JSON) throws(JSONError) {
        names = try json.texts("names")
        action = try json.text("action").required("action")
        errnoRet = try json.number("errnoRet")
        args = try json.children("args", RuntimeSpec.SeccompArgument.init)
    }

    var json: JSON {
        .fields([
            "names": .array(names.map(JSON.string)), "action": .string(action),
            "errnoRet": .optional(errnoRet),
            "args": .nonEmpty(args, \.json),
        ])
    }
}

extension RuntimeSpec.SeccompArgument {
    init(_ json: JSON) throws(JSONError) {
        index = try json.number("index").required("index")
        guard index < 6 else { throw JSONError("index \(index) is not 0 to 5") }
        value = try json.number("value").required("value")
        valueTwo = try json.number("valueTwo") ?? 0
        op = try json.text("op").required("op")
    }

    var json: JSON {
        .fields([
            "index": .number(index), "value": .number(value),
            "valueTwo": valueTwo == 0 ? nil : .number(valueTwo),
            "op": .string(op),
        ])
    }
}
