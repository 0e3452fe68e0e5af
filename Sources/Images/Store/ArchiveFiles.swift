import Linux
import OCI
import SystemPackage

/// The files of an image archive, spooled once into the staging directory with their digests: the documents
/// that say what they are may come last, and the archive may be a pipe.
struct ArchiveFiles {
    struct File {
        /// In the staging directory.
        let name: FilePath
        let digest: Digest
        let size: Int64
    }
    private static let limit = 20_000
    private var files: [[UInt8]: File] = [:]
    /// Hard and symbolic links, as old archives used them for shared layers.
    private var links: [[UInt8]: [UInt8]] = [:]
    private let staging: Staging

    init(reading source: consuming FD, into staging: Staging, budget: UInt64) throws(ImageError) {
        self.staging = staging
        var reader = TarReader(try ByteStream(source))
        var path = EntryPath()
        var target = EntryPath()
        var left = budget
        while try reader.next() {
            do {
                try path.set(reader.path.bytes)
                switch reader.entry.kind {
                case .file:
                    files[Array(path.bytes)] = try Self.spool(&reader, in: staging, &left)
                case .hardLink:
                    try target.set(reader.link.bytes)
                    links[Array(path.bytes)] = Array(target.bytes)
                case .symlink:
                    links[Array(path.bytes)] = DirectoryWalker.normal(
                        Array(path.parent) + [UInt8(ascii: "/")] + Array(reader.link.bytes))
                default: break
                }
            } catch { throw error.within("entry \(quoted(reader.path.bytes))") }
            guard reader.entries <= Self.limit else {
                throw .invalid("more than \(Self.limit) entries (`apus import` takes a root file system)")
            }
        }
        try reader.stream.drain()
    }

    private static func spool(
        _ reader: inout TarReader, in staging: Staging, _ left: inout UInt64
    ) throws(ImageError) -> File {
        guard !reader.records.sparse.isSparse else { throw .invalid("sparse file in an image archive") }
        let file = try staging.makeFile()
        var hash = SHA256()
        while let chunk = try reader.nextChunk() {
            guard UInt64(chunk.bytes.count) <= left else {
                throw ImageError(.noSpace, "the archive does not fit on the disk")
            }
            left -= UInt64(chunk.bytes.count)
            hash.update(chunk.bytes)
            do { try file.fd.writeAll(chunk.bytes) } catch { throw ImageError(error) }
        }
        return File(name: file.name, digest: Digest(sha256: hash.hex()), size: Int64(reader.entry.size))
    }

    /// The file at a path of the archive; links are followed a few times.
    subscript(path: String) -> File? {
        var path = Array(path.utf8)
        if path.starts(with: "./".utf8) { path.removeFirst(2) }
        for _ in 0..<8 {
            if let file = files[path] { return file }
            guard let next = links[path] else { return nil }
            path = next
        }
        return nil
    }

    /// The blob of a descriptor, with the digest and the size that it says.
    func blob(_ descriptor: Descriptor) throws(ImageError) -> File {
        guard let file = self["blobs/sha256/\(descriptor.digest.hex)"] else {
            throw .invalid("blob \(descriptor.digest) is missing from the archive")
        }
        guard file.digest == descriptor.digest else {
            throw .invalid("blob \(descriptor.digest): digest mismatch, content has \(file.digest)")
        }
        guard file.size == descriptor.size else {
            throw .invalid(
                "blob \(descriptor.digest) has \(file.size) bytes, its descriptor says \(descriptor.size)")
        }
        return file
    }

    /// The bytes of a document, which may not be longer than `limit`.
    func bytes(of file: File, limit: Int, _ what: String) throws(ImageError) -> [UInt8] {
        guard file.size <= limit else { throw .invalid("\(what): \(file.size) bytes: more than \(limit)") }
        let fd = try staging.open(file.name)
        do { return try fd.readAll(limit: limit) } catch { throw ImageError(error, on: what) }
    }

    func document(_ file: File, limit: Int, _ what: String) throws(ImageError) -> JSON {
        let bytes = try bytes(of: file, limit: limit, what)
        return try parsing(what) { () throws(JSONError) in try JSON(parsing: bytes) }
    }
}

/// Errors of documents, said of the document.
func parsing<R>(_ what: String, _ body: () throws(JSONError) -> R) throws(ImageError) -> R {
    do { return try body() } catch { throw .invalid("\(what): \(error)") }
}
