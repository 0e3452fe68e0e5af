import CLinux
public import SystemPackage

/// Mounts layers over one another, detached: nobody sees the mount until it is attached, and closing the
/// descriptor ends it. `lower` is topmost first; `upper` and `work` lie on one file system, `work` is empty.
/// Without `upper` the result is read-only. `volatile` leaves out the sync at unmount, for trees that are thrown
/// away (`work` cannot be mounted again then).
///
/// One fsconfig string holds 255 bytes, so layers are opened and named `/proc/self/fd/N`, one `lowerdir+` each
/// (Linux 6.7); before that, one string of one-byte symlinks in a detached tmpfs, for up to 127 layers.
public func mountOverlay(
    lower: [FilePath], upper: FilePath?, work: FilePath?, volatile: Bool = false,
    attributes: MountAttributes = []
) throws(SysError) -> FD {
    if let single = try plainMount(lower: lower, upper: upper, attributes: attributes) { return single }
    var opened: [CInt] = []
    defer { for fd in opened { _ = cl_close(fd) } }
    func name(_ path: FilePath) throws(SysError) -> String {
        let fd = try FD.open(path, [.path, .directory]).release()
        opened.append(fd)
        return "/proc/self/fd/\(fd)"
    }
    var layers: [String] = []
    for layer in lower { layers.append(try name(layer)) }
    let upperName = try upper.map { path throws(SysError) in try name(path) }
    let workName = try work.map { path throws(SysError) in try name(path) }
    var wanted = attributes
    if upper == nil { wanted.insert(.readOnly) }
    let rest = OverlayRest(upper: upperName, work: workName, volatile: volatile, attributes: wanted)

    let context = try FD.fileSystemContext("overlay")
    guard try addLowers(layers, to: context) else { return try mountBySymlinks(layers, rest) }
    do {
        return try rest.finish(context)
    } catch {
        // Before Linux 6.5 a context takes any word, and refuses it only when the instance is made.
        guard error.errno == .invalidArgument else { throw error }
        return try mountBySymlinks(layers, rest)
    }
}

/// What comes after the lower layers, the same on every kernel.
private struct OverlayRest {
    let upper: String?, work: String?, volatile: Bool, attributes: MountAttributes

    func finish(_ context: borrowing FD) throws(SysError) -> FD {
        if let upper, let work {
            try context.configure("upperdir", upper)
            try context.configure("workdir", work)
            if volatile { try context.configure("volatile", nil) }
        }
        // What an image may not switch on by an xattr: redirects and metadata-only copies lead to other files.
        try context.configure("redirect_dir", "nofollow")
        try context.configure("metacopy", "off")
        return try context.mounted("overlay", attributes: attributes)
    }
}

/// overlayfs wants two layers: a single one is a detached copy of its own mount.
private func plainMount(
    lower: [FilePath], upper: FilePath?, attributes: MountAttributes
) throws(SysError) -> FD? {
    var attributes = attributes
    let only: FilePath
    if let upper, lower.isEmpty {
        only = upper
    } else if upper == nil, lower.count == 1 {
        only = lower[0]
        attributes.insert(.readOnly)
    } else {
        return nil
    }
    let directory = try FD.open(only, [.path, .directory])
    let tree = try directory.cloneTree(recursive: false)
    try tree.setAttributes(attributes, propagation: .private)
    return tree
}

/// False where the kernel does not know `lowerdir+`.
private func addLowers(_ layers: [String], to context: borrowing FD) throws(SysError) -> Bool {
    for (i, layer) in layers.enumerated() {
        do {
            try context.configure("lowerdir+", layer)
        } catch {
            guard i == 0, error.errno == .invalidArgument else { throw error }
            return false
        }
    }
    return true
}

/// Before Linux 6.7. The current directory is lent until the instance is made, which is when a legacy context
/// resolves the names.
private func mountBySymlinks(_ layers: [String], _ rest: OverlayRest) throws(SysError) -> FD {
    let names = (UInt8(1)...255).filter { !"/:\\,. ".utf8.contains($0) }
    guard layers.count <= 127 else {
        throw SysError(
            call: "fsconfig", subject: "lowerdir", errno: .argListTooLong,
            hint: "\(layers.count) layers; this kernel takes 127, Linux 6.8 takes 500")
    }
    let attic = try FD.newMount("tmpfs", options: ["size=64k"])
    var option: [CChar] = []
    for (layer, name) in zip(layers, names) {
        let byte = CChar(bitPattern: name)
        _ = try sys("symlink", layer) { layer.withCString { cl_symlinkat($0, attic.raw, [byte, 0]) } }
        option += option.isEmpty ? [byte] : [CChar(58), byte]
    }
    let before = try FD.open(".", [.path, .directory])
    _ = try sys("fchdir", "tmpfs") { cl_fchdir(attic.raw) }
    defer { _ = cl_fchdir(before.raw) }
    let context = try FD.fileSystemContext("overlay")
    _ = try sys("fsconfig", "lowerdir") { cl_fsconfig(context.raw, 1, "lowerdir", option + [0], 0) }
    return try rest.finish(context)
}
