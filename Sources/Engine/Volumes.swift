import Linux
import Monitor
import OCI
import Runtime
import SystemPackage

/// The volumes of containers, and the mounts that a container's options ask for.
struct Volumes {
    let paths: EnginePaths
    var store: VolumeStore { VolumeStore(paths: paths) }

    init(_ paths: EnginePaths) { self.paths = paths }

    /// Does what makes a container's volumes and then the record that names them: no prune comes between.
    func withoutPrune(of config: ContainerConfig, _ body: () throws -> Void) throws {
        guard all(config).contains(where: { $0.volume != nil }) else { return try body() }
        let directory = try FD.directory(paths.volumes, make: true)
        try directory.lock(shared: true)
        defer { withExtendedLifetime(directory) {} }  // closing it ends the lock
        try body()
    }

    /// What a new container's record says of its mounts: the image's own with the rest, and a name for every volume.
    func complete(_ config: ContainerConfig) -> [MountOption] {
        all(config).map { option in
            guard var volume = option.volume, volume.name == nil else { return option }
            volume.name = ContainerName.newID()
            var named = option
            named.kind = .volume(volume)
            return named
        }
    }

    /// All mounts of a container in the order they are made: parents before what lies below them. Volumes are
    /// created; an empty one gets what the image has in its place, with owner and mode. `held` keeps them until the
    /// container's record is there.
    func prepare(
        _ config: ContainerConfig, layers: [FilePath], holding held: inout [VolumeStore.Held]
    ) throws -> Prepared {
        var prepared = Prepared()
        for option in all(config) {
            switch option.kind {
            case .tmpfs(let options): prepared.mounts.append(tmpfs(option, options))
            case .bind(let bind):
                let status =
                    try sourceStatus(bind)
                    ?? FD.directory(FilePath(bind.source), make: true, mode: 0o755).status()
                prepared.add(self.bind(option, bind.source, recursive: bind.isRecursive), bind, status)
            case .volume(let volume):
                prepared.add(try mount(volume, option, config, layers: layers, holding: &held), volume)
            }
        }
        prepared.sort()
        return prepared
    }

    /// The mounts that `prepare` would answer, and what it would make for them. Makes nothing.
    func plan(_ config: ContainerConfig) throws -> (prepared: Prepared, made: [String]) {
        var prepared = Prepared()
        var made: [String] = []
        for option in named(config) {
            switch option.kind {
            case .tmpfs(let options): prepared.mounts.append(tmpfs(option, options))
            case .bind(let bind):
                let status = try sourceStatus(bind)
                if status == nil { made.append("directory \(bind.source)") }
                prepared.add(self.bind(option, bind.source, recursive: bind.isRecursive), bind, status)
            case .volume(let volume):
                let name = volume.name ?? ""
                let found = try store.read(name)
                if found == nil { made.append(volume.isAnonymous ? "a nameless volume" : "volume \(name)") }
                var new = VolumeRecord(name, created: .now(), isAnonymous: volume.isAnonymous)
                new.options = volume.options
                prepared.add(try mount(volume, option, name, try (found ?? new).backing()), volume)
            }
        }
        prepared.sort()
        return (prepared, made)
    }

    /// The mounts, and what is to be known of their sources by where they are mounted.
    struct Prepared {
        var mounts: [RuntimeSpec.Mount] = []
        var sources: [String: BindSource] = [:]

        /// `status` is the source's, where it is there.
        mutating func add(_ mount: RuntimeSpec.Mount, _ bind: MountOption.Bind, _ status: FileStatus?) {
            mounts.append(mount)
            guard let status else { return }
            var source = BindSource(device: status.device, inode: status.inode)
            source.mapsOwner = bind.mapsOwner
            sources[mount.destination] = source
        }

        mutating func add(_ mount: RuntimeSpec.Mount, _ volume: MountOption.Volume) {
            mounts.append(mount)
            if let subpath = volume.subpath {
                sources[mount.destination] = BindSource(subpath: FilePath(subpath))
            }
        }

        /// Parents before what lies below them.
        mutating func sort() {
            func depth(_ path: String) -> Int { path.utf8.count { $0 == UInt8(ascii: "/") } }
            mounts.sort { depth($0.destination) < depth($1.destination) }
        }
    }

