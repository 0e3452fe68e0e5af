public import Linux
import OCI
public import SystemPackage

/// The steps that build the root: everything by descriptor below `root`, made or opened with openat2.
extension MountStep {
    func apply(in root: borrowing FD) throws(SysError) {
        do {
            switch source {
            case .new(let type, let source):
                let tree = try FD.newMount(
                    type, source: source, options: options.data, attributes: options.attributes)
                try attach(tree, in: root, isDirectory: true)
            case .bind(let path):
                try bind(FilePath(path), in: root)
            }
        } catch {
            throw SysError(
                call: "mount", subject: "\(destination): \(error.call) \(error.subject)", errno: error.errno,
                hint: error.hint)
        }
    }

    /// The source is resolved once; type and mount are taken from the same descriptor.
    private func bind(_ path: FilePath, in root: borrowing FD) throws(SysError) {
        let file = try FD.open(path, .path)
        let isDirectory = try file.status().type == .directory
        let tree = try file.cloneTree(recursive: options.isRecursiveBind)
        try tree.setAttributes(
            options.attributes, clearing: options.cleared, propagation: options.propagation ?? .private,
            recursive: false)
        if !options.recursive.isEmpty { try tree.setAttributes(options.recursive, recursive: true) }
        try attach(tree, in: root, isDirectory: isDirectory)
    }

    private func attach(
        _ tree: borrowing FD, in root: borrowing FD, isDirectory: Bool
    ) throws(SysError) {
        let target = try openTarget(
            FilePath(destination), in: root, isDirectory: isDirectory, refusesSymlinks: refusesSymlinks)
        try tree.attach(to: target, as: destination)
    }
}

/// The place to mount on, made (root's, 0755) with its parents when it is missing.
func openTarget(
    _ path: FilePath, in root: borrowing FD, isDirectory: Bool, refusesSymlinks: Bool
) throws(SysError) -> FD {
    let resolve: Resolve = refusesSymlinks ? [.inRoot, .noSymlinks] : [.inRoot, .noMagicLinks]
    let flags: OpenFlags = isDirectory ? [.path, .directory] : [.path]
    do {
        return try root.open(path, flags, resolve: resolve)
    } catch {
        if error.errno == .tooManySymbolicLinkLevels, refusesSymlinks {
            throw error.hinting("the image has a symbolic link in its place")
        }
        guard error.errno == .noSuchFileOrDirectory else { throw error }
    }
    try makeMissing(path, in: root, isDirectory: isDirectory)
    return try root.open(path, flags, resolve: resolve)
}

/// Makes what is missing of a path inside the root, one component a time, following the image's own links. A link
/// that leads nowhere (`/etc/resolv.conf` of a system image) gets what it names, inside the root as well.
public func makeMissing(
    _ path: FilePath, in root: borrowing FD, isDirectory: Bool, links: Int = 8
) throws(SysError) {
    var walked = FilePath("/")
    let components = path.lexicallyNormalized().components.map { FilePath($0.string) }
    for (i, name) in components.enumerated() {
        let parent = try root.open(walked, [.path, .directory])
        let before = walked
        walked.append(name.string)
        do {
            if i + 1 < components.count || isDirectory {
                try parent.makeDirectory(name, mode: 0o755)
            } else {
                _ = try parent.open(
                    name, [.writeOnly, .create, .exclusive], mode: 0o644, resolve: [.beneath])
            }
        } catch {
            guard error.errno == .fileExists else { throw error }
            guard links > 0, try leadsNowhere(name, in: parent, walked, root) else { continue }
            var target = before.pushing(try parent.readSymlink(name))
            for rest in components[(i + 1)...] { target.append(rest.string) }
            return try makeMissing(target, in: root, isDirectory: isDirectory, links: links - 1)
        }
    }
}

private func leadsNowhere(
    _ name: FilePath, in parent: borrowing FD, _ path: FilePath, _ root: borrowing FD
) throws(SysError) -> Bool {
    guard try parent.status(of: name)?.type == .symlink else { return false }
    do {
        _ = try root.open(path, .path)
        return false
    } catch {
        guard error.errno == .noSuchFileOrDirectory else { throw error }
        return true
    }
}

