import Linux
import OCI
@testable import Runtime
import SystemPackage
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
            == "seccomp: SCMP_ACT_NOTIFY cannot be used as default action")
    #expect(
        refusal { $0.syscalls = [.init(names: ["read"], action: "ALLOW")] }
            == "seccomp: action ALLOW of read is not supported")
    #expect(refusal { $0.architectures = ["x86"] } == "seccomp: architecture x86 is not known")
    #expect(
        refusal { $0.flags = ["SECCOMP_FILTER_FLAG_X"] }
            == "seccomp: flag SECCOMP_FILTER_FLAG_X is not known")
    #expect(
        refusal { $0.architectures = ["SCMP_ARCH_PDP11"] }
            == "seccomp: architecture SCMP_ARCH_PDP11 is not known")
    var rule = RuntimeSpec.SeccompRule(names: ["read"], action: "SCMP_ACT_ALLOW")
    rule.args = [.init(index: 0, value: 0, op: "EQ")]
    #expect(refusal { $0.syscalls = [rule] } == "seccomp: comparison EQ of read is not known")
    rule.args = [.init(index: 6, value: 0, op: "SCMP_CMP_EQ")]
    #expect(
        refusal { $0.syscalls = [rule] } == "seccomp: argument 6 of read: a call has 6, from 0 on")
    rule = .init(names: ["read"], action: "SCMP_ACT_ERRNO")
    rule.errnoRet = 4096
    #expect(
        refusal { $0.syscalls = [rule] }
            == "seccomp: action SCMP_ACT_ERRNO with 4096 of read is not supported")
}

/// runc's choice for a document that does not say; an empty list says "none".
@Test func seccompFlagsAreThoseOfTheDocument() throws {
    var spec = RuntimeSpec.Seccomp(defaultAction: "SCMP_ACT_ALLOW")
    #expect(try SeccompProfile(spec).flags == .specAllow)
    spec.flags = []
    #expect(try SeccompProfile(spec).flags == [])
    spec.flags = ["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG"]
    #expect(try SeccompProfile(spec).flags == .log)
    spec.flags = ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]
    #expect(
        throws: RuntimeError("seccomp: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV needs SCMP_ACT_NOTIFY")
    ) { try SeccompProfile(spec) }
    let read = try RuntimeSpec.Seccomp(
        JSON(parsing: Array(#"{"defaultAction":"SCMP_ACT_LOG","flags":[]}"#.utf8)))
    #expect(read.flags == [])
    #expect(try RuntimeSpec.Seccomp(read.json) == read)
}

@Test func seccompDocumentWithoutAnythingIsNoFilter() throws {
    let spec = try RuntimeSpec.Seccomp(JSON(parsing: Array("{}".utf8)))
    let cache = SeccompCache(directory: "/proc/nonexistent")
    #expect(try SeccompFilter(spec, cache: cache) == .unconfined)
    #expect(throws: JSONError.self) {
        try RuntimeSpec.Seccomp(JSON(parsing: Array(#"{"syscalls":[{"names":["read"],"action":"x"}]}"#.utf8)))
    }
}

@Test func seccompNotifyNeedsAListenerThatCanHear() throws {
    var spec = RuntimeSpec.Seccomp(defaultAction: "SCMP_ACT_ALLOW")
    let state = ContainerState(id: "c", status: .creating, pid: 5, bundle: "/b")
    spec.listenerPath = "/run/agent.sock"
    // As in runc: a listener that nobody would talk to is no error.
    #expect(try SeccompProfile(spec).notifies == false)
    #expect(SeccompListener(spec, state: state) == nil)
    spec.syscalls = [.init(names: ["mkdir"], action: "SCMP_ACT_NOTIFY")]
    spec.listenerMetadata = "m"
    #expect(try SeccompProfile(spec).notifies)
    let filter = try SeccompFilter(spec, cache: SeccompCache(directory: "/proc/nonexistent"))
    #expect(filter.flags == [.specAllow, .newListener])
    let listener = try #require(SeccompListener(spec, state: state))
    #expect(
        String(decoding: listener.message(pid: 7), as: UTF8.self)
            == #"{"ociVersion":"1.2.0","fds":["seccompFd"],"pid":7,"metadata":"m","state":{"ociVersion":"1.2.0","#
            + #""id":"c","pid":5,"status":"creating","bundle":"/b"}}"#)
    for path in [nil, "", "agent.sock"] {
        spec.listenerPath = path
        #expect(throws: RuntimeError("seccomp: SCMP_ACT_NOTIFY needs an absolute listenerPath")) {
            try SeccompProfile(spec)
        }
    }
    spec.syscalls = [.init(names: ["mkdir", "write"], action: "SCMP_ACT_NOTIFY")]
    #expect(throws: RuntimeError("seccomp: SCMP_ACT_NOTIFY cannot be used for the write syscall")) {
        try SeccompProfile(spec)
    }
}

@Test func wordsOfTheSpecAreTheOnesThatAreRead() throws {
    for word in SeccompProfile.Action.words { #expect(SeccompProfile.Action(word: word, errno: nil) != nil) }
    for word in SeccompFlags.words { #expect(SeccompFlags(word: word) != nil) }
    #expect(SeccompProfile.architecture(word: "SCMP_ARCH_X86_64") == "x86_64")
    #expect(SeccompProfile.architecture(word: "SCMP_ARCH_x86") == nil)
    for word in SeccompProfile.architectureWords { #expect(SeccompProfile.architecture(word: word) != nil) }
}