    /// Options of the command line, then the image's own volumes where nothing else is mounted.
    private func all(_ config: ContainerConfig) -> [MountOption] {
        let taken = Set(config.host.mounts.map(\.target))
        let image = config.process.volumes.map(cleanPath).filter { !taken.contains($0) }.sorted()
        return config.host.mounts
            + image.map { target in
                var option = MountOption(.volume(MountOption.Volume(nil)), target: target)
                option.origin = .image
                return option
            }
    }

    /// All mounts of a container that is there, each volume with its name.
    func named(_ config: ContainerConfig) -> [MountOption] {
        all(config).map { option in
            guard var volume = option.volume else { return option }
            volume.name = name(volume, option, config)
            var named = option
            named.kind = .volume(volume)
            return named
        }
    }

    /// The directories of a container's nameless volumes, which go with it.
    func anonymous(of config: ContainerConfig) -> [FilePath] {
        let names = all(config).compactMap { option in
            option.volume.flatMap { $0.isAnonymous ? name($0, option, config) : nil }
        }
        return Set(names).sorted().map { paths.volumes.appending($0) }
    }

    /// Of a container whose record is gone. The others go, past what cannot be removed.
    func removeAnonymous(of config: ContainerConfig) throws(SysError) {
        let anonymous = anonymous(of: config)
        guard !anonymous.isEmpty else { return }
        let directory = try FD.directory(paths.volumes, make: true)
        let containers = try FD.directory(paths.containers, make: true)
        var failure: SysError?
        for volume in anonymous {
            guard let name = volume.lastComponent else { continue }
            do throws(SysError) {
                let isGone = try AnonymousVolumes.remove(
                    FilePath(name.string), of: config.id, in: directory, containers: containers)
                if isGone { EventLog(in: paths.run).tell(AnonymousVolumes.destroyed(name.string)) }
            } catch { failure = failure ?? error }
        }
        if let failure { throw failure }
    }

    /// Name and directory of every volume of a container, by where it is mounted.
    func mounted(by config: ContainerConfig) -> [String: (name: String, source: String)] {
        var result: [String: (name: String, source: String)] = [:]
        for option in all(config) {
            guard let volume = option.volume else { continue }
            let name = name(volume, option, config)
            result[option.target] = (name, store.mountpoint(name).string)
        }
        return result
    }

    /// What is told of them when the container runs.
    func uses(of config: ContainerConfig) -> [VolumeUse] {
        named(config).compactMap { option in
            option.volume?.name.map {
                VolumeUse(name: $0, destination: option.target, isReadOnly: option.isReadOnly)
            }
        }
    }

    /// Older records name no nameless volume: theirs derive from the container and the place.
    private func name(
        _ volume: MountOption.Volume, _ option: MountOption, _ config: ContainerConfig
    ) -> String {
        volume.name ?? SHA256.hex(of: Array("\(config.id):\(option.target)".utf8))
    }

    private func tmpfs(_ option: MountOption, _ options: [String]) -> RuntimeSpec.Mount {
        RuntimeSpec.Mount(
            destination: option.target, type: "tmpfs", source: "tmpfs",
            options: ["nosuid", "nodev", "noexec"] + options)
    }

    private func bind(_ option: MountOption, _ source: String, recursive: Bool) -> RuntimeSpec.Mount {
        var words = [recursive ? "rbind" : "bind", option.propagation ?? "rprivate"]
        // Devices only work where they were put on purpose.
        if source != "/dev", !source.hasPrefix("/dev/") { words += ["nosuid", "nodev"] }
        if option.isReadOnly {
            words.append("ro")
            // What is mounted below is read-only, too.
            if case .bind(let bind) = option.kind, bind.keepsSubmountsWritable {} else { words.append("rro") }
        }
        return RuntimeSpec.Mount(destination: option.target, type: "bind", source: source, options: words)
    }

