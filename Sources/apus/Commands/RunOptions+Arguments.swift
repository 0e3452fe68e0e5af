import Build
import Engine
import Linux
import OCI
import SystemPackage

/// What the client contributes to the options of a container: its environment, directory and files.
struct Client {
    let environment: [String: String]
    let directory: String
    /// The text of a file of the client's.
    let read: (String) throws -> [UInt8]
}

extension RunOptions {
    /// Every flag in its final type. The order of the checks is the order in which docker complains.
    init(_ arguments: Arguments, client: Client) throws {
        self.init(image: arguments.words[0])
        command = Array(arguments.words.dropFirst())
        try takeNaming(arguments, client)
        try takeStreams(arguments)
        try takeProcess(arguments, client)
        try takeStorage(arguments, client)
        try takeNetwork(arguments)
        try takeLimits(arguments)
        try takeSecurity(arguments, client)
        try takeSharing(arguments)
    }

    private mutating func takeNaming(_ arguments: Arguments, _ client: Client) throws {
        // docker shows names with a slash before them, and takes them so.
        name = arguments.value("name").map { $0.hasPrefix("/") ? String($0.dropFirst()) : $0 }
            .flatMap { $0.isEmpty ? nil : $0 }
        host.idFile = arguments.text("cidfile")
        quiet = arguments.isOn("quiet")
        host.removesItself = arguments.isOn("rm")
        host.usesInit = arguments.isOn("init")
        health = try Self.health(arguments)
        for path in arguments.values("label-file") {
            for line in try EnvFile.parse(client.read(path), path: path, lookUp: nil) {
                let label = try EnvFile.label(line)
                labels[label.key] = label.value
            }
        }
        labels.merge(try arguments.labels("label")) { $1 }
        if let policy = arguments.value("restart") {
            try host.setRestart(policy)
            // docker's: what removes itself has nothing to start again.
            if host.removesItself, host.isRestarted {
                throw UsageError("Conflicting options: --restart and --rm")
            }
        }
        if let text = arguments.text("pull") {
            guard let pull = Pull(rawValue: text) else {
                throw UsageError(
                    "invalid pull option: '\(text)': must be one of \"always\", \"missing\" or \"never\"")
            }
            self.pull = pull
        }
        if let text = arguments.text("platform") {
            guard let platform = Platform(text) else {
                throw UsageError(
                    "error parsing specified platform: \"\(text)\": cannot parse platform specifier: invalid argument"
                )
            }
            self.platform = platform
        }
    }

    private mutating func takeStreams(_ arguments: Arguments) throws {
        terminal = arguments.isOn("tty")
        openStdin = arguments.isOn("interactive")
        var asked: Streams = []
        for stream in try arguments.eachParsed("attach", RunOptions.stream) { asked.formUnion(stream) }
        attach = asked.isEmpty ? [.stdout, .stderr] : asked
        if openStdin { attach.insert(.stdin) }
        host.log = try LogOptions(driver: arguments.text("log-driver"), arguments.values("log-opt"))
    }

    private static func stream(_ text: String) throws(UsageError) -> Streams {
        switch text.lowercased() {
        case "stdin": return .stdin
        case "stdout": return .stdout
        case "stderr": return .stderr
        default: throw UsageError("valid streams are STDIN, STDOUT and STDERR")
        }
    }

    private mutating func takeProcess(_ arguments: Arguments, _ client: Client) throws {
        env = try RunOptions.environment(arguments, client)
        workingDirectory = arguments.text("workdir")
        user = arguments.value("user")
        host.groups = arguments.values("group-add")
        entrypoint = arguments.value("entrypoint")
        hostname = arguments.text("hostname")
        domainname = arguments.text("domainname")
        stopTimeout = try arguments.parsed("stop-timeout", Arguments.integer)
        if let signal = arguments.text("stop-signal") {
            guard Signal.number(signal) != nil else { throw UsageError("Invalid signal: \(signal)") }
            stopSignal = signal
        }
    }

    /// Files first, then single variables, as docker has it.
    static func environment(_ arguments: Arguments, _ client: Client) throws -> [String] {
        var variables: [String] = []
        for path in arguments.values("env-file") {
            variables += try EnvFile.parse(client.read(path), path: path) { client.environment[$0] }
        }
        return try variables
            + arguments.eachParsed("env") { try EnvFile.variable($0) { client.environment[$0] } }
    }

    private mutating func takeStorage(_ arguments: Arguments, _ client: Client) throws {
        let directory = client.directory
        host.mounts = try arguments.eachParsed("mount") { try MountOption(mount: $0, directory: directory) }
        var seen: Set<String> = []
        for text in arguments.values("volume") where seen.insert(text).inserted {
            let option = try MountOption(volume: text, directory: directory)
            try option.checkLabel(home: client.environment["HOME"])
            host.mounts.append(option)
        }
        host.volumesFrom = arguments.values("volumes-from")
        for text in arguments.values("tmpfs") { host.mounts.append(try MountOption(tmpfs: text)) }
        host.hasReadOnlyRoot = arguments.isOn("read-only")
        if let size = try arguments.parsed("shm-size", Size.parse) {
            guard size >= 0 else { throw UsageError("SHM size can not be less than 0") }
            if size > 0 { host.shmSize = size }
        }
    }

