import Linux
import NIOCore
import NIOHTTP1
import OCI
import Testing

@testable import Registry

/// Pushes a blob and a manifest that names it, under names that behave.
private func pushed(
    _ registry: FakeRegistry, _ client: RegistryClient, size: Int = 300_000
) async throws -> (bytes: [UInt8], blob: Descriptor, manifest: RemoteManifest) {
    let good = try registry.repository("good")
    let (bytes, blob) = try sample(size)
    try await client.upload(bytes, to: good)
    let manifest = Manifest(config: blob, layers: [blob])
    try await client.putManifest(manifest.json.bytes, mediaType: MediaType.manifest, to: good)
    return (bytes, blob, try await client.manifest(good))
}

@Test func aDownloadIsTakenUpWhereItWas() async throws {
    let registry = try FakeRegistry()
    try await withClient { client in
        let (bytes, blob, _) = try await pushed(registry, client)
        let (rest, start) = try await client.download(blob, of: try registry.repository("good"), from: 1000)
        #expect(rest == Array(bytes[1000...]) && start == 1000)
        let (none, end) = try await client.download(
            blob, of: try registry.repository("good"), from: blob.size)
        #expect(none.isEmpty && end == blob.size)
    }
}

@Test(arguments: ["cut", "cut-whole"])
func aCutDownloadGoesOnByItself(_ mood: String) async throws {
    let registry = try FakeRegistry()
    try await withClient { client in
        let (bytes, blob, _) = try await pushed(registry, client)
        let (got, start) = try await client.download(blob, of: try registry.repository(mood))
        #expect(got == bytes && start == 0)
    }
}

@Test func aSilentDownloadIsGivenUpAndGoesOn() async throws {
    let registry = try FakeRegistry()
    try await withClient([:]) {
        $0.silence = .seconds(2)
    } _: { client in
        let (bytes, blob, _) = try await pushed(registry, client)
        let (got, _) = try await client.download(blob, of: try registry.repository("stall"))
        #expect(got == bytes)
    }
}

@Test func aDownloadThatDripsIsGivenUpAndGoesOn() async throws {
    let registry = try FakeRegistry()
    try await withClient([:]) {
        $0.silence = .seconds(1)
    } _: { client in
        let (bytes, blob, _) = try await pushed(registry, client)
        let (got, _) = try await client.download(blob, of: try registry.repository("drip"))
        #expect(got == bytes)
        let asked = try await registry.log().filter { $0["path"]?.string?.contains("/drip/") == true }
        #expect(asked.count >= 2 && asked.last?["range"]?.string != nil)
    }
}

@Test func preliminaryAnswersAreCounted() async throws {
    let registry = try FakeRegistry()
    try await withClient { client in
        let (_, _, manifest) = try await pushed(registry, client)
        #expect(try await client.manifest(try registry.repository("hints")) == manifest)
        let error = await failure { try await client.manifest(try registry.repository("preliminary")) }
        #expect(error?.kind == .invalid && error?.description.contains("preliminary") == true)
    }
}

@Test func aBodyInTheSmallestChunksIsHeldInFewParts() async throws {
    let queue = ResponseQueue()
    let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
    queue.push(.head(HTTPResponseHead(version: .http1_1, status: .ok)))
    for byte in bytes { queue.push(.body(ByteBuffer(bytes: [byte]))) }
    queue.push(.body(ByteBuffer(bytes: bytes)))
    queue.push(.end(nil))
    var (got, parts) = ([UInt8](), 0)
    while queue.hasAnswer {
        parts += 1
        guard case .body(let part) = try await queue.next() else { continue }
        got += part.readableBytesView
    }
    #expect(got == bytes + bytes && parts < 20)
}

@Test func aRegistryWithoutRangesStartsAtZero() async throws {
    let registry = try FakeRegistry()
    try await withClient { client in
        let (bytes, blob, _) = try await pushed(registry, client)
        for mood in ["no-range", "cut-whole"] {
            let (got, start) = try await client.download(blob, of: try registry.repository(mood), from: 5000)
            #expect(got == bytes && start == 0, "\(mood)")
        }
    }
}

