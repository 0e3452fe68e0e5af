import OCI
import SystemPackage

@testable import Linux
@testable import Runtime

/// From the bytes of a config.json to all that `create` decides before its clone.
struct ConfigPart {
    private let spec: RuntimeSpec
    private let record: ContainerRecord

    init?(_ bytes: [UInt8]) {
        do {
            spec = try RuntimeSpec(JSON(parsing: bytes))
        } catch {
            report(error)
            return nil
        }
        record = ContainerRecord(
            id: "fuzz", bundle: "/bundle", rootfs: spec.root.path, annotations: spec.annotations,
            cgroup: nil, hasKeyring: true)
    }

    /// Each plan by itself, so that a refusal of one hides no other.
    func run() {
        readAgain()
        attempt { try spec.process.check() }
        for variant in Variant.allCases { attempt { try plan(variant) } }
        attempt { try planScope() }
        attempt { check(DeviceFilter(spec.linux.resources.devices)) }
        attempt { try compile() }
        attempt { try planPlaces() }
        describe()
    }

    private func attempt(_ body: () throws -> Void) {
        do { try body() } catch { report(error) }
    }

    private func readAgain() {
        let again = try? RuntimeSpec(JSON(parsing: spec.json.bytes))
        expect(again == spec, "the document that is written is not the one that was read")
    }

    /// Who calls and how.
    private enum Variant: CaseIterable { case create, terminal, hooks, systemd }

    private func facts(_ variant: Variant) -> CreateFacts {
        let user = spec.process.user
        var facts = CreateFacts(
            credentials: Credentials(uid: user.uid, gid: user.gid, groups: user.additionalGids),
            stdio: .descriptors(stdin: 0, stdout: 1, stderr: 2), seccomp: .unconfined,
            keyringName: "_ses.fuzz")
        facts.rootfs = "/bundle/" + spec.root.path
        facts.bundle = "/bundle"
        facts.hooks = spec.hooks
        facts.state = record.state(.creating, pid: 0)
        facts.makesWorkingDirectory = true
        facts.lastCapability = 40
        switch variant {
        case .create: facts.cgroupDirectory = "/sys/fs/cgroup/fuzz"
        case .terminal:
            let size = spec.process.consoleSize.map { WindowSize(rows: $0.height, columns: $0.width) }
            facts.stdio = .terminal(size)
            facts.mountLabel = spec.linux.mountLabel
        case .hooks:
            facts.runsHooks = true
            facts.preservedDescriptors = .max
            facts.rootForChild = FilePath(spec.root.path)
        case .systemd: facts.needsPlacement = true
        }
        return facts
    }

    private func plan(_ variant: Variant) throws {
        var facts = facts(variant)
        if let seccomp = spec.linux.seccomp {
            facts.seccompListener = SeccompListener(seccomp, state: record.state(.created, pid: 1))
        }
        let plan = try planCreate(spec, facts)
        expect(plan.steps.last == .execute, "the last step is not the exec")
        expect(plan.steps.filter { $0 == .pivot }.count == 1, "there is not one pivot")
        for step in plan.steps { check(step, plan) }
        for id in [0, 1, 65_535, UInt32.max] { _ = plan.namespaces.uidMap.outside(id) }
        _ = planCgroupOwner(spec, plan.namespaces)
        _ = try planExec(spec.process, of: spec.linux, facts)
    }

    private func check(_ step: ChildStep, _ plan: CreatePlan) {
        switch step {
        case .mount(let mount):
            let path = FilePath(mount.destination)
            expect(path.isAbsolute && path.isLexicallyNormal, "a mount's destination leads elsewhere")
            expect(mount.destination != "/", "a mount hides the root")
            _ = mount.options.change
            if case .requested(let number) = mount.source {
                expect(plan.requested.indices.contains(number), "a tree is requested that is not there")
            }
        case .setSysctl(let sysctl):
            expect(FilePath("/proc/sys/" + sysctl.path).isLexicallyNormal, "a sysctl leads elsewhere")
        case .setRlimit(let resource, _, _, _): expect((0..<16).contains(resource), "an rlimit is none")
        default: break
        }
    }

    /// The limits on different hosts, and what systemd is told of them.
    private func planScope() throws {
        let all: Set = ["cpu", "cpuset", "io", "memory", "pids", "hugetlb", "rdma", "misc"]
        var facts = LimitFacts(available: all, hosts: all)
        (facts.cpuMax, facts.memoryLimit) = ((quota: "18446744073709551615", period: "0"), .max)
        attempt { _ = try planLimits(spec.linux.resources, LimitFacts(available: [], hosts: [])) }
        let plan = try planLimits(spec.linux.resources, facts)
        for write in plan.writes { expect(!write.file.contains("/"), "a limit's file leads elsewhere") }
        let properties = systemdProperties(plan.rounded().writes)
        let unit = CgroupPlace.Unit(name: "fuzz.scope", slice: "system.slice")
        let annotated = try systemdProperties(annotations: spec.annotations)
        let call = DBusCall(
            destination: "d", path: "/p", interface: "i.j", member: "StartTransientUnit",
            arguments: [
                .string(unit.name),
                .properties(SystemdScope(unit: unit).ownProperties(1) + properties + annotated), .noUnits,
            ])
        let bytes = call.bytes(serial: 7)
        expect(try DBusMessage.size(bytes[...]) == bytes.count, "a call is not as long as it says")
        expect(try DBusMessage(bytes[...]).member == call.member, "a call cannot be read back")
    }

    private func check(_ filter: DeviceFilter) {
        guard let program = filter.program else { return }
        expect(program.last == .exit, "a device filter does not end")
    }

    /// A long profile takes libseccomp milliseconds, and shows nothing that a short one does not.
    private func compile() throws {
        guard let seccomp = spec.linux.seccomp else { return }
        let profile = try SeccompProfile(seccomp)
        expect(!profile.canonical.isEmpty, "a profile has no canonical form")
        guard profile.rules.reduce(0, { $0 + $1.names.count }) <= 8 else { return }
        expect(try profile.compile().count % 8 == 0, "a filter is not of whole instructions")
    }

    private func planPlaces() throws {
        for (driver, own) in [(CgroupDriver.systemd, FilePath("/")), (.cgroupfs, "/a/b"), (.disabled, "/")] {
            attempt {
                let place = try planCgroupPlace(spec.linux.cgroupsPath, id: "fuzz", driver: driver, own: own)
                guard let path = place?.path else { return }
                let leadsOut = path.isAbsolute || path.components.contains { $0.kind != .regular }
                expect(!leadsOut, "a cgroup is outside of the tree")
                expect(!path.isEmpty, "a cgroup is the root of the tree")
            }
        }
    }

    /// What is written down and handed on.
    private func describe() {
        let state = record.state(.created, pid: 1)
        let text = state.json().text
        expect((try? JSON(parsing: text)) != nil, "a state cannot be read back")
        let written = try? ContainerRecord(JSON(parsing: record.json.bytes))
        expect(written == record, "a record cannot be read back")
        if let seccomp = spec.linux.seccomp, let listener = SeccompListener(seccomp, state: state) {
            expect((try? JSON(parsing: listener.message(pid: 1))) != nil, "a supervisor is told nonsense")
        }
    }
}
