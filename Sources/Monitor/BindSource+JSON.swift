import OCI
import Runtime
import SystemPackage

extension BindSource {
    var json: JSON {
        .fields([
            "subpath": subpath.map { .string($0.string) },
            "device": identity.map { .int(Int64(bitPattern: $0.device)) },
            "inode": identity.map { .int(Int64(bitPattern: $0.inode)) },
            "mapsOwner": mapsOwner ? .bool(true) : nil,
        ])
    }

    init(_ json: JSON) throws(JSONError) {
        if let subpath = try json.optionalString("subpath") {
            self.init(subpath: FilePath(subpath))
        } else {
            self.init(
                device: UInt64(bitPattern: try json.requireInt("device")),
                inode: UInt64(bitPattern: try json.requireInt("inode")))
        }
        mapsOwner = try json.optionalBool("mapsOwner") ?? false
    }
}
