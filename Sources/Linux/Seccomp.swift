import CLinux
import SystemPackage

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
        /// A supervisor decides: it holds the descriptor that loading the filter gives.
        case notify
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
    /// Whether a rule for a call that is not known here is left out even when it forbids what the default
    /// allows.
    public var ignoresUnknownCalls = false
    /// In order: of two rules for the same call and conditions the first one counts.
    public var rules: [Rule] = []

    /// A profile without rules.
    public init(defaultAction: Action) { self.defaultAction = defaultAction }

    /// Whether loading the filter gives the descriptor of a supervisor.
    public var notifies: Bool { rules.contains { $0.action == .notify && !$0.names.isEmpty } }
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
    /// Loading gives the descriptor of the supervisor that decides over calls with the action `notify`.
    public static let newListener = SeccompFlags(rawValue: 8)
    /// Once the supervisor has read of a call, only a fatal signal interrupts it (Linux 5.19).
    public static let waitKillable = SeccompFlags(rawValue: 32)

    /// Whether this kernel takes them: it looks at them before it reads the program, which is not there.
    public var areSupported: Bool {
        let nowhere = UnsafeRawPointer(bitPattern: 1)
        return cl_seccomp_load(nowhere, 1, rawValue) != -Errno.invalidArgument.rawValue
    }
}

/// What is wrong with a profile.
public struct SeccompError: Error, Equatable, Sendable, CustomStringConvertible {
    /// One line.
    public let description: String
    /// Takes the line.
    public init(_ description: String) { self.description = description }
}

/// A compiled filter and how it is loaded.
public struct SeccompFilter: Equatable, Sendable {
    /// BPF, 8 bytes an instruction; empty for a process without a filter.
    public var program: [UInt8]
    /// With `newListener` when a supervisor takes part.
    public var flags: SeccompFlags

    /// A program and its flags.
    public init(_ program: [UInt8], flags: SeccompFlags = []) {
        (self.program, self.flags) = (program, flags)
    }

    /// No filter at all.
    public static let unconfined = SeccompFilter([])
    /// Whether it is none.
    public var isEmpty: Bool { program.isEmpty }
    /// Whether loading it gives a supervisor's descriptor.
    public var notifies: Bool { flags.contains(.newListener) }
}

/// Puts this thread and all that it starts under a compiled filter, for good. Runs in the child between clone
/// and exec and allocates nothing.
///
/// The kernel demands CAP_SYS_ADMIN or no_new_privs. With no_new_privs it is the last step before execve;
/// without, it comes before the capabilities are dropped, and the profile must then allow what follows
/// (setresuid, capset, prctl, close_range, execve: the default one does).
public func loadSeccomp(_ filter: SeccompFilter) throws(SysError) {
    _ = try sys("seccomp", "SECCOMP_SET_MODE_FILTER") {
        filter.program.withUnsafeBytes {
            cl_seccomp_load($0.baseAddress, $0.count / 8, filter.flags.rawValue)
        }
    }
}

/// The same for a filter with a supervisor: writes `message` and the descriptor's number (4 bytes, as the
/// machine orders them) to `socket` and waits there for one byte, which says that the supervisor has the
/// descriptor. From loading to the answer the process makes the calls write and read, nothing else: every
/// other one may wait for a supervisor that is not there yet. False when the other side is gone.
public func loadSeccomp(
    _ filter: SeccompFilter, telling socket: borrowing FD, _ message: UInt8
) throws(SysError) -> Bool {
    let raw = socket.raw
    return try sys("seccomp", "SECCOMP_FILTER_FLAG_NEW_LISTENER") {
        filter.program.withUnsafeBytes {
            cl_seccomp_load_listener($0.baseAddress, $0.count / 8, filter.flags.rawValue, raw, message)
        }
    } == 1
}
