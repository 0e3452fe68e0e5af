import OCI
import Testing

@testable import Runtime

private let everything: Set<String> = ["cpu", "cpuset", "io", "memory", "pids", "hugetlb", "rdma"]

private func resources(_ text: String) throws -> RuntimeSpec.Resources {
    try RuntimeSpec.Resources(JSON(parsing: Array(text.utf8)))
}

/// The writes as `file=value`.
private func writes(
    _ text: String, max: (String, String) = ("max", "100000"), isIdle: Bool = false
) throws -> [String] {
    var facts = LimitFacts(available: everything, hosts: everything)
    (facts.cpuMax, facts.isIdle) = (max, isIdle)
    return try planLimits(resources(text), facts).writes.map { "\($0.file)=\($0.value)" }
}

@Test func memoryAndSwapAreCountedApart() throws {
    #expect(try writes(#"{"memory":{"limit":100,"swap":150}}"#) == ["memory.swap.max=50", "memory.max=100"])
    #expect(try writes(#"{"memory":{"limit":100,"swap":100}}"#) == ["memory.swap.max=0", "memory.max=100"])
    #expect(try writes(#"{"memory":{"limit":100,"swap":-1}}"#) == ["memory.swap.max=max", "memory.max=100"])
    #expect(try writes(#"{"memory":{"limit":-1}}"#) == ["memory.swap.max=max", "memory.max=max"])
    #expect(try writes(#"{"memory":{"limit":-1,"swap":70}}"#) == ["memory.swap.max=70", "memory.max=max"])
    #expect(try writes(#"{"memory":{"limit":0,"swap":0,"reservation":9}}"#) == ["memory.low=9"])
    #expect(try writes(#"{"memory":{"limit":100}}"#) == ["memory.max=100"])
}

@Test func swapThatCannotBeRightIsRefused() {
    #expect(throws: RuntimeError("unable to set swap limit without memory limit")) {
        try writes(#"{"memory":{"swap":70}}"#)
    }
    #expect(throws: RuntimeError("memory+swap limit should be >= memory limit")) {
        try writes(#"{"memory":{"limit":100,"swap":70}}"#)
    }
}

