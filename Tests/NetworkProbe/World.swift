import CLinux
import Linux
import Network
import SystemPackage

/// A process in a network namespace of its own, killed when this object goes.
final class Node {
    let pidfd: Pidfd

    /// `body` runs in the new process before it waits for its end.
    init(_ namespaces: Namespaces = .network, _ body: () -> Void = {}) throws {
        switch try Process.clone(namespaces) {
        case .child:
            _ = cl_prctl(1, 9, 0, 0, 0)  // PR_SET_PDEATHSIG, SIGKILL
            body()
            while true { Kernel.sleep(milliseconds: 60_000) }
        case .parent(let pidfd): self.pidfd = pidfd
        }
    }

    func kill() {
        _ = try? pidfd.send(signal: 9)  // it may have ended
        _ = try? pidfd.reap(wait: true)
    }

    deinit { kill() }

    /// Runs `body` in this process's network namespace.
    func visit<R>(_ body: () throws -> R) throws -> R {
        let home = try FD.open("/proc/self/ns/net")
        try Process.enter(.network, of: pidfd.fd)
        let result = Result { try body() }
        try Process.enter(.network, of: home)
        return try result.get()
    }
}

/// Answers connections to a port with `name`, in a process in the namespace the caller is in.
func serve(_ name: String, _ address: [UInt8] = [0, 0, 0, 0], port: UInt16) throws -> Node {
    let family: CInt = address.count == 16 ? 10 : 2
    let listener = FD(adopting: try sys("socket", "server") { cl_socket(family, 1, 0) })
    _ = try sys("setsockopt", "server") { cl_setsockopt_int(listener.raw, 1, 2, 1) }
    _ = try sys("bind", "server") { cl_bind_inet(listener.raw, family, address, port) }
    _ = try sys("listen", "server") { cl_listen(listener.raw, 16) }
    return try Node([]) {
        while true {
            let client = cl_accept(listener.raw)
            if client < 0 { continue }
            _ = cl_send(client, name, name.utf8.count, 0)
            _ = cl_close(client)
        }
    }
}

/// What a server at an address answers; `closed` when nobody does within a moment.
func ask(_ address: String, _ port: UInt16) -> String {
    guard let bytes = HostAddress(address)?.bytes,
        let raw = try? sys("socket", "client", { cl_socket(bytes.count == 16 ? 10 : 2, 1 | 0o4000, 0) })
    else { return "no address" }
    let socket = FD(adopting: raw)
    let connected = cl_connect_inet(socket.raw, bytes.count == 16 ? 10 : 2, bytes, port)
    guard connected == 0 || connected == -115 else { return "closed" }  // EINPROGRESS
    guard waitFor(socket.raw, 4), waitFor(socket.raw, 1) else { return "closed" }
    var buffer = [UInt8](repeating: 0, count: 64)
    let n = cl_recv(socket.raw, &buffer, buffer.count, 0)
    return n > 0 ? String(decoding: buffer[..<n], as: UTF8.self) : "closed"
}

private func waitFor(_ raw: CInt, _ event: CShort) -> Bool {
    var (fds, events, found) = ([raw], [event], [CShort(0)])
    guard cl_poll(&fds, &events, &found, 1, 2000) == 1 else { return false }
    return found[0] & event != 0
}

/// The probe's own host: a network namespace with loopback up, and a directory for records.
struct Host {
    let directory: FilePath
    let network: BridgeNetwork

    init(_ directory: String) throws {
        try Process.unshare(.network)
        self.directory = FilePath(directory)
        var socket = try NetlinkSocket(.route)
        try socket.transact([Route.raise("lo")])
        network = try BridgeNetwork.standard(
            suffix: "0badcafe", records: self.directory.appending("records"),
            leases: self.directory.appending("leases"))
    }

    func attach(
        _ id: String, _ ports: [String] = [], to other: BridgeNetwork? = nil
    ) throws -> (node: Node, attachment: Attachment) {
        let mappings = try ports.flatMap { try PortMapping.parse($0) }
        let attachment = try Attachment.reserve(
            Endpoint(other ?? network), container: id, ports: mappings)
        let node = try Node()
        try attachment.connect(node.pidfd)
        return (node, attachment)
    }

    /// Another machine on a wire: 192.0.2.1 here, 192.0.2.2 there, which sends everything through us, also
    /// what is for 127.0.0.0/8, because its own loopback is down.
    func neighbour() throws -> Node {
        let node = try Node()
        var socket = try NetlinkSocket(.route)
        try node.visit {
            let inner = try FD.open("/proc/self/ns/net")
            try socket.transact([
                Route.makePair("wire", master: 0, peer: "wire", mac: [2, 0, 0, 0, 0, 2], in: inner)
            ])
            try raise("wire", [192, 0, 2, 2])
            var own = try NetlinkSocket(.route)
            try own.transact([
                Route.addDefault(gateway: [192, 0, 2, 1]), Route.addDefault(gateway: wire6(1)),
            ])
        }
        try raise("wire", [192, 0, 2, 1])
        return node
    }

    private func raise(_ link: String, _ address: [UInt8]) throws {
        var socket = try NetlinkSocket(.route)
        let give = Route.addAddress(
            address, prefix: 24, broadcast: [192, 0, 2, 255], index: Route.index(of: link) ?? 0)
        let give6 = Route.addAddress(
            wire6(address[3]), prefix: 64, index: Route.index(of: link) ?? 0)
        try socket.transact([give, give6, Route.raise(link)])
        // Only the rules shall keep packets for 127.0.0.0/8 away, not the kernel's own care.
        try FD.open(FilePath("/proc/sys/net/ipv4/conf/\(link)/route_localnet"), .writeOnly).writeAll([49])
    }

    /// The names of leased addresses, sorted.
    func leases() throws -> [String] {
        let namespace = try FD.open("/proc/self/ns/net").status().inode
        let path = network.leases.appending("\(namespace)")
        return try FD.directory(path).entries().map(\.name.string).filter { IPv4($0) != nil }.sorted()
    }

    /// A further network of the same engine.
    func another(_ name: String, _ subnet: String, _ change: (inout BridgeNetwork) -> Void = { _ in })
        throws -> BridgeNetwork
    {
        guard let range = IPv4Subnet(subnet) else { throw NetworkError("\(subnet) is none") }
        var other = BridgeNetwork(
            name: name, link: name, table: network.table, subnet: range, leases: network.leases)
        change(&other)
        return other
    }

    /// How many ports are published, in all maps.
    func elements() throws -> Int {
        try ["addressed4", "everywhere4", "addressed6", "everywhere6"].reduce(0) { sum, map in
            var socket = try NetlinkSocket(.netfilter)
            var list = NetlinkMessage(
                type: 0x0a0d, flags: [.request, .dump], fixed: [1, 0, 0, 0], subject: "list \(map)")
            list.add(1, network.table)
            list.add(2, map)
            let parts = try socket.request(list).flatMap { $0.attributes(after: 4) }.filter { $0.type == 3 }
            return sum + parts.reduce(0) { $0 + netlinkAttributes($1.payload).count }
        }
    }
}

/// 2001:db8::N, on the wire between the host and its neighbour.
func wire6(_ last: UInt8) -> [UInt8] { [0x20, 0x01, 0x0d, 0xb8] + [UInt8](repeating: 0, count: 11) + [last] }
