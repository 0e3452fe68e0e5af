import OCI
import Testing

@testable import Runtime

private let everything: Set<String> = ["cpu", "cpuset", "io", "memory", "pids"]

private func properties(_ text: String, isIdle: Bool = false) throws -> [DBusProperty] {
    let resources = try RuntimeSpec.Resources(JSON(parsing: Array(text.utf8)))
    var facts = LimitFacts(available: everything, hosts: everything)
    facts.isIdle = isIdle
    let plan = try planLimits(resources, facts)
    return systemdProperties(plan.writes)
}

@Test func limitsBecomePropertiesOfTheUnit() throws {
    let text = """
        {"memory":{"limit":100,"swap":150,"reservation":50},"pids":{"limit":-1},
         "cpu":{"shares":1024,"quota":50000,"period":100000,"cpus":"0-1,9","mems":"0"}}
        """
    let expected: [(String, DBusValue)] = [
        ("TasksMax", .uint64(.max)), ("MemorySwapMax", .uint64(50)), ("MemoryMax", .uint64(100)),
        ("MemoryLow", .uint64(50)), ("CPUWeight", .uint64(100)), ("CPUQuotaPeriodUSec", .uint64(100_000)),
        ("CPUQuotaPerSecUSec", .uint64(500_000)), ("AllowedCPUs", .bytes([3, 2])),
        ("AllowedMemoryNodes", .bytes([1])),
    ]
    #expect(try properties(text) == expected.map { DBusProperty($0, $1) })
}

@Test func aQuotaIsRoundedUpToStepsOf10Milliseconds() throws {
    let quota = DBusProperty("CPUQuotaPerSecUSec", .uint64(340_000))
    #expect(try properties(#"{"cpu":{"quota":1000,"period":3000}}"#).contains(quota))
    let none = DBusProperty("CPUQuotaPerSecUSec", .uint64(.max))
    #expect(try properties(#"{"cpu":{"quota":-1}}"#).contains(none))
}

@Test func theFileSaysTheRoundedQuotaToo() throws {
    func rounded(_ value: String) -> [String] {
        LimitPlan(writes: [CgroupWrite("cpu", "cpu.max", value)]).rounded().writes.map(\.value)
    }
    #expect(rounded("600000 900000") == ["603000 900000"])
    #expect(rounded("50000 100000") == ["50000 100000"])
    #expect(rounded("max 900000") == ["max 900000"])
    #expect(rounded("18446744073709551615 3") == ["18446744073709551615 3"])
    #expect(rounded("5000 0") == ["5000 0"] || rounded("5000 0") == ["0 0"])
}

@Test func unifiedFilesBecomePropertiesToo() throws {
    let text = #"{"pids":{"limit":5},"unified":{"pids.max":"99","memory.high":"max","memory.oom.group":"1"}}"#
    #expect(
        try properties(text)
            == [DBusProperty("TasksMax", .uint64(99)), DBusProperty("MemoryHigh", .uint64(.max))])
}

@Test func anIdleUnitHasNoWeight() throws {
    #expect(try properties(#"{"cpu":{"idle":1,"shares":512}}"#) == [DBusProperty("CPUWeight", .uint64(0))])
    let weight = DBusProperty("CPUWeight", .uint64(100))
    #expect(try properties(#"{"cpu":{"idle":0}}"#, isIdle: true) == [weight])
    #expect(try properties(#"{"cpu":{"idle":0}}"#) == [])
}

@Test func whatTheKernelRefusesDoesNotReachTheUnit() throws {
    #expect(try properties(#"{"cpu":{"idle":-1}}"#, isIdle: true) == [])
    #expect(try properties(#"{"unified":{"cpu.idle":"2"}}"#, isIdle: true) == [])
}

@Test func aUnitMayHaveOneProcessAtLeast() throws {
    #expect(try properties(#"{"unified":{"pids.max":"0"}}"#) == [DBusProperty("TasksMax", .uint64(1))])
}

@Test(arguments: [("252.38-1~deb12u1", 252), ("v249.11", 249), ("255", 255), ("", 0), ("v", 0)])
func theVersionOfSystemdIsItsFirstNumber(text: String, number: Int) {
    #expect(systemdVersion(text) == number)
}

@Test func aScopeIsDelegatedAndHoldsTheProcess() {
    let scope = SystemdScope(unit: CgroupPlace.Unit(name: "a-b.scope", slice: "s.slice"))
    let own = scope.ownProperties(42)
    #expect(own.contains(DBusProperty("PIDs", .uint32s([42]))))
    #expect(own.contains(DBusProperty("Slice", .string("s.slice"))))
    #expect(own.contains(DBusProperty("Delegate", .bool(true))))
    #expect(own.contains(DBusProperty("DefaultDependencies", .bool(false))))
    let slice = SystemdScope(unit: CgroupPlace.Unit(name: "b.slice", slice: "s.slice")).ownProperties(42)
    #expect(slice.contains(DBusProperty("Wants", .strings(["s.slice"]))))
    #expect(!slice.contains { $0.name == "PIDs" || $0.name == "Delegate" })
}

private func annotations(_ name: String, _ value: String) throws -> [DBusProperty] {
    try systemdProperties(annotations: ["org.systemd.property.\(name)": value, "other": "x"])
}

@Test func annotationsThatAreAllowedBecomeProperties() throws {
    #expect(try annotations("TimeoutStopUSec", "uint64 30000000").map(\.value) == [.uint64(30_000_000)])
    #expect(
        try annotations("TimeoutStopSec", "uint64 30") == [
            DBusProperty("TimeoutStopUSec", .uint64(30_000_000))
        ])
    #expect(try annotations("RuntimeMaxSec", "2") == [DBusProperty("RuntimeMaxUSec", .uint64(2_000_000))])
    #expect(try annotations("KillSignal", "15").map(\.value) == [.int32(15)])
    #expect(try annotations("DefaultDependencies", "true").map(\.value) == [.bool(true)])
    #expect(
        try annotations("CollectMode", "'inactive-or-failed'").map(\.value) == [.string("inactive-or-failed")]
    )
    #expect(
        try annotations("After", "['crio.service', \"b.service\"]").map(\.value) == [
            .strings(["crio.service", "b.service"])
        ])
    #expect(try systemdProperties(annotations: ["org.systemd": "x"]) == [])
}

@Test(arguments: [
    ("SuccessAction", "'reboot-force'"), ("FailureAction", "'poweroff'"), ("JobTimeoutAction", "'reboot'"),
    ("ExecStart", "'/bin/sh'"), ("Slice", "'-.slice'"), ("Delegate", "false"), ("MemoryMax", "uint64 1"),
    ("TimeoutStopUSec", "'never'"), ("KillSignal", "999"), ("CollectMode", "'x'"), ("After", "['a', 'b"),
    ("After", "['a\\'b']"), ("", ""), ("DefaultDependencies", "maybe"),
    ("TimeoutStopSec", "18446744073709551615"),
])
func cve_2024_3154_annotationsCannotSetOtherProperties(name: String, value: String) {
    #expect(throws: RuntimeError.self) { try annotations(name, value) }
}
