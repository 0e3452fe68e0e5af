import OCI
import Testing

private typealias Seccomp = RuntimeSpec.Seccomp

private let profile = """
    {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1,
     "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
       {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]}],
     "syscalls": [
       {"names": ["read", "write"], "action": "SCMP_ACT_ALLOW"},
       {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
       {"names": ["old"], "action": "SCMP_ACT_ALLOW", "excludes": {"minKernel": "4.8"}},
       {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
       {"names": ["both"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_CHOWN", "CAP_BPF"]}},
       {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "comment": "x", "excludes": {"caps": ["CAP_SYS_ADMIN"],
         "arches": ["s390"]}, "args": [{"index": 0, "value": 2114060288, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]},
       {"names": ["arch_prctl"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64", "x32"]}},
       {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38, "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
       {"name": "single", "action": "SCMP_ACT_ALLOW"}]}
    """

private func resolve(
    _ text: String = profile, _ architecture: String = "amd64", _ capabilities: Set<String> = ["CAP_CHOWN"],
    kernel: String = "6.1.0-38-amd64"
) throws -> Seccomp {
    let version = try #require(Seccomp.KernelVersion(kernel))
    return try Seccomp(
        dockerProfile: JSON(parsing: text),
        for: .init(architecture: architecture, capabilities: capabilities, kernel: version))
}

@Test func dockerProfileIsResolvedForTheContainer() throws {
    let plain = try resolve()
    #expect(plain.architectures == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"])
    #expect(
        plain.syscalls.flatMap(\.names) == [
            "read", "write", "ptrace", "clone", "arch_prctl", "clone3", "single",
        ])
    #expect(plain.syscalls[2].args == [.init(index: 0, value: 0x7e02_0000, op: "SCMP_CMP_MASKED_EQ")])
    let admin = try resolve(profile, "arm64", ["CAP_SYS_ADMIN"], kernel: "4.4")
    #expect(admin.architectures == ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"])
    #expect(admin.syscalls.flatMap(\.names) == ["read", "write", "old", "mount", "single"])
}

@Test func profileOfTheSpecIsTakenAsItIs() throws {
    let text = #"{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_ARM"],"syscalls":[]}"#
    #expect(try resolve(text).architectures == ["SCMP_ARCH_ARM"])
}

@Test(arguments: [
    ("[]", "seccomp profile is not an object"), ("{}", "defaultAction is missing"),
    (#"{"defaultAction":"A","syscalls":[{"names":["a"]}]}"#, "syscalls[0].action is missing"),
    (
        #"{"defaultAction":"A","syscalls":[{"name":"b","names":["a"],"action":"A"}]}"#,
        "syscalls[0].name and names cannot both be given"
    ),
    (
        #"{"defaultAction":"A","syscalls":[{"action":"A","includes":{"minKernel":"four"}}]}"#,
        "syscalls[0].includes.minKernel with major.minor is missing"
    ),
    (
        #"{"defaultAction":"A","architectures":["B"],"archMap":[{"architecture":"B"}]}"#,
        "architectures and archMap cannot both be given"
    ),
])
func profileRefusals(text: String, expected: String) {
    #expect(throws: JSONError(expected)) { try resolve(text) }
}
