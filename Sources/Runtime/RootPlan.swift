import Linux
import OCI
import SystemPackage

/// The steps that make a container's root, and the mounts that the parent prepares for them.
struct RootPlan {
    var steps: [ChildStep] = []
    var prepared: [PreparedMount] = []
    /// After the pivot.
    var propagation: Propagation?
    var propagatesRecursively = false

    init(_ spec: RuntimeSpec, _ namespaces: NamespacePlan, _ facts: CreateFacts) throws(RuntimeError) {
        try takePropagation(spec.linux.rootfsPropagation)
        steps = [.detachPropagation(propagation == .shared ? .shared : .slave)]
        if propagation == .shared { steps.append(.isolateParentOfRoot(facts.rootfs ?? "/")) }
        steps.append(.attachRoot(over: facts.rootfs ?? "/"))
        var readOnly: [ChildStep] = []
        for mount in spec.mounts {
            var step = try MountStep(mount, spec, namespaces, facts)
            if case .bind(let path) = step.source {
                let maps = try Self.maps(mount, step.options, namespaces)
                if maps != nil || namespaces.has(.user) {
                    prepared.append(
                        PreparedMount(
                            mount: step, path: path, maps: maps, isLocked: namespaces.has(.user))
                    )
                    step = step.with(.prepared(prepared.count - 1, path: path))
                }
            }
            // What comes into it later, other mounts and devices, needs it writable until then.
            if case .new("tmpfs", _) = step.source, step.options.attributes.contains(.readOnly) {
                step = step.withoutReadOnly()
                readOnly.append(.makeMountReadOnly(step.destination))
            }
            steps.append(.mount(step))
        }
        steps += planDevices(spec)
        if facts.makesWorkingDirectory { steps.append(.makeWorkingDirectory(spec.process.cwd)) }
        if case .terminal(let size) = facts.stdio { steps.append(.openConsole(size)) }
        steps += readOnly
        steps += spec.linux.readonlyPaths.map(ChildStep.makeReadOnly)
        if !spec.linux.maskedPaths.isEmpty { steps.append(.mask(spec.linux.maskedPaths)) }
        if spec.root.readonly { steps.append(.makeRootReadOnly) }
    }

    private mutating func takePropagation(_ word: String?) throws(RuntimeError) {
        guard let word, !word.isEmpty else { return }
        let words: [String: Propagation] = [
            "private": .private, "slave": .slave, "shared": .shared, "unbindable": .unbindable,
        ]
        propagatesRecursively = words[word] == nil
        guard let value = words[word] ?? words[String(word.dropFirst())],
            words[word] != nil || word.first == "r"
        else { throw RuntimeError("rootfsPropagation=\(word) is not supported") }
        propagation = value
    }

    /// The mount's own mappings, or with `idmap` the container's; nil when its ids stay as they are.
    private static func maps(
        _ mount: RuntimeSpec.Mount, _ options: MountOptions, _ namespaces: NamespacePlan
    ) throws(RuntimeError) -> PreparedMount.Maps? {
        if mount.uidMappings.isEmpty, mount.gidMappings.isEmpty {
            guard options.mapsIDs else { return nil }
            guard namespaces.has(.user) else {
                throw RuntimeError(
                    "invalid mount \(mount.destination): id-mapped mounts need mappings or a user namespace")
            }
            return PreparedMount.Maps(uid: namespaces.uidMap, gid: namespaces.gidMap)
        }
        guard !mount.uidMappings.isEmpty, !mount.gidMappings.isEmpty else {
            throw RuntimeError(
                "invalid mount \(mount.destination): both uidMappings and gidMappings are needed")
        }
        return PreparedMount.Maps(
            uid: try IDMap(mount.uidMappings, "uid"), gid: try IDMap(mount.gidMappings, "gid"))
    }
}

extension MountStep {
    fileprivate func with(_ source: Source) -> MountStep {
        MountStep(
            destination: destination, name: name, source: source, options: options,
            refusesSymlinks: refusesSymlinks)
    }

    fileprivate func withoutReadOnly() -> MountStep {
        var options = options
        options.attributes.remove(.readOnly)
        return MountStep(
            destination: destination, name: name, source: source, options: options,
            refusesSymlinks: refusesSymlinks)
    }

    fileprivate init(
        _ mount: RuntimeSpec.Mount, _ spec: RuntimeSpec, _ namespaces: NamespacePlan, _ facts: CreateFacts
    ) throws(RuntimeError) {
        let options = MountOptions(mount.options)
        let destination = Self.inside(mount.destination, facts)
        try Self.check(mount, destination, isBind: options.isBind || mount.type == "bind")
        let type = mount.type ?? "none"
        let source: Source
        if options.isRemount {
            source = .remount
        } else if options.isBind || type == "bind" {
            source = .bind(path: Self.outside(mount.source ?? "", facts))
        } else if type == "cgroup" || type == "cgroup2" {
            source = .cgroup(directory: facts.cgroupDirectory, isOwn: namespaces.makesCgroup)
        } else {
            source = .new(type: type, source: mount.source)
        }
        var refuses = false
        if case .new = source { refuses = type != "tmpfs" || destination == "/dev" }
        self.init(
            destination: destination, name: mount.source ?? type, source: source, options: options,
            refusesSymlinks: refuses)
    }

    /// Relative ones are below `/`, and the root's own path on the host is taken away, as in runc.
    private static func inside(_ destination: String, _ facts: CreateFacts) -> String {
        var path = FilePath("/" + destination).lexicallyNormalized()
        if let rootfs = facts.rootfs.map({ FilePath($0).lexicallyNormalized() }), rootfs != "/" {
            if path.starts(with: rootfs), path.removePrefix(rootfs) {
                path = FilePath("/").appending(path.components)
            }
        }
        return path.string
    }

    private static func outside(_ source: String, _ facts: CreateFacts) -> String {
        guard !source.hasPrefix("/"), let bundle = facts.bundle else { return source }
        return FilePath(bundle).pushing(FilePath(source)).string
    }

    /// Files of /proc that a caller may give a container other contents of (lxcfs), as runc lists them.
    private static let replaceable: Set<FilePath> = [
        "/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo", "/proc/stat", "/proc/swaps", "/proc/uptime",
        "/proc/loadavg", "/proc/slabinfo", "/proc/net/dev", "/proc/sys/kernel/ns_last_pid",
        "/proc/sys/crypto/fips_enabled",
    ]

    /// Nothing else is mounted over /proc but a proc file system, the container's or a bound one: writes meant for the
    /// kernel would go to a file of the container's (CVE-2019-16884).
    private static func check(
        _ mount: RuntimeSpec.Mount, _ destination: String, isBind: Bool
    ) throws(RuntimeError) {
        let path = FilePath(destination)
        guard path.starts(with: "/proc") else { return }
        if path == "/proc", mount.type == "proc" || (isBind && mount.source == "/proc") { return }
        if isBind, replaceable.contains(path) { return }
        throw RuntimeError(
            "\"\(mount.destination)\" cannot be mounted because it is inside /proc, which must be the kernel's"
        )
    }
}
