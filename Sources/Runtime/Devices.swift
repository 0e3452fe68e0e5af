import Linux
import OCI
import SystemPackage

extension RuntimeSpec.Device {
    /// What every container has below /dev (config-linux.md#default-devices).
    static let defaults: [RuntimeSpec.Device] = [
        ("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0),
    ].map { name, major, minor in
        RuntimeSpec.Device(
            path: "/dev/\(name)", kind: .character, major: UInt32(major), minor: UInt32(minor),
            fileMode: 0o666)
    }
}

/// The devices of a container: what the document lists and the defaults that it does not. None where /dev is the
/// caller's own, bound from the host, which stays as it is (runc).
///
/// Those below /dev are made before anything is mounted after it: an image's link could lead such a mount, a
/// directory of the host's, to /dev or below it (CVE-2026-41579, CVE-2026-47766).
struct DevicePlan {
    /// What is below /dev, in order.
    private(set) var early: [ChildStep] = []
    /// What the document has elsewhere, after all mounts.
    private(set) var late: [ChildStep] = []
    /// How many of the mounts go before: up to the last one of /dev itself.
    private(set) var mountsBefore = 0

    /// `mounts` are those of the document, in its order.
    init(_ spec: RuntimeSpec, _ mounts: [MountStep]) {
        let onDev = mounts.indices.filter {
            mounts[$0].destination == "/dev" && mounts[$0].source != .remount
        }
        mountsBefore = onDev.last.map { $0 + 1 } ?? 0
        if onDev.contains(where: { mounts[$0].options.isBind }) { return }
        for step in planDevices(spec.linux.devices) {
            if case .makeDevice(let device) = step, !device.isBelowDev {
                late.append(step)
            } else {
                early.append(step)
            }
        }
    }
}

extension RuntimeSpec.Device {
    /// Where it is in the container.
    fileprivate var place: FilePath { FilePath("/" + path).lexicallyNormalized() }
    fileprivate var isBelowDev: Bool { place.starts(with: "/dev") }
}

private func planDevices(_ given: [RuntimeSpec.Device]) -> [ChildStep] {
    let listed = Set(given.map(\.place))
    let devices =
        RuntimeSpec.Device.defaults.filter { !listed.contains($0.place) }
        // That one is a link, to the container's own.
        + given.filter { $0.place != "/dev/ptmx" }
    return devices.map(ChildStep.makeDevice) + [.makeDeviceLinks]
}

/// A device node. A user namespace may make none: there it is the host's, bound by descriptor when it is that device.
func makeDevice(_ device: RuntimeSpec.Device, in root: borrowing FD) throws(SysError) {
    let path = device.place
    guard let last = path.lastComponent else { return }
    let name = FilePath(last.string)
    // Nothing is made where an image's link leads: that may be a directory of the host's that is mounted there.
    let parent = try openTarget(
        path.removingLastComponent(), in: root, isDirectory: true,
        refusesSymlinks: true)
    let type: Linux.FileType =
        switch device.kind {
        case .character, .unbuffered: .character
        case .block: .block
        case .fifo: .fifo
        }
    do {
        try parent.makeNode(name, type: type, mode: 0, major: device.major, minor: device.minor)
    } catch {
        switch error.errno {
        case .fileExists:
            // As it is, as in runc: it may be one of the host's that is bound there.
            guard try !isThere(device, type, name, in: parent) else { return }
            try parent.remove(name)
            return try makeDevice(device, in: root)
        case .notPermitted where type != .fifo: return try bindDevice(device, type, name, in: parent)
        default: throw error
        }
    }
    // The umask of whoever called us must not narrow the mode.
    let node = try parent.open(name, [.path, .noFollow], resolve: [.beneath, .noSymlinks])
    try Kernel.changeMode(node, device.fileMode ?? 0o666)
    if device.uid != nil || device.gid != nil {
        try Kernel.changeOwner(node, uid: device.uid ?? 0, gid: device.gid ?? 0)
    }
}

/// What is in a device's place is that device or makes room for it.
private func isThere(
    _ device: RuntimeSpec.Device, _ type: Linux.FileType, _ name: FilePath, in parent: borrowing FD
) throws(SysError) -> Bool {
    guard let status = try parent.status(of: name), status.type == type else { return false }
    return type == .fifo || (status.rdevMajor == device.major && status.rdevMinor == device.minor)
}

private func bindDevice(
    _ device: RuntimeSpec.Device, _ type: Linux.FileType, _ name: FilePath, in parent: borrowing FD
) throws(SysError) {
    let host = try FD.open(FilePath(device.path), .path)
    let status = try host.status()
    guard status.type == type, status.rdevMajor == device.major, status.rdevMinor == device.minor else {
        throw SysError(
            call: "bind", subject: device.path, errno: .noSuchAddressOrDevice,
            hint: "the host has another device there, and a user namespace may make none")
    }
    let target = try parent.open(
        name, [.writeOnly, .create, .exclusive], mode: 0o666, resolve: [.beneath])
    let tree = try host.cloneTree(recursive: false)
    try tree.setAttributes(propagation: .private)
    try tree.attach(to: target, as: device.path)
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
            // Of an image's own devices only this one is wrong: it would be the host's.
            guard name == "ptmx", try devices.status(of: name)?.type != .symlink else { continue }
            try devices.remove(name)
            try devices.makeSymlink(name, to: target)
        }
    }
}

/// /dev/console is the terminal's own end, bound by descriptor.
func bindConsole(_ peer: borrowing FD, in root: borrowing FD) throws(SysError) {
    let target = try openTarget("/dev/console", in: root, isDirectory: false, refusesSymlinks: true)
    let tree = try peer.cloneTree(recursive: false)
    try tree.attach(to: target, as: "/dev/console")
}
