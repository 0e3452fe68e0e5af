import Linux
public import OCI

/// The record of an attachment: docker's members of an endpoint, and our own.
extension Attachment {
    /// What `inspect` shows (IPAddress, IPPrefixLen, Gateway, MacAddress, Ports) and what `adopt` needs.
    public var json: JSON {
        .fields([
            "IPAddress": .string(address), "IPPrefixLen": .number(network.subnet.prefix),
            "Gateway": .string("\(network.gateway)"), "MacAddress": .string(macText), "Ports": dockerPorts,
            "network": network.json, "container": .string(container), "link": .string(link),
            "ports": .array(ports.map(\.json)),
        ])
    }

    /// Takes over the attachment of a container whose monitor has died: holds its ports again, and publishes
    /// them again where the table was made anew.
    public static func adopt(_ json: JSON) throws(NetworkError) -> Attachment {
        let attachment: Attachment
        do throws(JSONError) {
            attachment = try Attachment(json)
        } catch {
            throw NetworkError("the record of a container's network is damaged: \(error)")
        }
        let leases = try Leases(attachment.network)
        try attachment.network.ensure()
        try attachment.holdPorts()
        try asking("publish the ports of \(attachment.container)") { () throws(SysError) in
            try attachment.publish()
        }
        _ = leases  // the lock is held to here
        return attachment
    }

    private convenience init(_ json: JSON) throws(JSONError) {
        guard let network = json["network"] else { throw JSONError("network is missing") }
        guard let address = IPv4(try json.requireString("IPAddress")) else {
            throw JSONError("IPAddress is not an address")
        }
        var ports: [PortMapping] = []
        for port in try json.arrayOrEmpty("ports") { ports.append(try PortMapping(port)) }
        self.init(
            network: try BridgeNetwork(network), container: try json.requireString("container"),
            leased: address, link: try json.requireString("link"), ports: ports, held: [])
    }

    private var macText: String {
        mac(of: leased).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
    }

    /// `{"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]}`.
    private var dockerPorts: JSON {
        var members: [JSON.Member] = []
        for mapping in ports {
            let binding = JSON.fields([
                "HostIp": .string(mapping.hostAddress.map { "\($0)" } ?? "0.0.0.0"),
                "HostPort": .string("\(mapping.hostPort)"),
            ])
            if let at = members.firstIndex(where: { $0.name == mapping.containerName }) {
                members[at].value = .array((members[at].value.array ?? []) + [binding])
            } else {
                members.append(JSON.Member(mapping.containerName, .array([binding])))
            }
        }
        return .object(members)
    }
}
