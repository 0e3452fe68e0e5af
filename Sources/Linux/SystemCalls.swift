import CLinux

/// Numbers of system calls by name: libseccomp's, and those of kernels newer than libseccomp 2.5.4.
enum SystemCalls {
    /// The native number; below -1 for a call that only other architectures have; nil when unknown.
    static func number(_ name: String) -> Int32? { oldNumber(name) ?? newNumber(name) }

    /// As libseccomp knows it.
    static func oldNumber(_ name: String) -> Int32? {
        let number = name.withCString { cl_seccomp_number($0) }
        return number == -1 ? nil : number
    }

    /// The number, the same on every architecture, of a call that libseccomp does not know; nil for all others.
    static func numberOfNew(_ name: String) -> UInt32? {
        guard oldNumber(name) == nil, let number = newNumber(name), number >= 424 else { return nil }
        return UInt32(number)
    }

    /// Calls added by Linux 6.5 to 6.17 and the x86 trampolines; from 424 on they have one number everywhere.
    private static func newNumber(_ name: String) -> Int32? {
        switch name {
        case "cachestat": 451
        case "fchmodat2": 452
        case "map_shadow_stack": 453
        case "futex_wake": 454
        case "futex_wait": 455
        case "futex_requeue": 456
        case "statmount": 457
        case "listmount": 458
        case "lsm_get_self_attr": 459
        case "lsm_set_self_attr": 460
        case "lsm_list_modules": 461
        case "mseal": 462
        case "setxattrat": 463
        case "getxattrat": 464
        case "listxattrat": 465
        case "removexattrat": 466
        case "open_tree_attr": 467
        case "file_getattr": 468
        case "file_setattr": 469
        default: x86Number(name)
        }
    }

    private static func x86Number(_ name: String) -> Int32? {
        #if arch(x86_64)
            switch name {
            case "uretprobe": 335
            case "uprobe": 336
            default: nil
            }
        #else
            nil
        #endif
    }

    /// Numbers below 424 that stand for no call, ascending.
    static var gaps: [ClosedRange<UInt32>] {
        #if arch(arm64)
            [244...259, 295...423]
        #else
            [337...423]
        #endif
    }
}
