/// One `-v`, `--mount` or `--tmpfs`, parsed.
public struct MountOption: Equatable, Sendable {
    /// What is mounted.
    public enum Kind: Equatable, Sendable {
        /// A path of the host; `makesSource` makes a directory when it is missing (`-v` does).
        case bind(source: String, makesSource: Bool, recursive: Bool)
        /// nil: a volume of its own, named by 64 hex digits. `copies` fills an empty one from the image.
        case volume(name: String?, copies: Bool)
        /// Options of mount(8), in order: `size=1m`, `mode=1700`, `exec`.
        case tmpfs(options: [String])
    }

    /// What it is and where it comes from.
    public var kind: Kind
    /// Absolute, without `.`, `..` and double slashes; never `/`.
    public var target: String
    /// `ro`.
    public var isReadOnly = false
    /// `rprivate`, `rshared`...; nil is docker's default.
    public var propagation: String?

    /// Takes a target that was checked.
    public init(_ kind: Kind, target: String) { (self.kind, self.target) = (kind, target) }

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
        guard parts.count <= 3 else { throw UsageError("invalid volume specification: '\(text)'") }
        guard parts.count > 1 else {
            self.init(.volume(name: nil, copies: true), target: try MountOption.target(text, of: text))
            return
        }
        let source = parts[0].hasPrefix(".") ? "\(directory)/\(parts[0])" : parts[0]
        if source.hasPrefix("/") {
            self.init(.bind(source: cleanPath(source), makesSource: true, recursive: true), target: "/")
        } else {
            guard ContainerName.isValid(source) || source.utf8.count == 1 else {
                throw UsageError(
                    "\"\(source)\" includes invalid characters for a local volume name, only "
                        + "\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, "
                        + "use absolute path")
            }
            self.init(.volume(name: source, copies: true), target: "/")
        }
        target = try MountOption.target(parts[1], of: text)
        if parts.count == 3 { try setModes(parts[2]) }
    }

    /// `ro`, `rw`, `nocopy`, a propagation, and words without a meaning here.
    private mutating func setModes(_ text: String) throws(UsageError) {
        let refusal = UsageError("invalid mode: \(text)")
        var access = 0
        for mode in text.split(separator: ",", omittingEmptySubsequences: false).map(String.init) {
            switch mode {
            case "ro", "rw":
                isReadOnly = mode == "ro"
                access += 1
            // SELinux labels and the consistency of another platform's file sharing.
            case "z", "Z", "consistent", "cached", "delegated": break
            case "nocopy":
                guard case .volume(let name, _) = kind else { throw refusal }
                kind = .volume(name: name, copies: false)
            default:
                guard MountOption.propagations.contains(mode), propagation == nil, case .bind = kind else {
                    throw refusal
                }
                propagation = mode
            }
        }
        if access > 1 { throw refusal }
    }

    /// `path[:options]` of `--tmpfs`.
    public init(tmpfs text: String) throws(UsageError) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(
            String.init)
        var options: [String] = []
        for option in parts.count == 2 ? parts[1].split(separator: ",").map(String.init) : [] {
            let key = option.split(separator: "=", maxSplits: 1).first.map(String.init) ?? ""
            guard MountOption.tmpfsWords.contains(option) || MountOption.tmpfsKeys.contains(key) else {
                throw UsageError("invalid tmpfs option [\"\(option)\"]")
            }
            options.append(option)
        }
        self.init(
            .tmpfs(options: options), target: try MountOption.target(parts[0], of: text, quoting: false))
        isReadOnly = options.contains("ro")
    }

    static func target(_ path: String, of text: String, quoting: Bool = true) throws(UsageError) -> String {
        let prefix = quoting ? "invalid volume specification: '\(text)': " : ""
        guard path.hasPrefix("/") else {
            throw UsageError("\(prefix)invalid mount path: '\(path)' mount path must be absolute")
        }
        let clean = cleanPath(path)
        guard clean != "/" else {
            throw UsageError("\(prefix)invalid specification: destination can't be '/'")
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
