import Glibc
import Images
import Linux
import OCI
import SystemPackage

/// Builds tars byte by byte, so that malformed ones can be made.
struct RawTar {
    var bytes: [UInt8] = []

    /// One header. `size` and `fields` (offset and bytes) stand over what is computed.
    mutating func header(
        _ name: [UInt8], type: Character = "0", mode: Int = 0o644, uid: Int = 0, gid: Int = 0, size: Int = 0,
        mtime: Int = 1_600_000_000, link: [UInt8] = [], major: Int = 0, minor: Int = 0,
        magic: String = "ustar\u{0}00", fields: [(Int, [UInt8])] = [], badChecksum: Bool = false
    ) {
        var block = [UInt8](repeating: 0, count: 512)
        func put(_ at: Int, _ value: some Sequence<UInt8>) {
            for (i, byte) in value.enumerated() { block[at + i] = byte }
        }
        func octal(_ value: Int, _ width: Int) -> [UInt8] {
            let text = String(value, radix: 8)
            return Array((String(repeating: "0", count: max(width - text.count, 0)) + text).utf8)
        }
        put(0, name.prefix(100))
        put(100, octal(mode, 7))
        put(108, octal(uid, 7))
        put(116, octal(gid, 7))
        put(124, octal(size, 11))
        put(136, octal(mtime, 11))
        put(156, [type == "\0" ? 0 : type.asciiValue ?? 0])
        put(157, link.prefix(100))
        put(257, magic.utf8)
        put(329, octal(major, 7))
        put(337, octal(minor, 7))
        for (at, value) in fields { put(at, value) }
        put(148, [UInt8](repeating: 0x20, count: 8))
        let sum = block.reduce(0) { $0 + Int($1) } + (badChecksum ? 1 : 0)
        put(148, octal(sum, 6) + [0, 0x20])
        bytes += block
    }

    mutating func data(_ content: [UInt8]) {
        bytes += content
        bytes += [UInt8](repeating: 0, count: (512 - content.count % 512) % 512)
    }

    mutating func file(
        _ name: String, _ content: String = "", mode: Int = 0o644, uid: Int = 0, gid: Int = 0,
        mtime: Int = 1_600_000_000
    ) {
        header(
            Array(name.utf8), mode: mode, uid: uid, gid: gid, size: content.utf8.count, mtime: mtime)
        data(Array(content.utf8))
    }

    mutating func directory(_ name: String, mode: Int = 0o755) {
        header(Array(name.utf8), type: "5", mode: mode)
    }
    mutating func symlink(_ name: String, to target: String) {
        header(Array(name.utf8), type: "2", link: Array(target.utf8))
    }
    mutating func hardLink(_ name: String, to target: String) {
        header(Array(name.utf8), type: "1", link: Array(target.utf8))
    }
    mutating func device(_ name: String, _ major: Int, _ minor: Int) {
        header(Array(name.utf8), type: "3", major: major, minor: minor)
    }

    static func record(_ key: String, _ value: [UInt8]) -> [UInt8] {
        let rest = key.utf8.count + value.count + 3
        var length = rest + 1
        while length != rest + String(length).utf8.count { length += 1 }
        return Array("\(length) \(key)=".utf8) + value + [0x0a]
    }

    mutating func pax(_ records: [(String, [UInt8])], type: Character = "x") {
        let body = records.flatMap { Self.record($0.0, $0.1) }
        header(Array("PaxHeader".utf8), type: type, size: body.count)
        data(body)
    }
    mutating func pax(_ key: String, _ value: String) { pax([(key, Array(value.utf8))]) }

    mutating func longName(_ name: [UInt8], type: Character = "L") {
        header(Array("././@LongLink".utf8), type: type, size: name.count + 1, magic: "ustar  \u{0}")
        data(name + [0])
    }

    /// With the end blocks.
    var closed: [UInt8] { bytes + [UInt8](repeating: 0, count: 1024) }

    static func make(_ build: (inout RawTar) -> Void) -> [UInt8] {
        var tar = RawTar()
        build(&tar)
        return tar.closed
    }
}

