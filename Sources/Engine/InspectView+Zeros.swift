import OCI

extension InspectView {
    /// What templates find in docker's documents although their JSON leaves it out, or has null.
    public static let zeros = TemplateZeros([
        "": [
            "ExecIDs": .array([]), "RepoTags": .array([]), "RepoDigests": .array([]), "Variant": .string(""),
            "SizeRw": .null, "SizeRootFs": .null,
        ],
        "State": ["Health": .null],
        "NetworkSettings": zeros(lists: ["SecondaryIPAddresses", "SecondaryIPv6Addresses"], maps: []),
        // A place in a network.
        TemplateZeros.anyName: zeros(
            lists: ["Links", "Aliases", "DNSNames"], maps: ["DriverOpts"], pointers: ["IPAMConfig"]),
        "HostConfig": zeros(
            lists: [
                "Binds", "VolumesFrom", "CapAdd", "CapDrop", "Dns", "DnsOptions", "DnsSearch", "ExtraHosts",
                "GroupAdd", "Links", "SecurityOpt", "Devices", "DeviceCgroupRules", "DeviceRequests",
                "Ulimits", "MaskedPaths", "ReadonlyPaths", "Mounts", "BlkioWeightDevice",
                "BlkioDeviceReadBps", "BlkioDeviceWriteBps", "BlkioDeviceReadIOps", "BlkioDeviceWriteIOps",
            ], maps: ["PortBindings", "Sysctls", "Tmpfs", "StorageOpt", "Annotations"],
            pointers: ["Init", "OomKillDisable", "MemorySwappiness", "PidsLimit"]),
        "Config": zeros(
            lists: ["Env", "Cmd", "Entrypoint", "OnBuild", "Shell"],
            maps: ["ExposedPorts", "Volumes", "Labels"], pointers: ["Healthcheck", "StopTimeout"],
            texts: ["StopSignal", "User", "WorkingDir", "Hostname", "Domainname", "MacAddress"]),
    ])

    /// The same of a volume.
    public static let volumeZeros = TemplateZeros(["": ["Labels": .object([]), "Options": .object([])]])

    private static func zeros(
        lists: [String], maps: [String], pointers: [String] = [], texts: [String] = []
    ) -> [String: JSON] {
        var result: [String: JSON] = [:]
        for name in lists { result[name] = .array([]) }
        for name in maps { result[name] = .object([]) }
        for name in pointers { result[name] = .null }
        for name in texts { result[name] = .string("") }
        return result
    }
}
