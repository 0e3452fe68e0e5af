import Linux
import SystemPackage

/// What a build reads before it does anything: the context's descriptor, the Dockerfile and the ignore rules.
struct BuildInputs: ~Copyable {
    static let largestDockerfile = 16 << 20

    let context: FD
    let file: Dockerfile
    let ignore: DockerIgnore

    static func read(_ options: BuildOptions) throws -> BuildInputs {
        let context = try Self.openContext(options.contextPath)
        let name = options.dockerfilePath ?? "Dockerfile"
        let bytes: [UInt8]
        if name == "-" {
            bytes = try FD.open("/dev/stdin").readAll(limit: Self.largestDockerfile)
        } else if options.dockerfilePath == nil {
            bytes = try Self.read(name, below: context)
        } else {
            // The user's own word, so it may lie anywhere; it is relative to the current directory, as in docker.
            bytes = try Self.read(options.dockerfilePath ?? name)
        }
        let file = try Dockerfile(parsing: bytes, name: name == "-" ? "stdin" : name.string)
        let ignore = try Self.readIgnore(context, options.dockerfilePath ?? "Dockerfile", options.contextPath)
        return BuildInputs(context: context, file: file, ignore: ignore)
    }

    private static func openContext(_ path: FilePath) throws -> FD {
        do throws(SysError) {
            return try FD.open(path, [.readOnly, .directory])
        } catch {
            switch error.errno {
            case .noSuchFileOrDirectory:
                throw BuildError("unable to prepare context: path \"\(path.string)\" not found")
            case .notDirectory:
                throw BuildError("unable to prepare context: \(path.string) is not a directory")
            default: throw BuildError("unable to prepare context: \(error)")
            }
        }
    }

    /// The Dockerfile of a context: what a hostile context links to outside is not reached.
    private static func read(_ name: FilePath, below context: borrowing FD) throws -> [UInt8] {
        do throws(SysError) {
            let file = try context.open(name, [.readOnly, .nonBlocking, .noTTY])
            return try regular(file, name.string)
        } catch { throw missing(name, error) }
    }

    private static func read(_ path: FilePath) throws -> [UInt8] {
        do throws(SysError) {
            return try regular(try FD.open(path, [.readOnly, .nonBlocking, .noTTY]), path.string)
        } catch { throw missing(path, error) }
    }

    private static func regular(_ file: borrowing FD, _ name: String) throws(SysError) -> [UInt8] {
        let type = try file.status().type
        // A pipe is what a shell's <(...) gives.
        guard type == .regular || type == .fifo else {
            let errno: Errno = type == .directory ? .isDirectory : .invalidArgument
            throw SysError(call: "open", subject: name, errno: errno)
        }
        if type == .fifo { try file.setNonBlocking(false) }
        return try file.readAll(limit: largestDockerfile)
    }

    private static func missing(_ path: FilePath, _ error: SysError) -> BuildError {
        BuildError("unable to prepare context: unable to evaluate symlinks in Dockerfile path: \(error)")
    }

    /// `<Dockerfile>.dockerignore` beside the Dockerfile comes before the context's own.
    private static func readIgnore(
        _ context: borrowing FD, _ dockerfile: FilePath, _ contextPath: FilePath
    ) throws -> DockerIgnore {
        let special = FilePath(bytes: dockerfile.bytes + Array(".dockerignore".utf8))
        let base = dockerfile == "Dockerfile" ? contextPath.pushing(special) : special
        if dockerfile != "-", let bytes = try optional(base) {
            return try DockerIgnore(parsing: bytes, name: special.string)
        }
        let resolved = try context.resolve(".dockerignore")
        guard let status = resolved.status else { return DockerIgnore() }
        guard status.type == .regular else { throw BuildError(".dockerignore is not a regular file") }
        let bytes = try context.openResolved(resolved.path).readAll(limit: 1 << 20)
        return try DockerIgnore(parsing: bytes, name: ".dockerignore")
    }

    private static func optional(_ path: FilePath) throws -> [UInt8]? {
        do throws(SysError) {
            let file = try FD.open(path, [.readOnly, .nonBlocking, .noFollow])
            guard try file.status().type == .regular else { return nil }
            return try file.readAll(limit: 1 << 20)
        } catch {
            if error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory { return nil }
            throw error
        }
    }
}
