import Linux
import OCI
import Testing

@testable import Runtime

@Suite struct MountOptionTests {
    @Test func wordsAreSortedByWhatActsOnThem() {
        let options = MountOptions([
            "rbind", "ro", "nosuid", "rro", "rslave", "sync", "size=1m", "x-systemd.automount", "defaults",
            "idmap",
        ])
        #expect(options.isBind && options.isRecursiveBind && options.mapsIDs && !options.mapsIDsRecursively)
        #expect(options.attributes == [.readOnly, .noSetuid])
        #expect(options.recursive == .readOnly)
        #expect(options.propagation == .slave && options.propagatesRecursively)
        #expect(options.superblock == ["sync"])
        #expect(options.data == ["size=1m"])
    }

    @Test func theLastOfTwoOppositeWordsCounts() {
        let options = MountOptions(["ro", "rw", "exec", "noexec", "rnosuid", "rsuid"])
        #expect(options.attributes == .noExec)
        #expect(options.cleared == .readOnly)
        #expect(options.recursive == [] && options.recursivelyCleared == .noSetuid)
    }

    @Test func unknownWordsGoToTheFileSystem() {
        #expect(MountOptions(["nofail", "rnonsense"]).data == ["nofail", "rnonsense"])
    }

    @Test func aBindWithoutWordsKeepsWhatItsSourceHas() {
        #expect(!MountOptions(["rbind", "rprivate", "remount"]).changesAttributes)
        #expect(MountOptions(["bind", "rw"]).changesAttributes)
        #expect(MountOptions(["bind", "norelatime"]).changesAttributes)
    }

    /// mount(8): the other attributes go, but for the access times.
    @Test func aBindWithAWordLosesTheRestOfItsSource() {
        let change = MountOptions(["bind", "ro"]).change
        #expect(change.set == .readOnly)
        #expect(change.clear == [.noSetuid, .noDevices, .noExec, .noSymlinkFollow])
    }

    private static let timeWords: [(words: [String], set: MountAttributes)] = [
        (["noatime"], .noAccessTime), (["relatime"], []), (["strictatime"], .strictAccessTime),
        (["nodiratime"], .noDirectoryAccessTime),
        (["nodiratime", "strictatime"], [.noDirectoryAccessTime, .strictAccessTime]),
        (["nodiratime", "norelatime"], .noDirectoryAccessTime),
        (["noatime", "strictatime"], .strictAccessTime),
    ]

    @Test(arguments: timeWords)
    func accessTimesAreReplacedAsAWhole(_ words: [String], _ set: MountAttributes) {
        let change = MountOptions(words).change
        #expect(change.set == set)
        #expect(change.clear.isSuperset(of: [.accessTimeMask, .noDirectoryAccessTime]))
    }

    @Test(arguments: [["atime"], ["norelatime"], ["diratime"], ["nostrictatime"]])
    func clearingAnAccessTimeKeepsTheSources(_ words: [String]) {
        #expect(MountOptions(words).change.clear.isDisjoint(with: .accessTimeMask))
    }

    @Test func lockedAttributesStayUnlessAWordAskedOtherwise() {
        let found: (MountAttributes, AccessTimes) = ([.readOnly, .noDevices, .noSymlinkFollow], .relative)
        #expect(
            MountOptions(["bind", "nosuid"]).change(keeping: found)
                == AttributeChange(
                    set: [.readOnly, .noDevices, .noSetuid], clear: [.noExec, .noSymlinkFollow]))
        #expect(MountOptions(["bind", "rw"]).change(keeping: found) == nil)
        #expect(MountOptions(["bind", "dev"]).change(keeping: found) == nil)
        #expect(MountOptions(["bind", "noatime"]).change(keeping: found) == nil)
        #expect(MountOptions(["bind", "norelatime"]).change(keeping: found) == nil)
        #expect(MountOptions(["bind", "relatime"]).change(keeping: found) != nil)
    }
}

@Suite struct RootPlanTests {
    private func plan(_ change: (inout RuntimeSpec, inout CreateFacts) -> Void) throws(RuntimeError)
        -> RootPlan
    {
        var spec = RuntimeSpec()
        spec.linux.namespaces = [.init(.mount), .init(.pid)]
        var facts = CreateFacts(
            credentials: Credentials(), stdio: .descriptors(stdin: 0, stdout: 1, stderr: 2),
            seccomp: SeccompFilter([]), keyringName: nil)
        change(&spec, &facts)
        return try RootPlan(spec, planNamespaces(spec), facts)
    }

    private func refusal(_ mount: RuntimeSpec.Mount) -> String? {
        do {
            _ = try plan { spec, _ in spec.mounts = [mount] }
            return nil
        } catch { return error.description }
    }

    private func mounts(_ plan: RootPlan) -> [MountStep] {
        plan.steps.compactMap { if case .mount(let step) = $0 { step } else { nil } }
    }

    private func devices(_ plan: RootPlan) -> [String] {
        plan.steps.compactMap { if case .makeDevice(let device) = $0 { device.path } else { nil } }
    }

    /// CVE-2019-16884: writes meant for the kernel must not go to a file of the image's.
    @Test(arguments: [
        ("/proc", "tmpfs"), ("/proc/self", "tmpfs"), ("/proc/self/attr", "tmpfs"),
        ("/proc/../proc/sys", "tmpfs"),
        ("/proc/cpuinfo", "tmpfs"), ("proc/1", "proc"),
    ])
    func cve_2019_16884_nothingIsMountedOverProc(_ destination: String, _ type: String) {
        #expect(refusal(.init(destination: destination, type: type, source: "x")) != nil)
    }

