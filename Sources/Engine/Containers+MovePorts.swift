import Linux
import Monitor
import Network
import OCI

/// A published port that goes from one container to another.
extension Containers {
    /// The published ports of `old` lead to `new` from now on, in one transaction: nobody who asks meanwhile is refused,
    /// and connections that there are stay where they are. Both run.
    public func movePorts(from old: String, to new: String) throws {
        let (from, to) = (try records.read(old), try records.read(new))
        for record in [from, to] where !record.state.isRunning || record.state.isRestarting {
            throw EngineError("Container \(record.config.id) is not running", exitCode: 1)
        }
        guard old != new else { throw EngineError("both names are one container's", exitCode: 1) }
        let texts = Self.texts(from.state.network.ports)
        guard !texts.isEmpty else {
            throw EngineError("container \(from.config.name) has no published port", exitCode: 1)
        }
        let mappings = try texts.flatMap { try PortMapping.parse($0) }
        // The records first: whoever starts the containers again finds the ports where they are then.
        try setPorts(of: new, to.config.host.ports + texts, all: to.config.host.publishesAll) {
            $0 + mappings
        }
        try setPorts(of: old, [], all: false) { _ in [] }
        do {
            guard try ask(.takePorts(of: old), new) != nil else {
                throw EngineError("Container \(new) is not running", exitCode: 1)
            }
        } catch {
            try setPorts(of: new, to.config.host.ports, all: to.config.host.publishesAll) { ports in
                ports.filter { !mappings.contains($0) }
            }
            try setPorts(of: old, from.config.host.ports, all: from.config.host.publishesAll) { _ in mappings
            }
            throw error
        }
        _ = try ask(.reload, old)  // lets go of the sockets
        _ = try ask(.reload, new)  // takes them
    }

    private func setPorts(
        of id: String, _ texts: [String], all: Bool, _ edit: ([PortMapping]) -> [PortMapping]
    ) throws {
        try change(id) { config, request in
            (config.host.ports, config.host.publishesAll) = (texts, all)
            guard case .bridge(let endpoints, let ports) = request.network else { return }
            request.network = .bridge(endpoints, ports: edit(ports))
        }
    }

    /// docker's Ports as they are typed; a port of both families is one.
    static func texts(_ ports: JSON) -> [String] {
        (ports.members ?? []).flatMap { member -> [String] in
            let bindings = (member.value.array ?? []).map {
                (address: $0["HostIp"]?.string ?? "", port: $0["HostPort"]?.string ?? "")
            }
            return bindings.compactMap { binding in
                switch binding.address {
                case "0.0.0.0", "": return "\(binding.port):\(member.name)"
                case "::" where bindings.contains { $0.address == "0.0.0.0" && $0.port == binding.port }:
                    return nil
                case let address where address.contains(":"):
                    return "[\(address)]:\(binding.port):\(member.name)"
                case let address: return "\(address):\(binding.port):\(member.name)"
                }
            }
        }
    }
}
