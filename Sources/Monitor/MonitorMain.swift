import Linux
import OCI
import Runtime
import SystemPackage

/// `apus-runtime monitor start|adopt|exec`: what the engine starts for each container and each exec.
///
///     descriptor   start, adopt                      exec
///     3            the container's directory         the request (a memfd)
///     4            the lock of its run directory     the client's socket
///     5            the client's socket (start)
public enum MonitorCommand: String, Sendable {
    case start, adopt, exec

    /// Runs it to its end. The exit code says whether it did its work, not how the container ended.
    public func run() -> Int32 {
        do {
            try Kernel.setDumpable(false)
            Signal.ignoreEndings()
            // A starter's own could keep the container's users out of what is made for them.
            Kernel.setUmask(0o022)
            try Kernel.changeDirectory(FD.open("/", [.path, .directory]))
            switch self {
            case .exec:
                let request = try ExecRequest(JSON(parsing: FD(adopting: 3).readAll(limit: 8 << 20)))
                try runExec(request, client: Client(FD(adopting: 4), isWaitedFor: true))
            case .start: try monitor().start(client: Client(FD(adopting: 5)))
            case .adopt: try monitor().adopt()
            }
            return 0
        } catch {
            return 1
        }
    }

    private func monitor() throws -> RunMonitor {
        for fd: CInt in 3...(self == .start ? 5 : 4) { try Kernel.setCloseOnExec(fd) }
        let directory = FD(adopting: 3)
        let bytes = try directory.contents(of: "request.json") ?? []
        return try RunMonitor(request: MonitorRequest(JSON(parsing: bytes)), directory: directory)
    }
}
