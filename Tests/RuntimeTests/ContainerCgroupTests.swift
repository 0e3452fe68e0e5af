import Linux
import OCI
import SystemPackage
import Testing

@testable import Runtime

private let canMakeCgroups = Process.effectiveUser == 0 && CgroupTree.find() != nil

/// A cgroup of its own below the tree, killed and removed at the end.
private func withCgroup(_ body: (ContainerCgroup) throws -> Void) throws {
    let tree = try #require(CgroupTree.find())
    let name = "apus-test-\(Kernel.random(6).map { String($0, radix: 16) }.joined())"
    let place = ContainerCgroup(CgroupPlace(path: FilePath("\(name)/c1")), in: tree)
    defer {
        if let cgroup = try? place.open() { try? cgroup.kill() }
        _ = try? tree.remove(place.place.path, withParent: true, waiting: 5000)
    }
    try body(place)
}

private func isGone(_ place: ContainerCgroup) throws -> Bool {
    if case .some = try place.open() { false } else { true }
}

/// Starts a program that only waits, and moves it.
private func startProcess(in cgroup: borrowing Cgroup) throws -> Int32 {
    let pid = try Process.spawn(path: "/bin/sleep", arguments: ["sleep", "600"], environment: [])
    try cgroup.write("cgroup.procs", String(pid))
    return pid
}

@Suite(.enabled(if: canMakeCgroups, "needs root and a cgroup v2 tree"))
struct ContainerCgroupTests {
    @Test func aCgroupIsMadeAndTakenAway() throws {
        try withCgroup { place in
            #expect(try isGone(place))
            let created = try place.create(RuntimeSpec.Resources())
            let isNew = created.cgroup.isNew
            #expect(isNew)
            let all = try created.cgroup.processes(recursive: true)
            #expect(all == [])
            try place.remove()
            #expect(try isGone(place))
            try place.remove()
        }
    }

    @Test func processesAreFoundFrozenAndKilled() throws {
        try withCgroup { place in
            let created = try place.create(RuntimeSpec.Resources())
            let below = try place.tree.make(place.place.path.appending("below"), controllers: [])
            let pids = [try startProcess(in: created.cgroup), try startProcess(in: below)]
            let own = try created.cgroup.processes(recursive: false)
            #expect(own == [pids[0]])
            let all = try created.cgroup.processes(recursive: true)
            #expect(all.sorted() == pids.sorted())
            let isPopulated = try created.cgroup.isPopulated()
            #expect(isPopulated)
            try created.cgroup.freeze()
            let isFrozen = try created.cgroup.isFrozen()
            #expect(isFrozen)
            try created.cgroup.thaw()
            let isAsked = try created.cgroup.isAskedToFreeze()
            #expect(!isAsked)
            try created.cgroup.freeze()
            try created.cgroup.kill()
            for pid in pids { #expect(try Process.wait(pid: pid).signal == Signal.kill) }
            let isEmpty = try created.cgroup.waitUntilEmpty(5000)
            #expect(isEmpty)
            try place.remove()
        }
    }

    @Test func aSignalReachesAllAndLeavesThemRunning() throws {
        try withCgroup { place in
            let created = try place.create(RuntimeSpec.Resources())
            let pid = try startProcess(in: created.cgroup)
            try created.cgroup.signalAll(Signal.terminate)
            #expect(try Process.wait(pid: pid).signal == Signal.terminate)
            let isAsked = try created.cgroup.isAskedToFreeze()
            #expect(!isAsked)
        }
    }

    @Test func aCgroupInUseIsRefused() throws {
        try withCgroup { place in
            let created = try place.create(RuntimeSpec.Resources())
            let pid = try startProcess(in: created.cgroup)
            let used = #expect(throws: RuntimeError.self) { _ = try place.create(RuntimeSpec.Resources()) }
            #expect(used?.description.hasPrefix("container's cgroup is not empty") == true)
            try created.cgroup.kill()
            _ = try Process.wait(pid: pid)
            try created.cgroup.write("cgroup.freeze", "1")
            let frozen = #expect(throws: RuntimeError.self) { _ = try place.create(RuntimeSpec.Resources()) }
            #expect(frozen?.description.hasPrefix("container's cgroup unexpectedly frozen") == true)
        }
    }

    @Test func aCgroupWhoseLimitIsRefusedIsTakenAway() throws {
        try withCgroup { place in
            var resources = RuntimeSpec.Resources()
            resources.unified = ["cgroup.nonsense": "1"]
            #expect(throws: RuntimeError.self) { _ = try place.create(resources) }
            let isGone = try isGone(place)
            #expect(isGone)
        }
    }
}

extension ContainerCgroupTests {
    /// Opens a device as a process of the cgroup would: 0 when it could, 1 when it was denied.
    private func tryToRead(_ device: String, in cgroup: borrowing Cgroup) throws -> Int32 {
        // Waits for a line, so that it is in the cgroup before it opens anything.
        let pipe = try Pipe()
        let script = "read go; exec 2>/dev/null; head -c 0 < \(device)"
        let pid = try Process.spawn(
            path: "/bin/sh", arguments: ["sh", "-c", script], environment: ["PATH=/usr/bin:/bin"],
            stdio: [pipe.read.raw, -1, -1])
        try cgroup.write("cgroup.procs", String(pid))
        try pipe.write.writeAll(Array("go\n".utf8))
        return try Process.wait(pid: pid).code == 0 ? 0 : 1
    }

