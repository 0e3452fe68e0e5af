import CLinux

/// A seccomp filter before it is compiled: the OCI's `linux.seccomp` with its words resolved.
public struct SeccompProfile: Equatable, Sendable {
    /// What happens to a call (man 2 seccomp).
    public enum Action: Hashable, Sendable {
        case allow
        /// The call fails with this number, 0 to 4095.
        case errno(UInt16)
        case killProcess, killThread, trap, log
        /// A tracer is told this number; without one the call fails with ENOSYS.
        case trace(UInt16)
    }

    /// How an argument is compared, all 64 bits of it, unsigned.
    public enum Comparison: Hashable, Sendable {
        case notEqual(UInt64), less(UInt64), lessOrEqual(UInt64), equal(UInt64)
        case greaterOrEqual(UInt64), greater(UInt64)
        /// Only the bits of `mask` are compared.
        case masked(mask: UInt64, equal: UInt64)
    }

    /// One condition on an argument, 0 to 5.
    public struct Condition: Hashable, Sendable {
        /// Which argument, 0 to 5.
        public var index: UInt32
        /// What it has to be.
        public var comparison: Comparison
        /// A condition on argument `index`.
        public init(_ index: UInt32, _ comparison: Comparison) {
            (self.index, self.comparison) = (index, comparison)
        }
    }

    /// What happens to the calls `names` when every condition holds; several conditions on one argument are
    /// alternatives, as in runc.
    public struct Rule: Equatable, Sendable {
        /// System calls without a prefix.
        public var names: [String]
        /// What happens to them.
        public var action: Action
        /// All must hold.
        public var conditions: [Condition]
        /// A rule for the calls `names`.
        public init(_ names: [String], _ action: Action, _ conditions: [Condition] = []) {
            (self.names, self.action, self.conditions) = (names, action, conditions)
        }
    }

    /// For calls that no rule matches.
    public var defaultAction: Action
    /// Beside the native one, which always belongs to it, in libseccomp's words (`x86`, `x32`, `arm`).
    public var architectures: Set<String> = []
    /// For calls of any other architecture.
    public var otherArchitectures = Action.killProcess
    /// How it is loaded.
    public var flags: SeccompFlags = []
    /// In order: of two rules for the same call and conditions the first one counts.
    public var rules: [Rule] = []

    /// A profile without rules.
    public init(defaultAction: Action) { self.defaultAction = defaultAction }
}

/// SECCOMP_FILTER_FLAG_* of man 2 seccomp; none is set unless a profile asks.
public struct SeccompFlags: OptionSet, Hashable, Sendable {
    /// As the kernel numbers them.
    public let rawValue: UInt32
    /// Takes the kernel's number.
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    /// Every action but allow is logged.
    public static let log = SeccompFlags(rawValue: 2)
    /// No protection against speculative store bypass.
    public static let specAllow = SeccompFlags(rawValue: 4)
}

/// The OCI's words (config-linux.md#seccomp).
extension SeccompProfile.Action {
    /// Takes `SCMP_ACT_ERRNO` and the like; `errno` (EPERM when nil) counts for ERRNO and TRACE. Nil for an
    /// action that is not known or not supported (SCMP_ACT_NOTIFY needs a listener) and for a number above
    /// 4095.
    public init?(word: String, errno: UInt32?) {
        guard let number = UInt16(exactly: errno ?? 1), number <= 4095 else { return nil }
        switch word {
        case "SCMP_ACT_ALLOW": self = .allow
        case "SCMP_ACT_ERRNO": self = .errno(number)
        case "SCMP_ACT_TRACE": self = .trace(number)
        case "SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD": self = .killThread
        case "SCMP_ACT_KILL_PROCESS": self = .killProcess
        case "SCMP_ACT_TRAP": self = .trap
        case "SCMP_ACT_LOG": self = .log
        default: return nil
        }
    }

    /// SECCOMP_RET_* of man 2 seccomp, which libseccomp uses too.
    var number: UInt32 {
        switch self {
        case .allow: 0x7fff_0000
        case .errno(let errno): 0x0005_0000 | UInt32(errno)
        case .killProcess: 0x8000_0000
        case .killThread: 0x0000_0000
        case .trap: 0x0003_0000
        case .log: 0x7ffc_0000
        case .trace(let message): 0x7ff0_0000 | UInt32(message)
        }
    }
}

extension SeccompProfile.Comparison {
    /// Takes `SCMP_CMP_EQ` and the like; nil for another word.
    public init?(word: String, value: UInt64, valueTwo: UInt64) {
        switch word {
        case "SCMP_CMP_NE": self = .notEqual(value)
        case "SCMP_CMP_LT": self = .less(value)
        case "SCMP_CMP_LE": self = .lessOrEqual(value)
        case "SCMP_CMP_EQ": self = .equal(value)
        case "SCMP_CMP_GE": self = .greaterOrEqual(value)
        case "SCMP_CMP_GT": self = .greater(value)
        case "SCMP_CMP_MASKED_EQ": self = .masked(mask: value, equal: valueTwo)
        default: return nil
        }
    }

    /// libseccomp's number of the comparison and its two operands.
    var operands: (op: UInt32, value: UInt64, valueTwo: UInt64) {
        switch self {
        case .notEqual(let value): (1, value, 0)
        case .less(let value): (2, value, 0)
        case .lessOrEqual(let value): (3, value, 0)
        case .equal(let value): (4, value, 0)
        case .greaterOrEqual(let value): (5, value, 0)
        case .greater(let value): (6, value, 0)
        case .masked(let mask, let value): (7, mask, value)
        }
    }
}

extension SeccompFlags {
    /// Takes `SECCOMP_FILTER_FLAG_LOG` and the like; nil for one that is not known or not supported. TSYNC is
    /// accepted and does nothing: the loading process has one thread.
    public init?(word: String) {
        switch word {
        case "SECCOMP_FILTER_FLAG_LOG": self = .log
        case "SECCOMP_FILTER_FLAG_SPEC_ALLOW": self = .specAllow
        case "SECCOMP_FILTER_FLAG_TSYNC": self = []
        default: return nil
        }
    }
}

/// What is wrong with a profile.
public struct SeccompError: Error, Equatable, Sendable, CustomStringConvertible {
    /// One line.
    public let description: String
    /// Takes the line.
    public init(_ description: String) { self.description = description }
}

/// Puts this thread and all that it starts under a compiled filter, for good. Runs in the child between clone
/// and exec and allocates nothing.
///
/// The kernel demands CAP_SYS_ADMIN or no_new_privs. With no_new_privs it is the last step before execve;
/// without, it comes before the capabilities are dropped, and the profile must then allow what follows
/// (setresuid, capset, prctl, close_range, execve: the default one does).
public func loadSeccomp(_ bpf: [UInt8], flags: SeccompFlags = []) throws(SysError) {
    _ = try sys("seccomp", "SECCOMP_SET_MODE_FILTER") {
        bpf.withUnsafeBytes { cl_seccomp_load($0.baseAddress, $0.count / 8, flags.rawValue) }
    }
}
