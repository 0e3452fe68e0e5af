public import Linux
public import OCI
public import SystemPackage

/// What `create` writes down of a container, in `state.json` of its state directory.
public struct ContainerRecord: Equatable, Sendable {
    public let id: String
    /// 0 while hooks of its creation run, or when they were cut off.
    public internal(set) var pid: Int32
    /// Clock ticks since boot: a pid given to another process later is not taken for the container's.
    public internal(set) var startTime: UInt64
    public let bundle: String
    public let rootfs: String
    /// RFC 3339.
    public let created: String
    public let annotations: [String: String]
    /// Nil: it stayed in its caller's.
    public let cgroup: CgroupPlace?
    public let hasKeyring: Bool

    init(_ json: JSON) throws(JSONError) {
        id = try json.requireString("id")
        pid = Int32(clamping: try json.requireInt("pid"))
        startTime = UInt64(clamping: try json.requireInt("startTime"))
        bundle = try json.requireString("bundle")
        rootfs = try json.requireString("rootfs")
        created = try json.requireString("created")
        var annotations: [String: String] = [:]
        for member in try json.mapOrEmpty("annotations") { annotations[member.key] = member.value }
        self.annotations = annotations
        cgroup = json["cgroup"].flatMap(CgroupPlace.init)
        hasKeyring = try json.optionalBool("hasKeyring") ?? true
    }

    init(
        id: String, bundle: String, rootfs: String, annotations: [String: String], cgroup: CgroupPlace?,
        hasKeyring: Bool
    ) {
        (self.id, pid, startTime, self.bundle, self.rootfs) = (id, 0, 0, bundle, rootfs)
        (created, self.annotations) = (Timestamp.now().rfc3339Nano, annotations)
        (self.cgroup, self.hasKeyring) = (cgroup, hasKeyring)
    }

    var json: JSON {
        .fields([
            "id": .string(id), "pid": .number(pid), "startTime": .number(startTime),
            "bundle": .string(bundle), "rootfs": .string(rootfs), "created": .string(created),
            "annotations": .nonEmpty(annotations), "cgroup": cgroup?.json,
            "hasKeyring": .bool(hasKeyring),
        ])
    }
}

extension CgroupPlace {
    fileprivate init?(_ json: JSON) {
        guard let path = json["path"]?.string else { return nil }
        var unit: Unit?
        if let name = json["unit"]?.string, let slice = json["slice"]?.string {
            unit = Unit(name: name, slice: slice)
        }
        self.init(path: FilePath(path), unit: unit)
    }

    fileprivate var json: JSON {
        .fields([
            "path": .string(path.string), "unit": unit.map { .string($0.name) },
            "slice": unit.map { .string($0.slice) },
        ])
    }
}

/// The state directory of one container below the runtime's root (`--root`): its record, its configuration as it was
/// at `create`, the FIFOs of its start, and its lock.
public struct StateDirectory: ~Copyable {
    public let id: String
    public let directory: FD
    private let root: FD

    private static let record: FilePath = "state.json"
    private static let configuration: FilePath = "config.json"

    /// Beside the state directories: the compiled filters. No container can have this name.
    static let filters = "@seccomp"

    /// Letters, digits and `_+-.`, as runc has them; never a path.
    public static func isID(_ id: String) -> Bool {
        guard !id.isEmpty, id.utf8.count <= 1024, id != ".", id != ".." else { return false }
        return id.utf8.allSatisfy { c in
            (0x30...0x39).contains(c) || (0x41...0x5a).contains(c) || (0x61...0x7a).contains(c)
                || [0x5f, 0x2b, 0x2d, 0x2e].contains(c)
        }
    }

    private static func check(_ id: String) throws(RuntimeError) {
        guard !id.isEmpty else { throw RuntimeError("container id cannot be empty") }
        guard isID(id) else { throw RuntimeError("invalid container ID format: \(id)") }
    }

