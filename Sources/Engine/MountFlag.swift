/// `--mount key=value,...`: comma-separated fields, a field with a comma in double quotes; docker's texts.
extension MountOption {
    /// Parses one `--mount`; a source that starts with `.` is below `directory`.
    public init(mount text: String, directory: String) throws(UsageError) {
        var fields = MountFields()
        for field in try MountOption.fields(text) { try fields.set(field) }
        guard !fields.target.isEmpty else { throw UsageError("target is required") }
        try fields.refuseMixtures()
        let target = try MountOption.target(
            fields.target, after: "invalid mount config for type \"\(fields.type)\": ")
        self.init(try fields.kind(below: directory), target: target)
        isReadOnly = fields.isReadOnly
        propagation = fields.propagation
    }

    private static func fields(_ text: String) throws(UsageError) -> [String] {
        var fields = [""]
        var quoted = false
        for character in text {
            switch character {
            case "\"": quoted.toggle()
            case "," where !quoted: fields.append("")
            default: fields[fields.count - 1].append(character)
            }
        }
        if quoted { throw UsageError("parse error in \"\(text)\": a quote is not closed") }
        return fields
    }
}

/// The fields of one `--mount` on their way to a `MountOption`.
private struct MountFields {
    var type = "volume"
    var source = ""
    var target = ""
    var isReadOnly = false
    var propagation: String?
    /// `enabled`, `disabled`, `writable` or `readonly`.
    var recursion = "enabled"
    var mapsOwner = false
    var volume = MountOption.Volume(nil)
    var tmpfs: [String] = []
    /// The first field that only one type takes: `bind`, `volume` or `tmpfs`.
    var special: Set<String> = []

    mutating func set(_ field: String) throws(UsageError) {
        let parts = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(
            String.init)
        let key = parts[0].lowercased()
        if parts.count == 1 {
            switch key {
            case "readonly", "ro": return isReadOnly = true
            case "bind-nonrecursive": return setNonRecursive(true)
            case "idmap": return setMapsOwner()
            case "volume-nocopy": return setNoCopy(true)
            default: throw UsageError("invalid field '\(field)' must be a key=value pair")
            }
        }
        let value = parts[1]
        switch key {
        case "type": type = value.lowercased()
        case "source", "src": source = value
        case "target", "dst", "destination": target = value
        case "readonly", "ro": isReadOnly = try boolean(key, value)
        case "consistency": break
        case "bind-propagation": try setPropagation(value)
        case "bind-nonrecursive": setNonRecursive(try boolean(key, value))
        case "bind-recursive": try setRecursion(value)
        case "bind-idmap":
            guard value == "match-user" else {
                throw UsageError("invalid value for bind-idmap: \(value) (must be \"match-user\")")
            }
            setMapsOwner()
        case "volume-nocopy": setNoCopy(try boolean(key, value))
        case "volume-subpath", "volume-label", "volume-driver", "volume-opt": try setVolume(key, value)
        case "tmpfs-size": try setTmpfsSize(value)
        case "tmpfs-mode": try setTmpfsMode(value)
        case "image-subpath":
            throw UsageError("\(key) is not supported yet")
        default: throw UsageError("unexpected key '\(key)' in '\(field)'")
        }
    }

    private func boolean(_ key: String, _ value: String) throws(UsageError) -> Bool {
        guard let bool = parseBool(value) else { throw UsageError("invalid value for \(key): \(value)") }
        return bool
    }

    private mutating func setPropagation(_ value: String) throws(UsageError) {
        guard MountOption.propagations.contains(value) else {
            throw UsageError(
                "invalid mount config for type \"bind\": invalid propagation mode: \(value)", isOfEngine: true
            )
        }
        propagation = value
        special.insert("bind")
    }

    private mutating func setNonRecursive(_ on: Bool) {
        recursion = on ? "disabled" : "enabled"
        special.insert("bind")
    }

    private mutating func setRecursion(_ value: String) throws(UsageError) {
        guard ["enabled", "disabled", "writable", "readonly"].contains(value) else {
            guard let on = parseBool(value) else {
                throw UsageError(
                    "invalid value for bind-recursive: \(value) (must be \"enabled\", \"disabled\", \"writable\", "
                        + "or \"readonly\")")
            }
            return setNonRecursive(!on)
        }
        recursion = value
        special.insert("bind")
    }

    private mutating func setMapsOwner() {
        mapsOwner = true
        special.insert("bind")
    }