/// A device node of the container's own /dev; a file system that takes none is not expected there.
func makeDevice(_ device: RuntimeSpec.Device, in root: borrowing FD) throws(SysError) {
    let path = FilePath(device.path)
    guard let last = path.lastComponent else { return }
    let name = FilePath(last.string)
    let parent = try openTarget(
        path.removingLastComponent(), in: root, isDirectory: true, refusesSymlinks: true)
    let type: Linux.FileType =
        switch device.kind {
        case .character, .unbuffered: .character
        case .block: .block
        case .fifo: .fifo
        }
    try parent.makeNode(name, type: type, mode: 0, major: device.major, minor: device.minor)
    // The umask of whoever called us must not narrow the mode.
    let node = try parent.open(name, [.path, .noFollow], resolve: [.beneath, .noSymlinks])
    try Kernel.changeMode(node, device.fileMode ?? 0o666)
    if device.uid != nil || device.gid != nil {
        try Kernel.changeOwner(node, uid: device.uid ?? 0, gid: device.gid ?? 0)
    }
}

/// The links that every container has below /dev (runtime-spec, config-linux.md#dev-symbolic-links).
func makeDeviceLinks(in root: borrowing FD) throws(SysError) {
    guard let devices = try? root.open("dev", [.path, .directory], resolve: [.inRoot, .noSymlinks]) else {
        return  // a root without /dev, or with a link in its place, gets none
    }
    let links: KeyValuePairs<FilePath, FilePath> = [
        "fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1",
        "stderr": "/proc/self/fd/2",
        "ptmx": "pts/ptmx", "core": "/proc/kcore",
    ]
    for (name, target) in links {
        do {
            try devices.makeSymlink(name, to: target)
        } catch {
            guard error.errno == .fileExists else { throw error }
        }
    }
}

/// /dev/console is the terminal's own end, bound by descriptor.
func bindConsole(_ peer: borrowing FD, in root: borrowing FD) throws(SysError) {
    let target = try openTarget("/dev/console", in: root, isDirectory: false, refusesSymlinks: true)
    let tree = try peer.cloneTree(recursive: false)
    try tree.attach(to: target, as: "/dev/console")
}

/// Hides paths: a directory behind one shared empty read-only tmpfs, a file behind the host's /dev/null, which is
/// proven to be that device (CVE-2025-31133).
func mask(_ paths: [String], in root: borrowing FD) throws(SysError) {
    let null = try FD.open("/dev/null", .path)
    let status = try null.status()
    guard status.type == .character, status.rdevMajor == 1, status.rdevMinor == 3 else {
        throw SysError(
            call: "mask", subject: "/dev/null", errno: .noSuchAddressOrDevice, hint: "not the null device")
    }
    let empty = try FD.newMount(
        "tmpfs", options: ["nr_blocks=1", "nr_inodes=1", "mode=755"],
        attributes: [.readOnly, .noSetuid, .noDevices, .noExec])
    var isAttached = false
    for path in paths {
        guard let target = try openExisting(path, in: root) else { continue }
        if try target.status().type != .directory {
            try null.cloneTree(recursive: false).attach(to: target, as: path)
        } else if isAttached {
            try empty.cloneTree(recursive: false).attach(to: target, as: path)
        } else {
            // A mount that is attached nowhere can only be copied from Linux 6.15 on.
            try empty.attach(to: target, as: path)
            isAttached = true
        }
    }
}

/// Binds a path onto itself, read-only with all below it.
func makeReadOnly(_ path: String, in root: borrowing FD) throws(SysError) {
    guard let target = try openExisting(path, in: root) else { return }
    let tree = try target.cloneTree(recursive: true)
    try tree.setAttributes(.readOnly, recursive: true)
    try tree.attach(to: target, as: path)
}

private func openExisting(_ path: String, in root: borrowing FD) throws(SysError) -> FD? {
    do {
        return try root.open(FilePath(path), .path)
    } catch {
        if error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory { return nil }
        throw error
    }
}
