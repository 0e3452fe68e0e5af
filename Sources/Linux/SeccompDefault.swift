extension SeccompProfile {
    /// Changes whenever the profile, the compiler or the order of rules changes, so that no cached filter
    /// of an older program is used.
    static let version = 2

    /// The profile of a container that asks for none: docker's set of calls, which ordinary images know,
    /// and stricter where they do not notice (x32 and 32-bit x86 off, AF_ALG and AF_VSOCK denied on all 32
    /// bits of the family that the kernel reads, ENOSYS for calls that are newer than this table).
    ///
    /// `capabilities` are the container's bounding set: one opens the calls that are useless or harmless
    /// with it. `includes32Bit` is for images whose architecture is 386 on an x86_64 machine.
    public static func containerDefault(capabilities: CapabilitySet, includes32Bit: Bool = false)
        -> SeccompProfile
    {
        var profile = SeccompProfile(defaultAction: .errno(1))
        if includes32Bit { profile.architectures = ["x86"] }
        profile.rules = alwaysAllowed.map { Rule(words($0), .allow) }
        profile.rules += socketRules + personalityRules
        for (capability, names) in opened where !capabilities.isDisjoint(with: capability) {
            profile.rules.append(Rule(words(names), .allow))
        }
        profile.rules += cloneRules(mayMakeNamespaces: capabilities.contains(.sysAdmin))
        profile.rules.append(Rule(words(withFallback), .errno(38)))
        return profile
    }

    private static func words(_ text: StaticString) -> [String] {
        "\(text)".split(whereSeparator: { $0 == " " || $0 == "\n" }).map(String.init)
    }

    /// Threads and processes, but no namespaces: CLONE_NEWTIME cannot come here (its bit is the exit
    /// signal's), and clone3's flags lie in memory, where no filter sees them, so that the C library has to
    /// fall back to clone.
    private static func cloneRules(mayMakeNamespaces: Bool) -> [Rule] {
        if mayMakeNamespaces { return [Rule(["clone", "clone3"], .allow)] }
        // NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
        let none = Condition(0, .masked(mask: 0x7e02_0000, equal: 0))
        return [Rule(["clone"], .allow, [none]), Rule(["clone3"], .errno(38))]
    }

    /// Every family below 64 but AF_ALG (38) and AF_VSOCK (40). The kernel reads 32 bits of the argument;
    /// comparing all 64, as docker's profile does, lets 1 << 32 | 38 pass as one above 40.
    private static var socketRules: [Rule] {
        let families: [(mask: UInt64, equal: UInt64)] = [
            (0xffff_ffe0, 0), (0xffff_fffc, 32), (0xffff_fffe, 36), (0xffff_ffff, 39), (0xffff_ffff, 41),
            (0xffff_fffe, 42), (0xffff_fffc, 44), (0xffff_fff0, 48),
        ]
        return families.map {
            Rule(["socket"], .allow, [Condition(0, .masked(mask: $0.mask, equal: $0.equal))])
        }
    }

    /// PER_LINUX and PER_LINUX32, each also with UNAME26, and the question for the present one.
    private static var personalityRules: [Rule] {
        let personas: [UInt64] = [0, 8, 0x20000, 0x20008, 0xffff_ffff]
        return personas.map {
            Rule(["personality"], .allow, [Condition(0, .masked(mask: 0xffff_ffff, equal: $0))])
        }
    }

    /// Newer than docker's set; their callers fall back to ioctl(2), which EPERM would not start.
    private static let withFallback: StaticString = "file_getattr file_setattr"

    /// What a capability opens.
    private static let opened: [(CapabilitySet, StaticString)] = [
        (.dacReadSearch, "open_by_handle_at"),
        (
            .sysAdmin,
            """
            bpf fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr
            lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree open_tree_attr
            perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2
            unshare
            """
        ),
        (.sysBoot, "reboot"), (.sysChroot, "chroot"), (.sysModule, "delete_module finit_module init_module"),
        (.sysPacct, "acct"),
        (.sysPtrace, "kcmp pidfd_getfd process_madvise"), (.sysRawio, "ioperm iopl"),
        (.sysTime, "clock_settime clock_settime64 settimeofday stime"), (.sysTTYConfig, "vhangup"),
        (.sysNice, "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"), (.syslog, "syslog"),
        (.bpf, "bpf"), (.perfmon, "perf_event_open"),
    ]
}
