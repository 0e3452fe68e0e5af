import Engine
import Linux
import SystemPackage

/// Where a command writes an archive: the file of `--output`, else stdout.
enum OutputFile {
    /// `refusal` goes before what is wrong with the path. A regular file appears when it is whole; one that is a link
    /// or a FIFO is written through.
    static func write(
        _ path: String?, _ refusal: String, _ body: (borrowing FD) throws -> Void
    ) throws {
        guard let path, !path.isEmpty else {
            if Standard.outIsTerminal {
                throw CommandFailure.bare(
                    "cowardly refusing to save to a terminal. Use the -o flag or redirect")
            }
            return try body(try Standard.duplicate(1))
        }
        let file = FilePath(path)
        guard let name = file.lastComponent else {
            throw CommandFailure.bare("\(refusal): invalid output path: \"\(path)\" is a directory")
        }
        let parent = file.removingLastComponent()
        let directory: FD
        do { directory = try FD.open(parent.isEmpty ? "." : parent, [.readOnly, .directory]) } catch {
            guard [.noSuchFileOrDirectory, .notDirectory].contains(error.errno) else {
                throw CommandFailure.bare("\(refusal): \(error)")
            }
            throw CommandFailure.bare(
                "\(refusal): invalid output path: directory \"\(parent)\" does not exist")
        }
        switch try directory.status(of: FilePath(name.string))?.type {
        case nil, .regular: try replace(FilePath(name.string), in: directory, body)
        case .symlink, .fifo: try body(try FD.open(file, [.writeOnly, .create, .truncate], mode: 0o600))
        case .directory:
            throw CommandFailure.bare("\(refusal): invalid output path: \"\(path)\" is a directory")
        default:
            // A rename would put a file in its place: /dev/null as a regular file breaks the host.
            throw CommandFailure.bare(
                "\(refusal): invalid output path: \"\(path)\" must be a directory or a regular file: "
                    + "got a device")
        }
    }

    private static func replace(
        _ name: FilePath, in directory: borrowing FD, _ body: (borrowing FD) throws -> Void
    ) throws {
        // A name that nobody can have put a link at.
        let temporary = FilePath(".apus-\(SHA256.hex(of: Kernel.random(16)).prefix(16)).tmp")
        do {
            let file = try directory.open(
                temporary, [.writeOnly, .create, .exclusive], mode: 0o600, resolve: [.noSymlinks])
            try body(file)
            try file.sync()
            try directory.rename(temporary, to: name, in: directory)
            try directory.sync()
        } catch {
            _ = try? directory.remove(temporary)  // the first error is the one to report
            throw error
        }
    }
}
