import Images
import Linux
import OCI
import SystemPackage

/// How much room containers take.
extension Containers {
    /// The same with the bytes of each writable layer, alone and with its image. Reads all names of these layers.
    public func measured(_ containers: [ContainerSummary]) throws -> [ContainerSummary] {
        let store = try ImageStore(root: paths.root)
        return containers.map { container in
            var result = container
            // A container that is being removed has no bytes any more, an image that is gone is not counted.
            let own = (try? Self.size(of: paths.container(container.config.id).appending("upper"))) ?? 0
            let image = (try? store.image(named: container.config.image.description).size) ?? 0
            (result.size, result.wholeSize) = (own, own + image)
            return result
        }
    }

    /// The bytes of a tree's files and links, each counted once however many names it has.
    static func size(of tree: FilePath) throws(SysError) -> Int64 {
        try FD.open(tree, [.readOnly, .directory]).treeSize(of: ".", links: true)
    }
}
