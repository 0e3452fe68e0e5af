import Engine

/// `volume create`, `volume ls` and `volume rm`.
enum VolumeCommands {
    static let create = Command(
        "", group: "volume", as: ["create"], "[VOLUME]", "Create a volume", words: 0...1,
        flags: [
            .value("driver", "d", "string", "Specify volume driver name (local)"),
            .list("label", "Set metadata for a volume"),
            .value("name", nil, "string", "The same as the word"),
            .list("opt", "o", "map", "Set driver specific options (type, o, device)"),
        ]
            + Flag.later(
                "availability", "group", "limit-bytes", "required-bytes", "scope", "secret", "sharing",
                "topology-preferred", "topology-required", "type")
    ) { arguments, session in
        var new = NewVolume()
        if let driver = arguments.value("driver") { new.driver = driver }
        new.labels = try arguments.labels("label")
        for option in arguments.values("opt") {
            let equals = option.firstIndex(of: "=") ?? option.endIndex
            new.options[String(option[..<equals])] = String(option[equals...].dropFirst())
        }
        new.name = arguments.words.first
        if let name = arguments.value("name"), !name.isEmpty {
            guard new.name == nil else {
                throw CommandFailure.bare(
                    "conflicting options: cannot specify a volume-name through both --name and as a positional arg"
                )
            }
            new.name = name
        }
        if new.name?.isEmpty == true { new.name = nil }
        let name = try session.volumes().create(new)
        try Standard.out("\(name)\n")
        return 0
    }

    static let list = Command(
        "", group: "volume", as: ["ls", "list"], "", "List volumes",
        flags: [
            .list("filter", "f", "filter", "Provide filter values (dangling, driver, label, name)"),
            .value("format", "Print 'table', 'table TEMPLATE', 'json' or a Go template"),
            .toggle("quiet", "q", "Only display volume names"),
        ] + Flag.later("cluster", toggle: true)
    ) { arguments, session in
        var filters = VolumeFilters()
        try arguments.eachFilter { text throws(UsageError) in try filters.add(text) }
        let (volumes, damaged) = try session.volumes().list(filters)
        for text in damaged { Standard.error("WARNING: \(text)") }
        let format = arguments.value("format").flatMap { $0.isEmpty ? nil : $0 }
        let isQuiet = arguments.isOn("quiet") && format == nil
        try Listings.print(VolumesView.listing(volumes), format: isQuiet ? "{{.Name}}" : format)
        return 0
    }

    static let remove = Command(
        "", group: "volume", as: ["rm", "remove"], "VOLUME [VOLUME...]", "Remove one or more volumes",
        words: Command.atLeast(1),
        flags: [.toggle("force", "f", "Force the removal of one or more volumes")]
    ) { arguments, session in
        let volumes = try session.volumes()
        let force = arguments.isOn("force")
        return try EachName.run(arguments.words) { name in
            try volumes.remove(name, force: force)
            try Standard.out("\(name)\n")
        }
    }
}
