import Linux
import SystemPackage
import Testing

@testable import Build

private func names(_ tree: SourceTree, _ source: String) throws -> [String] {
    try tree.select(source).map(\.path.string)
}

private func digest(_ tree: SourceTree, _ source: String) throws -> String {
    try tree.select(source).map { try tree.digest(of: $0) }.joined()
}

@Test func sourcesAreFoundByNameAndPattern() throws {
    let scratch = try Scratch()
    for name: FilePath in ["a.c", "b.c", "c.h", "d/a.c", "d/e/a.c", "*"] {
        try scratch.write(name, name.string)
    }
    let tree = try scratch.tree()
    #expect(try names(tree, "a.c") == ["a.c"])
    #expect(try names(tree, "/d/./e/a.c") == ["d/e/a.c"])
    #expect(try names(tree, "*.c") == ["a.c", "b.c"])
    #expect(try names(tree, "d*/a.c") == ["d/a.c"])
    #expect(try names(tree, "[bc].?") == ["b.c", "c.h"])
    #expect(try names(tree, "\\*") == ["*"])
    #expect(try names(tree, "*.none") == [])
    #expect(try tree.select(".").first?.status.type == .directory)
    #expect(
        message { try tree.select("nope") }
            == "COPY failed: file not found in build context or excluded by .dockerignore: "
            + "stat nope: file does not exist")
    #expect(try names(tree, "../a.c") == ["a.c"])
    #expect(
        tree.warnings == ["[Warning] ../a.c leads out of the build context: \"..\" at its top is ignored"])
}

@Test func linksNeverLeadOut() throws {
    let scratch = try Scratch()
    try scratch.write("outside/secret", "s")
    try scratch.write("context/real/f", "f")
    let context = try scratch.root.open("context", [.readOnly, .directory])
    try context.makeSymlink("abs", to: "/etc/passwd")
    try context.makeSymlink("up", to: "../outside/secret")
    try context.makeSymlink("dir", to: "../../../../etc")
    try context.makeSymlink("loop", to: "loop")
    try context.makeSymlink("good", to: "/real")
    let tree = try scratch.tree("context")
    for source in ["abs", "up", "dir", "dir/passwd"] {
        #expect(message { try tree.select(source) }.hasPrefix("COPY failed: file not found"), "\(source)")
    }
    #expect(message { try tree.select("loop") }.contains("symbolic links"))
    #expect(try names(tree, "good/f") == ["real/f"])
    // The name as written counts in the destination.
    #expect(try tree.select("good").map(\.name) == ["good"])
}

@Test func ignoredPathsDoNotExist() throws {
    let scratch = try Scratch()
    for name: FilePath in ["keep/a", "gone/b", "gone/deep/kept", "gone/deep/not", "x.log"] {
        try scratch.write(name, "")
    }
    try scratch.root.makeSymlink("link", to: "x.log")
    let tree = try scratch.tree(ignore: "gone\n!gone/deep/kept\n*.log\n")
    for source in ["x.log", "gone/b", "link", "gone/deep/not"] {
        #expect(message { try tree.select(source) }.hasPrefix("COPY failed"), "\(source)")
    }
    #expect(try names(tree, "*") == ["gone", "keep"])
    func visible(_ path: FilePath) throws -> [String] {
        let directory = try tree.root.open(path, [.readOnly, .directory])
        let below = path == "." ? [] : PathPattern.characters(of: path.bytes)
        let state = tree.matches(at: path == "." ? "" : path)
        return try tree.visibleEntries(in: directory, at: below, state, depth: 0).map(\.entry.path.string)
    }
    #expect(try visible(".") == ["gone", "keep", "link"])
    #expect(try visible("gone") == ["deep"])
    #expect(try visible("gone/deep") == ["kept"])
}

@Test func digestsFollowContentAndModeButNotTime() throws {
    let scratch = try Scratch()
    try scratch.write("d/f", "one")
    try scratch.write("d/e/g", "two")
    try scratch.root.open("d", [.readOnly, .directory]).makeSymlink("l", to: "f")
    let first = try digest(try scratch.tree(), "d")
    let d = try scratch.root.open("d", [.readOnly, .directory])
    try d.setTimes(of: "f", seconds: 1)
    #expect(try digest(try scratch.tree(), "d") == first)
    try scratch.write("d/f", "one", mode: 0o755)
    let second = try digest(try scratch.tree(), "d")
    #expect(second != first)
    try scratch.write("d/f", "0ne", mode: 0o755)
    let third = try digest(try scratch.tree(), "d")
    #expect(![first, second].contains(third))
    try d.rename("f", to: "h", in: d)
    #expect(try digest(try scratch.tree(), "d") != third)
    try d.rename("h", to: "f", in: d)
    #expect(try digest(try scratch.tree(), "d") == third)
    try d.remove("l")
    try d.makeSymlink("l", to: "e")
    #expect(try digest(try scratch.tree(), "d") != third)
    // What is ignored does not count.
    let ignored = try digest(try scratch.tree(ignore: "d/e"), "d")
    try scratch.write("d/e/new", "")
    #expect(try digest(try scratch.tree(ignore: "d/e"), "d") == ignored)
}

