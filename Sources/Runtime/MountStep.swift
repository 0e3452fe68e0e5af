import Linux
import OCI
import SystemPackage

/// One mount of the container, ready to be made.
struct MountStep: Equatable, Sendable {
    enum Source: Equatable, Sendable {
        case new(type: String, source: String?)
        /// `request`: see `RequestedTree`; made by the parent when the child may not see the path.
        case bind(path: String, request: Int?)
        /// A bind that only the parent can make.
        case requested(Int)
        /// The container's cgroup: through its own cgroup namespace, else its directory on the host.
        case cgroup(directory: String?, isOwn: Bool)
        /// What is mounted there already.
        case remount
    }
    /// Absolute inside the container.
    let destination: String
    /// As the document says it, for messages.
    let name: String
    var source: Source
    var options: MountOptions
    /// Kernel file systems are only mounted on a directory that is really there: an image's symlink named /proc
    /// would put it elsewhere (CVE-2019-19921).
    let refusesSymlinks: Bool
    /// Of a bind.
    var facts = BindSource()

    /// The parent's answer to a request.
    typealias Request = (Int) throws(SysError) -> FD

    /// Files of /proc that a caller may give a container other contents of (lxcfs), as runc lists them.
    static let replaceable: Set<FilePath> = [
        "/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo", "/proc/stat", "/proc/swaps", "/proc/uptime",
        "/proc/loadavg", "/proc/slabinfo", "/proc/net/dev", "/proc/sys/kernel/ns_last_pid",
        "/proc/sys/crypto/fips_enabled",
    ]
}

/// The steps that build the root: everything by descriptor below `root`, made or opened with openat2.
extension MountStep {
    func apply(in root: borrowing FD, _ request: Request) throws(SysError) {
        do {
            switch source {
            case .new("tmpfs", let source): try mountTmpfs(source, in: root)
            case .new("sysfs", let source): try mountHosts("sysfs", source, "/sys", in: root)
            case .new("proc", let source): try mountHosts("proc", source, "/proc", in: root)
            case .new(let type, let source): try mount(type, source, in: root)
            case .bind(let path, let number): try bind(FilePath(path), number, in: root, request)
            case .requested(let number): try attachBind(request(number), in: root)
            case .cgroup(let directory, let isOwn): try mountCgroup(directory, isOwn: isOwn, in: root)
            case .remount: try remount(in: root)
            }
        } catch {
            throw SysError(
                call: "error during container init: error mounting",
                subject: "\"\(name)\" to rootfs at \"\(destination)\": \(error.call) \(error.subject)",
                errno: error.errno, hint: error.hint)
        }
    }

    private func mount(_ type: String, _ source: String?, in root: borrowing FD) throws(SysError) {
        let tree = try FD.newMount(
            type, source: source, options: options.data + options.superblock,
            attributes: options.newAttributes)
        try changeBelow(tree)
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
        let tree = try FD.newMount(
            "tmpfs", source: source, options: data, attributes: options.newAttributes)
        try changeBelow(tree)
        if options.copiesUp {
            try tree.open(".", [.readOnly, .directory])
                .copyTree(of: target.open(".", [.readOnly, .directory], resolve: [.noSymlinks]))
        }
        try tree.attach(to: target, as: destination)
    }

    /// Without the namespace that such a file system shows, a user namespace's root cannot make one: then it is the
    /// host's (crun).
    private func mountHosts(
        _ type: String, _ source: String?, _ hosts: FilePath, in root: borrowing FD
    ) throws(SysError) {
        do {
            try mount(type, source, in: root)
        } catch {
            guard error.errno == .notPermitted else { throw error }
            let tree = try FD.open(hosts, .path).cloneTree(recursive: true)
            try tree.setAttributes(options.newAttributes, propagation: .private, recursive: true)
            try attach(tree, in: root)
        }
    }

