import CLinux
import Linux
import SystemPackage
import Testing

/// A directory of its own for one test, removed afterwards.
func withScratch(_ body: (_ path: FilePath, _ directory: borrowing FD) throws -> Void) throws {
    let parent = try FD.open("/tmp", [.readOnly, .directory])
    let name = FilePath("apus-test-\(SHA256.hex(of: Kernel.random(16)).prefix(16))")
    try parent.makeDirectory(name)
    let path = FilePath("/tmp").appending(name.components)
    do {
        try body(path, FD.open(path, [.readOnly, .directory]))
    } catch {
        try parent.removeTree(name)
        throw error
    }
    try parent.removeTree(name)
}

/// Runs the test helper beside this test bundle; answers the lines that it printed.
func runProbe(_ arguments: [String]) throws -> [Substring] {
    let own = try FD.open("/proc/self", [.readOnly, .directory]).readSymlink("exe").removingLastComponent()
    let program = own.appending("linux-probe")
    let output = FD(adopting: try sys("memfd_create", "output") { cl_memfd_create("output", 0) })
    let pid = try Process.spawn(
        path: program, arguments: [program.string] + arguments, environment: [], stdio: [-1, output.raw, -1])
    let status = try Process.wait(pid: pid)
    #expect(status.code == 0)
    _ = try sys("lseek", "output") { cl_lseek(output.raw, 0, 0) }
    return String(decoding: try output.readAll(limit: 1 << 20), as: UTF8.self).split(separator: "\n")
}
