import Linux
import Monitor
public import OCI
import SystemPackage

/// What `volume create` is asked for.
public struct NewVolume: Equatable, Sendable {
    /// nil: 64 random hexadecimal digits.
    public var name: String?
    public var driver = "local"
    public var labels: [String: String] = [:]
    public var options: [String: String] = [:]

    public init() {}
}

/// A volume as `volume ls` shows it.
public struct VolumeSummary: Equatable, Sendable {
    public let name: String
    public let mountpoint: String
    public let labels: [String: String]
}

/// The volumes of an engine: each call does one command's work; errors have docker's words.
public struct VolumeCatalog: Sendable {
    private let paths: EnginePaths
    private var volumes: Volumes { Volumes(paths) }
    private var store: VolumeStore { volumes.store }

    public init(paths: EnginePaths) { self.paths = paths }

    /// Answers the name. One that is there stays as it is.
    public func create(_ new: NewVolume) throws -> String {
        let name = try new.name.map { name throws(UsageError) in try VolumeName.checked(name) }
        var record = VolumeRecord(
            name ?? ContainerName.newID(), created: .now(), isAnonymous: name == nil)
        guard new.driver == "local" || new.driver.isEmpty else {
            throw EngineError(
                "create \(record.name): error looking up volume plugin \(new.driver): plugin \"\(new.driver)\" "
                    + "not found (only the driver local is there)", exitCode: 1)
        }
        record.labels.merge(new.labels) { _, typed in typed }
        record.options = new.options
        do { _ = try record.backing() } catch {
            throw EngineError("create \(record.name): \(error)", exitCode: 1)
        }
        // No prune takes what is being made for what somebody has left.
        let directory = try FD.directory(paths.volumes, make: true)
        try directory.lock(shared: true)
        defer { withExtendedLifetime(directory) {} }  // closing it ends the lock
        return try store.hold(record).record.name
    }

    /// Those that pass, by name, and the error of each that cannot be read.
    public func list(_ filters: VolumeFilters) throws -> (volumes: [VolumeSummary], damaged: [String]) {
        var found: [VolumeSummary] = []
        var damaged: [String] = []
        let used = filters.wantsUse ? try users().names : []
        for name in try store.names() {
            do {
                guard let record = try store.read(name) else { continue }  // it has just been removed
                guard filters.holds(record, isUsed: used.contains(name)) else { continue }
                found.append(
                    VolumeSummary(
                        name: name, mountpoint: store.mountpoint(name).string, labels: record.labels))
            } catch { damaged.append("\(error)") }
        }
        return (found, damaged)
    }

    /// docker's document.
    public func inspect(_ name: String) throws -> JSON {
        guard let document = try inspectIfThere(name) else { throw Self.missing(name) }
        return document
    }

    /// Nil when there is no such volume.
    public func inspectIfThere(_ name: String) throws -> JSON? {
        try store.read(name)?.document(mountpoint: store.mountpoint(name).string)
    }

    /// Removes a volume that no container has; false where there is none and `force` takes that for done.
    @discardableResult
    public func remove(_ name: String, force: Bool) throws -> Bool {
        guard VolumeName.isValid(name), let directory = try FD.directoryIfThere(paths.volumes),
            try directory.status(of: FilePath(name)) != nil
        else {
            if force { return false }
            throw Self.missing(name)
        }
        try store.lockAll(directory)
        let (containers, damaged) = try Records(paths).readAll()
        let users = containers.filter { uses($0.config).contains(name) }.map(\.config.id)
        guard users.isEmpty else {
            throw EngineError(
                "remove \(name): volume is in use - [\(users.joined(separator: ", "))]", exitCode: 1)
        }
        if let first = damaged.first {
            throw EngineError("remove \(name): it may be in use: \(first)", exitCode: 1)
        }
        try store.remove(name, in: directory)
        return true
    }

    static func missing(_ name: String) -> EngineError {
        EngineError("get \(name): no such volume", exitCode: 1)
    }

