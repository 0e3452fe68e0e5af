import Images
import Linux
import OCI
import Support
import SystemPackage
import Testing

/// The store as a whole: names, archives, removal, and what is left behind.
@Suite(.enabled(if: isRoot, "unpacking sets owners"))
struct StoreTests {
    private func withStore(_ body: (ImageStore, FilePath) throws -> Void) throws {
        try withScratch { try body(try ImageStore(root: $0.appending("store")), $0) }
    }

    private func add(_ name: String?, _ content: String, _ store: ImageStore, _ scratch: FilePath) throws
        -> Image
    {
        let file = try openFile(RawTar.make { $0.file("f", content) }, in: scratch)
        return try store.importRoot(
            file, as: try name.map { try Reference($0) }, process: .init(), comment: "test")
    }

    private func digest(_ bytes: [UInt8]) -> String { "sha256:" + SHA256.hex(of: bytes) }

    // MARK: import and names

    @Test func importingTwiceGivesTheSameImage() throws {
        try withStore { store, scratch in
            let first = try add("a", "1", store, scratch)
            let second = try add("b:2", "1", store, scratch)
            #expect(first.digest == second.digest && first.config.created == "2020-09-13T12:26:40Z")
            #expect(
                try store.images().map { $0.names.map(\.canonical) } == [
                    ["docker.io/library/a:latest", "docker.io/library/b:2"]
                ])
        }
    }

    @Test func imagesAreFoundByNameAndID() throws {
        try withStore { store, scratch in
            let image = try add("team/app:1", "1", store, scratch)
            for text in [
                "team/app:1", "docker.io/team/app:1", image.id.hex, "\(image.id)", image.id.short,
                String(image.id.hex.prefix(3)), "team/app@\(image.digest)", "\(image.digest)",
            ] {
                #expect(try store.image(named: text).id == image.id, "\(text)")
            }
            for (text, message) in [
                ("team/app", "No such image: team/app:latest"), ("nosuch:1", "No such image: nosuch:1"),
                (
                    "sha256:" + String(repeating: "0", count: 64),
                    "No such image: sha256:" + String(repeating: "0", count: 64)
                ),
            ] {
                #expect { try store.image(named: text) } throws: { "\($0)" == message }
            }
        }
    }

    @Test func aNameThatMovesLeavesADanglingImage() throws {
        try withStore { store, scratch in
            let old = try add("a", "1", store, scratch)
            let new = try add("a", "2", store, scratch)
            #expect(try store.image(named: "a").id == new.id)
            #expect(try store.image(named: old.id.hex).names.isEmpty)
            try store.tag(old, as: try Reference("a"))
            #expect(try store.images().map { $0.names.count }.sorted() == [0, 1])
            #expect(try store.image(named: "a").id == old.id)
        }
    }

    @Test func theStoreIsPrivateAndALayout() throws {
        try withStore { store, scratch in
            _ = try add("a", "1", store, scratch)
            let root = try FD.directory(store.root)
            for name in ["blobs", "layers", "staging", "blobs/sha256"] as [FilePath] {
                #expect(try root.open(name).status().permissions == 0o700)
            }
            #expect(try root.status().permissions == 0o700)
            #expect(
                try JSON(parsing: root.contents(of: "oci-layout") ?? [])["imageLayoutVersion"]?.string
                    == "1.0.0")
            #expect(throws: Never.self) {
                try Index(try JSON(parsing: root.contents(of: "index.json") ?? []))
            }
        }
    }

    @Test func whatADeadProcessLeftIsSwept() throws {
        try withStore { store, scratch in
            let stale = try FD.directory(store.root.appending("staging/dead/layer-1/tree"), make: true)
            try stale.makeDirectory("d")
            _ = try ImageStore(root: store.root)
            #expect(try listing(store.root.appending("staging")).isEmpty)
        }
    }

    @Test func oneDamagedImageHurtsNoOther() throws {
        try withStore { store, scratch in
            let good = try add("good", "1", store, scratch)
            let bad = try add("bad", "2", store, scratch)
            let blobs = try FD.directory(store.root.appending("blobs/sha256"))
            try blobs.replace(FilePath(bad.id.hex), with: Array("{}".utf8))
            var damage: [ImageError] = []
            #expect(try store.images { damage.append($0) }.map(\.id) == [good.id])
            #expect(damage.count == 1 && damage[0].description.contains("is damaged"))
            #expect(
                try store.remove("good", force: false, use: { StoreUse() }).count == 2)
        }
    }

    @Test func aMissingLayerIsUnpackedAgain() throws {
        try withStore { store, scratch in
            let image = try add("a", "1", store, scratch)
            try FD.directory(store.root.appending("layers")).removeTree(FilePath(image.config.diffIDs[0].hex))
            let directories = try store.layerDirectories(of: image)
            #expect(try listing(directories[0]) == ["f file 644 1"])
        }
    }

    // MARK: archives

    /// A docker archive of these layers; the documents come last, as docker writes them.
    private func dockerArchive(_ layers: [[UInt8]], diffIDs: [String]? = nil, tag: String = "x:1") -> [UInt8]
    {
        let ids = diffIDs ?? layers.map { digest($0) }
        let config = JSON.fields([
            "architecture": .string(Platform.host.architecture), "os": .string("linux"),
            "rootfs": .fields(["type": .string("layers"), "diff_ids": .array(ids.map(JSON.string))]),
        ]).bytes
        let names = layers.indices.map { "l\($0)/layer.tar" }
        let list = JSON.array([
            .fields([
                "Config": .string("config.json"), "RepoTags": .array([.string(tag)]),
                "Layers": .array(names.map(JSON.string)),
            ])
        ]).bytes
        return RawTar.make { t in
            for (i, layer) in layers.enumerated() {
                t.directory("l\(i)/")
                if let same = layers[..<i].firstIndex(of: layer) {
                    t.symlink(names[i], to: "./../\(names[same])")
                } else {
                    t.header(Array(names[i].utf8), size: layer.count)
                    t.data(layer)
                }
            }
            t.file("config.json", String(decoding: config, as: UTF8.self))
            t.file("manifest.json", String(decoding: list, as: UTF8.self))
        }
    }

    @Test func dockerArchivesAreLoaded() throws {
        try withStore { store, scratch in
            let base = RawTar.make {
                $0.file("a", "1"); $0.file("w", "2")
            }
            let packed = try run(["gzip", "-c"], input: RawTar.make { $0.file(".wh.w") }, in: scratch)
            let plain = RawTar.make { $0.file(".wh.w") }
            let archive = dockerArchive(
                [base, packed, base], diffIDs: [base, plain, base].map { digest($0) })
            var told: [String] = []
            let loaded = try store.load(try openFile(archive, in: scratch)) { told.append("\($0)") }
            #expect(told == ["Loaded image: x:1"])
            let image = loaded[0].image
            #expect(
                image.manifest.layers.map(\.mediaType) == [
                    MediaType.layer, MediaType.layerGzip, MediaType.layer,
                ])
            // The same layer twice counts where it is topmost.
            let directories = try store.layerDirectories(of: image)
            #expect(
                try directories.map { try listing($0) } == [
                    ["w character 0:0"], ["a file 644 1", "w file 644 2"],
                ])
        }
    }

    @Test func aRootThatIsOpaqueCutsWhatIsBelow() throws {
        try withStore { store, scratch in
            let layers = [
                RawTar.make { $0.file("x") },
                RawTar.make {
                    $0.file(".wh..wh..opq"); $0.file("y")
                },
            ]
            let image = try store.load(try openFile(dockerArchive(layers), in: scratch))[0].image
            #expect(try store.layerDirectories(of: image).map { try listing($0) } == [["y file 644 "]])
        }
    }

    @Test(
        "archives that lie are refused, and leave nothing",
        arguments: [
            "diff id", "missing layer", "layer count", "no documents", "windows", "truncated", "bad name",
        ])
    func lyingArchives(_ lie: String) throws {
        try withStore { (store, scratch) throws in
            let layer = RawTar.make { $0.file("a", "1") }
            let archive: [UInt8]
            switch lie {
            case "diff id": archive = dockerArchive([layer], diffIDs: [digest([1])])
            case "missing layer":
                archive = RawTar.make { t in
                    t.file("config.json", "{}")
                    t.file("manifest.json", #"[{"Config":"config.json","Layers":["gone.tar"]}]"#)
                }
            case "layer count": archive = dockerArchive([layer], diffIDs: [])
            case "windows":
                archive = RawTar.make { t in
                    t.file("config.json", #"{"os":"windows","rootfs":{"diff_ids":[]}}"#)
                    t.file("manifest.json", #"[{"Config":"config.json","Layers":[]}]"#)
                }
            case "truncated": archive = Array(dockerArchive([layer]).prefix(4000))
            case "bad name": archive = dockerArchive([layer], tag: "../../etc:1")
            default: archive = layer
            }
            #expect(throws: ImageError.self) { _ = try store.load(try openFile(archive, in: scratch)) }
            #expect(try store.images().isEmpty)
            #expect(try listing(store.root.appending("blobs")) == ["sha256 directory 700"])
            #expect(try listing(store.root.appending("staging")).isEmpty)
        }
    }

    @Test func savedArchivesLoadElsewhereWithTheSameDigest() throws {
        try withStore { store, scratch in
            let one = try add("one", "1", store, scratch)
            let two = try add("two:2", "2", store, scratch)
            let path = scratch.appending("saved.tar")
            try store.save(
                [(one, one.names), (two, [])], to: try FD.open(path, [.writeOnly, .create], mode: 0o600))
            let saved = try FD.open(path).readAll(limit: 1 << 20)
            let packed = try run(["zstd", "-qc"], input: saved, in: scratch)
            for (form, unpack) in [(ArchiveCompression.gzip, "gzip"), (.zstd, "zstd")] {
                let path = scratch.appending(unpack)
                try store.save(
                    [(one, one.names), (two, [])],
                    to: try FD.open(path, [.writeOnly, .create], mode: 0o600), compression: form)
                #expect(
                    try run([unpack, "-dc"], input: try FD.open(path).readAll(limit: 1 << 20), in: scratch)
                        == saved)
            }
            for bytes in [saved, packed] {
                let other = try ImageStore(root: scratch.appending(SHA256.hex(of: bytes)))
                let loaded = try other.load(try openFile(bytes, in: scratch))
                #expect(loaded.map(\.image.digest) == [one.digest, two.digest])
                #expect(loaded.map { "\($0)" } == ["Loaded image: one:latest", "Loaded image ID: \(two.id)"])
            }
            let listed = try run(["tar", "tf", path.string], in: scratch)
            #expect(String(decoding: listed, as: UTF8.self).contains("manifest.json"))
        }
    }

    @Test("blobs of layouts are verified", arguments: ["digest", "size", "type", "both", "compression"])
    func lyingLayouts(_ lie: String) throws {
        try withStore { (store, scratch) throws in
            let layer = RawTar.make { $0.file("a", "1") }
            let config = JSON.fields([
                "architecture": .string("amd64"), "os": .string("linux"),
                "rootfs": .fields(["diff_ids": .array([.string(digest(layer))])]),
            ]).bytes
            func descriptor(_ type: String, _ bytes: [UInt8], _ size: Int? = nil) -> JSON {
                .fields([
                    "mediaType": .string(type), "digest": .string(digest(bytes)),
                    "size": .int(Int64(size ?? bytes.count)),
                ])
            }
            let layerType =
                lie == "type"
                ? "application/x-unknown" : lie == "compression" ? MediaType.layerGzip : MediaType.layer
            let manifest = JSON.fields([
                "schemaVersion": .int(2), "config": descriptor(MediaType.config, config),
                "layers": .array([descriptor(layerType, layer, lie == "size" ? layer.count + 1 : nil)]),
                "manifests": lie == "both" ? .array([]) : nil,
            ]).bytes
            let index = JSON.fields(["manifests": .array([descriptor(MediaType.manifest, manifest)])]).bytes
            let archive = RawTar.make { t in
                for blob in [config, manifest, layer] {
                    let bytes = lie == "digest" && blob == layer ? blob + [0] : blob
                    t.header(Array("blobs/sha256/\(SHA256.hex(of: blob))".utf8), size: bytes.count)
                    t.data(bytes)
                }
                t.file("index.json", String(decoding: index, as: UTF8.self))
            }
            #expect(throws: ImageError.self) { _ = try store.load(try openFile(archive, in: scratch)) }
            #expect(try store.images().isEmpty)
        }
    }

    // MARK: removal

    @Test func removingUntagsThenDeletes() throws {
        try withStore { store, scratch in
            let image = try add("a", "1", store, scratch)
            try store.tag(image, as: try Reference("b:2"))
            let untagged = try store.remove("a", force: false, use: { StoreUse() })
            #expect(untagged == [.untagged("a:latest")])
            #expect(
                try store.remove("b:2", force: false, use: { StoreUse() }) == [
                    .untagged("b:2"), .deleted(image.id), .deleted(image.config.diffIDs[0]),
                ])
            #expect(try listing(store.root.appending("blobs/sha256")).isEmpty)
            #expect(try listing(store.root.appending("layers")).isEmpty)
            #expect {
                try store.remove("a", force: false, use: { StoreUse() })
            } throws: { "\($0)" == "No such image: a:latest" }
        }
    }

    @Test func sharedLayersStay() throws {
        try withStore { store, scratch in
            let image = try add("a", "1", store, scratch)
            var config = image.config
            config.author = "someone"
            let layer = try #require(store.layer(image.config.diffIDs[0]))
            _ = try store.create(config: config, layers: [layer], as: [try Reference("b")])
            _ = try store.remove("a", force: false, use: { StoreUse() })
            #expect(
                try listing(store.layerDirectories(of: try store.image(named: "b"))[0]) == ["f file 644 1"])
        }
    }

    /// It may have them mounted.
    @Test func layersStayWhileABuildIsAtWork() throws {
        try withStore { store, scratch in
            let image = try add("a", "1", store, scratch)
            let removed = try store.remove(
                "a", force: false, use: { StoreUse(isBuilding: true) })
            #expect(removed == [.untagged("a:latest"), .deleted(image.id)])
            #expect(try store.images().isEmpty && store.layer(image.config.diffIDs[0]) != nil)
            _ = try store.prune(use: { StoreUse() }, isDryRun: false) { _ in false }
            #expect(store.layer(image.config.diffIDs[0]) == nil)
        }
    }

    @Test func imagesInUseAreKept() throws {
        try withStore { store, scratch in
            let image = try add("a", "1", store, scratch)
            let short = image.id.short
            func use(_ running: Bool) -> [ContainerUse] {
                [
                    ContainerUse(
                        id: String(repeating: "c", count: 64), image: image.id, layers: image.config.diffIDs,
                        isRunning: running)
                ]
            }
            func refusal(_ name: String, force: Bool, running: Bool) -> String {
                do {
                    return
                        "\(try store.remove(name, force: force, use: { StoreUse(containers: ContainerUses(use(running))) }))"
                } catch { return "\(error)" }
            }
            #expect(
                refusal("a", force: false, running: false)
                    == "conflict: unable to remove repository reference "
                    + "\"a\" (must force) - container cccccccccccc is using its referenced image \(short)")
            #expect(
                refusal(short, force: false, running: true) == "conflict: unable to delete \(short) "
                    + "(cannot be forced) - image is being used by running container cccccccccccc")
            #expect(
                refusal(short, force: false, running: false) == "conflict: unable to delete \(short) "
                    + "(must be forced) - image is being used by stopped container cccccccccccc")
            try store.tag(image, as: try Reference("b"))
            #expect(
                refusal(short, force: false, running: false) == "conflict: unable to delete \(short) "
                    + "(must be forced) - image is referenced in multiple repositories")
            // Forced away from under a stopped container: its layers stay.
            let removed = try store.remove(
                short, force: true, use: { StoreUse(containers: ContainerUses(use(false))) })
            #expect(removed == [.untagged("a:latest"), .untagged("b:latest"), .deleted(image.id)])
            #expect(try store.images().isEmpty && store.layer(image.config.diffIDs[0]) != nil)
        }
    }

    // MARK: layers of builds

    private func makeUpper(_ path: FilePath) throws {
        let upper = try FD.directory(path, make: true)
        try upper.changeMode(0o755)
        try upper.makeNode("gone" as FilePath, type: .character, mode: 0)
        try upper.makeDirectory("d" as FilePath, mode: 0o750)
        let d = try upper.open("d")
        try d.setAttribute("trusted.overlay.opaque", [0x79])
        try d.setAttribute("trusted.overlay.origin", [1, 2, 3])
        try d.replace("b", with: Array("content".utf8), mode: 0o644)
        try d.makeLink("a", to: "b", in: d)
        try d.makeSymlink(FilePath(String(repeating: "n", count: 120)), to: "b")
        let file = try d.open("b")
        try file.setAttribute("user.note", [0, 0x0a])
    }

    @Test func anUpperDirectoryBecomesALayer() throws {
        try withStore { store, scratch in
            let upper = scratch.appending("store/build/1/upper")
            try makeUpper(upper)
            let layer = try store.commitLayer(upper: upper, epoch: 1_000_000_000)
            let long = String(repeating: "n", count: 120)
            let want = [
                "d directory 750", "d opaque=y", "d/a file 644 content", "d/b file 644 content",
                "d/\(long) -> b",
                "gone character 0:0",
            ]
            #expect(try listing(layer.tree) == want)
            let tree = try FD.directory(layer.tree)
            #expect(try tree.open("d").status().mtime == (1_000_000_000, 0))
            #expect(try tree.open("d/a").status().mtime == (1_000_000_000, 0))
            #expect(try tree.open("d").attributeNames() == ["trusted.overlay.opaque"])

            // The same content again: the same layer, and the tar unpacks to the same tree.
            let second = scratch.appending("store/build/2/upper")
            try makeUpper(second)
            #expect(try store.commitLayer(upper: second, epoch: 1_000_000_000) == layer)
            var config = ImageConfig()
            config.history = [.init(createdBy: "test")]
            let image = try store.create(config: config, layers: [layer], as: [try Reference("built")])
            try FD.directory(store.root.appending("layers")).removeTree(FilePath(layer.diffID.hex))
            let again = try store.layerDirectories(of: image)[0]
            #expect(try listing(again) == want)
            #expect(try FD.directory(again).open("d/a").attributeIfSet("user.note") == [0, 0x0a])
            #expect(try FD.directory(again).open("d/a").status().links == 2)

            let tar = store.root.appending("blobs/sha256").appending(layer.diffID.hex)
            let names = try run(["tar", "tf", tar.string], in: scratch)
            #expect(
                String(decoding: names, as: UTF8.self).split(separator: "\n") == [
                    "./", "d/", "d/.wh..wh..opq", "d/a", "d/b", "d/\(long)", ".wh.gone",
                ])
        }
    }

    @Test func anImageNeedsItsLayers() throws {
        try withStore { store, scratch in
            let image = try add("a", "1", store, scratch)
            let layer = try #require(store.layer(image.config.diffIDs[0]))
            _ = try store.remove("a", force: false, use: { StoreUse() })
            #expect(throws: ImageError.self) {
                _ = try store.create(config: image.config, layers: [layer], as: [])
            }
        }
    }
}
