import CLinux
import Linux
import SystemPackage
import Testing

@Test func aDescriptorIsClosedWhenItsOwnerGoes() throws {
    // Other tests open and close at the same time, so the number proves nothing: the pipe's end does.
    func fill(_ pipe: consuming Pipe) throws -> FD {
        try pipe.write.writeAll([1, 2, 3])
        return try pipe.read.duplicate()
    }
    #expect(try fill(Pipe()).readAll(limit: 10) == [1, 2, 3])
}

@Test func aReleasedDescriptorStaysOpen() throws {
    let pipe = try Pipe()
    let raw = try pipe.write.duplicate().release()
    let adopted = FD(adopting: raw)
    try adopted.writeAll([7])
    var byte: [UInt8] = [0]
    #expect(try byte.withUnsafeMutableBytes { try pipe.read.read(into: $0) } == 1)
    #expect(byte == [7])
}

@Test func descriptorsAreCloseOnExec() throws {
    func isCloseOnExec(_ raw: CInt) -> Bool { cl_fcntl(raw, 1, 0) == 1 }
    try withScratch { _, directory in
        #expect(isCloseOnExec(directory.raw))
        let copy = try directory.duplicate()
        let opened = try directory.open(".", .path)
        #expect(isCloseOnExec(copy.raw) && isCloseOnExec(opened.raw))
        let pipe = try Pipe()
        #expect(isCloseOnExec(pipe.read.raw) && isCloseOnExec(pipe.write.raw))
        try pipe.read.setCloseOnExec(false)
        #expect(!isCloseOnExec(pipe.read.raw))
    }
}

@Test func nonBlockingReadsSayTryAgain() throws {
    let pipe = try Pipe()
    try pipe.read.setNonBlocking(true)
    #expect(throws: SysError.self) { try pipe.read.readAll(limit: 1) }
    try pipe.write.writeAll([1])
    try pipe.read.setNonBlocking(false)
    var byte: [UInt8] = [0]
    #expect(try byte.withUnsafeMutableBytes { try pipe.read.read(into: $0) } == 1)
}

@Test func readingStopsAtTheLimit() throws {
    try withScratch { _, directory in
        let bytes = [UInt8](repeating: 5, count: 200_000)
        try directory.replace("file", with: bytes)
        #expect(try directory.contents(of: "file") == bytes)
        #expect(try directory.contents(of: "file", limit: 200_000)?.count == 200_000)
        #expect(throws: SysError(call: "read", subject: "file", errno: .fileTooLarge)) {
            try directory.contents(of: "file", limit: 199_999)
        }
        #expect(try directory.contents(of: "none") == nil)
    }
}

// MARK: replace

@Test func aFileIsReplacedWhole() throws {
    try withScratch { _, directory in
        try directory.replace("a", with: [1])
        let old = try directory.open("a")
        try directory.replace("a", with: [2, 3], mode: 0o640, durable: false)
        #expect(try old.readAll(limit: 10) == [1])
        #expect(try directory.contents(of: "a") == [2, 3])
        #expect(try directory.status(of: "a")?.permissions == 0o640)
        #expect(try directory.entries().map(\.name) == ["a"])
    }
}

@Test func aFailedReplacementLeavesTheOldFileAndNothingElse() throws {
    try withScratch { _, directory in
        try directory.makeDirectory("taken")
        #expect(throws: SysError(call: "rename", subject: "taken", errno: .isDirectory)) {
            try directory.replace("taken", with: [1])
        }
        #expect(throws: SysError.self) { try directory.replace("no/such", with: [1]) }
        #expect(try directory.entries().map(\.name) == ["taken"])
    }
}

/// A crash leaves a temporary file, and pids come again.
@Test func whatACrashLeftIsNoObstacle() throws {
    try withScratch { _, directory in
        let leftover = FilePath(".a.\(Process.pid).tmp")
        try directory.makeSymlink(leftover, to: "victim")
        try directory.replace("victim", with: [9])
        try directory.replace("a", with: [1])
        #expect(try directory.contents(of: "victim") == [9])
        #expect(try directory.status(of: "a")?.type == .regular)
        #expect(try directory.entries().count == 2)
    }
}

// MARK: names

