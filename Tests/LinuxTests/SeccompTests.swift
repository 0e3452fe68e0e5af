import Glibc
import Linux
import SystemPackage
import Testing

/// What came of each probe under a profile: 0, an errno, or minus the signal that ended it.
private func outcomes(
    of probes: [String], under profile: SeccompProfile
) throws -> [String: Int32] {
    var result: [String: Int32] = [:]
    try withScratch { path, directory in
        try directory.replace("filter", with: profile.compile())
        for line in try runProbe([path.appending("filter").string] + probes) {
            let parts = line.split(separator: "=")
            result[String(parts[0])] = Int32(parts[1])
        }
    }
    return result
}

private func expect(
    _ expected: KeyValuePairs<String, Int32>, under profile: SeccompProfile,
    _ location: SourceLocation = #_sourceLocation
) throws {
    let found = try outcomes(of: expected.map(\.key), under: profile)
    for (probe, outcome) in expected {
        #expect(found[probe] == outcome, "\(probe)", sourceLocation: location)
    }
}

@Test func ordinaryCallsPassTheDefaultProfile() throws {
    try expect(
        [
            "getpid": 0, "openat": 0, "clone": 0, "execve": 64, "inet": 0, "netlink": 0, "ptrace": 0,
            "personality 0": 0, "personality asked": 0,
        ], under: .containerDefault(capabilities: .default))
}

/// Names that libseccomp 2.5.4 lacks: the kernel's own error shows that the filter let them through.
@Test func newerCallsPassTheDefaultProfile() throws {
    let found = try outcomes(
        of: ["cachestat", "fchmodat2", "mseal", "statmount", "family 45"],
        under: .containerDefault(capabilities: .default)
    )
    #expect(Set(found.values).isDisjoint(with: [EPERM]))
}

@Test func dangerousCallsFailWithEPERM() throws {
    try expect(
        [
            "unshare user": EPERM, "unshare mount": EPERM, "clone user": EPERM, "clone cgroup": EPERM,
            "setns": EPERM,
            "keyctl": EPERM, "add_key": EPERM, "bpf": EPERM, "perf_event_open": EPERM, "mount": EPERM,
            "umount2": EPERM, "fsopen": EPERM, "open_tree": EPERM, "pivot_root": EPERM,
            "io_uring_setup": EPERM,
            "userfaultfd": EPERM, "kexec_load": EPERM, "init_module": EPERM, "open_by_handle_at": EPERM,
            "reboot": EPERM, "syslog": EPERM, "swapon": EPERM, "acct": EPERM, "kcmp": EPERM, "mbind": EPERM,
            "clock_settime": EPERM, "personality no randomize": EPERM,
        ], under: .containerDefault(capabilities: .default))
}

@Test func unknownCallsFailWithENOSYS() throws {
    try expect(
        [
            "clone3": ENOSYS, "number 400": ENOSYS, "number 600": ENOSYS, "number -1": ENOSYS,
            "file_getattr": ENOSYS,
        ],
        under: .containerDefault(capabilities: .default))
}

/// A kernel's cryptography let any process write to cached files (CVE-2026-31431).
@Test func cve_2026_31431_kernelCryptoAndVirtualMachineSocketsAreDenied() throws {
    try expect(
        ["alg": EPERM, "vsock": EPERM, "alg with a high bit": EPERM],
        under: .containerDefault(capabilities: .all(40)))
}

#if arch(x86_64)
    /// i386's one call for all of sockets would be the way past that.
    @Test func cve_2026_31431_x32FailsAndI386IsKilled() throws {
        try expect(
            ["x32 getpid": ENOSYS, "int 0x80": -SIGSYS], under: .containerDefault(capabilities: .default))
    }

    /// By numbers of which libseccomp has no names.
    @Test func newCallsAreForbiddenOnEveryArchitecture() throws {
        var profile = SeccompProfile(defaultAction: .allow)
        profile.architectures = ["x86_64", "x86", "x32"]
        profile.rules = [.init(["mkdir"], .errno(1)), .init(["mseal"], .errno(78))]
        try expect(
            ["mseal": 78, "int 0x80 mseal": 78, "x32 mseal": 78, "int 0x80": 0, "getpid": 0], under: profile)
        profile.rules = [.init(["mseal"], .errno(78), [.init(0, .equal(1))])]
        #expect(throws: SeccompError.self) { try profile.compile() }
    }

    @Test func i386WorksForItsImages() throws {
        try expect(
            ["int 0x80": 0, "x32 getpid": ENOSYS, "getpid": 0, "number 600": ENOSYS, "alg": EPERM],
            under: .containerDefault(capabilities: .default, includes32Bit: true))
    }
#endif

