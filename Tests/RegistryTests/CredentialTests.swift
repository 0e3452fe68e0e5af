import Linux
import OCI
import Synchronization
import SystemPackage
import Testing

@testable import Registry

private let alice = Credential(username: "alice", password: "secret")

/// A user's docker directory with a config.json and helpers.
private struct Home {
    let store: CredentialStore
    /// The same that goes on without what it cannot use.
    let lenient: CredentialStore
    let warnings = Warnings()
    let scratch: Scratch
    var path: FilePath { scratch.path }

    init(_ text: String?, helpers: [String: String] = [:]) throws {
        scratch = try Scratch()
        let path = scratch.path
        if let text { try scratch.directory.replace("config.json", with: Array(text.utf8), mode: 0o644) }
        let programs = try scratch.directory.openMaking("bin")
        for (name, script) in helpers {
            try programs.replace(FilePath("docker-credential-\(name)"), with: Array(script.utf8), mode: 0o755)
        }
        let environment = ["PATH=\(path)/bin:/usr/bin:/bin", "DOCKER_CONFIG=\(path)", "LOG=\(path)/log"]
        store = CredentialStore(environment: environment)
        lenient = CredentialStore(environment: environment) { [warnings] in warnings.add($0) }
    }
}

private final class Warnings: Sendable {
    private let said = Mutex<[String]>([])
    var all: [String] { said.withLock { $0 } }
    func add(_ text: String) { said.withLock { $0.append(text) } }
}

private func config(_ directory: borrowing FD) throws -> JSON {
    try JSON(parsing: try directory.contents(of: "config.json") ?? [])
}

@Test(arguments: [
    ("a.example", "a.example"), ("https://a.example/v1/", "a.example"),
    ("http://a.example:5000", "a.example:5000"),
    ("docker.io", "https://index.docker.io/v1/"),
    ("https://index.docker.io/v1/", "https://index.docker.io/v1/"),
    ("registry-1.docker.io", "https://index.docker.io/v1/"),
])
func keysAreDockers(_ text: String, _ key: String) { #expect(CredentialKey.of(text) == key) }

@Test(arguments: [
    ("", "docker.io"), ("https://index.docker.io/v1/", "docker.io"), ("https://a:5/v2/", "a:5"),
    ("a:5/team", "a:5"), ("registry-1.docker.io/x", "docker.io"),
])
func serversAreRegistries(_ text: String, _ registry: String) {
    #expect(CredentialKey.registry(text) == registry)
}

@Test func authsAreRead() throws {
    let text = """
        {"auths": {"a.example": {"auth": "YWxpY2U6c2VjcmV0"}, "https://b.example/v1/": {"auth": "YWxpY2U6c2U6Yw=="},
          "c.example": {"auth": "YWxpY2U6", "identitytoken": "t"}, "d.example": {}, "e.example/team": {"auth": "eDp5"},
          "https://index.docker.io/v1/": {"username": "bob", "password": "pw"}}}
        """
    let home = try Home(text)
    #expect(try home.store.credential(for: "a.example") == alice)
    #expect(try home.store.credential(for: "b.example")?.password == "se:c")
    #expect(try home.store.credential(for: "c.example")?.identityToken == "t")
    #expect(try home.store.credential(for: "d.example") == nil)
    // Credentials for one path are not given to the whole registry.
    #expect(try home.store.credential(for: "e.example") == nil)
    #expect(try home.store.credential(for: "docker.io") == Credential(username: "bob", password: "pw"))
    #expect(try home.store.credential(for: "a.example:5000") == nil)
}

@Test(arguments: [
    "{", "[]", "{\"auths\": {\"a.example\": {\"auth\": \"!\"}}}", "{\"auths\": {}, \"auths\": {}}",
])
func damagedConfigsAreErrors(_ text: String) throws {
    let home = try Home(text)
    let error = #expect(throws: RegistryError.self) { try home.store.credential(for: "a.example") }
    #expect(error?.description.contains("Error parsing config file (\(home.path)/config.json): ") == true)
    for _ in 0..<2 { #expect(try home.lenient.credential(for: "a.example") == nil) }
    #expect(
        home.warnings.all.count == 1 && home.warnings.all[0].hasPrefix("\(error?.description ?? "none"): "))
}

@Test func aDamagedEntryIsReplacedByALoginAndRemovedByALogout() throws {
    let home = try Home(#"{"auths": {"a.example": {"auth": "!"}, "b.example": {"auth": "?"}}}"#)
    #expect(try home.store.replaceable(for: "a.example") == nil)
    #expect(
        try home.store.save(alice, for: "a.example")
            == .file(home.path.appending("config.json"), isNew: true))
    #expect(try home.store.replaceable(for: "a.example") == alice)
    #expect(try home.store.erase("b.example") == true)
    #expect(try home.store.erase("b.example") == false)
}

@Test func onlyTheFirstPasswordInAFileIsNews() throws {
    let home = try Home(nil)
    let file = home.path.appending("config.json")
    let token = Credential(username: "alice", password: "", identityToken: "t")
    for (credential, isNew) in [(token, false), (alice, true), (alice, false), (token, false), (alice, true)]
    {
        #expect(try home.store.save(credential, for: "a.example") == .file(file, isNew: isNew))
    }
}

@Test func noConfigIsNoCredentials() throws {
    let home = try Home(nil)
    #expect(try home.store.credential(for: "a.example") == nil)
    #expect(try CredentialStore(environment: []).credential(for: "a.example") == nil)
    _ = #expect(throws: RegistryError.self) {
        try CredentialStore(environment: []).save(alice, for: "a.example")
    }
}

