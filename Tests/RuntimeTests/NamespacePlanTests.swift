import Linux
import OCI
import Testing

@testable import Runtime

private func spec(_ kinds: [RuntimeSpec.NamespaceKind] = []) -> RuntimeSpec {
    var spec = RuntimeSpec()
    spec.linux.namespaces = kinds.map { RuntimeSpec.Namespace($0) }
    return spec
}

private func refusal(_ spec: RuntimeSpec) -> String? {
    do {
        let plan = try planNamespaces(spec)
        _ = try planNetDevices(spec.linux, plan)
        return nil
    } catch { return error.description }
}

@Test func kindsThatAreNotListedStayTheHosts() throws {
    let plan = try planNamespaces(spec([.mount, .cgroup, .time]))
    #expect(plan.created == .mount && plan.makesCgroup && plan.makesTime)
    #expect(plan.has(.mount) && plan.has(.cgroup) && plan.has(.time) && !plan.has(.pid))
}

@Test func namespacesWithAPathAreJoined() throws {
    var spec = spec([.mount])
    spec.linux.namespaces += [.init(.network, path: "/run/netns/a"), .init(.pid, path: "")]
    let plan = try planNamespaces(spec)
    #expect(plan.joined == [.init(kind: .network, path: "/run/netns/a")] && plan.has(.network))
    #expect(plan.created == [.mount, .pid])
}

@Test func configurationsThatCannotBeAreRefused() {
    #expect(refusal(spec([.pid, .pid])) == "malformed spec file: duplicated pid namespace")
    var named = spec([.mount])
    named.hostname = "box"
    #expect(refusal(named) == "unable to set hostname without a private UTS namespace")
    var mapped = spec([.mount])
    mapped.linux.uidMappings = [.init(containerID: 0, hostID: 1, size: 1)]
    #expect(refusal(mapped)?.contains("USER namespace isn't enabled") == true)
    #expect(refusal(spec([.user]))?.contains("no uid mappings found") == true)
    var timed = spec([.mount])
    timed.linux.timeOffsets = ["monotonic": .init(secs: 1)]
    #expect(refusal(timed)?.contains("time namespace isn't enabled") == true)
    timed = spec([.time])
    timed.linux.timeOffsets = ["realtime": .init(secs: 1)]
    #expect(refusal(timed)?.contains("unknown clock") == true)
}

/// What the kernel takes in one write; a hundred thousand are an error and neither cut short nor overflowing.
@Test func cve_2021_43784_mappingsThatTheKernelDoesNotTakeAreRefused() throws {
    var many = spec([.user])
    many.linux.gidMappings = [.init(containerID: 0, hostID: 1, size: 1)]
    many.linux.uidMappings = (0..<100_000).map { .init(containerID: $0, hostID: $0, size: 1) }
    #expect(refusal(many) == "100000 uid mappings are more than the kernel's 340")
    many.linux.uidMappings = (0..<340).map {
        .init(containerID: 4_000_000_000 + $0, hostID: 4_000_000_000 + $0, size: 1)
    }
    #expect(refusal(many)?.contains("the kernel takes 4095") == true)
    many.linux.uidMappings = (0..<340).map { .init(containerID: $0, hostID: $0, size: 1) }
    #expect(refusal(many) == nil)
}

/// What a child says of itself is measured before it is read, and cut where it is written.
@Test func cve_2021_43784_messagesHaveTheirLength() {
    for kind in UInt8(0)...255 {
        for count in 0..<6 where ![(6, 4), (8, 4)].contains(where: { $0 == (kind, count) }) {
            let message = SyncMessage([kind] + [UInt8](repeating: 0xff, count: count))
            switch message {
            case .listener, .request:
                Issue.record("\(kind) with \(count) bytes is \(String(describing: message))")
            case .failed(_, _, let text):
                #expect(kind == 3 && count >= 2 && text.unicodeScalars.count == count - 2)
            default: break
            }
        }
    }
    let long = SyncMessage.failed(errno: 70_000, isExec: false, text: String(repeating: "x", count: 100_000))
    #expect(long.bytes.count < 4096)
    #expect(SyncMessage([6, 1, 0, 0, 0]) == .listener(1) && SyncMessage([]) == nil)
}

@Test func idsAreMappedToTheOutside() throws {
    let map = try IDMap(
        [.init(containerID: 0, hostID: 1000, size: 1), .init(containerID: 1, hostID: 100_000, size: 65535)],
        "uid")
    #expect(map.text == "0 1000 1\n1 100000 65535\n")
    #expect(map.outside(0) == 1000 && map.outside(65535) == 165_534 && map.outside(65536) == nil)
    #expect(IDMap().outside(7) == 7)
    let shown = IDMap(reading: "         0     100000      65536\n")
    #expect(shown.outside(33) == 100_033)
    #expect(IDMap(reading: "         0          0 4294967295\n").outside(4_294_967_294) == 4_294_967_294)
}

