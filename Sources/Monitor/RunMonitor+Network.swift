import Linux
import Network
import OCI
import Runtime
import SystemPackage

/// The networks of a container: reserved before its process is made, connected once that is there, and again at each
/// start.
extension RunMonitor {
    /// Takes addresses and ports that a run before has not left.
    func reserveNetwork() throws(RuntimeError) {
        guard case .bridge(let endpoints, let ports) = request.network else { return }
        for endpoint in endpoints where attachment(to: endpoint.network) == nil {
            try reserve(endpoint, ports)
        }
        if !ports.isEmpty, !endpoints.isEmpty, gateway == nil {
            throw RuntimeError(
                "cannot publish a port: network \(endpoints[0].network.name) is internal, nothing outside reaches it"
            )
        }
        try asStartError { () throws(SysError) in try writeHosts() }
    }

    /// The first network that leads anywhere has the default route and the published ports.
    private func reserve(_ endpoint: Endpoint, _ ports: [PortMapping]) throws(RuntimeError) {
        let isGateway = gateway == nil && !endpoint.network.isInternal
        do throws(NetworkError) {
            attachments.append(
                try Attachment.reserve(
                    endpoint, container: request.id, as: freeInterface(), isGateway: isGateway,
                    ports: isGateway ? ports : []))
        } catch {
            throw RuntimeError(error.description)
        }
    }

    func connectNetwork(_ pidfd: borrowing Pidfd) throws(RuntimeError) {
        do throws(NetworkError) {
            switch request.network {
            case .host: return
            case .none: try configureLoopbackOnly(pidfd)
            case .bridge:
                if attachments.isEmpty { try configureLoopbackOnly(pidfd) }
                for attachment in attachments { try attachment.connect(pidfd) }
            }
        } catch {
            throw RuntimeError(error.description)
        }
    }

    var gateway: Attachment? { attachments.first { $0.isGateway } }

    private func attachment(to network: BridgeNetwork) -> Attachment? {
        attachments.first { $0.endpoint.network.link == network.link }
    }

    /// eth0, eth1 and so on: the first that none has.
    private func freeInterface() -> String {
        let taken = Set(attachments.map(\.interface))
        return (0...attachments.count).map { "eth\($0)" }.first { !taken.contains($0) } ?? "eth0"
    }

    /// For state.json.
    var networkRecord: JSON? {
        attachments.isEmpty ? nil : .fields(["Attachments": .array(attachments.map(\.json))])
    }

    /// Takes the attachments of a record over; those that cannot be are left to the sweep.
    func adoptNetwork(_ record: JSON) throws(NetworkError) {
        for attachment in record["Attachments"]?.array ?? [] {
            attachments.append(try Attachment.adopt(attachment))
        }
    }

    /// The kernel takes some 30 ms for a link. A monitor that is killed before leaves a lease that the next command
    /// sweeps; the link ends with the container's namespace anyway.
    func leaveNetwork() {
        for attachment in attachments { do throws(NetworkError) { try attachment.release() } catch {} }
        attachments = []
    }

    /// The quick part of it.
    func unpublish() {
        for attachment in attachments { do throws(NetworkError) { try attachment.unpublish() } catch {} }
    }

    /// What cannot be taken away now the next start replaces, or fails at.
    func disconnectNetwork() {
        for attachment in attachments { do throws(NetworkError) { try attachment.disconnect() } catch {} }
    }

    /// The container's own lines go last, as docker writes them; older ones of this container are replaced.
    func writeHosts() throws(SysError) {
        guard let path = request.hosts else { return }
        let file = try FD.open(path, .readWrite)
        let suffix = "\t" + request.hostsNames
        let old = String(decoding: try file.readAll(limit: 1 << 20), as: UTF8.self)
        let kept = old.split(separator: "\n").filter { !$0.hasSuffix(suffix) }.map(String.init)
        let own = attachments.flatMap { [$0.address, $0.address6].compactMap(\.self) }.map { $0 + suffix }
        let text = (kept + own).joined(separator: "\n") + "\n"
        try FD.open(path, [.writeOnly, .truncate]).writeAll(Array(text.utf8))
    }
}
