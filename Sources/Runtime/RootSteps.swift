public import Linux
import OCI
public import SystemPackage

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
            throw error.hinting("it must be mounted on ordinary directory, the image has a link in its place")
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
    var seen = Set<String>()
    for path in paths where seen.insert(path).inserted {
        guard let target = try openExisting(path, in: root) else { continue }
        if try target.status().type != .directory {
            // Its file is the host's: mode and owner of it cannot be changed through a read-only mount.
            let tree = try null.cloneTree(recursive: false)
            try tree.setAttributes([.readOnly, .noSetuid, .noExec])
            try tree.attach(to: target, as: path)
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

/// The mount at a path, which was made without this so that others could be made in it.
func makeMountReadOnly(_ path: String, in root: borrowing FD) throws(SysError) {
    try root.open(FilePath(path), .path).setAttributes(.readOnly)
}

private func openExisting(_ path: String, in root: borrowing FD) throws(SysError) -> FD? {
    do {
        return try root.open(FilePath(path), .path)
    } catch {
        if error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory { return nil }
        throw error
    }
}