@Test(arguments: ["longer", "shorter"])
func blobsOfAnotherSizeAreRefused(_ mood: String) async throws {
    let registry = try FakeRegistry()
    try await withClient([:]) {
        $0.retries = 1
    } _: { client in
        let (_, blob, _) = try await pushed(registry, client)
        let error = await failure { try await client.download(blob, of: try registry.repository(mood)) }
        #expect(error?.kind == .invalid, "\(String(describing: error))")
    }
}

@Test func contentEncodingIsNotApplied() async throws {
    let registry = try FakeRegistry()
    try await withClient { client in
        let (bytes, blob, _) = try await pushed(registry, client)
        #expect(try await client.download(blob, of: try registry.repository("encoded")).bytes == bytes)
        #expect(try await registry.log().allSatisfy { $0["encoding"]?.string ?? "identity" == "identity" })
    }
}

@Test func whatTheReceiverThrowsEndsTheDownload() async throws {
    struct Full: Error {}
    let registry = try FakeRegistry()
    try await withClient { client in
        let (_, blob, _) = try await pushed(registry, client)
        let good = try registry.repository("good")
        await #expect(throws: Full.self) { try await client.blob(blob, of: good) { _ in throw Full() } }
        await #expect(throws: Full.self) {
            try await client.blob(blob, of: good, receive: { _ in }, started: { _ in throw Full() })
        }
        // The client still works.
        #expect(try await client.hasBlob(blob.digest, in: good) == blob.size)
    }
}

@Test(arguments: ["busy", "broken"])
func troubleThatPassesIsWaitedOut(_ mood: String) async throws {
    let registry = try FakeRegistry()
    try await withClient { client in
        let (_, _, manifest) = try await pushed(registry, client)
        #expect(try await client.manifest(try registry.repository(mood)) == manifest)
    }
}

@Test(arguments: [("down", 502, 3), ("patient", 429, 1)])
func troubleThatStaysIsTold(_ mood: String, _ status: Int, _ tries: Int) async throws {
    let registry = try FakeRegistry()
    try await withClient([:]) {
        $0.retries = 2
    } _: { client in
        let error = await failure { try await client.manifest(try registry.repository(mood)) }
        #expect(error?.kind == .server(status: status))
        #expect(error?.description.contains("\(status)") == true)
        let asked = try await registry.log().filter { $0["path"]?.string?.contains(mood) == true }
        #expect(asked.count == tries)
    }
}

@Test func aRegistryThatNeverAnswersIsGivenUp() async throws {
    let registry = try FakeRegistry()
    try await withClient([:]) {
        ($0.silence, $0.retries) = (.milliseconds(300), 1)
    } _: { client in
        let error = await failure { try await client.manifest(try registry.repository("mute")) }
        #expect(error?.kind == .network && error?.description.contains("not a byte for 300 ms") == true)
    }
}

@Test func aByteNowAndThenIsNoAnswer() async throws {
    let registry = try FakeRegistry()
    try await withClient([:]) {
        ($0.silence, $0.retries) = (.milliseconds(500), 0)
    } _: { client in
        let error = await failure { try await client.manifest(try registry.repository("trickle")) }
        // On a busy machine a byte may also be late.
        #expect(error?.kind == .network, "\(String(describing: error))")
    }
}

@Test func manyDownloadsShareAClient() async throws {
    let registry = try FakeRegistry()
    try await withClient { client in
        let (bytes, blob, _) = try await pushed(registry, client)
        let moods = ["good", "away", "hops", "cut", "cut-whole"]
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for i in 0..<25 {
                let name = try registry.repository(moods[i % moods.count])
                group.addTask { try await client.download(blob, of: name).bytes == bytes }
            }
            for try await isSame in group { #expect(isSame) }
        }
    }
}

