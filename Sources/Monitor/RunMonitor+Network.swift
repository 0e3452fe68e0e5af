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

    /// With the network namespace of the container whose network this one shares, as it is now.
    func joiningNetwork(_ spec: RuntimeSpec) throws(RuntimeError) -> RuntimeSpec {
        guard case .container(let id) = request.network else { return spec }
        guard let owner = try owner(id) else { throw RuntimeError(Self.notRunning(id)) }
        var spec = spec
        spec.linux.namespaces.removeAll { $0.kind == .network }
        spec.linux.namespaces.append(.init(.network, path: "/proc/\(owner.pid)/ns/net"))
        networkOwner = consume owner
        return spec
    }

    private static func notRunning(_ id: String) -> String {
        "cannot join network of a non running container: \(id)"
    }

    /// The first process of a container that runs.
    private func owner(_ id: String) throws(RuntimeError) -> Pidfd? {
        do {
            let containers = try FD.open(request.directory.removingLastComponent(), [.readOnly, .directory])
            guard let bytes = try containers.contents(of: FilePath("\(id)/state.json")) else { return nil }
            let state = try StateRecord(JSON(parsing: bytes))
            guard state.status == "running", try Process.bootID() == state.bootID else { return nil }
            return try Pidfd.find(pid: state.pid, startTime: state.startTime)
        } catch {
            throw RuntimeError("read the state of container \(id.prefix(12)): \(error)")
        }
    }

    private func isAlive(_ process: borrowing Pidfd?) -> Bool {
        var poll = Poll()
        switch process {
        case .some(let pidfd): poll.add(pidfd.fd, .readable)
        case .none: return false
        }
        return (try? poll.wait(milliseconds: 0)) == 0  // readable when it has ended
    }

    func connectNetwork(_ pidfd: borrowing Pidfd) throws(RuntimeError) {
        do throws(NetworkError) {
            switch request.network {
            case .host: return
            // Only now it is certain that the namespace was this process's and no later one's of the same number.
            case .container(let id):
                guard isAlive(networkOwner) else { throw NetworkError(Self.notRunning(id)) }
                networkOwner = nil
            case .none: try configureLoopbackOnly(pidfd)
            case .bridge:
                if attachments.isEmpty { try configureLoopbackOnly(pidfd) }
                for attachment in attachments {
                    try attachment.connect(pidfd)
                    tell("connect", attachment)
                }
                try openNameService(pidfd)
            }
        } catch {
            throw RuntimeError(error.description)
        }
    }

    /// What the request says now, of a container that runs: what is gone first, then what is new.
    func changeNetworks() throws(RuntimeError) {
        guard case .bridge(let endpoints, let ports) = request.network else { return }
        let gone = attachments.filter { old in
            !endpoints.contains { $0.network.link == old.endpoint.network.link }
        }
        try rename(endpoints)
        let isSame = gone.isEmpty && endpoints.allSatisfy { attachment(to: $0.network) != nil }
        guard !isSame, let session, state.status == "running" else { return }
        let result = session.withPidfd { pidfd -> Result<Void, NetworkError> in
            Result { () throws(NetworkError) in
                for attachment in gone { try leave(attachment, pidfd) }
                for endpoint in endpoints where attachment(to: endpoint.network) == nil {
                    try join(endpoint, ports, pidfd)
                }
                try openNameService(pidfd)
            }
        }
        do throws(SysError) { try writeHosts() } catch { state.error = "write /etc/hosts: \(error)" }
        state.network = networkRecord
        session.names = names
        do throws(NetworkError) { try result.get() } catch { throw RuntimeError(error.description) }
    }

    func takePorts(of id: String) throws(RuntimeError) {
        guard state.status == "running", let gateway else {
            throw RuntimeError("container \(request.id) has no network that ports can be published on")
        }
        do throws(NetworkError) { try gateway.takePorts(ofContainer: id) } catch {
            throw RuntimeError(error.description)
        }
        state.network = networkRecord
    }

    private func rename(_ endpoints: [Endpoint]) throws(RuntimeError) {
        do throws(NetworkError) {
            for endpoint in endpoints { try attachment(to: endpoint.network)?.setNames(endpoint.names) }
            try gateway?.settlePorts()
        } catch { throw RuntimeError(error.description) }
        if !attachments.isEmpty { state.network = networkRecord }
    }

    private func join(
        _ endpoint: Endpoint, _ ports: [PortMapping], _ pidfd: borrowing Pidfd
    ) throws(NetworkError) {
        let isGateway = gateway == nil && !endpoint.network.isInternal
        let attachment = try Attachment.reserve(
            endpoint, container: request.id, as: freeInterface(), isGateway: isGateway,
            ports: isGateway ? ports : [])
        do throws(NetworkError) { try attachment.connect(pidfd) } catch {
            try attachment.release()
            throw error
        }
        attachments.append(attachment)
        tell("connect", attachment)
    }

    private func tell(_ action: String, _ attachment: Attachment) {
        let network = attachment.endpoint.network
        let attributes = ["container": request.id, "name": network.name, "type": "bridge"]
        request.events?.log.tell(Event("network", action, id: network.id, attributes))
    }

    /// The next network that leads anywhere takes the default route and the ports over.
    private func leave(_ attachment: Attachment, _ pidfd: borrowing Pidfd) throws(NetworkError) {
        let next = attachments.first { $0 !== attachment && !$0.endpoint.network.isInternal }
        let wasGateway = attachment.isGateway
        if wasGateway, let next { try next.takePorts(of: attachment) }
        try attachment.release()
        tell("disconnect", attachment)
        attachments.removeAll { $0 === attachment }
        if wasGateway, let next { try next.becomeGateway(pidfd) }
    }

    /// For a container in a network whose containers find each other by name, or without another way to the host's
    /// servers. Questions wait in its sockets until the session's loop runs.
    func openNameService(_ pidfd: borrowing Pidfd) throws(NetworkError) {
        let networks = attachments.map(\.endpoint.network)
        let servers = request.nameServers.compactMap { HostAddress($0) }
        guard networks.contains(where: { $0.hasNames || request.needsNameService }) else {
            return names = nil
        }
        do throws(SysError) {
            names = try NameService(in: pidfd, NameBook(networks)) {
                servers.isEmpty ? hostServers() : servers
            }
        } catch {
            throw NetworkError("start the name service of container \(request.id): \(error)")
        }
    }

    /// Again, after another monitor's death. A container without answers lives on.
    func serveNames() {
        session?.withPidfd { pidfd in
            do throws(NetworkError) { try openNameService(pidfd) } catch { state.error = error.description }
        }
        session?.names = names
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
        for attachment in attachments {
            do throws(NetworkError) { try attachment.unpublish() } catch {}
            tell("disconnect", attachment)
        }
    }

    /// What cannot be taken away now the next start replaces, or fails at.
    func disconnectNetwork() {
        for attachment in attachments {
            do throws(NetworkError) { try attachment.disconnect() } catch {}
            tell("disconnect", attachment)
        }
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

/// Those of the host now: its file is read for each question that leaves it.
private func hostServers() -> [HostAddress] {
    // A host without one has none.
    let bytes = (try? FD.open("/etc/resolv.conf").readAll(limit: 1 << 16)) ?? []
    return nameServers(resolvConf: String(decoding: bytes, as: UTF8.self))
}
