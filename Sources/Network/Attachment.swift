public import Linux
public import OCI
public import SystemPackage

/// A container's place in a network.
public final class Attachment {
    let network: BridgeNetwork
    init(network: BridgeNetwork) { self.network = network }

    /// Leases an address and takes the published ports.
    public static func reserve(
        on network: BridgeNetwork, container id: String, ports: [PortMapping]
    ) throws(NetworkError) -> Attachment { Attachment(network: network) }

    /// Takes over what another monitor had.
    public static func adopt(_ json: JSON) throws(NetworkError) -> Attachment {
        throw NetworkError("not yet")
    }

    /// Makes the container's link.
    public func connect(_ pidfd: borrowing Pidfd) throws(NetworkError) {}
    /// Gives everything back.
    public func release() throws(NetworkError) {}
    /// Docker's members of NetworkSettings, and what `adopt` needs.
    public var json: JSON { .null }
    /// The container's address.
    public var address: String { "" }
}

/// `--network none`.
public func configureLoopbackOnly(_ pidfd: borrowing Pidfd) throws(NetworkError) {}
/// Frees what dead containers left.
public func sweepNetwork(_ network: BridgeNetwork, isAlive: (String) -> Bool) throws(NetworkError) {}
/// Bridge and table away.
public func removeNetwork(_ network: BridgeNetwork) throws(NetworkError) {}
/// Names another table's chain that drops forwarded packets by default.
public func foreignForwardDrop() throws(NetworkError) -> String? { nil }

extension BridgeNetwork {
    /// The engine's default network.
    public static func standard(
        suffix: String?, records: FilePath, leases: FilePath
    ) throws(NetworkError) -> BridgeNetwork { throw NetworkError("not yet") }
}
