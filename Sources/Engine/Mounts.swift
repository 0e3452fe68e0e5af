/// One `-v`, `--mount` or `--tmpfs`, or what another container or the image asks for.
public struct MountOption: Equatable, Sendable {
    /// What is mounted.
    public enum Kind: Equatable, Sendable {
        case bind(Bind)
        case volume(Volume)
        /// Options of mount(8), in order: `size=1m`, `mode=1700`, `exec`.
        case tmpfs(options: [String])
    }

    /// A path of the host.
    public struct Bind: Equatable, Sendable {
        public var source: String
        /// Makes a directory when it is missing (`-v` does).
        public var makesSource = false
        public var isRecursive = true
        /// `ro` is for the mount itself, not for those below it.
        public var keepsSubmountsWritable = false
        /// The ids of the source's owner are the container's user's, and the other way round.
        public var mapsOwner = false

        public init(_ source: String) { self.source = source }
    }

    /// A directory of the engine's.
    public struct Volume: Equatable, Sendable {
        /// nil: 64 hexadecimal digits, which the container gets when it is made.
        public var name: String?
        /// The user gave no name: it goes with the last container that has it.
        public var isAnonymous: Bool
        /// Fills an empty one from the image.
        public var copies = true
        /// What is mounted of it; relative, without `..`.
        public var subpath: String?
        /// Of a volume that is made for this.
        public var labels: [String: String] = [:]
        public var options: [String: String] = [:]

        public init(_ name: String?) { (self.name, isAnonymous) = (name, name == nil) }
    }

    /// Who asked for it.
    public enum Origin: String, Equatable, Sendable {
        case volumeFlag = "volume", mountFlag = "mount", tmpfsFlag = "tmpfs"
        case image
        /// `--volumes-from`.
        case container
    }

    /// What it is and where it comes from.
    public var kind: Kind
    /// Absolute, without `.`, `..` and double slashes; never `/`.
    public var target: String
    /// `ro`.
    public var isReadOnly = false
    /// `rprivate`, `rshared`...; nil is docker's default.
    public var propagation: String?
    public var origin = Origin.mountFlag
    /// Of `-v` and `--tmpfs`: what was typed, a source that is a path of the host absolute.
    public var text = ""

    /// Takes a target that was checked.
    public init(_ kind: Kind, target: String) { (self.kind, self.target) = (kind, target) }

    /// Of a volume.
    var volume: Volume? { if case .volume(let volume) = kind { volume } else { nil } }

    /// What stands after the paths of a `-v`.
    var modes: String {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        return origin == .volumeFlag && parts.count == 3 ? String(parts[2]) : ""
    }

    static let propagations: Set<String> = ["private", "rprivate", "shared", "rshared", "slave", "rslave"]

    /// The words before the mode that tmpfs takes, without a value and with one.
    private static let tmpfsWords: Set<String> = [
        "rw", "ro", "exec", "noexec", "suid", "nosuid", "dev", "nodev", "sync", "async", "dirsync", "remount",
        "mand", "nomand", "atime", "noatime", "diratime", "nodiratime", "relatime", "norelatime",
        "strictatime",
        "nostrictatime", "bind", "rbind", "defaults", "private", "rprivate", "shared", "rshared", "slave",
        "rslave", "unbindable", "runbindable",
    ]
    private static let tmpfsKeys: Set<String> = [
        "size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol",
    ]
}

