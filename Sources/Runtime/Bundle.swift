import Linux
public import OCI
public import SystemPackage

/// An OCI bundle: a directory with a `config.json` and, by default, a `rootfs`. The configuration is the caller's and
/// trusted; what lies in the root is not.
public struct Bundle: Sendable {
    /// Absolute.
    public let path: FilePath
    public let spec: RuntimeSpec
    /// The document as it stands in the file.
    let bytes: [UInt8]

    /// Reads a bundle. `configuration` is another file instead of its config.json.
    public init(_ path: FilePath, configuration: FilePath? = nil) throws(RuntimeError) {
        self.path = Self.absolute(path)
        let file = configuration ?? self.path.appending("config.json")
        do throws(SysError) {
            bytes = try FD.open(file).readAll(limit: 64 << 20)
        } catch {
            guard error.errno == .noSuchFileOrDirectory else {
                throw RuntimeError("unable to read \(file): \(error)")
            }
            throw RuntimeError("JSON specification file \(file) not found: no such file or directory")
        }
        do throws(JSONError) {
            spec = try RuntimeSpec(JSON(parsing: bytes))
        } catch {
            throw RuntimeError("invalid configuration \(file): \(error)")
        }
        try check()
    }

    /// The root file system's directory.
    public var rootfs: FilePath {
        let root = FilePath(spec.root.path)
        return root.isAbsolute ? root : path.pushing(root)
    }

    private static func absolute(_ path: FilePath) -> FilePath {
        guard !path.isAbsolute, let current = Kernel.currentDirectory() else { return path }
        let directory = FilePath(String(decoding: current, as: UTF8.self))
        return (path.isEmpty || path == "." ? directory : directory.pushing(path)).lexicallyNormalized()
    }

    private func check() throws(RuntimeError) {
        let version = spec.ociVersion
        guard version.hasPrefix("1.") || version.hasPrefix("1-") else {
            throw RuntimeError("unsupported ociVersion \"\(version)\": this runtime knows 1.0 to 1.2")
        }
        guard !spec.root.path.isEmpty else { throw RuntimeError("root.path cannot be empty") }
    }
}

extension RuntimeSpec.Process {
    /// What runc refuses before anything is made.
    func check() throws(RuntimeError) {
        guard !args.isEmpty else { throw RuntimeError("args must not be empty") }
        guard cwd.hasPrefix("/") else {
            throw RuntimeError(
                cwd.isEmpty ? "Cwd property must not be empty" : "Cwd must be an absolute path")
        }
    }
}
