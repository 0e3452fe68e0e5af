import Engine
import Images
import Linux
import OCI
import Synchronization
import SystemPackage
import Testing

/// Pulling, from a source that has what another store has, and that misbehaves as it is told.
@Suite(.enabled(if: Process.effectiveUser == 0, "unpacking sets owners"))
struct PullTests {
    @Test func whatIsPulledIsWhatThereWas() async throws {
        try await withWorld { world in
            let pulled = try await world.pull()
            #expect(!pulled.isUpToDate && pulled.id == world.image.id && pulled.digest == world.image.digest)
            let image = try world.store.image(named: "registry.test/app")
            #expect(image.manifest == world.image.manifest && image.config == world.image.config)
            for (mine, theirs) in zip(
                try world.store.layerDirectories(of: image),
                try world.origin.layerDirectories(of: world.image))
            {
                #expect(try contents(mine.appending("file")) == contents(theirs.appending("file")))
            }
            #expect(try await world.pull().isUpToDate)
            #expect(world.source.fetches(of: world.layer) == [0])
            try world.expectClean()
        }
    }

    /// A check has removed a damaged one.
    @Test func aBlobThatIsGoneIsPulledAgain() async throws {
        try await withWorld { world in
            _ = try await world.pull()
            let blobs = try FD.directory(world.store.root.appending("blobs/sha256"))
            try blobs.remove(FilePath(world.layer.hex))
            _ = try await world.pull()
            #expect(try blobs.status(of: FilePath(world.layer.hex)) != nil)
            #expect(world.source.fetches(of: world.layer) == [0, 0])
            try world.expectClean()
        }
    }

    /// Also in another process.
    @Test func aPullGoesOnWhereAnEarlierOneFailed() async throws {
        try await withWorld { world in
            world.source.change { $0.isCut = true }
            await #expect { try await world.pull() } throws: { "\($0)" == "the cable was pulled" }
            #expect(throws: ImageError.self) { try world.store.image(named: "registry.test/app") }
            world.source.change { $0.isCut = false }
            _ = try await world.pull()
            let offsets = world.source.fetches(of: world.layer)
            #expect(offsets.count == 2 && offsets[0] == 0 && offsets[1] > 0)
            try world.expectClean()
        }
    }

    @Test func whatAnEarlierPullLeftDamagedIsFetchedAgain() async throws {
        try await withWorld { world in
            let downloads = try FD.directory(world.store.root).openMaking("downloads")
            try downloads.open(FilePath(world.layer.hex), [.writeOnly, .create], mode: 0o600).writeAll(
                [UInt8](repeating: 7, count: 1000))
            _ = try await world.pull()
            #expect(world.source.fetches(of: world.layer) == [1000, 0])
            try world.expectClean()
        }
    }

    @Test func whatAMirrorSendsWrongTheRegistryIsAskedFor() async throws {
        try await withWorld { world in
            world.source.change { ($0.damaged, $0.isMirrorAlone) = (.layer, true) }
            _ = try await world.pull()
            #expect(world.source.fetches(of: world.layer) == [0, 0])
            try world.expectClean()
        }
        try await withWorld { world in
            world.source.change { ($0.damaged, $0.isMirrorAlone) = (.config, true) }
            _ = try await world.pull()
            #expect(world.source.fetches(of: world.image.id) == [0, 0])
            #expect(world.source.fetches(of: world.layer) == [0])
        }
    }

    @Test func otherContentThanPromisedIsRefused() async throws {
        try await withWorld { world in
            for (part, mentions) in [
                (World.Part.layer, "gzip data is damaged"), (.config, "digest mismatch"),
            ] {
                world.source.change { $0.damaged = part }
                await #expect { try await world.pull() } throws: { "\($0)".contains(mentions) }
                #expect(try world.store.images().isEmpty)
                // Nothing of it is taken for good by the next one.
                world.source.change { $0.damaged = nil }
                _ = try await world.pull()
                _ = try world.store.remove("registry.test/app", force: false) {
                    StoreUse()
                }
            }
            try world.expectClean()
        }
    }

    @Test func eachBlobIsFetchedOnceByManyAtOnce() async throws {
        try await withWorld { world in
            world.source.change { $0.delay = .milliseconds(50) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<8 {
                    group.addTask {
                        // As another process has it: a store of its own on the same place.
                        let store = try ImageStore(root: world.store.root)
                        _ = try await ImagePuller(into: store, from: world.source) { _ in }
                            .pull(try Reference("registry.test/app:\(number)"), platform: nil)
                    }
                }
                try await group.waitForAll()
            }
            #expect(world.source.fetches(of: world.layer) == [0])
            #expect(try world.store.images().first?.names.count == 8)
            try world.expectClean()
        }
    }