@Test func aSwapLimitAloneIsCountedFromTheLimitThatIsThere() throws {
    var facts = LimitFacts(available: everything, hosts: everything)
    facts.memoryLimit = 100
    let plan = try planLimits(resources(#"{"memory":{"swap":130}}"#), facts)
    #expect(plan.writes.map(\.value) == ["30"])
    facts.memoryLimit = -1
    #expect(try planLimits(resources(#"{"memory":{"swap":130}}"#), facts).writes.map(\.value) == ["130"])
}

@Test func whatOnlyTheOldCgroupsHaveIsLeftOut() throws {
    let old = """
        {"memory":{"kernel":1,"kernelTCP":2,"swappiness":60,"disableOOMKiller":true},
         "network":{"classID":1,"priorities":[{"name":"eth0","priority":1}]},"blockIO":{"leafWeight":10}}
        """
    #expect(try writes(old) == [])
}

@Test func realTimeIsRefused() {
    #expect(throws: RuntimeError.self) { try writes(#"{"cpu":{"realtimeRuntime":1000}}"#) }
    #expect(throws: RuntimeError.self) { try writes(#"{"cpu":{"realtimePeriod":1000}}"#) }
}

@Test(arguments: [
    (0, nil), (1, "1"), (2, "1"), (1024, "100"), (512, "59"), (262_144, "10000"), (999_999, "10000"),
])
func sharesBecomeAWeight(shares: Int, weight: String?) throws {
    #expect(try writes(#"{"cpu":{"shares":\#(shares)}}"#) == weight.map { ["cpu.weight=\($0)"] } ?? [])
}

@Test func namesInGosOtherLettersAreUnderstood() throws {
    #expect(try writes(#"{"CPU":{"Cpus":"1","Mems":"0"}}"#) == ["cpuset.cpus=1", "cpuset.mems=0"])
    #expect(
        try writes(#"{"hugepageLimits":[{"pagesize":"2MB","limit":1}]}"#).first == "hugetlb.2MB.max=1")
    #expect(try resources(#"{"devices":[{"allow":false,"access":"rwa"}]}"#).devices.first?.access == "rw")
}

@Test func quotaAndPeriodAreOneFile() throws {
    #expect(try writes(#"{"cpu":{"quota":5000,"period":10000}}"#) == ["cpu.max=5000 10000"])
    #expect(try writes(#"{"cpu":{"quota":5000}}"#) == ["cpu.max=5000 100000"])
    #expect(try writes(#"{"cpu":{"quota":5000}}"#, max: ("7", "9")) == ["cpu.max=5000 9"])
    #expect(try writes(#"{"cpu":{"period":10000}}"#) == ["cpu.max=max 10000"])
    #expect(try writes(#"{"cpu":{"period":10000}}"#, max: ("700", "9")) == ["cpu.max=700 10000"])
    #expect(try writes(#"{"cpu":{"quota":-1}}"#) == ["cpu.max=max 100000"])
    #expect(try writes(#"{"cpu":{"quota":0,"period":0,"cpus":"","mems":""}}"#) == [])
}

@Test func aBurstIsSetOnBothSidesOfTheQuota() throws {
    #expect(
        try writes(#"{"cpu":{"quota":5000,"burst":100}}"#)
            == ["cpu.max.burst=100", "cpu.max=5000 100000", "cpu.max.burst=100"])
    #expect(try writes(#"{"cpu":{"burst":0}}"#) == ["cpu.max.burst=0"])
}

@Test func theOtherFilesOfTheProcessorAreWritten() throws {
    #expect(
        try writes(#"{"cpu":{"idle":1,"cpus":"0-1","mems":"0"}}"#)
            == ["cpu.idle=1", "cpuset.cpus=0-1", "cpuset.mems=0"])
}

@Test func anIdleCgroupHasNoWeight() throws {
    #expect(try writes(#"{"cpu":{"idle":1,"shares":1024}}"#) == ["cpu.idle=1"])
    #expect(try writes(#"{"cpu":{"idle":0,"shares":1024}}"#) == ["cpu.weight=100"])
    #expect(try writes(#"{"cpu":{"idle":0}}"#, isIdle: true) == ["cpu.idle=0"])
    #expect(try writes(#"{"cpu":{"idle":2}}"#) == ["cpu.idle=2"])
    #expect(try writes(#"{"cpu":{"shares":1024}}"#, isIdle: true) == ["cpu.idle=0", "cpu.weight=100"])
    #expect(try writes(#"{"unified":{"cpu.idle":"1","cpu.weight":"8"}}"#) == ["cpu.idle=1"])
    #expect(try writes(#"{"unified":{"cpu.weight":"8"}}"#, isIdle: true) == ["cpu.idle=0", "cpu.weight=8"])
}

@Test func onlyANegativeNumberOfProcessesIsUnlimited() throws {
    #expect(try writes(#"{"pids":{"limit":10}}"#) == ["pids.max=10"])
    #expect(try writes(#"{"pids":{"limit":0}}"#) == ["pids.max=1"])
    #expect(try writes(#"{"pids":{"limit":-1}}"#) == ["pids.max=max"])
    #expect(try writes("{}") == [])
}

@Test func blockWeightsAndThrottlesAreWritten() throws {
    let text = """
        {"blockIO":{"weight":500,"weightDevice":[{"major":8,"minor":16,"weight":700}],
          "throttleReadBpsDevice":[{"major":8,"minor":0,"rate":1000}],
          "throttleWriteIOPSDevice":[{"major":8,"minor":0,"rate":0}]}}
        """
    #expect(
        try writes(text) == [
            "io.bfq.weight=500", "io.bfq.weight=8:16 700", "io.max=8:0 rbps=1000", "io.max=8:0 wiops=max",
        ])
    let plan = try planLimits(resources(text), LimitFacts(available: everything, hosts: everything))
    #expect(plan.writes[0].failure == .writeInstead(file: "io.weight", value: "4950"))
    #expect(plan.writes[1].failure == .writeInstead(file: "io.weight", value: "8:16 6970"))
}

@Test func hugePagesAndRdmaAreWritten() throws {
    #expect(
        try writes(#"{"hugepageLimits":[{"pageSize":"2MB","limit":4194304}]}"#)
            == ["hugetlb.2MB.max=4194304", "hugetlb.2MB.rsvd.max=4194304"])
    #expect(
        try writes(#"{"rdma":{"mlx5_0":{"hcaHandles":3,"hcaObjects":10000}}}"#)
            == ["rdma.max=mlx5_0 hca_handle=3 hca_object=10000"])
    for size in ["", "2", "2MiB", "../x", "2MB\n", "MB"] {
        #expect(throws: RuntimeError.self) {
            var spec = RuntimeSpec.Resources()
            spec.hugepageLimits = [RuntimeSpec.HugepageLimit(pageSize: size, limit: 1)]
            _ = try planLimits(spec, LimitFacts(available: everything, hosts: everything))
        }
    }
}

@Test func unifiedFilesAreWrittenLineByLine() throws {
    #expect(
        try writes(#"{"unified":{"pids.max":"99","io.max":"8:0 rbps=1\n8:1 rbps=2","cgroup.max.depth":"3"}}"#)
            == ["cgroup.max.depth=3", "io.max=8:0 rbps=1", "io.max=8:1 rbps=2", "pids.max=99"])
    for bad in ["a/b", "../pids.max", "pids", "pids.", ".max", ""] {
        #expect(throws: RuntimeError.self) { try writes(#"{"unified":{"\#(bad)":"1"}}"#) }
    }
    #expect(throws: RuntimeError.self) { try writes(#"{"unified":{"misc.max":"1"}}"#) }
}

@Test(arguments: [
    #"{"memory":{"limit":1000000}}"#, #"{"cpu":{"quota":1000}}"#, #"{"cpu":{"cpus":"0"}}"#,
    #"{"cpu":{"shares":2048}}"#, #"{"pids":{"limit":7}}"#, #"{"blockIO":{"weight":10}}"#,
    #"{"unified":{"pids.max":"4096"},"pids":{"limit":4096}}"#,
])
func aLimitThatThisHostCannotHaveIsRefusedWithTheWayOut(text: String) throws {
    let error = #expect(throws: RuntimeError.self) {
        try planLimits(resources(text), LimitFacts(available: [], hosts: []))
    }
    #expect(error?.description.contains("systemd.unified_cgroup_hierarchy=1") == true)
    // The host has it, but a cgroup above does not pass it on.
    let delegation = #expect(throws: RuntimeError.self) {
        try planLimits(resources(text), LimitFacts(available: [], hosts: everything))
    }
    #expect(delegation?.description.contains("a cgroup above") == true)
}