    private mutating func takeNetwork(_ arguments: Arguments) throws {
        try host.setNetworks(
            arguments.values("network"), aliases: arguments.values("network-alias"),
            address: arguments.text("ip"), address6: arguments.text("ip6"),
            mac: arguments.text("mac-address"))
        host.extraHosts = try arguments.eachParsed("add-host", NameOptions.extraHost)
        host.dns = try arguments.eachParsed("dns", NameOptions.server)
        host.dnsSearch = try arguments.eachParsed("dns-search", NameOptions.searchDomain)
        host.dnsOptions = try arguments.eachParsed("dns-option", NameOptions.resolverOption)
        host.publishesAll = arguments.isOn("publish-all")
        host.ports = arguments.values("publish")
        for text in arguments.values("expose") { exposedPorts.formUnion(try ExposedPort.parse(text)) }
    }

    private mutating func takeLimits(_ arguments: Arguments) throws {
        host.limits = try Limits(arguments)
        // Of one kind the last counts.
        let ulimits = try arguments.eachParsed("ulimit") { try Ulimit(parsing: $0) }
        host.ulimits = Dictionary(ulimits.map { ($0.name, $0) }) { $1 }.values.sorted { $0.name < $1.name }
        if let score = try arguments.parsed("oom-score-adj", Arguments.integer) {
            guard (-1000...1000).contains(score) else {
                throw UsageError("Invalid value \(score), range for oom score adj is [-1000, 1000]")
            }
            host.oomScoreAdjustment = score
        }
    }

    private mutating func takeSharing(_ arguments: Arguments) throws {
        for text in arguments.values("device") { try host.sharing.addDevice(text) }
        var sharing = host.sharing
        _ = try arguments.eachParsed("device-cgroup-rule") { try sharing.addDeviceRule($0) }
        _ = try arguments.eachParsed("sysctl") { try sharing.addSysctl($0) }
        _ = try arguments.eachParsed("annotation") { try sharing.addAnnotation($0) }
        if let mode = arguments.value("ipc") { try sharing.setIPC(mode) }
        if let mode = arguments.value("pid") { try sharing.setPID(mode) }
        if let mode = arguments.value("uts") { try sharing.setUTS(mode) }
        if let mode = arguments.value("userns") { try sharing.setUsers(mode) }
        if let mode = arguments.value("cgroupns") { try sharing.setCgroup(mode) }
        if let parent = arguments.value("cgroup-parent") { try sharing.setCgroupParent(parent) }
        if let runtime = arguments.value("runtime") { try sharing.setRuntime(runtime) }
        host.sharing = sharing
    }

    private mutating func takeSecurity(_ arguments: Arguments, _ client: Client) throws {
        host.isPrivileged = arguments.isOn("privileged")
        func capabilities(_ flag: String, _ name: String) throws(UsageError) -> [String] {
            do { return try arguments.values(flag).map(HostOptions.capability) } catch {
                throw UsageError("invalid \(name): \(error)")
            }
        }
        host.addedCapabilities = try capabilities("cap-add", "CapAdd")
        host.droppedCapabilities = try capabilities("cap-drop", "CapDrop")
        for option in arguments.values("security-opt") {
            try host.setSecurity(option) { String(decoding: try client.read($0), as: UTF8.self) }
        }
    }
}

extension RunOptions {
    fileprivate static func health(_ arguments: Arguments) throws -> HealthFlags {
        func duration(_ name: String) throws -> Int64? {
            try arguments.parsed(name) { text in
                if let value = parseDuration(text) { return value }
                if text.hasPrefix("-"), let value = parseDuration(String(text.dropFirst())) { return -value }
                if parseDuration(text + "s") != nil {
                    throw UsageError("time: missing unit in duration \"\(text)\"")
                }
                throw UsageError("time: invalid duration \"\(text)\"")
            }
        }
        var flags = HealthFlags()
        flags.command = arguments.value("health-cmd")
        flags.interval = try duration("health-interval")
        flags.timeout = try duration("health-timeout")
        flags.startPeriod = try duration("health-start-period")
        flags.startInterval = try duration("health-start-interval")
        flags.retries = try arguments.parsed("health-retries", Arguments.integer)
        flags.isOff = arguments.isOn("no-healthcheck")
        try flags.check()
        return flags
    }
}

extension Limits {
    /// Those of a command line, for `run`, `create` and `update`; 0 is no limit asked for.
    init(_ arguments: Arguments) throws {
        func size(_ name: String, _ parse: (String) throws -> Int64) throws -> Int64? {
            try arguments.parsed(name, parse).flatMap { $0 == 0 ? nil : $0 }
        }
        func number(_ name: String) throws -> Int64? {
            try arguments.parsed(name, Arguments.integer).flatMap { $0 == 0 ? nil : Int64($0) }
        }
        self.init()
        memory = try size("memory", Size.parse)
        memoryReservation = try size("memory-reservation", Size.parse)
        memorySwap = try size("memory-swap", Size.parseOrUnlimited)
        nanoCPUs = try arguments.parsed("cpus", Processors.parse).flatMap { $0 == 0 ? nil : $0 }
        cpuShares = try number("cpu-shares")
        cpuPeriod = try number("cpu-period")
        cpuQuota = try number("cpu-quota")
        cpusetCPUs = arguments.text("cpuset-cpus")
        cpusetMems = arguments.text("cpuset-mems")
        pids = try arguments.parsed("pids-limit", Arguments.integer).map { $0 <= 0 ? -1 : Int64($0) }
    }
}
