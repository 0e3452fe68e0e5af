public import Images
import Linux
public import OCI
import SystemPackage

/// Where images are pulled from.
public protocol ImageSource: Sendable {
    /// A manifest or an index, by the reference's digest, else by its tag.
    func manifest(_ reference: Reference) async throws -> SourceDocument
    /// Sends a blob from byte `offset` on, or from its beginning, which `start` hears of first. What may pass is tried
    /// again here; an error is the end of the pull. Answers whether a mirror sent some of it, which is asked only when
    /// that is allowed.
    func blob(
        _ blob: Descriptor, of repository: Reference, from offset: Int64, usingMirrors: Bool,
        start: (Int64) throws -> Void, receive: (UnsafeRawBufferPointer) throws -> Void
    ) async throws -> Bool
    /// All tags of a repository.
    func tags(of repository: Reference) async throws -> [String]
}

/// Which images a pull brings.
public struct PullChoice: Equatable, Sendable {
    /// Of an index; nil means the host's.
    public var platform: Platform?
    /// Every platform of an index; the name means the host's, the others are known by their digests.
    public var hasAllPlatforms = false
    /// Every tag of the repository.
    public var hasAllTags = false

    public init() {}
}

/// A document as a source sent it.
public struct SourceDocument: Sendable {
    public let mediaType: String
    public let bytes: [UInt8]
    public init(mediaType: String, bytes: [UInt8]) { (self.mediaType, self.bytes) = (mediaType, bytes) }
}

/// What a pull tells while it goes on; `id` is the short digest of a layer's blob.
public enum PullEvent: Sendable {
    case begun(Reference)
    case layer(id: String, LayerState)
    /// Another process downloads what this one needs too.
    case waiting
    /// Credentials that are configured and cannot be used.
    case warning(String)
    case done(PulledImage)

    public enum LayerState: Equatable, Sendable {
        case found
        case pulling
        case downloading(Int64, of: Int64)
        case unpacking
        case complete
        case again(reason: String)
    }
}

/// The outcome of a pull.
public struct PulledImage: Sendable {
    public let name: Reference
    public let id: Digest
    /// Of what the name means in the registry: an index or a manifest.
    public let digest: Digest
    /// What it runs on, as its configuration says.
    public let platform: Platform
    /// The store had it under this name.
    public let isUpToDate: Bool
}

/// Pulls images into a store.
public struct ImagePuller: Sendable {
    private let store: ImageStore
    private let source: any ImageSource
    private let report: @Sendable (PullEvent) -> Void
    /// Blobs that are fetched and unpacked side by side, as docker has it.
    static let width = 3
    /// An index may point to an index, which points to manifests.
    private static let depth = 2

    public init(
        into store: ImageStore, from source: any ImageSource, report: @escaping @Sendable (PullEvent) -> Void
    ) {
        (self.store, self.source, self.report) = (store, source, report)
    }

    /// Pulls what is chosen of a name, in the order of the registry.
    public func pull(_ name: Reference, _ choice: PullChoice) async throws -> [PulledImage] {
        var names = [name]
        if choice.hasAllTags {
            names = try await source.tags(of: name).map { try Reference("\(name.repository):\($0)") }
        }
        var pulled: [PulledImage] = []
        for name in names {
            if choice.hasAllPlatforms { pulled += try await pullOtherPlatforms(of: name) }
            pulled.append(try await pull(name, platform: choice.platform))
        }
        return pulled
    }

    /// Pulls what a name means for a platform; the host's own, unless one is given.
    public func pull(_ name: Reference, platform: Platform?) async throws -> PulledImage {
        try await described(name) {
            let first = try await document(name, expecting: nil)
            if let image = held(name, first.0.digest, platform) {
                report(.begun(name))
                let pulled = PulledImage(
                    name: name, id: image.id, digest: first.0.digest, platform: image.config.platform,
                    isUpToDate: true)
                report(.done(pulled))
                return pulled
            }
            let (manifest, document) = try await resolve(first, name, for: platform ?? .host)
            return try await pull(name, digest: first.0.digest, manifest, document)
        }
    }

    private func pullOtherPlatforms(of name: Reference) async throws -> [PulledImage] {
        try await described(name) {
            let (first, bytes) = try await document(name, expecting: nil)
            guard first.isIndex else { return [] }
            var pulled: [PulledImage] = []
            for (manifest, document) in try await manifests(of: bytes, first, name, depth: Self.depth) {
                pulled.append(
                    try await pull(
                        name.at(manifest.digest), digest: manifest.digest, manifest, document))
            }
            return pulled
        }
    }

