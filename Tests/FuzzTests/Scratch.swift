import Linux
import SystemPackage

@testable import Images

/// A directory for one run, in memory where there is such a place: `root` is what an input may fill, and what lies
/// beside it, or where absolute names lead, nobody may touch.
final class Scratch {
    let path: FilePath
    private let parent: FD
    private let name: FilePath
    private let before: [FileStatus]
    private static let escape: FilePath = "/tmp/apus-fuzz-escape"

    init() throws {
        let place: FilePath = (try? FD.directory("/dev/shm")) == nil ? "/tmp" : "/dev/shm"
        parent = try FD.directory(place)
        name = FilePath("apus-fuzz-\(SHA256.hex(of: Kernel.random(8)).prefix(16))")
        try parent.makeDirectory(name)
        path = place.appending(name.string)
        let canary = try FD.directory(path.appending("canary"), make: true)
        try canary.replace("victim", with: Array("sings".utf8), mode: 0o640)
        before = try Self.look(path)
    }

    /// A new directory below `root`.
    func make(_ name: String) throws -> SharedFD {
        SharedFD(try FD.directory(path.appending("root").appending(name), make: true))
    }

    private static func look(_ path: FilePath) throws -> [FileStatus] {
        let canary = try FD.directory(path.appending("canary"))
        return [try canary.status(), try canary.status(of: "victim" as FilePath)].compactMap(\.self)
    }

    /// Nothing outside of the root has changed, not even a time.
    func check() throws {
        expect(try Self.look(path) == before, "something outside of the root has changed")
        let canary = try FD.directory(path.appending("canary"))
        expect(try canary.contents(of: "victim") == Array("sings".utf8), "a file outside was written")
        let names = try FD.directory(path).entries().map(\.name.string).sorted()
        expect(names == ["canary", "root"], "beside the root lie \(names)")
        let tmp = try FD.directory("/tmp")
        let escaped = try tmp.status(of: Self.escape.lastComponent.map { FilePath($0.string) } ?? "") != nil
        expect(!escaped, "an absolute name led out of the root")
    }

    /// What an input has made can be removed, whatever it is.
    deinit {
        do { try parent.removeTree(name) } catch { expect(false, "cannot be removed: \(error)") }
    }
}
