public import SystemPackage

/// Who makes a container's cgroup.
public enum CgroupDriver: String, Equatable, Sendable {
    /// The runtime, in the cgroup file system.
    case cgroupfs
    /// systemd, as a transient scope.
    case systemd
    /// Nobody: the container stays in its caller's.
    case disabled
}

/// Where a container's cgroup is. Below the root of the cgroup v2 tree, never outside of it.
public struct CgroupPlace: Equatable, Sendable {
    /// Relative to the root of the tree, without `..`.
    public let path: FilePath
    /// With the systemd driver: the unit that stands for it, and the slice that it is in.
    public let unit: Unit?

    /// A scope, or a slice when the name ends so.
    public struct Unit: Equatable, Sendable {
        /// `runc-ID.scope`.
        public let name: String
        /// `system.slice`.
        public let slice: String
    }

    /// A place that was found before: what a container's state holds.
    public init(path: FilePath, unit: Unit? = nil) { (self.path, self.unit) = (path, unit) }
}

/// Finds the place as runc does. An absolute `cgroupsPath` is below the tree's root; a relative one, or the container's
/// id when there is none, is below the parent of `own`, our cgroup. With systemd it is `slice:prefix:name`,
/// `system.slice:runc:ID` when absent. Nil when no cgroup is wanted. Pure.
public func planCgroupPlace(
    _ cgroupsPath: String?, id: String, driver: CgroupDriver, own: FilePath
) throws(RuntimeError) -> CgroupPlace? {
    let asked = cgroupsPath ?? ""
    switch driver {
    case .disabled: return nil
    case .systemd: return try systemdPlace(asked, id: id)
    case .cgroupfs:
        let names = try cgroupComponents(asked.isEmpty ? id : asked)
        guard !asked.hasPrefix("/") else { return CgroupPlace(path: FilePath(root: nil, names)) }
        let above = try cgroupComponents(own.string, mayBeRoot: true).dropLast()
        return CgroupPlace(path: FilePath(root: nil, above + names))
    }
}

private func cgroupComponents(
    _ path: String, mayBeRoot: Bool = false
) throws(RuntimeError) -> [FilePath.Component] {
    let names = path.split(separator: "/").filter { $0 != "." }
    guard !names.contains("..") else {
        throw RuntimeError("cgroupsPath \"\(path)\" leads out of the cgroup tree: \"..\" is not allowed")
    }
    let components = names.compactMap { FilePath.Component(String($0)) }
    guard components.count == names.count, mayBeRoot || !components.isEmpty else {
        throw RuntimeError("cgroupsPath \"\(path)\" names no cgroup below the root of the tree")
    }
    return components
}

private func systemdPlace(_ asked: String, id: String) throws(RuntimeError) -> CgroupPlace {
    let parts =
        asked.isEmpty
        ? ["", "runc", id]
        : asked.split(separator: ":", omittingEmptySubsequences: false)
            .map(String.init)
    guard parts.count == 3, !parts[2].isEmpty else {
        throw RuntimeError(
            "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got \"\(asked)\" instead"
        )
    }
    let slice = parts[0].isEmpty ? "system.slice" : parts[0]
    let name = parts[2].hasSuffix(".slice") ? parts[2] : "\(parts[1])-\(parts[2]).scope"
    guard isUnitName(name) else {
        throw RuntimeError("\"\(name)\" cannot be the name of a systemd unit (from cgroupsPath \"\(asked)\")")
    }
    let components = try sliceComponents(slice) + [name]
    return CgroupPlace(
        path: FilePath(root: nil, components.compactMap { FilePath.Component($0) }),
        unit: CgroupPlace.Unit(name: name, slice: slice))
}

/// `a-b.slice` is the directory `a.slice/a-b.slice` (systemd.slice(5)); `-.slice` is the root.
private func sliceComponents(_ slice: String) throws(RuntimeError) -> [String] {
    if slice == "-.slice" { return [] }
    let stem = slice.dropLast(".slice".utf8.count)
    let parts = stem.split(separator: "-", omittingEmptySubsequences: false)
    guard slice.hasSuffix(".slice"), isUnitName(slice), !parts.contains("") else {
        throw RuntimeError("\"\(slice)\" cannot be the name of a systemd slice")
    }
    return parts.indices.map { parts[...$0].joined(separator: "-") + ".slice" }
}

/// systemd.unit(5).
private func isUnitName(_ name: String) -> Bool {
    let isValid = name.utf8.allSatisfy { byte in
        switch UInt8(byte) {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: ":-_.\\@".utf8.contains(byte)
        }
    }
    return isValid && name.utf8.count < 256 && !name.hasPrefix(".")
}
