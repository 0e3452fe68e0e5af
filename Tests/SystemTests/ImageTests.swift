import Support
import Testing

@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class ImageTests {
    let apus: Engine
    init() throws { apus = try Engine(withBusybox: true) }
    deinit { apus.tearDown() }

    @Test func importedRootsAreImages() throws {
        let id = try apus.must("import", Host.fixture("busybox.tar"), "other:1")
        #expect(id.hasPrefix("sha256:"))
        #expect(try apus.must("images", "--format", "{{.Repository}}:{{.Tag}}").contains("other:1"))
    }

    @Test func standardInputIsARootToo() throws {
        let script = "\(Host.bin)/apus import - piped < \(Host.fixture("busybox.tar"))"
        #expect(try apus.shell(script).code == 0)
        #expect(try apus("run", "--rm", "--network", "none", "piped", "echo", "yes").text == "yes")
    }

    @Test func whatLiesAtAURLIsARootToo() throws {
        let outcome = try apus.shell(
            """
            cd "$(dirname \(Host.fixture("busybox.tar")))" || exit
            python3 -m http.server --bind 127.0.0.1 8000 >/dev/null 2>&1 & server=$!
            trap 'kill $server' EXIT
            for i in $(seq 100); do curl -s -o /dev/null http://127.0.0.1:8000/ && break; sleep 0.1; done
            apus=\(Host.bin)/apus
            $apus import http://127.0.0.1:8000/busybox.tar fetched && $apus run --rm --network none fetched echo yes
            $apus import http://127.0.0.1:8000/nothing.tar absent; echo $?
            $apus import http://127.0.0.1:1/busybox.tar absent; echo $?
            $apus import ftp://127.0.0.1/busybox.tar absent; echo $?
            """)
        #expect(outcome.lines.first?.hasPrefix("sha256:") == true)
        #expect(Array(outcome.lines.dropFirst()) == ["yes", "1", "1", "1"], "\(outcome)")
        for said in ["Downloading from http", "404", "refused", "neither http nor https"] {
            #expect(outcome.err.contains(said), "\(said): \(outcome)")
        }
        #expect(try apus("images", "-q", "absent").text.isEmpty)
    }

    @Test(arguments: ["docker.tar", "docker.tar.gz", "docker.tar.zst"])
    func dockerArchivesAreLoaded(name: String) throws {
        let loaded = try apus.must("load", "-i", Host.fixture("archives/" + name))
        #expect(loaded.hasPrefix("Loaded image: fixture/docker:"), "\(loaded)")
        let image = String(loaded.dropFirst("Loaded image: ".count))
        #expect(try apus("run", "--rm", "--network", "none", image, "echo", "yes").text == "yes")
    }

    @Test(arguments: ["plain", "gzip", "zstd"])
    func imageLayoutsAreLoaded(compression: String) throws {
        try apus.must("load", "-i", Host.fixture("archives/oci-\(compression).tar"))
        let run = try apus(
            "run", "--rm", "--network", "none", "fixture/oci:" + compression, "cat", "/etc/shells")
        #expect(run.text == "/bin/sh", "\(run)")
    }

    @Test func theSameContentIsTheSameImageInEveryCompression() throws {
        for name in ["docker.tar", "docker.tar.gz", "docker.tar.zst"] {
            try apus.must("load", "-i", Host.fixture("archives/" + name))
        }
        let rows = try apus.must("images", "--format", "{{.Tag}} {{.ID}}", "fixture/docker").split(
            separator: "\n")
        let ids = Set(rows.compactMap { $0.split(separator: " ").last })
        #expect(rows.count == 3 && ids.count == 1, "\(rows)")
    }

    @Test func layersHideAndReplaceWhatIsBelow() throws {
        try apus.must("load", "-i", Host.fixture("archives/layered.tar"))
        let script = "ls /keep /opaque; cat /plain/now-a-directory; ls -d /replaced; readlink /link"
        let run = try apus("run", "--rm", "--network", "none", "fixture/layered", "sh", "-c", script)
        #expect(run.lines == ["/keep:", "two", "/opaque:", "new", "yes", "keep/one"], "\(run)")
    }

    @Test func linksAttributesAndKindsSurvive() throws {
        try apus.write("context/Dockerfile", "FROM busybox\nADD hardlinks.tar /h\nADD kinds.tar /k\n")
        for name in ["hardlinks", "kinds"] {
            _ = try execute(["cp", Host.fixture("layers/\(name).tar"), apus.directory + "/context/"])
        }
        try apus.must("build", "-q", "-t", "kinds", apus.directory + "/context")
        let script = """
            stat -c '%i' /h/first /h/second /h/deep/third | sort -u | wc -l; stat -c '%a %u %g' /h/second
            readlink /h/arrow-again; stat -c '%a %F' /k/setuid /k/pipe; stat -c '%t:%T' /k/null; ls /k | wc -l
            """
        let run = try apus("run", "--rm", "--network", "none", "kinds", "sh", "-c", script)
        #expect(
            run.lines == ["1", "600 7 8", "first", "4755 regular file", "622 fifo", "1:3", "11"], "\(run)")
    }

    @Test func tagsComeAndGo() throws {
        try apus.must("tag", "busybox", "again:v2")
        let format = "{{.Repository}}:{{.Tag}}"
        #expect(try apus.must("images", "--format", format, "again") == "again:v2")
        #expect(
            try apus.must("images", "-q", "--no-trunc", "again")
                == apus.must("images", "-q", "--no-trunc", "busybox"))
        #expect(try apus.must("rmi", "again:v2").contains("Untagged: again:v2"))
        #expect(try apus.must("run", "--rm", "--network", "none", "busybox", "echo", "still") == "still")
        #expect(try apus.must("rmi", "busybox").contains("Deleted: sha256:"))
        #expect(try apus.must("images", "-q").isEmpty)
        #expect(try apus.shell("find \"$APUS_ROOT/blobs\" -type f | wc -l").text == "0")
    }

    @Test func anImageInUseIsKept() throws {
        try apus.must("create", "--name", "user", "busybox", "true")
        try apus.expectRefusal("rmi", "busybox", code: 1, mentions: ["busybox", "container"])
        try apus.must("rm", "user")
        try apus.must("rmi", "busybox")
    }

    @Test func savedImagesLoadAgain() throws {
        let file = apus.directory + "/saved.tar"
        let before = try apus.must("images", "-q", "--no-trunc", "busybox")
        try apus.must("save", "-o", file, "busybox")
        try apus.must("rmi", "busybox")
        try apus.must("load", "-i", file)
        #expect(try apus.must("images", "-q", "--no-trunc", "busybox") == before)
        #expect(try apus("run", "--rm", "--network", "none", "busybox", "echo", "yes").text == "yes")
    }

    /// Also after what a file has already, and to and from sockets.
    @Test func archivesGoWhereStdoutStands() throws {
        try apus.must("tag", "busybox", "apart:1")
        let engine = Host.bin + "/apus"
        let path = apus.directory
        let outcome = try apus.shell(
            """
            set -e; printf 12345 >\(path)/both; \(engine) save busybox >>\(path)/both
            \(engine) save busybox >\(path)/one; tail -c +6 \(path)/both | cmp - \(path)/one
            (head -c 5 >/dev/null; \(engine) load) <\(path)/both
            python3 -c 'import socket, subprocess, sys
            a, b = socket.socketpair()
            saving = subprocess.Popen(sys.argv[1:] + ["save", "busybox"], stdout=b); b.close()
            data = a.makefile("rb").read(); assert saving.wait() == 0
            assert data == open("\(path)/one", "rb").read()' \(engine)
            """)
        #expect(outcome.code == 0 && outcome.out.contains("Loaded image: busybox:latest"), "\(outcome)")
    }

    @Test func aRepositoryIsSavedWithAllItsTags() throws {
        for tag in ["two:a", "two:b"] { try apus.must("tag", "busybox", tag) }
        try apus.must("save", "-o", apus.directory + "/two.tar", "two")
        let list = try apus.shell("tar -xOf \(apus.directory)/two.tar manifest.json")
        #expect(list.out.contains(#""RepoTags":["two:a","two:b"]"#), "\(list)")
    }

    @Test func removingWhatIsNotThereIsDoneWithForce() throws {
        let outcome = try apus("rmi", "-f", "absent")
        #expect(outcome.code == 0 && outcome.err.contains("No such image: absent"))
        try apus.expectRefusal("rmi", "absent", code: 1, mentions: ["No such image: absent"])
    }

    @Test func theImagesSettingsApply() throws {
        try apus.must("load", "-i", Host.fixture("archives/user.tar"))
        let script = "id -un; pwd; echo $FROM_IMAGE"
        let run = try apus("run", "--rm", "--network", "none", "fixture/user", "sh", "-c", script)
        #expect(run.lines == ["app", "/home/app", "yes"], "\(run)")
    }

    @Test func theStoreIsAnImageLayout() throws {
        #expect(try apus.shell("cat \"$APUS_ROOT/oci-layout\"").text.contains("imageLayoutVersion"))
        let script =
            "cd \"$APUS_ROOT/blobs/sha256\" && sha256sum * | awk '$1 != $2'; stat -c %a \"$APUS_ROOT\""
        #expect(try apus.shell(script).text == "700")
    }
}