    /// Nil when it is missing and to be made.
    private func sourceStatus(_ bind: MountOption.Bind) throws -> FileStatus? {
        do {
            return try FD.open(FilePath(bind.source), .path).status()
        } catch {
            guard error.errno == .noSuchFileOrDirectory else {
                throw EngineError("invalid mount config for type \"bind\": \(error)")
            }
            guard bind.makesSource else {
                throw EngineError(
                    "invalid mount config for type \"bind\": bind source path does not exist: \(bind.source)")
            }
            return nil
        }
    }
}

extension Volumes {
    private func mount(
        _ volume: MountOption.Volume, _ option: MountOption, _ config: ContainerConfig, layers: [FilePath],
        holding held: inout [VolumeStore.Held]
    ) throws -> RuntimeSpec.Mount {
        let name = name(volume, option, config)
        var new = VolumeRecord(name, created: .now(), isAnonymous: volume.isAnonymous)
        new.labels.merge(volume.labels) { _, typed in typed }
        new.options = volume.options
        _ = try new.backing()
        // What only a container with --rm has goes with it: a crash may forget it.
        let durable = !(volume.isAnonymous && config.host.removesItself)
        let copies = volume.copies && volume.subpath == nil
        let made = try store.hold(new, user: config.id, durable: durable) { data in
            copies ? try copyUp(option.target, to: data, layers: layers) : false
        }
        held.append(made.volume)
        let backing = try made.record.backing()
        switch backing {
        case .directory:
            if copies, !made.isNew {
                try fill(made.volume.data(), of: made.volume, option, layers: layers, durable: durable)
            }
        case .bind(let device, _):
            try fill(
                try openDevice(device, store.mountpoint(name).string), of: made.volume, option,
                layers: copies ? layers : [], durable: durable)
        case .tmpfs: break
        }
        return try mount(volume, option, name, backing)
    }

    /// A volume as its driver's options have it mounted.
    private func mount(
        _ volume: MountOption.Volume, _ option: MountOption, _ name: String, _ backing: VolumeBacking
    ) throws -> RuntimeSpec.Mount {
        switch backing {
        case .directory: return bind(option, store.mountpoint(name).string, recursive: true)
        case .bind(let device, let words): return bind(option, device, words)
        case .tmpfs(let words):
            guard volume.subpath == nil else {
                throw EngineError("a tmpfs volume has no directories yet: leave volume-subpath out")
            }
            return RuntimeSpec.Mount(
                destination: option.target, type: "tmpfs", source: "tmpfs",
                options: ["nosuid", "nodev"] + words + (option.isReadOnly ? ["ro"] : []))
        }
    }

    /// One that was there, and is empty. Only one command at a time fills it.
    private func fill(
        _ data: consuming FD, of volume: VolumeStore.Held, _ option: MountOption, layers: [FilePath],
        durable: Bool
    ) throws {
        guard !layers.isEmpty, try data.status().type == .directory, try data.entries().isEmpty else {
            return
        }
        let lock = try volume.lockForFilling()
        defer { withExtendedLifetime(lock) {} }  // closing it ends the lock
        guard try data.entries().isEmpty else { return }
        if try copyUp(option.target, to: data, layers: layers), durable { try data.syncFileSystem() }
    }

    private func openDevice(_ device: String, _ directory: String) throws -> FD {
        do { return try FD.open(FilePath(device), [.readOnly, .nonBlocking, .noTTY]) } catch {
            throw EngineError(
                "error while mounting volume '\(directory)': failed to mount local volume: mount "
                    + "\(device):\(directory): \("\(error.errno)".lowercased())",
                exitCode: error.errno == .noSuchFileOrDirectory ? 127 : 125)
        }
    }

    /// A path of the host with the words of the volume's own `o`, over which the container's `ro` goes.
    private func bind(_ option: MountOption, _ device: String, _ words: [String]) -> RuntimeSpec.Mount {
        var mount = bind(option, device, recursive: words.contains("rbind"))
        let propagations = Set(["private", "rprivate", "slave", "rslave", "shared", "rshared"])
        let own = words.filter { !["bind", "rbind", "ro", "rw"].contains($0) }
        if let propagation = own.last(where: propagations.contains), option.propagation == nil {
            mount.options[1] = propagation
        }
        mount.options += own.filter { !propagations.contains($0) }
        if words.contains("ro"), !option.isReadOnly { mount.options += ["ro", "rro"] }
        return mount
    }
}