@Test func aLoginIsKeptAndForgotten() throws {
    let text = #"{"auths": {"https://a.example/v1/": {"auth": "eDp5"}, "b": {}}, "psFormat": "x", "n": 1.50}"#
    let home = try Home(text)
    #expect(
        try home.store.save(alice, for: "a.example")
            == .file(home.path.appending("config.json"), isNew: false))
    let saved = try config(home.scratch.directory)
    #expect(saved["psFormat"] == .string("x") && saved["auths"]?["b"] == .object([]))
    #expect(saved["auths"]?["a.example"]?["auth"] == .string("YWxpY2U6c2VjcmV0"))
    #expect(saved["auths"]?.members?.count == 2)
    #expect(try home.scratch.directory.status(of: "config.json")?.permissions == 0o600)
    #expect(try home.store.credential(for: "a.example") == alice)
    #expect(try home.store.erase("a.example") == true)
    #expect(try home.store.erase("a.example") == false)
    #expect(try home.store.credential(for: "a.example") == nil)
    #expect(try config(home.scratch.directory)["psFormat"] == .string("x"))
}

@Test func aConfigBehindALinkStaysThere() throws {
    let home = try Home(nil)
    let dotfiles = try home.scratch.directory.openMaking("dotfiles")
    try dotfiles.replace("docker.json", with: Array("{\"a\": 1}".utf8))
    try home.scratch.directory.makeSymlink("config.json", to: "dotfiles/docker.json")
    _ = try home.store.save(alice, for: "docker.io")
    #expect(try home.scratch.directory.status(of: "config.json")?.type == .symlink)
    let saved = try JSON(parsing: try dotfiles.contents(of: "docker.json") ?? [])
    #expect(saved["a"] == .int(1) && saved["auths"]?["https://index.docker.io/v1/"] != nil)
}

@Test func theFirstLoginMakesTheDirectory() throws {
    try withScratch { path, _ in
        let store = CredentialStore(environment: ["HOME=\(path)/home"])
        #expect(
            try store.save(alice, for: "a.example")
                == .file(path.appending("home/.docker/config.json"), isNew: true))
        #expect(try store.credential(for: "a.example") == alice)
        let made = try FD.open(path.appending("home/.docker"), [.path])
        #expect(try made.status().permissions == 0o700)
    }
}

private let keeper = """
    #!/bin/sh
    read -r line
    echo "$1 $line" >> "$LOG"
    [ "$1" != get ] || echo '{"ServerURL":"x","Username":"alice","Secret":"secret"}'
    """

