import Engine
import Linux
import OCI
import Testing

// Not the one of the runtime-spec.
private typealias ContainerState = Engine.ContainerState

@Suite struct ViewTests {
    private let now = Timestamp(seconds: 1_795_208_799)

    private func container(
        _ name: String, id: String = "0f", age: Int64 = 3, state: ContainerState = ContainerState(),
        change: (inout RunOptions) throws -> Void = { _ in }
    ) throws -> ContainerSummary {
        var image = ImageConfig(platform: Platform(architecture: "amd64"))
        image.process.cmd = ["sh", "-c", "sleep 1000000000"]
        var options = RunOptions(image: "busybox")
        try change(&options)
        let config = try ContainerConfig(
            id: String(repeating: id, count: 32), name: name, created: Timestamp(seconds: now.seconds - age),
            image: #require(Digest(hex: String(repeating: "ab", count: 32))), config: image, options: options)
        return ContainerSummary(config: config, state: state)
    }

    private func running(_ ports: JSON = .object([])) -> ContainerState {
        var state = ContainerState(phase: .running(pid: 5, startTime: 1, bootID: "b"))
        state.startedAt = Timestamp(seconds: now.seconds - 61)
        state.network.endpoints = [EndpointFacts()]
        state.network.endpoints[0].ports = ports
        return state
    }

    private func ports(_ bindings: KeyValuePairs<String, [(String, String)]>) -> JSON {
        .object(
            bindings.map { name, list in
                .init(
                    name,
                    .array(list.map { .fields(["HostIp": .string($0.0), "HostPort": .string($0.1)]) }))
            })
    }

    @Test func psLooksAsDockers() throws {
        let web = try container(
            "web", state: running(ports(["80/tcp": [("0.0.0.0", "8080"), ("::", "8080")]])))
        let text = try PsView.listing([web], now: now).render(format: nil)
        #expect(
            text == """
                CONTAINER ID   IMAGE     COMMAND                  CREATED         STATUS              PORTS                                     NAMES
                0f0f0f0f0f0f   busybox   "sh -c 'sleep 100000…"   3 seconds ago   Up About a minute   0.0.0.0:8080->80/tcp, [::]:8080->80/tcp   web

                """)
    }

    @Test func portsOfOneNumberAreRanges() throws {
        let state = running(
            ports([
                "8001/tcp": [("0.0.0.0", "8001")], "8000/tcp": [("0.0.0.0", "8000")], "443/tcp": [],
                "53/udp": [],
            ]))
        let text = try PsView.listing([container("w", state: state)], now: now).render(format: "{{.Ports}}")
        #expect(text == "53/udp, 443/tcp, 0.0.0.0:8000-8001->8000-8001/tcp\n")
    }

