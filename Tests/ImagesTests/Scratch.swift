import Glibc
import Images
import Linux
import OCI
import SystemPackage

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
