import Linux
import SystemPackage
extension Volumes {
    func copyUp(_ target: String, to directory: FilePath, layers: [FilePath]) throws {}
}
