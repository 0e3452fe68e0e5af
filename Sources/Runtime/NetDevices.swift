import Linux
import OCI
import SystemPackage

/// An interface of the host that becomes one of the container (config-linux.md#network-devices).
struct NetDevice: Equatable, Sendable {
    let outside: String
    let inside: String
}

/// Plans the interfaces that move in.
func planNetDevices(
    _ linux: RuntimeSpec.Linux, _ namespaces: NamespacePlan
) throws(RuntimeError) -> [NetDevice] {
    guard !linux.netDevices.isEmpty else { return [] }
    guard namespaces.has(.network) else {
        throw RuntimeError("unable to move network devices without a NET namespace")
    }
    var names = Set<String>()
    var devices: [NetDevice] = []
    for (outside, given) in linux.netDevices.sorted(by: { $0.key < $1.key }) {
        let inside = given.isEmpty ? outside : given
        for name in [outside, inside] where !isInterfaceName(name) {
            throw RuntimeError("invalid network device name \"\(name)\"")
        }
        guard names.insert(inside).inserted else {
            throw RuntimeError("duplicated network device name \"\(inside)\"")
        }
        devices.append(NetDevice(outside: outside, inside: inside))
    }
    return devices
}

/// As the kernel's dev_valid_name.
private func isInterfaceName(_ name: String) -> Bool {
    (1...15).contains(name.utf8.count) && name != "." && name != ".."
        && !name.utf8.contains {
            $0 <= 0x20 || $0 == 0x7f || $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: ":")
        }
}

/// Moves interfaces into the network namespace of a process, with the addresses they were given, and sets them up.
func move(_ devices: [NetDevice], to pidfd: borrowing Pidfd) throws(RuntimeError) {
    for device in devices {
        do throws(SysError) {
            try move(device, to: pidfd)
        } catch {
            throw RuntimeError("unable to move network device \(device.outside): \(error)")
        }
    }
}

private func move(_ device: NetDevice, to pidfd: borrowing Pidfd) throws(SysError) {
    guard let index = Route.index(of: device.outside) else {
        throw SysError(call: "find", subject: device.outside, errno: .noSuchAddressOrDevice)
    }
    var here = try NetlinkSocket(.route)
    let addresses = try Route.addresses(of: index, using: &here)
    try here.transact([Route.move(index: index, to: pidfd.pid, as: device.inside)])
    try Process.visit(.network, of: pidfd.fd) { () throws(SysError) in
        guard let index = Route.index(of: device.inside) else {
            throw SysError(call: "find", subject: device.inside, errno: .noSuchAddressOrDevice)
        }
        var inside = try NetlinkSocket(.route)
        try inside.transact(
            addresses.map { Route.add($0, to: index) } + [Route.raise(device.inside)])
    }
}
