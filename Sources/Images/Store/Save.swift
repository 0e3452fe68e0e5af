public import Linux
public import OCI
import SystemPackage

extension ImageStore {
    /// Writes one tar that is a docker archive (`manifest.json`) and an OCI layout (`index.json`) at once,
    /// the same bytes for the same images. The references are the names that the archive gives.
    public func save(
        _ images: [(Image, [Reference])], to archive: borrowing FD, compression: ArchiveCompression = .none
    ) throws(ImageError) {
        let target = SharedFD(try kernel { () throws(SysError) in try archive.duplicate() })
        do throws(ImageError) {
            let staging = try lease(images.map(\.0))
            defer { withExtendedLifetime(staging) {} }
            let file = try kernel { () throws(SysError) in try target.fd.duplicate() }
            var writer = TarWriter(ByteSink(file, try Compressor(compression)))
            var index = Index()
            var list: [JSON] = []
            var written: Set<Digest> = []
            for (image, names) in images {
                let manifest = try manifestDescriptor(of: image)
                for blob in image.manifest.layers + [image.manifest.config, manifest]
                where written.insert(blob.digest).inserted {
                    try write(blob, to: &writer)
                }
                index.manifests += Self.entries(manifest, names)
                list.append(Self.dockerEntry(image, names))
            }
            try writer.add("index.json", file: index.json.bytes)
            try writer.add("manifest.json", file: JSON.array(list).bytes)
            try writer.add("oci-layout", file: Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8))
            try writer.finish()
        } catch {
            throw error.within("save")
        }
    }

    /// Nobody takes them away while they are written. On a full disk that cannot be noted; they are saved all the same.
    private func lease(_ images: [Image]) throws(ImageError) -> Staging? {
        do throws(ImageError) {
            let staging = try Staging(in: self)
            for image in images {
                try staging.lease([image.digest, image.id] + image.manifest.layers.map(\.digest))
            }
            return staging
        } catch {
            guard error.kind == .noSpace else { throw error }
            return nil
        }
    }

    private func manifestDescriptor(of image: Image) throws(ImageError) -> Descriptor {
        guard let entry = try readIndex().manifests.first(where: { $0.digest == image.digest }) else {
            throw ImageError(.notFound, "No such image: \(image.id)")
        }
        return Descriptor(mediaType: entry.mediaType, digest: entry.digest, size: entry.size)
    }

    private func write(_ blob: Descriptor, to writer: inout TarWriter) throws(ImageError) {
        let file = try openBlob(blob)
        var entry = TarEntry()
        (entry.mode, entry.size) = (0o644, UInt64(clamping: blob.size))
        try writer.add(Array("blobs/sha256/\(blob.digest.hex)".utf8), entry)
        try writer.addContent(of: file, size: entry.size)
    }

    /// As docker writes them: containerd's key has the whole name, the layout's own only the tag.
    private static func entries(_ manifest: Descriptor, _ names: [Reference]) -> [Descriptor] {
        if names.isEmpty { return [manifest] }
        return names.map { name in
            var entry = manifest
            entry.annotations = [containerdKey: name.canonical]
            if let tag = name.tag { entry.annotations[nameKey] = tag }
            return entry
        }
    }

    private static func dockerEntry(_ image: Image, _ names: [Reference]) -> JSON {
        let tags = names.filter { $0.tag != nil }.map { JSON.string("\($0)") }
        return .fields([
            "Config": .string("blobs/sha256/\(image.id.hex)"),
            "RepoTags": tags.isEmpty ? .null : .array(tags),
            "Layers": .array(image.manifest.layers.map { .string("blobs/sha256/\($0.digest.hex)") }),
        ])
    }
}
