import Dispatch
import Linux
import OCI
import Support
import Synchronization
import SystemPackage
import Testing

@testable import Images

/// What makes an image the one that was meant: names with digests, several manifests of one configuration, layers and
/// the blobs that they came from.
@Suite(.enabled(if: isRoot, "unpacking sets owners"))
struct IdentityTests {
    private func withStore(_ body: (ImageStore, FilePath) throws -> Void) throws {
        try withScratch { try body(try ImageStore(root: $0.appending("store")), $0) }
    }

    private func add(_ name: String, _ content: String, _ store: ImageStore, _ scratch: FilePath) throws
        -> Image
    {
        let file = try openFile(RawTar.make { $0.file("f", content) }, in: scratch)
        return try store.importRoot(file, as: try Reference(name), process: .init(), comment: "test")
    }

    private func digest(_ bytes: [UInt8]) -> String { "sha256:" + SHA256.hex(of: bytes) }

    /// A name with a digest may not come to mean other content (load forged it).
    @Test func aDigestInANameIsThatOfTheContent() throws {
        try withStore { store, scratch in
            let image = try add("a", "1", store, scratch)
            let name = try Reference("alpine").at(try #require(Digest(digest([1]))))
            let path = scratch.appending("forged.tar")
            try store.save([(image, [name])], to: try FD.open(path, [.writeOnly, .create], mode: 0o600))
            #expect { try store.load(try FD.open(path)) } throws: {
                "\($0)".contains("index.json: alpine@sha256:") && "\($0)".contains(" names sha256:")
            }
            #expect(throws: ImageError.self) { try store.image(named: name.canonical) }
        }
    }

    /// Both are in the store, but do not belong together.
    @Test func aBlobIsNotTakenForAnotherLayer() throws {
        try withStore { store, scratch in
            let (one, two) = (try add("one", "1", store, scratch), try add("two", "2", store, scratch))
            let pull = try ImagePull(into: store)
            #expect(try pull.keepsIfThere(one.manifest.layers[0], one.config.diffIDs[0]))
            #expect(try pull.keepsIfThere(one.manifest.layers[0], two.config.diffIDs[0]) == false)
        }
    }