    @Test func aLayerThatAPullReliesOnIsNotRemoved() async throws {
        try await withWorld { world in
            _ = try await world.pull()
            let pull = try ImagePull(into: world.store)
            let layer = world.image.manifest.layers[0]
            guard try pull.keepsIfThere(layer, world.image.config.diffIDs[0]) else {
                Issue.record("the layer is not there")
                return
            }
            _ = try world.store.remove("registry.test/app", force: true) { StoreUse() }
            #expect(world.store.layer(world.image.config.diffIDs[0]) != nil)
            withExtendedLifetime(pull) {}
        }
    }

    @Test func anIndexGivesThePlatformThatIsAskedFor() async throws {
        try await withWorld { world in
            let index = world.index(.riscv, .host)
            let pulled = try await world.pull()
            #expect(pulled.id == world.image.id && pulled.digest == index)
            await #expect {
                try await world.pull(platform: Platform(architecture: "s390x"))
            } throws: {
                "\($0)".hasPrefix("no matching manifest for linux/s390x in the manifest list entries")
            }
        }
    }

    /// What a name means in its registry is an index, which the store does not have.
    @Test func anImageIsKnownByTheDigestOfItsIndex() async throws {
        try await withWorld { world in
            let name = try Reference("registry.test/app")
            let index = world.index(.host)
            _ = try await world.pull()
            #expect(try world.store.image(named: "registry.test/app").digests == [name.at(index)])
            #expect(try world.store.image(named: "registry.test/app@\(index)").id == world.image.id)
            // Another name for it says nothing of another registry; the same one again loses nothing.
            try world.store.tag(world.image, as: try Reference("other"))
            try world.store.tag(world.image, as: name)
            #expect(
                try world.store.image(named: "other").digests == [name.at(index)])
            #expect(throws: ImageError.self) { try world.store.image(named: "other@\(index)") }
            #expect(try await world.pull().isUpToDate)
            // What it is called elsewhere is not its name there.
            #expect(throws: ImageError.self) {
                try world.store.image(named: "somebody/else@\(world.image.digest)")
            }
        }
    }

    @Test func allPlatformsAreThereByTheirDigests() async throws {
        try await withWorld { world in
            _ = world.index(.riscv, .host)
            var choice = PullChoice()
            choice.hasAllPlatforms = true
            let pulled = try await world.puller.pull(world.name, choice)
            let other = world.name.at(world.image.digest)
            #expect(pulled.map(\.name) == [other, other, world.name])
            #expect(try world.store.image(named: "registry.test/app").names == [world.name, other])
            #expect(world.source.fetches(of: world.layer) == [0])
            try world.expectClean()
        }
    }

    @Test func allTagsAreThere() async throws {
        try await withWorld { world in
            world.source.change { $0.tags = ["latest", "v1"] }
            var choice = PullChoice()
            choice.hasAllTags = true
            _ = try await world.puller.pull(world.name, choice)
            #expect(
                try world.store.images().flatMap(\.names).map(\.description) == [
                    "registry.test/app:latest", "registry.test/app:v1",
                ])
            world.source.change { $0.tags = ["../escape"] }
            await #expect(throws: ReferenceError.self) { try await world.puller.pull(world.name, choice) }
        }
    }
}

// MARK: what they share

extension Platform {
    fileprivate static let riscv = Platform(architecture: "riscv64")
}

private func contents(_ path: FilePath) throws -> [UInt8] { try FD.open(path).readAll(limit: 1 << 20) }

private func withWorld(_ body: (World) async throws -> Void) async throws {
    let world = try World()
    do { try await body(world) } catch {
        world.end()
        throw error
    }
    world.end()
}

/// A store that is filled from a source, which has one image of one layer.
private struct World: Sendable {
    enum Part { case layer, config }
    let directory: FilePath
    let origin: ImageStore
    let store: ImageStore
    let image: Image
    let source: FakeSource
    let name: Reference
    var layer: Digest { image.manifest.layers[0].digest }

    init() throws {
        name = try Reference("registry.test/app")
        directory = FilePath("/tmp/apus-test-\(SHA256.hex(of: Kernel.random(16)).prefix(16))")
        let tree = directory.appending("tree")
        _ = try FD.directory(tree, make: true)
        // What does not shrink, so that a cut is somewhere in the middle.
        try FD.open(tree.appending("file"), [.writeOnly, .create], mode: 0o644)
            .writeAll((0..<200).flatMap { _ in Kernel.random(256) })
        let tar = directory.appending("tree.tar")
        let pid = try Process.spawn(
            path: "/bin/tar", arguments: ["tar", "-czf", tar.string, "-C", tree.string, "."],
            environment: ["PATH=/usr/bin:/bin"], stdio: [-1, -1, -1])
        try #require(try Process.wait(pid: pid).code == 0)
        origin = try ImageStore(root: directory.appending("origin"))
        store = try ImageStore(root: directory.appending("store"))
        image = try origin.importRoot(
            try FD.open(tar), as: try Reference("app"), process: .init(), comment: nil)
        source = FakeSource(
            blobs: origin.root.appending("blobs/sha256"), manifest: image.digest,
            layer: image.manifest.layers[0].digest, config: image.id)
    }

