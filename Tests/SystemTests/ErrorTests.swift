import Support
import Testing

/// What a user reads when a command cannot be executed: the cause, not only the kernel's word for it.
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class ErrorTests {
    let apus: Engine
    init() throws { apus = try Engine(withBusybox: true) }
    deinit { apus.tearDown() }

    /// An image of the busybox root, changed by a script.
    private func image(_ script: String) throws {
        try apus.must("run", "--name", "made", "--network", "none", "busybox", "sh", "-c", script)
        try apus.must("commit", "made", "changed")
        try apus.must("rm", "made")
    }

    private func expectFailure(_ code: Int32, _ part: String, _ words: String...) throws {
        let run = try apus.apus(["run", "--rm", "--network", "none"] + words)
        #expect(run.code == code && run.err.contains(part) && run.errorLines.count == 1, "\(words): \(run)")
    }

    @Test func theFirstDirectoryThatDeniesIsNamed() throws {
        try image(
            """
            mkdir -p /opt/inner/bin && cp /bin/busybox /opt/inner/bin/tool && chmod 700 /opt/inner
            ln -s /opt/inner/bin/tool /link; cp /bin/busybox /plain; chmod 644 /plain
            cp /bin/busybox /mine; chmod 750 /mine; mkdir /data
            """)
        for path in ["/opt/inner/bin/tool", "/link"] {
            try expectFailure(
                126, "permission denied: user 1000 may not enter /opt/inner, which is mode 0700 of 0:0", "-u",
                "1000",
                "changed", path)
        }
        try expectFailure(
            126, "/plain is mode 0644 of 0:0: nobody may execute it (chmod +x)", "changed", "/plain")
        try expectFailure(
            126, "user 1000 may not execute /mine, which is mode 0750 of 0:0", "-u", "1000", "changed",
            "/mine")
        // Looked up in PATH it is the same.
        try expectFailure(
            126, "user 1000 may not enter /opt/inner", "-u", "1000", "-e", "PATH=/opt/inner/bin", "changed",
            "tool")
        // Below a mount the image's files say nothing.
        let plain = try apus("run", "--rm", "--network", "none", "--tmpfs", "/data", "changed", "/data")
        #expect(plain.code == 126 && !plain.err.contains("mode"), "\(plain)")
        try apus.must("run", "-d", "--name", "box", "--network", "none", "changed", "sleep", "100")
        let exec = try apus("exec", "-u", "1000", "box", "/link")
        #expect(exec.code == 126 && exec.err.contains("may not enter /opt/inner"), "\(exec)")
    }

    @Test func theInterpreterThatIsMissingIsNamed() throws {
        try image(
            """
            printf '#!/usr/bin/env2 sh\\necho x\\n' > /script; printf '#!/bin/sh\\r\\necho x\\r\\n' > /windows
            chmod +x /script /windows
            """)
        try expectFailure(
            127, "exec /script: no such file or directory: its interpreter /usr/bin/env2 is not there",
            "changed", "/script")
        try expectFailure(127, "its first line ends with a carriage return", "changed", "/windows")
        let program =
            try apus.shell("ls /usr/bin/gzip /usr/bin/sed /usr/bin/tar 2>/dev/null").lines.first ?? ""
        try apus.must("create", "--name", "foreign", "--network", "none", "busybox", "/foreign")
        try apus.must("cp", program, "foreign:/foreign")
        let run = try apus("start", "-a", "foreign")
        #expect(run.code == 1 && run.err.contains("its loader /lib"), "\(run)")
        #expect(
            try apus.must("inspect", "-f", "{{.State.ExitCode}} {{.State.Error}}", "foreign").contains(
                "its loader /lib"))
    }

    // MARK: the configuration

    private func configured(_ text: String, _ words: String...) throws -> Outcome {
        let path = try apus.write("config.json", text)
        return try apus.apus(words, environment: ["APUS_CONFIG": path])
    }

    @Test func theConfigurationCompletesWhatIsTyped() throws {
        let text = """
            {"log-driver": "json-file", "log-opts": {"max-size": "1m", "labels": "tier"},
             "dns": ["192.0.2.1"],
             "init": true, "default-shm-size": "32m", "no-new-privileges": true,
             "default-ulimits": {"nofile": {"Name": "nofile", "Hard": 512, "Soft": 256}}}
            """
        let script =
            "ulimit -n; grep NoNewPrivs /proc/self/status; df -m /dev/shm | tail -1; head -c18 /proc/1/cmdline"
        let run = try configured(text, "run", "--name", "box", "busybox", "sh", "-c", script)
        #expect(
            run.lines.first == "256" && run.out.contains("NoNewPrivs:\t1") && run.out.contains(" 32 "),
            "\(run)")
        #expect(run.out.contains("docker-init"), "\(run)")
        let facts = "{{.HostConfig.Dns}} {{index .HostConfig.LogConfig.Config \"max-size\"}}"
        #expect(try apus.must("inspect", "-f", facts, "box") == "[192.0.2.1] 1m")
        let typed = try configured(
            text, "run", "--name", "own", "--network", "none", "--init=false", "--ulimit", "nofile=100:200",
            "--dns", "192.0.2.2",
            "--log-opt", "max-size=2m", "--security-opt", "no-new-privileges=false", "busybox", "sh", "-c",
            script)
        #expect(typed.lines.first == "100" && typed.out.contains("NoNewPrivs:\t0"), "\(typed)")
        #expect(try apus.must("inspect", "-f", facts, "own") == "[192.0.2.2] 2m")
        let other = try configured(text, "create", "--log-driver", "none", "busybox", "true")
        #expect(other.code == 0, "\(other)")
    }

    @Test func aConfigurationThatCannotBeReadStopsEverything() throws {
        for (text, words) in [
            ("{", "config.json"), ("[]", "an object is expected"),
            (#"{"log-drivr": "none"}"#, "unknown key \"log-drivr\""),
            (#"{"log-driver": "nosuch"}"#, "no log driver named 'nosuch'"), (#"{"init": "yes"}"#, "init"),
            (#"{"dns": ["name"]}"#, "name"), (#"{"log-opts": {"max-size": "-5"}}"#, "invalid size: '-5'"),
        ] {
            let outcome = try configured(text, "run", "--rm", "--network", "none", "busybox", "true")
            #expect(outcome.code == 125 && outcome.err.contains(words), "\(text): \(outcome)")
            #expect(try configured(text, "ps").code != 0)
        }
        let missing = try apus("ps", environment: ["APUS_CONFIG": "/nowhere/config.json"])
        #expect(missing.code != 0 && missing.err.contains("/nowhere/config.json"), "\(missing)")
        // Where things are it says, too.
        let elsewhere = try apus.shell(
            """
            unset APUS_ROOT APUS_RUN; cd \(apus.directory); printf '{"data-root": "%s/other"}' $PWD > other.json
            export APUS_CONFIG=$PWD/other.json; \(Host.bin)/apus volume create kept; ls other/volumes
            """)
        #expect(elsewhere.lines.filter { $0 == "kept" }.count == 2, "\(elsewhere)")
    }
}
