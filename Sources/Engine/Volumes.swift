import Linux
import OCI
import Runtime
import SystemPackage

/// Volumes: directories below `volumes/`, named by the user or by 64 random digits, and the mounts that a
/// container's options ask for.
struct Volumes {
    let paths: EnginePaths

    init(_ paths: EnginePaths) { self.paths = paths }

    /// Does what makes a container's volumes and then the record that names them: no prune comes between.
    func withoutPrune(of config: ContainerConfig, _ body: () throws -> Void) throws {
        let hasVolume = all(config).contains { option in
            if case .volume = option.kind { true } else { false }
        }
        guard hasVolume else { return try body() }
        let directory = try FD.directory(paths.volumes, make: true)
        try directory.lock(shared: true)
        defer { withExtendedLifetime(directory) {} }  // closing it ends the lock
        try body()
    }

    /// All mounts of a container in the order they are made: parents before what lies below them. Volumes are
    /// created; an empty one gets what the image has in its place, with owner and mode.
    func prepare(_ config: ContainerConfig, layers: [FilePath]) throws -> [RuntimeSpec.Mount] {
        var mounts: [RuntimeSpec.Mount] = []
        for option in all(config) {
            switch option.kind {
            case .tmpfs(let options): mounts.append(tmpfs(option, options))
            case .bind(let source, let makesSource, let recursive):
                try checkSource(source, makes: makesSource)
                mounts.append(bind(option, source, recursive: recursive))
            case .volume(let name, let copies):
                let directory = try makeVolume(name ?? anonymousName(config, option.target))
                if copies { try copyUp(option.target, to: directory, layers: layers) }
                mounts.append(bind(option, directory.string, recursive: true))
            }
        }
        return mounts.sorted { depth($0.destination) < depth($1.destination) }
    }

    /// Options of the command line, then the image's own volumes where nothing else is mounted.
    private func all(_ config: ContainerConfig) -> [MountOption] {
        let taken = Set(config.host.mounts.map(\.target))
        let image = config.process.volumes.map(cleanPath).filter { !taken.contains($0) }.sorted()
        return config.host.mounts + image.map { MountOption(.volume(name: nil, copies: true), target: $0) }
    }

    /// The directories of a container's nameless volumes, which go with it.
    func anonymous(of config: ContainerConfig) -> [FilePath] {
        all(config).compactMap { option in
            guard case .volume(nil, _) = option.kind else { return nil }
            return paths.volumes.appending(anonymousName(config, option.target))
        }
    }

    func removeAnonymous(of config: ContainerConfig) throws(SysError) {
        let directory = try FD.directory(paths.volumes, make: true)
        for volume in anonymous(of: config) {
            if let name = volume.lastComponent { try directory.removeTree(FilePath(name.string)) }
        }
    }

    /// Name and directory of every volume of a container, by where it is mounted.
    func mounted(by config: ContainerConfig) -> [String: (name: String, source: String)] {
        var result: [String: (name: String, source: String)] = [:]
        for option in all(config) {
            guard case .volume(let given, _) = option.kind else { continue }
            let name = given ?? anonymousName(config, option.target)
            result[option.target] = (name, dataDirectory(name).string)
        }
        return result
    }

    private func dataDirectory(_ name: String) -> FilePath {
        paths.volumes.appending(name).appending("_data")
    }

    /// 64 digits that derive from the container and the place, so that no list of them has to be kept.
    private func anonymousName(_ config: ContainerConfig, _ target: String) -> String {
        SHA256.hex(of: Array("\(config.id):\(target)".utf8))
    }

    private func depth(_ path: String) -> Int { path.utf8.count { $0 == UInt8(ascii: "/") } }

    private func tmpfs(_ option: MountOption, _ options: [String]) -> RuntimeSpec.Mount {
        RuntimeSpec.Mount(
            destination: option.target, type: "tmpfs", source: "tmpfs",
            options: ["nosuid", "nodev", "noexec"] + options)
    }

    private func bind(_ option: MountOption, _ source: String, recursive: Bool) -> RuntimeSpec.Mount {
        var words = [recursive ? "rbind" : "bind", option.propagation ?? "rprivate"]
        // Devices only work where they were put on purpose.
        if !source.hasPrefix("/dev") { words += ["nosuid", "nodev"] }
        if option.isReadOnly { words += ["ro", "rro"] }
        return RuntimeSpec.Mount(destination: option.target, type: "bind", source: source, options: words)
    }

    private func checkSource(_ source: String, makes: Bool) throws {
        do {
            _ = try FD.open(FilePath(source), .path)
        } catch {
            guard error.errno == .noSuchFileOrDirectory else {
                throw EngineError("invalid mount config for type \"bind\": \(error)")
            }
            guard makes else {
                throw EngineError(
                    "invalid mount config for type \"bind\": bind source path does not exist: \(source)")
            }
            _ = try FD.directory(FilePath(source), make: true, mode: 0o755)
        }
    }

    private func makeVolume(_ name: String) throws -> FilePath {
        let directory = dataDirectory(name)
        let data = try FD.directory(directory, make: true)
        let status = try data.status()
        if status.permissions == 0o700 { try Kernel.changeMode(data, 0o755) }
        return directory
    }
}
