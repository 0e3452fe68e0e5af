import Monitor
import OCI

/// `--log-driver` and `--log-opt`: where a container's output is kept.
public struct LogOptions: Equatable, Sendable {
    /// docker's names.
    public enum Driver: String, Sendable {
        case jsonFile = "json-file"
        case journald
        case none
    }
    public var driver = Driver.jsonFile
    /// As they were typed.
    public private(set) var options: [String: String] = [:]
    private var limits = LogLimits.standard

    /// json-file, bounded.
    public init() {}

    /// Takes what was typed; docker's texts, but for what apus does not do.
    public init(driver name: String?, _ list: [String]) throws(UsageError) {
        var typed: [String: String] = [:]
        for option in list {
            guard let equals = option.firstIndex(of: "=") else {
                throw UsageError("invalid logging opt \"\(option)\": want key=value")
            }
            typed[String(option[..<equals])] = String(option[option.index(after: equals)...])
        }
        try self.init(driver: name, typed)
    }

    /// The same of a record.
    init(driver name: String?, _ options: [String: String]) throws(UsageError) {
        if let name {
            guard let known = Driver(rawValue: name) else {
                let isDockers = Self.dockersDrivers.contains(name)
                throw UsageError(
                    isDockers
                        ? "--log-driver \(name) is not supported yet: json-file, journald and none are"
                        : "logger: no log driver named '\(name)' is registered")
            }
            driver = known
        }
        self.options = options
        guard driver != .none else { return }
        for (key, value) in options.sorted(by: { $0.key < $1.key }) { try take(key, value) }
        if options["max-buffer-size"] != nil, options["mode"] != "non-blocking" {
            throw UsageError("logger: max-buffer-size option is only supported with 'mode=non-blocking'")
        }
    }

    private static let dockersDrivers: Set<String> = [
        "awslogs", "etwlogs", "fluentd", "gcplogs", "gelf", "local", "logentries", "splunk", "syslog",
    ]

    private mutating func take(_ key: String, _ value: String) throws(UsageError) {
        switch key {
        case "labels", "env": return
        case "tag":
            do { _ = try Template(value) } catch { throw UsageError("log opt tag: \(error)") }
        case "labels-regex", "env-regex":
            throw UsageError("log opt \(key) is not supported yet: name them with \(key.dropLast(6))")
        // No writer makes its container wait, so both modes are one.
        case "mode":
            guard ["blocking", "non-blocking"].contains(value) else {
                throw UsageError("logger: logging mode not supported: \(value)")
            }
        case "max-buffer-size": _ = try Size.parse(value)
        case _ where driver == .journald:
            throw UsageError("unknown log opt '\(key)' for journald log driver")
        default: try takeFile(key, value)
        }
    }

    private mutating func takeFile(_ key: String, _ value: String) throws(UsageError) {
        switch key {
        case "max-size":
            let size = value == "-1" ? Int64.max / 2 : try Size.parse(value)
            guard size > 0 else { throw UsageError("invalid value for max-size: \(value), must be positive") }
            limits.maxSize = Int(size)
        case "max-file":
            guard let count = Int(value), (1...1000).contains(count) else {
                throw UsageError("invalid value for max-file: \"\(value)\" is not a number from 1 to 1000")
            }
            limits.maxFiles = count
        case "compress":
            guard value == "false" else { throw UsageError("log opt compress=\(value) is not supported yet") }
        default: throw UsageError("unknown log opt '\(key)' for json-file log driver")
        }
    }

    /// docker's `LogConfig`.
    var json: JSON {
        .fields(["Type": .string(driver.rawValue), "Config": .nonEmpty(options) ?? .object([])])
    }

    init(_ json: JSON) throws(JSONError) {
        let options = try json.mapOrEmpty("Config")
        do throws(UsageError) {
            self = try LogOptions(driver: json["Type"]?.string, options)
        } catch { throw JSONError("LogConfig: \(error)") }
    }
}

extension LogOptions {
    /// What the monitor of a container is told.
    func target(_ config: ContainerConfig) throws(UsageError) -> LogTarget? {
        switch driver {
        case .none: return nil
        case .jsonFile: return .file(limits, attributes: try attributes(config, tag: options["tag"]))
        case .journald:
            let tag = try render(options["tag"] ?? "{{.ID}}", config)
            // docker's fields; those of the user cannot take their place.
            var fields: [String: String] = [:]
            for (key, value) in try attributes(config, tag: nil) { fields[Self.fieldName(key)] = value }
            fields["CONTAINER_ID"] = String(config.id.prefix(12))
            fields["CONTAINER_ID_FULL"] = config.id
            fields["CONTAINER_NAME"] = config.name
            fields["CONTAINER_TAG"] = tag
            fields["IMAGE_NAME"] = config.imageName
            fields["SYSLOG_IDENTIFIER"] = tag
            return .journal(fields: fields)
        }
    }

    /// The labels and variables that each line carries.
    private func attributes(_ config: ContainerConfig, tag: String?) throws(UsageError) -> [String: String] {
        func names(_ key: String) -> [String] { options[key]?.split(separator: ",").map(String.init) ?? [] }
        var result: [String: String] = [:]
        for name in names("labels") { result[name] = config.process.labels[name] }
        for name in names("env") {
            let line = config.process.env.last { $0.hasPrefix(name + "=") }
            if let line { result[name] = String(line.dropFirst(name.utf8.count + 1)) }
        }
        if let tag { result["tag"] = try render(tag, config) }
        return result
    }

    private func render(_ text: String, _ config: ContainerConfig) throws(UsageError) -> String {
        let facts = JSON.fields([
            "ID": .string(String(config.id.prefix(12))), "FullID": .string(config.id),
            "Name": .string(config.name), "ImageName": .string(config.imageName),
            "ImageID": .string(config.image.short), "ImageFullID": .string(config.image.description),
            "Command": .string(config.command.joined(separator: " ")), "DaemonName": .string("apus"),
        ])
        do { return try Template(text).render(facts) } catch { throw UsageError("log opt tag: \(error)") }
    }

    /// The journal's grammar: capital letters, digits and `_`, not `_` first.
    private static func fieldName(_ name: String) -> String {
        let upper = name.uppercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" }
        return String(String(upper).drop { $0 == "_" })
    }
}
