public import Network
import OCI

/// `/etc/apus/config.json`: what the host's administrator has chosen for all containers, with the names of dockerd's
/// daemon.json. The command line goes before it. Public keys: see docs/configuration.md.
public struct Configuration: Equatable, Sendable {
    /// `data-root` and `exec-root`.
    public private(set) var root: String?
    public private(set) var run: String?
    /// `ip`, `bip`, `default-address-pools`, `ipv6` and `fixed-cidr-v6`.
    public internal(set) var addresses = AddressPlan()
    private var logDriver: String?
    private var logOptions: [String: String] = [:]
    private var dns: [String] = []
    private var dnsSearch: [String] = []
    private var dnsOptions: [String] = []
    private var ulimits: [Ulimit] = []
    private var usesInit = false
    private var shmSize: Int64?
    private var noNewPrivileges = false

    /// Where it is, unless APUS_CONFIG says otherwise.
    public static let standardPath = "/etc/apus/config.json"

    /// No choice.
    public init() {}

    /// Reads the document; errors name the key. One that is unknown is refused: a misspelt limit is none.
    public init(_ text: [UInt8]) throws(UsageError) {
        do {
            let json = try JSON(parsing: text)
            guard let members = json.members else { throw JSONError("an object is expected") }
            for member in members where try !takeAddresses(member.name, json) {
                try take(member.name, json)
            }
            if addresses.bridgeSubnet6 != nil, !addresses.bridgeHasIPv6 {
                throw JSONError("fixed-cidr-v6 needs \"ipv6\": true")
            }
            // What is wrong is said now, not when a container is made.
            _ = try LogOptions(driver: logDriver, logOptions)
        } catch { throw UsageError("\(error)") }
    }

    private mutating func take(_ key: String, _ json: JSON) throws {
        switch key {
        case "data-root": root = try json.requireString(key)
        case "exec-root": run = try json.requireString(key)
        case "log-driver": logDriver = try json.requireString(key)
        case "log-opts": logOptions = try json.mapOrEmpty(key)
        case "dns": dns = try json.stringsOrEmpty(key).map(NameOptions.server)
        case "dns-search": dnsSearch = try json.stringsOrEmpty(key).map(NameOptions.searchDomain)
        case "dns-opts": dnsOptions = try json.stringsOrEmpty(key).map(NameOptions.resolverOption)
        case "init": usesInit = try json.optionalBool(key) ?? false
        case "default-shm-size": shmSize = try Size.parse(json.requireString(key))
        case "no-new-privileges": noNewPrivileges = try json.optionalBool(key) ?? false
        case "default-ulimits":
            for member in json[key]?.members ?? [] {
                let limit = try Ulimit(member.value)
                guard limit.name == member.name else {
                    throw JSONError("\(key): \(member.name) names \(limit.name)")
                }
                ulimits.append(limit)
            }
        default: throw JSONError("unknown key \"\(key)\"")
        }
    }

    /// A container that shares another one's network has that one's resolv.conf.
    private func completeNames(_ host: inout HostOptions) {
        if case .container = host.network { return }
        if host.dns.isEmpty { host.dns = dns }
        if host.dnsSearch.isEmpty { host.dnsSearch = dnsSearch }
        if host.dnsOptions.isEmpty { host.dnsOptions = dnsOptions }
    }

    /// What was chosen for a container for which the command line says nothing. `typed`: whether a flag was; `security`:
    /// the values of `--security-opt`.
    public func complete(
        _ host: inout HostOptions, security: [String], typed: (String) -> Bool
    ) throws(UsageError) {
        completeNames(&host)
        if !typed("init") { host.usesInit = usesInit }
        if let shmSize, !typed("shm-size") { host.shmSize = shmSize }
        if noNewPrivileges, !security.contains(where: { $0.hasPrefix("no-new-privileges") }) {
            host.noNewPrivileges = true
        }
        host.ulimits += ulimits.filter { one in !host.ulimits.contains { $0.name == one.name } }
        try completeLog(&host.log, isDriverTyped: typed("log-driver"))
    }

    /// As dockerd has it: the options are those of the driver that the file names.
    private func completeLog(_ log: inout LogOptions, isDriverTyped: Bool) throws(UsageError) {
        let driver = isDriverTyped ? log.driver.rawValue : logDriver ?? log.driver.rawValue
        let options = driver == logDriver ?? LogOptions().driver.rawValue ? logOptions : [:]
        log = try LogOptions(driver: driver, options.merging(log.options) { $1 })
    }
}
