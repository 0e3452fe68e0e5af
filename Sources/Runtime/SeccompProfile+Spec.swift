public import Linux
public import OCI

extension SeccompFilter {
    /// The filter that a spec asks for, compiled or from the cache. `ignoresUnknownCalls`: see `SeccompProfile`.
    public init(
        _ spec: RuntimeSpec.Seccomp, cache: SeccompCache, ignoresUnknownCalls: Bool = false
    ) throws(RuntimeError) {
        // As in runc: a document that says nothing.
        guard !spec.defaultAction.isEmpty || !spec.syscalls.isEmpty else {
            self = .unconfined
            return
        }
        var profile = try SeccompProfile(spec)
        profile.ignoresUnknownCalls = ignoresUnknownCalls
        let flags = profile.notifies ? profile.flags.union(.newListener) : profile.flags
        do {
            self.init(try cache.filter(for: profile), flags: flags)
        } catch {
            throw RuntimeError("unable to apply the seccomp filter: \(error)")
        }
    }
}

extension SeccompProfile {
    /// The filter that a spec asks for. Every word must be known: a rule that is not understood would be a
    /// hole.
    public init(_ spec: RuntimeSpec.Seccomp) throws(RuntimeError) {
        let action = try Action(spec.defaultAction, spec.defaultErrnoRet, of: "defaultAction")
        guard action != .notify else {
            throw RuntimeError("seccomp: SCMP_ACT_NOTIFY cannot be used as default action")
        }
        self.init(defaultAction: action)
        for word in spec.architectures {
            guard let name = SeccompProfile.architecture(word: word) else {
                throw RuntimeError("seccomp: architecture \(word) is not known")
            }
            architectures.insert(name)
        }
        for rule in spec.syscalls { rules.append(try Rule(rule)) }
        flags = try SeccompFlags(spec.flags, notifies: notifies)
        guard !notifies || spec.listenerPath?.hasPrefix("/") == true else {
            throw RuntimeError("seccomp: SCMP_ACT_NOTIFY needs an absolute listenerPath")
        }
    }
}

extension SeccompFlags {
    /// Without any word, not even an empty list, runc's choice: nothing that the kernel would not do unasked.
    fileprivate init(_ words: [String]?, notifies: Bool) throws(RuntimeError) {
        self = words == nil ? .specAllow : []
        for word in words ?? [] {
            guard let flag = SeccompFlags(word: word) else {
                throw RuntimeError("seccomp: flag \(word) is not known")
            }
            formUnion(flag)
        }
        guard notifies || !contains(.waitKillable) else {
            throw RuntimeError("seccomp: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV needs SCMP_ACT_NOTIFY")
        }
        guard isEmpty || union(notifies ? .newListener : []).areSupported else {
            throw RuntimeError(
                "seccomp: a flag of \((words ?? []).joined(separator: ", ")) is not supported by this kernel")
        }
    }
}

extension SeccompProfile.Rule {
    fileprivate init(_ rule: RuntimeSpec.SeccompRule) throws(RuntimeError) {
        let subject = rule.names.first ?? "no call"
        self.init(rule.names, try SeccompProfile.Action(rule.action, rule.errnoRet, of: subject))
        // The child tells of the descriptor with a write, which nobody could answer yet.
        guard action != .notify || !names.contains("write") else {
            throw RuntimeError("seccomp: SCMP_ACT_NOTIFY cannot be used for the write syscall")
        }
        for argument in rule.args {
            guard
                let comparison = SeccompProfile.Comparison(
                    word: argument.op, value: argument.value, valueTwo: argument.valueTwo)
            else { throw RuntimeError("seccomp: comparison \(argument.op) of \(subject) is not known") }
            guard argument.index < 6 else {
                throw RuntimeError(
                    "seccomp: argument \(argument.index) of \(subject): a call has 6, from 0 on")
            }
            conditions.append(SeccompProfile.Condition(argument.index, comparison))
        }
    }
}

extension SeccompProfile.Action {
    fileprivate init(_ word: String, _ errno: UInt32?, of subject: String) throws(RuntimeError) {
        guard let action = SeccompProfile.Action(word: word, errno: errno) else {
            let number = errno.map { " with \($0)" } ?? ""
            throw RuntimeError("seccomp: action \(word)\(number) of \(subject) is not supported")
        }
        self = action
    }
}