    @Test func filesOfLxcfsMayReplaceThoseOfProc() {
        let bind = { RuntimeSpec.Mount(destination: $0, type: "bind", source: "/x", options: ["bind"]) }
        #expect(refusal(bind("/proc/meminfo")) == nil)
        #expect(refusal(bind("/proc/sys/kernel/core_pattern")) != nil)
    }

    @Test func mountsThatCannotBeAsAskedAreRefused() {
        let bind = { RuntimeSpec.Mount(destination: "/x", type: "bind", source: "/x", options: $0) }
        #expect(refusal(bind(["bind", "size=1"]))?.contains("filesystem-specific options") == true)
        #expect(refusal(bind(["bind", "idmap"]))?.contains("id-mapped mounts must have both") == true)
        #expect(refusal(.init(destination: "/", type: "tmpfs", source: "x")) != nil)
        var mapped = RuntimeSpec.Mount(destination: "/x", type: "tmpfs", source: "x")
        mapped.uidMappings = [.init(containerID: 0, hostID: 1, size: 1)]
        #expect(refusal(mapped)?.contains("only supported for bind-mounts") == true)
    }

    @Test func relativeSourcesAreOfTheBundleAndRelativeDestinationsOfTheRoot() throws {
        let planned = try plan { spec, facts in
            (facts.bundle, facts.rootfs) = ("/bundle", "/bundle/rootfs")
            spec.mounts = [
                .init(destination: "data", type: "bind", source: "data"),
                .init(destination: "/bundle/rootfs/mnt", type: "bind", source: "/data"),
            ]
        }
        #expect(mounts(planned).map(\.destination) == ["/data", "/mnt"])
        #expect(
            mounts(planned).map(\.source) == [
                .bind(path: "/bundle/data", request: nil), .bind(path: "/data", request: nil),
            ])
    }

    @Test func theParentMakesWhatTheChildMayNot() throws {
        let planned = try plan { spec, _ in
            spec.linux.namespaces.append(.init(.user))
            spec.linux.uidMappings = [.init(containerID: 0, hostID: 1000, size: 10)]
            spec.linux.gidMappings = spec.linux.uidMappings
            spec.mounts = [
                .init(destination: "/a", type: "bind", source: "/a"),
                .init(destination: "/b", type: "bind", source: "/b", options: ["rbind", "ridmap"]),
            ]
        }
        #expect(mounts(planned).map(\.source) == [.bind(path: "/a", request: 0), .requested(1)])
        #expect(
            planned.requested == [
                RequestedTree(path: "/a", isSeenByChild: false, isRecursive: false, maps: nil),
                RequestedTree(
                    path: "/b", isSeenByChild: false, isRecursive: true,
                    maps: .init(users: .container, isRecursive: true)),
            ])
    }

    @Test func everyContainerHasTheDefaultDevicesOnce() throws {
        let planned = try plan { spec, _ in
            spec.linux.devices = [
                .init(path: "/dev//null", kind: .character, major: 1, minor: 3),
                .init(path: "/dev/ptmx", kind: .character, major: 5, minor: 2),
                .init(path: "/dev/kvm", kind: .character, major: 10, minor: 232),
            ]
        }
        #expect(
            devices(planned) == [
                "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev//null", "/dev/kvm",
            ])
    }

    /// However it is called: devices and links would be made in the host's.
    @Test(arguments: ["/dev/", "dev", "/bundle/rootfs/dev", "/sys/../dev"])
    func aBoundDevStaysAsItIs(destination: String) throws {
        let planned = try plan { spec, facts in
            facts.rootfs = "/bundle/rootfs"
            spec.mounts = [.init(destination: destination, type: "none", source: "/dev", options: ["rbind"])]
        }
        #expect(devices(planned) == [])
        #expect(!planned.steps.contains(.makeDeviceLinks))
    }

    @Test func aDevThatIsBoundAgainstWritingHasItsDevices() throws {
        let planned = try plan { spec, _ in
            spec.mounts = [
                .init(destination: "/dev", type: "tmpfs", source: "tmpfs"),
                .init(destination: "/dev", type: "bind", options: ["bind", "remount", "ro"]),
            ]
        }
        #expect(devices(planned).count == 6)
    }

    @Test func whatIsReadOnlyIsFilledBefore() throws {
        let planned = try plan { spec, _ in
            spec.root.readonly = true
            spec.mounts = [.init(destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["ro"])]
        }
        #expect(mounts(planned).allSatisfy { $0.options.attributes.isEmpty })
        let steps = planned.steps
        let last = steps.lastIndex { if case .makeDevice = $0 { true } else { false } } ?? 0
        #expect((steps.firstIndex(of: .makeMountReadOnly("/dev")) ?? 0) > last)
        #expect(planned.lastSteps == [.makeRootReadOnly])
    }

    @Test func aSharedRootIsSharedAfterThePivotOnly() throws {
        let planned = try plan { spec, facts in
            spec.linux.rootfsPropagation = "rshared"
            facts.rootfs = "/bundle/rootfs"
        }
        #expect(
            Array(planned.steps.prefix(3)) == [
                .detachPropagation(.shared), .isolateParentOfRoot("/bundle/rootfs"),
                .attachRoot(over: "/bundle/rootfs"),
            ])
        #expect(planned.propagation == .shared && planned.propagatesRecursively)
        #expect(throws: RuntimeError.self) {
            try plan { spec, _ in spec.linux.rootfsPropagation = "nonsense" }
        }
    }
}
