public import Linux
import SystemPackage

/// Which names the containers of a network have: a directory for each network, in it one for each name, in that a file
/// for each address. A query costs the same however many containers there are.
struct NameTable {
    private let path: FilePath

    /// Of the network namespace that the process is in.
    init(_ network: BridgeNetwork) throws(SysError) {
        let namespace = try FD.open("/proc/self/ns/net").status().inode
        path = network.leases.appending("\(namespace)").appending("names").appending(network.link)
    }

    /// Beside the names: what name an address has.
    private static let addresses = ".addresses"

    /// Gives a container's names to its addresses.
    func add(_ names: [String], _ address: IPv4, _ address6: IPv6?) throws(SysError) {
        let table = try FD.directory(path.removingLastComponent().removingLastComponent())
            .openMaking(FilePath("names").appending(path.lastComponent.map { [$0] } ?? []))
        for name in Set(names.compactMap(NameTable.file)) {
            try put("\(address)", address6.map { "\($0)" } ?? "", in: FilePath(name), of: table)
        }
        guard let own = names.first else { return }
        try put("\(address)", own, in: FilePath(NameTable.addresses), of: table)
        if let address6 { try put("\(address6)", own, in: FilePath(NameTable.addresses), of: table) }
    }

    /// The directory may be removed by who takes the last address of that name away: then it is made again.
    private func put(
        _ name: String, _ text: String, in directory: FilePath, of table: borrowing FD
    ) throws(SysError) {
        for attempt in 0..<10 {
            do throws(SysError) {
                return try table.openMaking(directory).replace(
                    FilePath(name), with: Array(text.utf8), durable: false)
            } catch {
                guard error.errno == .noSuchFileOrDirectory, attempt < 9 else { throw error }
            }
        }
    }

    /// Takes them away.
    func remove(_ names: [String], _ address: IPv4, _ address6: IPv6?) throws(SysError) {
        guard let table = try open() else { return }
        for name in Set(names.compactMap(NameTable.file)) {
            guard let directory = try NameTable.open(FilePath(name), in: table) else { continue }
            _ = try directory.remove(FilePath("\(address)"))
            _ = try? table.remove(FilePath(name), directory: true)  // another container may have the name too
        }
        guard let directory = try NameTable.open(FilePath(NameTable.addresses), in: table) else { return }
        _ = try directory.remove(FilePath("\(address)"))
        if let address6 { _ = try directory.remove(FilePath("\(address6)")) }
    }

    /// The addresses of a name, in no order; nil when no container has it.
    func look(up name: String) throws(SysError) -> (v4: [IPv4], v6: [IPv6])? {
        guard let file = NameTable.file(name), let table = try open(),
            let directory = try NameTable.open(FilePath(file), in: table)
        else { return nil }
        var found: (v4: [IPv4], v6: [IPv6]) = ([], [])
        for (entry, _) in try directory.entries() {
            guard let address = IPv4(entry.string) else { continue }
            found.v4.append(address)
            let text = String(decoding: try directory.contents(of: entry, limit: 64) ?? [], as: UTF8.self)
            if let address6 = IPv6(text) { found.v6.append(address6) }
        }
        return found.v4.isEmpty ? nil : found
    }

    /// The name of the container with an address.
    func look(up address: HostAddress) throws(SysError) -> String? {
        guard let table = try open(),
            let directory = try NameTable.open(FilePath(NameTable.addresses), in: table)
        else { return nil }
        return try directory.contents(of: FilePath("\(address)"), limit: 256).map {
            String(decoding: $0, as: UTF8.self)
        }
    }

    private func open() throws(SysError) -> FD? {
        do throws(SysError) { return try FD.open(path, [.readOnly, .directory]) } catch {
            guard error.errno == .noSuchFileOrDirectory else { throw error }
            return nil
        }
    }

    private static func open(_ name: FilePath, in table: borrowing FD) throws(SysError) -> FD? {
        do throws(SysError) {
            return try table.open(name, [.readOnly, .directory], resolve: [.beneath])
        } catch {
            guard error.errno == .noSuchFileOrDirectory else { throw error }
            return nil
        }
    }

    /// In lower case; nil for what no name of a container can be, and no file.
    private static func file(_ name: String) -> String? {
        guard (1...253).contains(name.utf8.count), !name.hasPrefix(".") else { return nil }
        let isName = name.utf8.allSatisfy { byte in
            (byte >= 0x30 && byte <= 0x39) || (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7a)
                || [0x2d, 0x2e, 0x5f].contains(byte)
        }
        return isName ? name.lowercased() : nil
    }
}

/// What the name service of a container answers from the names of its networks.
public struct NameBook: Sendable {
    /// In the order in which they are asked.
    private let networks: [BridgeNetwork]
    /// What no container is called may be asked outside.
    private let mayForward: Bool

    /// Of a container that is in these networks.
    public init(_ networks: [BridgeNetwork]) {
        self.networks = networks.filter(\.hasNames)
        mayForward = networks.contains { !$0.isInternal }
    }

    /// What becomes of a question.
    public enum Decision: Equatable, Sendable {
        case answer([UInt8])
        /// No container has the name: a server of the host is asked.
        case forward
    }

    /// `turn` moves the addresses of a name on, so that all are used alike. Whoever is in internal networks alone hears
    /// nothing from outside, and tells nobody outside what it asks (CVE-2024-29018).
    public func decide(_ query: NameQuery, turn: Int, isStream: Bool) throws(SysError) -> Decision {
        switch query.kind {
        case .a, .aaaa:
            if let found = try find(query.name) {
                let all = query.kind == .a ? found.v4.sorted().map(\.bytes) : found.v6.sorted().map(\.bytes)
                let start = all.isEmpty ? 0 : turn % all.count
                return .answer(query.answer(Array(all[start...] + all[..<start]), isStream: isStream))
            }
        case .ptr:
            guard let address = query.reversed else { break }
            for network in networks {
                if let name = try NameTable(network).look(up: address) {
                    return .answer(query.answer(name: "\(name).\(network.name)", isStream: isStream))
                }
            }
            if networks.contains(where: { $0.contains(address) }) {
                return .answer(query.answer(.noSuchName))
            }
        case .other:
            // There are no other records of a container: the name is known, and that is all.
            if try find(query.name) != nil { return .answer(query.answer([], isStream: isStream)) }
        }
        return mayForward ? .forward : .answer(query.answer(.noSuchName))
    }

    /// The first network that knows the name, or that is named behind it.
    private func find(_ name: String) throws(SysError) -> (v4: [IPv4], v6: [IPv6])? {
        for network in networks {
            if let found = try NameTable(network).look(up: name) { return found }
            let suffix = ".\(network.name.lowercased())"
            guard name.hasSuffix(suffix) else { continue }
            if let found = try NameTable(network).look(up: String(name.dropLast(suffix.utf8.count))) {
                return found
            }
        }
        return nil
    }
}

extension BridgeNetwork {
    /// Containers find each other by name here: in every network but the default one, as with docker.
    public var hasNames: Bool { name != "bridge" }

    fileprivate func contains(_ address: HostAddress) -> Bool {
        switch address {
        case .v4(let own): subnet.contains(own)
        case .v6(let bytes): subnet6?.contains(IPv6(bytes.reduce(0) { $0 << 8 | UInt128($1) })) ?? false
        }
    }
}
