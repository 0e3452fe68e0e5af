import Support
import Testing

/// `cp` in all directions, by docker's rules for what is there and what is not.
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class CopyTests {
    let apus: Engine
    private let files: String
    init() throws {
        apus = try Engine(withBusybox: true)
        files = apus.directory + "/files"
        let script = """
            mkdir -p \(files)/d/sub && cd \(files) && echo 1 > f && echo 2 > d/a && echo 3 > d/sub/b && ln -s a d/l &&
            ln d/a d/hard && mkfifo d/p && chmod 4755 d/a && chown -R 1234:2345 d && chmod 4755 d/a && chown 55:66 f &&
            touch -d 2001-02-03 d/sub/b && ln -s f lf && ln -s d ld && mkdir o
            """
        let made = try execute(["sh", "-c", script])
        guard made.code == 0 else { throw Trouble(because: "\(made)") }
    }
    deinit { apus.tearDown() }

    private func box(_ flags: String...) throws {
        let made = try apus.apus(
            ["run", "-d", "--name", "box", "--network", "none"] + flags + ["busybox", "sleep", "1000"])
        guard made.code == 0 else { throw Trouble(because: "\(made)") }
    }
    private func copy(_ words: String...) throws -> Outcome { try apus.apus(["cp"] + words) }
    /// A copy that has to succeed without a word.
    private func must(_ words: String..., location: SourceLocation = #_sourceLocation) throws {
        let outcome = try apus.apus(["cp"] + words)
        #expect(
            outcome.code == 0 && outcome.out.isEmpty && outcome.err.isEmpty, "\(words): \(outcome)",
            sourceLocation: location)
    }
    private func inside(_ script: String) throws -> [String] {
        try apus("exec", "box", "sh", "-c", script).lines
    }
    private func host(_ script: String) throws -> [String] {
        try execute(["sh", "-c", "cd \(files)/o && \(script)"]).lines
    }

    // MARK: into a container

    @Test func aFileGoesWhereDockerPutsIt() throws {
        try box()
        _ = try inside("mkdir -p /c/s; echo old > /c/x; ln -s /c /lc; ln -s /c/x /lx; ln -s /nope /dang")
        try must("\(files)/f", "box:/w1")
        try must("\(files)/f", "box:/c/s")
        try must("\(files)/f", "box:lc")
        try must("\(files)/f", "box:/lx")
        try must("\(files)/f", "box:/dang")
        #expect(
            try inside("cat /w1 /c/s/f /c/f /c/x /nope; stat -c %u:%g /w1") == [
                "1", "1", "1", "1", "1", "55:66",
            ])
        #expect(try inside("readlink /lx; readlink /dang") == ["/c/x", "/nope"], "links stay what they are")
        try must("\(files)/lf", "box:/k1")
        try must("-L", "\(files)/lf", "box:/k2")
        #expect(try inside("readlink /k1; cat /k2; readlink /k2") == ["f", "1"])
    }

    @Test func aTreeKeepsWhatItIs() throws {
        try box()
        try must("\(files)/d", "box:/new")
        let facts = "cd /new && stat -c '%a %u %g %h %F' a hard p l sub sub/b; stat -c %Y sub/b; readlink l"
        let want = [
            "4755 1234 2345 2 regular file", "4755 1234 2345 2 regular file", "644 1234 2345 1 fifo",
            "777 1234 2345 1 symbolic link", "755 1234 2345 2 directory", "644 1234 2345 1 regular file",
        ]
        let lines = try inside(facts)
        #expect(Array(lines.prefix(6)) == want && lines.last == "a", "\(lines)")
        #expect(lines[6].hasPrefix("9811"), "\(lines)")
        // There now: it goes into it under its own name, and with `/.` only what is in it.
        try must("\(files)/d", "box:/new")
        try must("\(files)/d/.", "box:/new/d/sub")
        #expect(try inside("cat /new/d/a /new/d/sub/a /new/d/sub/sub/b") == ["2", "2", "3"])
        try must("\(files)/ld", "box:/k3")
        try must("\(files)/ld/", "box:/k4")
        try must("-L", "\(files)/ld", "box:/k5")
        #expect(try inside("readlink /k3; cat /k4/a /k5/a") == ["d", "2", "2"])
    }

    @Test func refusalsAreDockers() throws {
        try box("--read-only", "-v", "vv:/vol", "-v", "vv:/rvol:ro", "--tmpfs", "/tmp")
        _ = try inside("mkdir -p /vol/t/a /vol/t2; echo 1 > /vol/t2/sub; echo 1 > /vol/ex")
        let cases: [([String], String)] = [
            (["\(files)/f", "box:/vol/w6/"], "no such directory"),
            (["\(files)/f", "box:/vol/no/w"], "Could not find the file /vol/no in container box"),
            (["\(files)/d", "box:/vol/ex"], "cannot copy directory"),
            (["\(files)/d/.", "box:/vol/t"], "cannot overwrite directory \"a\" with non-directory"),
            (["\(files)/d/.", "box:/vol/t2"], "cannot overwrite non-directory \"sub\" with directory"),
            (["\(files)/nosuch", "box:/vol"], "lstat \(files)/nosuch: no such file or directory"),
            (["\(files)/f/", "box:/vol"], "not a directory"),
            (["\(files)/f", "nosuch:/x"], "No such container: nosuch"),
            (["\(files)/f", "\(files)/f2"], "must specify at least one container source"),
            (["box:/a", "box:/b"], "copying between containers is not supported"),
            (["", "box:/b"], "source can not be empty"), (["box:/b", ""], "destination can not be empty"),
            (["-", "box:/nodir"], "destination \"box:/nodir\" must be a directory"),
            (["-", "box:/vol/ex"], "destination \"box:/vol/ex\" must be a directory"),
            (["\(files)/f", "box:/x"], "container rootfs is marked read-only"),
            (["\(files)/f", "box:/rvol/x"], "mounted volume is marked read-only"),
            (["\(files)/f", "box:/proc/sys/kernel/core_pattern"], "the kernel's"),
            (["box:/nope", "\(files)/o"], "Could not find the file /nope in container box"),
            (["box:/vol/ex", "\(files)/no/x"], "directory \"\(files)/no\" does not exist"),
            (["box:/vol/ex", "\(files)/no/"], "no such directory"),
            (["box:/vol", "\(files)/f"], "cannot copy directory"),
            (
                ["box:/vol/ex", "/dev/null"],
                "\"/dev/null\" must be a directory or a regular file: got a device"
            ),
            (["box:/proc/version", "\(files)/o"], "Could not find the file /proc/version"),
            (["nosuch:/x", "\(files)/o"], "No such container: nosuch"),
        ]
        for (words, text) in cases {
            let outcome = try apus.apus(["cp"] + words)
            #expect(outcome.code == 1 && outcome.err.contains(text), "\(words): \(outcome)")
            #expect(outcome.errorLines.count == 1 && outcome.out.isEmpty, "\(words): \(outcome)")
        }
        #expect(try copy("a").err.contains("requires 2 arguments"))
        try must("\(files)/f", "box:/vol/x")
        try must("\(files)/f", "box:/tmp/x")
        #expect(try inside("cat /vol/x /tmp/x") == ["1", "1"])
        #expect(try host("ls") == [], "nothing of what was refused is left")
    }

    @Test func archiveModeGivesFilesToTheContainersUser() throws {
        try box("--user", "app")
        try must("-a", "\(files)/d", "box:/mine")
        try must("\(files)/d", "box:/kept")
        #expect(try inside("stat -c %u:%g /mine/a /kept/a") == ["1000:1000", "1234:2345"])
    }

    // MARK: out of a container

    private static let tree = """
        mkdir -p /c/s; echo 1 > /c/x; ln /c/x /c/again; chown -R 1000:1000 /c; chmod 4755 /c/x; ln -s /c /lc
        ln -s /c/x /lx; ln -s x /c/rel; mkfifo /c/pipe
        """

    @Test func whatComesOutIsTheCallers() throws {
        try box()
        _ = try inside(Self.tree)
        try must("box:/c/x", "\(files)/o/o1")
        try must("box:/c/x", "\(files)/o")
        try must("box:/c", "\(files)/o/o2")
        try must("box:/c", "\(files)/o")
        try must("box:/c/.", "\(files)/o/o3")
        try must("box:/lc", "\(files)/o/o4")
        try must("-L", "box:/lc", "\(files)/o/o5")
        try must("box:/lc/", "\(files)/o")
        try must("-a", "box:/c", "\(files)/o/kept")
        #expect(
            try host("cat o1 x o2/x c/x o3/x o5/x lc/x | sort -u; readlink o4 o2/rel") == ["1", "/c", "x"])
        #expect(
            try host("stat -c '%a %u %g %h' o2/x o2/again kept/x; stat -c %F c/pipe")
                == ["755 0 0 2", "755 0 0 2", "4755 1000 1000 2", "fifo"])
    }

    @Test func aTarGoesOutAndIn() throws {
        try box()
        _ = try inside(Self.tree)
        func names(_ words: String) throws -> [String] {
            try apus.shell("\(Host.bin)/apus cp \(words) - | tar -t").lines
        }
        #expect(try names("box:/c") == ["c/", "c/again", "c/pipe", "c/rel", "c/s/", "c/x"])
        #expect(try names("box:/c/.") == ["./", "./again", "./pipe", "./rel", "./s/", "./x"])
        #expect(try names("box:/lc") == ["lc"])
        #expect(try names("box:/lc/").first == "lc/")
        #expect(try names("-L box:/lx") == ["x"])
        let piped = try apus.shell(
            "mkdir -p \(files)/o/p && \(Host.bin)/apus cp box:/c - | gzip | \(Host.bin)/apus cp - box:/home")
        #expect(piped.code == 0, "\(piped)")
        #expect(try inside("stat -c '%a %u %h' /home/c/x; cat /home/c/again") == ["4755 1000 2", "1"])
        let garbage = try apus("cp", "-", "box:/home", stdin: "garbage")
        #expect(garbage.code == 1 && garbage.errorLines.count == 1, "\(garbage)")
        #expect(try apus("cp", "-", "box:/home").code == 0, "nothing is an empty archive")
        _ = try inside("mkdir -p /clash/c/x")
        let clash = try apus.shell("\(Host.bin)/apus cp box:/c - | \(Host.bin)/apus cp - box:/clash")
        #expect(clash.code == 1 && clash.err.contains("cannot overwrite directory"), "\(clash)")
    }

    /// `/` has no end otherwise, and what the kernel makes up is no file.
    @Test func theWholeRootIsCopiedWithoutTheKernelsFiles() throws {
        try box("-v", "vv:/vol", "--tmpfs", "/fs")
        _ = try inside("echo v > /vol/in; echo t > /fs/in")
        try must("box:/", "\(files)/o/root")
        #expect(
            try host("cat root/vol/in root/fs/in; ls root/proc root/sys root/dev; ls root/bin/busybox")
                == [
                    "v", "t", "root/dev:", "", "root/proc:", "", "root/sys:", "root/bin/busybox",
                ].filter { !$0.isEmpty })
        let names = try apus.shell("\(Host.bin)/apus cp box:/ - | tar -t").lines
        #expect(
            names.contains("vol/in") && names.contains("proc/") && !names.contains { $0.hasPrefix("proc/s") })
        #expect(names.contains("dev/") && !names.contains("dev/null"))
    }

    // MARK: containers in every state

    @Test func aContainerThatDoesNotRunIsCopiedToAndFrom() throws {
        try apus.must(
            "create", "--name", "made", "--network", "none", "-v", "vv:/vol", "-v", "/a/b", "busybox", "cat",
            "/a/b/f",
            "/vol/f", "/plain")
        for target in ["/vol", "/a/b", "/plain"] { try must("\(files)/f", "made:\(target)") }
        try must("made:/vol/f", "\(files)/o/one")
        try must("made:/etc/hostname", "\(files)/o")
        #expect(try host("cat one") == ["1"])
        #expect(try host("cat hostname").first?.isEmpty == false, "mounted files are seen")
        #expect(try apus("diff", "made").lines == ["A /a", "A /a/b", "A /plain", "A /vol"])
        #expect(try apus("start", "-a", "made").out == "1\n1\n1\n")
        try must("\(files)/d", "made:/after")
        try must("made:/after/sub/b", "\(files)/o/two")
        #expect(try host("cat two") == ["3"])
        #expect(try apus.shell("cat $APUS_ROOT/volumes/vv/_data/f").text == "1")
        let mounts = try apus.shell("grep -c $APUS_ROOT /proc/self/mountinfo")
        #expect(mounts.text == "0", "nothing stays mounted: \(mounts)")
        try must("made:/plain", "\(files)/o/three")
        try apus.must("rm", "made")
    }

    @Test func aPausedContainerIsCopiedToAndFrom() throws {
        try box()
        try apus.must("pause", "box")
        try must("\(files)/f", "box:/p")
        try must("box:/p", "\(files)/o/p")
        try apus.must("unpause", "box")
        #expect(try inside("cat /p") == ["1"])
    }

    @Test func aFileThatIsMountedIsNotReplaced() throws {
        try box()
        let outcome = try copy("\(files)/f", "box:/etc/hosts")
        #expect(outcome.code == 1 && outcome.err.contains("busy"), "\(outcome)")
        let archive = try apus.shell(
            "tar -c -C \(files) --transform s,f,hosts, f | \(Host.bin)/apus cp - box:/etc")
        #expect(archive.code == 1 && archive.err.contains("busy"), "\(archive)")
        #expect(try inside("grep -c localhost /etc/hosts") != ["0"])
    }

    @Test func onATerminalItSaysHowMuch() throws {
        try box()
        let terminal = try apus.terminal("cp", "\(files)/f", "box:/zz")
        #expect(try terminal.expect("\n").contains("Successfully copied 2.05kB to box:/zz"))
        #expect(terminal.wait() == 0)
        #expect(
            try copy("-q=false", "\(files)/f", "box:/zz").err == "Successfully copied 2.05kB to box:/zz\n")
    }
}
