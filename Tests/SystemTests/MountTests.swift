import Support
import Testing

/// `--mount`, the modes of `-v`, and `--volumes-from`.
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class MountTests {
    let apus: Engine
    init() throws { apus = try Engine(withBusybox: true) }
    deinit { apus.tearDown() }

    private func run(_ flags: [String], _ script: String) throws -> Outcome {
        try apus.inContainer(script, flags: ["--network", "none"] + flags)
    }

    @Test func volumesOfAnotherContainerAreMounted() throws {
        try apus.write("host/f", "of the host\n")
        try apus.must(
            "run", "--name", "donor", "--network", "none", "-v", "data:/d", "-v", "/nameless", "-v",
            "\(apus.directory)/host:/h", "--tmpfs", "/t", "busybox", "sh", "-c",
            "echo a > /d/f; echo b > /nameless/f")
        let script = "cat /d/f /nameless/f /h/f; touch /d/new; ls -d /t"
        let both = try run(["--volumes-from", "donor"], script)
        #expect(both.lines.prefix(3) == ["a", "b", "of the host"], "\(both)")
        #expect(both.err.contains("/t: No such file"), "\(both)")
        let readOnly = try run(
            ["--volumes-from", "donor:ro"], "touch /d/x /nameless/x /h/x 2>&1 | grep -c Read-only")
        #expect(readOnly.text == "3", "\(readOnly)")
        // What the container itself wants goes before.
        let own = try run(["--volumes-from", "donor", "-v", "/d"], "ls /d; cat /nameless/f")
        #expect(own.text == "b", "\(own)")
        try apus.must(
            "create", "--name", "taker", "--network", "none", "--volumes-from", "donor:ro", "busybox", "cat",
            "/nameless/f")
        #expect(
            try apus.must(
                "inspect", "-f", "{{json .HostConfig.VolumesFrom}} {{len .Mounts}} {{.HostConfig.Binds}}",
                "taker")
                == #"["donor:ro"] 3 []"#)
        // The nameless one stays for who is left, and goes with the last.
        try apus.must("rm", "-v", "donor")
        #expect(try apus.must("start", "-a", "taker") == "b")
        try apus.must("rm", "-v", "taker")
        #expect(try apus.must("volume", "ls", "-q") == "data")
    }

    @Test(arguments: [
        (["--volumes-from", "nosuch"], "No such container: nosuch"),
        (["--volumes-from", ""], "volumes-from specification cannot be an empty string"),
        (["--volumes-from", "x:foo"], "invalid mode: foo"),
        (["--volumes-from", "x:ro:ro"], "invalid mode: ro:ro"),
        (["--volumes-from", ":ro"], "invalid name or ID supplied: \"\""),
        (["-v", "/etc:/x:z"], "SELinux relabeling of /etc is not allowed"),
        (["-v", "/usr/:/x:Z"], "SELinux relabeling of /usr is not allowed"),
        (["-v", "/:/x:ro,z"], "SELinux relabeling of / is not allowed"),
        (["-v", "/root:/x:z"], "SELinux relabeling of /root is not allowed"),
        (["-v", "/tmp:/x:z,Z"], "invalid mode: z,Z"),
        (["-v", "data:/x:idmap"], "invalid mode: idmap"),
        (
            ["--mount", "type=volume,src=data,dst=/x,volume-subpath=../y"],
            "subpath must be a relative path within the volume"
        ),
        (
            ["--mount", "type=volume,dst=/x,volume-subpath=y"],
            "must not set Subpath when using anonymous volumes"
        ),
        (
            ["--mount", "type=volume,src=data,dst=/x,volume-opt=type=nfs"],
            "missing required option: \"device\""
        ),
        (["--mount", "type=volume,src=data,dst=/x,volume-driver=other"], "plugin \"other\" not found"),
        (["--mount", "type=bind,src=/nonexistent,dst=/x"], "bind source path does not exist: /nonexistent"),
        (["--mount", "type=bind,src=/tmp,dst=/x,bind-idmap=all"], "invalid value for bind-idmap: all"),
    ])
    func whatCannotBeIsRefused(flags: [String], why: String) throws {
        let outcome = try apus.apus(["create", "--network", "none"] + flags + ["busybox", "true"])
        #expect(outcome.code != 0 && outcome.err.contains(why), "\(outcome)")
    }

    @Test func labelsAreSaidToHaveNoEffect() throws {
        let outcome = try run(["-v", "\(apus.directory):/x:z", "-v", "data:/y:Z"], "true")
        #expect(outcome.code == 0, "\(outcome)")
        #expect(outcome.err == "WARNING: :z and :Z have no effect here: apus sets no SELinux labels\n")
    }

    @Test func partsOfAVolumeAreMounted() throws {
        try apus.must("volume", "create", "data")
        #expect(
            try run(
                ["-v", "data:/d"],
                "mkdir -p /d/a/b; echo deep > /d/a/b/f; ln -s /a /d/inner; ln -s /etc /d/outer"
            ).code == 0)
        let part = "type=volume,src=data,dst=/x,volume-subpath="
        #expect(try run(["--mount", part + "a/b"], "cat /x/f").text == "deep")
        #expect(try run(["--mount", part + "inner/b/f"], "cat /x").text == "deep")
        // A container has put links there: they lead nowhere but into the volume.
        let outer = try run(["--mount", part + "outer"], "ls /x")
        #expect(outer.code != 0 && outer.err.contains("cannot access path"), "\(outer)")
        let missing = try run(["--mount", part + "nosuch"], "ls /x")
        #expect(missing.code != 0 && missing.err.contains("no such file"), "\(missing)")
    }

    @Test func labelsAndOptionsMakeTheVolume() throws {
        try apus.write("host/f", "x\n")
        let options = "volume-opt=type=none,volume-opt=o=bind,volume-opt=device=\(apus.directory)/host"
        let outcome = try run(["--mount", "src=made,dst=/x,volume-label=a=b,\(options)"], "cat /x/f")
        #expect(outcome.text == "x", "\(outcome)")
        #expect(
            try apus.must("volume", "inspect", "-f", "{{.Labels}} {{.Options.type}}", "made")
                == "map[a:b] none")
    }

    /// In a mount namespace of the engine's own: a source with another file system below.
    @Test func readOnlyReachesWhatIsMountedBelow() throws {
        let source = apus.directory + "/tree"
        #expect(try apus.shell("mkdir -p \(source)/sub && mount -t tmpfs tmpfs \(source)/sub").code == 0)
        let script = "touch /x/f 2>/dev/null && echo top; touch /x/sub/f 2>/dev/null && echo below; true"
        func writes(_ flags: String...) throws -> [String] { try run(flags, script).lines }
        let mount = "type=bind,src=\(source),dst=/x"
        #expect(try writes("-v", "\(source):/x") == ["top", "below"])
        #expect(try writes("-v", "\(source):/x:ro").isEmpty)
        #expect(try writes("--mount", mount + ",readonly").isEmpty)
        #expect(try writes("--mount", mount + ",readonly,bind-recursive=writable") == ["below"])
        #expect(
            try writes("--mount", mount + ",ro,bind-recursive=readonly,bind-propagation=rprivate").isEmpty)
        #expect(try apus.shell("rm -f \(source)/sub/f").code == 0)
        #expect(
            try run(["--mount", mount + ",bind-recursive=disabled"], "ls /x/sub; grep -c ' /x' /proc/mounts")
                .lines == ["1"])
    }

    @Test func idsOfTheOwnerAreTheContainersUsers() throws {
        let source = apus.directory + "/owned"
        #expect(
            try apus.shell(
                "mkdir \(source); echo x > \(source)/f; chown -R 1234:2345 \(source); chmod 700 \(source)"
            ).code == 0)
        let script = "stat -c '%u %g' /x /x/f; echo y > /x/new"
        let root = try run(["-v", "\(source):/x:idmap"], script)
        guard !root.err.contains("cannot have its ids mapped") else { return }  // refused with its reason
        #expect(root.lines == ["0 0", "0 0"], "\(root)")
        let user = try run(
            ["-u", "1000:1000", "--mount", "type=bind,src=\(source),dst=/x,bind-idmap=match-user"], script)
        #expect(user.lines == ["1000 1000", "1000 1000"], "\(user)")
        #expect(try apus.shell("stat -c '%u %g' \(source)/new").text == "1234 2345")
    }

    @Test func aSourceThatWasReplacedIsNotMounted() throws {
        let source = apus.directory + "/source"
        #expect(try apus.shell("mkdir \(source); echo old > \(source)/f").code == 0)
        let create = [
            "create", "--name", "box", "--network", "none", "-v", "\(source):/x", "busybox", "cat", "/x/f",
        ]
        #expect(try apus.apus(create).code == 0)
        #expect(try apus.shell("mv \(source) \(source).old; ln -s /etc \(source)").code == 0)
        let start = try apus("start", "-a", "box")
        #expect(
            start.code != 0 && start.err.contains("it was replaced since the container was made"), "\(start)")
        // What is there at a later start is what is meant.
        #expect(try apus.shell("rm \(source); mkdir \(source); echo new > \(source)/f").code == 0)
        #expect(try apus.must("start", "-a", "box") == "new")
        #expect(try apus.shell("rm -r \(source); mkdir \(source); echo newer > \(source)/f").code == 0)
        #expect(try apus.must("start", "-a", "box") == "newer")
    }

    @Test func aVolumeIsBackedUpAndRestoredThroughPipes() throws {
        #expect(
            try run(
                ["-v", "data:/d"], "echo one > /d/f; mkdir /d/s; ln -s f /d/l; chown 7:8 /d/f; chmod 640 /d/f"
            ).code == 0)
        let script = """
            set -e
            \(Host.bin)/apus run --rm --network none -v data:/d:ro busybox tar -cf - -C /d . > $APUS_RUN-backup
            \(Host.bin)/apus volume create copy >/dev/null
            cat $APUS_RUN-backup | \(Host.bin)/apus run --rm -i --network none -v copy:/d busybox tar -xf - -C /d
            \(Host.bin)/apus run --rm --network none --volumes-from $(\(Host.bin)/apus create -v copy:/d busybox true) busybox \
                sh -c 'cat /d/f; readlink /d/l; stat -c "%a %u %g" /d/f'
            """
        let outcome = try apus.shell(script)
        #expect(outcome.code == 0 && outcome.lines == ["one", "f", "640 7 8"], "\(outcome)")
    }

    @Test func aJobWorksInACheckout() throws {
        try apus.write("src/main.c", "int main;\n")
        #expect(
            try apus.shell("chown -R 1000:1000 \(apus.directory)/src; chmod 755 \(apus.directory)").code == 0)
        let job = [
            "run", "--rm", "--network", "none", "-v", apus.directory + "/src:/w", "-w", "/w", "-u",
            "1000:1000",
            "-e", "CI=1", "busybox", "sh", "-ec", "test $CI = 1; id -u; pwd; wc -c < main.c > size; cat size",
        ]
        #expect(try apus.apus(job).lines == ["1000", "/w", "10"])
        #expect(try apus.shell("stat -c '%u %g' \(apus.directory)/src/size").text == "1000 1000")
        let failing = try apus.apus(Array(job.dropLast()) + ["exit 3"])
        #expect(failing.code == 3, "\(failing)")
    }
}
