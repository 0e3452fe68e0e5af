internal import CLinux
public import SystemPackage

/// The first process of a container with `--init`: a small program in a sealed file in memory, which starts the command,
/// hands signals on to it, reaps what is left to it and ends with its code. Nothing of the runtime's file can be
/// reached through it.
public final class InitProgram: Sendable {
    private let file: FD

    /// ENOSYS or EACCES where files in memory cannot be executed (sysctl vm.memfd_noexec).
    public init() throws(SysError) {
        file = FD(adopting: try sys("memfd_create", "init") { cl_init_program() })
    }

    /// What stands before the command, as docker's init is called.
    public static let arguments = ["/sbin/docker-init", "--"]

    /// execveat(2); the errno when it did not happen.
    public func execute(_ argv: CStrings, _ envp: CStrings) -> Errno {
        Errno(rawValue: -cl_execveat(file.raw, argv.pointers, envp.pointers))
    }
}
