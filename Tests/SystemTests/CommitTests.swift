import Support
import Testing

/// `export`, `commit` and `history`: a container's files as an archive and as an image.
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class CommitTests {
    let apus: Engine
    init() throws { apus = try Engine(withBusybox: true) }
    deinit { apus.tearDown() }

    private static let work = """
        mkdir -p /made/deep; echo one > /made/deep/file; chown 7:8 /made/deep/file; chmod 4751 /made/deep/file
        ln /made/deep/file /made/second; ln -s deep/file /made/arrow; mkfifo /made/pipe; chmod 1777 /made
        head -c 300000 /dev/urandom > /made/large; touch -d '2001-02-03 04:05:06' /made/second
        rm -f /etc/shells; rm -rf /home/app; mkdir -p /home/app; echo mine > /volume/inside; echo t > /tmp/fs/inside
        """

    private func makeContainer(_ name: String = "work") throws {
        try apus.must(
            "run", "--name", name, "--network", "none", "-v", "/volume", "--tmpfs", "/tmp/fs", "busybox",
            "sh",
            "-c", Self.work)
    }

    @Test func anExportedRootIsImportedAsTheSameTree() throws {
        try makeContainer()
        let (first, second) = (apus.directory + "/first.tar", apus.directory + "/second.tar")
        try apus.must("export", "-o", first, "work")
        try apus.must("import", first, "again")
        try apus.must("create", "--name", "copy", "again", "true")
        #expect(try apus.shell("\(Host.bin)/apus export copy > \(second)").code == 0)
        #expect(try execute(["cmp", first, second]).code == 0)
        let names = try execute(["tar", "-tf", first]).lines
        #expect(names.first == "./" && names.contains("made/deep/file") && names.contains("volume/"))
        #expect(
            !names.contains("etc/shells") && names.contains("home/app/")
                && !names.contains("home/app/.profile"))
        #expect(
            !names.contains {
                $0.hasSuffix("/inside") || ($0.hasPrefix("proc/") && $0 != "proc/") || $0.contains(".wh.")
            })
        let run = try apus(
            "run", "--rm", "--network", "none", "again", "sh", "-c",
            "stat -c '%a %u %g %h' /made/deep/file; stat -c %Y /made/second; readlink /made/arrow; stat -c '%a %F' /made/pipe /made"
        )
        #expect(
            run.lines == ["4751 7 8 2", "981173106", "deep/file", "644 fifo", "1777 directory"], "\(run)")
    }

    @Test func aRunningContainerIsExported() throws {
        try apus.must(
            "run", "-d", "--name", "live", "--network", "none", "busybox", "sh", "-c",
            "echo x > /x; sleep 600")
        try apus.must("exec", "live", "sh", "-c", "until [ -e /x ]; do sleep 0.1; done")
        let names = try apus.shell("\(Host.bin)/apus export live | tar -t").lines
        #expect(names.contains("x") && names.contains("bin/busybox"))
        #expect(try apus.must("exec", "live", "cat", "/x") == "x")
    }

    @Test func exportsThatCannotBeWritten() throws {
        try apus.must("create", "--name", "idle", "busybox", "true")
        try apus.expectRefusal("export", "nosuch", code: 1, mentions: ["No such container: nosuch"])
        try apus.expectRefusal(
            "export", "-o", "/nosuch/place", "idle", code: 1,
            mentions: [
                "failed to export container: invalid output path: directory \"/nosuch\" does not exist"
            ])
        let null = apus.directory + "/null"
        #expect(try execute(["mknod", null, "c", "1", "3"]).code == 0)
        for command in [["export", "-o", null, "idle"], ["save", "-o", null, "busybox"]] {
            let refused = try apus.apus(command)
            #expect(refused.code == 1 && refused.err.contains("got a device"), "\(refused)")
        }
        #expect(try execute(["stat", "-c", "%F", null]).text == "character special file")
    }

    @Test func aCommittedContainerIsAnImage() throws {
        try makeContainer()
        let id = try apus.must(
            "commit", "-a", "Ann", "-m", "what I did", "-c", "CMD [\"cat\", \"/made/arrow\"]", "-c",
            "ENV A=b", "work",
            "made:1")
        #expect(id.hasPrefix("sha256:") && id.count == 71)
        #expect(try apus.must("run", "--rm", "--network", "none", "made:1") == "one")
        let run = try apus(
            "run", "--rm", "--network", "none", "made:1", "sh", "-c",
            "ls /etc/shells /volume; ls -A /home/app; echo $A; stat -c '%a %u %g %h' /made/second")
        #expect(run.lines == ["/volume:", "b", "4751 7 8 2"], "\(run)")
        #expect(
            try apus.must(
                "image", "inspect", "-f", "{{.Author}} {{.Comment}} {{len .RootFS.Layers}}", "made:1")
                == "Ann what I did 2")
        // The container keeps what it had.
        #expect(try apus.must("start", "-a", "work") == "")
        let steps = try apus.must("history", "--format", "{{.ID}}|{{.CreatedBy}}|{{.Comment}}", "made:1")
            .split(separator: "\n")
        #expect(
            steps.count == 2 && steps.first?.hasPrefix("\(id.dropFirst(7).prefix(12))|sh -c mkdir") == true)
        #expect(steps.first?.hasSuffix("|what I did") == true && steps.last?.hasPrefix("<missing>|") == true)
        #expect(try apus.shell("cd \"$APUS_ROOT/blobs/sha256\" && sha256sum * | awk '$1 != $2'").text == "")
    }

    @Test func aContainerThatChangedNothingAddsNoLayer() throws {
        try apus.must("run", "--name", "idle", "--network", "none", "busybox", "true")
        try apus.must("container", "commit", "idle", "same")
        let format = "{{len .RootFS.Layers}} {{.Config.Cmd}}"
        #expect(try apus.must("image", "inspect", "-f", format, "same") == "1 [true]")
        #expect(try apus.must("history", "--format", "{{.Size}}", "same").hasPrefix("0B"))
    }

    @Test func aRunningContainerIsFrozenMeanwhileAndGoesOn() throws {
        try apus.must(
            "run", "-d", "--name", "live", "--network", "none", "busybox", "sh", "-c",
            "echo x > /x; sleep 600")
        try apus.must("exec", "live", "sh", "-c", "until [ -e /x ]; do sleep 0.1; done")
        try apus.must("commit", "live", "snap:1")
        try apus.must("commit", "--pause=false", "live", "snap:2")
        #expect(try apus.must("exec", "live", "cat", "/x") == "x")
        #expect(try apus.must("run", "--rm", "--network", "none", "snap:1", "cat", "/x") == "x")
        try apus.expectRefusal("commit", "live", "BAD", code: 1, mentions: ["must be lowercase"])
        try apus.expectRefusal(
            "commit", "-c", "RUN x", "live", code: 1, mentions: ["not a valid change command"])
    }
}
