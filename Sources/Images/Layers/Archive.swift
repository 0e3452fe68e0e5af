public import Linux
public import SystemPackage

/// Unpacks a tar (plain, gzip or zstd; a clear error for others) below `root`, at `path` inside it: what ADD
/// does. Links in `root` and in the tar never lead out of `root`. `owner` replaces the owners of the tar.
public func unpackArchive(
    _ source: borrowing FD, into root: borrowing FD, at path: FilePath = "/",
    owner: (uid: UInt32, gid: UInt32)? = nil
) throws(ImageError) {
    do {
        let input = try kernelDuplicate(source)
        let target = Directory(try kernelDuplicate(root))
        var rules = UnpackRules(isLayer: false, owner: owner)
        var prefix = EntryPath()
        try prefix.set(path.isEmpty ? "/" : path)
        rules.prefix = Array(prefix.bytes)
        var reader = TarReader(try ByteStream(input))
        var unpacker = Unpacker(into: target, rules: rules)
        try unpacker.unpack(&reader)
    } catch { throw error.within("unpack archive") }
}

/// Whether a file starts like a compressed stream or has a tar's header: what ADD unpacks. Reads from where the
/// descriptor stands and goes back to the file's first byte.
public func looksLikeArchive(_ source: borrowing FD) throws(ImageError) -> Bool {
    do {
        let header = UnsafeMutableRawBufferPointer.allocate(byteCount: TarFields.block, alignment: 8)
        defer { header.deallocate() }
        var count = 0
        while count < header.count {
            let got = try source.read(into: UnsafeMutableRawBufferPointer(rebasing: header[count...]))
            if got == 0 { break }
            count += got
        }
        try source.rewind()
        let bytes = UnsafeRawBufferPointer(rebasing: header[..<count])
        if Compression(magic: bytes) != .none { return true }
        return count == header.count && !TarFields.isZero(bytes) && TarFields.hasValidChecksum(bytes)
    } catch { throw ImageError(error) }
}

private func kernelDuplicate(_ fd: borrowing FD) throws(ImageError) -> FD {
    do { return try fd.duplicate() } catch { throw ImageError(error) }
}
