public import Linux
import OCI
import SystemPackage

/// The containers' records on disk: `containers/<id>/{config.json,request.json,state.json,...}` and
/// `names/<name>`, a symbolic link to the id: the name is taken or it is not.
public struct Records: Sendable {
    let paths: EnginePaths

    public init(_ paths: EnginePaths) { self.paths = paths }

    /// A container as its record says.
    public struct Record: Equatable, Sendable {
        public let config: ContainerConfig
        public let state: ContainerState
    }

    // MARK: finding

    /// The id of what a user named: a whole id, else a name, else the beginning of an id that only one has. Only
    /// the last one reads a list.
    public func find(_ text: String) throws -> String {
        let name = text.hasPrefix("/") ? String(text.dropFirst()) : text
        if Self.isID(text), try exists(text) { return text }
        if let id = try lookUp(name: name) { return id }
        guard !text.isEmpty, text.utf8.allSatisfy(Self.isHex) else {
            throw Self.missing(text)
        }
        let matches = try ids().filter { $0.hasPrefix(text) }
        guard let found = matches.first else { throw Self.missing(text) }
        guard matches.count == 1 else {
            throw EngineError("multiple IDs found with provided prefix: \(text)", exitCode: 1)
        }
        return found
    }

    private static func isHex(_ byte: UInt8) -> Bool {
        (byte >= 0x30 && byte <= 0x39) || (byte >= 0x61 && byte <= 0x66)
    }
    static func isID(_ text: String) -> Bool { text.utf8.count == 64 && text.utf8.allSatisfy(isHex) }

    /// A container's directory.
    func directory(of id: String) throws -> FD {
        guard let directory = try FD.directoryIfThere(paths.container(id)) else { throw Self.missing(id) }
        return directory
    }

    static func missing(_ id: String) -> EngineError {
        EngineError("No such container: \(id)", exitCode: 1)
    }

    // Absent is an answer.
    func exists(_ id: String) throws -> Bool { try FD.directoryIfThere(paths.container(id)) != nil }

    private func lookUp(name: String) throws -> String? {
        guard ContainerName.isValid(name) else { return nil }
        guard let names = try FD.directoryIfThere(paths.names) else { return nil }
        guard let id = try names.symlinkIfThere(FilePath(name))?.string else { return nil }
        return try Self.isID(id) && exists(id) ? id : nil
    }

    /// All ids, in no order.
    public func ids() throws -> [String] {
        guard let containers = try FD.directoryIfThere(paths.containers) else { return [] }
        return try containers.entries().map(\.name.string).filter(Self.isID)
    }

    // MARK: reading

    /// A container's record. One that is damaged is reported by name and hurts no other.
    public func read(_ id: String) throws -> Record {
        let directory = try directory(of: id)
        guard let config = try document("config.json", id, directory) else {
            throw EngineError(
                "container \(id.prefix(12)) is damaged: config.json is missing; remove it with: apus rm -f \(id.prefix(12))"
            )
        }
        do {
            let state = try readState(id, directory)
            return Record(
                config: try ContainerConfig(config), state: try settled(state, of: id, in: directory))
        } catch let error as JSONError {
            throw EngineError(
                "container \(id.prefix(12)) is damaged: \(error); remove it with: apus rm -f \(id.prefix(12))"
            )
        }
    }

    /// The monitor writes it without waiting for the disk: a host that loses its power may keep the name alone.
    private func readState(_ id: String, _ directory: borrowing FD) throws -> ContainerState {
        guard let bytes = try directory.contents(of: "state.json") else { return ContainerState() }
        if Self.isBlank(bytes) {
            return lost(ContainerState(), "the host lost its power while the container ran")
        }
        return try ContainerState(parse(bytes, "state.json", id))
    }

    /// Whether nothing of a container's record has come to the disk before the host lost its power: only one with --rm
    /// is written without waiting for that.
    func isBlank(_ id: String) -> Bool {
        guard let directory = try? FD.open(paths.container(id), [.readOnly, .directory]) else { return false }
        // It is damaged otherwise.
        return (try? directory.contents(of: "config.json"))?.map(Self.isBlank) ?? false
    }

    /// Of a file without a byte, or with zeros instead of them.
    private static func isBlank(_ bytes: [UInt8]) -> Bool { bytes.allSatisfy { $0 == 0 } }

    private func document(_ name: FilePath, _ id: String, _ directory: borrowing FD) throws -> JSON? {
        try directory.contents(of: name).map { try parse($0, name, id) }
    }

    private func parse(_ bytes: [UInt8], _ name: FilePath, _ id: String) throws -> JSON {
        do {
            return try JSON(parsing: bytes)
        } catch {
            throw EngineError(
                "container \(id.prefix(12)) is damaged: \(name): \(error); remove it with: apus rm -f \(id.prefix(12))"
            )
        }
    }

    /// What ran in an earlier boot does not run any more, nor does what has neither run directory nor process: its
    /// monitor could not write down the end. How these ended nobody knows.
    private func settled(
        _ state: ContainerState, of id: String, in directory: borrowing FD
    ) throws -> ContainerState {
        guard let boot = state.bootID else { return state }
        guard boot == (try Process.bootID()) else {
            return lost(state, "the host was restarted while the container ran")
        }
        if try hasRunDirectory(id) { return state }
        // A monitor removes the run directory after its last record, so this is the last.
        guard let last = try document("state.json", id, directory) else { return state }
        let state = try ContainerState(last)
        switch state.phase {
        case .created, .exited: return state
        case .restarting: break
        case .running(let pid, let startTime, _):
            if try Process.startTime(pid: pid) == startTime { return state }
        }
        return lost(
            state, "its end could not be recorded: see whether \(paths.root) is full or was read-only")
    }

