import Linux
public import SystemPackage

extension RegistryConfiguration {
    /// The host's settings: registries.conf and `registries.conf.d` of apus, or else of containers; proxies and
    /// SSL_CERT_FILE out of `environment` (`NAME=value`). Absent files are empty ones.
    public static func load(
        environment: [String], directories: [FilePath] = ["/etc/apus", "/etc/containers"]
    ) throws(RegistryError) -> RegistryConfiguration {
        var configuration = RegistryConfiguration()
        configuration.proxies = try Proxies(environment: environment)
        if let file = environment.first(where: { $0.hasPrefix("SSL_CERT_FILE=/") }) {
            configuration.systemCertificates = FilePath(String(file.dropFirst(14)))
        }
        for directory in directories {
            let (file, parts) = (
                directory.appending("registries.conf"), directory.appending("registries.conf.d")
            )
            let names = try kernel { () throws(SysError) in try FD.namesIfThere(in: parts) }
            var found = false
            for path in [file] + names.filter({ $0.hasSuffix(".conf") }).map({ parts.appending($0) }) {
                guard let text = try text(of: path) else { continue }
                try configuration.add(text, from: path)
                found = true
            }
            if found { break }
        }
        return configuration
    }

    private static func text(of path: FilePath) throws(RegistryError) -> String? {
        let bytes: [UInt8]
        do throws(SysError) {
            bytes = try FD.open(path).readAll(limit: 1 << 20)
        } catch {
            if error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory { return nil }
            throw RegistryError(error)
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw RegistryError(.configuration, "read \(path): not UTF-8")
        }
        return text
    }

    /// Adds the `[[registry]]` tables of a file; one with the prefix of an earlier one takes its place.
    mutating func add(_ text: String, from path: FilePath) throws(RegistryError) {
        do throws(TOMLError) {
            let document = try TOML.parse(text)
            for table in try document.tables("registry") {
                let registry = try RegistryTable(table)
                registries.removeAll { $0.key == registry.key }
                registries.append(registry)
            }
        } catch {
            throw RegistryError(.configuration, "read \(path): \(error.description)").hinting(
                "correct the file")
        }
    }
}

extension RegistryTable {
    /// Reads one table; what is not known here is not looked at.
    init(_ table: TOML.Table) throws(TOMLError) {
        let location = try table.string("location")
        guard let prefix = try table.string("prefix") ?? location, !prefix.isEmpty else {
            throw TOMLError("a [[registry]] has neither prefix nor location")
        }
        let isPattern = prefix.hasPrefix("*.")
        guard location != nil || !isPattern else {
            throw TOMLError("[[registry]] \(prefix): location is missing")
        }
        self.init(prefix: prefix, location: location)
        isInsecure = try table.bool("insecure")
        isBlocked = try table.bool("blocked")
        realmHosts = try table.strings("token-realm-hosts")
        let byDigestOnly = try table.bool("mirror-by-digest-only")
        mirrors = []
        for entry in try table.tables("mirror") {
            guard let location = try entry.string("location"), !location.isEmpty else {
                throw TOMLError("[[registry.mirror]] of \(prefix): location is missing")
            }
            var mirror = Mirror(location: location)
            mirror.isInsecure = try entry.bool("insecure")
            let use = try entry.string("pull-from-mirror")
            guard let known = Mirror.Use(rawValue: use ?? (byDigestOnly ? "digest-only" : "all")) else {
                throw TOMLError(
                    "[[registry.mirror]] \(location): pull-from-mirror is all, digest-only or tag-only")
            }
            mirror.use = known
            mirrors.append(mirror)
        }
    }
}

extension FD {
    /// The sorted names in a directory of configuration; none when there is no such directory, which is the usual case.
    /// One that cannot be read is an error: it may forbid something.
    static func namesIfThere(in directory: FilePath) throws(SysError) -> [String] {
        do {
            return try FD.directory(directory).entries().map(\.name.string).sorted()
        } catch {
            guard error.errno == .noSuchFileOrDirectory else { throw error }
            return []
        }
    }
}
