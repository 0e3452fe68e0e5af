import Network
import OCI

/// The keys about addresses.
extension Configuration {
    /// False for a key of another kind.
    mutating func takeAddresses(_ key: String, _ json: JSON) throws(JSONError) -> Bool {
        switch key {
        case "ip":
            let text = try json.requireString(key)
            guard let address = IPv4(text) else { throw JSONError("ip: \"\(text)\" is no IPv4 address") }
            addresses.publishAddress = address == IPv4(0) ? nil : address
        case "bip": try takeBridge(json.requireString(key))
        case "default-address-pools":
            for pool in try json.arrayOrEmpty(key) { addresses.pools.append(try Self.pool(pool)) }
        case "ipv6": addresses.bridgeHasIPv6 = try json.optionalBool(key) ?? false
        case "fixed-cidr-v6":
            let text = try json.requireString(key)
            guard let subnet = IPv6Subnet(text), (8...96).contains(subnet.prefix) else {
                throw JSONError("fixed-cidr-v6: \"\(text)\" is no IPv6 subnet of /8 to /96")
            }
            addresses.bridgeSubnet6 = subnet
        default: return false
        }
        return true
    }

    /// `192.168.5.1/24`: the subnet, and the host's address in it.
    private mutating func takeBridge(_ text: String) throws(JSONError) {
        let address = text.split(separator: "/").first.flatMap { IPv4(String($0)) }
        guard let address, let subnet = IPv4Subnet(text), (8...30).contains(subnet.prefix),
            subnet.isForNetworks,
            address != subnet.base, address.number != subnet.base.number + UInt32(subnet.size - 1)
        else {
            throw JSONError(
                "bip: \"\(text)\" is no address of the host with its subnet, such as 192.168.5.1/24")
        }
        (addresses.bridgeSubnet, addresses.bridgeGateway) = (subnet, address)
    }

    private static func pool(_ json: JSON) throws(JSONError) -> AddressPlan.Pool {
        let (text, size) = (try json.requireString("base"), try json.requireInt("size"))
        guard let base = IPv4Subnet(text), let size = UInt8(exactly: size),
            base.isForNetworks, let pool = AddressPlan.Pool(base: base, size: size)
        else {
            throw JSONError(
                "default-address-pools: base \"\(text)\" with size \(size) is no IPv4 range to cut subnets of /8 to "
                    + "/30 from")
        }
        return pool
    }
}