    private func mountCgroup(_ directory: String?, isOwn: Bool, in root: borrowing FD) throws(SysError) {
        if isOwn {
            do {
                let tree = try FD.newMount("cgroup2", source: "cgroup", attributes: options.newAttributes)
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
        try tree.setAttributes(options.newAttributes, propagation: .private, recursive: true)
        try attach(tree, in: root)
    }

    /// With `bind` the mount alone changes, else its file system too (mount(8)): everywhere, also where the host has it.
    /// So no link of the image may choose which one.
    private func remount(in root: borrowing FD) throws(SysError) {
        let links: Resolve = options.isBind ? .noMagicLinks : .noSymlinks
        let target = try root.open(FilePath(destination), .path, resolve: [.inRoot, links])
        let words = options.data + options.superblock
        if !options.isBind, !words.isEmpty { try target.reconfigure(options: words) }
        try changeAttributes(of: target)
        try changeBelow(target)
    }

    /// The source is resolved once; type and mount are taken from the same descriptor.
    private func bind(
        _ path: FilePath, _ number: Int?, in root: borrowing FD, _ request: Request
    ) throws(SysError) {
        let tree: FD
        do {
            tree = try facts.open(path).cloneTree(recursive: options.isRecursiveBind)
        } catch {
            guard let number, error.errno == .permissionDenied else { throw error }
            tree = try request(number)
        }
        try attachBind(tree, in: root)
    }

    private func attachBind(_ tree: borrowing FD, in root: borrowing FD) throws(SysError) {
        guard destination != "/proc" || tree.isProc else {
            throw SysError(
                call: "bind", subject: destination, errno: .notPermitted,
                hint: "it cannot be mounted because it is not of type proc")
        }
        try changeAttributes(of: tree)
        try changeBelow(tree)
        try attach(tree, in: root)
    }
}

extension MountStep {
    /// What a bind's source has beside the words. What the kernel has locked stays, unless a word asked for it.
    private func changeAttributes(of tree: borrowing FD) throws(SysError) {
        guard options.changesAttributes else { return }
        let wanted = options.change
        do {
            try tree.setAttributes(wanted.set, clearing: wanted.clear)
        } catch {
            guard error.errno == .notPermitted else { throw error }
            guard let possible = options.change(keeping: try tree.mountFacts()) else {
                throw error.hinting(
                    "a user namespace cannot change the flags of a mount that it did not make")
            }
            try tree.setAttributes(possible.set, clearing: possible.clear)
        }
    }

    /// The recursive words, and how it propagates.
    private func changeBelow(_ tree: borrowing FD) throws(SysError) {
        if !options.recursive.isEmpty || !options.recursivelyCleared.isEmpty {
            try tree.setAttributes(options.recursive, clearing: options.recursivelyCleared, recursive: true)
        }
        guard let propagation = options.propagation else { return }
        try tree.setAttributes(propagation: propagation, recursive: options.propagatesRecursively)
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

    /// Wherever the image's links lead, it is not the kernel's /proc (CVE-2019-16884), not the root, which would be
    /// another one for whoever enters the container later, and not /dev, where more is to be made.
    private func target(in root: borrowing FD, isDirectory: Bool) throws(SysError) -> FD {
        let target = try openTarget(
            FilePath(destination), in: root, isDirectory: isDirectory, refusesSymlinks: refusesSymlinks)
        let place = try target.status().place
        for hidden: FilePath in ["/", "/dev"] where FilePath(destination) != hidden {
            guard try root.status(at: hidden)?.place == place else { continue }
            throw SysError(
                call: "open", subject: destination, errno: .notPermitted,
                hint: "a link of the image leads it to \(hidden)")
        }
        guard target.isProc, destination != "/proc", !Self.replaceable.contains(FilePath(destination)) else {
            return target
        }
        throw SysError(
            call: "open", subject: destination, errno: .notPermitted,
            hint: "it cannot be mounted because it is inside /proc")
    }

    private func attach(_ tree: borrowing FD, in root: borrowing FD) throws(SysError) {
        let isDirectory = try tree.status().type == .directory
        do {
            try tree.attach(to: target(in: root, isDirectory: isDirectory), as: destination)
        } catch {
            let isMismatch = isDirectory ? error.errno == .notDirectory : error.errno == .invalidArgument
            guard isMismatch, case .bind = source else { throw error }
            throw SysError(
                call: error.call, subject: error.subject, errno: .notDirectory,
                hint: isDirectory
                    ? "a directory cannot be mounted onto a file: is the source what you meant?"
                    : "a file cannot be mounted onto a directory: name the file in the container")
        }
    }
}

extension FileStatus {
    /// Which place in the tree of mounts it is, whatever leads there.
    fileprivate var place: [UInt64] { [mountID, device, inode] }
}

extension FD {
    /// Of what is there without a link on the way; nil when nothing is.
    fileprivate func status(at path: FilePath) throws(SysError) -> FileStatus? {
        do {
            return try open(path, .path, resolve: [.inRoot, .noSymlinks]).status()
        } catch {
            let none: [Errno] = [.noSuchFileOrDirectory, .notDirectory, .tooManySymbolicLinkLevels]
            guard none.contains(error.errno) else { throw error }
            return nil
        }
    }
}
