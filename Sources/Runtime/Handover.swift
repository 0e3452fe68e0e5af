import Linux
import SystemPackage

/// Sends a descriptor to whoever listens at an AF_UNIX stream socket, as `--console-socket` and `--pidfd-socket`
/// want it: one message, the name, and the descriptor by SCM_RIGHTS.
func send(_ descriptor: borrowing FD, to socket: FilePath, name: String) throws(RuntimeError) {
    do throws(SysError) {
        let connection = try FD.connectStream(to: socket)
        try connection.sendMessage(Array(name.utf8), descriptor: descriptor)
    } catch {
        throw RuntimeError("unable to hand over \(name) to \(socket): \(error)")
    }
}

/// Gives a new process to whoever asked for it: its terminal and its pidfd to their sockets, its pid to a file, which
/// comes last because callers take it for the sign that all is there.
func handOver(
    _ process: inout RunningProcess, console: FilePath?, pidfd: FilePath?, pidFile: FilePath?
) throws(RuntimeError) {
    if let console, let master = process.console.take() { try send(master, to: console, name: "/dev/ptmx") }
    if let pidfd {
        let copy = try asStartError { () throws(SysError) in try process.pidfd.fd.duplicate() }
        try send(copy, to: pidfd, name: "pidfd")
    }
    if let pidFile { try writePidFile(pidFile, process.pidfd.pid) }
}

/// Writes a pid file whole: a temporary beside it, renamed.
func writePidFile(_ path: FilePath, _ pid: Int32) throws(RuntimeError) {
    guard let name = path.lastComponent else { throw RuntimeError("bad pid file \"\(path)\"") }
    let up = path.removingLastComponent()
    do throws(SysError) {
        let directory = try FD.open(up.isEmpty ? "." : up, [.readOnly, .directory])
        try directory.replace(FilePath(name.string), with: Array("\(pid)".utf8), mode: 0o644, durable: false)
    } catch {
        throw RuntimeError("unable to write the pid file \(path): \(error)")
    }
}
