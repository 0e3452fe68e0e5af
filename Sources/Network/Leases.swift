import Linux
import OCI
import SystemPackage

/// Who has which address: one file for each address, in a directory of the network namespace they are valid in.
/// Every change happens under the directory's lock.
struct Leases: ~Copyable {
    private let directory: FD
    /// Held as long as this value.
    private let lock: FD

    /// What the file of an address holds.
    struct Lease: Equatable {
        let address: IPv4
        let container: String
        /// The host's end of the container's pair of links. The address is given away again only when this
        /// is gone: else a packet for the old container would reach the new one.
        let link: String
        var ports: [PortMapping]
    }

    /// Waits for the lock.
    init(_ network: BridgeNetwork) throws(NetworkError) {
        let opened = try asking("open the leases of network \(network.name)") { () throws(SysError) in
            let namespace = try FD.open("/proc/self/ns/net").status().inode
            return try FD.directory(network.leases, make: true).openMaking(FilePath("\(namespace)"))
        }
        lock = try asking("lock the leases of network \(network.name)") { () throws(SysError) in
            let lock = try opened.open(
                "lock", [.readWrite, .create, .noFollow], mode: 0o600, resolve: .beneath)
            try lock.lock()
            return lock
        }
        directory = opened
    }

    /// Leases the next free address after the last one given, so that one just freed rests longest.
    func allocate(
        in network: BridgeNetwork, container: String, link: String, ports: [PortMapping]
    ) throws(NetworkError) -> Lease {
        let cursor = FilePath("next-\(network.link)")
        return try asking("connect to network \(network.name)") { () throws(SysError) in
            let text = try directory.contents(of: cursor, limit: 64)
            let last = text.flatMap { IPv4(String(decoding: $0, as: UTF8.self)) }
            for address in network.candidates(after: last) {
                let lease = Lease(address: address, container: container, link: link, ports: ports)
                guard try make(lease) else { continue }
                try directory.replace(cursor, with: Array("\(address)".utf8), durable: false)
                return lease
            }
            throw SysError(
                call: "lease", subject: "\(network.subnet)", errno: .noSpace,
                hint: "every address is leased; remove containers")
        }
    }

    /// False when the address is leased.
    private func make(_ lease: Lease) throws(SysError) -> Bool {
        let name = FilePath("\(lease.address)")
        do {
            let file = try directory.open(
                name, [.writeOnly, .create, .exclusive, .noFollow], mode: 0o600, resolve: .beneath)
            try file.writeAll(lease.json.bytes)
            return true
        } catch {
            if error.errno == .fileExists { return false }
            throw error
        }
    }

    /// Replaces what is written about a lease.
    func write(_ lease: Lease) throws(NetworkError) {
        try asking("record the lease of \(lease.address)") { () throws(SysError) in
            try directory.replace(FilePath("\(lease.address)"), with: lease.json.bytes, durable: false)
        }
    }

    /// Frees an address.
    func remove(_ address: IPv4) throws(NetworkError) {
        _ = try asking("free \(address)") { () throws(SysError) in
            try directory.remove(FilePath("\(address)"))
        }
    }

    /// Every lease of a subnet. One that a crash left half-written counts as a dead container's.
    func all(in subnet: IPv4Subnet) throws(NetworkError) -> [Lease] {
        try asking("read the leases of \(subnet)") { () throws(SysError) in
            var leases: [Lease] = []
            for (name, _) in try directory.entries() {
                guard let address = IPv4(name.string), subnet.contains(address),
                    let bytes = try directory.contents(of: name, limit: 16 << 20)
                else { continue }
                let empty = Lease(address: address, container: "", link: "", ports: [])
                leases.append((try? Lease(address, JSON(parsing: bytes))) ?? empty)
            }
            return leases
        }
    }
}

extension Leases.Lease {
    fileprivate var json: JSON {
        .fields([
            "container": .string(container), "link": .string(link),
            "ports": ports.isEmpty ? nil : .array(ports.map(\.json)),
        ])
    }

    fileprivate init(_ address: IPv4, _ json: JSON) throws(JSONError) {
        self.address = address
        container = try json.requireString("container")
        link = try json.requireString("link")
        ports = []
        for port in try json.arrayOrEmpty("ports") { ports.append(try PortMapping(port)) }
    }
}

extension BridgeNetwork {
    /// Every address that a container can have, beginning behind `last`: not the subnet's own, the gateway's or
    /// the broadcast one.
    func candidates(after last: IPv4?) -> some Sequence<IPv4> {
        let first = gateway.number + 1
        let count = UInt32(subnet.size - 3)
        let start = last.map { subnet.contains($0) && $0 >= IPv4(first) ? $0.number - first + 1 : 0 } ?? 0
        return (0..<count).lazy.map { IPv4(first + (start + $0) % count) }
    }
}
