import Linux
import OCI
import Testing

@testable import Registry

@Test func blobsAreMountedFromWhereTheyAre() async throws {
    let registry = try FakeRegistry()
    try await withClient { client in
        let (bytes, blob) = try sample(100)
        let good = try registry.repository("good")
        let other = try registry.repository("other")
        #expect(try await client.hasBlob(blob.digest, in: good) == nil)
        try await client.upload(bytes, to: good)
        #expect(try await client.mountBlob(blob.digest, to: other, from: good))
        // A registry that does not mount opens an upload, which is given up.
        #expect(try await client.mountBlob(blob.digest, to: other, from: other) == false)
        let unable = try registry.repository("no-mounts")
        #expect(try await client.mountBlob(blob.digest, to: unable, from: good) == false)
        let log = try await registry.log()
        #expect(log.last { $0["method"] == .string("DELETE") } != nil)
        #expect(
            try await client.mountBlob(blob.digest, to: other, from: try Reference("a.invalid/x")) == false)
    }
}

@Test func aRegistryMayRefuseAnUploadHalfWay() async throws {
    let registry = try FakeRegistry()
    try await withClient([:]) {
        $0.retries = 1
    } _: { client in
        let (bytes, _) = try sample(8 << 20)
        let error = await failure { try await client.upload(bytes, to: try registry.repository("early")) }
        // Seen as its answer, or as the connection that it closes after it.
        #expect(error?.kind == .invalid || error?.kind == .network)
    }
}

/// What is asked next would be the rest of the blob there.
@Test func aConnectionWithHalfAnUploadIsNotUsedAgain() async throws {
    let registry = try FakeRegistry()
    try await withClient([:]) {
        ($0.retries, $0.silence) = (0, .seconds(2))
    } _: { client in
        let (bytes, _) = try sample(32 << 20)
        let name = try registry.repository("early-kept")
        #expect(await failure { try await client.upload(bytes, to: name) }?.kind == .invalid)
        // What is not tried again.
        try await client.putManifest([1], mediaType: MediaType.manifest, to: try registry.repository("good"))
    }
}

@Test func damageOnTheWayIsFoundByTheRegistry() async throws {
    let registry = try FakeRegistry()
    try await withClient { client in
        let (bytes, blob) = try sample(1000)
        let name = try registry.repository("good")
        let error = await failure {
            try await client.uploadBlob(blob, to: name) { offset, buffer in
                buffer.copyBytes(from: bytes[Int(offset)...].reversed().prefix(buffer.count))
                return min(buffer.count, bytes.count - Int(offset))
            }
        }
        #expect(error?.kind == .invalid && error?.description.contains("digest invalid") == true)
        #expect(try await client.hasBlob(blob.digest, in: name) == nil)
    }
}

@Test func aSourceThatEndsEarlyIsAnError() async throws {
    struct Gone: Error {}
    let registry = try FakeRegistry()
    try await withClient { client in
        let (_, blob) = try sample(1000)
        let name = try registry.repository("good")
        #expect(await failure { try await client.uploadBlob(blob, to: name) { _, _ in 0 } }?.kind == .invalid)
        await #expect(throws: Gone.self) {
            try await client.uploadBlob(blob, to: name) { _, _ in throw Gone() }
        }
    }
}

@Test func uploadsAreNotLedToForbiddenPlaces() async throws {
    let registry = try FakeRegistry()
    try await withClient { client in
        let (bytes, _) = try sample(1000)
        let error = await failure {
            try await client.upload(bytes, to: try registry.repository("upload-away"))
        }
        #expect(error?.kind == .refused, "\(String(describing: error))")
    }
}

@Test func uploadsThatMoveTakeNoCredentialsAlong() async throws {
    let registry = try FakeRegistry()
    try await withClient([registry.host: Credential(username: "alice", password: "secret")]) { client in
        // So that Basic is known to be wanted.
        try await client.upload([1], to: try registry.repository("basic"))
        try await client.upload([2], to: try registry.repository("upload-other"))
        let other = try await registry.log().filter { $0["port"] == .string("other") }
        #expect(other.count == 1 && other.allSatisfy { $0["authorization"] == nil })
    }
}

@Test func anUploadIsTriedAsOftenAsItIsConfigured() async throws {
    let registry = try FakeRegistry()
    try await withClient([:]) {
        $0.retries = 2
    } _: { client in
        _ = await failure { try await client.upload([1], to: try registry.repository("down")) }
    }
    #expect(try await registry.log().filter { $0["method"] == .string("POST") }.count == 3)
}

@Test func pushesAreTriedAgainAndRefusedInDockersWords() async throws {
    let registry = try FakeRegistry()
    try await withClient { client in
        let (bytes, blob) = try sample(1000)
        try await client.upload(bytes, to: try registry.repository("broken"))
        #expect(try await client.download(blob, of: try registry.repository("good")).bytes == bytes)
        let error = await failure { try await client.upload(bytes, to: try registry.repository("private")) }
        #expect(error?.kind == .denied)
        #expect(error?.description.contains("denied: requested access to the resource is denied") == true)
    }
}
