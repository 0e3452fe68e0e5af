import Linux
import OCI
import SystemPackage
import Testing

@testable import Runtime

private let controllers = (try? CgroupTree.find()?.controllers()) ?? []
private let canLimit =
    Process.effectiveUser == 0 && controllers.isSuperset(of: ["cpu", "cpuset", "io", "memory", "pids"])

/// A cgroup with these limits, killed and removed at the end.
private func withLimits(
    _ text: String, _ body: (ContainerCgroup, borrowing Cgroup) throws -> Void
) throws {
    let resources = try RuntimeSpec.Resources(JSON(parsing: Array(text.utf8)))
    let tree = try #require(CgroupTree.find())
    let name = "apus-test-\(Kernel.random(6).map { String($0, radix: 16) }.joined())"
    let place = ContainerCgroup(CgroupPlace(path: FilePath("\(name)/c1")), in: tree)
    defer {
        try? place.remove(waiting: 5000)
        _ = try? tree.remove(FilePath(name))
    }
    let created = try place.create(resources, defaults: [])
    try body(place, created.cgroup)
}

private func update(_ place: ContainerCgroup, _ text: String) throws {
    try place.update(RuntimeSpec.Resources(JSON(parsing: Array(text.utf8))))
}

/// Runs a script in the cgroup from its first command on.
private func run(_ script: String, in cgroup: borrowing Cgroup) throws -> Linux.ExitStatus {
    let pipe = try Pipe()
    let pid = try Process.spawn(
        path: "/bin/sh", arguments: ["sh", "-c", "read go; exec 2>/dev/null; " + script],
        environment: ["PATH=/usr/bin:/bin"], stdio: [pipe.read.raw, -1, -1])
    try cgroup.write("cgroup.procs", String(pid))
    try pipe.write.writeAll(Array("go\n".utf8))
    return try Process.wait(pid: pid)
}

private func values(_ cgroup: borrowing Cgroup, _ files: String...) throws -> [String] {
    var values: [String] = []
    for file in files { values.append(try cgroup.read(file) ?? "none") }
    return values
}

@Suite(.enabled(if: canLimit, "needs root and the controllers of cgroup v2 (make test-vm)"))
struct LimitKernelTests {
    @Test func everyLimitIsInItsFile() throws {
        let text = """
            {"memory":{"limit":67108864,"reservation":33554432},"pids":{"limit":20},
             "cpu":{"shares":512,"quota":50000,"period":100000,"burst":10000,"cpus":"0","mems":"0"},
             "unified":{"memory.high":"60002304"}}
            """
        try withLimits(text) { _, cgroup in
            let memory = try values(cgroup, "memory.max", "memory.low", "memory.high")
            #expect(memory == ["67108864", "33554432", "60002304"])
            let cpu = try values(
                cgroup, "cpu.weight", "cpu.max", "cpu.max.burst", "cpuset.cpus", "cpuset.mems")
            #expect(cpu == ["59", "50000 100000", "10000", "0", "0"])
            let pids = try values(cgroup, "pids.max")
            #expect(pids == ["20"])
        }
    }

    @Test func limitsAreChangedOneByOne() throws {
        try withLimits(#"{"memory":{"limit":67108864},"cpu":{"quota":50000,"period":100000}}"#) {
            place, cgroup in
            try update(place, #"{"cpu":{"period":50000}}"#)
            let period = try values(cgroup, "cpu.max", "memory.max")
            #expect(period == ["50000 50000", "67108864"])
            try update(place, #"{"cpu":{"quota":20000}}"#)
            try update(place, #"{"memory":{"limit":-1}}"#)
            let all = try values(cgroup, "cpu.max", "memory.max")
            #expect(all == ["20000 50000", "max"])
            // A burst above the old quota, and one below the new.
            try update(place, #"{"cpu":{"quota":40000,"burst":30000}}"#)
            try update(place, #"{"cpu":{"quota":10000,"burst":5000}}"#)
            let burst = try values(cgroup, "cpu.max", "cpu.max.burst")
            #expect(burst == ["10000 50000", "5000"])
        }
    }

    @Test func anIdleCgroupGetsItsWeightBack() throws {
        try withLimits(#"{"cpu":{"idle":1}}"#) { place, cgroup in
            try update(place, #"{"cpu":{"shares":512}}"#)
            let cpu = try values(cgroup, "cpu.idle", "cpu.weight")
            #expect(cpu == ["0", "59"])
        }
    }

    @Test func moreProcessesThanTheLimitCannotBeMade() throws {
        try withLimits(#"{"pids":{"limit":3}}"#) { _, cgroup in
            let status = try run("sleep 9 & sleep 9 & sleep 9 & sleep 9 & wait", in: cgroup)
            #expect(status.code != 0)
        }
    }

    @Test func aProcessAboveTheMemoryLimitIsKilledAndCounted() throws {
        try withLimits(#"{"memory":{"limit":8388608,"swap":8388608}}"#) { _, cgroup in
            let before = try cgroup.oomKills()
            #expect(before == 0)
            let status = try run("x=$(head -c 64M /dev/zero | tr '\\0' x)", in: cgroup)
            #expect(status.signal == Signal.kill)
            let after = try cgroup.oomKills()
            // A child that fills the pipe may be in the way first.
            #expect((after ?? 0) >= 1)
        }
    }

    @Test func aLimitBelowWhatIsUsedIsRefusedWhenAskedToLook() throws {
        try withLimits(#"{"memory":{"limit":67108864}}"#) { place, cgroup in
            let pid = try Process.spawn(path: "/bin/sleep", arguments: ["sleep", "600"], environment: [])
            try cgroup.write("cgroup.procs", String(pid))
            _ = try run("head -c 1M /dev/zero > /dev/shm/apus-test-usage", in: cgroup)
            defer { _ = try? FD.open("/dev/shm", .path).remove("apus-test-usage") }
            #expect(throws: RuntimeError.self) {
                try update(place, #"{"memory":{"limit":4096,"checkBeforeUpdate":true}}"#)
            }
            let limit = try values(cgroup, "memory.max")
            #expect(limit == ["67108864"])
            try cgroup.kill()
            _ = try Process.wait(pid: pid)
        }
    }

    @Test func statisticsHaveWhatEachControllerCounts() throws {
        try withLimits(#"{"memory":{"limit":67108864},"pids":{"limit":20}}"#) { _, cgroup in
            _ = try run("true; true", in: cgroup)
            let statistics = try cgroupStatistics(cgroup)
            #expect(statistics["memory"]?["usage"]?["limit"] == .int(67_108_864))
            #expect(statistics["memory"]?["raw"]?["anon"] != nil)
            #expect(statistics["pids"]?["limit"] == .int(20))
            #expect(statistics["blkio"] != nil)
            #expect((statistics["cpu"]?["usage"]?["total"]?.int ?? 0) > 0)
        }
    }

    @Test func belowACgroupWithProcessesALimitIsRefusedWithTheReason() throws {
        try withLimits("{}") { place, cgroup in
            let pid = try Process.spawn(path: "/bin/sleep", arguments: ["sleep", "600"], environment: [])
            try cgroup.write("cgroup.procs", String(pid))
            let below = ContainerCgroup(CgroupPlace(path: place.place.path.appending("c2")), in: place.tree)
            var resources = RuntimeSpec.Resources()
            resources.memory.limit = 1 << 26
            let error = #expect(throws: RuntimeError.self) { _ = try below.create(resources) }
            #expect(error?.description.contains("processes of its own") == true)
            try cgroup.kill()
            _ = try Process.wait(pid: pid)
        }
    }
}
