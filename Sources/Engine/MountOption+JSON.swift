import OCI

/// The mounts of a container in its record, and as docker shows what was typed.
extension HostOptions {
    /// What `-v` was given with a source, as docker's Binds.
    var binds: [String] {
        mounts.filter { $0.origin == .volumeFlag && $0.text.contains(":") }.map(\.text)
    }

    /// What `--tmpfs` was given.
    var tmpfsFlags: [String: String] {
        var flags: [String: String] = [:]
        for mount in mounts where mount.origin == .tmpfsFlag {
            let parts = mount.text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            flags[String(parts[0])] = parts.count == 2 ? String(parts[1]) : ""
        }
        return flags
    }

    /// What `--mount` was given, in docker's shape.
    var mountFlags: [JSON] { mounts.filter { $0.origin == .mountFlag }.map(\.shown) }
}

extension MountOption {
    /// For the record.
    var json: JSON {
        let kind: JSON =
            switch kind {
            case .bind(let bind): .fields(["Bind": bind.json])
            case .volume(let volume): .fields(["Volume": volume.json])
            case .tmpfs(let options): .fields(["Tmpfs": .array(options.map(JSON.string))])
            }
        return kind.appending(
            .fields([
                "Target": .string(target), "ReadOnly": isReadOnly ? .bool(true) : nil,
                "Propagation": propagation.map(JSON.string), "Origin": .string(origin.rawValue),
                "Text": text.isEmpty ? nil : .string(text),
            ]))
    }

    /// Reads what `json` wrote, or what an older record has.
    init(_ json: JSON) throws(JSONError) {
        if json["Type"] != nil {
            try self.init(older: json)
            return
        }
        let kind: Kind
        if let bind = json["Bind"] {
            kind = .bind(try Bind(bind))
        } else if let volume = json["Volume"] {
            kind = .volume(try Volume(volume))
        } else {
            guard json["Tmpfs"] != nil else { throw JSONError("AllMounts: a mount of no known kind") }
            kind = .tmpfs(options: try json.stringsOrEmpty("Tmpfs"))
        }
        self.init(kind, target: try json.requireString("Target"))
        isReadOnly = try json.optionalBool("ReadOnly") ?? false
        propagation = try json.optionalString("Propagation")
        origin = Origin(rawValue: try json.optionalString("Origin") ?? "") ?? .mountFlag
        text = try json.optionalString("Text") ?? ""
    }

    /// docker's Mount of HostConfig.Mounts.
    var shown: JSON {
        let readOnly: JSON? = isReadOnly ? .bool(true) : nil
        switch kind {
        case .bind(let bind):
            let options = JSON.fields([
                "Propagation": propagation.map(JSON.string),
                "NonRecursive": bind.isRecursive ? nil : .bool(true),
                "ReadOnlyNonRecursive": bind.keepsSubmountsWritable ? .bool(true) : nil,
            ])
            return .fields([
                "Type": .string("bind"), "Source": .string(bind.source), "Target": .string(target),
                "ReadOnly": readOnly, "BindOptions": options.members?.isEmpty == false ? options : nil,
            ])
        case .volume(let volume):
            return .fields([
                "Type": .string("volume"),
                "Source": volume.isAnonymous ? nil : volume.name.map(JSON.string),
                "Target": .string(target), "ReadOnly": readOnly,
                "VolumeOptions": volume.shown,
            ])
        case .tmpfs(let options):
            return .fields([
                "Type": .string("tmpfs"), "Target": .string(target), "ReadOnly": readOnly,
                "TmpfsOptions": MountOption.shownTmpfs(options),
            ])
        }
    }

    private static func shownTmpfs(_ options: [String]) -> JSON? {
        func value(_ key: String) -> String? {
            options.last { $0.hasPrefix("\(key)=") }.map { String($0.dropFirst(key.utf8.count + 1)) }
        }
        let shown = JSON.fields([
            "SizeBytes": value("size").flatMap { Int64($0) }.map(JSON.int),
            "Mode": value("mode").flatMap { Int64($0, radix: 8) }.map(JSON.int),
        ])
        return shown.members?.isEmpty == false ? shown : nil
    }

    private init(older json: JSON) throws(JSONError) {
        let target = try json.requireString("Target")
        switch try json.requireString("Type") {
        case "bind":
            let options = json["BindOptions"] ?? .object([])
            var bind = Bind(try json.requireString("Source"))
            bind.makesSource = try options.optionalBool("CreateMountpoint") ?? false
            bind.isRecursive = try options.optionalBool("NonRecursive") != true
            self.init(.bind(bind), target: target)
            propagation = try options.optionalString("Propagation")
            if bind.makesSource { (origin, text) = (.volumeFlag, "\(bind.source):\(target)") }
        case "volume":
            var volume = Volume(try json.optionalString("Source"))
            volume.copies = try json["VolumeOptions"]?.optionalBool("NoCopy") != true
            self.init(.volume(volume), target: target)
        case "tmpfs":
            self.init(
                .tmpfs(options: try json["TmpfsOptions"]?.stringsOrEmpty("Options") ?? []), target: target)
        case let other: throw JSONError("Mounts: type \"\(other)\" is not known")
        }
        isReadOnly = try json.optionalBool("ReadOnly") ?? false
    }
}

extension MountOption.Bind {
    var json: JSON {
        .fields([
            "Source": .string(source), "MakesSource": makesSource ? .bool(true) : nil,
            "NonRecursive": isRecursive ? nil : .bool(true),
            "WritableSubmounts": keepsSubmountsWritable ? .bool(true) : nil,
            "MapsOwner": mapsOwner ? .bool(true) : nil,
        ])
    }

    init(_ json: JSON) throws(JSONError) {
        self.init(try json.requireString("Source"))
        makesSource = try json.optionalBool("MakesSource") ?? false
        isRecursive = try json.optionalBool("NonRecursive") != true
        keepsSubmountsWritable = try json.optionalBool("WritableSubmounts") ?? false
        mapsOwner = try json.optionalBool("MapsOwner") ?? false
    }
}

extension MountOption.Volume {
    var json: JSON {
        .fields([
            "Name": name.map(JSON.string), "Anonymous": isAnonymous ? .bool(true) : nil,
            "NoCopy": copies ? nil : .bool(true), "Subpath": subpath.map(JSON.string),
            "Labels": .nonEmpty(labels), "Options": .nonEmpty(options),
        ])
    }

    /// docker's VolumeOptions.
    var shown: JSON? {
        let driver = JSON.fields(["Options": .nonEmpty(options)])
        let shown = JSON.fields([
            "NoCopy": copies ? nil : .bool(true), "Labels": .nonEmpty(labels),
            "Subpath": subpath.map(JSON.string), "DriverConfig": options.isEmpty ? nil : driver,
        ])
        return shown.members?.isEmpty == false ? shown : nil
    }

    init(_ json: JSON) throws(JSONError) {
        self.init(try json.optionalString("Name"))
        isAnonymous = try json.optionalBool("Anonymous") ?? false
        copies = try json.optionalBool("NoCopy") != true
        subpath = try json.optionalString("Subpath")
        labels = try json.mapOrEmpty("Labels")
        options = try json.mapOrEmpty("Options")
    }
}
