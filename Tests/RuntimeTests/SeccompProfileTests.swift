import Linux
import OCI
import Runtime
import Testing

@Test func seccompOfASpecBecomesAProfile() throws {
    var spec = RuntimeSpec.Seccomp(defaultAction: "SCMP_ACT_ERRNO")
    spec.architectures = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]
    spec.flags = ["SECCOMP_FILTER_FLAG_LOG"]
    var rule = RuntimeSpec.SeccompRule(names: ["clone3"], action: "SCMP_ACT_ERRNO")
    rule.errnoRet = 38
    rule.args = [.init(index: 1, value: 7, op: "SCMP_CMP_LT")]
    spec.syscalls = [rule]
    let profile = try SeccompProfile(spec)
    #expect(profile.defaultAction == .errno(1))
    #expect(profile.architectures == ["x86_64", "x86"])
    #expect(profile.flags == .log)
    #expect(profile.rules == [.init(["clone3"], .errno(38), [.init(1, .less(7))])])
}

@Test func seccompWordsThatAreNotUnderstoodAreRefused() {
    func refusal(_ change: (inout RuntimeSpec.Seccomp) -> Void) -> String? {
        var spec = RuntimeSpec.Seccomp(defaultAction: "SCMP_ACT_ALLOW")
        change(&spec)
        do {
            _ = try SeccompProfile(spec)
            return nil
        } catch { return error.description }
    }
    #expect(refusal { _ in } == nil)
    #expect(
        refusal { $0.defaultAction = "SCMP_ACT_NOTIFY" }
            == "seccomp: action SCMP_ACT_NOTIFY of defaultAction is not supported")
    #expect(
        refusal { $0.syscalls = [.init(names: ["read"], action: "ALLOW")] }
            == "seccomp: action ALLOW of read is not supported")
    #expect(refusal { $0.architectures = ["x86"] } == "seccomp: architecture x86 is not known")
    #expect(
        refusal { $0.flags = ["SECCOMP_FILTER_FLAG_X"] }
            == "seccomp: flag SECCOMP_FILTER_FLAG_X is not supported")
    #expect(refusal { $0.listenerPath = "/s" } == "seccomp: listenerPath is not supported")
    var rule = RuntimeSpec.SeccompRule(names: ["read"], action: "SCMP_ACT_ALLOW")
    rule.args = [.init(index: 0, value: 0, op: "EQ")]
    #expect(refusal { $0.syscalls = [rule] } == "seccomp: comparison EQ of read is not known")
}
