import Linux
import SystemPackage

/// A directory of its own for one test, removed afterwards.
func withScratch<R>(_ body: (_ path: FilePath, _ directory: borrowing FD) throws -> R) throws -> R {
    let scratch = try Scratch()
    return try body(scratch.path, scratch.directory)
}

/// A directory of its own for one test, for as long as this lives.
final class Scratch: Sendable {
    let path: FilePath
    let directory: FD
    private let name: FilePath

    init() throws {
        name = FilePath("apus-test-\(SHA256.hex(of: Kernel.random(16)).prefix(16))")
        let parent = try FD.open("/tmp", [.readOnly, .directory])
        try parent.makeDirectory(name)
        path = FilePath("/tmp").appending(name.components)
        directory = try FD.open(path, [.readOnly, .directory])
    }

    deinit {
        // Nothing can be done about a directory that cannot be removed.
        try? FD.open("/tmp", [.readOnly, .directory]).removeTree(name)
    }
}
