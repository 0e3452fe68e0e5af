import Network
public import OCI
import Runtime
public import SystemPackage

/// A request as the file `request.json` of the container's directory.
extension MonitorRequest {
    public var json: JSON {
        .fields([
            "id": .string(id), "spec": spec.json, "root": root.json, "user": .string(user),
            "additionalGroups": .nonEmpty(additionalGroups), "seccomp": seccomp.json,
            "seccompCache": .string(seccompCache.string), "allowsDevices": .bool(allowsDevices),
            "cgroup": .string(cgroup.string), "defaultLimits": .nonEmpty(defaultLimits.sorted()),
            "network": network.json, "hosts": hosts.map { .string($0.string) },
            "hostsNames": .string(hostsNames), "nameServers": .nonEmpty(nameServers),
            "needsNameService": needsNameService ? .bool(true) : nil, "log": log?.json,
            "directory": .string(directory.string), "runDirectory": .string(runDirectory.string),
            "opensStdin": .bool(opensStdin), "closesStdinWithClient": .bool(closesStdinWithClient),
            "endsWithClient": .bool(endsWithClient), "mergesStreams": .bool(mergesStreams),
            "removal": removal?.json, "restart": restart.json,
            "usesInit": .bool(usesInit), "health": health?.json, "events": events?.json,
            "sources": sources.isEmpty
                ? nil
                : .object(sources.sorted { $0.key < $1.key }.map { JSON.Member($0.key, $0.value.json) }),
            "volumes": volumes.isEmpty ? nil : .array(volumes.map(\.json)), "bootID": .string(bootID),
            "devices": .array(devices.map(\.json)),
            "ipcMode": .string(ipcMode), "pidMode": .string(pidMode),
            "keepsCgroupParent": .bool(keepsCgroupParent),
        ])
    }

    /// Reads what `json` wrote; errors name the member.
    public init(_ json: JSON) throws(JSONError) {
        guard let spec = json["spec"], let root = json["root"], let seccomp = json["seccomp"],
            let network = json["network"]
        else { throw JSONError("spec, root, seccomp or network is missing") }
        self.init(
            id: try json.requireString("id"), spec: try RuntimeSpec(spec), root: try RootSource(root),
            user: try json.requireString("user"),
            additionalGroups: try json.stringsOrEmpty("additionalGroups"),
            seccomp: try SeccompChoice(seccomp),
            seccompCache: FilePath(try json.requireString("seccompCache")),
            cgroup: FilePath(try json.requireString("cgroup")), network: try NetworkRequest(network),
            hosts: try json.optionalString("hosts").map { FilePath($0) },
            hostsNames: try json.requireString("hostsNames"),
            directory: FilePath(try json.requireString("directory")),
            runDirectory: FilePath(try json.requireString("runDirectory")))
        nameServers = try json.stringsOrEmpty("nameServers")
        needsNameService = try json.optionalBool("needsNameService") ?? false
        allowsDevices = try json.optionalBool("allowsDevices") ?? false
        defaultLimits = Set(try json.stringsOrEmpty("defaultLimits"))
        opensStdin = try json.optionalBool("opensStdin") ?? false
        closesStdinWithClient = try json.optionalBool("closesStdinWithClient") ?? false
        endsWithClient = try json.optionalBool("endsWithClient") ?? false
        mergesStreams = try json.optionalBool("mergesStreams") ?? false
        log = try json["log"].map { value throws(JSONError) in try LogTarget(value) }
        removal = try json["removal"].map { value throws(JSONError) in try RemovalRequest(value) }
        usesInit = try json.optionalBool("usesInit") ?? false
        events = try json["events"].map { value throws(JSONError) in try EventSource(value) }
        if let check = json["health"] { health = try HealthOptions(check, shell: nil) }
        if let policy = json["restart"] { restart = try RestartPolicy(policy) }
        bootID = try json.optionalString("bootID") ?? ""
        for device in try json.arrayOrEmpty("devices") { devices.append(try DeviceRequest(device)) }
        for volume in try json.arrayOrEmpty("volumes") { volumes.append(try VolumeUse(volume)) }
        ipcMode = try json.optionalString("ipcMode") ?? ""
        pidMode = try json.optionalString("pidMode") ?? ""
        keepsCgroupParent = try json.optionalBool("keepsCgroupParent") ?? false
        for member in json["sources"]?.members ?? [] { sources[member.name] = try BindSource(member.value) }
    }
}

extension RootSource {
    var json: JSON {
        switch self {
        case .directory(let path): .fields(["directory": .string(path.string)])
        case .overlay(let lower, let upper, let work, let volatile):
            .fields([
                "lower": .array(lower.map { .string($0.string) }), "upper": .string(upper.string),
                "work": .string(work.string), "volatile": .bool(volatile),
            ])
        }
    }

    init(_ json: JSON) throws(JSONError) {
        if let directory = try json.optionalString("directory") {
            self = .directory(FilePath(directory))
        } else {
            self = .overlay(
                lower: try json.stringsOrEmpty("lower").map { FilePath($0) },
                upper: FilePath(try json.requireString("upper")),
                work: FilePath(try json.requireString("work")),
                volatile: try json.optionalBool("volatile") ?? false)
        }
    }
}

extension SeccompChoice {
    var json: JSON {
        switch self {
        case .standard(includes32Bit: false): .string("default")
        case .standard(includes32Bit: true): .string("default with 32 bit")
        case .unconfined: .string("unconfined")
        case .profile(let profile): profile.json
        }
    }

