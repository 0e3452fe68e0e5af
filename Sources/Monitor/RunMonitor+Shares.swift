import Linux
import OCI
import Runtime
import SystemPackage

/// What a container has of the host's and of other containers', found at each of its starts.
extension RunMonitor {
    /// The document with devices and namespaces as they are now; what it binds of others goes to `sources`.
    func currentSpec(_ sources: inout [String: BindSource]) throws(RuntimeError) -> RuntimeSpec {
        var spec = try request.specWithDevices()
        if let id = Self.container(request.pidMode) {
            let other = try running(id) { $0 }
            spec.linux.namespaces.append(.init(.pid, path: "/proc/\(other.pid)/ns/pid"))
        }
        if let id = Self.container(request.ipcMode) {
            let other = try running(id) { "can't join IPC of container \(id): \($0)" }
            try checkShareable(id)
            spec.linux.namespaces.append(.init(.ipc, path: "/proc/\(other.pid)/ns/ipc"))
            sources["/dev/shm"] = BindSource(process: other.pid, startTime: other.startTime)
        }
        return spec
    }

    private static func container(_ mode: String) -> String? {
        mode.hasPrefix("container:") ? String(mode.dropFirst(10)) : nil
    }

    private func document(_ name: String, of id: String) throws(RuntimeError) -> JSON? {
        let path = request.directory.removingLastComponent().appending(id)
        do {
            let bytes = try FD.open(path, [.readOnly, .directory]).contents(of: FilePath(name))
            return try bytes.map { bytes in try JSON(parsing: bytes) }
        } catch let error as SysError {
            guard error.errno == .noSuchFileOrDirectory else { throw RuntimeError("\(error)") }
            throw RuntimeError("No such container: \(id)")
        } catch {
            throw RuntimeError("container \(id.prefix(12)) is damaged: \(name): \(error)")
        }
    }

    /// The first process of another container, proven by its start time to be that.
    private func running(
        _ id: String, _ words: (String) -> String
    ) throws(RuntimeError) -> (pid: Int32, startTime: UInt64) {
        let json = try document("state.json", of: id)
        var record: StateRecord?
        do throws(JSONError) {
            if let json { record = try StateRecord(json) }
        } catch { throw RuntimeError("container \(id.prefix(12)) is damaged: \(error)") }
        let found = record
        let isHere = try asStartError { () throws(SysError) -> Bool in
            guard let found, found.status == "running", try Process.bootID() == found.bootID else {
                return false
            }
            guard try Pidfd.find(pid: found.pid, startTime: found.startTime) != nil else { return false }
            return true
        }
        guard let record, isHere else { throw RuntimeError(words("container \(id) is not running")) }
        return (record.pid, record.startTime)
    }

    private func checkShareable(_ id: String) throws(RuntimeError) {
        let mode = try document("config.json", of: id)?["HostConfig"]?["IpcMode"]?.string
        guard mode != "shareable" else { return }
        throw RuntimeError(
            "can't join IPC of container \(id): non-shareable IPC (hint: use IpcMode:shareable for the donor "
                + "container)")
    }
}
