/// An image's configuration (image-spec, config.md, with docker's Healthcheck, Shell and OnBuild).
public struct ImageConfig: Equatable, Sendable {
    /// What a container of the image starts with: the `config` member.
    public struct Process: Equatable, Sendable {
        public var user = ""
        /// `80/tcp`, sorted when written.
        public var exposedPorts: Set<String> = []
        /// `NAME=value`, in order.
        public var env: [String] = []
        public var entrypoint: [String]?
        public var cmd: [String]?
        public var volumes: Set<String> = []
        public var workingDir = ""
        public var labels: [String: String] = [:]
        public var stopSignal: String?
        public var shell: [String]?
        public var onBuild: [String] = []
        /// docker's document, kept as it is.
        public var healthcheck: JSON?
        public init() {}
    }
    /// One step of how it was made.
    public struct History: Equatable, Sendable {
        public var created: String?
        public var createdBy: String?
        public var comment: String?
        public var emptyLayer: Bool
        public init(created: String? = nil, createdBy: String?, comment: String? = nil, emptyLayer: Bool = false) {
            (self.created, self.createdBy, self.comment, self.emptyLayer) = (created, createdBy, comment, emptyLayer)
        }
    }

    /// RFC 3339.
    public var created: String?
    public var author: String?
    public var platform: Platform
    public var process = Process()
    /// Digests of the uncompressed layer tars, lowest first.
    public var diffIDs: [Digest] = []
    public var history: [History] = []

    public init(platform: Platform = .host) { self.platform = platform }
}

extension ImageConfig {
    /// Reads a configuration. Strings with NUL are refused, unknown members ignored.
    public init(_ json: JSON) throws(JSONError) {
        platform = Platform(
            os: try json.optionalString("os") ?? "linux",
            architecture: try json.optionalString("architecture") ?? Platform.host.architecture,
            variant: try json.optionalString("variant"))
        created = try json.optionalString("created")
        author = try json.optionalString("author")
        if let config = json["config"] { process = try Process(config) }
        guard let rootfs = json["rootfs"] else { throw JSONError("rootfs is missing") }
        for text in try rootfs.stringsOrEmpty("diff_ids") {
            guard let digest = Digest(text) else { throw JSONError("diff id \"\(text)\" is not a sha256 digest") }
            diffIDs.append(digest)
        }
        for entry in try json.arrayOrEmpty("history") {
            history.append(
                History(
                    created: try entry.optionalString("created"), createdBy: try entry.optionalString("created_by"),
                    comment: try entry.optionalString("comment"),
                    emptyLayer: try entry.optionalBool("empty_layer") ?? false))
        }
    }

    /// The document, always in the same order of members: equal configurations have equal digests.
    public var json: JSON {
        .fields([
            "created": created.map(JSON.string), "author": author.map(JSON.string),
            "architecture": .string(platform.architecture), "variant": platform.variant.map(JSON.string),
            "os": .string(platform.os), "config": process.json,
            "rootfs": .fields([
                "type": .string("layers"), "diff_ids": .array(diffIDs.map { .string($0.description) }),
            ]),
            "history": history.isEmpty
                ? nil
                : .array(
                    history.map {
                        .fields([
                            "created": $0.created.map(JSON.string), "created_by": $0.createdBy.map(JSON.string),
                            "comment": $0.comment.map(JSON.string), "empty_layer": $0.emptyLayer ? .bool(true) : nil,
                        ])
                    }),
        ])
    }
}

extension ImageConfig.Process {
    /// Reads the `config` member; strings with NUL are refused.
    public init(_ json: JSON) throws(JSONError) {
        user = try json.optionalString("User") ?? ""
        exposedPorts = try Self.names(json, "ExposedPorts")
        env = try json.stringsOrEmpty("Env")
        entrypoint = json["Entrypoint"] == nil ? nil : try json.stringsOrEmpty("Entrypoint")
        cmd = json["Cmd"] == nil ? nil : try json.stringsOrEmpty("Cmd")
        volumes = try Self.names(json, "Volumes")
        workingDir = try json.optionalString("WorkingDir") ?? ""
        labels = try json.mapOrEmpty("Labels")
        stopSignal = try json.optionalString("StopSignal")
        shell = json["Shell"] == nil ? nil : try json.stringsOrEmpty("Shell")
        onBuild = try json.stringsOrEmpty("OnBuild")
        healthcheck = json["Healthcheck"]
        let all = [user, workingDir, stopSignal ?? ""] + env + (entrypoint ?? []) + (cmd ?? [])
        if let bad = all.first(where: { $0.utf8.contains(0) }) { throw JSONError("config holds a NUL in \"\(bad)\"") }
    }

    /// The names of an object whose values are empty objects: how the spec writes a set.
    private static func names(_ json: JSON, _ member: String) throws(JSONError) -> Set<String> {
        guard let value = json[member] else { return [] }
        guard let members = value.members else { throw JSONError("\(member) is not an object") }
        return Set(members.map(\.name))
    }

    /// The `config` member.
    public var json: JSON {
        func set(_ names: Set<String>) -> JSON? {
            names.isEmpty ? nil : .object(names.sorted().map { JSON.Member($0, .object([])) })
        }
        return .fields([
            "User": user.isEmpty ? nil : .string(user), "ExposedPorts": set(exposedPorts), "Env": .nonEmpty(env),
            "Entrypoint": entrypoint.map { .array($0.map(JSON.string)) },
            "Cmd": cmd.map { .array($0.map(JSON.string)) }, "Healthcheck": healthcheck, "Volumes": set(volumes),
            "WorkingDir": workingDir.isEmpty ? nil : .string(workingDir), "OnBuild": .nonEmpty(onBuild),
            "Labels": .nonEmpty(labels), "StopSignal": stopSignal.map(JSON.string),
            "Shell": shell.map { .array($0.map(JSON.string)) },
        ])
    }
}
