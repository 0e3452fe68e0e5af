import OCI
import Testing

private let hex = String(repeating: "0f", count: 32)
private let descriptor = #"{"mediaType":"m","digest":"sha256:\#(hex)","size":7}"#

private func refusal(_ read: () throws -> Void) -> String? {
    do {
        try read()
        return nil
    } catch { return "\(error)" }
}

@Test func manifestsSurviveWritingAndReading() throws {
    let digest = try #require(Digest(hex: hex))
    let layer = Descriptor(
        mediaType: MediaType.layerGzip, digest: digest, size: 1 << 53, annotations: ["a": "b"])
    let config = Descriptor(mediaType: MediaType.config, digest: digest, size: 0)
    let manifest = Manifest(config: config, layers: [layer, layer])
    #expect(try Manifest(JSON(parsing: manifest.json.bytes)) == manifest)
    let platform = Platform(architecture: "arm64", variant: "v8")
    let entry = Descriptor(mediaType: MediaType.manifest, digest: digest, size: 3, platform: platform)
    let index = Index(manifests: [entry])
    #expect(try Index(JSON(parsing: index.json.bytes)) == index)
    #expect(try Index(Index().json) == Index())
}

@Test func dockerManifestsAreRead() throws {
    let text =
        #"{"schemaVersion":2,"mediaType":"\#(MediaType.dockerManifest)","config":\#(descriptor),"layers":null}"#
    #expect(try Manifest(JSON(parsing: text)).layers == [])
    let list = #"{"mediaType":"\#(MediaType.dockerManifestList)","manifests":[\#(descriptor)]}"#
    #expect(try Index(JSON(parsing: list)).manifests.count == 1)
}

