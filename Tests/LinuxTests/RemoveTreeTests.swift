import CLinux
import Linux
import SystemPackage
import Testing

@Test func treesAreRemoved() throws {
    try withScratch { _, directory in
        let inner = try directory.openMaking("tree/a/b")
        try inner.replace("file", with: [1])
        try inner.makeNode("fifo", type: .fifo, mode: 0o600)
        for i in 0..<300 { try inner.replace(FilePath("f\(i)"), with: [], durable: false) }
        _ = try directory.openMaking("tree/closed", mode: 0)
        try directory.replace("kept", with: [1])
        try directory.removeTree("tree")
        try directory.removeTree("kept")
        try directory.removeTree("not there")
        #expect(try directory.entries().isEmpty)
    }
}

@Test func linksAreRemovedAndNotFollowed() throws {
    try withScratch { _, directory in
        try directory.openMaking("outside").replace("precious", with: [1])
        let tree = try directory.openMaking("tree/deep")
        try tree.makeSymlink("up", to: "../..")
        try tree.makeSymlink("out", to: "../../outside")
        try tree.makeSymlink("slash", to: "/")
        try directory.makeSymlink("link", to: "outside")
        try directory.removeTree("tree")
        try directory.removeTree("link")
        #expect(try directory.entries().map(\.name) == ["outside"])
        #expect(try directory.contents(of: "outside/precious") == [1])
    }
}

/// No descriptor for each level, no name of a path's length; also when the deep part branches.
@Test func aTreeOf1500LevelsIsRemoved() throws {
    try withScratch { _, directory in
        var current = try directory.openMaking("tree")
        for level in 0..<1500 {
            if level % 100 == 0 { try current.replace("file", with: [1], durable: false) }
            if level % 200 == 0 { _ = try current.openMaking("branch/with/some/levels") }
            try current.makeDirectory("d")
            current = try current.open("d", [.readOnly, .directory])
        }
        try directory.removeTree("tree")
        #expect(try directory.entries().isEmpty)
    }
}

/// FS_IOC_SETFLAGS with FS_IMMUTABLE_FL; false where the file system or our rights do not allow it.
private func setImmutable(_ raw: CInt, _ on: Bool) -> Bool {
    var flags: CInt = on ? 0x10 : 0
    return cl_ioctl(raw, 0x4008_6602, &flags) == 0
}

private let canSetImmutable: Bool = {
    var can = false
    try? withScratch { _, directory in  // no scratch directory: then the test cannot run either
        try directory.replace("probe", with: [])
        let file = try directory.open("probe")
        can = setImmutable(file.raw, true)
        _ = setImmutable(file.raw, false)
    }
    return can
}()

@Test(.enabled(if: canSetImmutable, "needs CAP_LINUX_IMMUTABLE and a file system with that flag"))
func whatCannotBeRemovedIsNamedAndTheRestGoes() throws {
    try withScratch { _, directory in
        let stuck = try directory.openMaking("tree/a/b")
        for name in ["1", "2", "3"] as [FilePath] { try stuck.replace(name, with: [], durable: false) }
        _ = try directory.openMaking("tree/c/d/e")
        let file = try stuck.open("2")
        #expect(setImmutable(file.raw, true))
        #expect(throws: SysError(call: "unlink", subject: "2 below tree", errno: .notPermitted)) {
            try directory.removeTree("tree")
        }
        #expect(try directory.open("tree", [.readOnly, .directory]).entries().map(\.name) == ["a"])
        #expect(try stuck.entries().map(\.name) == ["2"])
        #expect(setImmutable(file.raw, false))
        try directory.removeTree("tree")
        #expect(try directory.entries().isEmpty)
    }
}

/// Holes stay holes and names of one file stay names of one file, also across directories.
@Test(.enabled(if: Process.effectiveUser == 0, "copying sets owners"))
func treesAreCopiedAsTheyAre() throws {
    try withScratch { _, directory in
        let from = try directory.openMaking("from/sub")
        let sparse = try from.open("sparse", [.readWrite, .create, .exclusive], mode: 0o640)
        try sparse.setSize(1 << 30)
        try Array("end".utf8).withUnsafeBytes { try sparse.writeAll($0, at: 1 << 29) }
        try directory.open("from", [.readOnly, .directory]).makeLink("name", to: "sparse", in: from)
        let into = try directory.openMaking("into")
        try into.copyTree(of: try directory.open("from", [.readOnly, .directory]))
        let (first, second) = (try into.open("name").status(), try into.open("sub/sparse").status())
        #expect(first.inode == second.inode && first.links == 2 && first.permissions == 0o640)
        #expect(first.size == 1 << 30 && first.blocks < 1000)
        var bytes = [UInt8](repeating: 0, count: 4)
        _ = try bytes.withUnsafeMutableBytes { try into.open("name").read(into: $0, at: 1 << 29) }
        #expect(bytes == Array("end\0".utf8))
    }
}