    @Test func aDeniedDeviceCannotBeOpenedAndAnAllowedOneCan() throws {
        try withCgroup { place in
            let created = try place.create(RuntimeSpec.Resources())
            #expect(created.warnings == [])
            let (zero, kmsg) = (
                try tryToRead("/dev/zero", in: created.cgroup), try tryToRead("/dev/kmsg", in: created.cgroup)
            )
            #expect(zero == 0)
            #expect(kmsg == 1)
        }
    }

    @Test func anUpdateReplacesTheFilterInItsPlace() throws {
        try withCgroup { place in
            let created = try place.create(RuntimeSpec.Resources())
            let before = try created.cgroup.deviceFilters()
            #expect(before.count == 1)
            var resources = RuntimeSpec.Resources()
            try place.update(resources)
            let untouched = try created.cgroup.deviceFilters()
            #expect(untouched == before)
            resources.devices = [RuntimeSpec.DeviceRule(allow: true, kind: .character, major: 1, minor: 11)]
            try place.update(resources)
            let after = try created.cgroup.deviceFilters()
            #expect(after.count == 1)
            #expect(after != before)
            let kmsg = try tryToRead("/dev/kmsg", in: created.cgroup)
            #expect(kmsg == 0)
            resources.devices = [RuntimeSpec.DeviceRule(allow: true)]
            try place.update(resources)
            let none = try created.cgroup.deviceFilters()
            #expect(none == [])
        }
    }
}

@Test func linesOfIoStatBecomeEntries() {
    let entries = ioEntries("8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n8:16 \nbad line")
    #expect(entries.bytes.count == 3)
    #expect(entries.operations.count == 3)
    #expect(
        entries.bytes.first
            == .fields(["major": .int(8), "minor": .int(0), "op": .string("Read"), "value": .int(4096)]))
}

@Test func listsOfProcessorsAreRead() {
    #expect(numberList("0-2,5") == [0, 1, 2, 5])
    #expect(numberList("") == [])
    #expect(numberList("3-1,x,70000") == [])
}

extension ContainerCgroupTests {
    @Test func statisticsAreThereWithoutControllersToo() throws {
        try withCgroup { place in
            let created = try place.create(RuntimeSpec.Resources())
            let statistics = try cgroupStatistics(created.cgroup)
            #expect(statistics["cpu"]?["usage"]?["total"] != nil)
            #expect(statistics["cpu"]?["usage"]?["user"] != nil)
        }
    }
}

extension ContainerCgroupTests {
    @Test func aChangeIsSeenAndSoIsTheEnd() throws {
        try withCgroup { place in
            let created = try place.create(RuntimeSpec.Resources())
            let watch = try CgroupWatch(created.cgroup, memory: true)
            let empty = try watch.events()
            #expect(empty["populated"] == 0)
            let pid = try startProcess(in: created.cgroup)
            try watch.wait(5000)
            let full = try watch.events()
            #expect(full["populated"] == 1)
            try created.cgroup.kill()
            _ = try Process.wait(pid: pid)
            try place.remove()
            let gone = try watch.events()
            #expect(gone == [:])
        }
    }
}
