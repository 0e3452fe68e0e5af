public import OCI
import Linux

/// config.json: docker's names, so that `inspect` shows it as it is.
extension ContainerConfig {
    /// The document.
    public var json: JSON {
        var config: [JSON.Member] = [
            .init("Hostname", .string(effectiveHostname)), .init("Domainname", .string(domainname ?? "")),
            .init("AttachStdin", .bool(attach.contains(.stdin))),
            .init("AttachStdout", .bool(attach.contains(.stdout))),
            .init("AttachStderr", .bool(attach.contains(.stderr))), .init("Tty", .bool(terminal)),
            .init("OpenStdin", .bool(openStdin)), .init("StdinOnce", .bool(stdinOnce)),
            .init("Image", .string(imageName)),
        ]
        let process = process.json.members ?? []
        for name in ["User", "Env", "Cmd", "Volumes", "WorkingDir", "Entrypoint", "Labels"] {
            config.append(process.first { $0.name == name } ?? .init(name, ContainerConfig.empty(name)))
        }
        config += process.filter { member in !config.contains { $0.name == member.name } }
        if let stopTimeout { config.append(.init("StopTimeout", .int(Int64(stopTimeout)))) }
        return .fields([
            "Id": .string(id), "Created": .string(created.rfc3339Short),
            "Path": command.first.map(JSON.string),
            "Args": .array(command.dropFirst().map(JSON.string)), "Image": .string(image.description),
            "Name": .string("/\(name)"), "Platform": .string(platform.description),
            "HostnameSet": hostname == nil ? nil : .bool(true), "HostConfig": host.json,
            "Config": .object(config),
        ])
    }

    /// What docker writes for a member that is not set.
    private static func empty(_ member: String) -> JSON {
        switch member {
        case "User", "WorkingDir": .string("")
        case "Env": .array([])
        case "Labels": .object([])
        default: .null
        }
    }

    /// Reads config.json.
    public init(_ json: JSON) throws(JSONError) {
        guard let config = json["Config"] else { throw JSONError("Config is missing") }
        guard let hostConfig = json["HostConfig"] else { throw JSONError("HostConfig is missing") }
        id = try json.requireString("Id")
        guard Digest(hex: id) != nil else { throw JSONError("Id \"\(id)\" is not 64 hexadecimal digits") }
        name = String(try json.requireString("Name").drop { $0 == "/" })
        guard let created = Timestamp(parsing: try json.requireString("Created")) else {
            throw JSONError("Created is not a time of RFC 3339")
        }
        self.created = created
        guard let image = Digest(try json.requireString("Image")) else {
            throw JSONError("Image is not a digest")
        }
        self.image = image
        guard let platform = Platform(try json.requireString("Platform")) else {
            throw JSONError("Platform is not os/architecture")
        }
        self.platform = platform
        imageName = try config.requireString("Image")
        process = try ImageConfig.Process(config)
        let hostname = try config.optionalString("Hostname")
        self.hostname = try json.optionalBool("HostnameSet") == true ? hostname : nil
        domainname = try config.optionalString("Domainname").flatMap { $0.isEmpty ? nil : $0 }
        terminal = try config.optionalBool("Tty") ?? false
        openStdin = try config.optionalBool("OpenStdin") ?? false
        stdinOnce = try config.optionalBool("StdinOnce") ?? false
        attach = []
        if try config.optionalBool("AttachStdin") == true { attach.insert(.stdin) }
        if try config.optionalBool("AttachStdout") == true { attach.insert(.stdout) }
        if try config.optionalBool("AttachStderr") == true { attach.insert(.stderr) }
        stopTimeout = try config.optionalInt("StopTimeout").map { Int(truncatingIfNeeded: $0) }
        host = try HostOptions(hostConfig)
    }
}
