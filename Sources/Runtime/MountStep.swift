import Linux
import OCI
import SystemPackage

/// One mount of the container, ready to be made.
struct MountStep: Equatable, Sendable {
    enum Source: Equatable, Sendable {
        case new(type: String, source: String?)
        case bind(path: String)
        /// A tree that the parent may have made for us: see `PreparedTrees`.
        case prepared(Int, path: String)
        /// The container's cgroup: through its own cgroup namespace, else its directory on the host.
        case cgroup(directory: String?, isOwn: Bool)
        /// What is mounted there already.
        case remount
    }
    /// Absolute inside the container.
    let destination: String
    /// As the document says it, for messages.
    let name: String
    let source: Source
    let options: MountOptions
    /// Kernel file systems are only mounted on a directory that is really there: an image's symlink named /proc
    /// would put it elsewhere (CVE-2019-19921).
    let refusesSymlinks: Bool
}

/// The steps that build the root: everything by descriptor below `root`, made or opened with openat2.
extension MountStep {
    func apply(in root: borrowing FD, _ prepared: PreparedTrees) throws(SysError) {
        do {
            switch source {
            case .new("tmpfs", let source): try mountTmpfs(source, in: root)
            case .new("sysfs", let source): try mountSysfs(source, in: root)
            case .new(let type, let source): try mount(type, source, in: root)
            case .bind(let path): try bind(FilePath(path), in: root)
            case .prepared(let index, let path):
                if let tree = prepared.trees[index] {
                    try attach(tree.fd, in: root)
                } else {
                    try bind(FilePath(path), in: root)
                }
            case .cgroup(let directory, let isOwn): try mountCgroup(directory, isOwn: isOwn, in: root)
            case .remount: try remount(in: root)
            }
        } catch {
            throw SysError(
                call: "error mounting",
                subject: "\"\(name)\" to rootfs at \"\(destination)\": \(error.call) \(error.subject)",
                errno: error.errno, hint: error.hint)
        }
    }

    private func mount(_ type: String, _ source: String?, in root: borrowing FD) throws(SysError) {
        let tree = try FD.newMount(
            type, source: source, options: options.data + options.superblock, attributes: options.attributes)
        try setPropagation(of: tree)
        try attach(tree, in: root)
    }

    /// Without a mode of its own it has that of the directory it hides, as runc's.
    private func mountTmpfs(_ source: String?, in root: borrowing FD) throws(SysError) {
        let hidden = try exists(in: root)
        let target = try target(in: root, isDirectory: true)
        var data = options.data + options.superblock
        if hidden, !data.contains(where: { $0.hasPrefix("mode=") }) {
            data.append("mode=\(String(try target.status().permissions, radix: 8))")
        }
        let tree = try FD.newMount("tmpfs", source: source, options: data, attributes: options.attributes)
        try setPropagation(of: tree)
        if options.copiesUp {
            try tree.open(".", [.readOnly, .directory])
                .copyTree(of: target.open(".", [.readOnly, .directory], resolve: [.noSymlinks]))
        }
        try tree.attach(to: target, as: destination)
    }

    /// Without a network namespace of its own the container cannot make one: then it is the host's.
    private func mountSysfs(_ source: String?, in root: borrowing FD) throws(SysError) {
        do {
            try mount("sysfs", source, in: root)
        } catch {
            guard error.errno == .notPermitted else { throw error }
            let tree = try FD.open("/sys", .path).cloneTree(recursive: true)
            try tree.setAttributes(options.attributes, propagation: .private, recursive: true)
            try attach(tree, in: root)
        }
    }

    private func mountCgroup(_ directory: String?, isOwn: Bool, in root: borrowing FD) throws(SysError) {
        if isOwn {
            do {
                let tree = try FD.newMount("cgroup2", source: "cgroup", attributes: options.attributes)
                return try attach(tree, in: root)
            } catch {
                // A user namespace that does not own the cgroup namespace, or a host that has none mounted.
                guard error.errno == .notPermitted || error.errno == .resourceBusy else { throw error }
            }
        }
        guard let directory else {
            throw SysError(
                call: "mount", subject: "cgroup", errno: .noSuchFileOrDirectory,
                hint: "no cgroup v2 on this host")
        }
        let tree = try FD.open(FilePath(directory), [.path, .directory]).cloneTree(recursive: true)
        try tree.setAttributes(options.attributes, propagation: .private, recursive: true)
        try attach(tree, in: root)
    }

    private func remount(in root: borrowing FD) throws(SysError) {
        let target = try root.open(FilePath(destination), .path, resolve: [.inRoot, .noMagicLinks])
        try setAttributes(of: target)
        try setPropagation(of: target)
    }

    /// The source is resolved once; type and mount are taken from the same descriptor.
    private func bind(_ path: FilePath, in root: borrowing FD) throws(SysError) {
        let file = try FD.open(path, .path)
        let tree = try file.cloneTree(recursive: options.isRecursiveBind)
        try prepare(tree)
        try attach(tree, in: root)
    }

    /// Gives a cloned tree its attributes and its propagation, which is nobody's by default.
    func prepare(_ tree: borrowing FD, isLocked: Bool = false) throws(SysError) {
        try tree.setAttributes(propagation: .private, recursive: true)
        try setAttributes(of: tree, isLocked: isLocked)
        try setPropagation(of: tree)
    }

    private func setPropagation(of tree: borrowing FD) throws(SysError) {
        guard let propagation = options.propagation else { return }
        try tree.setAttributes(propagation: propagation, recursive: options.propagatesRecursively)
    }

    /// With a word for one attribute the others go, as mount(8) has it. What a user namespace may not take away stays,
    /// unless a word asked for it.
    private func setAttributes(of tree: borrowing FD, isLocked: Bool = false) throws(SysError) {
        if options.changesAttributes {
            let others = MountAttributes.plain.subtracting(options.attributes)
            let times: MountAttributes = options.setsAccessTime ? .accessTimes : []
            let cleared = options.cleared.union(others).union(times)
            do throws(SysError) {
                if isLocked { throw SysError(call: "mount_setattr", subject: name, errno: .notPermitted) }
                try tree.setAttributes(options.attributes, clearing: cleared)
            } catch {
                guard error.errno == .notPermitted else { throw error }
                let current = try tree.mountAttributes()
                let locked = current.intersection(others).intersection(.lockable)
                let wanted = options.attributes.intersection(.accessTimes)
                guard locked.isDisjoint(with: options.cleared),
                    times.isEmpty || wanted == current.intersection(.accessTimes)
                else { throw error }
                try tree.setAttributes(options.attributes, clearing: cleared.subtracting(locked))
            }
        }
        guard !options.recursive.isEmpty || !options.recursivelyCleared.isEmpty else { return }
        try tree.setAttributes(options.recursive, clearing: options.recursivelyCleared, recursive: true)
    }

    private func exists(in root: borrowing FD) throws(SysError) -> Bool {
        do {
            _ = try root.open(FilePath(destination), .path, resolve: [.inRoot, .noMagicLinks])
            return true
        } catch {
            guard error.errno == .noSuchFileOrDirectory else { throw error }
            return false
        }
    }

    private func target(in root: borrowing FD, isDirectory: Bool) throws(SysError) -> FD {
        try openTarget(
            FilePath(destination), in: root, isDirectory: isDirectory, refusesSymlinks: refusesSymlinks)
    }

    private func attach(_ tree: borrowing FD, in root: borrowing FD) throws(SysError) {
        let isDirectory = try tree.status().type == .directory
        try tree.attach(to: target(in: root, isDirectory: isDirectory), as: destination)
    }
}