@Test(.enabled(if: getuid() == 0, "the kernel's own check would answer EPERM"))
func capabilitiesOpenTheirCalls() throws {
    try expect(
        ["mount": ENOENT, "unshare mount": 0, "clone3": EINVAL, "setns": EBADF, "clone cgroup": 0],
        under: .containerDefault(capabilities: [.sysAdmin]))
    try expect(["chroot": ENOENT, "mount": EPERM], under: .containerDefault(capabilities: [.sysChroot]))
    try expect(["chroot": EPERM, "kcmp": EINVAL], under: .containerDefault(capabilities: [.sysPtrace]))
    try expect(["clock_settime": EINVAL], under: .containerDefault(capabilities: [.sysTime]))
}

@Test func profilesOfTheUserAreFollowed() throws {
    var profile = SeccompProfile(defaultAction: .allow)
    profile.rules = [
        .init(["keyctl"], .errno(77)), .init(["add_key", "not_a_call_of_x86", "cachestat"], .allow),
        .init(["mseal"], .errno(78)),
        .init(["socket"], .killProcess, [.init(0, .equal(40))]),
        // Two conditions on one argument are alternatives.
        .init(["personality"], .errno(79), [.init(0, .equal(0)), .init(0, .equal(0xffff_ffff))]),
    ]
    try expect(
        [
            "keyctl": 77, "mseal": 78, "vsock": -SIGSYS, "inet": 0, "personality 0": 79,
            "personality asked": 79,
            "number 600": ENOSYS, "getpid": 0,
        ], under: profile)
}

/// Left out silently, the rule would leave the call allowed.
@Test func aForbiddenCallThatIsNotKnownIsRefused() {
    var profile = SeccompProfile(defaultAction: .allow)
    profile.rules = [.init(["frobnicate"], .errno(1))]
    #expect(throws: SeccompError("system call frobnicate, which the profile forbids, is not known")) {
        try profile.compile()
    }
    profile.defaultAction = .errno(1)
    profile.rules = [.init(["frobnicate", "read"], .allow)]
    #expect(throws: Never.self) { try profile.compile() }
    profile.defaultAction = .allow
    profile.rules = [.init(["frobnicate"], .errno(1))]
    profile.ignoresUnknownCalls = true
    #expect(throws: Never.self) { try profile.compile() }
    profile.architectures = ["pdp11"]
    #expect(throws: SeccompError("seccomp architecture pdp11 is not known")) { try profile.compile() }
}

@Test func callsOfNoKernelAreUnknownUnderEveryDefaultThatForbids() throws {
    for action in [SeccompProfile.Action.killProcess, .killThread, .trap, .errno(6)] {
        var profile = SeccompProfile(defaultAction: action)
        profile.rules = [
            .init(
                [
                    "write", "exit_group", "exit", "rt_sigreturn", "getpid", "mseal", "wait4", "close", "brk",
                    "mmap", "munmap", "fstat", "newfstatat",
                ], .allow)
        ]
        try expect(["getpid": 0, "number 600": ENOSYS, "number 400": ENOSYS], under: profile)
    }
    try expect(["getpid": 0, "number 600": ENOSYS], under: SeccompProfile(defaultAction: .log))
}

@Test func architecturesOfOtherMachinesCostNothing() throws {
    var profile = SeccompProfile(defaultAction: .allow)
    profile.rules = [.init(["keyctl"], .errno(77))]
    #if arch(x86_64)
        profile.architectures = ["x86_64", "x32", "x86"]
        let native = try profile.compile()
        profile.architectures.formUnion(["aarch64", "arm", "s390x", "loongarch64"])
        #expect(try profile.compile() == native)
        try expect(["int 0x80": 0, "x32 getpid": ENOSYS, "keyctl": 77], under: profile)
    #endif
}

@Test func wordsOfTheSpecAreRead() {
    #expect(SeccompProfile.Action(word: "SCMP_ACT_ERRNO", errno: nil) == .errno(1))
    #expect(SeccompProfile.Action(word: "SCMP_ACT_ERRNO", errno: 38) == .errno(38))
    #expect(SeccompProfile.Action(word: "SCMP_ACT_ERRNO", errno: 65537) == nil)
    #expect(SeccompProfile.Action(word: "SCMP_ACT_KILL", errno: nil) == .killThread)
    #expect(SeccompProfile.Action(word: "SCMP_ACT_NOTIFY", errno: nil) == .notify)
    #expect(SeccompProfile.Action(word: "SCMP_ACT_X", errno: nil) == nil)
    #expect(
        SeccompProfile.Comparison(word: "SCMP_CMP_MASKED_EQ", value: 1, valueTwo: 2)
            == .masked(mask: 1, equal: 2))
    #expect(SeccompProfile.Comparison(word: "EQ", value: 1, valueTwo: 2) == nil)
    #expect(SeccompFlags(word: "SECCOMP_FILTER_FLAG_LOG") == .log)
    #expect(SeccompFlags(word: "SECCOMP_FILTER_FLAG_NEW_LISTENER") == nil)
}
