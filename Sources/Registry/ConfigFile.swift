import Linux
import OCI
import SystemPackage

/// docker's config.json: what is not ours in it stays as it is.
struct ConfigFile {
    private var document: JSON
    private let path: FilePath

    /// Reads the file; an absent or empty one is an empty document.
    init(in directory: FilePath) throws(RegistryError) {
        let path = directory.appending("config.json")
        let bytes: [UInt8]
        do throws(SysError) {
            bytes = try FD.open(path).readAll(limit: 8 << 20)
        } catch {
            guard error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory else {
                throw RegistryError(error)
            }
            bytes = []
        }
        try self.init(parsing: bytes, path)
    }

    init(parsing bytes: [UInt8], _ path: FilePath) throws(RegistryError) {
        self.path = path
        do throws(JSONError) {
            let isEmpty = bytes.allSatisfy { $0 == 0x20 || $0 == 0x0a || $0 == 0x0d || $0 == 0x09 }
            document = isEmpty ? .object([]) : try JSON(parsing: bytes)
        } catch {
            throw ConfigFile.damage(path, "\(error)", fix: "repair or remove the file")
        }
        guard document.members != nil else {
            throw ConfigFile.damage(path, "not a JSON object", fix: "repair or remove the file")
        }
    }

    /// In docker's words.
    private static func damage(_ path: FilePath, _ why: String, fix: String) -> RegistryError {
        RegistryError(.configuration, "Error parsing config file (\(path)): \(why)").hinting(fix)
    }

    /// Changes the file under a lock of its directory: replaced whole, 0600, through a link to where it lies.
    static func change(
        in directory: FilePath, _ body: (inout ConfigFile) throws(RegistryError) -> Void
    ) throws(RegistryError) {
        let home = try kernel { () throws(SysError) in try FD.directory(directory, make: true) }
        try kernel { () throws(SysError) in _ = try home.lock() }
        var config = try ConfigFile(in: directory)
        try body(&config)
        var file = config.path
        for _ in 0..<8 {
            guard let target = try target(of: file) else { break }
            file = target
        }
        let bytes = config.bytes
        let path = file
        try kernel { () throws(SysError) in
            try FD.directory(path.removingLastComponent(), make: true)
                .replace(FilePath(path.lastComponent?.string ?? "config.json"), with: bytes, mode: 0o600)
        }
    }

    /// What is written.
    var bytes: [UInt8] { Array("\(document.pretty)\n".utf8) }

    /// Where a symbolic link leads; nil when the path is none.
    private static func target(of path: FilePath) throws(RegistryError) -> FilePath? {
        let parent = path.removingLastComponent()
        guard let name = path.lastComponent else { return nil }
        let link = try kernel { () throws(SysError) -> FilePath? in
            let directory = try FD.directory(parent, make: true)
            let file = FilePath(root: nil, [name])
            guard try directory.status(of: file)?.type == .symlink else { return nil }
            return try directory.readSymlink(file)
        }
        return link.map { parent.pushing($0) }
    }

    /// The helper for a key: `credHelpers` of the registry, else `credsStore`.
    func helper(for key: String) -> String? {
        let names =
            [CredentialKey.hostName(key), key]
            + (key == CredentialKey.of("docker.io") ? ["docker.io"] : [])
        for name in names {
            if let helper = document["credHelpers"]?[name]?.string, !helper.isEmpty { return helper }
        }
        return document["credsStore"]?.string.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// What `auths` has for a key. An entry for one path of a registry is not taken for all of it.
    func credential(for key: String) throws(RegistryError) -> Credential? {
        guard let entry = entry(for: key), entry.value.members != nil else { return nil }
        var credential = Credential(
            username: entry.value["username"]?.string ?? "", password: entry.value["password"]?.string ?? "",
            identityToken: entry.value["identitytoken"]?.string.flatMap { $0.isEmpty ? nil : $0 })
        if let auth = entry.value["auth"]?.string, !auth.isEmpty {
            guard let bytes = Base64.decode(auth.utf8), let text = String(validating: bytes, as: UTF8.self),
                let colon = text.firstIndex(of: ":")
            else {
                throw ConfigFile.damage(
                    path, "auths.\(escaped(entry.name)).auth is not user:password",
                    fix: "log in again: apus login \(escaped(entry.name))")
            }
            credential.username = String(text[..<colon])
            // docker pads passwords with NULs.
            credential.password = String(text[text.index(after: colon)...].prefix { $0 != "\0" })
        }
        let isEmpty = credential.username.isEmpty && credential.identityToken == nil
        return isEmpty ? nil : credential
    }

    /// Whether `auths` says anything of a key. An empty entry is what logins into a helper leave.
    func hasEntry(for key: String) -> Bool { entry(for: key)?.value.members?.isEmpty == false }

    private func entry(for key: String) -> JSON.Member? {
        let auths = document["auths"]?.members ?? []
        return auths.first { $0.name == key } ?? auths.first { CredentialKey.of($0.name) == key }
    }

    mutating func set(_ credential: Credential, for key: String) {
        let auth = Base64.encode(Array("\(credential.username):\(credential.password)".utf8))
        let entry = JSON.fields([
            "auth": .string(auth), "identitytoken": credential.identityToken.map(JSON.string),
        ])
        var auths = (document["auths"]?.members ?? []).filter { CredentialKey.of($0.name) != key }
        auths.append(JSON.Member(key, entry))
        put("auths", .object(auths))
    }

    mutating func remove(_ key: String) {
        put("auths", .object((document["auths"]?.members ?? []).filter { CredentialKey.of($0.name) != key }))
    }

    private mutating func put(_ name: String, _ value: JSON) {
        var members = document.members ?? []
        if let at = members.firstIndex(where: { $0.name == name }) {
            members[at].value = value
        } else {
            members.append(JSON.Member(name, value))
        }
        document = .object(members)
    }
}
