import OCI
import Testing

private let hex = String(repeating: "a1", count: 32)

/// Typed, registry, path, tag (`-` for none), what docker prints.
@Test(arguments: [
    ["busybox", "docker.io", "library/busybox", "latest", "busybox:latest"],
    ["busybox:1.36", "docker.io", "library/busybox", "1.36", "busybox:1.36"],
    ["team/app", "docker.io", "team/app", "latest", "team/app:latest"],
    ["docker.io/a.b/c", "docker.io", "a.b/c", "latest", "docker.io/a.b/c:latest"],
    ["docker.io/busybox", "docker.io", "library/busybox", "latest", "busybox:latest"],
    ["docker.io/library/busybox", "docker.io", "library/busybox", "latest", "busybox:latest"],
    ["index.docker.io/library/busybox", "docker.io", "library/busybox", "latest", "busybox:latest"],
    ["library/a/b", "docker.io", "library/a/b", "latest", "library/a/b:latest"],
    ["quay.io/a/b:v1", "quay.io", "a/b", "v1", "quay.io/a/b:v1"],
    ["localhost/a", "localhost", "a", "latest", "localhost/a:latest"],
    ["localhost:5000", "docker.io", "library/localhost", "5000", "localhost:5000"],
    ["localhost:5000/a:b", "localhost:5000", "a", "b", "localhost:5000/a:b"],
    ["registry:5000/a", "registry:5000", "a", "latest", "registry:5000/a:latest"],
    ["[::1]:5000/a:b", "[::1]:5000", "a", "b", "[::1]:5000/a:b"],
    ["[fd00::1]/a", "[fd00::1]", "a", "latest", "[fd00::1]/a:latest"],
    ["Registry/a", "Registry", "a", "latest", "Registry/a:latest"],
    [
        "192.168.0.1:80/a_b/c__d/e--f/g.h", "192.168.0.1:80", "a_b/c__d/e--f/g.h", "latest",
        "192.168.0.1:80/a_b/c__d/e--f/g.h:latest",
    ],
    ["a:_.-", "docker.io", "library/a", "_.-", "a:_.-"], ["a:V1", "docker.io", "library/a", "V1", "a:V1"],
    ["a@sha256:\(hex)", "docker.io", "library/a", "-", "a@sha256:\(hex)"],
    ["q.io/a:t@sha256:\(hex)", "q.io", "a", "t", "q.io/a:t"],
])
func namesAreReadAsDockerDoes(row: [String]) throws {
    let reference = try Reference(row[0])
    #expect(reference.registry == row[1])
    #expect(reference.path == row[2])
    #expect((reference.tag ?? "-") == row[3])
    #expect(reference.description == row[4])
    #expect(try Reference(reference.canonical) == reference)
}

@Test(arguments: [
    "", ":", "a:", ":b", "/a", "a/", "a//b", "-a", "a-", "a..b", "a.-b", "a___b", "a._b", "_a", ".a", "a b",
    "a\n", "a\0",
    "a:b c", "a:-b", "a:.b", "a:b\u{10}", "a:\u{19}", "a:b/c:d:e", "a@", "a@sha256", "a@sha256:12",
    "a@sha256:\(hex)1",
    "a@sha512:\(hex)", "a@sha256:\(hex.uppercased())", "a@sha256:\(hex)@sha256:\(hex)", "@sha256:\(hex)", "é",
    "a/é",
    "host.:80/a", "-h.io/a", "h-.io/a", "h..io/a", "h.io:/a", "h.io:x/a", "h.io:+80/a", "h.io:99999/a",
    "h_h.io/a",
    "[::1/a", "::1]/a", "[]/a", "[g::]/a", "h.io:1:2/a", "\u{11}.io/a",
    "a:\(String(repeating: "t", count: 129))",
])
func namesThatDockerRefusesAreRefused(text: String) {
    #expect(throws: ReferenceError.self) { try Reference(text) }
}

@Test func refusalsSpeakDockersWords() {
    func message(_ text: String) -> String {
        do {
            return try Reference(text).description
        } catch { return error.description }
    }
    #expect(
        message("Busybox") == "invalid reference format: repository name (library/Busybox) must be lowercase")
    #expect(message("team/App") == "invalid reference format: repository name (team/App) must be lowercase")
    #expect(message("a//b") == "invalid reference format: \"a//b\"")
    #expect(message(hex) == "invalid repository name (\(hex)), cannot specify 64-byte hexadecimal strings")
    #expect(
        message(String(repeating: "a", count: 256)) == "repository name must not be more than 255 characters")
    #expect(message("\(hex):tag") == "\(hex):tag")
    #expect(message("a@sha256:1") == "invalid reference format: \"sha256:1\" is not sha256:<64 hex digits>")
}

@Test func digestsAreSHA256Only() {
    #expect(Digest("sha256:\(hex)")?.description == "sha256:\(hex)")
    #expect(Digest("sha256:\(hex)")?.short == "a1a1a1a1a1a1")
    let wrong = [
        "", "sha256:", hex, "sha256:\(hex)0", "sha256:\(hex.dropLast())", "SHA256:\(hex)",
        "sha256:\(hex.uppercased())",
        "sha512:\(hex)\(hex)", "sha256:\(hex.dropLast())g", "sha256:\(hex.dropLast(2))é", "sha256-\(hex)",
        "sha256:../../../../../../etc/passwd\(String(repeating: "0", count: 34))", " sha256:\(hex)",
    ]
    for text in wrong { #expect(Digest(text) == nil, "\(text)") }
}

@Test func platformsAreReadAndPrinted() {
    #expect(Platform("linux/arm64/v8") == Platform(architecture: "arm64", variant: "v8"))
    #expect(Platform("linux/amd64")?.description == "linux/amd64")
    #expect(Platform("linux") == .host && Platform("LINUX/x86_64")?.description == "linux/amd64")
    #expect(Platform("aarch64")?.description == "linux/arm64" && Platform("armhf")?.variant == "v7")
    for text in ["", "x86-32", "linux/a d", "linux/", "/amd64", "a/b/c/d", "linux//v8"] {
        #expect(Platform(text) == nil)
    }
}
