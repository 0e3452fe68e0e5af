import Linux
import OCI
import SystemPackage

/// Who has which address: one file for each address, in a directory of the network namespace they are valid in, beside
/// what networks there are. Every change happens under the directory's lock.
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
        /// When it was written last: in nanoseconds.
        var written: Int64 = 0
        /// Of a network with IPv6, when it was asked for; else it goes with the other one.
        var address6: IPv6?
        /// That others find it by.
        var names: [String] = []
    }

    /// Waits for the lock.
    init(_ leases: FilePath) throws(NetworkError) {
        let opened = try asking("open the leases of networks") { () throws(SysError) in
            let namespace = try FD.open("/proc/self/ns/net").status().inode
            return try FD.directory(leases, make: true).openMaking(FilePath("\(namespace)"))
        }
        lock = try asking("lock the leases of networks") { () throws(SysError) in
            let lock = try opened.open(
                "lock", [.readWrite, .create, .noFollow], mode: 0o600, resolve: .beneath)
            try lock.lock()
            return lock
        }
        directory = opened
    }

    /// Leases the address that was asked for, or the next free one after the last one given, so that one just freed
    /// rests longest.
    func allocate(
        _ endpoint: Endpoint, container: String, link: String, ports: [PortMapping]
    ) throws(NetworkError) -> Lease {
        let network = endpoint.network
        try endpoint.check()
        if let address = endpoint.address6 { try take(address, in: network) }
        var lease = Lease(address: network.gateway, container: container, link: link, ports: ports)
        (lease.address6, lease.names) = (endpoint.address6, endpoint.names)
        do throws(NetworkError) {
            return try allocate(lease, endpoint.address, in: network)
        } catch {
            if let address = endpoint.address6 { try free(address) }
            throw error
        }
    }

    private func allocate(
        _ wanted: Lease, _ address: IPv4?, in network: BridgeNetwork
    ) throws(NetworkError) -> Lease {
        if let address {
            if let lease = try asking(
                "connect to network \(network.name)",
                { () throws(SysError) in
                    try make(wanted.moved(to: address))
                })
            {
                return lease
            }
            throw NetworkError("Address already in use")
        }
        return try asking("connect to network \(network.name)") { () throws(SysError) in
            let cursor = FilePath("next-\(network.link)")
            let text = try directory.contents(of: cursor, limit: 64)
            let last = text.flatMap { IPv4(String(decoding: $0, as: UTF8.self)) }
            for address in network.candidates(after: last) {
                if let twin = network.address6(with: address), try isTaken(twin, in: network) { continue }
                guard let lease = try make(wanted.moved(to: address)) else { continue }
                try directory.replace(cursor, with: Array("\(address)".utf8), durable: false)
                return lease
            }
            throw SysError(
                call: "lease", subject: "\(network.subnet)", errno: .noSpace,
                hint: "every address is leased; remove containers")
        }
    }

    /// Nil when the address is leased.
    private func make(_ lease: Lease) throws(SysError) -> Lease? {
        let name = FilePath("\(lease.address)")
        do {
            let file = try directory.open(
                name, [.writeOnly, .create, .exclusive, .noFollow], mode: 0o600, resolve: .beneath)
            try file.writeAll(lease.json.bytes)
            return lease
        } catch {
            if error.errno == .fileExists { return nil }
            throw error
        }
    }

    /// Replaces what is written about a lease.
    func write(_ lease: Lease) throws(NetworkError) {
        try asking("record the lease of \(lease.address)") { () throws(SysError) in
            try directory.replace(FilePath("\(lease.address)"), with: lease.json.bytes, durable: false)
        }
    }

    /// The lease of an address when it is this link's; nil when there is none, or another container has it by now.
    func lease(of address: IPv4, link: String) throws(NetworkError) -> Lease? {
        try asking("read the lease of \(address)") { () throws(SysError) in
            try read(address).flatMap { $0.link == link ? $0 : nil }
        }
    }

    /// Frees an address.
    func remove(_ address: IPv4) throws(NetworkError) {
        try asking("free \(address)") { () throws(SysError) in
            if let chosen = try read(address)?.address6 { try directory.remove(Leases.file(of: chosen)) }
            try directory.remove(FilePath("\(address)"))
        }
    }

    /// Every lease. One that a crash left half-written counts as a dead container's.
    func all() throws(NetworkError) -> [Lease] {
        try asking("read the leases") { () throws(SysError) in
            var leases: [Lease] = []
            for (name, _) in try directory.entries() {
                guard let address = IPv4(name.string), let lease = try read(address) else { continue }
                leases.append(lease)
            }
            return leases
        }
    }

    private func read(_ address: IPv4) throws(SysError) -> Lease? {
        let name = FilePath("\(address)")
        guard let bytes = try directory.contents(of: name, limit: 16 << 20) else { return nil }
        var lease = Lease(address: address, container: "", link: "", ports: [])
        if let read = try? Lease(address, JSON(parsing: bytes)) { lease = read }  // else it is half-written
        if let time = try directory.status(of: name)?.mtime {
            lease.written = time.seconds &* 1_000_000_000 &+ Int64(time.nanoseconds)
        }
        return lease
    }
}

/// IPv6 addresses that were asked for: the others go with IPv4 ones.
extension Leases {
    private static func file(of address: IPv6) -> FilePath { FilePath("v6-\(address)") }

