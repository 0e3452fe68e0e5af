import Support
import Testing

@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class BadInputTests {
    let apus: Engine
    init() throws { apus = try Engine(withBusybox: true) }
    deinit { apus.tearDown() }

    @Test func runRefusesWhatItCannotDo() throws {
        try apus.expectRefusal(
            "run", "--pull", "never", "nosuchimage", "true", code: 125, mentions: ["nosuchimage"])
        try apus.expectRefusal("run", "--nosuchflag", "busybox", code: 125, mentions: ["nosuchflag"])
        try apus.expectRefusal("run", "-p", "99999:80", "busybox", "true", code: 125, mentions: ["99999"])
        try apus.expectRefusal("run", "-p", "80:abc", "busybox", "true", code: 125, mentions: ["abc"])
        try apus.expectRefusal(
            "run", "--rm", "busybox", "nosuch", code: 127, mentions: ["nosuch", "not found"])
        try apus.expectRefusal("run", "--rm", "busybox", "/etc", code: 126, mentions: ["/etc", "directory"])
        try apus.expectRefusal(
            "run", "--rm", "-u", "ghost", "busybox", "true", code: 125, mentions: ["ghost"])
        try apus.expectRefusal(
            "run", "--rm", "-u", "app:ghosts", "busybox", "true", code: 125, mentions: ["ghosts"])
        try apus.expectRefusal("run", "-w", "relative", "busybox", "true", code: 125, mentions: ["relative"])
        try apus.expectRefusal("run", "--name", "!", "busybox", "true", code: 125, mentions: ["!"])
        try apus.expectRefusal("run", "--cap-add", "FLY", "busybox", "true", code: 125, mentions: ["FLY"])
        try apus.expectRefusal(
            "run", "--network", "nosuch", "busybox", "true", code: 125, mentions: ["nosuch"])
        try apus.expectRefusal(
            "run", "-v", "/only:/a:nosuch", "busybox", "true", code: 125, mentions: ["nosuch"])
        try apus.expectRefusal("run", "busybox", code: 125, mentions: ["command"])
        #expect(try apus.must("ps", "-q").isEmpty)
        try apus.expectWholeStore()
    }

    @Test func dockersCommandsThatAreNotThereAreSaidSo() throws {
        try apus.expectRefusal("search", "x", code: 1, mentions: ["apus search is not supported yet"])
        try apus.expectRefusal(
            "-H", "tcp://h", "ps", code: 125, mentions: ["-H is not supported", "no daemon"])
        try apus.expectRefusal("--context=a", "ps", code: 125, mentions: ["--context"])
        #expect(try apus("--log-level", "error", "-l=info", "ps", "-q").code == 0)
        try apus.expectRefusal("ps", "--format", "{{.Nope", code: 1, mentions: ["apus: failed to parse"])
    }

    @Test func aMereLookMakesNothing() throws {
        let root = apus.directory + "/nowhere/at/all"
        #expect(try apus("--root", root, "images", "-q").text.isEmpty)
        #expect(try apus("--root", root, "inspect", "x").code == 1)
        #expect(try apus("--root", root, "ps", "-q").code == 0)
        #expect(!Host.has(apus.directory + "/nowhere"))
    }

    @Test func aNameIsUsedOnce() throws {
        try apus.must("create", "--name", "box", "busybox", "true")
        try apus.expectRefusal(
            "create", "--name", "box", "busybox", "true", code: 1, mentions: ["box", "in use"])
        try apus.expectRefusal(
            "run", "--name", "box", "busybox", "true", code: 125, mentions: ["box", "in use"])
        try apus.expectWholeStore()
    }

    @Test func unknownNamesAreNamed() throws {
        for command in [
            ["start"], ["stop"], ["kill"], ["rm"], ["logs"], ["wait"], ["attach"], ["inspect"], ["rmi"],
        ] {
            let outcome = try apus.apus(command + ["nosuch"])
            #expect(outcome.code == 1 && outcome.err.contains("nosuch"), "\(command): \(outcome)")
        }
        #expect(try apus("nosuchcommand").code != 0)
    }

    @Test(arguments: ["bad-truncated", "bad-short", "bad-digest", "bad-escape-dotdot", "bad-escape-hardlink"])
    func brokenArchivesAreRefused(name: String) throws {
        try apus.expectRefusal("load", "-i", Host.fixture("archives/\(name).tar"), code: 1, mentions: [])
        #expect(try !apus.must("images").contains("fixture/bad"))
        try apus.expectWholeStore()
    }

    @Test func linksInALayerDoNotLeadOut() throws {
        let outcome = try apus("load", "-i", Host.fixture("archives/bad-escape-symlink.tar"))
        #expect(!Host.has("/tmp/apus-escaped"), "\(outcome)")
        try apus.expectWholeStore()
    }

    @Test func unreadableRootsAreRefused() throws {
        try apus.write("not-a-tar", String(repeating: "no tar at all ", count: 100))
        let path = apus.directory + "/not-a-tar"
        try apus.expectRefusal("import", path, "x", code: 1, mentions: ["not-a-tar"])
        try apus.expectRefusal("import", "/nosuch/file.tar", "x", code: 1, mentions: ["/nosuch/file.tar"])
        _ = try apus.shell("head -c 1000000 \(Host.fixture("busybox.tar")) > \(apus.directory)/half.tar")
        try apus.expectRefusal("import", apus.directory + "/half.tar", "x", code: 1, mentions: ["half.tar"])
        try apus.expectRefusal(
            "import", Host.fixture("busybox.tar"), "Bad/NAME", code: 1, mentions: ["NAME"])
        try apus.expectWholeStore()
    }

    @Test func killedLoadsLeaveAWholeStore() throws {
        let file = Host.fixture("archives/layered.tar")
        for moment in 0..<10 {
            let script = """
                \(Host.bin)/apus load -i \(file) & p=$!; busybox usleep \(moment * 4000)
                kill -9 $p 2>/dev/null; wait $p; true
                """
            _ = try apus.shell(script)
        }
        try apus.expectWholeStore()
        #expect(try apus("load", "-i", file).code == 0)
        let run = try apus("run", "--rm", "--network", "none", "fixture/layered", "cat", "/opaque/new")
        #expect(run.text == "new", "\(run)")
    }
}
