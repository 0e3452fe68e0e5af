import Support
import Testing

/// The attacks of advisories on `cp`: a container that changes its files while they are copied, and what it lays out for
/// whoever copies.
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class CopyCVETests {
    let apus: Engine
    private let canary: String
    init() throws {
        apus = try Engine(withBusybox: true)
        canary = apus.directory + "/canary"
        let made = try execute(
            [
                "sh", "-c",
                "mkdir -m 700 \(canary) && echo secret > \(canary)/file && chmod 600 \(canary)/file",
            ])
        guard made.code == 0 else { throw Trouble(because: "\(made)") }
    }
    deinit { apus.tearDown() }

    private func state() throws -> String {
        try execute(["sh", "-c", "cd \(canary) && stat -c '%n %a %u %g %i' . * && cat file"]).out
    }

    private func box(_ flags: String...) throws {
        let run = try apus.apus(
            ["run", "-d", "--name", "box", "--network", "none"] + flags + ["busybox", "sleep", "1000"])
        guard run.code == 0 else { throw Trouble(because: "\(run)") }
    }

    /// A container that has a directory of this test at /w, where names can be swapped from here.
    private func boxWithWork() throws -> String {
        let work = apus.directory + "/work"
        guard try execute(["mkdir", work]).code == 0 else { throw Trouble(because: work) }
        try box("-v", work + ":/w")
        return work
    }

    /// A directory that is now a directory and now a link to the canary, while it is copied in both directions.
    @Test func cve_2018_15664_aLinkThatIsSwappedInLeadsNowhere() throws {
        let place = try boxWithWork()
        try apus.must(
            "exec", "box", "sh", "-c",
            "mkdir -p /w/dir; echo mine > /w/dir/file; ln -s \(canary) /w/link; mkdir -p \(canary); echo fake > \(canary)/file"
        )
        try apus.write("in/file", "written")
        let before = try state()
        let race = try Race(between: place + "/dir", and: place + "/link")
        let out = apus.directory + "/out"
        _ = try race.run {
            let into = try apus("cp", apus.directory + "/in/.", "box:/w/dir")
            _ = try apus("cp", apus.directory + "/in/file", "box:/w/dir/file")
            _ = try execute(["rm", "-rf", out])
            let from = try apus("cp", "box:/w/dir/file", out)
            _ = try apus("cp", "-L", "box:/w/dir", out + ".tree")
            let read = readFile(out) ?? ""
            #expect(read != "secret\n")
            return into.code == 0 || from.code == 0
        }
        #expect(try execute(["sh", "-c", "grep -r secret \(out)* 2>/dev/null"]).out.isEmpty)
        #expect(try state() == before)
    }

    /// The same with links that stand still, for a container that runs and one that does not.
    @Test func cve_2019_18466_linksLeadIntoTheContainerOnly() throws {
        let before = try state()
        let links =
            "ln -s \(canary) /abs; ln -s ../../../../../../../..\(canary) /rel; ln -s \(canary)/file /file"
        try apus.must("run", "--name", "still", "--network", "none", "busybox", "sh", "-c", links)
        try box()
        try apus.must("exec", "box", "sh", "-c", links)
        let file = try apus.write("f", "written")
        for name in ["still", "box"] {
            for path in ["/abs/file", "/rel/file", "/abs/.", "/rel/"] {
                let outcome = try apus("cp", "-L", "\(name):\(path)", apus.directory + "/got")
                #expect(
                    outcome.code == 1 && !Host.has(apus.directory + "/got"), "\(name):\(path): \(outcome)")
            }
            #expect(try apus("cp", file, "\(name):/abs/file").code == 1)
            #expect(try apus("cp", file, "\(name):/file").code == 1)
            // The link itself is copied; nothing is written through it.
            #expect(try apus("cp", "\(name):/file", apus.directory + "/link").code == 0)
            #expect(try execute(["readlink", apus.directory + "/link"]).text == canary + "/file")
            _ = try execute(["rm", "-f", apus.directory + "/link"])
        }
        #expect(try state() == before)
    }

    /// A FIFO of the archive was replaced by a link before its mode was set, and the mode was a host file's.
    @Test func cve_2021_41089_aModeIsSetOnWhatWasMade() throws {
        let place = try boxWithWork()
        try apus.must("exec", "box", "sh", "-c", "ln -s \(canary)/file /w/link")
        let pack =
            "mkdir -p \(apus.directory)/t && cd \(apus.directory)/t && mkfifo -m 777 pipe && tar -cf ../t.tar pipe"
        #expect(try execute(["sh", "-c", pack]).code == 0)
        let before = try state()
        #expect(try apus("cp", apus.directory + "/t/pipe", "box:/w").code == 0)
        let race = try Race(between: place + "/pipe", and: place + "/link")
        _ = try race.run {
            _ = try apus("cp", apus.directory + "/t/pipe", "box:/w/pipe")
            return try apus.shell("\(Host.bin)/apus cp - box:/w < \(apus.directory)/t.tar").code == 0
        }
        #expect(try state() == before)
    }

    /// The copying process took the image's libraries, and with them its code; it opens and runs nothing of the image.
    @Test(.enabled(if: Host.has("/usr/bin/strace"), "strace"))
    func cve_2019_14271_nothingOfTheImageIsRun() throws {
        try box()
        try apus.must(
            "exec", "box", "sh", "-c",
            "mkdir -p /lib/x86_64-linux-gnu /etc; echo evil > /lib/x86_64-linux-gnu/libnss_files.so.2; echo files > /etc/nsswitch.conf; printf '#!/bin/sh\\necho > /ran\\n' > /bin/xz; chmod 755 /bin/xz; cp /bin/xz /bin/gzip; cp /bin/xz /bin/unpigz"
        )
        let file = try apus.write("f", "x")
        let trace = apus.directory + "/trace"
        let copy = try apus.shell(
            "strace -f -o \(trace) -e trace=%file,execve \(Host.bin)/apus cp -a \(file) box:/f")
        #expect(copy.code == 0, "\(copy)")
        let calls = readFile(trace) ?? ""
        #expect(calls.contains("openat2") && !calls.contains("libnss") && !calls.contains("nsswitch"))
        #expect(calls.components(of: "execve(").count == 2, "only itself is run")
        #expect(try apus("exec", "box", "test", "-e", "/ran").code == 1)
    }

    /// The daemon unpacked what it was sent with the container's own `xz`.
    @Test func cve_2026_41567_noProgramOfTheContainerUnpacks() throws {
        try box()
        try apus.must(
            "exec", "box", "sh", "-c",
            "printf '#!/bin/sh\\necho > /ran\\n' > /bin/xz; chmod 755 /bin/xz; for n in gzip unpigz zstd bzip2; do cp /bin/xz /bin/$n; done"
        )
        try apus.write("f", "x")
        for tool in ["gzip", "xz", "zstd", "bzip2"] {
            let outcome = try apus.shell(
                "tar -c -C \(apus.directory) f | \(tool) -c | \(Host.bin)/apus cp - box:/home")
            #expect(outcome.code == (["gzip", "zstd"].contains(tool) ? 0 : 1), "\(tool): \(outcome)")
        }
        #expect(try apus("exec", "box", "test", "-e", "/ran").code == 1)
    }

    /// The place that a volume is mounted on was made on the host, through a link of the image.
    @Test func cve_2026_41568_aPlaceToMountOnIsMadeInTheRoot() throws {
        let before = try state()
        try apus.must("run", "--name", "base", "--network", "none", "busybox", "ln", "-s", canary, "/data")
        try apus.must("commit", "base", "hostile")
        try apus.must(
            "create", "--name", "made", "--network", "none", "-v", "vv:/data/made", "hostile", "true")
        let file = try apus.write("f", "x")
        let outcome = try apus("cp", file, "made:/data/made/f")
        #expect(try state() == before, "\(outcome)")
        #expect(try execute(["ls", canary]).text == "file")
        #expect(try apus.shell("cat $APUS_ROOT/volumes/vv/_data/f").text == "x", "\(outcome)")
    }

    /// A mode of the container's made a program of root's on the host.
    @Test func noProgramOfRootsComesOut() throws {
        try box("--user", "app")
        try apus.must(
            "exec", "box", "sh", "-c", "cp /bin/busybox /tmp/su; chmod 6755 /tmp/su; mknod /tmp/n p")
        let got = apus.directory + "/su"
        #expect(try apus("cp", "box:/tmp/su", got).code == 0)
        #expect(try execute(["stat", "-c", "%a %u", got]).text == "755 0")
    }
}

extension String {
    fileprivate func components(of part: String) -> [Substring] {
        split(separator: part, omittingEmptySubsequences: false)
    }
}
