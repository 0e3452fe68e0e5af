import Linux
import SystemPackage

@testable import Engine

/// A directory of its own that is removed with it.
final class Scratch {
    private let name = FilePath("apus-engine-\(SHA256.hex(of: Kernel.random(8)).prefix(16))")
    let path: FilePath
    /// An engine's places in it.
    var paths: EnginePaths { EnginePaths(root: path, run: path.appending("run")) }

    init() throws {
        path = FilePath("/tmp").appending(name.components)
        _ = try FD.directory(path, make: true)
    }
    deinit { _ = try? FD.directory("/tmp").removeTree(name) }  // the test's own failure counts
}
