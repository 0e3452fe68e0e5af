import Linux
public import OCI

/// The record of an attachment: docker's members of an endpoint, and our own.
extension Attachment {
    /// What `inspect` shows (IPAddress, IPPrefixLen, Gateway, MacAddress, Ports) and what `adopt` needs.
    public var json: JSON {
        .fields([
            "IPAddress": .string(address), "IPPrefixLen": .number(network.subnet.prefix),
            "Gateway": .string(network.isInternal ? "" : "\(network.gateway)"),
            "MacAddress": .string(macText(endpoint.mac ?? mac(of: leased))), "Ports": dockerPorts,
            "GlobalIPv6Address": .string(address6 ?? ""),
            "GlobalIPv6PrefixLen": .number(network.subnet6?.prefix ?? 0),
            "IPv6Gateway": .string(
                network.isInternal ? "" : network.hostAddress6.map { "\($0)" } ?? ""),
            "endpoint": endpoint.json, "container": .string(container), "link": .string(link),
            "interface": .string(interface), "isGateway": .bool(isGateway),
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
        let leases = try Leases(attachment.network.leases)
        try attachment.network.ensure(leases)
        try attachment.holdPorts()
        try asking("publish the ports of \(attachment.container)") { () throws(SysError) in
            try attachment.publish()
        }
        _ = leases  // the lock is held to here
        return attachment
    }

    private convenience init(_ json: JSON) throws(JSONError) {
        guard let record = json["endpoint"] else { throw JSONError("endpoint is missing") }
        guard let address = IPv4(try json.requireString("IPAddress")) else {
            throw JSONError("IPAddress is not an address")
        }
        var ports: [PortMapping] = []
        for port in try json.arrayOrEmpty("ports") { ports.append(try PortMapping(port)) }
        let endpoint = try Endpoint(record)
        var lease = Leases.Lease(
            address: address, container: try json.requireString("container"),
            link: try json.requireString("link"), ports: ports)
        lease.address6 = endpoint.address6
        self.init(
            endpoint, container: lease.container, lease: lease,
            interface: try json.requireString("interface"),
            isGateway: try json.optionalBool("isGateway") ?? true, held: [])
    }

    /// `{"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]}`.
    private var dockerPorts: JSON {
        var members: [JSON.Member] = []
        for mapping in ports {
            var addresses = [mapping.hostAddress.map { "\($0)" } ?? "0.0.0.0"]
            if mapping.hostAddress == nil, network.subnet6 != nil { addresses.append("::") }
            let bindings = addresses.map {
                JSON.fields(["HostIp": .string($0), "HostPort": .string("\(mapping.hostPort)")])
            }
            if let at = members.firstIndex(where: { $0.name == mapping.containerName }) {
                members[at].value = .array((members[at].value.array ?? []) + bindings)
            } else {
                members.append(JSON.Member(mapping.containerName, .array(bindings)))
            }
        }
        return .object(members)
    }
}
