import Linux
import OCI
import Testing

@testable import Registry

/// A manifest with one layer, pushed to the registry under `latest`.
private func push(_ registry: FakeRegistry, _ client: RegistryClient, size: Int = 300_000) async throws
    -> (layer: [UInt8], manifest: Manifest)
{
    let good = try registry.repository("good")
    let (layer, layerDescriptor) = try sample(size)
    let config = Array(#"{"os":"linux"}"#.utf8)
    try await client.upload(layer, to: good)
    try await client.upload(config, to: good)
    let manifest = Manifest(config: try descriptor(of: config, MediaType.config), layers: [layerDescriptor])
    try await client.putManifest(manifest.json.bytes, mediaType: MediaType.manifest, to: good)
    return (layer, manifest)
}

@Test func whatWasPushedIsPulledBack() async throws {
    let registry = try FakeRegistry()
    try await withClient { client in
        let (layer, manifest) = try await push(registry, client)
        let good = try registry.repository("good")
        let remote = try await client.manifest(good)
        #expect(remote.mediaType == MediaType.manifest && remote.bytes == manifest.json.bytes)
        let pinned = try Reference("\(registry.host)/good/app@\(remote.digest)")
        #expect(try await client.manifest(pinned) == remote)
        let (bytes, start) = try await client.download(manifest.layers[0], of: good)
        #expect(bytes == layer && start == 0)
    }
}

@Test func tagsOfAllPagesAreListed() async throws {
    let registry = try FakeRegistry()
    try await withClient { client in
        let (_, manifest) = try await push(registry, client, size: 10)
        let good = try registry.repository("good")
        for tag in ["a", "b", "v1", "v2"] {
            try await client.putManifest(
                manifest.json.bytes, mediaType: MediaType.manifest,
                to: try Reference("\(good.repository):\(tag)"))
        }
        #expect(try await client.tags(of: good) == ["a", "b", "latest", "v1", "v2"])
        let away = try registry.repository("to-away")
        let error = await failure { try await client.tags(of: away) }
        #expect(
            error?.description.contains("the next tags are said to be at http://registry.example/") == true)
    }
}

@Test func aListOfTagsHasAnEnd() async throws {
    let registry = try FakeRegistry()
    try await withClient { client in
        _ = try await push(registry, client, size: 10)
        let endless = try registry.repository("endless")
        let long = await failure { try await client.tags(of: endless, pages: 5, within: .seconds(600)) }
        #expect(long?.kind == .invalid && long?.description.hasSuffix("more than 5 pages of tags") == true)
        let slow = await failure { try await client.tags(of: endless, pages: 5, within: .zero) }
        #expect(slow?.description.hasSuffix("the list of tags comes too slowly") == true)
        let wide = await failure { try await client.tags(of: try registry.repository("long-tag")) }
        #expect(wide?.description.hasSuffix("a tag of more than 128 bytes") == true)
    }
}

@Test func aRepositoryWithoutTagsHasNone() async throws {
    let registry = try FakeRegistry()
    try await withClient { client in
        let good = try registry.repository("good")
        #expect(try await client.tags(of: good) == [])
    }
}