    private func described<R>(_ name: Reference, _ body: () async throws -> R) async throws -> R {
        do { return try await body() } catch let error as ImageError {
            throw store.described(error, of: "pull \(name)")
        }
    }

    private func pull(
        _ name: Reference, digest: Digest, _ manifest: Descriptor, _ document: [UInt8]
    ) async throws -> PulledImage {
        report(.begun(name))
        let before = try? store.image(named: name.canonical)  // none: it is new
        let image = try await take(document, manifest, name: name, digest)
        let pulled = PulledImage(
            name: name, id: image.id, digest: digest, platform: image.config.platform,
            isUpToDate: before?.digest == image.digest)
        report(.done(pulled))
        return pulled
    }

    // MARK: documents

    /// The image of this name, when it is whole and what its registry has: pulled from there or pushed to it.
    private func held(_ name: Reference, _ digest: Digest, _ platform: Platform?) -> Image? {
        // What cannot be read is pulled again.
        guard let image = try? store.image(named: name.canonical), image.digests.contains(name.at(digest)),
            image.config.diffIDs.allSatisfy({ store.layer($0) != nil }),
            image.manifest.layers.allSatisfy({ (try? store.has($0)) == true }),
            platform.map(image.config.platform.runs) ?? image.config.platform.runs(on: .host)
        else { return nil }
        return image
    }

    private func resolve(
        _ first: (Descriptor, [UInt8]), _ name: Reference, for platform: Platform
    ) async throws -> (manifest: Descriptor, document: [UInt8]) {
        var (descriptor, bytes) = first
        for _ in 0...Self.depth {
            guard descriptor.isIndex else { return (descriptor, bytes) }
            let index = try ImagePull.index(bytes, descriptor)
            guard let next = index.manifest(for: platform) else {
                throw EngineError(
                    "no matching manifest for \(platform) in the manifest list entries of \(name)",
                    exitCode: 1)
            }
            (descriptor, bytes) = try await document(name.at(next.digest), expecting: next)
        }
        throw EngineError("\(name): the index is nested too deep", exitCode: 1)
    }

    /// The images for Linux of an index and of those below it. What has no platform of its own (attestations say
    /// `unknown`) is none.
    private func manifests(
        of bytes: [UInt8], _ descriptor: Descriptor, _ name: Reference, depth: Int
    ) async throws -> [(Descriptor, [UInt8])] {
        guard depth > 0 else { throw EngineError("\(name): the index is nested too deep", exitCode: 1) }
        var found: [(Descriptor, [UInt8])] = []
        for entry in try ImagePull.index(bytes, descriptor).manifests
        where entry.platform.map({ $0.os == "linux" }) ?? true {
            let (descriptor, bytes) = try await document(name.at(entry.digest), expecting: entry)
            if descriptor.isIndex {
                found += try await manifests(of: bytes, descriptor, name, depth: depth - 1)
            } else {
                found.append((descriptor, bytes))
            }
        }
        return found
    }

    /// Its descriptor is made of what came, unless it was promised.
    private func document(
        _ name: Reference, expecting promised: Descriptor?
    ) async throws -> (Descriptor, [UInt8]) {
        let document = try await source.manifest(name)
        let digest = Digest(sha256: SHA256.hex(of: document.bytes))
        if let wanted = promised?.digest ?? name.digest, wanted != digest {
            throw EngineError("\(name): digest mismatch, the registry sent \(digest)", exitCode: 1)
        }
        let descriptor = Descriptor(
            mediaType: promised?.mediaType ?? document.mediaType, digest: digest,
            size: promised?.size ?? Int64(document.bytes.count))
        return (descriptor, document.bytes)
    }

    private func config(_ manifest: Manifest, of name: Reference) async throws -> [UInt8] {
        if let known = store.knownConfig(manifest.config) { return known }
        guard manifest.config.size <= ImagePull.configLimit else {
            throw EngineError("\(name): a configuration of \(manifest.config.size) bytes", exitCode: 1)
        }
        let (bytes, isFromMirror) = try await config(manifest.config, of: name, usingMirrors: true)
        guard isFromMirror, SHA256.hex(of: bytes) != manifest.config.digest.hex else { return bytes }
        return try await config(manifest.config, of: name, usingMirrors: false).bytes
    }

