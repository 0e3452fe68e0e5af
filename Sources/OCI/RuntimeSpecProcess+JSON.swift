extension RuntimeSpec.Process {
    /// Reads the `process` member, also the whole document of `exec --process`.
    public init(_ json: JSON) throws(JSONError) {
        guard json.members != nil else { throw JSONError("process is not an object") }
        terminal = try json.flag("terminal")
        consoleSize = try json.child("consoleSize", RuntimeSpec.ConsoleSize.init)
        user = try json.child("user", RuntimeSpec.User.init) ?? RuntimeSpec.User()
        args = try json.texts("args")
        env = try json.texts("env")
        cwd = try json.text("cwd").required("cwd")
        capabilities = try json.child("capabilities", RuntimeSpec.Capabilities.init)
        rlimits = try json.children("rlimits", RuntimeSpec.Rlimit.init)
        noNewPrivileges = try json.flag("noNewPrivileges")
        apparmorProfile = try json.text("apparmorProfile")
        oomScoreAdj = try json.number("oomScoreAdj")
        scheduler = try json.child("scheduler", RuntimeSpec.Scheduler.init)
        selinuxLabel = try json.text("selinuxLabel")
        ioPriority = try json.child("ioPriority", RuntimeSpec.IOPriority.init)
        execCPUAffinity = try json.child("execCPUAffinity", RuntimeSpec.CPUAffinity.init)
    }

    /// The `process` member.
    public var json: JSON {
        .fields([
            "terminal": .whenTrue(terminal), "consoleSize": consoleSize?.json, "user": user.json,
            "args": .nonEmpty(args), "env": .nonEmpty(env), "cwd": .string(cwd),
            "capabilities": capabilities?.json, "rlimits": .nonEmpty(rlimits, \.json),
            "noNewPrivileges": .whenTrue(noNewPrivileges), "apparmorProfile": .optional(apparmorProfile),
            "oomScoreAdj": .optional(oomScoreAdj), "scheduler": scheduler?.json,
            "selinuxLabel": .optional(selinuxLabel), "ioPriority": ioPriority?.json,
            "execCPUAffinity": execCPUAffinity?.json,
        ])
    }
}

extension RuntimeSpec.ConsoleSize {
    init(_ json: JSON) throws(JSONError) {
        height = try json.number("height").required("height")
        width = try json.number("width").required("width")
    }

    var json: JSON { .fields(["height": .number(height), "width": .number(width)]) }
}

extension RuntimeSpec.User {
    init(_ json: JSON) throws(JSONError) {
        uid = try json.number("uid") ?? 0
        gid = try json.number("gid") ?? 0
        umask = try json.number("umask")
        additionalGids = try json.numbers("additionalGids")
        // The kernel reads this number as "do not change".
        for id in [uid, gid] + additionalGids where id == .max {
            throw JSONError("id 4294967295 is not usable")
        }
    }

    var json: JSON {
        .fields([
            "uid": .number(uid), "gid": .number(gid), "umask": .optional(umask),
            "additionalGids": .nonEmpty(additionalGids, JSON.number),
        ])
    }
}

extension RuntimeSpec.Capabilities {
    init(_ json: JSON) throws(JSONError) {
        bounding = try json.texts("bounding")
        effective = try json.texts("effective")
        inheritable = try json.texts("inheritable")
        permitted = try json.texts("permitted")
        ambient = try json.texts("ambient")
    }

    var json: JSON {
        .fields([
            "bounding": .nonEmpty(bounding), "effective": .nonEmpty(effective),
            "inheritable": .nonEmpty(inheritable), "permitted": .nonEmpty(permitted),
            "ambient": .nonEmpty(ambient),
        ])
    }
}

extension RuntimeSpec.Rlimit {
    init(_ json: JSON) throws(JSONError) {
        type = try json.text("type").required("type")
        soft = try json.number("soft").required("soft")
        hard = try json.number("hard").required("hard")
    }

    var json: JSON { .fields(["type": .string(type), "soft": .number(soft), "hard": .number(hard)]) }
}

extension RuntimeSpec.Scheduler {
    init(_ json: JSON) throws(JSONError) {
        policy = try json.text("policy").required("policy")
        nice = try json.number("nice")
        priority = try json.number("priority")
        flags = try json.texts("flags")
        runtime = try json.number("runtime")
        deadline = try json.number("deadline")
        period = try json.number("period")
    }

    var json: JSON {
        .fields([
            "policy": .string(policy), "nice": .optional(nice), "priority": .optional(priority),
            "flags": .nonEmpty(flags), "runtime": .optional(runtime), "deadline": .optional(deadline),
            "period": .optional(period),
        ])
    }
}

extension RuntimeSpec.IOPriority {
    init(_ json: JSON) throws(JSONError) {
        classWord = try json.text("class").required("class")
        priority = try json.number("priority") ?? 0
    }

    var json: JSON { .fields(["class": .string(classWord), "priority": .number(priority)]) }
}

extension RuntimeSpec.CPUAffinity {
    init(_ json: JSON) throws(JSONError) {
        initial = try json.text("initial")
        final = try json.text("final")
    }

    var json: JSON { .fields(["initial": .optional(initial), "final": .optional(final)]) }
}
