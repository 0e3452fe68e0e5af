import Linux
public import OCI
import SystemPackage

/// The supervisor of a container's calls with SCMP_ACT_NOTIFY (config-linux.md#seccomp): it gets the filter's
/// descriptor on a socket of its own, with a `ContainerProcessState`.
public struct SeccompListener: Equatable, Sendable {
    /// Of an AF_UNIX stream socket of the host.
    let path: String
    let metadata: String
    /// The container, not the process.
    public var state: ContainerState

    /// Nil for a profile that notifies nobody: its path is ignored, as in runc.
    public init?(_ spec: RuntimeSpec.Seccomp, state: ContainerState) {
        guard spec.syscalls.contains(where: { $0.action == "SCMP_ACT_NOTIFY" }) else { return nil }
        (path, metadata, self.state) = (spec.listenerPath ?? "", spec.listenerMetadata ?? "", state)
    }

    /// What the supervisor reads of a process whose filter is in the one descriptor sent with it. A container that
    /// is being made has no pid yet: it is this process's.
    func message(pid: Int32) -> [UInt8] {
        var state = state
        if state.pid == 0 { state.pid = pid }
        return JSON.fields([
            "ociVersion": .string(state.ociVersion), "fds": .array([.string("seccompFd")]),
            "pid": .number(pid),
            "metadata": metadata.isEmpty ? nil : .string(metadata), "state": state.json(),
        ]).bytes
    }

    /// Hands the descriptor over.
    func send(_ descriptor: borrowing FD, pid: Int32) throws(RuntimeError) {
        let socket: FD
        do {
            socket = try FD.connectStream(to: FilePath(path))
        } catch {
            throw RuntimeError(
                "failed to connect with seccomp agent specified in the seccomp profile: \(error)")
        }
        do {
            try socket.sendMessage(message(pid: pid), descriptor: descriptor)
        } catch {
            throw RuntimeError("cannot send seccomp fd to \(path): \(error)")
        }
    }
}
