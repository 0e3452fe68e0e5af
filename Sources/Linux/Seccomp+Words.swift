import CLinux

/// The OCI's words (config-linux.md#seccomp) in tables, which `features` prints too.
extension SeccompProfile.Action {
    /// Every action by its word; the number is that of ERRNO and TRACE.
    static let table: [(word: String, make: @Sendable (UInt16) -> Self)] = [
        ("SCMP_ACT_ALLOW", { _ in .allow }), ("SCMP_ACT_ERRNO", Self.errno),
        ("SCMP_ACT_KILL", { _ in .killThread }), ("SCMP_ACT_KILL_PROCESS", { _ in .killProcess }),
        ("SCMP_ACT_KILL_THREAD", { _ in .killThread }), ("SCMP_ACT_LOG", { _ in .log }),
        ("SCMP_ACT_NOTIFY", { _ in .notify }), ("SCMP_ACT_TRACE", Self.trace),
        ("SCMP_ACT_TRAP", { _ in .trap }),
    ]

    /// The words of all actions.
    public static var words: [String] { table.map(\.word) }

    /// Takes `SCMP_ACT_ERRNO` and the like; `errno` (EPERM when nil) counts for ERRNO and TRACE. Nil for an
    /// action that is not known and for a number above 4095.
    public init?(word: String, errno: UInt32?) {
        guard let number = UInt16(exactly: errno ?? 1), number <= 4095,
            let entry = Self.table.first(where: { $0.word == word })
        else { return nil }
        self = entry.make(number)
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
        case .notify: 0x7fc0_0000
        }
    }
}

extension SeccompProfile.Comparison {
    /// Every comparison by its word.
    static let table: [(word: String, make: @Sendable (UInt64, UInt64) -> Self)] = [
        ("SCMP_CMP_NE", { value, _ in .notEqual(value) }), ("SCMP_CMP_LT", { value, _ in .less(value) }),
        ("SCMP_CMP_LE", { value, _ in .lessOrEqual(value) }), ("SCMP_CMP_EQ", { value, _ in .equal(value) }),
        ("SCMP_CMP_GE", { value, _ in .greaterOrEqual(value) }),
        ("SCMP_CMP_GT", { value, _ in .greater(value) }),
        ("SCMP_CMP_MASKED_EQ", { mask, value in .masked(mask: mask, equal: value) }),
    ]

    /// The words of all comparisons.
    public static var words: [String] { table.map(\.word) }

    /// Takes `SCMP_CMP_EQ` and the like; nil for another word.
    public init?(word: String, value: UInt64, valueTwo: UInt64) {
        guard let entry = Self.table.first(where: { $0.word == word }) else { return nil }
        self = entry.make(value, valueTwo)
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
    /// Every flag by its word. TSYNC does nothing: the loading process has one thread.
    private static let table: [(word: String, flag: SeccompFlags)] = [
        ("SECCOMP_FILTER_FLAG_TSYNC", []), ("SECCOMP_FILTER_FLAG_LOG", .log),
        ("SECCOMP_FILTER_FLAG_SPEC_ALLOW", .specAllow),
        ("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", .waitKillable),
    ]

    /// The words of all flags, and of those that this kernel takes.
    public static var words: [String] { table.map(\.word) }
    public static var supportedWords: [String] {
        table.filter { flag in
            flag.flag.isEmpty || flag.flag.union(flag.flag == .waitKillable ? .newListener : []).areSupported
        }.map(\.word)
    }

    /// Takes `SECCOMP_FILTER_FLAG_LOG` and the like; nil for one that is not known.
    public init?(word: String) {
        guard let entry = Self.table.first(where: { $0.word == word }) else { return nil }
        self = entry.flag
    }
}

extension SeccompProfile {
    /// Of libseccomp: `2.5.4`.
    public static var libraryVersion: String {
        let number = cl_seccomp_version()
        return "\(number / 10000).\(number / 100 % 100).\(number % 100)"
    }

    /// The architectures of the spec by libseccomp's names, which are the words in small letters.
    private static let architectureNames: Set<String> = [
        "x86", "x86_64", "x32", "arm", "aarch64", "mips", "mips64", "mips64n32", "mipsel", "mipsel64",
        "mipsel64n32", "ppc", "ppc64", "ppc64le", "s390", "s390x", "parisc", "parisc64", "riscv64",
        "loongarch64", "m68k", "sh", "sheb",
    ]
    private static let architecturePrefix = "SCMP_ARCH_"

    /// Whether the spec knows it.
    static func isArchitecture(_ name: String) -> Bool { architectureNames.contains(name) }

    /// The words of all architectures, sorted.
    public static var architectureWords: [String] {
        architectureNames.map { architecturePrefix + $0.uppercased() }.sorted()
    }

    /// The name of `SCMP_ARCH_X86_64` and the like; nil for one that is not known.
    public static func architecture(word: String) -> String? {
        guard word.hasPrefix(architecturePrefix), word == word.uppercased() else { return nil }
        let name = word.dropFirst(architecturePrefix.count).lowercased()
        return architectureNames.contains(name) ? name : nil
    }
}
