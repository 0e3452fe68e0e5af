import Support
import Testing

@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class RuntimeHookTests {
    let bundle: OCIBundle
    init() throws { bundle = try OCIBundle() }
    deinit { bundle.tearDown() }

    private func hook(_ script: String, env: String? = nil) -> String {
        let environment = env.map { ", \"env\": [\(json($0))]" } ?? ""
        return "{\"path\": \"/bin/sh\", \"args\": [\"sh\", \"-c\", \(json(script))]\(environment)}"
    }

    private func run(_ hooks: [(point: String, hook: String)], _ args: [String]) throws -> Outcome {
        let members = hooks.map { "\"\($0.point)\": [\($0.hook)]" }.joined(separator: ", ")
        return try bundle.run {
            $0.args = args
            $0.top = ", \"hooks\": {\(members)}"
        }
    }

    /// Every point but the last two stops the container before its program runs.
    @Test(arguments: ["prestart", "createRuntime", "createContainer", "startContainer"])
    func aHookThatFailsStopsTheContainer(point: String) throws {
        let outcome = try run(
            [(point, "{\"path\": \"/bin/true\"}, {\"path\": \"/bin/false\"}")], ["echo", "ran"])
        #expect(outcome.code == 1 && outcome.out.isEmpty, "\(outcome)")
        #expect(outcome.err.contains("error running \(point) hook #1: exit status 1, stdout: , stderr:"))
        #expect(try bundle(["state", bundle.id]).err.contains("container does not exist"))
    }

    @Test func aPoststartHookThatFailsStopsTheContainer() throws {
        let outcome = try run([("poststart", "{\"path\": \"/bin/false\"}")], ["sleep", "1000"])
        #expect(outcome.code == 1 && outcome.err.contains("error running poststart hook #0"), "\(outcome)")
    }

    @Test func aPoststopHookThatFailsIsAWarning() throws {
        let outcome = try run([("poststop", "{\"path\": \"/bin/false\"}")], ["echo", "ran"])
        #expect(outcome.code == 0 && outcome.out == "ran\n", "\(outcome)")
        #expect(outcome.err.contains("level=warning") && outcome.err.contains("poststop hook #0"))
    }

    /// What the hooks before have set up is taken down, whatever stopped the creation.
    @Test(arguments: [["true"], ["nosuch"]])
    func poststopHooksRunAfterACreationThatFailed(command: [String]) throws {
        let log = bundle.directory + "/log"
        var hooks = [("poststop", hook("cat > \(log)"))]
        if command == ["true"] { hooks.append(("createRuntime", "{\"path\": \"/bin/false\"}")) }
        let outcome = try run(hooks, command)
        #expect(outcome.code != 0, "\(outcome)")
        let state = readFile(log) ?? ""
        #expect(state.contains("\"id\":\"\(bundle.id)\"") && state.contains("\"status\":\"stopped\""))
    }

    @Test func hooksMayAskForTheState() throws {
        let log = bundle.directory + "/log"
        let state = bundle.command(["state", bundle.id]).joined(separator: " ")
        let outcome = try run([("createRuntime", hook("\(state) > \(log)"))], ["true"])
        #expect(outcome.code == 0, "\(outcome)")
        #expect(readFile(log)?.contains("\"status\": \"creating\"") == true)
    }

    /// Engines do that when a creation takes too long; the cgroup stayed.
    @Test func aCreationThatWasKilledInAHookCanBeDeleted() throws {
        let marker = bundle.directory + "/marker"
        try bundle.write {
            $0.top = ", \"hooks\": {\"createRuntime\": [\(hook("touch \(marker); sleep 3"))]}"
        }
        let create = bundle.command(["create", "--bundle", bundle.directory, bundle.id])
            .joined(separator: " ")
        let script = """
            \(create) & i=0
            until [ -e \(marker) ] || [ $((i += 1)) = 100 ]; do sleep 0.05; done; kill -KILL $!; wait $!
            """
        let outcome = try execute(["sh", "-c", script])
        #expect(outcome.code == 128 + 9, "\(outcome)")
        let find = ["find", "/sys/fs/cgroup", "-type", "d", "-name", bundle.id]
        #expect(try execute(find).lines.count == 1)
        #expect(try bundle(["delete", "--force", bundle.id]).code == 0)
        #expect(try execute(find).lines.isEmpty)
        #expect(try bundle(["list", "-q"]).lines.isEmpty)
    }

    /// The order and the namespaces: the first two see the host, the next two the container.
    @Test func hooksRunInTheirOrderAndNamespaces() throws {
        let log = bundle.directory + "/log"
        let namespace = "readlink /proc/self/ns/uts"
        let outcome = try run(
            [
                ("prestart", hook("echo prestart $(\(namespace)) $PWD >> \(log)")),
                ("createRuntime", hook("echo createRuntime $(\(namespace)) >> \(log)")),
                ("createContainer", hook("echo createContainer $(hostname) $PWD >> \(log)")),
                ("startContainer", hook("echo startContainer $(hostname) > /log")),
                ("poststart", hook("echo poststart $(\(namespace)) >> \(log)")),
                ("poststop", hook("echo poststop $(\(namespace)) >> \(log)")),
            ], ["cat", "/log"])
        #expect(outcome.code == 0 && outcome.out == "startContainer box\n", "\(outcome)")
        let host = try execute(["readlink", "/proc/self/ns/uts"]).text
        #expect(
            readFile(log) == """
                prestart \(host) \(bundle.directory)
                createRuntime \(host)
                createContainer box \(bundle.rootfs)
                poststart \(host)
                poststop \(host)

                """)
    }

    /// The state on standard input: its pid is the one that the hook's own namespace has.
    @Test func hooksReadTheState() throws {
        let log = bundle.directory + "/log"
        let outcome = try run(
            [
                ("createRuntime", hook("cat > \(log).host")),
                ("createContainer", hook("cat > \(log).inside")),
                ("startContainer", hook("cat > /state")), ("poststop", hook("cat > \(log).stopped")),
            ], ["cat", "/state"])
        let ends = "\"bundle\":\"\(bundle.directory)\"}"
        #expect(outcome.out.contains("\"pid\":1,\"status\":\"created\",\(ends)"), "\(outcome)")
        let inside = readFile(log + ".inside") ?? ""
        #expect(inside.contains("\"pid\":1,\"status\":\"creating\",\(ends)"), "\(inside)")
        let host = readFile(log + ".host") ?? ""
        #expect(host.contains("\"id\":\"\(bundle.id)\",\"pid\":") && !host.contains("\"pid\":1,"), "\(host)")
        #expect(readFile(log + ".stopped")?.contains("\"status\":\"stopped\"") == true)
    }

    /// What GPU toolkits do: mounts by the host's path of the root are in the container.
    @Test func mountsThatHooksMakeBelowTheRootAreInTheContainer() throws {
        try writeFile(bundle.directory + "/source", "mounted\n")
        for name in ["by-runtime", "by-container"] { try writeFile(bundle.rootfs + "/" + name, "") }
        let pid = "$(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/')"
        let bind = "mount --bind \(bundle.directory)/source \(bundle.rootfs)"
        let outcome = try run(
            [
                ("createRuntime", hook("nsenter -m -t \(pid) \(bind)/by-runtime")),
                ("createContainer", hook("\(bind)/by-container")),
            ], ["cat", "/by-runtime", "/by-container"])
        #expect(outcome.out == "mounted\nmounted\n", "\(outcome)")
        #expect(readFile(bundle.rootfs + "/by-container") == "")
    }

    @Test func hooksInheritNothingButAStartContainerHookItsProcess() throws {
        let log = bundle.directory + "/log"
        let outcome = try run(
            [
                (
                    "createRuntime",
                    hook("env | grep -v -e ^PWD= -e ^SHLVL= -e ^_= -e ^OLDPWD= > \(log)", env: "A=1")
                ),
                ("startContainer", hook("echo $PATH > /path; ls /proc/self/fd | wc -l >> /path")),
            ], ["cat", "/path"])
        #expect(readFile(log) == "A=1\n")
        #expect(outcome.out == "/bin:/sbin\n4\n", "\(outcome)")
    }

    @Test func aHookThatTakesTooLongEndsTheCreation() throws {
        let outcome = try run(
            [("createRuntime", "{\"path\": \"/bin/sleep\", \"args\": [\"sleep\", \"100\"], \"timeout\": 1}")],
            ["true"])
        #expect(outcome.err.contains("hook ran past specified timeout of 1.0s"), "\(outcome)")
        #expect(try bundle(["list", "-q"]).out.isEmpty)
    }
}