    @Test func formatsOfPs() throws {
        let one = try container("web") { $0.labels = ["a": "1", "b": ""] }
        let listing = PsView.listing([one], now: now)
        #expect(try listing.render(format: #"{{.Label "a"}}{{.Label "zz"}}|{{.Labels}}"#) == "1|a=1,b=\n")
        #expect(
            try listing.render(format: #"table {{.Names}}\t{{upper .Status}}|{{.Label "a"}}"#)
                == "NAMES     STATUS|a\nweb       CREATED|1\n")
        let json = try JSON(parsing: listing.render(format: "json"))
        #expect(
            json.members?.map(\.name) == [
                "Command", "CreatedAt", "ID", "Image", "Labels", "LocalVolumes", "Mounts", "Names",
                "Networks",
                "Platform", "Ports", "RunningFor", "Size", "State", "Status",
            ])
        let created = try #require(Timestamp(parsing: "2026-11-20T21:06:36Z"))
        #expect(json["CreatedAt"]?.string == Durations.absolute(created))
        #expect(refusal { _ = try listing.render(format: "{{.Nope}}") } != nil)
    }

    @Test func aTerminalIsNotToldWhatAnImageSays() throws {
        let one = try container("web") { $0.labels = ["a": "\u{1b}[2Jb"] }
        let listing = PsView.listing([one], now: now)
        #expect(try listing.render(format: "{{.Labels}}", escaping: true) == "a=\\u{1b}[2Jb\n")
        #expect(try listing.render(format: "{{.Labels}}") == "a=\u{1b}[2Jb\n")
    }

    @Test(arguments: [
        (["sh", "-c", "exit 3"], #""sh -c 'exit 3'""#), (["echo", #"a"b\"#], #""echo a\"b\\""#),
        (["a\u{1b}[2Jb\n"], #""a\x1b[2Jb\n""#), (["x y", "z"], #""x y z""#),
    ])
    func commandsAreQuotedAsDockers(command: [String], shown: String) throws {
        let one = try container("web") { $0.command = command }
        let listing = PsView.listing([one], now: now, truncates: false)
        #expect(try listing.render(format: "{{.Command}}") == shown + "\n")
    }

    @Test func sizesAreThoseOfTheLayerAndOfAll() throws {
        var one = try container("web")
        (one.size, one.wholeSize) = (12, 4_261_562)
        #expect(
            try PsView.listing([one], now: now).render(format: "{{.Size}}") == "12B (virtual 4.26MB)\n")
    }

    @Test func statusWords() throws {
        func status(_ phase: ContainerState.Phase) throws -> String {
            var state = ContainerState(phase: phase)
            state.finishedAt = Timestamp(seconds: now.seconds - 7200)
            return try container("w", state: state).status(now: now)
        }
        #expect(try status(.created) == "Created")
        #expect(try status(.exited(code: 137)) == "Exited (137) 2 hours ago")
        #expect(try status(.exited(code: nil)) == "Exited (unknown) 2 hours ago")
    }

    @Test(arguments: [
        (0.5, "Less than a second"), (1, "1 second"), (59, "59 seconds"), (60, "About a minute"),
        (120, "2 minutes"),
        (3599, "59 minutes"), (3600, "About an hour"), (86400, "24 hours"), (172_800, "2 days"),
        (1_209_600, "2 weeks"), (5_184_000, "2 months"), (63_072_000, "2 years"), (-5, "Less than a second"),
    ])
    func durationsInDockersWords(seconds: Double, text: String) { #expect(Durations.human(seconds) == text) }

    @Test func readsMomentsAndDurations() throws {
        #expect(Durations.parse("1h30m") == 5400)
        #expect(Durations.parse("-1.5s") == -1.5)
        #expect(Durations.parse("5") == nil)
        #expect(try Durations.moment("10s", now: now) == Timestamp(seconds: now.seconds - 10))
        #expect(
            try Durations.moment("500ms", now: now)
                == Timestamp(seconds: now.seconds - 1, nanoseconds: 500_000_000))
        #expect(
            try Durations.moment("1795208799.5", now: now)
                == Timestamp(seconds: now.seconds, nanoseconds: 500_000_000))
        #expect(try Durations.moment("2026-11-20T21:06:39", now: now) == now)
        #expect(try Durations.moment("2026-11-20", now: now).clock == "00:00:00")
        for bad in ["", "abc", "99999999999999999999", "1.x", "."] {
            #expect(refusal { _ = try Durations.moment(bad, now: now) } != nil)
        }
    }

    @Test func filtersAsDocker() throws {
        let old = try container("old", id: "aa", age: 100) { $0.labels = ["k": "v"] }
        let web = try container(
            "web", id: "bb", age: 50, state: running(ports(["80/tcp": [("0.0.0.0", "8080")]])))
        let end = try container("end", id: "cc", age: 10, state: ContainerState(phase: .exited(code: 3))) {
            ($0.labels, $0.image) = (["k": "w", "l": ""], "other:1")
        }
        func names(_ filters: String...) throws -> [String] {
            var all = ContainerFilters()
            for filter in filters { try all.add(filter) }
            return try all.apply([end, web, old]).map(\.config.name)
        }
        #expect(try names() == ["end", "web", "old"])
        #expect(try names("name=e") == ["end", "web"])
        #expect(try names("name=^/web$") == ["web"])
        #expect(try names("id=^aa") == ["old"])
        #expect(try names("label=k") == ["end", "old"])
        #expect(try names("label=k=v", "label=k") == ["old"])
        #expect(try names("status=exited", "status=created") == ["end", "old"])
        #expect(try names("exited=3") == ["end"])
        #expect(try names("ancestor=busybox:latest") == ["web", "old"])
        #expect(try names("ancestor=abababababab") == ["end", "web", "old"])
        #expect(try names("before=web") == ["old"])
        #expect(try names("since=web") == ["end"])
        #expect(try names("publish=8000-8090") == ["web"])
        #expect(try names("publish=80/udp") == [])
        #expect(try names("network=bridge", "health=none").count == 3)
        for (bad, why) in [
            ("foo", "bad format of filter (expected name=value)"), ("foo=1", "invalid filter 'foo'"),
            ("status=up", "invalid filter 'status=up'"), ("name=(", "invalid filter 'name=('"),
            ("before=zz", "No such container: zz"),
        ] {
            #expect(refusal { _ = try names(bad) } == why)
        }
    }

    @Test func imagesLookAsDockers() throws {
        let id = try #require(Digest(hex: String(repeating: "ab", count: 32)))
        let images = [
            ImageSummary(
                id: id, reference: try Reference("busybox"), digest: nil,
                created: Timestamp(seconds: now.seconds - 172_800), size: 4_261_550),
            ImageSummary(id: id, reference: nil, digest: nil, created: nil, size: 0),
        ]
        #expect(
            try ImagesView.listing(images, now: now).render(format: nil) == """
                REPOSITORY   TAG       IMAGE ID       CREATED      SIZE
                busybox      latest    abababababab   2 days ago   4.26MB
                <none>       <none>    abababababab   N/A          0B

                """)
    }

    @Test func theTreeShowsNamesAndPlatform() throws {
        let id = try #require(Digest(hex: String(repeating: "ab", count: 32)))
        let host = Platform(os: "linux", architecture: "arm64", variant: "v8")
        var image = ImageTree(
            id: id, names: [try Reference("busybox"), try Reference("busybox:1")], platform: host,
            size: 4_261_550, contentSize: 2_000_000, isUsed: true)
        var shown = try ImagesView.tree([image]).render(format: nil)
        #expect(
            shown == """
                IMAGE               ID             DISK USAGE   CONTENT SIZE   IN USE
                busybox:latest      abababababab   4.26MB       2MB            U
                busybox:1                                                      
                └─ linux/arm64/v8   abababababab   4.26MB       2MB            U

                """)
        (image.names, image.isUsed) = ([], false)
        shown = try ImagesView.tree([image]).render(format: nil)
        #expect(shown.contains("\n<untagged> ") && !shown.contains("U\n"), "\(shown)")
    }

    @Test func inspectHasDockersShape() throws {
        let web = try container("web", state: running(ports(["80/tcp": [("0.0.0.0", "8080")]]))) {
            $0.host.mounts = [
                try MountOption(volume: "/a:/b", directory: "/")
            ]
            $0.host.ports = ["8081:80"]
        }
        let json = InspectView.container(
            web, directory: "/d", layers: ["/u", "/l2", "/l1"],
            volumes: ["/v": (name: "data", source: "/vol/data")])
        func show(_ template: String) throws -> String { try Template(template).render(json) }
        #expect(try show("{{.State.Status}} {{.State.Running}} {{.State.Pid}}") == "running true 5")
        #expect(try show(#"{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}"#) == "8080")
        #expect(try show("{{.Path}} {{.Args}} {{.Config.Image}}") == "sh [-c sleep 1000000000] busybox")
        #expect(
            try show("{{range .Mounts}}{{.Source}}:{{.Destination}}:{{.RW}}{{end}}")
                == "/a:/b:true/vol/data:/v:true")
        #expect(try show(#"{{(index (index .HostConfig.PortBindings "80/tcp") 0).HostPort}}"#) == "8081")
        #expect(
            try show("{{.GraphDriver.Data.LowerDir}} {{.Name}} {{.HostConfig.NetworkMode}}")
                == "/l2:/l1 /web bridge")
        #expect(try show("{{.State.FinishedAt}}") == "0001-01-01T00:00:00Z")
        #expect(try show("{{.NetworkSettings.Networks.bridge.IPPrefixLen}}") == "0")
    }

    @Test(arguments: [
        ("{{.State.Health}}|{{if .State.Health}}x{{end}}|{{json .State.Health}}", "<nil>||null"),
        ("{{.HostConfig.Devices}}{{.HostConfig.VolumesFrom}}{{.HostConfig.Init}}", "[][]<nil>"),
        ("{{.HostConfig.CapAdd}} {{json .HostConfig.CapAdd}}", "[] null"),
        ("{{.Config.StopSignal}}|{{.Config.Healthcheck}}|{{.Config.OnBuild}}", "|<nil>|[]"),
        ("{{.Config.Volumes}}{{range .Config.Volumes}}x{{end}} {{.Config.Entrypoint}}", "map[] []"),
        ("{{with .HostConfig}}{{.Sysctls}}{{end}}", "map[]"),
        (
            "{{.HostConfig.PortBindings}} {{.HostConfig.RestartPolicy}}",
            "map[80/tcp:[{127.0.0.1 8081}]] {no 0}"
        ),
        ("{{index .HostConfig.ReadonlyPaths 0}} {{len .HostConfig.MaskedPaths}}", "/proc/bus 14"),
        ("{{.HostConfig.CgroupParent}}{{.HostConfig.UsernsMode}}{{.HostConfig.ContainerIDFile}}|", "|"),
        ("{{.GraphDriver.Data.MergedDir}} {{.GraphDriver.Data.WorkDir}}", "/proc/5/root /d/work"),
        ("{{range .Mounts}}{{.Mode}}:{{.RW}} {{end}}", "ro:false z:true "),
    ])
    func templatesKnowAllOfDockersMembers(template: String, expected: String) throws {
        let web = try container("web", state: running()) {
            $0.host.mounts = [
                try MountOption(volume: "/a:/b:ro", directory: "/"),
                try MountOption(volume: "data:/v", directory: "/"),
            ]
            $0.host.ports = ["127.0.0.1:8081:80"]
        }
        let json = InspectView.container(
            web, directory: "/d", layers: ["/u", "/l1"], volumes: ["/v": (name: "data", source: "/vol/data")])
        #expect(try Template(template).render(json, zeros: InspectView.zeros) == expected)
        #expect(refusal { _ = try Template("{{.State.Nope}}").render(json, zeros: InspectView.zeros) } != nil)
    }

    @Test func inspectOfAnImage() throws {
        var config = ImageConfig(platform: Platform(architecture: "amd64"))
        config.process.cmd = ["sh"]
        let id = try #require(Digest(hex: String(repeating: "ab", count: 32)))
        let json = InspectView.image(id: id, config: config, tags: ["busybox:latest"], size: 5)
        #expect(
            try Template("{{.RepoTags}} {{.Config.Cmd}} {{.Os}}/{{.Architecture}} {{.Size}}").render(json)
                == "[busybox:latest] [sh] linux/amd64 5")
        let ports = "{{.Config.ExposedPorts}} {{.Config.Volumes}} {{.RepoDigests}}"
        #expect(try Template(ports).render(json, zeros: InspectView.zeros) == "map[] map[] []")
    }

    @Test func membersOfSetsAreStructs() throws {
        var config = ImageConfig(platform: Platform(architecture: "amd64"))
        config.process.exposedPorts = ["80/tcp", "443/tcp"]
        config.process.volumes = ["/data"]
        let id = try #require(Digest(hex: String(repeating: "ab", count: 32)))
        let json = InspectView.image(id: id, config: config, tags: [], size: 5)
        #expect(
            try Template("{{.Config.ExposedPorts}} {{.Config.Volumes}}").render(json)
                == "map[443/tcp:{} 80/tcp:{}] map[/data:{}]")
        #expect(
            try Template("{{.}}").render(.fields(["a": .object([]), "b": .int(1)])) == "map[a:map[] b:1]")
    }

    @Test func directoriesOfAnImage() throws {
        let id = try #require(Digest(hex: String(repeating: "ab", count: 32)))
        func data(_ layers: [String]) -> JSON? {
            let config = ImageConfig(platform: Platform(architecture: "amd64"))
            return InspectView.image(id: id, config: config, tags: [], size: 5, layers: layers)[
                "GraphDriver"]?["Data"]
        }
        #expect(data([]) == nil)
        #expect(
            data(["/l/a/tree"])
                == .fields([
                    "MergedDir": .string("/l/a/merged"), "UpperDir": .string("/l/a/tree"),
                    "WorkDir": .string("/l/a/work"),
                ]))
        #expect(data(["/l/a/tree", "/l/b/tree", "/l/c/tree"])?["LowerDir"] == .string("/l/b/tree:/l/a/tree"))
    }

    @Test func sizesOfAContainerAreShownWhereMeasured() throws {
        var one = try container("web")
        #expect(InspectView.container(one, directory: "/d")["SizeRw"] == nil)
        (one.size, one.wholeSize) = (5, 12)
        let json = InspectView.container(one, directory: "/d")
        #expect(json["SizeRw"] == .int(5) && json["SizeRootFs"] == .int(12))
    }

    @Test(arguments: [
        (LocalZone.utc, "2026-11-20 21:06:36 +0000 UTC", "2026-11-20T21:06:36Z"),
        (LocalZone(offset: 32400, name: "JST"), "2026-11-21 06:06:36 +0900 JST", "2026-11-21T06:06:36+09:00"),
        (
            LocalZone(offset: -12600, name: "-0330"), "2026-11-20 17:36:36 -0330 -0330",
            "2026-11-20T17:36:36-03:30"
        ),
    ])
    func timesInAZone(zone: LocalZone, absolute: String, rfc3339: String) throws {
        let time = try #require(Timestamp(parsing: "2026-11-20T21:06:36.5Z"))
        #expect(Durations.absolute(time, in: zone) == absolute)
        #expect(Durations.rfc3339(time, in: zone) == rfc3339)
    }
}