    /// Whoever makes, starts, runs or ends a container has it.
    func hasRunDirectory(_ id: String) throws(SysError) -> Bool {
        try FD.directoryIfThere(paths.runContainer(id)) != nil
    }

    private func lost(_ state: ContainerState, _ why: String) -> ContainerState {
        var lost = state
        lost.phase = .exited(code: nil)
        if case .restarting(let code, _) = state.phase { lost.phase = .exited(code: code) }
        lost.isPaused = false
        lost.error = why
        return lost
    }

    /// The record of what a user named.
    public func read(named text: String) throws -> Record { try read(try find(text)) }

    /// All records, newest first, and the error of each that is damaged.
    public func readAll() throws -> (records: [Record], damaged: [String]) {
        var records: [Record] = []
        var damaged: [String] = []
        for id in try ids() {
            do { records.append(try read(id)) } catch {
                // One that was removed meanwhile is not there.
                if try exists(id) { damaged.append("\(error)") }
            }
        }
        return (records.sorted { $0.config.created > $1.config.created }, damaged)
    }

    // MARK: writing

    /// Writes a new container whole: staged, named, renamed. `populate` fills its directory.
    public func create(_ config: ContainerConfig, durable: Bool, populate: (borrowing FD) throws -> Void)
        throws
    {
        let containers = try FD.directory(paths.containers, make: true)
        let staged = FilePath(".new-\(config.id)")
        do {
            try containers.makeDirectory(staged)
            let directory = try containers.open(staged, [.readOnly, .directory], resolve: [.beneath])
            try directory.replace("config.json", with: config.json.bytes, durable: durable)
            try populate(directory)
            try publish(config, staged, containers)
            if durable { try containers.sync() }
        } catch {
            _ = try? containers.removeTree(staged)  // the first error is the one to report
            throw Self.inWords(error, paths.root)
        }
    }

    /// A full disk by what the user knows of it; the rest as it is.
    private static func inWords(_ error: any Error, _ root: FilePath) -> any Error {
        guard let system = error as? SysError, [.noSpace, .diskQuotaExceeded].contains(system.errno) else {
            return error
        }
        return EngineError(
            "no room for a container in \(root): \(system.errno) (remove containers with `apus rm`, images with "
                + "`apus rmi`, or choose another --root)")
    }

    /// Name and directory appear together for everybody who asks with the lock of names held.
    private func publish(_ config: ContainerConfig, _ staged: FilePath, _ containers: borrowing FD) throws {
        let names = try FD.directory(paths.names, make: true)
        let lock = try lockNames(names)
        try claim(config.name, for: config.id, in: names)
        try containers.rename(staged, to: FilePath(config.id), in: containers)
        _ = consume lock
    }

    private func lockNames(_ names: borrowing FD) throws(SysError) -> FD {
        let lock = try names.open(".lock", [.readWrite, .create], mode: 0o600, resolve: [.beneath])
        try lock.lock()
        return lock
    }

    private func claim(_ name: String, for id: String, in names: borrowing FD) throws {
        if let owner = try lookUp(name: name) {
            throw EngineError(
                "Conflict. The container name \"/\(name)\" is already in use by container \"\(owner)\". "
                    + "You have to remove (or rename) that container to be able to reuse that name.")
        }
        try names.remove(FilePath(name))
        try names.makeSymlink(FilePath(name), to: FilePath(id))
    }

    /// Gives a container another name, which `record` writes down. Whoever is cut off in between leaves both names.
    func rename(_ id: String, to name: String, record: () throws -> Void) throws {
        let names = try FD.directory(paths.names, make: true)
        let lock = try lockNames(names)
        let old = try read(id).config.name
        guard old != name else {
            throw EngineError("Renaming a container with the same name as its current name", exitCode: 1)
        }
        do {
            guard ContainerName.isValid(name) else { throw ContainerName.refusal(name) }
            try claim(name, for: id, in: names)
        } catch {
            throw EngineError("Error when allocating new name: \(error)", exitCode: 1)
        }
        do { try record() } catch {
            _ = try? names.remove(FilePath(name))  // the first error is the one to report
            throw error
        }
        if try names.symlinkIfThere(FilePath(old))?.string == id {
            try names.remove(FilePath(old))
        }
        try names.sync()
        _ = consume lock
    }

    /// Whether a name is free now; `create` decides.
    public func isFree(_ name: String) throws -> Bool { try lookUp(name: name) == nil }

    /// Removes a container's name and directory. Nothing is left half: the directory is hidden first. Its run directory
    /// is the caller's, unless it has none.
    public func remove(_ id: String, name: String?) throws {
        let containers = try FD.directory(paths.containers)
        let hidden = FilePath(".removing-\(id)")
        try hide(id, as: hidden, name: name, in: containers)
        try containers.removeTree(hidden)
    }

    /// No rename and no change of its documents comes between: as they do, the names are locked first.
    private func hide(
        _ id: String, as hidden: FilePath, name: String?, in containers: borrowing FD
    ) throws {
        let names = try FD.directory(paths.names, make: true)
        let lock = try lockNames(names)
        defer { withExtendedLifetime(lock) {} }  // closing it ends the lock
        var taken = Set([name].compactMap(\.self))
        if let directory = try FD.directoryIfThere(paths.container(id)) {
            try directory.lock()
            // Another name by now; one that cannot be read has the one that is known.
            if name != nil, let record = try? read(id) { taken.insert(record.config.name) }
            try containers.rename(FilePath(id), to: hidden, in: containers)
        }
        for name in taken {
            let name = FilePath(name)
            if try names.symlinkIfThere(name)?.string == id { try names.remove(name) }
        }
    }
}