    var puller: ImagePuller { ImagePuller(into: store, from: source) { _ in } }

    func pull(platform: Platform? = nil) async throws -> PulledImage {
        try await puller.pull(name, platform: platform)
    }

    /// Makes the tag an index of the image for these platforms and one that is none.
    func index(_ platforms: Platform...) -> Digest {
        let size = Int64(source.document(image.digest).count)
        let index = Index(
            manifests: ([Platform(os: "unknown", architecture: "unknown")] + platforms).map {
                Descriptor(mediaType: MediaType.manifest, digest: image.digest, size: size, platform: $0)
            })
        source.change { $0.tagged = (MediaType.index, index.json.bytes) }
        return Digest(hex: SHA256.hex(of: index.json.bytes)) ?? image.digest
    }

    /// Nothing of a pull that has ended lies about.
    func expectClean() throws {
        for name in ["downloads", "staging"] {
            let left = try FD.open(store.root.appending(name), [.readOnly, .directory]).entries()
            #expect(left.map(\.name.string).isEmpty, "\(name): \(left.map(\.name))")
        }
    }

    func end() {
        _ = try? FD.open("/tmp", [.readOnly, .directory]).removeTree(
            FilePath(directory.lastComponent?.string ?? ""))
    }
}

/// Another store's blobs, sent in pieces.
private final class FakeSource: ImageSource {
    struct Behaviour: Sendable {
        /// Layers end in the middle.
        var isCut = false
        var damaged: World.Part?
        /// Only what a mirror sends is damaged.
        var isMirrorAlone = false
        var delay: Duration?
        /// What the tag means, when it is not the image.
        var tagged: (type: String, bytes: [UInt8])?
        var tags: [String] = []
        var fetches: [Digest: [Int64]] = [:]
    }
    private struct Cut: Error, CustomStringConvertible { let description = "the cable was pulled" }
    private let blobs: FilePath
    private let manifest, layer, config: Digest
    private let behaviour = Mutex(Behaviour())

    init(blobs: FilePath, manifest: Digest, layer: Digest, config: Digest) {
        (self.blobs, self.manifest, self.layer, self.config) = (blobs, manifest, layer, config)
    }

    func change(_ body: (inout Behaviour) -> Void) { behaviour.withLock { body(&$0) } }
    func fetches(of digest: Digest) -> [Int64] { behaviour.withLock { $0.fetches[digest] ?? [] } }

    func document(_ digest: Digest) -> [UInt8] {
        (try? FD.open(blobs.appending(digest.hex)).readAll(limit: 1 << 22)) ?? []  // a test then fails
    }

    func manifest(_ reference: Reference) async throws -> SourceDocument {
        if reference.digest == nil, let tagged = behaviour.withLock({ $0.tagged }) {
            return SourceDocument(mediaType: tagged.type, bytes: tagged.bytes)
        }
        return SourceDocument(mediaType: MediaType.manifest, bytes: document(manifest))
    }

    func tags(of repository: Reference) async throws -> [String] { behaviour.withLock { $0.tags } }

    func blob(
        _ blob: Descriptor, of repository: Reference, from offset: Int64, usingMirrors: Bool,
        start: (Int64) throws -> Void, receive: (UnsafeRawBufferPointer) throws -> Void
    ) async throws -> Bool {
        let (isCut, damaged, delay) = behaviour.withLock { now in
            now.fetches[blob.digest, default: []].append(offset)
            let isSound = now.isMirrorAlone && !usingMirrors
            return (blob.digest == layer && now.isCut, isSound ? nil : now.damaged, now.delay)
        }
        var bytes = document(blob.digest)
        if damaged == .layer, blob.digest == layer { bytes[bytes.count / 2] ^= 1 }
        if damaged == .config, blob.digest == config { bytes[bytes.count / 2] ^= 1 }
        try start(offset)
        if let delay { try await Task.sleep(for: delay) }
        let rest = Array(bytes[Int(offset)...])
        for piece in stride(from: 0, to: isCut ? rest.count / 2 : rest.count, by: 4096) {
            try rest[piece..<min(piece + 4096, rest.count)].withUnsafeBytes(receive)
        }
        if isCut { throw Cut() }
        return usingMirrors && behaviour.withLock { $0.isMirrorAlone }
    }
}
