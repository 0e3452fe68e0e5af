import CLinux
import Linux
import SystemPackage
import Testing

/// The short form of the comparison with GNU tar, bsdtar and Python: rounds that are the same in every run.
struct DifferentialTests {
    @Test(.enabled(if: Process.effectiveUser == 0, "other programs set owners and make devices"))
    func archivesAreToUsWhatTheyAreToOthers() throws {
        let here = FilePath(#filePath).removingLastComponent()
        let own = try FD.open("/proc/self", [.readOnly, .directory]).readSymlink("exe")
        let probe = own.removingLastComponent().appending("tar-probe").string
        let compare = here.appending("Differential/compare").string
        let output = FD(adopting: try sys("memfd_create", "output") { cl_memfd_create("output", 0) })
        let pid = try Process.spawn(
            path: "/usr/bin/env",
            arguments: ["env", "python3", compare, probe, "--rounds", "150", "--seed", "1"],
            environment: ["PATH=/usr/local/bin:/usr/bin:/bin"], stdio: [-1, output.raw, output.raw])
        let status = try Process.wait(pid: pid)
        try output.rewind()
        let words = String(decoding: try output.readAll(limit: 1 << 20), as: UTF8.self)
        #expect(status.code == 0, "\(words)")
    }
}
