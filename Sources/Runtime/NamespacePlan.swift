import Linux
import OCI
import SystemPackage

/// The namespaces of a container's first process: which its clone makes, which its parent enters for it, and what is
/// written for those that are made. Kinds that are not listed stay the runtime's own.
struct NamespacePlan: Equatable, Sendable {
    /// Made by the clone.
    var created: Namespaces = []
    /// Made by the child, after it is in its cgroup: clone3 would take the parent's cgroup as the root.
    var makesCgroup = false
    /// Made by the parent for its children, so that its clocks can be set before a process is in it.
    var makesTime = false
    /// Lines of /proc/PID/timens_offsets (time_namespaces(7)).
    var timeOffsets: [String] = []
    var joined: [Joined] = []
    var uidMap = IDMap()
    var gidMap = IDMap()

    struct Joined: Equatable, Sendable {
        let kind: Namespaces
        let path: String
    }

    static let none = NamespacePlan()

    /// Whether it is a user namespace that is there already, with the maps of its maker.
    var joinsUsers: Bool { joined.contains { $0.kind == .user } }

    /// Whether there is one of this kind that is not the runtime's own.
    func has(_ kind: RuntimeSpec.NamespaceKind) -> Bool {
        let flag = Namespaces(kind)
        return created.contains(flag) || joined.contains { $0.kind == flag }
            || (kind == .cgroup && makesCgroup)
            || (kind == .time && makesTime)
    }
}

extension Namespaces {
    init(_ kind: RuntimeSpec.NamespaceKind) {
        switch kind {
        case .mount: self = .mount
        case .pid: self = .pid
        case .network: self = .network
        case .uts: self = .uts
        case .ipc: self = .ipc
        case .user: self = .user
        case .cgroup: self = .cgroup
        case .time: self = .time
        }
    }
}

/// Plans the namespaces of a spec, with runc's refusals of what does not fit together.
func planNamespaces(_ spec: RuntimeSpec) throws(RuntimeError) -> NamespacePlan {
    var plan = NamespacePlan()
    for namespace in spec.linux.namespaces {
        guard !plan.has(namespace.kind) else {
            throw RuntimeError("malformed spec file: duplicated \(namespace.kind.rawValue) namespace")
        }
        if let path = namespace.path, !path.isEmpty {
            plan.joined.append(NamespacePlan.Joined(kind: Namespaces(namespace.kind), path: path))
        } else {
            switch namespace.kind {
            case .cgroup: plan.makesCgroup = true
            case .time: plan.makesTime = true
            default: plan.created.insert(Namespaces(namespace.kind))
            }
        }
    }
    try plan.takeMappings(spec.linux)
    try plan.takeOffsets(spec.linux)
    for (name, value) in [("hostname", spec.hostname), ("domainname", spec.domainname)] {
        guard value == nil || value == "" || plan.has(.uts) else {
            throw RuntimeError("unable to set \(name) without a private UTS namespace")
        }
    }
    return plan
}

extension NamespacePlan {
    fileprivate mutating func takeMappings(_ linux: RuntimeSpec.Linux) throws(RuntimeError) {
        let hasMappings = !linux.uidMappings.isEmpty || !linux.gidMappings.isEmpty
        guard has(.user) else {
            guard hasMappings else { return }
            throw RuntimeError(
                "User namespace mappings specified, but USER namespace isn't enabled in the config")
        }
        uidMap = try IDMap(linux.uidMappings, "uid")
        gidMap = try IDMap(linux.gidMappings, "gid")
        guard created.contains(.user) else { return }
        guard !linux.uidMappings.isEmpty else {
            throw RuntimeError("User namespaces enabled, but no uid mappings found.")
        }
        guard !linux.gidMappings.isEmpty else {
            throw RuntimeError("User namespaces enabled, but no gid mappings found.")
        }
    }

    fileprivate mutating func takeOffsets(_ linux: RuntimeSpec.Linux) throws(RuntimeError) {
        guard !linux.timeOffsets.isEmpty else { return }
        guard makesTime else {
            throw RuntimeError(
                "time namespace offsets specified, but time namespace isn't enabled in the config")
        }
        for (clock, offset) in linux.timeOffsets.sorted(by: { $0.key < $1.key }) {
            guard clock == "monotonic" || clock == "boottime" else {
                throw RuntimeError("unknown clock \"\(clock)\" in timeOffsets; it is monotonic or boottime")
            }
            timeOffsets.append("\(clock) \(offset.secs) \(offset.nanosecs)\n")
        }
    }
}

/// Ids inside a user namespace and outside, as /proc/PID/uid_map takes them (user_namespaces(7)).
struct IDMap: Equatable, Sendable {
    private let mappings: [RuntimeSpec.IDMapping]
    let text: String

    init() { (mappings, text) = ([], "") }

    /// The kernel takes up to 340 lines in one write of less than a page.
    init(_ mappings: [RuntimeSpec.IDMapping], _ name: String) throws(RuntimeError) {
        guard mappings.count <= 340 else {
            throw RuntimeError("\(mappings.count) \(name) mappings are more than the kernel's 340")
        }
        self.mappings = mappings
        text = mappings.map { "\($0.containerID) \($0.hostID) \($0.size)\n" }.joined()
        guard text.utf8.count < 4096 else {
            throw RuntimeError("the \(name) mappings take \(text.utf8.count) bytes, the kernel takes 4095")
        }
    }

    /// What the kernel shows of a namespace that has its maps. One without any maps nothing.
    init(reading text: String) {
        mappings = text.split(separator: "\n").compactMap { line in
            let numbers = line.split(separator: " ").map { UInt32($0) }
            guard numbers.count == 3, let inside = numbers[0], let outside = numbers[1],
                let size = numbers[2]
            else { return nil }
            return RuntimeSpec.IDMapping(containerID: inside, hostID: outside, size: size)
        }
        self.text = text
    }

    /// The id outside; the same when there is no map, nil when it is not mapped.
    func outside(_ id: UInt32) -> UInt32? {
        if mappings.isEmpty { return text.isEmpty ? id : nil }
        let found = mappings.first { id >= $0.containerID && id - $0.containerID < $0.size }
        return found.map { $0.hostID + (id - $0.containerID) }
    }
}
