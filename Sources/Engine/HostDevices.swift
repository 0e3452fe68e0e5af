import Linux
import OCI
import SystemPackage

/// The device nodes of the host, for privileged containers.
enum HostDevices {
    /// What a container has of its own, or what is none of its business.
    private static let left: Set<String> = [
        "pts", "shm", "mqueue", "fd", "console", "ptmx", "core", "stdin", "stdout", "stderr", "null", "zero",
        "full",
        "random", "urandom", "tty", "hugepages",
    ]

    static func all() -> [RuntimeSpec.Device] {
        // No /dev, no devices.
        guard let root = try? FD.open("/dev", [.readOnly, .directory]) else { return [] }
        return devices(in: root, "/dev", depth: 0)
    }

    private static func devices(in directory: borrowing FD, _ path: String, depth: Int) -> [RuntimeSpec
        .Device]
    {
        var result: [RuntimeSpec.Device] = []
        // A device that comes or goes while we look is left out.
        for entry in (try? directory.entries()) ?? [] where depth > 0 || !left.contains(entry.name.string) {
            guard let status = try? directory.status(of: entry.name) else { continue }
            let name = "\(path)/\(entry.name.string)"
            switch status.type {
            case .directory where depth < 4:
                guard
                    let child = try? directory.open(
                        entry.name, [.readOnly, .directory], resolve: [.beneath, .noSymlinks])
                else { continue }
                result += devices(in: child, name, depth: depth + 1)
            case .character, .block:
                var device = RuntimeSpec.Device(
                    path: name, kind: status.type == .block ? .block : .character, major: status.rdevMajor,
                    minor: status.rdevMinor, fileMode: status.permissions)
                (device.uid, device.gid) = (status.uid, status.gid)
                result.append(device)
            default: break
            }
        }
        return result
    }
}
