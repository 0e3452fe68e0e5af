extension RuntimeSpec {
    /// Reads a `config.json`. Members that are not known are ignored, as the spec demands; a member of the
    /// wrong kind, out of range or missing is refused with its path.
    public init(_ json: JSON) throws(JSONError) {
        guard json.members != nil else { throw JSONError("config.json is not an object") }
        ociVersion = try json.text("ociVersion").required("ociVersion")
        root = try json.child("root", Root.init).required("root")
        process = try json.child("process", Process.init) ?? Process()
        hostname = try json.text("hostname")
        domainname = try json.text("domainname")
        mounts = try json.children("mounts", Mount.init)
        hooks = try json.child("hooks", Hooks.init) ?? Hooks()
        annotations = try json.textMap("annotations")
        linux = try json.child("linux", Linux.init) ?? Linux()
    }

    /// The document; reading it again gives an equal value.
    public var json: JSON {
        .fields([
            "ociVersion": .string(ociVersion), "process": process == Process() ? nil : process.json,
            "root": root.json, "hostname": .optional(hostname), "domainname": .optional(domainname),
            "mounts": .nonEmpty(mounts, \.json), "hooks": hooks.json.unlessEmpty,
            "annotations": .nonEmpty(annotations), "linux": linux.json.unlessEmpty,
        ])
    }
}

extension RuntimeSpec.Root {
    init(_ json: JSON) throws(JSONError) {
        path = try json.text("path").required("path")
        readonly = try json.flag("readonly")
    }

    var json: JSON { .fields(["path": .string(path), "readonly": .whenTrue(readonly)]) }
}

extension RuntimeSpec.Mount {
    init(_ json: JSON) throws(JSONError) {
        destination = try json.text("destination").required("destination")
        type = try json.text("type")
        source = try json.text("source")
        options = try json.texts("options")
        uidMappings = try json.children("uidMappings", RuntimeSpec.IDMapping.init)
        gidMappings = try json.children("gidMappings", RuntimeSpec.IDMapping.init)
    }

    var json: JSON {
        .fields([
            "destination": .string(destination), "type": .optional(type), "source": .optional(source),
            "options": .nonEmpty(options), "uidMappings": .nonEmpty(uidMappings, \.json),
            "gidMappings": .nonEmpty(gidMappings, \.json),
        ])
    }
}

extension RuntimeSpec.IDMapping {
    init(_ json: JSON) throws(JSONError) {
        containerID = try json.number("containerID").required("containerID")
        hostID = try json.number("hostID").required("hostID")
        size = try json.number("size").required("size")
        for (name, first) in [("containerID", containerID), ("hostID", hostID)] {
            guard UInt64(first) + UInt64(size) <= 1 << 32 else {
                throw JSONError("\(name) plus size passes 2^32")
            }
        }
    }

    var json: JSON {
        .fields(["containerID": .number(containerID), "hostID": .number(hostID), "size": .number(size)])
    }
}

extension RuntimeSpec.Hooks {
    private static var points: KeyValuePairs<String, WritableKeyPath<Self, [RuntimeSpec.Hook]>> {
        [
            "prestart": \.prestart, "createRuntime": \.createRuntime, "createContainer": \.createContainer,
            "startContainer": \.startContainer, "poststart": \.poststart, "poststop": \.poststop,
        ]
    }

    init(_ json: JSON) throws(JSONError) {
        for (name, point) in Self.points {
            self[keyPath: point] = try json.children(name, RuntimeSpec.Hook.init)
        }
    }

    var json: JSON {
        .object(
            Self.points.compactMap { name, point in
                JSON.nonEmpty(self[keyPath: point], \.json).map { JSON.Member(name, $0) }
            })
    }
}

extension RuntimeSpec.Hook {
    init(_ json: JSON) throws(JSONError) {
        path = try json.text("path").required("path")
        guard path.hasPrefix("/") else { throw JSONError("path \"\(path)\" is not absolute") }
        args = try json.texts("args")
        env = try json.texts("env")
        timeout = try json.number("timeout")
        if let timeout, timeout <= 0 { throw JSONError("timeout \(timeout) is not above 0") }
    }

    var json: JSON {
        .fields([
            "path": .string(path), "args": .nonEmpty(args), "env": .nonEmpty(env),
            "timeout": .optional(timeout),
        ])
    }
}
