import Support
import Testing

/// The `volume` commands, and who keeps a volume.
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class VolumeTests {
    let apus: Engine
    init() throws { apus = try Engine(withBusybox: true) }
    deinit { apus.tearDown() }

    private func names(_ filter: String...) throws -> [String] {
        try apus.apus(["volume", "ls", "-q"] + filter.flatMap { ["-f", $0] }).lines
    }

    @Test func volumesAreMadeListedInspectedAndRemoved() throws {
        #expect(try apus.must("volume", "create", "data") == "data")
        #expect(try apus.must("volume", "create", "data", "--label", "late=1") == "data")
        #expect(try apus.must("volume", "create", "--label", "a=b", "--label", "c", "lab") == "lab")
        let nameless = try apus.must("volume", "create")
        #expect(nameless.count == 64)
        #expect(try names() == [nameless, "data", "lab"].sorted())
        #expect(try names("label=a") == ["lab"])
        #expect(try names("name=^la", "driver=local") == ["lab"])
        #expect(try apus("volume", "ls").out.hasPrefix("DRIVER    VOLUME NAME\n"))
        let shown = try apus.must("volume", "inspect", "data")
        #expect(
            shown.contains("\"Labels\": null,\n        \"Mountpoint\": \"\(apus.root)/volumes/data/_data\""))
        #expect(shown.contains("\"Options\": null,\n        \"Scope\": \"local\"\n"))
        #expect(
            try apus.must("volume", "inspect", "-f", "{{.Name}} {{.Labels}} {{.Options}}", "data", "lab")
                == "data map[] map[]\nlab map[a:b c:] map[]")
        #expect(try apus.must("inspect", "-f", "{{.Driver}}", "lab") == "local")
        #expect(
            try apus.must("volume", "inspect", "-f", "{{json .Labels}}", nameless)
                == #"{"com.docker.volume.anonymous":""}"#)
        #expect(try apus.must("volume", "rm", "lab", "data") == "lab\ndata")
        #expect(try names() == [nameless])
    }

    @Test(arguments: [
        (["create", "a"], "create a: volume name is too short, names should be at least two alphanumeric"),
        (["create", "a/b"], "create a/b: \"a/b\" includes invalid characters for a local volume name"),
        (["create", ".."], "create ..: \"..\" includes invalid characters"),
        (["create", "-d", "nosuch", "x1"], "create x1: error looking up volume plugin nosuch: plugin"),
        (["create", "-o", "foo=bar", "x1"], "create x1: invalid option: \"foo\""),
        (["create", "-o", "type=tmpfs", "x1"], "create x1: missing required option: \"device\""),
        (["create", "-o", "type=nfs", "-o", "device=:/x", "-o", "o=addr=h", "x1"], "nfs is not supported"),
        (["create", "--scope", "single", "x1"], "--scope is not supported yet"),
        (["ls", "-f", "dangling=x"], "invalid filter 'dangling=x'"),
        (["ls", "-f", "color=red"], "invalid filter 'color'"),
        (["inspect", "nosuch"], "get nosuch: no such volume"),
        (["inspect", "../containers"], "get ../containers: no such volume"),
        (["rm", "nosuch"], "get nosuch: no such volume"), (["rm", ".."], "get ..: no such volume"),
        (["prune", "-f", "--filter", "until=1h"], "invalid filter 'until'"),
        (["update", "x1"], "apus volume update is not supported yet"),
    ])
    func whatCannotBeIsRefused(words: [String], why: String) throws {
        let outcome = try apus.apus(["volume"] + words)
        #expect(outcome.code != 0 && outcome.err.contains(why), "\(outcome)")
        #expect(try names().isEmpty)
    }

    @Test func aVolumeInUseStays() throws {
        let id = try apus.must("create", "--network", "none", "-v", "data:/d", "busybox", "true")
        for force in [[], ["-f"]] {
            let outcome = try apus.apus(["volume", "rm"] + force + ["data", "nosuch"])
            #expect(outcome.code == (1), "\(outcome)")
            #expect(outcome.err.contains("remove data: volume is in use - [\(id)]"), "\(outcome)")
            #expect(outcome.out == (force.isEmpty ? "" : "nosuch\n"))
        }
        #expect(try names("dangling=false") == ["data"])
        try apus.must("rm", id)
        #expect(try names("dangling=true") == ["data"])
        #expect(try apus.must("volume", "rm", "data") == "data")
    }

    @Test func aPruneTakesNamelessOnesOrAll() throws {
        let kept = try apus.must("create", "--network", "none", "-v", "/kept", "busybox", "true")
        try apus.must("volume", "create", "--label", "a=b", "named")
        let nameless = try apus.must("volume", "create")
        let asked = try apus("volume", "prune", stdin: "n\n")
        #expect(asked.out.hasPrefix("WARNING! This will remove anonymous local volumes not used by at least"))
        let pruned = try apus("volume", "prune", "-f")
        #expect(pruned.out == "Deleted Volumes:\n\(nameless)\n\nTotal reclaimed space: 0B\n", "\(pruned)")
        #expect(
            try apus("volume", "prune", "-af", "--filter", "label!=a").out == "Total reclaimed space: 0B\n")
        #expect(try apus.must("volume", "prune", "-af").hasPrefix("Deleted Volumes:\nnamed\n"))
        #expect(try names().count == 1)
        try apus.must("rm", "-v", kept)
        #expect(try names().isEmpty)
    }

    @Test func aNamelessVolumeThatAnotherContainerHasStays() throws {
        for last in [["run", "--rm"], ["run", "--name", "last"]] {
            let first = try apus.must(
                "run", "-d", "--rm", "--network", "none", "-v", "/shared", "busybox", "sh", "-c",
                "echo kept > /shared/f; until [ -e /shared/end ]; do sleep 0.05; done")
            let format = "{{(index .Mounts 0).Name}}"
            let volume = try apus.must("inspect", "-f", format, first)
            try apus.must(
                "create", "--name", "second", "--network", "none", "-v", "\(volume):/v", "busybox", "cat",
                "/v/f")
            let end = try apus.apus(
                last + ["--network", "none", "-v", "\(volume):/v", "busybox", "touch", "/v/end"])
            #expect(end.code == 0, "\(end)")
            _ = try apus("wait", first)
            try expectSoon { try apus("inspect", first).code != 0 }
            #expect(try names() == [volume], "the first container's end takes what others have")
            #expect(try apus.must("start", "-a", "second") == "kept")
            // It has a name for them: `rm -v` lets it be, and a prune finds it nameless.
            try apus.must("rm", "-v", "second")
            _ = try apus("rm", "-v", "last")
            #expect(try names() == [volume])
            #expect(try apus.must("volume", "prune", "-f").contains(volume))
        }
    }

    @Test func driverOptionsAreMounted() throws {
        try apus.write("host/file", "of the host\n")
        let bind = ["-o", "type=none", "-o", "o=bind", "-o", "device=\(apus.directory)/host", "viahost"]
        #expect(try apus.apus(["volume", "create"] + bind).code == 0)
        let flags = ["--network", "none", "-v", "viahost:/v"]
        #expect(try apus.inContainer("cat /v/file; echo new > /v/made", flags: flags).text == "of the host")
        #expect(try apus.shell("cat \(apus.directory)/host/made").text == "new")
        try apus.must("volume", "rm", "viahost")
        #expect(try apus.shell("cat \(apus.directory)/host/made").text == "new")
        try apus.must(
            "volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m,uid=7", "small")
        let memory = try apus.inContainer(
            "stat -f -c %T /v; stat -c %u /v; dd if=/dev/zero of=/v/x bs=1M count=2 2>&1 | grep -c space",
            flags: ["--network", "none", "-v", "small:/v"])
        #expect(memory.lines == ["tmpfs", "7", "1"], "\(memory)")
        try apus.must(
            "volume", "create", "-o", "type=none", "-o", "o=bind", "-o", "device=/nonexistent", "bad")
        let run = try apus.apus(["run", "--rm", "--network", "none", "-v", "bad:/v", "busybox", "true"])
        #expect(
            run.code == 127 && run.err.contains("failed to mount local volume: mount /nonexistent:"), "\(run)"
        )
    }

    @Test func anEmptyVolumeIsFilledOnceWithOwnerAndMode() throws {
        try apus.write(
            "context/Dockerfile",
            "FROM busybox\nRUN mkdir /d && echo image > /d/f && chown 7:8 /d && chmod 751 /d\n")
        try apus.must("build", "-q", "-t", "full", apus.directory + "/context")
        let script = "stat -c '%a %u %g' /d; cat /d/f"
        try apus.must("volume", "create", "before")
        for volume in ["new", "before"] {
            let first = try apus(
                "run", "--rm", "--network", "none", "-v", "\(volume):/d", "full", "sh", "-c", script)
            #expect(first.lines == ["751 7 8", "image"], "\(first)")
        }
        let without = try apus(
            "run", "--rm", "--network", "none", "-v", "bare:/d:nocopy", "full", "sh", "-c", "ls -A /d")
        #expect(without.out.isEmpty, "\(without)")
        // Many at once: one fills it, and none sees it half full.
        let many = """
            for i in 1 2 3 4 5 6; do
                \(Host.bin)/apus run --rm --network none -v many:/d full cat /d/f &
            done; wait
            """
        let outcome = try apus.shell(many)
        #expect(outcome.lines == Array(repeating: "image", count: 6), "\(outcome)")
    }

    @Test func eventsTellOfVolumes() throws {
        try apus.must("volume", "create", "data")
        #expect(try apus.inContainer("true", flags: ["--network", "none", "-v", "/nameless"]).code == 0)
        try apus.must("volume", "rm", "data")
        try apus.must("volume", "prune", "-f")
        try expectSoon {
            let words = [
                "events", "--since", "1m", "--until", "0s", "--filter", "type=volume", "--format",
                "{{.Action}}",
            ]
            return try apus.apus(words).lines == [
                "create", "create", "mount", "unmount", "destroy", "destroy", "prune",
            ]
        }
    }

    /// A lock on what a container sees, which is the same directory, keeps nobody from making another one.
    @Test func aContainerCannotHoldUpOthers() throws {
        try apus.must("volume", "create", "data")
        // The shell holds it, and its children with it.
        let script = """
            exec 9<$APUS_ROOT/volumes/data/_data; flock -x 9
            timeout 10 \(Host.bin)/apus run --rm --network none -v data:/home busybox echo made
            """
        let outcome = try apus.shell(script)
        #expect(outcome.text == "made", "\(outcome)")
    }

    @Test func whatIsNoVolumeHurtsNone() throws {
        try apus.must("volume", "create", "data")
        #expect(try apus.shell("touch $APUS_ROOT/volumes/file; ln -s /etc $APUS_ROOT/volumes/link").code == 0)
        #expect(try names() == ["data"])
        let run = try apus("run", "--rm", "--network", "none", "-v", "link:/x", "busybox", "ls", "/x")
        #expect(run.code != 0 && run.out.isEmpty, "\(run)")
        #expect(try apus.must("volume", "prune", "-af").contains("data"))
    }

    /// Whoever takes the volumes of a container that is just removed has them, or is refused; none is left over.
    @Test func takersAndEndsMeet() throws {
        let script = """
            for round in 1 2 3 4 5 6; do
                \(Host.bin)/apus run --name d$round --network none -v /d busybox sh -c 'echo x > /d/f'
                \(Host.bin)/apus rm -v d$round >/dev/null &
                \(Host.bin)/apus run --rm --network none --volumes-from d$round busybox cat /d/f > $APUS_RUN-out 2>&1
                echo "$? $(cat $APUS_RUN-out)"; wait
            done
            """
        let outcome = try apus.shell(script, timeout: 120)
        #expect(outcome.lines.count == 6, "\(outcome)")
        for line in outcome.lines {
            #expect(line == "0 x" || line.contains("No such container"), "\(outcome)")
        }
        #expect(try names().isEmpty)
    }

    @Test func aVolumeOfAnOlderEngineGoesOn() throws {
        #expect(
            try apus.shell("mkdir -p $APUS_ROOT/volumes/old/_data; echo old > $APUS_ROOT/volumes/old/_data/f")
                .code
                == 0)
        #expect(try apus.inContainer("cat /v/f", flags: ["--network", "none", "-v", "old:/v"]).text == "old")
        #expect(try apus.must("volume", "inspect", "-f", "{{.Name}} {{.Labels}}", "old") == "old map[]")
        #expect(try apus.must("volume", "rm", "old") == "old")
    }

    /// Starts, ends and prunes side by side: no container finds its volume gone, and none is left over.
    @Test func endsAndPrunesDoNotTakeWhatIsUsed() throws {
        let script = """
            ( while [ ! -e $APUS_RUN-stop ]; do \(Host.bin)/apus volume prune -f >/dev/null; done ) &
            for round in 1 2 3 4 5; do
                for i in 1 2 3 4; do
                    \(Host.bin)/apus run --rm --network none -v /d busybox sh -c 'echo x > /d/f && cat /d/f' &
                    pids="$pids $!"
                done
                wait $pids; pids=
            done
            touch $APUS_RUN-stop; wait
            """
        let outcome = try apus.shell(script, timeout: 120)
        #expect(outcome.lines == Array(repeating: "x", count: 20) && outcome.err.isEmpty, "\(outcome)")
        try expectSoon { try names().isEmpty }
    }
}