    private func uses(_ config: ContainerConfig) -> Set<String> {
        Set(volumes.mounted(by: config).values.map(\.name))
    }

    private func users() throws -> (names: Set<String>, damaged: [String]) {
        let (containers, damaged) = try Records(paths).readAll()
        return (containers.reduce(into: []) { $0.formUnion(uses($1.config)) }, damaged)
    }

    /// Removes what no container has: those without a name of their own, or with `all` every one. With a container
    /// whose record cannot be read nothing is removed: it may have any of them.
    public func prune(
        all: Bool = false, _ filters: PruneFilters = PruneFilters(), isDryRun: Bool,
        after gone: Reclaimed.Gone = Reclaimed.Gone()
    ) throws -> Reclaimed {
        var result = Reclaimed()
        guard let directory = try FD.directoryIfThere(paths.volumes) else { return result }
        if isDryRun { try directory.lock() } else { try store.lockAll(directory) }
        let (containers, damaged) = try Records(paths).readAll()
        guard damaged.isEmpty else {
            result.warnings = damaged + ["no volume is removed until these containers are"]
            return result
        }
        let left = containers.map(\.config).filter { !gone.contains($0.id) }
        for volume in try volumes.usage(by: left) where volume.links == 0 {
            do {
                guard let record = try store.read(volume.name) else { continue }
                guard all || record.isAnonymous,
                    filters.holds(created: record.created, labels: record.labels)
                else { continue }
                if !isDryRun { try store.remove(volume.name, in: directory) }
                result.lines.append(volume.name)
                result.bytes += volume.bytes
            } catch let error as EngineError { result.warnings.append(error.description) }  // the others go
        }
        if !isDryRun {
            EventLog(in: paths.run).tell(Event("volume", "prune", id: "", ["reclaimed": "\(result.bytes)"]))
        }
        return result
    }
}

/// A volume with what it takes.
public struct VolumeUsage: Equatable, Sendable {
    public let name: String
    /// How many containers have it.
    public let links: Int
    /// Of its files, without its record.
    public let bytes: Int64
}

extension Volumes {
    /// All volumes, by name.
    func usage(by containers: [ContainerConfig]) throws -> [VolumeUsage] {
        var links: [String: Int] = [:]
        for container in containers {
            for name in Set(mounted(by: container).values.map(\.name)) { links[name, default: 0] += 1 }
        }
        guard let directory = try FD.directoryIfThere(paths.volumes) else { return [] }
        return try store.names().map { name in
            VolumeUsage(
                name: name, links: links[name] ?? 0,
                bytes: try directory.treeSize(of: FilePath(name).appending(VolumeStore.data.string)))
        }
    }
}

/// `volume ls --filter`: alternatives within `driver` and `name`; labels must all hold.
public struct VolumeFilters: Equatable, Sendable {
    private var isDangling: Bool?
    private var drivers: [String] = []
    private var names: [String] = []
    private var labels: [String] = []

    public init() {}

    /// Takes one `key=value`.
    public mutating func add(_ text: String) throws(UsageError) {
        let term = try FilterTerm(text, of: ["dangling", "driver", "label", "name"])
        switch term.key {
        case "dangling":
            guard ["true", "1", "false", "0"].contains(term.value) else { throw term.refusal }
            isDangling = term.value == "true" || term.value == "1"
        case "driver": drivers.append(term.value)
        case "label": labels.append(term.value)
        default:
            try term.checkExpression()
            names.append(term.value)
        }
    }

    /// Whether it must be known who has a volume.
    var wantsUse: Bool { isDangling != nil }

    func holds(_ record: VolumeRecord, isUsed: Bool) -> Bool {
        if let isDangling, isDangling == isUsed { return false }
        if !drivers.isEmpty, !drivers.contains("local") { return false }
        return (names.isEmpty || names.contains { FilterTerm.matches(record.name, $0) })
            && labels.allSatisfy { FilterTerm.hasLabel($0, record.labels) }
    }
}
