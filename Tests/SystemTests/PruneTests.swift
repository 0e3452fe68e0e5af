import Support
import Testing

/// `system df`, the prunes and `system check`.
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class PruneTests {
    let apus: Engine
    init() throws { apus = try Engine(withBusybox: true) }
    deinit { apus.tearDown() }

    private func build(_ name: String, _ lines: String) throws {
        try apus.write("context/Dockerfile", "FROM busybox\n" + lines)
        try apus.must("build", "-q", "-t", name, apus.directory + "/context")
    }

    private func rows() throws -> [String] {
        try apus.must("system", "df", "--format", "{{.Type}}|{{.TotalCount}}|{{.Active}}").split(
            separator: "\n"
        ).map(
            String.init)
    }

    @Test func danglingImagesGoAndOthersStay() throws {
        try build("app", "RUN echo one > /one\n")
        let old = try apus.must("images", "-q", "--no-trunc", "app")
        try build("app", "RUN echo two > /two\n")
        let asked = try apus("image", "prune", stdin: "n\n")
        #expect(
            asked.code == 0
                && asked.out
                    == "WARNING! This will remove all dangling images.\nAre you sure you want to continue? [y/N] "
        )
        let dry = try apus("image", "prune", "--dry-run")
        #expect(
            dry.lines.contains("deleted: \(old)") && dry.out.contains("Total reclaimable space: "), "\(dry)")
        #expect(try apus.must("images", "-qa").split(separator: "\n").count == 3)
        let pruned = try apus("image", "prune", stdin: "y\n")
        #expect(pruned.out.contains("[y/N] Deleted Images:\n") && pruned.out.contains("deleted: \(old)\n"))
        #expect(try apus.must("run", "--rm", "--network", "none", "app", "cat", "/two") == "two")
        #expect(try apus("image", "prune", "-f").out == "Total reclaimed space: 0B\n")
        #expect(try apus("system", "check").code == 0)
    }

    /// What it runs on would be gone otherwise.
    @Test(arguments: ["request.json", "config.json"])
    func whatAContainerNeedsIsKeptWhereThatCannotBeRead(document: String) throws {
        try build("app", "RUN echo one > /one\n")
        let id = try apus.must("run", "-d", "--network", "none", "app", "sleep", "1000")
        let layers = try apus.shell("ls $APUS_ROOT/layers")
        try apus.shell("echo '{' > $APUS_ROOT/containers/\(id)/\(document)")
        for words in [["rmi", "-f", "app"], ["image", "prune", "-af"], ["builder", "prune", "-af"]] {
            _ = try apus.apus(words)
            #expect(try apus.shell("ls $APUS_ROOT/layers").out == layers.out, "\(words)")
        }
        let pruned = try apus("image", "prune", "-af")
        #expect(
            pruned.err.contains(String(id.prefix(12))) && pruned.err.contains("cannot be known"), "\(pruned)")
        let checked = try apus("system", "check", "--repair")
        #expect(
            checked.code == 1 && (checked.out + checked.err).contains(String(id.prefix(12))), "\(checked)")
        #expect(checked.out.contains("(nothing is repaired before)"), "\(checked)")
        try apus.must("rm", "-f", id)
        try apus.must("image", "prune", "-af")
        #expect(try apus.shell("ls $APUS_ROOT/layers").text.isEmpty)
    }

    /// Which image it has is not known either.
    @Test func noImageGoesWhileAContainerCannotBeRead() throws {
        try build("app", "RUN echo one > /one\n")
        let id = try apus.must("create", "app", "true")
        let script =
            "mv $APUS_ROOT/containers/\(id)/config.json $APUS_ROOT/kept; echo '{' > $APUS_ROOT/containers/\(id)/config.json"
        #expect(try apus.shell(script).code == 0)
        let pruned = try apus("image", "prune", "-af")
        #expect(pruned.code == 0 && pruned.err.contains("cannot be known"), "\(pruned)")
        #expect(try apus.must("images", "-q").split(separator: "\n").count == 2)
        #expect(try apus.shell("mv $APUS_ROOT/kept $APUS_ROOT/containers/\(id)/config.json").code == 0)
        #expect(try apus.must("start", "-a", id) == "")
    }

    @Test func everythingThatNothingNeedsGoes() throws {
        try build("app", "RUN echo one > /one\nLABEL a=b\n")
        try apus.must("create", "--name", "idle", "-v", "/data", "app", "true")
        try apus.must("run", "-d", "--name", "live", "--network", "none", "busybox", "sleep", "600")
        #expect(
            try rows() == [
                "Images|2|2", "Containers|2|1", "Local Volumes|1|1", "Build Cache|1|0",
            ] + [try rows().last ?? ""])
        #expect(
            try apus("container", "prune", "-f", "--filter", "label=no").out == "Total reclaimed space: 0B\n")
        #expect(try apus("image", "prune", "-af").out == "Total reclaimed space: 0B\n")
        let script = "find \"$APUS_ROOT\" | sort | sha256sum"
        let before = try apus.shell(script).text
        let dry = try apus("system", "prune", "-a", "--volumes", "--dry-run")
        #expect(
            try apus.shell(script).text == before && dry.out.contains("Would delete containers:\n"), "\(dry)")
        let pruned = try apus("system", "prune", "-a", "--volumes", "-f")
        #expect(pruned.code == 0 && pruned.out.contains("untagged: app:latest\n"), "\(pruned)")
        // What was said before is what was done, with each byte once.
        let said = dry.out.replacing("Would delete ", with: "Deleted ")
            .replacing("reclaimable", with: "reclaimed")
        #expect(said.lowercased() == pruned.out.lowercased(), "\(dry)\n\(pruned)")
        for kind in ["Containers", "Volumes", "Images", "build cache objects"] {
            #expect(pruned.out.contains("Deleted \(kind):\n"), "\(pruned)")
        }
        #expect(
            try rows().dropLast() == ["Images|1|1", "Containers|1|1", "Local Volumes|0|0", "Build Cache|0|0"])
        #expect(try apus.must("exec", "live", "echo", "still") == "still")
        #expect(try apus("system", "check").code == 0)
    }

    @Test func whatNothingLeadsToIsShownAndRemoved() throws {
        let garbage = """
            cd "$APUS_ROOT"; name=$(printf 'a%.0s' $(seq 64)); head -c 5000 /dev/zero > blobs/sha256/$name
            mkdir -p layers/$name/tree; head -c 3000 /dev/zero > layers/$name/tree/file
            mkdir -p downloads; head -c 2000 /dev/zero > downloads/$name
            """
        #expect(try apus.shell(garbage).code == 0)
        let other = try apus.must("system", "df", "--format", "{{.Type}} {{.Reclaimable}}").split(
            separator: "\n"
        ).last
        #expect(other?.hasPrefix("Other 10kB (") == true, "\(String(describing: other))")
        #expect(try apus("image", "prune", "-f").out.hasSuffix("Total reclaimed space: 8kB\n"))
        #expect(try apus("system", "prune", "-f").out == "Total reclaimed space: 2kB\n")
        #expect(try apus.must("run", "--rm", "--network", "none", "busybox", "echo", "yes") == "yes")
    }

    @Test func everyByteIsExplained() throws {
        try build(
            "app", "RUN echo one > /one; ln /one /two; head -c 100000 /dev/zero > /three\nRUN rm /three\n")
        try apus.must(
            "run", "--name", "idle", "--network", "none", "-v", "data:/data", "app", "sh", "-c",
            "echo x > /x; echo y > /data/y")
        let script =
            "\(Host.bin)/apus system df -v; find \"$APUS_ROOT\" -type f -printf '%D:%i %s\\n' | sort -u | awk '{n += $2} END {print n}'"
        let outcome = try apus.shell(script)
        #expect(outcome.code == 0 && outcome.out.contains("Local Volumes space usage:"), "\(outcome)")
        // Exactly the same is shown by the unit test of Usage; here the sums agree to the shown digits.
        let shown = try apus.must("system", "df", "--format", "{{.Size}}").split(separator: "\n").compactMap(
            bytes)
        let real = Double(outcome.lines.last ?? "") ?? 0
        #expect(abs(shown.reduce(0, +) - real) / real < 0.002, "\(shown) \(real)")
    }

    private func bytes(_ text: Substring) -> Double? {
        for (unit, factor) in [("MB", 1e6), ("kB", 1e3), ("B", 1.0)] where text.hasSuffix(unit) {
            return Double(text.dropLast(unit.count)).map { $0 * factor }
        }
        return nil
    }

    @Test func theBuildCacheGoes() throws {
        try build("app", "RUN echo one > /one\nRUN echo two > /two\n")
        try apus.must("rmi", "app")
        let first = try apus("builder", "prune", "-f")
        #expect(first.out.hasPrefix("Deleted build cache objects:\n"), "\(first)")
        #expect(try apus("builder", "prune", "-af").out == "Total reclaimed space: 0B\n")
        try build("app", "RUN echo one > /one\nRUN echo two > /two\n")
        #expect(try apus.must("run", "--rm", "--network", "none", "app", "cat", "/one", "/two") == "one\ntwo")
    }

    @Test func damageIsToldAndRepaired() throws {
        try build("app", "RUN echo one > /one\n")
        #expect(try apus("system", "check").code == 0)
        let script = """
            for file in "$APUS_ROOT"/layers/*/tree/one; do
                touch -r $file /tmp/time.$$; echo two > $file; touch -r /tmp/time.$$ $file; rm /tmp/time.$$
            done
            """
        #expect(try apus.shell(script).code == 0)
        let told = try apus("system", "check")
        #expect(
            told.code == 1 && told.out.contains("\"one\": another content (app:latest): try --repair"),
            "\(told)")
        let repaired = try apus("system", "check", "--repair")
        #expect(repaired.code == 0 && repaired.out.contains("unpacked again"), "\(repaired)")
        #expect(try apus("system", "check").code == 0)
        #expect(try apus.must("run", "--rm", "--network", "none", "app", "cat", "/one") == "one")
    }

    /// It is made when the layer is unpacked, and has the time that the archive gives it.
    @Test func theTimeOfAWhiteoutIsNoDamage() throws {
        try apus.must("load", "-i", Host.fixture("archives/layered.tar"))
        let whiteouts = "find \"$APUS_ROOT\"/layers -type c -exec"
        let times = try apus.shell(whiteouts + " stat -c %Y {} +").lines.compactMap(Int.init)
        #expect(!times.isEmpty && times.allSatisfy { $0 == 1_700_000_000 }, "\(times)")
        #expect(try apus.shell(whiteouts + " touch {} +").code == 0)
        let checked = try apus("system", "check")
        #expect(checked.code == 0 && checked.out.contains("no damage"), "\(checked)")
    }

    @Test func damagedBlobsAreMadeAgainOrTold() throws {
        try build("app", "RUN echo one > /one\n")
        let last =
            "$(\(Host.bin)/apus image inspect -f '{{json .RootFS.Layers}}' %s | tr -d '[]\"' | tr , '\\n' | sed 's/sha256://' | tail -1)"
        // Made here: packing its tree gives it again.
        let own = last.replacing("%s", with: "app")
        #expect(try apus.shell("echo x >> \"$APUS_ROOT/blobs/sha256/\(own)\"").code == 0)
        #expect(try apus("system", "check").code == 1)
        let again = try apus("system", "check", "--repair")
        #expect(again.code == 0 && again.out.contains("made again of its layer"), "\(again)")
        // Not made here: only its source has it.
        let base = last.replacing("%s", with: "busybox")
        #expect(try apus.shell("echo x >> \"$APUS_ROOT/blobs/sha256/\(base)\"").code == 0)
        let told = try apus("system", "check", "--repair")
        #expect(
            told.code == 1 && told.out.contains("(app:latest, busybox:latest): pull or load it again"),
            "\(told)")
        #expect(
            try apus.must("images", "--format", "{{.Repository}}").split(separator: "\n").sorted() == [
                "app", "busybox",
            ])
        try apus.importBusybox()
        #expect(try apus("system", "check").code == 0)
    }

    @Test func anImageThatCannotBeReadIsRemovedByForce() throws {
        try build("app", "RUN echo one > /one\n")
        let id = try apus.must("images", "-q", "--no-trunc", "app").dropFirst(7)
        #expect(try apus.shell("echo x > \"$APUS_ROOT/blobs/sha256/\(id)\"").code == 0)
        let told = try apus("system", "check")
        #expect(told.code == 1 && told.out.contains("is damaged (app:latest)"), "\(told)")
        let pruned = try apus("image", "prune", "-f")
        #expect(
            pruned.out == "Total reclaimed space: 0B\n" && pruned.err.contains("system check"), "\(pruned)")
        #expect(try apus("rmi", "app").code == 1)
        #expect(try apus.must("rmi", "-f", "app") == "Untagged: app:latest")
        #expect(try apus.must("image", "prune", "-f").contains("Total reclaimed space: "))
        #expect(try apus("system", "check").code == 0)
        #expect(try apus.must("run", "--rm", "--network", "none", "busybox", "echo", "yes") == "yes")
    }
}
