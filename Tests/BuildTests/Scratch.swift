import Linux
import SystemPackage

@testable import Build

/// A directory of one test, removed with it.
final class Scratch {
    let path: FilePath
    let root: FD

    init() throws {
        let parent = try FD.directory("/tmp")
        var name = FilePath("")
        while true {
            name = FilePath("apus-build-test-\(UInt32.random(in: 0 ... .max))")
            if try parent.status(of: name) == nil { break }
        }
        try parent.makeDirectory(name, mode: 0o755)
        path = FilePath("/tmp").pushing(name)
        root = try parent.open(name, [.readOnly, .directory])
    }

    deinit {
        if let parent = try? FD.directory("/tmp"), let name = path.lastComponent {
            try? parent.removeTree(FilePath(name.string))
        }
    }

    /// Writes a file, making its directories.
    func write(_ name: FilePath, _ text: String, mode: UInt32 = 0o644) throws {
        let parent = try root.openMaking(name.removingLastComponent(), mode: 0o755)
        let file = try parent.open(
            FilePath(bytes: name.fileName), [.writeOnly, .create, .truncate], mode: mode)
        try file.changeMode(mode)
        try file.writeAll(Array(text.utf8))
    }

    func makeDirectory(_ name: FilePath) throws { _ = try root.openMaking(name, mode: 0o755) }

    func read(_ name: FilePath) throws -> String? {
        try root.contents(of: name).map { String(decoding: $0, as: UTF8.self) }
    }

    /// A tree that COPY reads from, here or below.
    func tree(_ below: FilePath = ".", ignore: String = "", cache: StatCache? = nil) throws -> SourceTree {
        SourceTree(
            root: try root.open(below, [.readOnly, .directory]),
            ignore: try DockerIgnore(parsing: Array(ignore.utf8), name: ".dockerignore"), keepsOwners: false,
            cache: cache)
    }
}

/// What a call throws, as text.
func message(_ body: () throws -> some Any) -> String {
    do {
        _ = try body()
        return "no error"
    } catch { return "\(error)" }
}