    /// Takes the id for a new container.
    public static func make(_ id: String, root: FilePath) throws(RuntimeError) -> StateDirectory {
        try check(id)
        do throws(SysError) {
            let root = try FD.directory(root, make: true)
            try root.makeDirectory(FilePath(id), mode: 0o711)
            let directory = try root.open(FilePath(id), [.readOnly, .directory], resolve: [.beneath])
            try directory.lock()
            return StateDirectory(id: id, directory: directory, root: root)
        } catch {
            guard error.errno == .fileExists else {
                throw RuntimeError("unable to make the state directory of \(id): \(error)")
            }
            throw RuntimeError("container with given ID already exists: \(id)")
        }
    }

    /// Opens a container's; with `exclusive`, waits until no other command changes it.
    public static func open(
        _ id: String, root: FilePath, exclusive: Bool = false
    ) throws(RuntimeError) -> StateDirectory {
        try check(id)
        do throws(SysError) {
            let root = try FD.open(root, [.readOnly, .directory])
            let directory = try root.open(FilePath(id), [.readOnly, .directory], resolve: [.beneath])
            if exclusive { try directory.lock() }
            // Removed while we waited for its lock.
            if exclusive, try root.status(of: FilePath(id))?.inode != directory.status().inode {
                throw SysError(call: "open", subject: id, errno: .noSuchFileOrDirectory)
            }
            return StateDirectory(id: id, directory: directory, root: root)
        } catch {
            guard error.errno == .noSuchFileOrDirectory else {
                throw RuntimeError("unable to open the state of container \(id): \(error)")
            }
            throw RuntimeError("container does not exist: \(id)", kind: .notThere)
        }
    }

    /// The ids below a root, sorted; none when the root does not exist, unless it must.
    public static func all(root: FilePath, mustExist: Bool = false) throws(RuntimeError) -> [String] {
        do throws(SysError) {
            let names = try FD.open(root, [.readOnly, .directory]).entries()
            return names.filter { $0.type == .directory }.map(\.name.string).filter(isID).sorted()
        } catch {
            guard error.errno == .noSuchFileOrDirectory, !mustExist else {
                throw RuntimeError("unable to list \(root): \(error)")
            }
            return []
        }
    }

    private init(id: String, directory: consuming FD, root: consuming FD) {
        self.id = id
        self.directory = directory
        self.root = root
    }
}

extension StateDirectory {
    /// Keeps the configuration as it is now: later changes of the bundle have no effect (runtime-spec,
    /// runtime.md#lifecycle).
    func write(configuration: [UInt8]) throws(SysError) {
        try directory.open(Self.configuration, [.writeOnly, .create, .truncate], mode: 0o600)
            .writeAll(configuration)
    }

    func write(_ record: ContainerRecord) throws(SysError) {
        try directory.replace(Self.record, with: record.json.bytes, mode: 0o600, durable: false)
    }

    /// What `create` wrote down; a container whose `create` has not come that far, or died, has none.
    public func record() throws(RuntimeError) -> ContainerRecord {
        do {
            let bytes = try directory.contents(of: Self.record, limit: 1 << 20)
            guard let bytes else { throw RuntimeError("container \(id) is not created yet") }
            return try ContainerRecord(JSON(parsing: bytes))
        } catch let error as RuntimeError {
            throw error
        } catch let error as SysError {
            throw RuntimeError("unable to read the state of container \(id): \(error)", kind: .unreadable)
        } catch {
            throw RuntimeError("the state of container \(id) is damaged: \(error); delete it with --force")
        }
    }

    /// The configuration at `create`.
    public func configuration() throws(RuntimeError) -> RuntimeSpec {
        do {
            let bytes = try directory.contents(of: Self.configuration)
            guard let bytes else { throw RuntimeError("container \(id) is not created yet") }
            return try RuntimeSpec(JSON(parsing: bytes))
        } catch let error as RuntimeError {
            throw error
        } catch {
            throw RuntimeError("the configuration of container \(id) is damaged: \(error)")
        }
    }

    /// Removes the directory; the id is free again.
    public func remove() throws(RuntimeError) {
        do {
            try root.removeTree(FilePath(id))
        } catch {
            throw RuntimeError("unable to remove the state of container \(id): \(error)")
        }
    }
}
