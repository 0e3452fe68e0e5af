import Engine
import OCI

/// The group `network`.
enum NetworkCommands {
    static let all = [create, list, inspect, remove, prune, connect, disconnect]

    private static func paths(_ session: Session) throws -> Networks { Networks(paths: try session.paths()) }

    static let create = Command(
        "", group: "network", as: ["create"], "NETWORK", "Create a network", words: 1...1,
        flags: [
            .toggle("attachable", "Taken as docker's: any container may be attached"),
            .list("aux-address", nil, "map", "Addresses of others, which no container gets (name=address)"),
            .value("driver", "d", "Driver to manage the Network (bridge)"),
            .list("gateway", nil, "strings", "IPv4 or IPv6 Gateway for the subnet"),
            .value("ipam-driver", "IP Address Management Driver (default)"),
            .toggle("internal", "Restrict external access to the network"),
            .list("ip-range", nil, "strings", "Allocate container ip from a sub-range"),
            .toggle("ipv6", "Enable IPv6 networking"),
            .list("label", nil, "list", "Set metadata on a network"),
            .list("opt", "o", "map", "Set driver specific options"),
            .list("subnet", nil, "strings", "Subnet in CIDR format that represents a network segment"),
        ] + Flag.constant("ipv4") + Flag.later("config-from", "ipam-opt", "scope")
            + Flag.later("config-only", "ingress", toggle: true)
    ) { arguments, session in
        var options = NetworkOptions(name: arguments.words[0])
        let driver = arguments.text("driver") ?? "bridge"
        guard driver == "bridge" else {
            throw CommandFailure(
                ["host", "null"].contains(driver)
                    ? "only one instance of \"\(driver)\" network is allowed"
                    : "could not find plugin \(driver) in v1 plugin registry: plugin not found")
        }
        if let name = arguments.text("ipam-driver"), name != "default" {
            throw CommandFailure("plugin \"\(name)\" not found: addresses are given out by apus alone")
        }
        let subnets = arguments.values("subnet").filter { !$0.isEmpty }
        guard ["gateway", "ip-range"].allSatisfy({ arguments.values($0).count <= subnets.count }) else {
            throw CommandFailure("every ip-range or gateway must have a corresponding subnet")
        }
        for text in subnets { try options.add(subnet: text) }
        for text in arguments.values("gateway") { try options.add(gateway: text) }
        for text in arguments.values("ip-range") { try options.add(range: text) }
        for text in arguments.values("aux-address") { try options.add(reserved: text) }
        (options.isInternal, options.hasIPv6) = (arguments.isOn("internal"), arguments.isOn("ipv6"))
        options.isAttachable = arguments.isOn("attachable")
        options.labels = try arguments.labels("label")
        options.options = try arguments.labels("opt")
        try options.check()
        try Standard.out("\(try paths(session).create(options))\n")
        return 0
    }

    static let list = Command(
        "", group: "network", as: ["ls", "list"], "", "List networks",
        flags: [
            .list("filter", "f", "filter", "Provide filter values (e.g. \"driver=bridge\")"),
            .value("format", "Print 'table', 'table TEMPLATE', 'json' or a Go template"),
            .toggle("no-trunc", "Do not truncate the output"),
            .toggle("quiet", "q", "Only display network IDs"),
        ]
    ) { arguments, session in
        var filters = NetworkFilters()
        try arguments.eachFilter { text throws(UsageError) in try filters.add(text) }
        let (networks, damaged) = try paths(session).all()
        for text in damaged { Standard.error("WARNING: \(text)") }
        var used: Set<String> = []
        if filters.needsUse {
            let records = try session.containers().records.readAll().records
            used = Set(records.flatMap(\.config.host.endpoints).map(\.network))
        }
        let format = arguments.value("format") ?? (arguments.isOn("quiet") ? "{{.ID}}" : nil)
        let listing = NetworksView.listing(
            networks.filter { filters.holds($0, used: used) }, truncates: !arguments.isOn("no-trunc"))
        try Listings.print(listing, format: format)
        return 0
    }

    static let inspect = Command(
        "", group: "network", as: ["inspect"], "NETWORK [NETWORK...]",
        "Display detailed information on one or more networks", words: Command.atLeast(1),
        flags: [.value("format", "f", "string", "Print 'json' or a Go template")]
            + [Flag.accepted("verbose", "v")]
    ) { arguments, session in
        try InspectCommand.inspect(arguments, session, type: "network")
    }

    static let remove = Command(
        "", group: "network", as: ["rm", "remove"], "NETWORK [NETWORK...]", "Remove one or more networks",
        words: Command.atLeast(1),
        flags: [.toggle("force", "f", "Do not error if the network does not exist")]
    ) { arguments, session in
        let networks = try paths(session)
        return try EachName.run(arguments.words) { name in
            do { try networks.remove(name) } catch let error as EngineError {
                guard arguments.isOn("force"), error.description.hasSuffix("not found") else { throw error }
                return Standard.error("apus: \(error)")
            }
            try Standard.out("\(name)\n")
        }
    }

    static let prune = Command(
        "", group: "network", as: ["prune"], "", "Remove all unused networks",
        flags: [PruneCommands.filter, PruneCommands.force, PruneCommands.dryRun]
    ) { arguments, session in
        let filters = try PruneCommands.filters(arguments)
        let report = PruneReport(arguments)
        let question =
            "WARNING! This will remove all custom networks not used by at least one container.\n"
            + "Are you sure you want to continue?"
        guard try report.isAgreed(question) else { return 0 }
        let pruned = try paths(session).prune(filters, isDryRun: report.isDryRun)
        for line in pruned.warnings { Standard.error("WARNING: \(line)") }
        guard !pruned.lines.isEmpty else { return 0 }
        let title = report.isDryRun ? "Would delete networks:" : "Deleted Networks:"
        try Standard.out(title + "\n" + pruned.lines.map { "\($0)\n" }.joined() + "\n")
        return 0
    }

    static let connect = Command(
        "", group: "network", as: ["connect"], "NETWORK CONTAINER", "Connect a container to a network",
        words: 2...2,
        flags: [
            .list("alias", nil, "strings", "Add network-scoped alias for the container"),
            .value("ip", "IPv4 address (e.g., \"172.30.100.104\")"),
            .value("ip6", "IPv6 address (e.g., \"2001:db8::33\")"),
        ] + Flag.later("driver-opt", "gw-priority", "link") + Flag.ignored("link-local-ip")
    ) { arguments, session in
        let containers = try session.containers()
        var options = EndpointOptions(network: arguments.words[0])
        options.aliases = try arguments.eachParsed("alias", EndpointOptions.alias)
        if let text = arguments.value("ip") { try options.set(address: text) }
        if let text = arguments.value("ip6") { try options.set(address6: text) }
        try containers.connect(try containers.records.find(arguments.words[1]), options)
        return 0
    }

    static let disconnect = Command(
        "", group: "network", as: ["disconnect"], "NETWORK CONTAINER",
        "Disconnect a container from a network", words: 2...2,
        flags: [.toggle("force", "f", "Force the container to disconnect from a network")]
    ) { arguments, session in
        let containers = try session.containers()
        try containers.disconnect(
            try containers.records.find(arguments.words[1]), from: arguments.words[0],
            force: arguments.isOn("force"))
        return 0
    }
}
