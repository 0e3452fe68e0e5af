public import Monitor
import OCI

/// Which namespaces, devices and settings of the host and of other containers a container has: docker's words.
public struct SharingOptions: Equatable, Sendable {
    /// private, shareable, none, host or container:ID.
    public private(set) var ipc = "private"
    /// Nothing, host or container:ID.
    public private(set) var pid = ""
    /// Nothing or host.
    public private(set) var uts = ""
    public private(set) var userns = ""
    /// private or host.
    public private(set) var cgroupns = "private"
    public private(set) var cgroupParent = ""
    public private(set) var runtime = SharingOptions.runtimes[0]
    public private(set) var sysctls: [String: String] = [:]
    public private(set) var annotations: [String: String] = [:]
    public private(set) var devices: [DeviceRequest] = []
    /// `c 1:3 rwm`.
    public private(set) var deviceRules: [String] = []

    public init() {}

    /// All mean what starts the container anyway.
    private static let runtimes = ["apus-runtime", "runc", "io.containerd.runc.v2"]
    private static let ipcSysctls: Set<String> = [
        "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax",
        "kernel.shmmni", "kernel.shm_rmid_forced",
    ]
    /// Annotations that change what a runtime does: an option that nobody looks at must not.
    private static let reserved = ["org.systemd.property.", "run.oci.", "io.apus."]

    // MARK: what is typed

    public mutating func setIPC(_ text: String) throws(UsageError) {
        let words: Set<String> = ["", "private", "shareable", "none", "host"]
        guard words.contains(text) || Self.namesContainer(text) else {
            throw UsageError("invalid IPC mode: \(text)")
        }
        ipc = text.isEmpty ? "private" : text
    }

    public mutating func setPID(_ text: String) throws(UsageError) {
        guard text.isEmpty || text == "host" || Self.namesContainer(text) else {
            throw UsageError("--pid: invalid PID mode")
        }
        pid = text
    }

    public mutating func setUTS(_ text: String) throws(UsageError) {
        guard text.isEmpty || text == "host" else { throw UsageError("--uts: invalid UTS mode") }
        uts = text
    }

    public mutating func setUsers(_ text: String) throws(UsageError) {
        guard text.isEmpty || text == "host" else { throw UsageError("--userns: invalid USER mode") }
        userns = text
    }

    public mutating func setCgroup(_ text: String) throws(UsageError) {
        guard ["", "private", "host"].contains(text) else {
            throw UsageError("--cgroupns: invalid CGROUP mode")
        }
        cgroupns = text.isEmpty ? "private" : text
    }

