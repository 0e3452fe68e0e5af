import Support
import Testing

/// The engine's root is a file system of 16 MiB, mounted inside the enclosure only.
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class FullDiskTests {
    let apus: Engine
    init() throws {
        apus = try Engine(withBusybox: false)
        let script = """
            mkdir -p "$APUS_ROOT" && cd "$APUS_ROOT/.." && truncate -s 16M disk && mkfs.ext4 -q -m 0 disk &&
            mount -o loop disk "$APUS_ROOT" && chmod 700 "$APUS_ROOT" && head -c 30M /dev/urandom > big &&
            tar cf big.tar big
            """
        let made = try apus.shell(script)
        guard made.code == 0 else {
            apus.tearDown()
            throw Trouble(because: "no loop file system: \(made.err)")
        }
        try apus.importBusybox()
    }
    deinit { apus.tearDown() }

    @Test func aLayerThatDoesNotFitIsAbsent() throws {
        for _ in 1...3 {
            try apus.expectRefusal(
                "import", apus.directory + "/big.tar", "big", code: 1, mentions: ["o space left"])
        }
        #expect(try !apus.must("images").contains("big"))
        try apus.expectWholeStore()
        // What the failed imports had staged is gone: another small image still fits.
        #expect(try apus("load", "-i", Host.fixture("archives/layered.tar")).code == 0)
    }

    @Test func aBuildStepThatDoesNotFitLeavesNothing() throws {
        try apus.write("context/Dockerfile", "FROM busybox\nRUN dd if=/dev/urandom of=/big bs=1M count=30\n")
        let built = try apus("build", "-t", "big", apus.directory + "/context")
        #expect(built.code != 0 && (built.out + built.err).contains("No space left"), "\(built)")
        try apus.expectWholeStore()
    }

    @Test func theEndOfAContainerIsRecordedOnAFullDisk() throws {
        for name in ["one", "two"] {
            try apus.must("run", "-d", "--name", name, "--network", "none", "busybox", "sleep", "1000")
        }
        // To the last block, which a record would fit into.
        let fill = """
            cd "$APUS_ROOT" && mkdir full; head -c 30M /dev/urandom > full/0; sync; i=1
            while head -c 100 /dev/urandom > full/$i; do i=$((i+1)); done
            """
        _ = try apus.shell(fill)
        try apus.must("stop", "-t", "1", "one")
        let (first, monitor) = try apus.processes(of: "two")
        _ = try apus.shell("kill -9 \(monitor) \(first)")
        try expectSoon { try apus.must("ps", "-q").isEmpty }
        let shown = try apus.must("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "one")
        #expect(shown == "exited 137")
        #expect(try apus("wait", "one").text == "137")
        // Its end may have been seen by the monitor that took it over, or by nobody.
        let waited = try apus("wait", "two")
        #expect(["137", "255"].contains(waited.text), "\(waited)")
        let started = try apus("start", "one")
        let isUp = try apus.must("ps", "--format", "{{.Names}}").contains("one")
        #expect((started.code == 0) == isUp, "\(started)")
        _ = try apus.shell("rm -r \"$APUS_ROOT/full\"")
        for name in ["one", "two"] { try apus.must("rm", "-f", name) }
        try apus.expectWholeStore()
    }

    @Test func listingAndRemovingWorkOnAFullDisk() throws {
        try apus.must("create", "--name", "box", "--network", "none", "busybox", "true")
        _ = try apus.shell("head -c 30M /dev/urandom > \"$APUS_ROOT/ballast\"")
        #expect(try apus.must("ps", "-a", "--format", "{{.Names}}") == "box")
        try apus.must("rm", "box")
        let run = try apus("run", "--rm", "--network", "none", "busybox", "true")
        #expect(run.code == 0 || (run.code == 125 && run.errorLines.count == 1), "\(run)")
        _ = try apus.shell("rm \"$APUS_ROOT/ballast\"")
        try apus.expectWholeStore()
    }
}
