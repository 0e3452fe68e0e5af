public import Linux
public import OCI
public import SystemPackage
public struct BridgeNetwork: Equatable, Sendable { public var json: JSON { .null }; public init(_ j: JSON) throws(JSONError) {}
  public init() {}
  public static func standard(suffix: String?, records: FilePath, leases: FilePath) throws(NetworkError) -> BridgeNetwork { BridgeNetwork() }
  public var gateway: String { "" } }
public struct PortMapping: Equatable, Sendable { public var json: JSON { .null }; public init(_ j: JSON) throws(JSONError) {}
  public static func parse(_ t: String) throws(NetworkError) -> [PortMapping] { [] }
  public var containerPort: UInt16 { 0 } }
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