@Test func aRegistryThatIsNotThereIsAnErrorAtOnce() async throws {
    try await withClient { client in
        let error = await failure { try await client.manifest(try Reference("127.0.0.1:1/app")) }
        #expect(error?.kind == .network && error?.description.contains("refused") == true)
        let unknown = await failure { try await client.manifest(try Reference("does-not-exist.invalid/app")) }
        #expect(unknown?.kind == .network)
    }
}

@Test(arguments: ["big", "junk", "deep", "headers"])
func manifestsBeyondTheLimitsAreRefused(_ mood: String) async throws {
    let registry = try FakeRegistry()
    try await withClient { client in
        let error = await failure { try await client.manifest(try registry.repository(mood)) }
        #expect(error?.kind == .invalid, "\(String(describing: error))")
    }
}

@Test func manifestsOfAnotherDigestAreRefused() async throws {
    let registry = try FakeRegistry()
    try await withClient { client in
        let (_, _, manifest) = try await pushed(registry, client)
        let byTag = await failure { try await client.manifest(try registry.repository("wrong")) }
        let byDigest = await failure {
            try await client.manifest(try registry.repository("wrong").at(manifest.digest))
        }
        #expect(byTag?.kind == .invalid && byDigest?.kind == .invalid)
    }
}

@Test func refusalsAreInDockersWords() async throws {
    let registry = try FakeRegistry()
    try await withClient { client in
        let host = registry.host
        let absent = await failure { try await client.manifest(try registry.repository("good", tag: "v9")) }
        #expect(
            absent?.description
                == "manifest for \(host)/good/app:v9 not found: manifest unknown: manifest unknown")
        #expect(absent?.kind == .notFound)
        let denied = await failure { try await client.manifest(try registry.repository("private")) }
        #expect(
            denied?.description
                == "pull access denied for \(host)/private/app, repository does not exist or may require "
                + "'apus login': denied: requested access to the resource is denied")
        #expect(denied?.kind == .denied)
        let (_, blob) = try sample(77)
        let lost = await failure { try await client.download(blob, of: try registry.repository("good")) }
        #expect(lost?.kind == .notFound)
        #expect(lost?.description == "blob \(blob.digest) not found: blob unknown: blob unknown to registry")
    }
}

@Test func aMirrorThatFailsIsPassedOver() async throws {
    let registry = try FakeRegistry()
    try await withClient([:]) {
        var table = RegistryTable(prefix: "upstream.invalid", location: "\(registry.host)/good")
        table.mirrors = [.init(location: "127.0.0.1:1/x"), .init(location: "\(registry.host)/junk")]
        ($0.registries, $0.retries) = ([table], 0)
    } _: { client in
        let (bytes, blob, manifest) = try await pushed(registry, client)
        let name = try Reference("upstream.invalid/app")
        #expect(try await client.manifest(name) == manifest)
        #expect(try await client.download(blob, of: name).bytes == bytes)
    }
}

@Test func withoutMirrorsTheRegistryItselfIsAsked() async throws {
    let registry = try FakeRegistry()
    try await withClient([:]) {
        var table = RegistryTable(prefix: "upstream.invalid", location: "\(registry.host)/good")
        table.mirrors = [.init(location: "\(registry.host)/other")]
        $0.registries = [table]
    } _: { client in
        let (bytes, blob, _) = try await pushed(registry, client)
        let name = try Reference("upstream.invalid/app")
        for usingMirrors in [true, false] {
            var got: [UInt8] = []
            let isFromMirror = try await client.blob(blob, of: name, usingMirrors: usingMirrors) {
                got += $0
            }
            #expect(isFromMirror == usingMirrors && (got == bytes) != usingMirrors)
        }
    }
}

@Test func aCancelledDownloadEnds() async throws {
    let registry = try FakeRegistry()
    try await withClient { client in
        let name = try registry.repository("mute")
        let task = Task { await failure { try await client.manifest(name) } }
        try await Task.sleep(for: .milliseconds(50))
        task.cancel()
        #expect(await task.value?.kind == .cancelled)
    }
}
