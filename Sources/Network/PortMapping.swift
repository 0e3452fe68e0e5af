import Linux
public import OCI

/// A transport protocol that can be published.
public enum PortProtocol: String, Hashable, Sendable {
    case tcp, udp, sctp

    /// Its number in an IP header.
    var number: UInt8 { UInt8(transport.rawValue) }

    /// Which sockets speak it.
    var transport: HostPort.Transport {
        switch self {
        case .tcp: .tcp
        case .udp: .udp
        case .sctp: .sctp
        }
    }
}

/// One published port: `-p [address:][hostPort]:containerPort[/proto]`.
public struct PortMapping: Equatable, Hashable, Sendable, CustomStringConvertible {
    /// Nil for every address of the host.
    public var hostAddress: HostAddress?
    /// 0 when the kernel is to choose one.
    public var hostPort: UInt16
    /// The last of the ports that may be taken, the first free one of them is; `hostPort` when it is to be that.
    public var lastHostPort: UInt16
    /// Inside the container.
    public var containerPort: UInt16
    /// tcp or udp.
    public var proto: PortProtocol

    /// One port of the host for one of the container.
    public init(
        hostAddress: HostAddress? = nil, hostPort: UInt16, lastHostPort: UInt16? = nil, containerPort: UInt16,
        proto: PortProtocol = .tcp
    ) {
        (self.hostAddress, self.hostPort) = (hostAddress, hostPort)
        self.lastHostPort = lastHostPort ?? hostPort
        (self.containerPort, self.proto) = (containerPort, proto)
    }

    /// As `docker ps` shows it.
    public var description: String { "\(hostText):\(hostPort)->\(containerName)" }

    /// The address with brackets where it needs them.
    var hostText: String { hostAddress?.bracketed ?? "0.0.0.0" }

    /// `80/tcp`.
    var containerName: String { "\(containerPort)/\(proto.rawValue)" }
}

extension PortMapping {
    /// Reads the value of `--publish`; a range gives several. Without an address it is `standard`. Errors are docker's.
    public static func parse(
        _ text: String, at standard: HostAddress? = nil
    ) throws(NetworkError) -> [PortMapping] {
        var parts = text.split(separator: ":", omittingEmptySubsequences: false)
        let (container, proto) = try protocolPart(parts.removeLast(), of: text)
        let host = parts.popLast() ?? ""
        let typed = parts.joined(separator: ":")
        let address = typed.isEmpty ? standard : try addressPart(typed)
        guard let inner = range(container), inner.lowerBound > 0 else {
            throw NetworkError("invalid containerPort: \(container)")
        }
        var outer: ClosedRange<UInt16> = 0...0
        if !host.isEmpty {
            guard let ports = range(host) else { throw NetworkError("invalid hostPort: \(host)") }
            outer = ports
        }
        if host.isEmpty || outer == 0...0 {
            return inner.map {
                PortMapping(hostAddress: address, hostPort: 0, containerPort: $0, proto: proto)
            }
        }
        if inner.count == 1 {
            return [
                PortMapping(
                    hostAddress: address, hostPort: outer.lowerBound, lastHostPort: outer.upperBound,
                    containerPort: inner.lowerBound, proto: proto)
            ]
        }
        guard inner.count == outer.count else {
            throw NetworkError(
                "invalid ranges specified for container and host Ports: \(container) and \(host)")
        }
        return zip(inner, outer).map {
            PortMapping(hostAddress: address, hostPort: $1, containerPort: $0, proto: proto)
        }
    }

    private static func protocolPart(
        _ text: Substring, of whole: String
    ) throws(NetworkError) -> (port: Substring, PortProtocol) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard let port = parts.first, !port.isEmpty else {
            throw NetworkError("no port specified: \(whole)<empty>")
        }
        guard parts.count > 1, !parts[1].isEmpty else { return (port, .tcp) }
        let name = parts[1].lowercased()
        guard let proto = PortProtocol(rawValue: name), parts.count == 2 else {
            throw NetworkError("invalid proto: \(name)")
        }
        return (port, proto)
    }

    private static func addressPart(_ text: String) throws(NetworkError) -> HostAddress? {
        let bare = text.hasPrefix("[") && text.hasSuffix("]") ? String(text.dropFirst().dropLast()) : text
        guard let address = HostAddress(bare) else { throw NetworkError("invalid IP address: \(bare)") }
        return address == .v4(IPv4(0)) ? nil : address
    }

    /// `80` or `80-90`.
    private static func range(_ text: Substring) -> ClosedRange<UInt16>? {
        let ends = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = ends.first, let low = decimal(first.utf8, as: UInt16.self) else { return nil }
        guard ends.count == 2 else { return low...low }
        guard let high = decimal(ends[1].utf8, as: UInt16.self), low <= high else { return nil }
        return low...high
    }
}

extension PortMapping {
    /// For our own records.
    public var json: JSON {
        .fields([
            "hostAddress": hostAddress.map { .string("\($0)") }, "hostPort": .number(hostPort),
            "lastHostPort": lastHostPort == hostPort ? nil : .number(lastHostPort),
            "containerPort": .number(containerPort), "proto": .string(proto.rawValue),
        ])
    }

    /// Reads a record.
    public init(_ json: JSON) throws(JSONError) {
        if let text = try json.optionalString("hostAddress") {
            guard let address = HostAddress(text) else {
                throw JSONError("hostAddress \"\(text)\" is not an address")
            }
            hostAddress = address
        } else {
            hostAddress = nil
        }
        hostPort = try PortMapping.port(json, "hostPort")
        lastHostPort = json["lastHostPort"] == nil ? hostPort : try PortMapping.port(json, "lastHostPort")
        containerPort = try PortMapping.port(json, "containerPort")
        let name = try json.requireString("proto")
        guard let proto = PortProtocol(rawValue: name) else {
            throw JSONError("proto \"\(name)\" is not known")
        }
        guard lastHostPort >= hostPort else { throw JSONError("lastHostPort is below hostPort") }
        self.proto = proto
    }

    private static func port(_ json: JSON, _ name: String) throws(JSONError) -> UInt16 {
        guard let port = UInt16(exactly: try json.requireInt(name)) else {
            throw JSONError("\(name) is out of range (0 to 65535)")
        }
        return port
    }
}
