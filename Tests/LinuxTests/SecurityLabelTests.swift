import Linux
import SystemPackage
import Testing

/// What an image could put at /proc: a file where a label would go.
private func withFalseProc(_ body: (FilePath, borrowing FD) throws -> Void) throws {
    try withScratch { path, directory in
        let attributes = try directory.openMaking("thread-self/attr/apparmor")
        try attributes.replace("exec", with: [])
        try body(path, directory)
    }
}

/// A volume over /proc took labels, and the process ran without (CVE-2019-16884).
@Test func cve_2019_16884_aFileSystemThatIsNotProcTakesNoLabel() throws {
    try withFalseProc { path, directory in
        let error = #expect(throws: SysError.self) { try label("apparmor/exec", below: path) }
        #expect(error?.hint == "not on a proc file system")
        let written = try directory.contents(of: "thread-self/attr/apparmor/exec", limit: 10)
        #expect(written == [])
    }
}

/// /proc itself was a link of the image's (CVE-2019-19921), and so it was once more (CVE-2023-27561): what is opened is
/// looked at, not named.
@Test func cve_2019_19921_cve_2023_27561_aLinkToAFalseProcTakesNoLabel() throws {
    try withFalseProc { path, directory in
        try directory.makeSymlink("proc", to: path)
        #expect(throws: SysError.self) { try label("apparmor/exec", below: path.appending("proc")) }
        let written = try directory.contents(of: "thread-self/attr/apparmor/exec", limit: 10)
        #expect(written == [])
    }
}

/// A write went through a link to another file (CVE-2025-52881): it ends at what leads away from this proc.
@Test func cve_2025_52881_aLabelFollowsNoLinkOutOfProc() throws {
    try withScratch { path, directory in
        try directory.replace("target", with: [])
        for name in ["../root\(path)/target", "../cwd/../../../../../../../..\(path)/target"] {
            #expect(throws: SysError.self) { try label(name, below: "/proc") }
        }
    }
}

@Test func labelFileOfThisProcessIsFound() throws {
    // The module's own file is missing without it; the old one is always there.
    #expect(throws: Never.self) { try label("exec", below: "/proc") }
    #expect(throws: SysError.self) { try label("nothing/exec", below: "/proc") }
}

private func label(_ name: String, below path: FilePath) throws {
    _ = try LabelFile([name], below: FD.open(path, [.path, .directory]))
}