@Test(arguments: [
    #"{"pids":{"limit":2048}}"#, #"{"cpu":{"shares":2}}"#, #"{"cpu":{"shares":1024}}"#,
    #"{"cpu":{"period":100000,"shares":2}}"#, #"{"hugepageLimits":[{"pageSize":"2MB","limit":0}]}"#,
])
func anEnginesDefaultIsLeftOutWithOneSentence(text: String) throws {
    let plan = try planLimits(resources(text), LimitFacts(available: [], hosts: []))
    #expect(plan.writes == [])
    #expect(plan.warnings.count == 1)
}

@Test func theAbsenceOfALimitNeedsNoController() throws {
    let text = #"{"pids":{"limit":-1},"memory":{"limit":-1,"swap":-1},"cpu":{"quota":-1,"period":0}}"#
    #expect(try planLimits(resources(text), LimitFacts(available: [], hosts: [])) == LimitPlan())
}

@Test func whoAskedCanBeSaid() throws {
    let asked = LimitFacts(available: [], hosts: [], defaults: [])
    #expect(throws: RuntimeError.self) { try planLimits(resources(#"{"pids":{"limit":2048}}"#), asked) }
    let notAsked = LimitFacts(available: [], hosts: [], defaults: ["pids"])
    #expect(try planLimits(resources(#"{"pids":{"limit":7}}"#), notAsked).writes == [])
}