@Test func interfacesNeedANetworkNamespaceAndProperNames() throws {
    var moved = spec([.mount])
    moved.linux.netDevices = ["eth1": "eth1"]
    #expect(refusal(moved) == "unable to move network devices without a NET namespace")
    moved = spec([.network])
    moved.linux.netDevices = ["eth1": "", "eth0": "in0"]
    #expect(
        try planNetDevices(moved.linux, planNamespaces(moved))
            == [.init(outside: "eth0", inside: "in0"), .init(outside: "eth1", inside: "eth1")])
    for name in ["..", "a/b", "a:b", "a b", "sixteen-letters-"] {
        moved.linux.netDevices = ["eth1": name]
        #expect(refusal(moved) == "invalid network device name \"\(name)\"")
    }
    moved.linux.netDevices = ["eth1": "in0", "eth2": "in0"]
    #expect(refusal(moved) == "duplicated network device name \"in0\"")
}

@Test func aCgroupBelongsToWhoeverCanWriteIt() throws {
    var spec = spec([.cgroup, .user, .mount])
    spec.linux.uidMappings = [.init(containerID: 0, hostID: 100_000, size: 10)]
    spec.linux.gidMappings = spec.linux.uidMappings
    spec.process.user.uid = 3
    let plan = try planNamespaces(spec)
    #expect(planCgroupOwner(spec, plan) == nil)
    spec.mounts = [.init(destination: "/sys/fs/cgroup", type: "cgroup", options: ["nosuid", "ro"])]
    #expect(planCgroupOwner(spec, plan) == nil)
    spec.mounts[0].options = ["rw"]
    #expect(planCgroupOwner(spec, plan) == 100_003)
    #expect(planCgroupOwner(spec, try planNamespaces(hostCgroup(spec))) == nil)
}

private func hostCgroup(_ spec: RuntimeSpec) -> RuntimeSpec {
    var spec = spec
    spec.linux.namespaces.removeAll { $0.kind == .cgroup }
    return spec
}

private func attributes(_ change: (inout RuntimeSpec.Process, inout RuntimeSpec.Linux) -> Void) -> String? {
    var (process, linux) = (RuntimeSpec.Process(), RuntimeSpec.Linux())
    change(&process, &linux)
    do {
        _ = try ProcessAttributes(process, of: linux)
        return nil
    } catch { return error.description }
}

@Test func attributesThatCannotBeAreRefused() {
    #expect(attributes { process, _ in process.scheduler = .init(policy: "SCHED_FAST") } != nil)
    #expect(attributes { process, _ in process.scheduler = .init(policy: "SCHED_BATCH") } == nil)
    #expect(
        attributes { process, _ in
            process.scheduler = .init(policy: "SCHED_OTHER")
            process.scheduler?.priority = 4
        } == "scheduler priority 4 is for SCHED_FIFO and SCHED_RR only")
    #expect(
        attributes { process, _ in process.ioPriority = .init(classWord: "IOPRIO_CLASS_BE", priority: 8) }
            == "ioPriority.priority 8 is not 0 to 7")
    #expect(attributes { _, linux in linux.personality = .init(domain: "LINUX64") } != nil)
    #expect(
        attributes { process, _ in process.execCPUAffinity = .init(initial: "0-", final: nil) }
            == "execCPUAffinity.initial: \"0-\" is not a list of CPUs")
}

@Test func memoryPoliciesAreReadInTheKernelsWords() {
    func refusal(_ mode: String, _ nodes: String?, _ flags: [String] = []) -> String? {
        attributes { _, linux in
            linux.memoryPolicy = .init(mode: mode, nodes: nodes)
            linux.memoryPolicy?.flags = flags
        }
    }
    #expect(refusal("MPOL_BIND", "0-1,3", ["MPOL_F_STATIC_NODES"]) == nil)
    #expect(refusal("MPOL_DEFAULT", nil) == nil)
    #expect(refusal("", "0") == "invalid memory policy mode \"\"")
    #expect(refusal("MPOL_BIND", "0", ["bad"]) == "invalid memory policy flag \"bad\"")
    #expect(refusal("MPOL_BIND", "0-9876543210") == "invalid memory policy node list \"0-9876543210\"")
    #expect(
        refusal("MPOL_DEFAULT", "0-7")
            == "invalid memory policy: MPOL_DEFAULT mode requires 0 nodes but got 8")
}

@Test(arguments: [
    ("0-3,7", [0, 1, 2, 3, 7] as [UInt16]?), ("5", [5]), ("", nil), ("3-1", nil), ("1,,2", nil),
    ("-1", nil), ("+1", nil), ("4096", nil), ("1-2-3", nil),
])
func cpuListsAreRead(text: String, cpus: [UInt16]?) {
    #expect(CPUList(text)?.cpus == cpus)
}
