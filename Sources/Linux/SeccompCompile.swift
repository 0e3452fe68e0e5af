import CLinux
import SystemPackage

extension SeccompProfile {
    /// The filter as BPF, 8 bytes an instruction, for this machine. Takes about 2 ms for one architecture:
    /// callers go through `SeccompCache`.
    ///
    /// A name that neither libseccomp nor `SystemCalls` knows is left out, as in runc, because profiles
    /// list the calls of every architecture; but a rule that would forbid what the default allows is
    /// refused rather than lost.
    public func compile() throws(SeccompError) -> [UInt8] {
        let native = cl_seccomp_native()
        let filter = try LibseccompFilter(self, native)
        for architecture in architectures.sorted() where canRun(architecture) {
            let token = architecture.withCString { cl_seccomp_architecture($0) }
            guard token != 0 else { throw SeccompError("seccomp architecture \(architecture) is not known") }
            if token == native { continue }
            try filter.merge(LibseccompFilter(self, token))
        }
        var program = prologue(native)
        program.append(contentsOf: try rulesForOthers(native))
        program.append(contentsOf: try filter.export())
        guard program.count <= 4096 * 8 else {
            throw SeccompError("seccomp profile gives more than 4096 instructions")
        }
        return program
    }

    /// Whether this machine has system calls of an architecture: profiles name those of all machines, and each one
    /// takes milliseconds.
    private func canRun(_ architecture: String) -> Bool {
        guard SeccompProfile.isArchitecture(architecture) else { return true }
        #if arch(x86_64)
            return ["x86_64", "x86", "x32"].contains(architecture)
        #else
            return ["aarch64", "arm"].contains(architecture)
        #endif
    }

    /// Numbers that the profile cannot know, because they are above every call it names or no call at all,
    /// are answered with ENOSYS instead of the default: the C library then falls back to older calls.
    /// Without this, a new kernel breaks programs under an old profile (which is why runc and podman have
    /// the same).
    private func prologue(_ native: UInt32) -> [UInt8] {
        // A tracer may emulate calls that no kernel has; what is ENOSYS anyway needs no help.
        if case .trace = defaultAction { return [] }
        guard !isPermissive, defaultAction != .errno(38) else { return [] }
        let last = lastKnown
        var block = BPF()
        // x32 calls come under x86_64's token with bit 30 set.
        let refusesX32 = native == BPF.amd64 && !architectures.contains("x32")
        if refusesX32 { block.answerENOSYS(above: 0x3fff_ffff) } else { block.skip(above: 0x3fff_ffff) }
        block.answerENOSYS(above: last)
        for gap in SystemCalls.gaps where gap.upperBound < last { block.answerENOSYS(gap) }
        var program = block.program(on: native)
        // From 424 on a call has the same number on every architecture.
        guard native == BPF.amd64, architectures.contains("x86"), last >= 424 else { return program }
        var other = BPF()
        other.answerENOSYS(above: last)
        program.append(contentsOf: other.program(on: BPF.i386))
        return program
    }

    /// What forbids calls that libseccomp does not know on the other architectures of a permissive profile: it would
    /// take a number for the native one only. From 424 on a call has the same number on every architecture.
    private func rulesForOthers(_ native: UInt32) throws(SeccompError) -> [UInt8] {
        guard isPermissive else { return [] }
        var program: [UInt8] = []
        for architecture in architectures.sorted() where canRun(architecture) {
            let token = architecture.withCString { cl_seccomp_architecture($0) }
            if token == native { continue }
            // x32 calls come under x86_64's token with bit 30 set.
            let (seenAs, bit): (UInt32, UInt32) = architecture == "x32" ? (native, 0x4000_0000) : (token, 0)
            for rule in rules where rule.action != defaultAction {
                let numbers = Set(rule.names.compactMap(SystemCalls.numberOfNew)).sorted()
                guard !numbers.isEmpty else { continue }
                guard rule.conditions.isEmpty else {
                    throw SeccompError(
                        "system calls newer than libseccomp cannot be forbidden by their arguments on \(architecture)"
                    )
                }
                var block = BPF(answer: rule.action)
                for number in numbers { block.give(to: number | bit) }
                program.append(contentsOf: block.program(on: seenAs))
            }
        }
        return program
    }

    /// The highest native number that a rule names.
    private var lastKnown: UInt32 {
        rules.reduce(0) { last, rule in
            rule.names.reduce(last) { max($0, UInt32(clamping: SystemCalls.number($1) ?? 0)) }
        }
    }

    /// Whether a call that no rule matches goes through.
    private var isPermissive: Bool { defaultAction == .allow || defaultAction == .log }

    /// The number by which libseccomp takes a rule for `name`; nil when the rule can be left out.
    fileprivate func number(of name: String, _ action: Action, isNative: Bool) throws(SeccompError) -> Int32?
    {
        let number = isNative ? SystemCalls.number(name) : SystemCalls.oldNumber(name)
        if number == nil, isNative, isPermissive, !ignoresUnknownCalls, action != .allow, action != .log {
            throw SeccompError("system call \(name), which the profile forbids, is not known")
        }
        return number
    }
}