    private func config(
        _ config: Descriptor, of name: Reference, usingMirrors: Bool
    ) async throws -> (bytes: [UInt8], isFromMirror: Bool) {
        var bytes: [UInt8] = []
        let isFromMirror = try await source.blob(
            config, of: name, from: 0, usingMirrors: usingMirrors, start: { _ in bytes = [] },
            receive: { chunk in
                guard bytes.count + chunk.count <= ImagePull.configLimit else {
                    throw EngineError("\(name): the configuration is too long", exitCode: 1)
                }
                bytes += chunk
            })
        return (bytes, isFromMirror)
    }

    // MARK: layers

    private func take(
        _ document: [UInt8], _ descriptor: Descriptor, name: Reference, _ registryDigest: Digest
    ) async throws -> Image {
        let pull = try ImagePull(into: store)
        let manifest = try ImagePull.manifest(document, descriptor)
        do {
            // The configuration among them: of many pulls of one image the first fetches everything.
            try await waitForDownloads(try ([manifest.config] + manifest.layers).filter(pull.lacks), pull)
            let config = try await config(manifest, of: name)
            let plan = try pull.plan(manifest: document, descriptor, config: config)
            let missing = try missing(of: plan, pull)
            try await waitForDownloads(missing.map(\.blob), pull)
            try await fetch(missing, pull, of: name)
            // With a digest the tag says nothing, as in docker.
            return try pull.commit(
                plan, as: [name.digest.map(name.at) ?? name], registryDigest: registryDigest)
        } catch let error as ImageError where error.kind == .noSpace {
            pull.endDownloads()
            throw error
        } catch {
            pull.endEmptyDownloads()
            throw error
        }
    }

    private struct Layer: Sendable {
        let blob: Descriptor
        let diffID: Digest
    }

    private func missing(of plan: ImagePull.Plan, _ pull: ImagePull) throws -> [Layer] {
        try plan.layers.compactMap { layer in
            let isThere = try pull.keepsIfThere(layer.blob, layer.diffID)
            report(.layer(id: layer.blob.digest.short, isThere ? .found : .pulling))
            return isThere ? nil : Layer(blob: layer.blob, diffID: layer.diffID)
        }
    }

    private func waitForDownloads(_ blobs: [Descriptor], _ pull: ImagePull) async throws {
        var hasTold = false
        while try !pull.takeDownloads(blobs) {
            if !hasTold { report(.waiting) }
            hasTold = true
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    private func fetch(_ missing: [Layer], _ pull: ImagePull, of name: Reference) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (number, layer) in missing.enumerated() {
                if number >= Self.width { try await group.next() }
                group.addTask { try await fetch(layer, pull, of: name) }
            }
            try await group.waitForAll()
        }
    }

    private func fetch(_ layer: Layer, _ pull: ImagePull, of name: Reference) async throws {
        let id = layer.blob.digest.short
        // The process that had the right before us may have brought it.
        if try pull.keepsIfThere(layer.blob, layer.diffID) { return report(.layer(id: id, .found)) }
        var usingMirrors = true
        while true {
            let way = try await download(layer.blob, pull, of: name, usingMirrors: usingMirrors)
            report(.layer(id: id, .unpacking))
            do throws(ImageError) {
                try pull.unpack(layer.blob, layer.diffID)
                break
            } catch {
                guard error.kind == .invalid, way.wasResumed || way.isFromMirror else { throw error }
                // What an earlier pull left may have been damaged by whatever ended that; else the mirror is bad.
                usingMirrors = way.wasResumed
                report(.layer(id: id, .again(reason: "\(error)")))
            }
        }
        report(.layer(id: id, .complete))
    }

    /// Answers whether a part was there before, and whether a mirror sent some of it.
    private func download(
        _ blob: Descriptor, _ pull: ImagePull, of name: Reference, usingMirrors: Bool
    ) async throws -> (wasResumed: Bool, isFromMirror: Bool) {
        let download = try pull.download(blob)
        let before = download.count
        var isFromMirror = false
        if !download.isComplete || blob.size == 0 {
            isFromMirror = try await source.blob(
                blob, of: name, from: before, usingMirrors: usingMirrors,
                start: { try download.start(at: $0) },
                receive: { chunk in
                    try download.receive(chunk)
                    report(.layer(id: blob.digest.short, .downloading(download.count, of: blob.size)))
                })
            try download.finish()
        }
        return (before > 0, isFromMirror)
    }
}
