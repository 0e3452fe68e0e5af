import Linux
import OCI

/// What a volume's `volume.json` says.
struct VolumeRecord: Equatable, Sendable {
    let name: String
    var created: Timestamp
    var labels: [String: String] = [:]
    /// `-o`, as typed.
    var options: [String: String] = [:]

    /// docker's mark of a volume that nobody named.
    static let anonymousLabel = "com.docker.volume.anonymous"
    static let document = "volume.json"

    init(_ name: String, created: Timestamp, isAnonymous: Bool = false) {
        (self.name, self.created) = (name, created)
        if isAnonymous { labels[Self.anonymousLabel] = "" }
    }

    var isAnonymous: Bool { labels[Self.anonymousLabel] != nil }

    /// What containers get.
    func backing() throws(UsageError) -> VolumeBacking { try VolumeBacking(options) }

    var json: JSON {
        .fields([
            "Name": .string(name), "CreatedAt": .string(created.rfc3339Short), "Driver": .string("local"),
            "Labels": .nonEmpty(labels), "Options": .nonEmpty(options), "Scope": .string("local"),
        ])
    }

    /// Reads what `json` wrote.
    init(_ json: JSON, name: String) throws(JSONError) {
        guard let created = Timestamp(parsing: try json.requireString("CreatedAt")) else {
            throw JSONError("CreatedAt is not a time of RFC 3339")
        }
        (self.name, self.created) = (name, created)
        labels = try json.mapOrEmpty("Labels")
        options = try json.mapOrEmpty("Options")
    }

    /// docker's document of `volume inspect`; the time to the second in the zone of whoever asks.
    func document(mountpoint: String) -> JSON {
        .fields([
            "CreatedAt": .string(Self.local(created)), "Driver": .string("local"),
            "Labels": .nonEmpty(labels) ?? .null, "Mountpoint": .string(mountpoint), "Name": .string(name),
            "Options": .nonEmpty(options) ?? .null, "Scope": .string("local"),
        ])
    }

    private static func local(_ time: Timestamp) -> String {
        let zone = LocalZone(at: time)
        let there = Timestamp(seconds: time.seconds + zone.offset)
        return "\(there.date)T\(there.clock)" + (zone.offset == 0 ? "Z" : zone.clock(separator: ":"))
    }
}

/// What stands behind a volume: by the options of docker's `local` driver, which are those of mount(8).
enum VolumeBacking: Equatable, Sendable {
    case directory
    /// A path of the host, with words of mount(8).
    case bind(String, [String])
    /// A tmpfs of each container's own.
    case tmpfs([String])

    private static let names: Set<String> = ["type", "o", "device", "size"]
    private static let needed = [("device", "type"), ("o", "device"), ("o", "type"), ("type", "device")]
    private static let bindWords: Set<String> = [
        "bind", "rbind", "ro", "rw", "nosuid", "nodev", "noexec", "exec", "noatime", "relatime", "defaults",
        "private", "rprivate", "slave", "rslave", "shared", "rshared",
    ]

    /// docker's words for what is wrong with them; what only the mount would say is said here.
    init(_ options: [String: String]) throws(UsageError) {
        for name in options.keys.sorted() where !Self.names.contains(name) {
            throw UsageError("invalid option: \"\(name)\"")
        }
        if options["size"] != nil { throw UsageError("quota size requested but no quota support") }
        for (name, other) in Self.needed where options[name] != nil && options[other] == nil {
            throw UsageError("missing required option: \"\(other)\"")
        }
        guard let type = options["type"], let device = options["device"] else {
            self = .directory
            return
        }
        let words = (options["o"] ?? "").split(separator: ",").map(String.init)
        if words.contains("bind") || words.contains("rbind") || ["bind", "rbind"].contains(type) {
            self = try Self.bind(device, words, type)
        } else if type == "tmpfs" {
            for word in words where !MountOption.isTmpfsOption(word) {
                throw UsageError("invalid tmpfs option [\"\(word)\"]")
            }
            self = .tmpfs(words)
        } else if ["nfs", "nfs4", "cifs"].contains(type) {
            throw UsageError(
                "a volume of type \(type) is not supported: mount it on the host and name its directory "
                    + "(type=none,o=bind,device=PATH)")
        } else {
            throw UsageError(
                "a volume of type \(type) is not supported: use type=tmpfs, or type=none with o=bind")
        }
    }

    private static func bind(
        _ device: String, _ words: [String], _ type: String
    ) throws(UsageError) -> VolumeBacking {
        guard device.hasPrefix("/") else {
            throw UsageError("device \"\(device)\" is not an absolute path")
        }
        for word in words where !bindWords.contains(word) {
            throw UsageError("invalid option of a bind: \"\(word)\"")
        }
        let isRecursive = words.contains("rbind") || type == "rbind"
        let rest = words.filter { !["bind", "rbind", "defaults"].contains($0) }
        return .bind(cleanPath(device), [isRecursive ? "rbind" : "bind"] + rest)
    }
}