/// A libseccomp filter for one architecture, with its rules.
private final class LibseccompFilter {
    /// Nil once it belongs to the filter that it was merged into.
    private var context: UnsafeMutableRawPointer?

    init(_ profile: SeccompProfile, _ architecture: UInt32) throws(SeccompError) {
        let other = profile.otherArchitectures.number
        // libseccomp 2.5.4 makes a wrong tree of no rules.
        let isLong = profile.rules.count > 32 || profile.rules.contains { $0.names.count > 32 }
        guard let context = cl_seccomp_new(profile.defaultAction.number, other, architecture, isLong ? 1 : 0)
        else {
            throw SeccompError("libseccomp refuses the default action \(profile.defaultAction)")
        }
        self.context = context
        let isNative = architecture == cl_seccomp_native()
        // A rule that only repeats the default is no rule for libseccomp.
        for rule in profile.rules where rule.action != profile.defaultAction {
            for name in rule.names {
                if let number = try profile.number(of: name, rule.action, isNative: isNative) {
                    try add(rule, name, number)
                }
            }
        }
    }

    deinit { if let context { cl_seccomp_free(context) } }

    private func add(_ rule: SeccompProfile.Rule, _ name: String, _ number: Int32)
        throws(SeccompError)
    {
        let arguments = rule.conditions.map { condition in
            let (op, value, valueTwo) = condition.comparison.operands
            return cl_seccomp_argument(index: condition.index, op: op, value: value, value_two: valueTwo)
        }
        let areAlternatives = Set(arguments.map(\.index)).count < arguments.count
        for group in areAlternatives ? arguments.map({ [$0] }) : [arguments] {
            let result = cl_seccomp_rule(context, rule.action.number, number, group, group.count)
            // EEXIST: an earlier rule says the same or has precedence.
            guard result >= 0 || result == -Errno.fileExists.rawValue else {
                throw SeccompError("seccomp rule for \(name): \(Errno(rawValue: -result))")
            }
        }
    }

    func merge(_ other: LibseccompFilter) throws(SeccompError) {
        let result = cl_seccomp_merge(context, other.context)
        guard result >= 0 else { throw SeccompError("seccomp architectures: \(Errno(rawValue: -result))") }
        other.context = nil
    }

    func export() throws(SeccompError) -> [UInt8] {
        do throws(SysError) {
            let file = FD(adopting: try sys("memfd_create", "seccomp") { cl_memfd_create("seccomp", 0) })
            _ = try sys("seccomp_export_bpf", "filter") { cl_seccomp_export(context, file.raw) }
            try file.rewind()
            return try file.readAll(limit: 1 << 20)
        } catch { throw SeccompError(error.description) }
    }
}

/// Classic BPF instructions put before libseccomp's (jumps are relative, so nothing has to be moved).
private struct BPF {
    static let amd64: UInt32 = 0xc000_003e
    static let i386: UInt32 = 0x4000_0003
    private enum Target { case next, deny, end }
    private let answer: SeccompProfile.Action
    /// Starts with loading the number.
    private var code: [(op: UInt16, k: UInt32, yes: Target, no: Target)] = [(0x20, 0, .next, .next)]

    init(answer: SeccompProfile.Action = .errno(38)) { self.answer = answer }

    mutating func give(to number: UInt32) { code.append((0x15, number, .deny, .next)) }
    mutating func skip(above number: UInt32) { code.append((0x25, number, .end, .next)) }
    mutating func answerENOSYS(above number: UInt32) { code.append((0x25, number, .deny, .next)) }

    /// Ranges come in ascending order: what is below one is in none of the later ones.
    mutating func answerENOSYS(_ range: ClosedRange<UInt32>) {
        code.append((0x35, range.lowerBound, .next, .end))
        code.append((0x25, range.upperBound, .next, .deny))
    }

    /// The instructions, run only for calls of one architecture.
    func program(on architecture: UInt32) -> [UInt8] {
        var out: [UInt8] = []
        let end = code.count + 1  // after it: ja over the answer, and the answer
        func emit(_ op: UInt16, _ yes: Int, _ no: Int, _ k: UInt32) {
            withUnsafeBytes(of: op) { out.append(contentsOf: $0) }
            out.append(UInt8(yes))
            out.append(UInt8(no))
            withUnsafeBytes(of: k) { out.append(contentsOf: $0) }
        }
        func distance(_ target: Target, from index: Int) -> Int {
            switch target {
            case .next: 0
            case .deny: code.count - index
            case .end: end - index
            }
        }
        emit(0x20, 0, 0, 4)  // load the architecture
        emit(0x15, 0, code.count + 2, architecture)
        for (i, instruction) in code.enumerated() {
            let (yes, no) = (distance(instruction.yes, from: i), distance(instruction.no, from: i))
            emit(instruction.op, yes, no, instruction.k)
        }
        emit(0x05, 0, 0, 1)
        emit(0x06, 0, 0, answer.number)
        return out
    }
}
