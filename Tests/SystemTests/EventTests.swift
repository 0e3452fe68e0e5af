import Glibc
import Support
import Testing

/// `events`, as others follow them.
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class EventTests {
    let apus: Engine
    init() throws { apus = try Engine(withBusybox: true) }
    deinit { apus.tearDown() }

    /// What has happened until now, of containers where nothing else is said.
    private func past(_ flags: String..., format: String = "{{.Action}}") throws -> [String] {
        let words = ["events", "--since", "1h", "--until", "0s", "--format", format]
        return try apus.apus(words + (flags.isEmpty ? ["--filter", "type=container"] : flags)).lines
    }

    @Test func aLifeIsToldInItsOrder() throws {
        let run = try apus(
            "run", "--name", "box", "--network", "none", "--label", "tier=web", "busybox", "sh", "-c",
            "exit 3")
        #expect(run.code == 3)
        try apus.must("start", "box")
        try apus.must("wait", "box")
        try apus.must("rename", "box", "other")
        try apus.must("rm", "other")
        #expect(
            try past() == ["create", "attach", "start", "die", "start", "die", "rename", "destroy"])
        let format =
            "{{.Actor.Attributes.exitCode}} {{.Actor.Attributes.name}} {{.Actor.Attributes.tier}} {{.From}}"
        #expect(
            try past("--filter", "event=die", format: format)
                == Array(repeating: "3 box web busybox", count: 2))
        #expect(try past("--filter", "event=rename", format: "{{.Actor.Attributes.oldName}}") == ["/box"])
    }

    @Test func endsThatCommandsBringAreTold() throws {
        try apus.must("run", "-d", "--rm", "--name", "box", "--network", "none", "busybox", "sleep", "100")
        try apus.must("pause", "box")
        try apus.must("unpause", "box")
        try apus.must("exec", "box", "true")
        try apus.must("restart", "-t", "0", "box")
        try apus.must("stop", "-t", "0", "box")
        try expectSoon { try self.past("--filter", "event=destroy").count == 1 }
        let actions = try past()
        #expect(
            actions.filter { $0 != "kill" } == [
                "create", "start", "pause", "unpause", "exec_create: true", "exec_start: true", "exec_die",
                "die", "start", "restart", "die", "destroy", "stop",
            ] || actions.last == "destroy", "\(actions)")
        #expect(actions.contains("kill"))
    }

    @Test func whoeverFollowsHearsAtOnce() throws {
        let follower = try apus.start("events", "--filter", "container=box", "--format", "json")
        // It listens as soon as it says what we do.
        try expectSoon {
            try self.apus.must("run", "--rm", "--name", "box", "--network", "none", "busybox", "true")
            return follower.output.contains("\"destroy\"")
        }
        kill(follower.pid, SIGTERM)
        _ = follower.finish(timeout: 10)
        let first = try #require(follower.output.split(separator: "\n").first)
        for part in [#""Type":"container""#, #""scope":"local""#, #""timeNano":"#, #""from":"busybox""#] {
            #expect(first.contains(part), "\(first)")
        }
    }

    @Test func volumesAndNetworksAreTold() throws {
        try apus.must("network", "create", "blue")
        try apus.must("volume", "create", "data")
        try apus.must(
            "run", "--name", "box", "--network", "blue", "-v", "data:/d", "-v", "data:/e:ro", "busybox",
            "true")
        try apus.must("start", "box")
        try apus.must("wait", "box")
        let volumes = ["events", "--since", "1h", "--until", "0s", "--filter", "volume=data"]
        try expectSoon { try apus.apus(volumes).lines.count == 9 }
        #expect(
            try past("--filter", "volume=data", format: "{{.Action}} {{.Actor.Attributes.driver}}")
                == ["create local"]
                + Array(
                    repeating: ["mount local", "mount local", "unmount local", "unmount local"], count: 2
                ).flatMap(\.self))
        let facts = "{{.Actor.Attributes.destination}} {{index .Actor.Attributes \"read/write\"}}"
        let mounts = try past("--filter", "volume=data", "--filter", "event=mount", format: facts)
        #expect(mounts == ["/d true", "/e false", "/d true", "/e false"])
        let order = try past(
            "--filter", "event=start", "--filter", "event=mount", "--filter", "event=connect")
        #expect(
            order == Array(repeating: ["connect", "mount", "mount", "start"], count: 2).flatMap(\.self))
        let ends = try past(
            "--filter", "event=die", "--filter", "event=unmount", "--filter", "event=disconnect")
        #expect(
            ends == Array(repeating: ["die", "disconnect", "unmount", "unmount"], count: 2).flatMap(\.self))
        let id = try apus.must("inspect", "-f", "{{.Id}}", "box")
        let of = try past(
            "--filter", "network=blue", "--filter", "event=connect", format: "{{.Actor.Attributes.container}}"
        )
        #expect(of == [id, id])
        // A start that fails has mounted nothing.
        try apus.must("create", "--name", "bad", "-v", "other:/o", "busybox", "nosuch")
        #expect(try apus("start", "bad").code != 0)
        #expect(try past("--filter", "volume=other", "--filter", "event=mount").isEmpty)
        #expect(try past("--filter", "volume=other", "--filter", "event=unmount").isEmpty)
    }

    @Test func filtersChoose() throws {
        for name in ["one", "two"] {
            try apus.must(
                "run", "--name", name, "--network", "none", "--label", "n=\(name)", "busybox", "true")
        }
        let name = "{{.Actor.Attributes.name}}"
        #expect(Set(try past("--filter", "container=one", format: name)) == ["one"])
        #expect(Set(try past("--filter", "label=n=two", format: name)) == ["two"])
        #expect(try past("--filter", "event=create", "--filter", "event=die").count == 4)
        #expect(try past("--filter", "image=busybox", "--filter", "event=create").count == 2)
        #expect(try past("--filter", "type=image") == ["import"])
        let line =
            try apus("events", "--since", "1h", "--until", "0s", "--filter", "event=create").lines.first ?? ""
        #expect(
            line.contains(" container create ") && line.hasSuffix("(image=busybox, n=one, name=one)"),
            "\(line)")
        try apus.expectRefusal("events", "--filter", "nosuch=1", code: 1, mentions: ["invalid filter"])
        try apus.expectRefusal("events", "--since", "yesterday", code: 1, mentions: ["yesterday"])
        try apus.expectRefusal("events", "--format", "{{.", code: 1, mentions: ["template parsing error"])
    }

    /// Many at once, and files that are full: no line is lost, none is cut.
    @Test func manyWritersAndFullFilesLoseNothing() throws {
        let label = "text=" + String(repeating: "x", count: 40_000)
        try apus.must("create", "--name", "box", "--network", "none", "--label", label, "busybox", "true")
        let follower = try apus.start(
            "events", "--filter", "event=rename", "--format", "{{.Actor.Attributes.name}}")
        let engine = "\(Host.bin)/apus"
        try expectSoon {
            try self.apus.shell("\(engine) rename box first && \(engine) rename first box")
            return follower.output.contains("first")
        }
        try apus.shell(
            """
            for n in 1 2 3; do (\(engine) create --name c$n --network none --label \(label) busybox true >/dev/null; o=c$n
                for i in $(seq 40); do \(engine) rename $o c$n-$i && o=c$n-$i; done) & done; wait
            """, timeout: 60)
        let wanted = Set((1...3).flatMap { n in (1...40).map { "c\(n)-\($0)" } })
        try expectSoon { wanted.isSubset(of: follower.output.split(separator: "\n").map(String.init)) }
        kill(follower.pid, SIGTERM)
        _ = follower.finish(timeout: 10)
        #expect(try apus.shell("ls $APUS_RUN | grep -c ^events").text == "2")
    }
}
