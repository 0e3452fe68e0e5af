import Linux
public import OCI
import Runtime
import SystemPackage

/// One `--device`: a device of the host, or a directory of some, which is looked at when the container starts.
public struct DeviceRequest: Equatable, Sendable {
    public var host: String
    public var container: String
    /// Of `r`, `w` and `m`.
    public var access: String

    public init(host: String, container: String, access: String) {
        (self.host, self.container, self.access) = (host, container, access)
    }

    /// docker's DeviceMapping.
    public var json: JSON {
        .fields([
            "PathOnHost": .string(host), "PathInContainer": .string(container),
            "CgroupPermissions": .string(access),
        ])
    }

    public init(_ json: JSON) throws(JSONError) {
        self.init(
            host: try json.requireString("PathOnHost"), container: try json.requireString("PathInContainer"),
            access: try json.requireString("CgroupPermissions"))
    }

    /// The nodes that the container gets.
    func devices() throws(RuntimeError) -> [RuntimeSpec.Device] {
        do throws(SysError) {
            let place = try FD.open(FilePath(host), .path)
            let status = try place.status()
            if let device = Self.device(container, status) { return [device] }
            if status.type == .directory {
                let directory = try place.open(".", [.readOnly, .directory], resolve: [.noSymlinks])
                let found = try Self.devices(in: directory, container, depth: 0)
                if !found.isEmpty { return found }
            }
        } catch {
            let reason = "\(error.errno)".lowercased()
            throw RuntimeError(
                "error gathering device information while adding custom device \"\(host)\": \(reason)",
                exitCode: error.errno == .noSuchFileOrDirectory ? 127 : 125)
        }
        throw RuntimeError(
            "error gathering device information while adding custom device \"\(host)\": not a device node")
    }

    private static func device(_ path: String, _ status: FileStatus) -> RuntimeSpec.Device? {
        let kind: RuntimeSpec.Device.Kind
        switch status.type {
        case .character: kind = .character
        case .block: kind = .block
        case .fifo, .directory, .regular, .symlink, .socket: return nil
        }
        var device = RuntimeSpec.Device(
            path: path, kind: kind, major: status.rdevMajor, minor: status.rdevMinor,
            fileMode: status.permissions)
        (device.uid, device.gid) = (status.uid, status.gid)
        return device
    }

    /// What the container has of its own, wherever it is found.
    private static let own: Set<String> = ["pts", "shm", "fd", "mqueue", "console"]

    private static func devices(
        in directory: borrowing FD, _ path: String, depth: Int
    ) throws(SysError) -> [RuntimeSpec.Device] {
        var result: [RuntimeSpec.Device] = []
        for entry in try directory.sortedEntries() where !own.contains(entry.path.string) {
            let name = "\(path)/\(entry.path.string)"
            if let device = device(name, entry.status) { result.append(device) }
            guard entry.status.type == .directory, depth < 8 else { continue }
            let child = try directory.open(
                entry.path, [.readOnly, .directory], resolve: [.beneath, .noSymlinks])
            result += try devices(in: child, name, depth: depth + 1)
        }
        return result
    }
}