@Test(arguments: [
    ("{}", "config is missing"), ("[]", "config is missing"),
    (#"{"config":3}"#, "config is not an object"),
    (
        #"{"config":{"mediaType":"m","digest":"sha256:12","size":1}}"#,
        "config.digest \"sha256:12\" is not sha256:<64 hex digits>"
    ),
    (#"{"config":\#(descriptor),"layers":[\#(descriptor),{}]}"#, "layers[1].mediaType is missing"),
    (
        #"{"config":\#(descriptor),"layers":[{"mediaType":"m","digest":"sha256:\#(hex)","size":-1}]}"#,
        "layers[0].size -1 is out of range"
    ),
    (
        #"{"config":\#(descriptor),"layers":[{"mediaType":"m","digest":"sha256:\#(hex)","size":9007199254740993}]}"#,
        "layers[0].size 9007199254740993 is out of range"
    ),
    (
        #"{"config":\#(descriptor),"layers":[{"mediaType":"m","digest":"sha256:\#(hex)","size":1.5}]}"#,
        "layers[0].size is not an integer"
    ),
    (#"{"config":\#(descriptor),"layers":[],"manifests":[]}"#, "document has both layers and manifests"),
    (
        #"{"mediaType":"\#(MediaType.index)","config":\#(descriptor)}"#,
        "mediaType application/vnd.oci.image.index.v1+json is not an image manifest"
    ),
])
func manifestRefusals(text: String, expected: String) {
    #expect(refusal { _ = try Manifest(JSON(parsing: text)) } == expected)
}

@Test(arguments: [
    ("{}", "manifests is missing"), ("[]", "manifests is missing"),
    (#"{"manifests":{}}"#, "manifests is not an array"),
    (#"{"manifests":[],"config":\#(descriptor)}"#, "document has both layers and manifests"),
    (#"{"manifests":[],"layers":[]}"#, "document has both layers and manifests"),
    (
        #"{"manifests":[],"mediaType":"\#(MediaType.manifest)"}"#,
        "mediaType application/vnd.oci.image.manifest.v1+json is not an image index"
    ),
    (
        #"{"manifests":[{"mediaType":"m","digest":"sha256:\#(hex)","size":1,"platform":{"os":"linux"}}]}"#,
        "manifests[0].platform.architecture is missing"
    ),
])
func indexRefusals(text: String, expected: String) {
    #expect(refusal { _ = try Index(JSON(parsing: text)) } == expected)
}

private let config = """
    {"created":"2026-01-02T03:04:05Z","author":"me","architecture":"arm64","variant":"v8","os":"linux","config":{
      "User":"1:2","ExposedPorts":{"80/tcp":{},"53/udp":{}},"Env":["A=b"],"Entrypoint":["/e"],"Cmd":[],
      "Healthcheck":{"Test":["NONE"]},"Volumes":{"/v":{}},"WorkingDir":"/w","OnBuild":["RUN x"],
      "Labels":{"l":"m"},"StopSignal":"SIGTERM","Shell":["/bin/sh","-c"]},
     "rootfs":{"type":"layers","diff_ids":["sha256:\(hex)"]},
     "history":[{"created":"2026-01-02T03:04:05Z","created_by":"a","comment":"c","empty_layer":true},{}]}
    """

@Test func configurationsSurviveReadingAndWriting() throws {
    let read = try ImageConfig(JSON(parsing: config))
    #expect(read.process.user == "1:2")
    #expect(read.process.exposedPorts == ["80/tcp", "53/udp"])
    #expect(read.process.cmd == [])
    #expect(read.process.entrypoint == ["/e"])
    #expect(read.history.map(\.emptyLayer) == [true, false])
    #expect(read.platform.description == "linux/arm64/v8")
    #expect(try ImageConfig(JSON(parsing: read.json.bytes)) == read)
    // Sets and maps are written in order: equal configurations have equal digests.
    #expect(try ImageConfig(JSON(parsing: read.json.bytes)).json.bytes == read.json.bytes)
    #expect(read.json.text.contains(#""ExposedPorts":{"53/udp":{},"80/tcp":{}}"#))
}

@Test func anEmptyConfigurationIsFilledIn() throws {
    let read = try ImageConfig(JSON(parsing: #"{"rootfs":{"type":"layers"},"config":null}"#))
    #expect(read.platform.os == "linux")
    #expect(read.process == .init())
    #expect(read.process.cmd == nil)
    #expect(read.diffIDs == [])
}

@Test(arguments: [
    ("[]", "image configuration is not an object"), ("{}", "rootfs is missing"),
    (#"{"rootfs":[]}"#, "rootfs is not an object"),
    (#"{"rootfs":{"diff_ids":["sha256:xyz"]}}"#, "rootfs.diff_ids: \"sha256:xyz\" is not a sha256 digest"),
    (#"{"rootfs":{},"config":"x"}"#, "config is not an object"),
    (#"{"rootfs":{},"config":{"Env":["A=b\u0000c"]}}"#, "config.Env[0] holds a NUL"),
    (#"{"rootfs":{},"config":{"User":"\u0000"}}"#, "config.User holds a NUL"),
    (#"{"rootfs":{},"config":{"Volumes":{"/a\u0000":{}}}}"#, "config.Volumes holds a NUL"),
    (#"{"rootfs":{},"config":{"Cmd":"sh"}}"#, "config.Cmd is not an array of strings"),
    (#"{"rootfs":{},"config":{"Labels":{"a":1}}}"#, "config.Labels.a is not a string"),
    (#"{"rootfs":{},"config":{"ExposedPorts":["80/tcp"]}}"#, "config.ExposedPorts is not an object"),
    (#"{"rootfs":{},"history":[3]}"#, "history[0] is not an object"),
    (#"{"rootfs":{},"os":7}"#, "os is not a string"),
    (
        #"{"rootfs":{},"architecture":"a/b"}"#,
        "os, architecture or variant is not a word of a platform"
    ),
])
func configurationRefusals(text: String, expected: String) {
    #expect(refusal { _ = try ImageConfig(JSON(parsing: text)) } == expected)
}
