public import Linux
public import OCI

extension SeccompProfile {
    /// The filter that a spec asks for. Every word must be known: a rule that is not understood would be a
    /// hole.
    public init(_ spec: RuntimeSpec.Seccomp) throws(RuntimeError) {
        guard spec.listenerPath == nil else { throw RuntimeError("seccomp: listenerPath is not supported") }
        let action = try Action(spec.defaultAction, spec.defaultErrnoRet, of: "defaultAction")
        self.init(defaultAction: action)
        for word in spec.architectures {
            guard word.hasPrefix("SCMP_ARCH_") else {
                throw RuntimeError("seccomp: architecture \(word) is not known")
            }
            // libseccomp's own names are the spec's in small letters.
            architectures.insert(word.dropFirst("SCMP_ARCH_".count).lowercased())
        }
        for word in spec.flags {
            guard let flag = SeccompFlags(word: word) else {
                throw RuntimeError("seccomp: flag \(word) is not supported")
            }
            flags.formUnion(flag)
        }
        for rule in spec.syscalls { rules.append(try Rule(rule)) }
    }
}

extension SeccompProfile.Rule {
    fileprivate init(_ rule: RuntimeSpec.SeccompRule) throws(RuntimeError) {
        let subject = rule.names.first ?? "no call"
        self.init(rule.names, try SeccompProfile.Action(rule.action, rule.errnoRet, of: subject))
        for argument in rule.args {
            guard
                let comparison = SeccompProfile.Comparison(
                    word: argument.op, value: argument.value, valueTwo: argument.valueTwo)
            else { throw RuntimeError("seccomp: comparison \(argument.op) of \(subject) is not known") }
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