/// A directory that is removed afterwards.
func withScratch<R>(_ body: (FilePath) throws -> R) throws -> R {
    let path = FilePath("/tmp/apus-images-\(SHA256.hex(of: Kernel.random(8)).prefix(16))")
    let scratch = try FD.directory(path, make: true)
    defer { _ = try? FD.directory("/tmp").removeTree(path.lastComponent.map { FilePath($0.string) } ?? "") }
    _ = scratch
    return try body(path)
}

/// A file with these bytes, open at its first.
func openFile(_ bytes: [UInt8], in scratch: FilePath) throws -> FD {
    let path = scratch.appending("input-\(SHA256.hex(of: Kernel.random(8)).prefix(12))")
    do {
        let file = try FD.open(path, [.writeOnly, .create, .exclusive])
        try file.writeAll(bytes)
    }
    return try FD.open(path)
}

/// Runs a program with standard input and output from and to files; its exit code.
@discardableResult
func run(_ arguments: [String], input: [UInt8]? = nil, in scratch: FilePath) throws -> [UInt8] {
    let output = scratch.appending("output-\(SHA256.hex(of: Kernel.random(8)).prefix(12))")
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    if let input {
        let path = scratch.appending("stdin-\(SHA256.hex(of: Kernel.random(8)).prefix(12))")
        try FD.open(path, [.writeOnly, .create, .exclusive]).writeAll(input)
        posix_spawn_file_actions_addopen(&actions, 0, path.string, O_RDONLY, 0)
    }
    posix_spawn_file_actions_addopen(&actions, 1, output.string, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    var argv = arguments.map { strdup($0) } + [nil]
    defer { for argument in argv { free(argument) } }
    var pid: pid_t = 0
    guard posix_spawnp(&pid, arguments[0], &actions, nil, &argv, environ) == 0 else {
        throw TestFailure("cannot start \(arguments[0])")
    }
    var status: CInt = 0
    waitpid(pid, &status, 0)
    guard status == 0 else { throw TestFailure("\(arguments) ended with \(status)") }
    return try FD.open(output).readAll(limit: 1 << 30)
}

struct TestFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

let isRoot = geteuid() == 0

extension ImageStore {
    /// Imports a tar without a name; its only layer's tree.
    func tree(ofImporting tar: [UInt8], _ scratch: FilePath) throws -> FilePath {
        let file = try openFile(tar, in: scratch)
        let image = try importRoot(file, as: nil, process: .init(), comment: nil)
        guard let layer = layer(image.config.diffIDs[0]) else { throw TestFailure("no layer") }
        return layer.tree
    }
}

/// What lies below a directory: a line for each name, sorted, with what an image can determine.
func listing(_ root: FilePath) throws -> [String] {
    var lines: [String] = []
    func walk(_ directory: borrowing FD, _ prefix: String) throws {
        for entry in try directory.entries().map(\.name).sorted(by: { $0.string < $1.string }) {
            guard let status = try directory.status(of: entry) else { continue }
            lines.append(prefix + entry.string + " " + (try describe(entry, status, in: directory)))
            if status.type == .directory {
                let child = try directory.open(entry, [.readOnly, .directory], resolve: [.noSymlinks])
                if let value = try child.attributeIfSet("trusted.overlay.opaque") {
                    lines.append(prefix + entry.string + " opaque=" + String(decoding: value, as: UTF8.self))
                }
                try walk(child, prefix + entry.string + "/")
            }
        }
    }
    try walk(try FD.directory(root), "")
    return lines
}

private func describe(_ name: FilePath, _ status: FileStatus, in directory: borrowing FD) throws -> String {
    switch status.type {
    case .symlink: return "-> \(try directory.readSymlink(name))"
    case .character, .block: return "\(status.type) \(status.rdevMajor):\(status.rdevMinor)"
    case .regular:
        let content = try directory.open(name, resolve: [.noSymlinks]).readAll(limit: 1 << 20)
        return "file \(String(status.permissions, radix: 8)) \(String(decoding: content, as: UTF8.self))"
    default: return "\(status.type) \(String(status.permissions, radix: 8))"
    }
}