    /// Below the cgroup v2 tree, whether it begins with a slash or not.
    public mutating func setCgroupParent(_ text: String) throws(UsageError) {
        let parts = text.split(separator: "/")
        guard text.isEmpty || !parts.isEmpty, !parts.contains(".."), !parts.contains("."),
            !text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f })
        else {
            throw UsageError("invalid cgroup-parent \"\(text)\": want the path of a cgroup without \"..\"")
        }
        cgroupParent = text
    }

    public mutating func setRuntime(_ text: String) throws(UsageError) {
        guard Self.runtimes.contains(text) || text.isEmpty else {
            throw UsageError(
                "unknown or invalid runtime name: \(text) (containers are started by apus-runtime alone)")
        }
        if !text.isEmpty { runtime = text }
    }

    /// docker's list; whether the container has the namespace for it its start finds out.
    public mutating func addSysctl(_ text: String) throws(UsageError) {
        guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
            throw UsageError("sysctl '\(text)' is not allowed")
        }
        let name = String(text[..<equals])
        guard Self.ipcSysctls.contains(name) || name.hasPrefix("net.") || name.hasPrefix("fs.mqueue.") else {
            throw UsageError("sysctl '\(text)' is not allowed")
        }
        sysctls[name] = String(text[text.index(after: equals)...])
    }

    public mutating func addAnnotation(_ text: String) throws(UsageError) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(
            String.init)
        guard !parts[0].isEmpty else { throw UsageError("invalid annotation \"\(text)\": want key=value") }
        guard !Self.reserved.contains(where: parts[0].hasPrefix) else {
            throw UsageError(
                "annotation \"\(parts[0])\" is not allowed: it would change what the runtime does")
        }
        annotations[parts[0]] = parts.count == 2 ? parts[1] : ""
    }

    /// `[a|b|c] major:minor rwm`, either number may be `*`.
    public mutating func addDeviceRule(_ text: String) throws(UsageError) {
        guard Self.rule(text) != nil else { throw UsageError("invalid device cgroup format '\(text)'") }
        deviceRules.append(text)
    }

    /// `host[:container][:rwm]`.
    public mutating func addDevice(_ text: String) throws(UsageError) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard parts.count <= 3, !parts.contains("") else { throw UsageError("bad format for path: \(text)") }
        if !parts[0].hasPrefix("/"), parts[0].contains("="), parts[0].contains("/") {
            throw UsageError("CDI devices (\(text)) are not supported yet")
        }
        var (container, access) = (parts[0], "rwm")
        if parts.count == 3 {
            guard Self.isAccess(parts[2]) else { throw UsageError("bad mode specified: \(parts[2])") }
            (container, access) = (parts[1], parts[2])
        } else if parts.count == 2 {
            if Self.isAccess(parts[1]) { access = parts[1] } else { container = parts[1] }
        }
        for path in [parts[0], container] where !path.hasPrefix("/") {
            throw UsageError("\(path) is not an absolute path")
        }
        devices.append(DeviceRequest(host: parts[0], container: cleanPath(container), access: access))
    }

    private static func isAccess(_ text: String) -> Bool {
        !text.isEmpty && text.allSatisfy { "rwm".contains($0) } && Set(text).count == text.count
    }

    private static func namesContainer(_ text: String) -> Bool {
        text.hasPrefix("container:") && text.utf8.count > 10
    }

    static func rule(_ text: String) -> RuntimeSpec.DeviceRule? {
        let parts = text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3, let kind = RuntimeSpec.DeviceRule.Kind(rawValue: parts[0]),
            !parts[2].isEmpty, parts[2].utf8.count <= 3, parts[2].allSatisfy({ "rwm".contains($0) })
        else { return nil }
        let numbers = parts[1].split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard numbers.count == 2, numbers.allSatisfy({ $0 == "*" || UInt32($0) != nil }) else { return nil }
        return RuntimeSpec.DeviceRule(
            allow: true, kind: kind, major: UInt32(numbers[0]), minor: UInt32(numbers[1]), access: parts[2])
    }

    // MARK: what it means

    /// With the id in the place of a container's name.
    mutating func resolve(_ find: (String) throws -> String) throws {
        if ipc.hasPrefix("container:") { ipc = "container:" + (try find(String(ipc.dropFirst(10)))) }
        if pid.hasPrefix("container:") { pid = "container:" + (try find(String(pid.dropFirst(10)))) }
    }

    /// The namespaces that the container is given for its own.
    var namespaces: [RuntimeSpec.NamespaceKind] {
        var kinds: [RuntimeSpec.NamespaceKind] = [.mount]
        if pid.isEmpty { kinds.append(.pid) }
        if uts.isEmpty { kinds.append(.uts) }
        if ["private", "shareable", "none"].contains(ipc) { kinds.append(.ipc) }
        if cgroupns == "private" { kinds.append(.cgroup) }
        return kinds
    }

    /// /dev/shm: its own, none, or whose IPC namespace it is in.
    func sharedMemory(_ own: RuntimeSpec.Mount) -> [RuntimeSpec.Mount] {
        switch ipc {
        case "none": return []
        case "private", "shareable": return [own]
        default:
            return [
                RuntimeSpec.Mount(
                    destination: own.destination, type: "bind", source: "/dev/shm",
                    options: ["bind", "rprivate", "nosuid", "noexec", "nodev"])
            ]
        }
    }

    /// Whether a device is put where nodes do not work by themselves.
    var needsNodesOutsideOfDev: Bool { devices.contains { !$0.container.hasPrefix("/dev/") } }

    // MARK: the record

    var json: JSON {
        .fields([
            "IpcMode": .string(ipc), "PidMode": .string(pid), "UTSMode": .string(uts),
            "UsernsMode": .string(userns), "CgroupnsMode": .string(cgroupns),
            "CgroupParent": .string(cgroupParent), "Runtime": .string(runtime),
            "Sysctls": .nonEmpty(sysctls), "Annotations": .nonEmpty(annotations),
            "Devices": .array(devices.map(\.json)), "DeviceCgroupRules": .nonEmpty(deviceRules) ?? .null,
        ])
    }

    init(_ json: JSON) throws(JSONError) {
        self.init()
        ipc = try json.optionalString("IpcMode") ?? ipc
        pid = try json.optionalString("PidMode") ?? ""
        uts = try json.optionalString("UTSMode") ?? ""
        userns = try json.optionalString("UsernsMode") ?? ""
        cgroupns = try json.optionalString("CgroupnsMode") ?? cgroupns
        cgroupParent = try json.optionalString("CgroupParent") ?? ""
        runtime = try json.optionalString("Runtime") ?? runtime
        sysctls = try json.mapOrEmpty("Sysctls")
        annotations = try json.mapOrEmpty("Annotations")
        for device in try json.arrayOrEmpty("Devices") { devices.append(try DeviceRequest(device)) }
        deviceRules = try json.stringsOrEmpty("DeviceCgroupRules")
    }
}
