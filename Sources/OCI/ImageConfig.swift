// The members are those of the image-spec (config.md); comments add what it leaves open.

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
        public init(
            created: String? = nil, createdBy: String?, comment: String? = nil, emptyLayer: Bool = false
        ) {
            (self.created, self.createdBy, self.comment, self.emptyLayer) = (
                created, createdBy, comment, emptyLayer
            )
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
        guard json.members != nil else { throw JSONError("image configuration is not an object") }
        platform = Platform(
            os: try json.optionalString("os") ?? "linux",
            architecture: try json.optionalString("architecture") ?? Platform.host.architecture,
            variant: try json.optionalString("variant").flatMap { $0.isEmpty ? nil : $0 })
        guard platform.isValid else {
            throw JSONError("os, architecture or variant is not a word of a platform")
        }
        created = try json.optionalString("created")
        author = try json.optionalString("author")
        process = try json.child("config", Process.init) ?? Process()
        diffIDs = try json.child("rootfs", ImageConfig.diffIDs).required("rootfs")
        history = try json.children("history") { entry throws(JSONError) in try History(entry) }
    }

    private static func diffIDs(_ rootfs: JSON) throws(JSONError) -> [Digest] {
        var result: [Digest] = []
        for text in try rootfs.stringsOrEmpty("diff_ids") {
            guard let digest = Digest(text) else {
                throw JSONError("diff_ids: \"\(text)\" is not a sha256 digest")
            }
            result.append(digest)
        }
        return result
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
                            "created": $0.created.map(JSON.string),
                            "created_by": $0.createdBy.map(JSON.string),
                            "comment": $0.comment.map(JSON.string),
                            "empty_layer": $0.emptyLayer ? .bool(true) : nil,
                        ])
                    }),
        ])
    }
}

extension ImageConfig.History {
    init(_ json: JSON) throws(JSONError) {
        created = try json.optionalString("created")
        createdBy = try json.optionalString("created_by")
        comment = try json.optionalString("comment")
        emptyLayer = try json.optionalBool("empty_layer") ?? false
    }
}

extension ImageConfig.Process {
    /// Reads the `config` member; strings with NUL are refused.
    public init(_ json: JSON) throws(JSONError) {
        guard json.members != nil else { throw JSONError("config is not an object") }
        user = try json.text("User") ?? ""
        exposedPorts = try Self.names(json, "ExposedPorts")
        env = try json.texts("Env")
        entrypoint = json["Entrypoint"] == nil ? nil : try json.texts("Entrypoint")
        cmd = json["Cmd"] == nil ? nil : try json.texts("Cmd")
        volumes = try Self.names(json, "Volumes")
        workingDir = try json.text("WorkingDir") ?? ""
        labels = try json.mapOrEmpty("Labels")
        stopSignal = try json.text("StopSignal")
        shell = json["Shell"] == nil ? nil : try json.texts("Shell")
        onBuild = try json.texts("OnBuild")
        healthcheck = json["Healthcheck"]
    }

    /// The names of an object whose values are empty objects: how the spec writes a set.
    private static func names(_ json: JSON, _ member: String) throws(JSONError) -> Set<String> {
        guard let value = json[member] else { return [] }
        guard let members = value.members else { throw JSONError("\(member) is not an object") }
        guard !members.contains(where: { $0.name.utf8.contains(0) }) else {
            throw JSONError("\(member) holds a NUL")
        }
        return Set(members.map(\.name))
    }

    /// The `config` member.
    public var json: JSON {
        func set(_ names: Set<String>) -> JSON? {
            names.isEmpty ? nil : .object(names.sorted().map { JSON.Member($0, .object([])) })
        }
        return .fields([
            "User": user.isEmpty ? nil : .string(user), "ExposedPorts": set(exposedPorts),
            "Env": .nonEmpty(env),
            "Entrypoint": entrypoint.map { .array($0.map(JSON.string)) },
            "Cmd": cmd.map { .array($0.map(JSON.string)) }, "Healthcheck": healthcheck,
            "Volumes": set(volumes),
            "WorkingDir": workingDir.isEmpty ? nil : .string(workingDir), "OnBuild": .nonEmpty(onBuild),
            "Labels": .nonEmpty(labels), "StopSignal": stopSignal.map(JSON.string),
            "Shell": shell.map { .array($0.map(JSON.string)) },
        ])
    }
}
