public import Linux
import OCI
public import Runtime
import SystemPackage

/// What a container's start would do, before any of it is done.
public struct StartPlan {
    /// Who its first process will be, by the files of its root.
    public let user: Credentials
    /// What is written into its cgroup: `memory.max = 67108864`.
    public let limits: [String]
    /// What is left out, because this host does not have it.
    public let warnings: [String]
    /// The steps of its first process, in their order.
    public let steps: [String]

    /// `root` is the root file system as the image has it. Fails as the start would, as far as it can be known before.
    /// What is found only then is not in it: other containers whose namespaces it joins, addresses.
    public init(_ request: MonitorRequest, root: borrowing FD) throws(RuntimeError) {
        let spec = try request.specWithDevices()
        user = try resolveUser(request.user, request.additionalGroups, in: root)
        let hosts = try asStartError { () throws(SysError) in try CgroupTree.find()?.controllers() ?? [] }
        let plan = try planLimits(
            spec.linux.resources,
            LimitFacts(available: hosts, hosts: hosts, defaults: request.defaultLimits))
        (limits, warnings) = (plan.writes.map(\.description), plan.warnings)
        let filter = try compiledFilter(request.seccomp, spec.process.capabilities, request.seccompCache)
        let stdio: ProcessStdio =
            spec.process.terminal ? .terminal(nil) : .descriptors(stdin: 0, stdout: 1, stderr: 2)
        var facts = try request.facts(user, stdio, filter)
        facts.sources = request.sources
        var limited = spec
        limited.process.limitCapabilities(for: user)
        steps = try planCreate(limited, facts).lines
    }
}

extension MonitorRequest {
    /// What the plan of its first process needs beyond the document.
    func facts(
        _ credentials: Credentials, _ stdio: ProcessStdio, _ filter: SeccompFilter
    ) throws(RuntimeError) -> CreateFacts {
        var facts = CreateFacts(
            credentials: credentials, stdio: stdio, seccomp: filter, keyringName: "_ses.\(id)")
        if !spec.linux.namespaces.contains(where: { $0.kind == .cgroup }) {
            facts.cgroupDirectory = CgroupTree.find()?.mountPoint.pushing(cgroup).string
        }
        if usesInit { facts.initProgram = try asStartError { () throws(SysError) in try InitProgram() } }
        return facts
    }

    /// The document with the devices that `--device` names as they are now.
    func specWithDevices() throws(RuntimeError) -> RuntimeSpec {
        var spec = spec
        for device in devices {
            let nodes = try device.devices()
            let places = Set(nodes.map(\.path))
            spec.linux.devices.removeAll { places.contains($0.path) }
            spec.linux.devices += nodes
            spec.linux.resources.devices += nodes.map { node in
                RuntimeSpec.DeviceRule(
                    allow: true, kind: node.kind == .block ? .block : .character, major: node.major,
                    minor: node.minor, access: device.access)
            }
        }
        return spec
    }
}