extension MountOption {
    /// `[source:]target[:options]` of `-v`; a source that starts with `.` is below `directory`.
    public init(volume text: String, directory: String) throws(UsageError) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        if text.isEmpty { throw UsageError("invalid empty volume spec") }
        if parts.contains("") { throw UsageError("invalid spec: \(text): empty section between colons") }
        guard parts.count <= 3 else {
            throw UsageError("invalid volume specification: '\(text)'", isOfEngine: true)
        }
        guard parts.count > 1 else {
            self.init(
                .volume(Volume(nil)),
                target: try MountOption.target(text, after: Self.prefix(of: text, "volume")))
            (origin, self.text) = (.volumeFlag, text)
            return
        }
        let source = parts[0].hasPrefix(".") ? "\(directory)/\(parts[0])" : parts[0]
        if source.hasPrefix("/") {
            var bind = Bind(cleanPath(source))
            bind.makesSource = true
            self.init(.bind(bind), target: "/")
        } else {
            self.init(.volume(Volume(try VolumeName.checked(source))), target: "/")
        }
        (origin, self.text) = (.volumeFlag, ([source] + parts.dropFirst()).joined(separator: ":"))
        target = try MountOption.target(
            parts[1], after: Self.prefix(of: text, source.hasPrefix("/") ? "bind" : "volume"))
        if parts.count == 3 { try setModes(parts[2]) }
    }

    /// `ro`, `rw`, `nocopy`, a propagation, and words without a meaning here.
    private mutating func setModes(_ text: String) throws(UsageError) {
        let refusal = UsageError("invalid mode: \(text)", isOfEngine: true)
        var (access, labels) = (0, 0)
        for mode in text.split(separator: ",", omittingEmptySubsequences: false).map(String.init) {
            switch mode {
            case "ro", "rw":
                isReadOnly = mode == "ro"
                access += 1
            case "z", "Z": labels += 1
            // The consistency of another platform's file sharing.
            case "consistent", "cached", "delegated": break
            case "idmap":
                guard case .bind(var bind) = kind else { throw refusal }
                bind.mapsOwner = true
                kind = .bind(bind)
            case "nocopy":
                guard case .volume(var volume) = kind else { throw misplaced("bind", "VolumeOptions") }
                volume.copies = false
                kind = .volume(volume)
            default:
                guard MountOption.propagations.contains(mode), propagation == nil else { throw refusal }
                guard case .bind = kind else { throw misplaced("volume", "BindOptions") }
                propagation = mode
            }
        }
        if access > 1 || labels > 1 { throw refusal }
    }

    private func misplaced(_ type: String, _ field: String) -> UsageError {
        UsageError(
            "invalid volume specification: '\(text)': invalid mount config for type \"\(type)\": field \(field) "
                + "must not be specified", isOfEngine: true)
    }

    /// Whether SELinux labels were asked for, which nothing here sets.
    public var wantsLabel: Bool {
        modes.split(separator: ",").contains { $0 == "z" || $0 == "Z" }
    }

    /// Where labels must not even be asked for: what the host itself lives of (CVE-2021-43816).
    public func checkLabel(home: String?) throws(UsageError) {
        guard wantsLabel, case .bind(let bind) = kind else { return }
        guard Self.unlabelled.contains(bind.source) || bind.source == home.map(cleanPath) else { return }
        throw UsageError("SELinux relabeling of \(bind.source) is not allowed", isOfEngine: true)
    }

    private static let unlabelled: Set<String> = [
        "/", "/bin", "/boot", "/dev", "/etc", "/etc/passwd", "/etc/pki", "/etc/shadow", "/home", "/lib",
        "/lib64", "/media", "/opt", "/proc", "/root", "/run", "/sbin", "/srv", "/sys", "/tmp", "/usr",
        "/var", "/var/lib", "/var/log",
    ]

    /// `path[:options]` of `--tmpfs`.
    public init(tmpfs text: String) throws(UsageError) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(
            String.init)
        var options: [String] = []
        for option in parts.count == 2 ? parts[1].split(separator: ",").map(String.init) : [] {
            guard MountOption.isTmpfsOption(option) else {
                throw UsageError("invalid tmpfs option [\"\(option)\"]", isOfEngine: true)
            }
            options.append(option)
        }
        self.init(
            .tmpfs(options: options), target: try MountOption.target(parts[0], after: ""))
        isReadOnly = options.contains("ro")
        (origin, self.text) = (.tmpfsFlag, text)
    }

    static func isTmpfsOption(_ option: String) -> Bool {
        let key = option.split(separator: "=", maxSplits: 1).first.map(String.init) ?? ""
        return tmpfsWords.contains(option) || tmpfsKeys.contains(key)
    }

    /// docker's complaints have the whole text of a `-v`.
    private static func prefix(of text: String, _ type: String) -> String {
        "invalid volume specification: '\(text)': invalid mount config for type \"\(type)\": "
    }

    /// Where it is mounted; `prefix` stands before a complaint.
    static func target(_ path: String, after prefix: String) throws(UsageError) -> String {
        guard path.hasPrefix("/") else {
            throw UsageError(
                "\(prefix)invalid mount path: '\(path)' mount path must be absolute", isOfEngine: true)
        }
        let clean = cleanPath(path)
        guard clean != "/" else {
            throw UsageError("\(prefix)invalid specification: destination can't be '/'", isOfEngine: true)
        }
        return clean
    }
}

/// An absolute path without empty components, `.` and `..`, by its text alone. For what the user typed; paths
/// that an image chose are opened below a descriptor instead.
public func cleanPath(_ path: String) -> String {
    var kept: [Substring] = []
    for part in path.split(separator: "/") where part != "." {
        if part == ".." { _ = kept.popLast() } else { kept.append(part) }
    }
    return "/" + kept.joined(separator: "/")
}
