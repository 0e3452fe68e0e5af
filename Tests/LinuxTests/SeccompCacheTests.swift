import Linux
import SystemPackage
import Testing

private let profile: SeccompProfile = {
    var profile = SeccompProfile(defaultAction: .errno(1))
    profile.rules = [.init(["read", "write"], .allow)]
    return profile
}()

/// The one file of a cache, by name and content.
private func onlyFile(_ directory: borrowing FD) throws -> (name: FilePath, bytes: [UInt8]) {
    let entries = try directory.entries()
    #expect(entries.count == 1)
    let name = try #require(entries.first?.name)
    return (name, try #require(try directory.contents(of: name)))
}

private func content(of name: FilePath, in directory: borrowing FD) throws -> [UInt8] {
    try #require(try directory.contents(of: name))
}

@Test func aCompiledFilterIsKeptAndUsed() throws {
    try withScratch { path, directory in
        let cache = SeccompCache(directory: path)
        let program = try cache.filter(for: profile)
        #expect(try program == profile.compile())
        let (name, bytes) = try onlyFile(directory)
        #expect(try directory.status(of: name)?.permissions == 0o600)
        #expect(Array(bytes.suffix(program.count)) == program)
        let inode = try directory.status(of: name)?.inode
        #expect(try cache.filter(for: profile) == program)
        #expect(try directory.status(of: name)?.inode == inode)
    }
}

@Test func everyInputHasItsOwnFile() throws {
    try withScratch { path, directory in
        let cache = SeccompCache(directory: path.appending("made").appending("here"))
        _ = try cache.containerDefault(capabilities: .default)
        _ = try cache.containerDefault(capabilities: [])
        #if arch(x86_64)
            _ = try cache.containerDefault(capabilities: [], includes32Bit: true)
        #else
            _ = try cache.containerDefault(capabilities: .sysAdmin)
        #endif
        var joined = profile
        joined.rules = [.init(["read write"], .allow)]
        var split = profile
        split.rules = [.init(["read"], .allow), .init(["write"], .allow, [.init(0, .equal(1))])]
        var lenient = profile
        lenient.ignoresUnknownCalls = true
        for one in [profile, joined, split, lenient] { _ = try cache.filter(for: one) }
        let made = try directory.open("made/here", [.readOnly, .directory])
        #expect(try made.entries().count == 7)
    }
}

@Test func cachedDefaultIsTheCompiledOne() throws {
    try withScratch { path, _ in
        let cache = SeccompCache(directory: path)
        let compiled = try SeccompProfile.containerDefault(capabilities: .default).compile()
        for _ in 0..<2 { #expect(try cache.containerDefault(capabilities: .default) == compiled) }
    }
}

/// Each damage is found, the filter compiled anew, and the file put right.
@Test(arguments: ["empty", "short", "flipped", "longer", "other key", "writable", "symlink", "directory"])
func aDamagedFileIsNotUsed(damage: String) throws {
    try withScratch { path, directory in
        let cache = SeccompCache(directory: path)
        let program = try cache.filter(for: profile)
        var (name, bytes) = try onlyFile(directory)
        switch damage {
        case "empty": bytes = []
        case "short": bytes.removeLast(8)
        case "flipped": bytes[bytes.count - 1] ^= 1
        case "longer": bytes += [0, 0, 0, 0, 0, 0, 0, 0]
        case "other key":
            let other = try cache.containerDefault(capabilities: [])
            let wrong = try #require(try directory.entries().first { $0.name != name }?.name)
            bytes = try #require(try directory.contents(of: wrong))
            #expect(Array(bytes.suffix(other.count)) == other)
        default: break
        }
        try directory.replace(name, with: bytes, mode: damage == "writable" ? 0o666 : 0o600)
        if damage == "writable" { try Kernel.changeMode(try directory.open(name, .path), 0o666) }
        if damage == "symlink" {
            try directory.rename(name, to: "elsewhere", in: directory)
            try directory.makeSymlink(name, to: "elsewhere")
        }
        if damage == "directory" {
            try directory.remove(name)
            try directory.makeDirectory(name)
        }
        #expect(try cache.filter(for: profile) == program)
        if damage == "directory" { return }  // cannot be replaced; the start goes on without a cache
        let status = try directory.status(of: name)
        #expect(status?.type == .regular && status?.permissions == 0o600)
        #expect(try content(of: name, in: directory).suffix(program.count).elementsEqual(program))
    }
}

@Test func aCacheThatCannotBeWrittenIsNoFailure() throws {
    let cache = SeccompCache(directory: "/proc/nowhere")
    #expect(try cache.filter(for: profile) == profile.compile())
}
