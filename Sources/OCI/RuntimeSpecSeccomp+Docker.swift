extension RuntimeSpec.Seccomp {
    /// For whom a profile file is resolved.
    public struct Target: Equatable, Sendable {
        /// The machine in Go's word: `amd64`, `arm64`.
        public var architecture: String
        /// The bounding set, in names such as `CAP_CHOWN`.
        public var capabilities: Set<String>
        /// Major and minor version of the kernel.
        public var kernel: KernelVersion
        /// A container with these capabilities on this machine.
        public init(architecture: String, capabilities: Set<String>, kernel: KernelVersion) {
            (self.architecture, self.capabilities, self.kernel) = (architecture, capabilities, kernel)
        }
    }

    /// `6.18` of a release such as `6.18.44-generic`.
    public struct KernelVersion: Comparable, Sendable {
        /// 6 of 6.18.
        public let major: Int
        /// 18 of 6.18.
        public let minor: Int
        /// Takes what begins with two numbers and a dot between them; nil for anything else.
        public init?(_ release: String) {
            let parts = release.split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count >= 2, let major = Int(parts[0]),
                let minor = Int(parts[1].prefix { $0.isNumber })
            else { return nil }
            (self.major, self.minor) = (major, minor)
        }
        /// The older one is less.
        public static func < (a: KernelVersion, b: KernelVersion) -> Bool {
            (a.major, a.minor) < (b.major, b.minor)
        }
    }

    /// Reads a profile file of `--security-opt seccomp=FILE`: docker's form, whose rules may depend on
    /// capabilities, architecture and kernel, or the spec's own, which is a part of it.
    public init(dockerProfile json: JSON, for target: Target) throws(JSONError) {
        guard json.members != nil else { throw JSONError("seccomp profile is not an object") }
        let rules = try json.children("syscalls") { rule throws(JSONError) in try DockerRule(rule) }
        var plain = json.members ?? []
        plain.removeAll { $0.name == "syscalls" }
        try self.init(.object(plain))
        guard !defaultAction.isEmpty else { throw JSONError("defaultAction is missing") }
        syscalls = rules.filter { $0.applies(to: target) }.map(\.rule)
        let map = try json.children("archMap") { entry throws(JSONError) in
            (try entry.text("architecture").required("architecture"), try entry.texts("subArchitectures"))
        }
        guard !map.isEmpty else { return }
        guard architectures.isEmpty else { throw JSONError("architectures and archMap cannot both be given") }
        for (architecture, others) in map where architecture == Self.word(for: target.architecture) {
            architectures = [architecture] + others
        }
    }

    /// libseccomp's word for one of Go's.
    private static func word(for architecture: String) -> String {
        switch architecture {
        case "amd64": "SCMP_ARCH_X86_64"
        case "386": "SCMP_ARCH_X86"
        case "arm64": "SCMP_ARCH_AARCH64"
        case "arm": "SCMP_ARCH_ARM"
        default: "SCMP_ARCH_\(architecture.uppercased())"
        }
    }
}

/// A rule of docker's form with its conditions on the container and the machine.
private struct DockerRule {
    struct Filter {
        var caps: [String] = []
        var arches: [String] = []
        var minKernel: RuntimeSpec.Seccomp.KernelVersion?
    }
    let rule: RuntimeSpec.SeccompRule
    let includes: Filter
    let excludes: Filter

    init(_ json: JSON) throws(JSONError) {
        var rule = try RuntimeSpec.SeccompRule(json)
        if let name = try json.text("name") {
            guard rule.names.isEmpty else { throw JSONError("name and names cannot both be given") }
            rule.names = [name]
        }
        self.rule = rule
        includes = try json.child("includes", Filter.init) ?? Filter()
        excludes = try json.child("excludes", Filter.init) ?? Filter()
    }

    /// Included when every capability is there and the architecture is one of them; excluded by any match.
    func applies(to target: RuntimeSpec.Seccomp.Target) -> Bool {
        if excludes.arches.contains(target.architecture) { return false }
        if !target.capabilities.isDisjoint(with: excludes.caps) { return false }
        if let version = excludes.minKernel, target.kernel >= version { return false }
        if !includes.arches.isEmpty, !includes.arches.contains(target.architecture) { return false }
        if let version = includes.minKernel, target.kernel < version { return false }
        return target.capabilities.isSuperset(of: includes.caps)
    }
}

extension DockerRule.Filter {
    init(_ json: JSON) throws(JSONError) {
        caps = try json.texts("caps")
        arches = try json.texts("arches")
        guard let text = try json.text("minKernel") else { return }
        minKernel = try RuntimeSpec.Seccomp.KernelVersion(text).required("minKernel with major.minor")
    }
}