@Test func treesThatOnlyLookAlikeDiffer() throws {
    let scratch = try Scratch()
    try scratch.write("a/x/y", "")
    try scratch.write("b/x", "")
    try scratch.write("b/y", "")
    try scratch.makeDirectory("c/x/y")
    try scratch.makeDirectory("e/x")
    try scratch.makeDirectory("e/y")
    let tree = try scratch.tree()
    let all = try ["a", "b", "c", "e"].map { try digest(tree, $0) }
    #expect(Set(all).count == 4)
}

@Test func specialFilesAreLeftOutWithAWarning() throws {
    let scratch = try Scratch()
    try scratch.write("d/f", "")
    let before = try digest(try scratch.tree(), "d")
    let d = try scratch.root.open("d", [.readOnly, .directory])
    try d.makeNode("pipe", type: .fifo, mode: 0o644)
    let tree = try scratch.tree()
    #expect(try digest(tree, "d") == before)
    #expect(tree.warnings == ["[Warning] pipe: special file (fifo) is left out"])
    #expect(message { try digest(tree, "d/pipe") } == "COPY failed: pipe is a special file (fifo)")
}

@Test func depthIsLimited() throws {
    let scratch = try Scratch()
    var directory = try scratch.root.duplicate()
    for _ in 0..<250 {
        try directory.makeDirectory("d", mode: 0o755)
        directory = try directory.open("d", [.readOnly, .directory])
    }
    #expect(message { try digest(try scratch.tree(), ".") }.contains("deeper than 200 directories"))
}

@Test func namesNeedNotBeUTF8() throws {
    let scratch = try Scratch()
    try scratch.root.makeDirectory(FilePath(bytes: [0x64, 0xff]), mode: 0o755)
    let tree = try scratch.tree(ignore: "x")
    #expect(try tree.select("d?").first?.path.bytes == [0x64, 0xff])
    _ = try digest(tree, ".")
}

@Test func knownFilesAreNotReadAgain() throws {
    let scratch = try Scratch()
    try scratch.write("f", "one")
    let later = Timestamp(seconds: Timestamp.now().seconds + 10)
    let first = try scratch.tree(cache: StatCache(nil, now: later))
    let honest = try digest(first, "f")
    let bytes = try #require(first.cache?.bytesIfChanged())
    // A record with another digest shows that it is believed.
    var forged = StatCache(nil, now: later)
    let status = try #require(try scratch.root.status(of: "f"))
    forged.remember([UInt8](repeating: 7, count: 32), for: status)
    let believed = try digest(try scratch.tree(cache: StatCache(forged.bytesIfChanged())), "f")
    #expect(believed != honest)
    let second = try scratch.tree(cache: StatCache(bytes))
    #expect(try digest(second, "f") == honest)
    #expect(second.cache?.bytesIfChanged() == nil)
    try scratch.write("f", "two")
    #expect(try digest(try scratch.tree(cache: StatCache(bytes)), "f") != honest)
}

@Test func damagedStatCachesAreEmpty() throws {
    let scratch = try Scratch()
    try scratch.write("f", "one")
    let later = Timestamp(seconds: Timestamp.now().seconds + 10)
    let tree = try scratch.tree(cache: StatCache(nil, now: later))
    _ = try digest(tree, "f")
    let bytes = try #require(tree.cache?.bytesIfChanged())
    let status = try #require(try scratch.root.status(of: "f"))
    var whole = StatCache(bytes)
    #expect(whole.digest(of: status) != nil)
    for at in bytes.indices {
        var damaged = bytes
        damaged[at] ^= 0x10
        var cache = StatCache(damaged)
        #expect(cache.digest(of: status) == nil, "byte \(at)")
    }
    for length in 0..<bytes.count {
        var cut = StatCache(Array(bytes[..<length]))
        #expect(cut.digest(of: status) == nil)
    }
}

@Test func youngFilesAreNotRemembered() throws {
    let scratch = try Scratch()
    try scratch.write("f", "one")
    let status = try #require(try scratch.root.status(of: "f"))
    let change = Timestamp(seconds: status.ctime.seconds, nanoseconds: Int32(status.ctime.nanoseconds))
    var cache = StatCache(nil, now: change)
    cache.remember([UInt8](repeating: 7, count: 32), for: status)
    #expect(cache.bytesIfChanged() == nil)
}
