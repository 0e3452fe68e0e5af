public import SystemPackage

extension FD {
    /// The bytes of the regular files below the directory `name`, each counted once however many names it has; those of
    /// links too where `links` says so. 0 when it is not there; what goes away meanwhile is not counted.
    public func treeSize(of name: FilePath, links: Bool = false) throws(SysError) -> Int64 {
        var count = TreeCount(links: links)
        do {
            let tree = try open(name, [.readOnly, .directory, .noFollow])
            try Kernel.withManyDescriptors { () throws(SysError) in try count.add(tree) }
        } catch {
            guard error.errno == .noSuchFileOrDirectory else { throw error }
        }
        return count.bytes
    }
}

private struct TreeCount {
    let links: Bool
    var bytes: Int64 = 0
    private var seen: Set<UInt64> = []

    init(links: Bool) { self.links = links }

    mutating func add(_ directory: borrowing FD) throws(SysError) {
        for entry in try directory.sortedEntries() {
            switch entry.status.type {
            case .directory:
                do {
                    let inner = try directory.open(entry.path, [.readOnly, .directory, .noFollow])
                    try add(inner)
                } catch {
                    guard error.errno == .noSuchFileOrDirectory else { throw error }
                }
            case .regular: count(entry.status)
            case .symlink: if links { count(entry.status) }
            default: break
            }
        }
    }

    private mutating func count(_ status: FileStatus) {
        if status.links < 2 || seen.insert(status.inode).inserted { bytes += Int64(clamping: status.size) }
    }
}