    @Test("lists of layers are bounded", arguments: [501, 2])
    func layerLists(_ count: Int) throws {
        try withStore { (store, scratch) throws in
            let layer = RawTar.make { $0.file("a", "1") }
            let other = digest([1])
            let config = JSON.fields([
                "architecture": .string("amd64"), "os": .string("linux"),
                "rootfs": .fields([
                    "diff_ids": .array(
                        (0..<count).map { .string(count == 2 && $0 == 1 ? other : digest(layer)) })
                ]),
            ]).bytes
            let list = JSON.array([
                .fields([
                    "Config": .string("config"), "RepoTags": .array([]),
                    "Layers": .array((0..<count).map { _ in .string("layer") }),
                ])
            ])
            let archive = RawTar.make { t in
                t.file("config", String(decoding: config, as: UTF8.self))
                t.file("layer", String(decoding: layer, as: UTF8.self))
                t.file("manifest.json", String(decoding: list.bytes, as: UTF8.self))
            }
            #expect { try store.load(try openFile(archive, in: scratch)) } throws: {
                "\($0)".contains(count == 2 ? "two diff ids for the layer" : "501 layers: more than 500")
            }
            #expect(try store.images().isEmpty)
            #expect(try listing(store.root.appending("layers")).isEmpty)
        }
    }

    /// The same root as a plain and as a gzip layer: two manifests, one configuration.
    @Test func manifestsOfOneConfigurationAreOneImage() throws {
        try withStore { store, scratch in
            let plain = try add("a", "1", store, scratch)
            let packed = try run(["gzip", "-c"], input: RawTar.make { $0.file("f", "1") }, in: scratch)
            func addPacked(_ name: String) throws -> Image {
                try store.importRoot(
                    try openFile(packed, in: scratch), as: try Reference(name), process: .init(),
                    comment: "test")
            }
            let twin = try addPacked("b")
            #expect(plain.id == twin.id && plain.digest != twin.digest)
            for digest in [plain.digest, twin.digest] {
                #expect(try store.image(named: "\(digest)").id == plain.id)
            }
            #expect(try store.images().map { $0.names.map(\.description) } == [["a:latest", "b:latest"]])
            #expect(throws: ImageError.self) {
                try store.remove(plain.id.short, force: false) { StoreUse() }
            }
            // The plain one loses its name: nothing dangles, and a prune drops what it alone needed.
            _ = try addPacked("a")
            #expect(try store.images().map(\.names.count) == [2])
            let pruned = try store.prune(use: { StoreUse() }, isDryRun: false) { $0.names.isEmpty }
            #expect(pruned.removals.isEmpty && pruned.bytes > 0)
            // The plain blob stays: the layer was unpacked from it.
            #expect(try listing(store.root.appending("blobs/sha256")).count == 4)
            let removed = try store.remove(plain.id.short, force: true) { StoreUse() }
            #expect(removed.count == 4 && removed.first == .untagged("a:latest"))
            #expect(try listing(store.root.appending("blobs/sha256")).isEmpty)
        }
    }

    /// A pull has to read what it has just brought, to tell of it.
    @Test func whatWasJustAddedIsThereUntilItsCommandEnds() throws {
        try withStore { store, _ in
            let staging = try Staging(in: store)
            let document = try staging.add([1], mediaType: MediaType.config)
            try staging.commit { _ in }
            _ = try store.prune(use: { StoreUse() }, isDryRun: false) { _ in true }
            #expect(try store.has(document))
            withExtendedLifetime(staging) {}
        }
    }

    @Test func whatIsBeingSavedIsNotRemoved() throws {
        try withStore { store, scratch in
            let image = try add("a", String(repeating: "x", count: 1 << 20), store, scratch)
            let pipe = try Pipe()
            let target = try pipe.write.duplicate()
            let source = SharedFD(pipe.takeRead())
            let archive = Mutex<[UInt8]>([])
            let ended = DispatchSemaphore(value: 0)
            DispatchQueue.global().async {
                do {
                    // The first layer is being written.
                    var bytes = try source.fd.readSome(limit: 1)
                    _ = try store.remove("a", force: false, use: { StoreUse() })
                    while let more = try? source.fd.readSome(limit: 1 << 20), !more.isEmpty { bytes += more }
                    archive.withLock { $0 = bytes }
                } catch { Issue.record(error) }
                ended.signal()
            }
            try store.save([(image, image.names)], to: target)
            _ = consume target
            ended.wait()
            let other = try ImageStore(root: scratch.appending("other"))
            let loaded = try other.load(try openFile(archive.withLock { $0 }, in: scratch))
            #expect(loaded.map(\.image.digest) == [image.digest])
        }
    }

    /// They remove their directories without the store's lock.
    @Test func commandsThatEndDisturbNoOther() throws {
        try withStore { store, _ in
            let failures = Mutex<[String]>([])
            DispatchQueue.concurrentPerform(iterations: 2) { number in
                do {
                    for _ in 0..<300 {
                        if number == 0 { try Staging(in: store).lease([]) }
                        _ = try store.locked { () throws(ImageError) in try Staging.leases(in: store) }
                    }
                } catch { failures.withLock { $0.append("\(error)") } }
            }
            #expect(failures.withLock { $0 } == [])
        }
    }

    @Test func aBlobThatCameMeanwhileIsNotDeletedForTheOldOne() throws {
        try withStore { store, scratch in
            let digest = try add("a", "1", store, scratch).manifest.layers[0].digest
            let name = FilePath(digest.hex)
            let sound = try store.blobs.contents(of: name) ?? []
            try store.blobs.replace(name, with: [1])
            let damaged = SharedFD(try store.blobs.open(name))
            try store.blobs.replace(name, with: sound)
            #expect(try store.deleteBlob(digest, ifStill: damaged) == false)
            #expect(try store.blobs.contents(of: name) == sound)
            #expect(try store.deleteBlob(digest, ifStill: SharedFD(try store.blobs.open(name))))
        }
    }

    /// What a check tells to do is done.
    @Test func loadAndImportMendALayerWithADamagedRecord() throws {
        try withStore { store, scratch in
            let image = try add("a", "1", store, scratch)
            let archive = scratch.appending("saved.tar")
            try store.save(
                [(image, image.names)], to: try FD.open(archive, [.writeOnly, .create], mode: 0o600))
            for heal in [
                { _ = try store.load(try FD.open(archive)) }, { _ = try add("a", "1", store, scratch) },
            ] {
                try store.layers.open(FilePath(image.config.diffIDs[0].hex)).replace(
                    "layer.json", with: Array("{".utf8))
                try heal()
                #expect(store.layer(image.config.diffIDs[0]) != nil)
            }
        }
    }

    /// Its tree is sound, so that a build goes on from it.
    @Test func aBlobThatTheBuildCacheNeedsIsMadeAgain() throws {
        try withStore { store, scratch in
            let upper = scratch.appending("store/build/1/upper")
            try FD.directory(upper, make: true).replace("f", with: Array("1".utf8))
            let layer = try store.commitLayer(upper: upper, epoch: nil)
            let blobs = try FD.directory(store.root.appending("blobs/sha256"))
            try blobs.replace(FilePath(layer.blob.digest.hex), with: [1])
            let container = ContainerUse(
                id: String(repeating: "c", count: 64), image: layer.diffID, layers: [layer.diffID],
                isRunning: false)
            let use = StoreUse(containers: ContainerUses([container]), cached: [layer.diffID])
            for (repairs, remedy) in [
                (false, "try --repair, or pull or load it again"), (true, "made again of its layer"),
            ] {
                var found: [Damage] = []
                try store.check(repairs: repairs, use: use, mounted: { [] }) { found.append($0) }
                #expect(found.map(\.remedy) == [remedy])
                #expect(found.map(\.images) == [["container cccccccccccc", "the build cache"]])
            }
            _ = try store.create(config: ImageConfig(), layers: [layer], as: [])
        }
    }

    /// The date of an image may be its base's; what came just now is new all the same.
    @Test func anImageAppearsWhenItIsNamed() throws {
        try withStore { store, scratch in
            let before = Timestamp.now()
            let image = try add("a", "1", store, scratch)
            let listed = try store.image(named: "a")
            #expect(image.created < before && listed.appeared >= before && listed.tagged == listed.appeared)
            // A push tells what the name means in the registry, and gives none.
            try store.remember(image.id, of: try Reference("a"), for: image)
            let pushed = try store.image(named: "a")
            #expect(pushed.digests.count == 1 && pushed.tagged == listed.tagged)
        }
    }
}
