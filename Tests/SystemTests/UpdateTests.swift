import Support
import Testing

/// `rename` and `update`, as far as they need no controllers.
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class UpdateTests {
    let apus: Engine
    init() throws { apus = try Engine(withBusybox: true) }
    deinit { apus.tearDown() }

    private func names() throws -> [String] {
        try apus("ps", "-a", "--format", "{{.Names}}").lines.sorted()
    }

    private func start(_ name: String, _ flags: String...) throws {
        let words =
            ["run", "-d", "--name", name, "--network", "none"] + flags + ["busybox", "sleep", "1000"]
        let outcome = try apus.apus(words)
        #expect(outcome.code == 0, "\(outcome)")
    }

    @Test func aNewNameIsTheOnlyOne() throws {
        try start("old")
        let id = try apus.must("inspect", "-f", "{{.Id}}", "old")
        let silent = try apus("rename", "old", "new")
        #expect(silent.code == 0 && silent.out.isEmpty && silent.err.isEmpty, "\(silent)")
        #expect(try apus.must("inspect", "-f", "{{.Id}} {{.Name}}", "new") == "\(id) /new")
        try apus.expectRefusal("port", "old", code: 1, mentions: ["No such container: old"])
        // The old one is free, and whoever has it keeps it when the renamed one goes.
        try start("old")
        try apus.must("rm", "-f", "new")
        #expect(try names() == ["old"])
        try apus.must("rename", "old", "/slash")
        #expect(try names() == ["slash"])
    }

    @Test func whatRemovesItselfTakesItsNewNameAlong() throws {
        try start("old", "--rm")
        try apus.must("rename", "old", "new")
        try start("old")
        try apus.must("stop", "-t", "0", "new")
        try expectSoon { try self.names() == ["old"] }
        #expect(try apus.must("inspect", "-f", "{{.State.Running}}", "old") == "true")
        try start("new")
        // A monitor that was killed in between does not bring the name before back.
        try start("third", "--rm")
        try apus.must("rename", "third", "fourth")
        let monitor = try apus.shell(
            "ps -eo pid,args | awk '/runtime monitor/ && !/awk/ {print $1}' | tail -1"
        ).text
        try apus.shell("kill -9 \(monitor)")
        try apus.must("kill", "fourth")
        try expectSoon { try self.names() == ["new", "old"] }
    }

    @Test func aNameThatCannotBeIsRefused() throws {
        try start("one")
        try start("two")
        let id = try apus.must("inspect", "-f", "{{.Id}}", "two")
        try apus.expectRefusal(
            "rename", "one", "two", code: 1,
            mentions: [
                "Error when allocating new name: Conflict. The container name \"/two\" is already in use by container \"\(id)\"."
            ])
        try apus.expectRefusal(
            "rename", "one", "one", code: 1,
            mentions: ["Renaming a container with the same name as its current name"])
        try apus.expectRefusal(
            "rename", "one", "a/b", code: 1,
            mentions: ["Error when allocating new name: Invalid container name (a/b)"])
        try apus.expectRefusal("rename", "nobody", "some", code: 1, mentions: ["No such container: nobody"])
        #expect(try names() == ["one", "two"])
    }

    /// Whoever renames at the same time: each container has one name in the end, each name one container.
    @Test func namesAreNeverSharedOrLost() throws {
        for name in ["aa", "bb", "cc"] { try apus.must("create", "--name", name, "busybox", "true") }
        let engine = "\(Host.bin)/apus"
        try apus.shell(
            """
            for n in aa bb cc; do
                for t in xx yy zz xx yy zz; do \(engine) rename $n $t && n=$t; done >/dev/null 2>&1 &
            done; wait
            """, timeout: 60)
        let left = try names()
        #expect(left.count == 3 && Set(left).count == 3, "\(left)")
        #expect(try apus.shell("ls $APUS_ROOT/names").lines.sorted() == left)
        for name in left { #expect(try apus("inspect", name).code == 0) }
    }

    @Test func anUpdateOfWhatDoesNotRunIsWrittenDown() throws {
        try apus.must("create", "--name", "box", "-m", "64m", "busybox", "true")
        #expect(try apus.must("update", "-m", "32m", "--cpu-shares", "256", "box") == "box")
        #expect(
            try apus.must(
                "inspect", "-f",
                "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.CpuShares}}", "box")
                == "33554432 134217728 256")
        for (flags, words) in [
            (["-m", "1m"], "Minimum memory limit allowed is 6MB"),
            (["-m", "1g"], "Memory limit should be smaller than already set memoryswap limit"),
            (["--cpus", "1000"], "range of CPUs is from 0.01"), (["-m", "many"], "invalid"),
            ([], "you must provide one or more flags"),
        ] {
            let outcome = try apus.apus(["update"] + flags + ["box"])
            #expect(outcome.code != 0 && outcome.err.contains(words), "\(outcome)")
        }
        try apus.must("update", "--cpu-quota", "50000", "box")
        try apus.expectRefusal(
            "update", "--cpus", "0.5", "box", code: 1,
            mentions: ["Nano CPUs cannot be updated as CPU Quota has already been set"])
    }
}
