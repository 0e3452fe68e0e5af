public import Linux
public import OCI
public struct BridgeNetwork: Equatable, Sendable { public var json: JSON { .null }; public init(_ j: JSON) throws(JSONError) {} }
public struct PortMapping: Equatable, Sendable { public var json: JSON { .null }; public init(_ j: JSON) throws(JSONError) {} }
public struct NetworkError: Error, CustomStringConvertible { public var description: String }
public final class Attachment {
    public static func reserve(on: BridgeNetwork, container: String, ports: [PortMapping]) throws(NetworkError) -> Attachment { Attachment() }
    public static func adopt(_ json: JSON) throws(NetworkError) -> Attachment { Attachment() }
    public func connect(_ pidfd: borrowing Pidfd) throws(NetworkError) {}
    public func release() throws(NetworkError) {}
    public var json: JSON { .null }
    public var address: String { "" }
}
public func configureLoopbackOnly(_ pidfd: borrowing Pidfd) throws(NetworkError) {}
