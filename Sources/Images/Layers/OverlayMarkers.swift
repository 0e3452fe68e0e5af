import Linux
import SystemPackage

/// How a layer's tree says what it hides of the layers below (kernel, overlayfs.rst). The only place that
/// writes or reads these marks; `layer.json` records their form, since `trusted.*` cannot be read in a user
/// namespace.
enum OverlayMarkers {
    static let form = "trusted"
    static let opaque = "trusted.overlay.opaque"
    /// overlayfs's own notes in an upper directory.
    static let prefixes = ["trusted.overlay.", "user.overlay."]

    static func isWhiteout(_ status: FileStatus) -> Bool {
        status.type == .character && status.rdevMajor == 0 && status.rdevMinor == 0
    }

    static func makeWhiteout(_ name: FD.CName, in directory: borrowing FD) throws(SysError) {
        try directory.makeNode(name, type: .character, mode: 0)
    }

    static func markOpaque(_ directory: borrowing FD) throws(SysError) {
        try directory.setAttribute(opaque, [UInt8(ascii: "y")])
    }

    static func isOpaque(_ directory: borrowing FD) throws(SysError) -> Bool {
        try directory.attributeIfSet(opaque) == [UInt8(ascii: "y")]
    }

    /// Which extended attributes of an image are kept: what programs use and what grants nothing to the host.
    /// `trusted.*`, SELinux and IMA labels, and overlayfs's notes would be somebody else's word about our
    /// files.
    static func keeps(attribute name: some Collection<UInt8>) -> Bool {
        if name.starts(with: "user.".utf8) { return !name.starts(with: "user.overlay.".utf8) }
        return name.elementsEqual("security.capability".utf8)
            || name.elementsEqual("system.posix_acl_access".utf8)
            || name.elementsEqual("system.posix_acl_default".utf8)
    }
}