@Test func helpersAreAskedInsteadOfTheFile() throws {
    let text = #"{"credsStore": "keep", "credHelpers": {"b.example": "token"}, "auths": {"a.example": {}}}"#
    let token = "#!/bin/sh\necho '{\"Username\":\"<token>\",\"Secret\":\"t\"}'\n"
    let home = try Home(text, helpers: ["keep": keeper, "token": token])
    #expect(try home.store.credential(for: "docker.io") == alice)
    #expect(try home.store.credential(for: "b.example")?.identityToken == "t")
    #expect(try home.store.save(alice, for: "a.example") == .helper("keep"))
    #expect(try home.store.erase("a.example"))
    let log = String(decoding: try home.scratch.directory.contents(of: "log") ?? [], as: UTF8.self)
    #expect(
        log == """
            get https://index.docker.io/v1/
            store {"ServerURL":"a.example","Username":"alice","Secret":"secret"}
            erase a.example

            """)
    // Nothing of it went into the file.
    #expect(try home.scratch.directory.contents(of: "config.json") == Array(text.utf8))
}

@Test func helpersThatKnowNothingGiveNothing() throws {
    let script = "#!/bin/sh\necho 'credentials not found in native keychain'\nexit 1\n"
    let home = try Home(#"{"credsStore": "none"}"#, helpers: ["none": script])
    #expect(try home.store.credential(for: "a.example") == nil)
    #expect(try home.store.erase("a.example") == false)
}

/// It would stay in clear text.
@Test(arguments: [false, true]) func aPasswordFromBeforeTheHelperLeavesTheFile(_ isLogin: Bool) throws {
    let auths = #"{"a.example": {"auth": "YWxpY2U6b2xk"}, "b": {"auth": "eDp5"}}"#
    let text = #"{"credsStore": "keep", "auths": \#(auths)}"#
    let home = try Home(text, helpers: ["keep": keeper])
    if isLogin {
        #expect(try home.store.save(alice, for: "a.example") == .helper("keep"))
    } else {
        #expect(try home.store.erase("a.example"))
    }
    #expect(try config(home.scratch.directory)["auths"]?.members?.map(\.name) == ["b"])
}

@Test(arguments: ["echo boom; exit 1", "echo '{}'", "echo 'not json'", "exit 0", "kill -9 $$"])
func aBrokenHelperIsAnErrorAndNeverNoCredentials(_ body: String) throws {
    let home = try Home(#"{"credsStore": "bad"}"#, helpers: ["bad": "#!/bin/sh\n\(body)\n"])
    let error = #expect(throws: RegistryError.self) { try home.store.credential(for: "a.example") }
    #expect(error?.description.hasPrefix("docker-credential-bad get: ") == true)
    #expect(throws: try #require(error)) { try home.lenient.credential(for: "a.example") }
    #expect(home.warnings.all.isEmpty)
}

@Test func aHelperThatTakesTooLongIsToldSo() throws {
    let home = try Home(nil, helpers: ["slow": "#!/bin/sh\necho credentials not found; exec sleep 20\n"])
    let helper = try CredentialHelper(
        "slow", environment: ["PATH=\(home.path)/bin:/usr/bin:/bin"], patience: .milliseconds(1))
    let error = #expect(throws: RegistryError.self) { try helper.erase("a.example") }
    #expect(error?.description == "docker-credential-slow erase: no answer within 0 seconds")
}

@Test(arguments: ["absent", "../../bin/sh", "a b", ""])
func helpersThatAreNotThereAreErrors(_ name: String) throws {
    let home = try Home(JSON.fields(["credHelpers": .fields(["a.example": .string(name)])]).text)
    // An empty name means none, as in docker.
    if name.isEmpty { return #expect(try home.store.credential(for: "a.example") == nil) }
    #expect(throws: RegistryError.self) { try home.store.credential(for: "a.example") }
    // What a pull needs no credentials for, it gets; what was to keep them, does not.
    for _ in 0..<2 { #expect(try home.lenient.credential(for: "a.example") == nil) }
    #expect(home.warnings.all.count == 1 && home.warnings.all[0].contains("not found in PATH"))
    #expect(throws: RegistryError.self) { try home.lenient.save(alice, for: "a.example") }
    #expect(throws: RegistryError.self) { try home.lenient.erase("a.example") }
}
