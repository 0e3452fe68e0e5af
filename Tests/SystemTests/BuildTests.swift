import Support
import Testing

@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class BuildTests {
    let apus: Engine
    init() throws { apus = try Engine(withBusybox: true) }
    deinit { apus.tearDown() }

    private func build(_ dockerfile: String, _ flags: String...) throws -> Outcome {
        try apus.write("context/Dockerfile", dockerfile)
        return try apus.apus(["build"] + flags + [apus.directory + "/context"])
    }

    private func output(of image: String, _ command: String...) throws -> String {
        try apus.apus(["run", "--rm", "--network", "none", image] + command).text
    }

    @Test func aDockerfileBecomesAnImage() throws {
        try apus.write("context/greeting", "hello\n")
        let built = try build(
            """
            FROM busybox
            ARG WHO=nobody
            ENV GREETED=$WHO
            WORKDIR /srv
            COPY --chown=app:app --chmod=640 greeting .
            RUN echo "$GREETED" >> greeting && [ "$(id -u)" = 0 ]
            RUN ["sh", "-c", "echo exec form >> greeting"]
            USER app
            LABEL made=here
            EXPOSE 80
            CMD ["cat", "greeting"]
            """, "-t", "greeter:1", "--build-arg", "WHO=world")
        #expect(built.code == 0, "\(built)")
        #expect(try output(of: "greeter:1") == "hello\nworld\nexec form")
        #expect(try output(of: "greeter:1", "stat", "-c", "%a %U", "/srv/greeting") == "640 app")
        #expect(
            try apus.must("inspect", "-f", "{{.Config.User}} {{json .Config.Labels}}", "greeter:1")
                == "app {\"made\":\"here\"}")
    }

    @Test func theSecondBuildComesFromTheCache() throws {
        let dockerfile = "FROM busybox\nRUN head -c 16 /dev/urandom | md5sum > /random\n"
        func id(_ flags: String...) throws -> String {
            try apus.write("context/Dockerfile", dockerfile)
            return try apus.apus(["build", "-q"] + flags + [apus.directory + "/context"]).text
        }
        let first = try id()
        #expect(first.hasPrefix("sha256:"))
        #expect(try id() == first)
        #expect(try id("--no-cache") != first)
    }

    @Test func changedContentIsSeenAndATouchIsNot() throws {
        try apus.write("context/file", "one")
        let dockerfile = "FROM busybox\nCOPY file /\nRUN head -c 16 /dev/urandom | md5sum > /random\n"
        let first = try build(dockerfile, "-q").text
        _ = try apus.shell("touch -d 2001-01-01 \(apus.directory)/context/file")
        #expect(try build(dockerfile, "-q").text == first)
        try apus.write("context/file", "two")
        #expect(try build(dockerfile, "-q").text != first)
    }

    @Test func equalInputsGiveEqualDigests() throws {
        let dockerfile = "FROM busybox\nRUN mkdir /a && echo x > /a/b && sleep 0.01 && touch /a/c\n"
        let first = try build(dockerfile, "-q", "--no-cache").text
        pause(1.1)
        #expect(try build(dockerfile, "-q", "--no-cache").text == first && !first.isEmpty)
    }

    @Test func stagesHandOverFilesAndUnusedOnesAreNotBuilt() throws {
        let built = try build(
            """
            FROM busybox AS maker
            RUN echo made > /made
            FROM busybox AS broken
            RUN false
            FROM busybox AS last
            COPY --from=maker /made /taken
            """, "-t", "staged")
        #expect(built.code == 0, "\(built)")
        #expect(try output(of: "staged", "cat", "/taken") == "made")
        #expect(
            try build(
                "FROM busybox AS one\nRUN echo 1 > /n\nFROM one\nRUN echo 2 > /n", "--target", "one", "-t",
                "t"
            ).code == 0)
        #expect(try output(of: "t", "cat", "/n") == "1")
    }

    @Test func scratchHoldsOnlyWhatIsCopied() throws {
        let built = try build(
            "FROM busybox AS b\nFROM scratch\nCOPY --from=b /bin/busybox /busybox\n", "-t", "tiny")
        #expect(built.code == 0, "\(built)")
        #expect(try output(of: "tiny", "/busybox", "ls", "/").contains("busybox"))
        #expect(try !output(of: "tiny", "/busybox", "ls", "/").contains("home"))
    }

    @Test func ignoredFilesAreNotInTheContext() throws {
        for name in ["keep", "drop.log", "sub/drop.log", "sub/keep.log"] {
            try apus.write("context/" + name, name)
        }
        try apus.write("context/.dockerignore", "# a comment\n**/*.log\n!sub/keep.log\n")
        #expect(try build("FROM busybox\nCOPY . /c\n", "-t", "ignored").code == 0)
        let found = try output(of: "ignored", "find", "/c", "-type", "f").split(separator: "\n").sorted()
        #expect(found == ["/c/.dockerignore", "/c/Dockerfile", "/c/keep", "/c/sub/keep.log"])
    }

    @Test func archivesAreUnpackedByAdd() throws {
        _ = try execute([
            "sh", "-c",
            "mkdir -p \(apus.directory)/context; cp \(Host.fixture("layers/base.tar")) $0/context",
            apus.directory,
        ])
        #expect(try build("FROM busybox\nADD base.tar /b\nCOPY base.tar /c\n", "-t", "added").code == 0)
        #expect(try output(of: "added", "cat", "/b/keep/one") == "one")
        #expect(try output(of: "added", "sh", "-c", "test -f /c && echo file") == "file")
    }

    @Test func errorsNameTheLineAndLeaveNoImage() throws {
        for (dockerfile, words) in [
            ("FROM busybox\nRUN exit 3\n", ["Dockerfile:2", "3"]),
            ("FROM busybox\nFOO bar\n", ["2", "FOO"]),
            ("FROM busybox\nCOPY missing /\n", ["Dockerfile:2", "missing"]),
            ("FROM busybox\nCOPY ../../etc/passwd /\n", ["Dockerfile:2"]),
            ("RUN true\n", ["1"]),
            ("FROM busybox\nRUN --mount=type=ssh true\n", ["Dockerfile:2", "--mount"]),
        ] {
            let built = try build(dockerfile, "-t", "never")
            #expect(built.code != 0 && built.errorLines.count == 1, "\(dockerfile): \(built)")
            let message = built.errorLines.last ?? ""
            for word in words { #expect(message.contains(word), "\(dockerfile): '\(word)' in \(built.err)") }
        }
        // Where it comes from says why not, and the build where it was wanted.
        let absent = try build("FROM 127.0.0.1:1/nosuch\n", "-t", "never")
        #expect(absent.code != 0 && absent.errorLines.count == 2, "\(absent)")
        #expect(absent.errorLines.last == "apus: Dockerfile:1: 127.0.0.1:1/nosuch was not pulled")
        #expect(try apus("inspect", "never").code == 1)
        try apus.expectWholeStore()
    }

    @Test func aStepThatCannotStartSaysWhyEveryTime() throws {
        for (step, why) in [
            ("RUN [\"nosuch\"]\n", "exec: \"nosuch\": executable file not found in $PATH"),
            ("USER nosuch\nRUN true\n", "unable to find user nosuch"),
        ] {
            for _ in 1...15 {
                let built = try build("FROM busybox\n" + step)
                #expect(built.code != 0 && built.err.contains(why), "\(built)")
            }
        }
    }

    @Test func aQuietBuildThatFailsShowsItsLog() throws {
        let built = try build("FROM busybox\nRUN echo the reason; exit 5\n", "-q")
        #expect(built.code == 5 && built.out.isEmpty, "\(built)")
        #expect(built.errorLines.first == "Step 1/2 : FROM busybox")
        #expect(built.errorLines.contains("the reason"))
    }

    @Test func flagsThatChangeNothingAreTaken() throws {
        let host = try apus.must("version", "--format", "{{.Client.Os}}/{{.Client.Arch}}")
        let built = try build(
            "FROM busybox\n", "-q", "--progress", "plain", "--cache-from=x", "--rm", "--platform",
            host)
        #expect(built.code == 0 && built.err.isEmpty, "\(built)")
        try apus.expectRefusal(
            "build", "--platform", "linux/s390x", apus.directory + "/context", code: 1, mentions: ["s390x"])
    }

    @Test func outputAndErrorsOfAStepKeepTheirOrder() throws {
        let script = "for i in 1 2 3 4 5; do echo out $i; echo err $i >&2; done"
        let built = try build("FROM busybox\nRUN \(script)\n")
        let lines = built.lines.filter { $0.hasPrefix("out") || $0.hasPrefix("err") }
        #expect(lines == (1...5).flatMap { ["out \($0)", "err \($0)"] }, "\(built)")
    }

    @Test func aPathThatIsLeftOutOfTheImageIsExtended() throws {
        let built = try build("FROM busybox\nENV PATH=/x:$PATH\nRUN ls /\n", "-q", "-t", "path")
        #expect(built.code == 0, "\(built)")
        #expect(try output(of: "path", "sh", "-c", "echo $PATH").hasPrefix("/x:/usr/local/sbin:"))
    }

    @Test func linksOfTheContextDoNotLeaveIt() throws {
        try apus.write("context/here", "x")
        _ = try execute(["ln", "-s", "/etc", apus.directory + "/context/out"])
        let built = try build("FROM busybox\nCOPY out/passwd /stolen\n", "-t", "thief")
        #expect(built.code == 1, "\(built)")
    }

    @Test func theIdIsWrittenAndQuietPrintsOnlyIt() throws {
        let file = apus.directory + "/iid"
        let built = try build("FROM busybox\nRUN true\n", "-q", "--iidfile", file)
        #expect(built.text == readFile(file).map(trimmed) && built.err.isEmpty, "\(built)")
    }

    @Test func buildsLeaveNothingBehind() throws {
        _ = try build("FROM busybox\nRUN true\n", "-q")
        let left = try apus.leaks {
            let codes = [
                try build("FROM busybox\nRUN echo other\n", "-q").code,
                try build("FROM busybox\nRUN exit 4\n", "-q").code,
            ]
            #expect(codes == [0, 4])
        }
        #expect(left.isEmpty, "\(left)")
        #expect(try apus.must("ps", "-aq").isEmpty)
    }
}