    private mutating func setNoCopy(_ on: Bool) {
        volume.copies = !on
        special.insert("volume")
    }

    private mutating func setVolume(_ key: String, _ value: String) throws(UsageError) {
        special.insert("volume")
        let pair = value.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(
            String.init)
        switch key {
        case "volume-label": volume.labels[pair[0]] = pair.count == 2 ? pair[1] : ""
        case "volume-opt": volume.options[pair[0]] = pair.count == 2 ? pair[1] : ""
        case "volume-subpath":
            let parts = value.split(separator: "/", omittingEmptySubsequences: false)
            guard !value.isEmpty, !value.hasPrefix("/"), !parts.contains("..") else {
                throw UsageError(
                    "invalid mount config for type \"volume\": subpath must be a relative path within the volume",
                    isOfEngine: true
                )
            }
            volume.subpath = value
        default:
            guard value == "local" || value.isEmpty else {
                throw UsageError(
                    "error looking up volume plugin \(value): plugin \"\(value)\" not found (only the driver local "
                        + "is there)")
            }
        }
    }

    private mutating func setTmpfsSize(_ value: String) throws(UsageError) {
        do { tmpfs.append("size=\(try Size.parse(value))") } catch {
            throw UsageError("invalid value for tmpfs-size: \(value)")
        }
        special.insert("tmpfs")
    }

    private mutating func setTmpfsMode(_ value: String) throws(UsageError) {
        guard let mode = UInt16(value, radix: 8), mode <= 0o7777 else {
            throw UsageError("invalid value for tmpfs-mode: \(value)")
        }
        tmpfs.append("mode=\(String(mode, radix: 8))")
        special.insert("tmpfs")
    }

    func refuseMixtures() throws(UsageError) {
        for other in ["volume", "bind", "tmpfs"] where other != type && special.contains(other) {
            throw UsageError("cannot mix '\(other)-*' options with mount type '\(type)'")
        }
        func needs(_ other: String) -> UsageError {
            UsageError(
                "option 'bind-recursive=\(recursion)' requires '\(other)' to be specified in conjunction")
        }
        guard ["writable", "readonly"].contains(recursion) else { return }
        guard isReadOnly else { throw needs("readonly") }
        guard recursion == "writable" || propagation == "rprivate" else {
            throw needs("bind-propagation=rprivate")
        }
    }

    func kind(below directory: String) throws(UsageError) -> MountOption.Kind {
        switch type {
        case "bind":
            let invalid = "invalid mount config for type \"bind\": "
            guard !source.isEmpty else {
                throw UsageError("\(invalid)field Source must not be empty", isOfEngine: true)
            }
            let absolute = source.hasPrefix(".") ? "\(directory)/\(source)" : source
            guard absolute.hasPrefix("/") else {
                throw UsageError(
                    "\(invalid)invalid mount path: '\(source)' mount path must be absolute", isOfEngine: true)
            }
            var bind = MountOption.Bind(cleanPath(absolute))
            bind.isRecursive = recursion != "disabled"
            bind.keepsSubmountsWritable = recursion == "writable"
            bind.mapsOwner = mapsOwner
            return .bind(bind)
        case "volume":
            var volume = volume
            if !source.isEmpty {
                (volume.name, volume.isAnonymous) = (try VolumeName.checked(source), false)
            } else if volume.subpath != nil {
                throw UsageError(
                    "invalid mount config for type \"volume\": must not set Subpath when using anonymous volumes",
                    isOfEngine: true
                )
            }
            return .volume(volume)
        case "tmpfs":
            guard source.isEmpty else {
                throw UsageError(
                    "invalid mount config for type \"tmpfs\": field Source must not be specified",
                    isOfEngine: true)
            }
            return .tmpfs(options: tmpfs + (isReadOnly ? ["ro"] : []))
        case "image", "cluster", "npipe":
            throw UsageError("mount type \"\(type)\" is not supported yet: use bind, volume or tmpfs")
        default:
            throw UsageError(
                "invalid mount config for type \"\(type)\": mount type unknown", isOfEngine: true)
        }
    }
}

/// What Go's ParseBool takes, as every flag of docker does.
public func parseBool(_ text: String) -> Bool? {
    switch text {
    case "1", "t", "T", "TRUE", "true", "True": true
    case "0", "f", "F", "FALSE", "false", "False": false
    default: nil
    }
}
