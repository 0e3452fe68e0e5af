import Linux
import OCI
import SystemPackage
import Testing

@testable import Registry

private func configuration(_ text: String) throws -> RegistryConfiguration {
    var configuration = RegistryConfiguration()
    try configuration.add(text, from: "test.conf")
    return configuration
}

private func places(_ reference: String, _ text: String, pull: Bool = true) throws -> [String] {
    try configuration(text).endpoints(for: Reference(reference), forPull: pull).map {
        "\($0.authority)/\($0.repository)\($0.isInsecure ? " insecure" : "")"
    }
}

@Test func withoutAFileNamesMeanWhatTheyMeanToDocker() throws {
    #expect(try places("busybox", "") == ["registry-1.docker.io/library/busybox"])
    #expect(try places("localhost:5000/a/b", "") == ["localhost:5000/a/b"])
}

private let mirrors = """
    # As podman's documentation has it.
    unqualified-search-registries = ["example.com", 'quay.io']   # not ours to obey
    short-name-mode = "permissive"

    [[registry]]
    location = "docker.io"
    [[registry.mirror]]
    location = "mirror.corp:5000/hub"
    insecure = true
    [[registry.mirror]]
    location = "pinned.corp"
    pull-from-mirror = "digest-only"

    [[registry]]
    prefix = "docker.io/secret"
    blocked = true

    [[registry]]
    prefix = "*.internal.corp"
    location = "registry.corp/all"

    [aliases]
    "alpine" = "docker.io/library/alpine"
    """

@Test func mirrorsAreAskedFirstAndOnlyForPulls() throws {
    let hub = "registry-1.docker.io/library/busybox"
    #expect(try places("busybox", mirrors) == ["mirror.corp:5000/hub/library/busybox insecure", hub])
    let pinned = "busybox@sha256:" + String(repeating: "a", count: 64)
    #expect(
        try places(pinned, mirrors) == [
            "mirror.corp:5000/hub/library/busybox insecure", "pinned.corp/library/busybox", hub,
        ])
    #expect(try places("busybox", mirrors, pull: false) == [hub])
}

@Test func theLongestPrefixDecides() throws {
    let error = #expect(throws: RegistryError.self) { try places("secret/app", mirrors) }
    #expect(error?.kind == .refused)
    #expect(try places("secretary/app", mirrors).count == 2)
    #expect(try places("a.internal.corp/x/y", mirrors) == ["registry.corp/all/x/y"])
    #expect(try places("internal.corp/x", mirrors) == ["internal.corp/x"])
}

@Test func prefixesEndAtComponents() throws {
    let text = "[[registry]]\nprefix = \"a.example\"\nlocation = \"b.example\"\ninsecure = true"
    #expect(try places("a.example/x", text) == ["b.example/x insecure"])
    #expect(try places("a.example:5000/x", text) == ["b.example:5000/x insecure"])
    #expect(try places("a.example.org/x", text) == ["a.example.org/x"])
}

@Test(arguments: [
    ("localhost:5000", "LOCALHOST:5000/a", true), ("LocalHost:5000", "localhost:05000/a", true),
    ("a.example", "a.example:443/x", true), ("a.example:443", "A.example/x", true),
    ("a.example:443", "a.example:5000/x", false), ("a.example/team", "a.example:443/team/x", true),
    ("a.example/team", "a.example:5000/team/x", false), ("a.example/team", "A.EXAMPLE/teams", false),
    ("*.Example", "A.EXAMPLE/x", true), ("[::1]:5000", "[0:0::1]:5000/x", true),
    ("docker.io", "registry-1.docker.io/library/x", true), ("docker.io", "INDEX.docker.io:443/x", true),
])
func aBlockedRegistryIsBlockedInEachSpelling(_ prefix: String, _ name: String, _ isBlocked: Bool) throws {
    let text = "[[registry]]\nprefix = \"\(prefix)\"\nlocation = \"b.example\"\nblocked = true"
    let found = try? places(name, text)  // refused
    #expect((found == nil) == isBlocked, "\(String(describing: found))")
}