    init(_ json: JSON) throws(JSONError) {
        switch json.string {
        case "default": self = .standard(includes32Bit: false)
        case "default with 32 bit": self = .standard(includes32Bit: true)
        case "unconfined": self = .unconfined
        default: self = .profile(try RuntimeSpec.Seccomp(json))
        }
    }
}

extension NetworkRequest {
    var json: JSON {
        switch self {
        case .host: .string("host")
        case .none: .string("none")
        case .container(let id): .fields(["container": .string(id)])
        case .bridge(let endpoints, let ports):
            .fields([
                "endpoints": .array(endpoints.map(\.json)), "ports": .array(ports.map(\.json)),
            ])
        }
    }

    init(_ json: JSON) throws(JSONError) {
        switch json.string {
        case "host": self = .host
        case "none": self = .none
        default:
            if let id = try json.optionalString("container") {
                self = .container(id)
                return
            }
            guard let records = json["endpoints"]?.array else {
                throw JSONError("network.endpoints is missing")
            }
            var (endpoints, ports): ([Endpoint], [PortMapping]) = ([], [])
            for record in records { endpoints.append(try Endpoint(record)) }
            for port in try json.arrayOrEmpty("ports") { ports.append(try PortMapping(port)) }
            self = .bridge(endpoints, ports: ports)
        }
    }
}

extension LogTarget {
    var json: JSON {
        switch self {
        case .file(let limits, let attributes):
            .fields([
                "maxSize": .int(Int64(limits.maxSize)), "maxFiles": .int(Int64(limits.maxFiles)),
                "attributes": .nonEmpty(attributes),
            ])
        case .journal(let fields): .fields(["journal": .nonEmpty(fields)])
        }
    }

    init(_ json: JSON) throws(JSONError) {
        if json["journal"] != nil {
            self = .journal(fields: try json.mapOrEmpty("journal"))
            return
        }
        self = .file(
            LogLimits(
                maxSize: Int(try json.requireInt("maxSize")), maxFiles: Int(try json.requireInt("maxFiles"))),
            attributes: try json.mapOrEmpty("attributes"))
    }
}

extension RemovalRequest {
    var json: JSON {
        .fields([
            "containers": .string(containers.string), "nameLink": nameLink.map { .string($0.string) },
            "volumes": .nonEmpty(volumes.map(\.string)),
        ])
    }

    init(_ json: JSON) throws(JSONError) {
        self.init(
            containers: FilePath(try json.requireString("containers")),
            nameLink: try json.optionalString("nameLink").map { FilePath($0) },
            volumes: try json.stringsOrEmpty("volumes").map { FilePath($0) })
    }
}

/// What `exec` hands over: one more process of a running container. It is not kept.
public struct ExecRequest: Equatable, Sendable {
    public var id: String
    /// The container's first process, and when it started: a pid alone may be somebody else's by now.
    public var pid: Int32
    public var startTime: UInt64
    public var process: RuntimeSpec.Process
    public var user: String
    public var additionalGroups: [String]
    public var seccomp: SeccompChoice
    public var seccompCache: FilePath
    public var cgroup: FilePath
    public var opensStdin: Bool
    public var events: EventSource?

    public init(
        id: String, pid: Int32, startTime: UInt64, process: RuntimeSpec.Process, user: String,
        additionalGroups: [String], seccomp: SeccompChoice, seccompCache: FilePath, cgroup: FilePath,
        opensStdin: Bool, events: EventSource?
    ) {
        (self.id, self.pid, self.startTime, self.process) = (id, pid, startTime, process)
        (self.user, self.additionalGroups) = (user, additionalGroups)
        (self.seccomp, self.seccompCache) = (seccomp, seccompCache)
        (self.cgroup, self.opensStdin, self.events) = (cgroup, opensStdin, events)
    }

    public var json: JSON {
        var spec = RuntimeSpec()
        spec.process = process
        return .fields([
            "id": .string(id), "pid": .int(Int64(pid)), "startTime": .int(Int64(startTime)),
            "spec": spec.json,
            "user": .string(user), "additionalGroups": .nonEmpty(additionalGroups), "seccomp": seccomp.json,
            "seccompCache": .string(seccompCache.string), "cgroup": .string(cgroup.string),
            "opensStdin": .bool(opensStdin), "events": events?.json,
        ])
    }

    public init(_ json: JSON) throws(JSONError) {
        guard let spec = json["spec"], let seccomp = json["seccomp"],
            let pid = Int32(exactly: try json.requireInt("pid")),
            let startTime = UInt64(exactly: try json.requireInt("startTime"))
        else { throw JSONError("spec, seccomp, pid or startTime is missing or out of range") }
        self.init(
            id: try json.requireString("id"), pid: pid, startTime: startTime,
            process: try RuntimeSpec(spec).process,
            user: try json.requireString("user"),
            additionalGroups: try json.stringsOrEmpty("additionalGroups"),
            seccomp: try SeccompChoice(seccomp),
            seccompCache: FilePath(try json.requireString("seccompCache")),
            cgroup: FilePath(try json.requireString("cgroup")),
            opensStdin: try json.optionalBool("opensStdin") ?? false,
            events: try json["events"].map { value throws(JSONError) in try EventSource(value) })
    }
}
