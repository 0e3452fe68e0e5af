import Linux
import OCI
import SystemPackage

@testable import Images

/// A document as a part of an image archive whose other parts are whole. What is loaded is all there, and what is refused
/// leaves nothing.
enum LoadPart {
    private static let layer: [UInt8] = [UInt8](repeating: 0, count: 1024)
    private static let config: [UInt8] = {
        var config = ImageConfig(platform: .host)
        config.diffIDs = [digest(layer)].compactMap(\.self)
        return config.json.bytes
    }()

    static func run(_ bytes: [UInt8]) {
        guard let json = try? JSON(parsing: bytes) else { return }  // the reader's own part is `images`
        do {
            let scratch = try Scratch()
            let store = try ImageStore(root: scratch.path.appending("root"))
            let files = archive(of: json, bytes)
            do {
                let loaded = try store.load(try tar(files))
                expect(!loaded.isEmpty, "nothing was loaded")
                for image in loaded { try check(image, in: store) }
                try store.check(repairs: false, use: StoreUse(), mounted: { [] }) {
                    expect(false, "what was loaded is damaged: \($0)")
                }
            } catch {
                report(error)
                expect(try store.images().isEmpty, "a refused archive leaves an image")
            }
            try scratch.check()
        } catch { expect(false, "a store cannot be made or read: \(error)") }
    }

    private static func digest(_ bytes: [UInt8]) -> Digest? { Digest(hex: SHA256.hex(of: bytes)) }

    private static func check(_ loaded: LoadedImage, in store: ImageStore) throws {
        expect(
            try store.image(named: loaded.image.id.description).id == loaded.image.id, "an image has no id")
        for name in loaded.names {
            let named = try store.images().contains { $0.names.contains(name) }
            expect(named, "an image is not found by its name")
        }
    }

    /// The files of the archive, by what the document looks like.
    private static func archive(of json: JSON, _ bytes: [UInt8]) -> [(name: String, bytes: [UInt8])] {
        if json.array != nil {
            return [
                ("manifest.json", bytes), ("config.json", config), ("layer.tar", layer),
                ("a/layer.tar", layer),
                ("b.tar", Array("no tar".utf8)),
            ]
        }
        if json["manifests"] != nil {
            return [("index.json", bytes)] + blobs([config, layer, manifest(config)])
        }
        if json["rootfs"] != nil {
            return layout(manifest(bytes), [bytes, layer])
                + [("manifest.json", Array(#"[{"Config":"c","Layers":["l"],"RepoTags":["a"]}]"#.utf8))]
                + [("c", bytes), ("l", layer)]
        }
        return layout(bytes, [config, layer])
    }

    private static func layout(_ manifest: [UInt8], _ others: [[UInt8]]) -> [(name: String, bytes: [UInt8])] {
        guard let digest = digest(manifest) else { return [] }
        let entry = Descriptor(
            mediaType: MediaType.manifest, digest: digest, size: Int64(manifest.count),
            annotations: ["org.opencontainers.image.ref.name": "fuzz:1"])
        return [("index.json", Index(manifests: [entry]).json.bytes)] + blobs([manifest] + others)
    }

    private static func manifest(_ config: [UInt8]) -> [UInt8] {
        guard let configDigest = digest(config), let layerDigest = digest(layer) else { return [] }
        return Manifest(
            config: Descriptor(mediaType: MediaType.config, digest: configDigest, size: Int64(config.count)),
            layers: [Descriptor(mediaType: MediaType.layer, digest: layerDigest, size: Int64(layer.count))]
        ).json.bytes
    }

    private static func blobs(_ all: [[UInt8]]) -> [(name: String, bytes: [UInt8])] {
        all.map { ("blobs/sha256/\(SHA256.hex(of: $0))", $0) }
    }

    /// The archive; `link.tar` leads to the layer, and `loop.tar` to itself.
    private static func tar(_ files: [(name: String, bytes: [UInt8])]) throws -> FD {
        let file = try FD.inMemory("archive", [])
        var writer = TarWriter(ByteSink(try file.duplicate()))
        for (name, bytes) in files { try writer.add(name, file: bytes) }
        var link = TarEntry()
        link.kind = .symlink
        try writer.add(Array("link.tar".utf8), link, link: Array("layer.tar".utf8))
        try writer.add(Array("loop.tar".utf8), link, link: Array("loop.tar".utf8))
        try writer.finish()
        try file.rewind()
        return file
    }
}