@Test func prefixesAreReplacedInEachSpelling() throws {
    func table(_ prefix: String) -> String {
        "[[registry]]\nprefix = \"\(prefix)\"\nlocation = \"b.example/c\""
    }
    #expect(try places("A.example:443/team/x", table("a.example/team")) == ["b.example/c/x"])
    #expect(try places("A.example/team/x", table("a.example:443")) == ["b.example/c/team/x"])
    #expect(try places("[0::1]:5000/x", table("[::1]:5000")) == ["b.example/c/x"])
    #expect(try places("[::1]/x", table("[0::1]")) == ["b.example/c/x"])
    // A later table for the same takes the place of an earlier one.
    let twice = table("a.example:443/team") + "\n" + "[[registry]]\nlocation = \"A.example/team\""
    #expect(try places("a.example/team/x", twice) == ["a.example/team/x"])
}

@Test(arguments: [
    ("127.0.0.1:5000", true), ("localhost", true), ("[::1]:5000", true), ("a.localhost.evil", false),
])
func loopbackIsKnownByItsText(_ host: String, _ isLoopback: Bool) {
    #expect(Endpoint(registry: host, repository: "x").mayBePlain == isLoopback)
}

@Test(arguments: [
    ("[[registry]]\ninsecure = true", "neither prefix nor location"),
    ("[[registry]]\nlocation = 5", "not a string"),
    ("[[registry]]\nlocation = \"a\"\ninsecure = \"yes\"", "insecure is not true or false"),
    ("a = ", "line 1"), ("\n\n[[registry\n", "line 3"), ("a = \"open", "does not end"),
    ("a = 1\na = 2", "twice"),
    ("a = 1.5", "something after"), ("a = [1, 2", "array"), ("a = \"\"\"x\"\"\"", "several lines"),
    ("= 1", "a key is missing"),
    ("a = {b = 1", "in a table"), ("[[registry]]\nprefix = \"*.a\"", "location is missing"),
    ("a = \(String(repeating: "[", count: 100))", "too deep"), ("a = 1 b = 2", "something after"),
    (
        "[[registry]]\nlocation = \"a\"\n[[registry.mirror]]\nlocation = \"b\"\npull-from-mirror = \"never\"",
        "all, "
    ),
])
func filesThatAreWrongAreRefused(_ text: String, _ words: String) throws {
    let error = #expect(throws: RegistryError.self) { try configuration(text) }
    #expect(
        error?.kind == .configuration && error?.description.contains(words) == true,
        "\(String(describing: error))")
    #expect(error?.description.contains("test.conf") == true)
}

@Test func tomlIsReadAsItIsWritten() throws {
    let table = try TOML.parse(
        "a.\"b c\" = [true, 1_000,\n# note\n 'x\\y',] \r\nd = {e = \"f\\\"\", g.h = -1}\n")
    #expect(
        table.members == [
            "a": .table(
                TOML.Table(members: ["b c": .array([.bool(true), .integer(1000), .string("x\\y")])])),
            "d": .table(
                TOML.Table(members: [
                    "e": .string("f\""), "g": .table(TOML.Table(members: ["h": .integer(-1)])),
                ])),
        ])
}

@Test func apusFilesStandBeforeThoseOfContainers() throws {
    try withScratch { path, directory in
        for name in ["apus", "containers"] {
            let home = try directory.openMaking(FilePath(name))
            try home.replace("registries.conf", with: Array("[[registry]]\nlocation = \"\(name)\"\n".utf8))
        }
        let parts = try directory.openMaking("apus/registries.conf.d")
        try parts.replace("10-more.conf", with: Array("[[registry]]\nlocation = \"more\"\n".utf8))
        try parts.replace("README", with: Array("not toml".utf8))
        func prefixes(_ names: [String]) throws -> [String] {
            try RegistryConfiguration.load(environment: [], directories: names.map { path.appending($0) })
                .registries.map(\.prefix)
        }
        #expect(try prefixes(["apus", "containers"]) == ["apus", "more"])
        #expect(try prefixes(["none", "containers"]) == ["containers"])
        #expect(try prefixes(["none"]).isEmpty)
        // What it says may be a refusal, also where nothing else is said.
        let alone = try directory.openMaking("alone/registries.conf.d")
        try alone.replace("10-more.conf", with: Array("[[registry]]\nlocation = \"more\"\n".utf8))
        #expect(try prefixes(["alone", "containers"]) == ["more"])
    }
}
