public import Linux
public import Network
public import OCI
import SystemPackage

/// A network as a user sees it: `networks/<id>.json`, in the shape of docker's inspect.
public struct NetworkRecord: Equatable, Sendable {
    /// What it is made with.
    public enum Driver: String, Equatable, Sendable {
        case bridge, host
        case none = "null"
    }

    /// 64 hexadecimal digits.
    public var id: String
    public var name: String
    public var created: Timestamp
    public var driver = Driver.bridge
    public var labels: [String: String] = [:]
    /// As they were typed.
    public var options: [String: String] = [:]
    /// Taken and shown; any container may be attached.
    public var isAttachable = false
    /// The user chose the subnet: containers may choose addresses. The same of IPv6.
    public var hasChosenSubnet = false
    public var hasChosenSubnet6 = false
    /// What the kernel is told; nil for host and none.
    public var bridge: BridgeNetwork?

    /// bridge, host or none.
    public var isBuiltIn: Bool { NetworkRecord.builtIns.contains(name) }

    static let builtIns: Set<String> = ["bridge", "host", "none"]

    /// docker's document; `containers` are those that run in it.
    public func document(_ containers: [JSON.Member] = []) -> JSON {
        .fields([
            "Name": .string(name), "Id": .string(id), "Created": .string(created.rfc3339Nano),
            "Scope": .string("local"), "Driver": .string(driver.rawValue), "EnableIPv4": .bool(true),
            "EnableIPv6": .bool(bridge?.subnet6 != nil),
            "IPAM": .fields([
                "Driver": .string("default"),
                "Options": hasChosenSubnet || hasChosenSubnet6 ? .object([]) : .null,
                "Config": .array(pools),
            ]),
            "Internal": .bool(bridge?.isInternal ?? false), "Attachable": .bool(isAttachable),
            "Ingress": .bool(false), "ConfigFrom": .fields(["Network": .string("")]),
            "ConfigOnly": .bool(false), "Containers": .object(containers), "Options": texts(options),
            "Labels": texts(labels),
        ])
    }

    private func texts(_ values: [String: String]) -> JSON {
        .object(values.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) })
    }

    private var pools: [JSON] {
        guard let bridge else { return [] }
        let others = bridge.reserved.enumerated().map { JSON.Member("host\($0)", .string("\($1)")) }
        let first: JSON = .fields([
            "Subnet": .string("\(bridge.subnet)"), "IPRange": bridge.range.map { .string("\($0)") },
            "Gateway": .string("\(bridge.gateway)"),
            "AuxiliaryAddresses": others.isEmpty ? nil : .object(others),
        ])
        guard let subnet6 = bridge.subnet6 else { return [first] }
        let gateway6 = bridge.hostAddress6.map { JSON.string("\($0)") }
        return [first, .fields(["Subnet": .string("\(subnet6)"), "Gateway": gateway6])]
    }
}

extension NetworkRecord {
    /// The record on disk: docker's document and what the kernel is told.
    var json: JSON {
        document().appending(
            .fields([
                "bridge": bridge?.json, "ChosenSubnet": .bool(hasChosenSubnet),
                "ChosenSubnet6": .bool(hasChosenSubnet6),
            ]))
    }

    init(_ json: JSON, leases: FilePath) throws(JSONError) {
        id = try json.requireString("Id")
        guard Records.isID(id) else { throw JSONError("Id \"\(id)\" is not 64 hexadecimal digits") }
        name = try json.requireString("Name")
        created = try json.optionalString("Created").flatMap { Timestamp(parsing: $0) } ?? .zero
        labels = try NetworkRecord.texts(json, "Labels")
        options = try NetworkRecord.texts(json, "Options")
        isAttachable = try json.optionalBool("Attachable") ?? false
        hasChosenSubnet = try json.optionalBool("ChosenSubnet") ?? false
        hasChosenSubnet6 = try json.optionalBool("ChosenSubnet6") ?? false
        guard let record = json["bridge"] else { throw JSONError("bridge is missing") }
        bridge = try BridgeNetwork(record).keeping(leases)
    }

    private static func texts(_ json: JSON, _ member: String) throws(JSONError) -> [String: String] {
        var texts: [String: String] = [:]
        for (name, value) in try json.mapOrEmpty(member) { texts[name] = value }
        return texts
    }
}