@Test func linksAndRenames() throws {
    try withScratch { _, directory in
        let long = String(repeating: "t/", count: 2000)
        let target = FilePath("\(long)end")
        try directory.makeSymlink("link", to: target)
        #expect(try directory.readSymlink("link") == target)
        #expect(throws: SysError(call: "readlink", subject: "none", errno: .noSuchFileOrDirectory)) {
            try directory.readSymlink("none")
        }
        try directory.replace("a", with: [1])
        try directory.replace("b", with: [2])
        try directory.makeLink("c", to: "a", in: directory)
        #expect(try directory.status(of: "a")?.links == 2)
        #expect(throws: SysError(call: "rename", subject: "a", errno: .fileExists)) {
            try directory.rename("a", to: "b", in: directory, exclusive: true)
        }
        try directory.rename("a", to: "b", in: directory)
        #expect(try directory.contents(of: "b") == [1])
        #expect(try directory.remove("b"))
        #expect(try !directory.remove("b"))
        #expect(try directory.status(of: "b") == nil)
    }
}

/// A name need not be UTF-8.
@Test func namesAreBytes() throws {
    try withScratch { _, directory in
        let name = [CChar(bitPattern: 0xff), CChar(bitPattern: 0xc0), 0].withUnsafeBufferPointer {
            $0.baseAddress.map { FilePath(platformString: $0) }
        }
        let path = try #require(name)
        try directory.makeDirectory(path)
        #expect(try directory.entries().map(\.name) == [path])
        _ = try directory.openMaking(path.appending("below"))
        #expect(try directory.open(path, [.readOnly, .directory]).entries().map(\.name) == ["below"])
        try directory.removeTree(path)
        #expect(try directory.entries().isEmpty)
    }
}

@Test func directoriesAreMadeWithTheirParents() throws {
    try withScratch { path, directory in
        _ = try directory.openMaking("a/b/c")
        _ = try directory.openMaking("a/b/c")
        _ = try directory.openMaking("../../escaped")
        #expect(Set(try directory.entries().map(\.name)) == ["a", "escaped"])
        _ = try FD.directory(path.appending("x/y/z"), make: true)
        #expect(try directory.open("x/y", [.readOnly, .directory]).status().permissions == 0o700)
        #expect(throws: SysError.self) { _ = try FD.directory(path.appending("none")) }
        // An empty path is nobody's directory, not a reason to look for its parent for ever.
        #expect(throws: SysError.self) { _ = try FD.directory("", make: true) }
    }
}

// MARK: openat2

@Test func pathsStayBelowTheirRoot() throws {
    try withScratch { path, directory in
        let root = try directory.openMaking("root/etc")
        try root.replace("passwd", with: [1])
        let top = try directory.open("root", [.readOnly, .directory])
        try directory.replace("secret", with: [2])
        try top.makeSymlink("out", to: "../secret")
        try top.makeSymlink("absolute", to: "/etc/passwd")
        try top.makeSymlink("host", to: path.appending("secret"))
        #expect(try top.contents(of: "absolute") == [1])
        #expect(try top.contents(of: "/etc/../../../etc/passwd") == [1])
        for name in ["out", "host", "../secret", "/../secret"] as [FilePath] {
            #expect(try top.contents(of: name) == nil, "\(name)")
            #expect(throws: SysError.self) { _ = try top.open(name, resolve: [.beneath]) }
        }
        #expect(throws: SysError(call: "open", subject: "out", errno: .improperLink)) {
            _ = try top.open("out", resolve: [.beneath])
        }
        #expect(throws: SysError(call: "open", subject: "absolute", errno: .tooManySymbolicLinkLevels)) {
            _ = try top.open("absolute", resolve: [.inRoot, .noSymlinks])
        }
    }
}

@Test func magicLinksAreNotFollowed() throws {
    let proc = try FD.open("/proc/self", [.readOnly, .directory])
    for name in ["exe", "root", "cwd", "root/etc/passwd"] as [FilePath] {
        #expect(throws: SysError(call: "open", subject: name.string, errno: .tooManySymbolicLinkLevels)) {
            _ = try proc.open(name, .path)
        }
    }
}

// MARK: locks

@Test func aLockEndsWithItsOwner() throws {
    try withScratch { _, directory in
        try directory.replace("lock", with: [])
        let other = try directory.open("lock")
        do {
            let holder = try directory.open("lock")
            #expect(try holder.lock(wait: false))
            #expect(try !other.lock(wait: false))
            #expect(try !other.lock(shared: true, wait: false))
        }
        #expect(try other.lock(shared: true, wait: false))
        let third = try directory.open("lock")
        #expect(try third.lock(shared: true, wait: false))
        #expect(try !third.lock(wait: false))
    }
}

@Test func missingDirectoriesGetTheModeAskedFor() throws {
    try withScratch { path, directory in
        _ = try FD.directory(path.appending("a/b"), make: true, mode: 0o755)
        _ = try FD.directory(path.appending("c"), make: true)
        for (name, mode) in [("a", 0o755), ("a/b", 0o755), ("c", 0o700)] as [(FilePath, UInt32)] {
            #expect(try directory.open(name, .path).status().permissions == mode, "\(name)")
        }
    }
}
