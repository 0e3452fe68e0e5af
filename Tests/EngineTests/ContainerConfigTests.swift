import Engine
import Linux
import OCI
import Testing

// Not the one of the runtime-spec.
private typealias ContainerState = Engine.ContainerState

@Suite struct ContainerConfigTests {
    private let digest = Digest(hex: String(repeating: "ab", count: 32))

    private func image(_ change: (inout ImageConfig.Process) -> Void = { _ in }) -> ImageConfig {
        var image = ImageConfig(platform: Platform(architecture: "amd64"))
        image.process.entrypoint = ["/entry"]
        image.process.cmd = ["serve"]
        image.process.env = ["PATH=/image/bin", "A=image", "B=image"]
        image.process.labels = ["l": "image", "m": "image"]
        change(&image.process)
        return image
    }

    private func config(
        _ image: ImageConfig, _ change: (inout RunOptions) -> Void = { _ in }
    ) throws -> ContainerConfig {
        var options = RunOptions(image: "web")
        change(&options)
        return try ContainerConfig(
            id: String(repeating: "0f", count: 32), name: "bold_gould",
            created: Timestamp(seconds: 1_795_208_799, nanoseconds: 5), image: try #require(digest),
            config: image,
            options: options)
    }

    @Test func commandsAndEntrypointsAsDocker() throws {
        #expect(try config(image()).command == ["/entry", "serve"])
        #expect(try config(image()) { $0.command = ["x", "y"] }.command == ["/entry", "x", "y"])
        #expect(try config(image()) { $0.entrypoint = "/e" }.command == ["/e"])
        #expect(
            try config(image()) {
                $0.entrypoint = "/e"
                $0.command = ["x"]
            }.command == ["/e", "x"])
        #expect(
            try config(image()) {
                $0.entrypoint = ""
                $0.command = ["x"]
            }.command == ["x"])
        #expect(refusal { _ = try config(image()) { $0.entrypoint = "" } } == "no command specified")
    }

    @Test func theUsersVariablesComeFirstAndReplace() throws {
        let merged = try config(image()) { $0.env = ["B=mine", "C=1", "C=2", "A"] }
        #expect(merged.process.env == ["B=mine", "C=2", "A", "PATH=/image/bin"])
        #expect(merged.environment == ["PATH=/image/bin", "HOSTNAME=0f0f0f0f0f0f", "B=mine", "C=2"])
    }

    @Test func aTerminalSetsTERM() throws {
        let merged = try config(image { $0.env = [] }) { $0.terminal = true }
        #expect(
            merged.environment == [
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=0f0f0f0f0f0f",
                "TERM=xterm",
            ])
    }

    @Test func labelsUserDirectoryAndSignalAreTheUsersWhenGiven() throws {
        let merged = try config(image { ($0.user, $0.workingDir, $0.stopSignal) = ("u", "/w", "SIGINT") }) {
            $0.labels = ["l": "mine"]
            $0.workingDirectory = "/mine"
            $0.exposedPorts = ["80/tcp"]
        }
        #expect(merged.process.labels == ["l": "mine", "m": "image"])
        #expect(merged.process.user == "u")
        #expect(merged.process.workingDir == "/mine")
        #expect(merged.process.stopSignal == "SIGINT")
        #expect(merged.process.exposedPorts == ["80/tcp"])
    }

    @Test func comesBackFromItsDocument() throws {
        let mounts = [
            try MountOption(volume: "/a:/b", directory: "/"),
            try MountOption(mount: "target=/c,volume-nocopy", directory: "/"),
            try MountOption(tmpfs: "/d:size=1m"),
        ]
        let full = try config(image()) {
            $0.attach = [.stdin, .stdout, .stderr]
            ($0.openStdin, $0.terminal, $0.hostname, $0.stopTimeout) = (true, true, "hh", 3)
            $0.host.mounts = mounts
            $0.host.ulimits = [Ulimit(name: "nofile", soft: 1, hard: -1)]
            $0.host.network = .container("web")
            $0.host.seccomp = .profile("{\"a\": 1}")
            $0.host.noNewPrivileges = true
            ($0.host.limits.memory, $0.host.limits.pids) = (8 << 20, -1)
            $0.host.limits.cpusetCPUs = "0-1"
            ($0.host.oomScoreAdjustment, $0.host.ports, $0.host.removesItself) = (0, ["8080:80"], true)
            ($0.host.addedCapabilities, $0.host.extraHosts) = (["CAP_NET_ADMIN"], ["a:::1"])
        }
        let document = try JSON(parsing: full.json.bytes)
        #expect(try ContainerConfig(document) == full)
        #expect(document["HostConfig"]?["Binds"]?.strings == ["/a:/b"])
        #expect(document["HostConfig"]?["Tmpfs"]?["/d"]?.string == "size=1m")
        #expect(document["HostConfig"]?["Mounts"]?.array?.count == 1)
        #expect(document["Config"]?["Hostname"]?.string == "hh")
        let plain = try config(image())
        #expect(try ContainerConfig(JSON(parsing: plain.json.bytes)) == plain)
    }

    @Test func damagedDocumentsAreRefused() throws {
        let good = try config(image()).json
        for name in ["Id", "Name", "Created", "Image", "Config", "HostConfig", "Platform"] {
            let damaged = JSON.object((good.members ?? []).filter { $0.name != name })
            #expect(throws: JSONError.self) { try ContainerConfig(damaged) }
        }
    }
}

@Suite struct ContainerStateTests {
    @Test func comesBackFromItsDocument() throws {
        var state = ContainerState(phase: .running(pid: 7, startTime: 1234, bootID: "b"))
        state.startedAt = Timestamp(seconds: 9, nanoseconds: 1)
        var endpoint = EndpointFacts()
        (endpoint.network, endpoint.address) = ("bridge", "10.88.0.2")
        endpoint.ports = .object([.init("80/tcp", .array([]))])
        state.network.endpoints = [endpoint]
        for phase in [ContainerState.Phase.created, state.phase, .exited(code: 137), .exited(code: nil)] {
            state.phase = phase
            #expect(try ContainerState(JSON(parsing: state.json.bytes)) == state)
        }
    }

    @Test func aFailedStartKeepsItsCode() throws {
        let state = try ContainerState(JSON(parsing: #"{"Status":"created","ExitCode":127,"Error":"no sh"}"#))
        #expect(state.phase == .created && state.failedStartCode == 127)
        #expect(try ContainerState(state.json) == state)
    }

    @Test func readsWhatAMonitorWrites() throws {
        let text = """
            {"Status":"exited","Pid":0,"StartTime":5,"BootID":"x","ExitCode":null,"Error":"","OOMKilled":true,
            "StartedAt":"2026-11-20T21:06:39.5Z","FinishedAt":"","Network":{}}
            """
        let state = try ContainerState(JSON(parsing: Array(text.utf8)))
        #expect(state.phase == .exited(code: nil))
        #expect(state.oomKilled)
        #expect(state.finishedAt == nil)
    }

    @Test(arguments: [
        #"{"Status":"running","Pid":0,"StartTime":1,"BootID":"b"}"#, #"{"Status":"paused"}"#, "{}",
        #"{"Status":"running","Pid":99999999999,"StartTime":1,"BootID":"b"}"#,
        #"{"Status":"exited","ExitCode":1,"StartedAt":"yesterday"}"#,
    ])
    func refusesWhatIsNoState(text: String) {
        #expect(throws: JSONError.self) { try ContainerState(JSON(parsing: Array(text.utf8))) }
    }
}
