import Linux
import OCI
import SystemPackage

/// The steps that make a container's root, and the mounts that the parent prepares for them.
struct RootPlan {
    var steps: [ChildStep] = []
    var requested: [RequestedTree] = []
    /// Before the pivot, after the hooks, which may still write.
    var lastSteps: [ChildStep] = []
    /// After the pivot.
    var propagation: Propagation?
    var propagatesRecursively = false

    init(_ spec: RuntimeSpec, _ namespaces: NamespacePlan, _ facts: CreateFacts) throws(RuntimeError) {
        try takePropagation(spec.linux.rootfsPropagation)
        // Whatever is asked for the root: mounts of the host are seen unless they shall not be.
        let hosts: Propagation =
            switch propagation {
            case .shared?: .shared
            case .private?: .private
            default: .slave
            }
        steps = [.detachPropagation(hosts)]
        if propagation == .shared { steps.append(.isolateParentOfRoot(facts.rootfs ?? "/")) }
        steps.append(.attachRoot(over: facts.rootfs ?? "/"))
        var readOnly: [ChildStep] = []
        let mounts = try spec.mounts.map { mount throws(RuntimeError) in
            try MountStep(mount, namespaces, facts)
        }
        let devices = DevicePlan(spec, mounts)
        let hasOwnPlace = facts.rootfs != nil
        if devices.mountsBefore == 0 { steps += devices.early }
        for (number, mount) in spec.mounts.enumerated() {
            var step = mounts[number]
            if !mount.destination.hasPrefix("/") {
                facts.warn(
                    "mount destination \(mount.destination) is not absolute; it is taken as below \"/\"")
            }
            if case .bind(let path, _) = step.source {
                step.facts = facts.sources[mount.destination] ?? BindSource()
                var maps = try Self.maps(mount, step.options, namespaces)
                if step.facts.mapsOwner {
                    maps = RequestedTree.Maps(
                        users: .owner(uid: facts.credentials.uid, gid: facts.credentials.gid))
                }
                let isOthers = step.facts.process != nil
                if maps != nil || isOthers || namespaces.has(.user) {
                    step.source =
                        maps == nil && !isOthers
                        ? .bind(path: path, request: requested.count) : .requested(requested.count)
                    requested.append(
                        RequestedTree(
                            path: path, facts: step.facts, isSeenByChild: hasOwnPlace,
                            isRecursive: step.options.isRecursiveBind, maps: maps))
                }
            }
            // What comes into it later, other mounts and devices, needs it writable until then.
            if case .new("tmpfs", _) = step.source, step.options.attributes.contains(.readOnly) {
                step.options.attributes.remove(.readOnly)
                readOnly.append(.makeMountReadOnly(step.destination))
            }
            steps.append(.mount(step))
            if number + 1 == devices.mountsBefore { steps += devices.early }
        }
        steps += devices.late
        if facts.makesWorkingDirectory { steps.append(.makeWorkingDirectory(spec.process.cwd)) }
        if case .terminal(let size) = facts.stdio { steps.append(.openConsole(size)) }
        steps += readOnly
        steps += spec.linux.readonlyPaths.map(ChildStep.makeReadOnly)
        if !spec.linux.maskedPaths.isEmpty { steps.append(.mask(spec.linux.maskedPaths)) }
        if spec.root.readonly { lastSteps.append(.makeRootReadOnly) }
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
    ) throws(RuntimeError) -> RequestedTree.Maps? {
        let hasMappings = !mount.uidMappings.isEmpty || !mount.gidMappings.isEmpty
        guard hasMappings || options.mapsIDs else { return nil }
        var users = RequestedTree.Users.container
        if hasMappings {
            guard !mount.uidMappings.isEmpty, !mount.gidMappings.isEmpty else {
                throw RuntimeError(
                    "invalid mount \(mount.destination): id-mapped mounts must have both uid and gid mappings specified"
                )
            }
            users = .mappings(
                uid: try IDMap(mount.uidMappings, "uid"), gid: try IDMap(mount.gidMappings, "gid"))
        } else if let joined = namespaces.joined.first(where: { $0.kind == .user }) {
            users = .path(joined.path)
        } else if !namespaces.created.contains(.user) {
            throw RuntimeError(
                "invalid mount \(mount.destination): id-mapped mounts must have both uid and gid mappings specified"
                    + " where the container has no user namespace")
        }
        return RequestedTree.Maps(users: users, isRecursive: options.mapsIDsRecursively)
    }
}

extension MountStep {
    fileprivate init(
        _ mount: RuntimeSpec.Mount, _ namespaces: NamespacePlan, _ facts: CreateFacts
    ) throws(RuntimeError) {
        var options = MountOptions(mount.options)
        let destination = Self.inside(mount.destination, facts)
        if mount.type == "bind" { options.isBind = true }
        try Self.check(mount, options, destination)
        let type = mount.type ?? "none"
        let source: Source
        if options.isRemount {
            source = .remount
        } else if options.isBind {
            source = .bind(path: Self.outside(mount.source ?? "", facts), request: nil)
        } else if type == "cgroup" || type == "cgroup2" {
            source = .cgroup(directory: facts.cgroupDirectory, isOwn: namespaces.has(.cgroup))
        } else {
            source = .new(type: type, source: mount.source)
            options.complete(for: type, label: facts.mountLabel)
        }
        // A bound /proc or /sys is the kernel's too.
        var refuses = options.isBind && ["/proc", "/sys"].contains(destination)
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

    /// Nothing else is mounted over /proc but a proc file system, the container's or a bound one: writes meant for the
    /// kernel would go to a file of the container's (CVE-2019-16884).
    private static func check(
        _ mount: RuntimeSpec.Mount, _ options: MountOptions, _ destination: String
    ) throws(RuntimeError) {
        func refuse(_ reason: String) -> RuntimeError {
            RuntimeError("invalid mount \(mount.destination): \(reason)")
        }
        guard destination != "/" else { throw refuse("it would hide the root") }
        if options.isBind, !options.isRemount, let word = options.data.first {
            throw refuse("bind mounts cannot have any filesystem-specific options applied (\(word))")
        }
        let isMapped = options.mapsIDs || !mount.uidMappings.isEmpty || !mount.gidMappings.isEmpty
        guard options.isBind || !isMapped else {
            throw refuse("id-mapped mounts are only supported for bind-mounts")
        }
        let path = FilePath(destination)
        guard path.starts(with: "/proc"), !options.isRemount else { return }
        if path == "/proc", mount.type == "proc" || options.isBind { return }
        if options.isBind, replaceable.contains(path) { return }
        throw RuntimeError(
            "\"\(mount.destination)\" cannot be mounted because it is inside /proc, which must be the kernel's"
        )
    }
}

extension MountOptions {
    /// File systems of the kernel, of which all mounts are one instance: only the mount is read-only, not that. A
    /// tmpfs is filled before it is.
    private static let shared: Set<String> = [
        "proc", "sysfs", "cgroup", "cgroup2", "mqueue", "devpts", "devtmpfs", "securityfs", "debugfs",
        "tracefs",
        "bpf", "tmpfs",
    ]

    /// What the file system itself is told beside its own words, as mount(8) and runc do.
    fileprivate mutating func complete(for type: String, label: String?) {
        if attributes.contains(.readOnly), !Self.shared.contains(type) { superblock.append("ro") }
        if let label, !["proc", "sysfs", "mqueue"].contains(type) { data.append("context=\(label)") }
    }
}