    private func take(_ address: IPv6, in network: BridgeNetwork) throws(NetworkError) {
        let isFree = try asking("lease \(address)") { () throws(SysError) in
            guard try !isTaken(address, in: network), try !isTwinTaken(address, in: network) else {
                return false
            }
            try directory.replace(Leases.file(of: address), with: [], durable: false)
            return true
        }
        guard isFree else { throw NetworkError("Address already in use") }
    }

    private func free(_ address: IPv6) throws(NetworkError) {
        try asking("free \(address)") { () throws(SysError) in
            _ = try directory.remove(Leases.file(of: address))
        }
    }

    private func isTaken(_ address: IPv6, in network: BridgeNetwork) throws(SysError) -> Bool {
        if address == network.gateway6 ?? network.address6(with: network.gateway) { return true }
        return try directory.status(of: Leases.file(of: address)) != nil
    }

    /// Whether a container has it because of its IPv4 address.
    private func isTwinTaken(_ address: IPv6, in network: BridgeNetwork) throws(SysError) -> Bool {
        guard let subnet = network.subnet6 else { return false }
        let offset = address.number - subnet.base.number
        guard offset < UInt128(network.subnet.size) else { return false }
        let twin = IPv4(network.subnet.base.number + UInt32(offset))
        guard let lease = try read(twin) else { return false }
        return lease.address6 == nil
    }
}

/// The networks that have had a container in this network namespace.
extension Leases {
    private static let folder: FilePath = "networks"

    /// Without the lock, for a look; nil when there has never been one.
    static func networks(at leases: FilePath) throws(NetworkError) -> [BridgeNetwork]? {
        try asking("look for networks") { () throws(SysError) in
            let namespace = try FD.open("/proc/self/ns/net").status().inode
            do throws(SysError) {
                return try networks(in: FD.open(leases.appending("\(namespace)"), [.readOnly, .directory]))
            } catch {
                guard error.errno == .noSuchFileOrDirectory else { throw error }
                return nil
            }
        }
    }

    func networks() throws(NetworkError) -> [BridgeNetwork] {
        try asking("read the networks") { () throws(SysError) in try Leases.networks(in: directory) }
    }

    private static func networks(in directory: borrowing FD) throws(SysError) -> [BridgeNetwork] {
        var networks: [BridgeNetwork] = []
        let folder = try directory.openMaking(folder)
        for (name, _) in try folder.entries() {
            // One that a crash left half-written is written again before its next container comes.
            guard let bytes = try folder.contents(of: name, limit: 65536),
                let network = try? BridgeNetwork(JSON(parsing: bytes))
            else { continue }
            networks.append(network)
        }
        return networks
    }

    /// Writes a network down; false when that is done already.
    func add(_ network: BridgeNetwork) throws(NetworkError) -> Bool {
        try asking("record network \(network.name)") { () throws(SysError) in
            let folder = try directory.openMaking(Leases.folder)
            let file = FilePath(network.link)
            let bytes = network.json.bytes
            if try folder.contents(of: file, limit: 65536) == bytes { return false }
            try folder.replace(file, with: bytes, durable: false)
            return true
        }
    }

    func remove(_ network: BridgeNetwork) throws(NetworkError) {
        try asking("forget network \(network.name)") { () throws(SysError) in
            try directory.openMaking(Leases.folder).remove(FilePath(network.link))
            try directory.openMaking("names").removeTree(FilePath(network.link))
            try directory.remove(FilePath("next-\(network.link)"))
        }
    }
}

extension Leases.Lease {
    fileprivate func moved(to address: IPv4) -> Leases.Lease {
        var lease = Leases.Lease(address: address, container: container, link: link, ports: ports)
        (lease.address6, lease.names) = (address6, names)
        return lease
    }

    /// The elements of the published ports.
    func elements(in network: BridgeNetwork) -> [(key: PortKey, target: [UInt8])] {
        let address6 = self.address6 ?? network.address6(with: address)
        return ports.flatMap { $0.elements(to: address, address6) }
    }

    fileprivate var json: JSON {
        .fields([
            "container": .string(container), "link": .string(link),
            "ports": ports.isEmpty ? nil : .array(ports.map(\.json)),
            "address6": address6.map { .string("\($0)") }, "names": .nonEmpty(names),
        ])
    }

    fileprivate init(_ address: IPv4, _ json: JSON) throws(JSONError) {
        self.address = address
        container = try json.requireString("container")
        link = try json.requireString("link")
        ports = []
        for port in try json.arrayOrEmpty("ports") { ports.append(try PortMapping(port)) }
        address6 = try json.optionalString("address6").flatMap { IPv6($0) }
        names = try json.stringsOrEmpty("names")
    }
}

extension BridgeNetwork {
    /// Every address that a container can have, beginning behind `last`: not the subnet's own, the gateway's, the
    /// broadcast one or one that is another's.
    func candidates(after last: IPv4?) -> some Sequence<IPv4> {
        let pool = range ?? subnet
        let first = max(pool.base.number, subnet.base.number + 1)
        let end = min(pool.last.number, subnet.last.number - 1)
        let count = end >= first ? end - first + 1 : 0
        let start = last.map { $0.number >= first && $0.number <= end ? $0.number - first + 1 : 0 } ?? 0
        let taken = Set(reserved + [gateway])
        return (0..<count).lazy.map { IPv4(first + (start + $0) % count) }.filter { !taken.contains($0) }
    }
}
