import Linux
public import SystemPackage

/// What is known of a bind's source beyond its path.
public struct BindSource: Equatable, Sendable {
    /// Below the path, resolved inside of it: what has been put there by a container leads nowhere else.
    public var subpath: FilePath?
    /// The file system and inode that the path led to when it was looked at; another one is refused.
    public var identity: Identity?
    /// The ids of its owner are shown as the process's, and the other way round.
    public var mapsOwner = false
    /// In whose mount namespace the path is; nil: the container's own, before it has a root.
    var process: ProcessIdentity?

    struct ProcessIdentity: Equatable, Sendable {
        var pid: Int32
        var startTime: UInt64
    }

    /// A path as another process sees it.
    public init(process pid: Int32, startTime: UInt64) {
        process = ProcessIdentity(pid: pid, startTime: startTime)
    }

    public struct Identity: Equatable, Sendable {
        public var device: UInt64
        public var inode: UInt64
    }

    public init(subpath: FilePath) { self.subpath = subpath }

    public init(device: UInt64, inode: UInt64) { identity = Identity(device: device, inode: inode) }

    init() {}

    /// The one descriptor of which type, owner and mount are taken.
    func open(_ path: FilePath) throws(SysError) -> FD {
        // What the other process may have put there leads nowhere else.
        if process != nil {
            return try FD.open("/", [.path, .directory]).open(
                FilePath(root: nil, path.components), .path, resolve: [.beneath, .noSymlinks])
        }
        let place = try FD.open(path, .path)
        if let subpath {
            do { return try place.open(subpath, .path, resolve: [.inRoot, .noMagicLinks]) } catch {
                throw SysError(
                    call: "cannot access path", subject: "\(path)/\(subpath)", errno: error.errno,
                    hint: error.hint)
            }
        }
        guard let identity else { return place }
        let status = try place.status()
        guard (status.device, status.inode) == (identity.device, identity.inode) else {
            throw SysError(
                call: "open", subject: path.string, errno: .staleNFSFileHandle,
                hint:
                    "it was replaced since the container was made: start it once more to take what is there now"
            )
        }
        return place
    }
}
