public import Linux
public import SystemPackage

/// Unpacks a tar (plain, gzip or zstd; a clear error for others) below `root`, at `path` inside it: what ADD
/// does. Links in `root` and in the tar never lead out of `root`. `owner` replaces the owners of the tar. With
/// `keepsKinds` no directory is replaced by something else, nothing by a directory, and nothing that is mounted.
public func unpackArchive(
    _ source: borrowing FD, into root: borrowing FD, at path: FilePath = "/",
    owner: (uid: UInt32, gid: UInt32)? = nil, keepsKinds: Bool = false
) throws(ImageError) {
    do {
        let input = try kernel { () throws(SysError) in try source.duplicate() }
        let target = SharedFD(try kernel { () throws(SysError) in try root.duplicate() })
        var rules = UnpackRules(isLayer: false, owner: owner, keepsKinds: keepsKinds)
        var prefix = EntryPath()
        try prefix.set(path.isEmpty ? "/" : path)
        rules.prefix = Array(prefix.bytes)
        var reader = TarReader(try ByteStream(input))
        var unpacker = Unpacker(into: target, rules: rules)
        try unpacker.unpack(&reader)
    } catch { throw error.within("unpack archive") }
}

/// Writes a root file system as a tar that depends on nothing but what is in it: with owners, modes, times to the
/// nanosecond, links, devices and the attributes that images keep. The root itself is the first entry, `./`; sockets are
/// left out. The tree is not changed.
public func exportRoot(_ root: borrowing FD, to target: borrowing FD) throws(ImageError) {
    do {
        // A detached mount's descriptor cannot be read from.
        let tree = SharedFD(
            try kernel { () throws(SysError) in try root.open(".", DirectoryWalker.openFlags) })
        let copy = try kernel { () throws(SysError) in try target.duplicate() }
        var packer = TreePacker(to: copy, .exported)
        _ = try packer.pack(tree)
    } catch { throw error.within("export") }
}

/// Writes one name of a directory, called `base` in the tar, with all below it; with nil what is in the directory. Links
/// are not followed; `hiding` says which directory, in its parent, is taken for empty.
public func packTree(
    _ name: FilePath?, of directory: borrowing FD, as base: [UInt8], to target: borrowing FD,
    hiding: @escaping (borrowing FD, borrowing FD) throws(SysError) -> Bool
) throws(ImageError) {
    do {
        let parent = SharedFD(try kernel { () throws(SysError) in try directory.duplicate() })
        var packer = TreePacker(to: try kernel { () throws(SysError) in try target.duplicate() }, .exported)
        packer.hides = hiding
        if let name { try packer.pack(name, as: base, of: parent) } else { _ = try packer.pack(parent) }
    } catch { throw error.within("copy") }
}

/// Whether a file is a tar, plain or compressed, which ADD unpacks; also for a compression that is known but
/// not unpacked, so that unpacking says so. The descriptor stands at the file's first byte afterwards.
public func looksLikeArchive(_ source: borrowing FD) throws(ImageError) -> Bool {
    let header = UnsafeMutableRawBufferPointer.allocate(byteCount: 8, alignment: 8)
    defer { header.deallocate() }
    let count: Int
    let input: FD
    do {
        try source.rewind()
        count = try source.read(into: header)
        try source.rewind()
        input = try source.duplicate()
    } catch { throw ImageError(error) }
    let magic = UnsafeRawBufferPointer(rebasing: header[..<count])
    if case .refused = Compression(magic: magic) { return true }
    let isTar = startsWithHeader(input)
    do { try source.rewind() } catch { throw ImageError(error) }
    return isTar
}

/// What does not decompress is no archive but a file like any other.
private func startsWithHeader(_ source: consuming FD) -> Bool {
    guard var stream = try? ByteStream(source), let block = try? stream.peek(TarFields.block) else {
        return false
    }
    return block.count == TarFields.block && !TarFields.isZero(block) && TarFields.hasValidChecksum(block)
}
