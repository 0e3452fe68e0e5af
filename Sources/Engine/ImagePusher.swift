public import Images
public import Linux
public import OCI

/// Where images are pushed to.
public protocol ImageDestination: Sendable {
    func has(_ blob: Descriptor, in repository: Reference) async throws -> Bool
    /// Takes a blob from another repository of the same registry; false when that one does not give it.
    func mount(_ blob: Descriptor, from other: Reference, to repository: Reference) async throws -> Bool
    /// Sends a blob from a file that begins with it; `progress` hears how many bytes are sent.
    func upload(
        _ blob: Descriptor, from file: borrowing FD, to repository: Reference,
        progress: @escaping (Int64) -> Void
    ) async throws
    func put(manifest: [UInt8], _ descriptor: Descriptor, as name: Reference) async throws
}

/// What a push tells while it goes on; `id` is the short digest of a layer as the store has it.
public enum PushEvent: Sendable {
    case begun(Reference)
    /// Credentials that are configured and cannot be used.
    case warning(String)
    case layer(id: String, LayerState)
    case done(tag: String, digest: Digest, size: Int)

    public enum LayerState: Equatable, Sendable {
        case preparing
        case sending(Int64, of: Int64)
        case sent
        case found
        case mounted(from: String)
    }
}

/// Pushes an image of a store.
public struct ImagePusher: Sendable {
    private let store: ImageStore
    private let destination: any ImageDestination
    private let report: @Sendable (PushEvent) -> Void
    /// Layers that are sent side by side, as docker has it.
    private static let width = 5

    public init(
        of store: ImageStore, to destination: any ImageDestination,
        report: @escaping @Sendable (PushEvent) -> Void
    ) {
        (self.store, self.destination, self.report) = (store, destination, report)
    }

    /// Pushes the image that has this name; the digest is that of what arrived.
    public func push(_ name: Reference) async throws -> Digest {
        guard name.digest == nil else { throw EngineError("cannot push a digest reference", exitCode: 1) }
        report(.begun(name))
        let image: Image
        do throws(ImageError) { image = try store.image(named: name.canonical) } catch {
            guard error.kind == .notFound else { throw error }
            let isHere = try store.images().contains {
                $0.names.contains { $0.repository == name.repository }
            }
            throw EngineError(
                isHere
                    ? "tag does not exist: \(name)"
                    : "An image does not exist locally with the tag: \(name.name)", exitCode: 1)
        }
        do {
            let digest = try await send(image, as: name)
            try store.remember(digest, of: name, for: image)
            return digest
        } catch let error as ImageError {
            throw store.described(error, of: "push \(name)")
        }
    }

    private func send(_ image: Image, as name: Reference) async throws -> Digest {
        let push = try ImagePush(image, of: store)
        for layer in image.manifest.layers { report(.layer(id: layer.digest.short, .preparing)) }
        let layers = try await send(image.manifest.layers, push, to: name)
        let config = try push.config()
        if try await !destination.has(config.blob, in: name) {
            try await destination.upload(config.blob, from: config.file, to: name) { _ in }
        }
        let (descriptor, bytes) = try push.manifest(layers: layers)
        try await destination.put(manifest: bytes, descriptor, as: name)
        report(
            .done(
                tag: name.tag ?? descriptor.digest.description, digest: descriptor.digest, size: bytes.count))
        return descriptor.digest
    }

    /// Answers the layers as they were sent, in their order.
    private func send(
        _ layers: [Descriptor], _ push: ImagePush, to name: Reference
    ) async throws -> [Descriptor] {
        var unique: [Descriptor] = []
        for layer in layers where !unique.contains(where: { $0.digest == layer.digest }) {
            unique.append(layer)
        }
        let sent = try await withThrowingTaskGroup(of: (Digest, Descriptor).self) { group in
            var sent: [Digest: Descriptor] = [:]
            for (number, layer) in unique.enumerated() {
                if number >= Self.width, let one = try await group.next() { sent[one.0] = one.1 }
                group.addTask { (layer.digest, try await send(layer, push, to: name)) }
            }
            for try await one in group { sent[one.0] = one.1 }
            return sent
        }
        return layers.map { layer in
            var blob = sent[layer.digest] ?? layer
            blob.annotations = layer.annotations
            return blob
        }
    }

    private func send(_ layer: Descriptor, _ push: ImagePush, to name: Reference) async throws -> Descriptor {
        let id = layer.digest.short
        let content = try push.layer(layer)
        let blob = content.blob
        if try await destination.has(blob, in: name) {
            report(.layer(id: id, .found))
            return blob
        }
        for other in push.image.names where other.registry == name.registry && other.path != name.path {
            if try await destination.mount(blob, from: other, to: name) {
                report(.layer(id: id, .mounted(from: other.path)))
                return blob
            }
        }
        try await destination.upload(blob, from: content.file, to: name) { count in
            report(.layer(id: id, .sending(count, of: blob.size)))
        }
        report(.layer(id: id, .sent))
        return blob
    }
}
