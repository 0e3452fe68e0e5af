import Engine
import Testing

@testable import apus

@Suite struct RunFlagsTests {
    private let client = Client(environment: ["HOME": "/root"], directory: "/work") { path in
        guard path == "file" else { throw UsageError("open \(path): no such file or directory") }
        return Array("A=file\nHOME\n".utf8)
    }

    private func options(_ words: String...) throws -> RunOptions {
        let arguments = try Arguments(
            parsing: words, flags: RunFlags.common + RunFlags.run, stopsAtWord: true)
        return try RunOptions(arguments, client: client)
    }

    @Test func nothingTypedIsTheDefault() throws {
        let plain = try options("busybox", "ls", "-l")
        var expected = RunOptions(image: "busybox")
        expected.command = ["ls", "-l"]
        #expect(plain == expected)
    }

    @Test func everyPartOfAnInteractiveRun() throws {
        let options = try options(
            "-it", "--rm", "--name", "web", "-eB=2", "--env-file=file", "-e", "GONE", "-p", "8080:80", "-v",
            "./d:/d:ro",
            "-w", "/w", "-u1000", "-m64m", "--cpus=1.5", "--cap-add=net_admin", "--ulimit", "nofile=5:7",
            "-l", "a=b",
            "--network", "none", "--tmpfs", "/t", "--expose", "80-81", "--stop-signal=INT",
            "--stop-timeout=-1", "image")
        #expect(options.terminal && options.openStdin && options.host.removesItself)
        #expect(options.attach == [.stdin, .stdout, .stderr])
        #expect(options.env == ["A=file", "HOME=/root", "B=2", "GONE"])
        #expect(options.host.ports == ["8080:80"])
        #expect(options.host.mounts.map(\.target) == ["/d", "/t"])
        #expect(try options.host.mounts[0] == MountOption(volume: "/work/./d:/d:ro", directory: "/"))
        #expect(options.host.limits.memory == 64 << 20)
        #expect(options.host.limits.nanoCPUs == 1_500_000_000)
        #expect(options.host.addedCapabilities == ["CAP_NET_ADMIN"])
        #expect(options.exposedPorts == ["80/tcp", "81/tcp"])
        #expect(options.host.network == .none)
        #expect(options.stopTimeout == -1)
        #expect(options.labels == ["a": "b"])
    }

    @Test func dockersRefusals() {
        let table: [([String], String?)] = [
            (["--memory", "1m"], "Minimum memory limit allowed is 6MB"),
            (["-w", "rel"], "the working directory 'rel' is invalid, it needs to be an absolute path"),
            (["--stop-signal", "FOO"], "Invalid signal: FOO"),
            (
                ["--pull", "foo"],
                "invalid pull option: 'foo': must be one of \"always\", \"missing\" or \"never\""
            ),
            (["--network", ""], "no name set for network"),
            (["--env-file", "nope"], "open nope: no such file or directory"),
            (["--expose", "1:2"], "invalid port format for --expose: 1:2"),
            (["--oom-score-adj", "5000"], "Invalid value 5000, range for oom score adj is [-1000, 1000]"),
            (
                ["-e", ""],
                "invalid argument \"\" for \"-e, --env\" flag: invalid environment variable: "
            ),
            (
                ["--attach", "foo"],
                "invalid argument \"foo\" for \"-a, --attach\" flag: valid streams are STDIN, STDOUT and STDERR"
            ),
            (
                ["--stop-timeout", "abc"],
                "invalid argument \"abc\" for \"--stop-timeout\" flag: strconv.ParseInt: parsing \"abc\": invalid syntax"
            ),
            (
                ["--ulimit", "nofile=5:3"],
                "invalid argument \"nofile=5:3\" for \"--ulimit\" flag: ulimit soft limit must be less than or equal "
                    + "to hard limit: 5 > 3"
            ),
            (["--security-opt", "foo"], "Invalid --security-opt: \"foo\""),
            (["--log-opt", "foo=1"], "unknown log opt 'foo' for json-file log driver"),
            (["--restart", "no", "--no-healthcheck"], nil),
        ]
        for (words, why) in table {
            let arguments = words + ["x"]
            let text: String?
            do {
                let parsed = try Arguments(
                    parsing: arguments, flags: RunFlags.common + RunFlags.run, stopsAtWord: true)
                try RunOptions(parsed, client: client).validate(processors: 2)
                text = nil
            } catch { text = "\(error)" }
            #expect(text == why, "\(words)")
        }
    }
}
