import OCI
import Testing

@testable import Build

private func parse(_ text: String) throws -> [Statement] {
    try Dockerfile(parsing: Array(text.utf8), name: "Dockerfile").statements
}

private func failure(_ text: String) -> String {
    do {
        _ = try Dockerfile(parsing: Array(text.utf8), name: "Dockerfile")
        return "no error"
    } catch {
        return "\(error)"
    }
}

@Test func linesAreJoinedCountedAndStrippedOfComments() throws {
    let text = "\u{feff}# a comment\r\n\nFROM busybox\r\nRUN a \\\n  # dropped\n\n  b \\  \n  c\n  cmd  x\n"
    let statements = try parse(text)
    #expect(statements.map(\.line) == [3, 4, 9])
    #expect(statements.map(\.text) == ["FROM busybox", "RUN a   b   c", "CMD x"])
    let warnings = try Dockerfile(parsing: Array(text.utf8), name: "f").warnings
    #expect(warnings == ["[Warning] line 6: empty continuation line"])
}

@Test func theEscapeDirectiveMovesContinuation() throws {
    let statements = try parse("# escape=`\nFROM a\nRUN dir `\nc:\\\nCMD x")
    #expect(statements.map(\.text) == ["FROM a", "RUN dir c:\\", "CMD x"])
    #expect(
        failure("# escape=`\n# escape=\\\nFROM a")
            == "dockerfile parse error line 2: only one escape parser directive can be used")
    #expect(
        failure("# escape=x\nFROM a") == "dockerfile parse error line 1: invalid ESCAPE 'x'. Must be ` or \\")
    // Not at the very top it is a comment.
    #expect(try parse("\n# escape=`\nFROM a \\\n").count == 1)
    #expect(try parse("# x\n# escape=`\nFROM a\\\nb").first?.text == "FROM ab")
}

@Test func theSyntaxDirectiveIsBuiltInOrRefused() throws {
    #expect(try parse("# syntax=docker/dockerfile:1.7\nFROM a").count == 1)
    #expect(try parse("#syntax = docker/dockerfile\nFROM a").count == 1)
    #expect(
        failure("# syntax=evil/frontend:1\nFROM a").hasPrefix(
            "Dockerfile:1: # syntax=evil/frontend:1: external"))
}

@Test(arguments: [
    ("RUN a", Instruction.run(.init(command: .shell("a")))),
    ("RUN [\"a\", \"b c\"]", .run(.init(command: .exec(["a", "b c"])))),
    ("RUN ['a']", .run(.init(command: .shell("['a']")))),
    ("RUN --network=none a --network=x", .run(.init(command: .shell("a --network=x"), network: .none))),
    ("CMD []", .cmd(.exec([]))),
    ("CMD --flag x", .cmd(.shell("--flag x"))),
    ("ENTRYPOINT [\"/x\"]", .entrypoint(.exec(["/x"]))),
    (
        "ENV a=1 b=\"x y\" c=a\\ b",
        .env([
            .init(name: "a", value: "1"), .init(name: "b", value: "\"x y\""),
            .init(name: "c", value: "a\\ b"),
        ])
    ),
    ("ENV name the rest = it", .env([.init(name: "name", value: "the rest = it")])),
    ("LABEL \"a b\"=c", .label([.init(name: "\"a b\"", value: "c")])),
    ("ARG a b=2", .arg([.init(name: "a", value: nil), .init(name: "b", value: "2")])),
    ("WORKDIR /a b", .workdir("/a b")),
    ("EXPOSE 80 $P/udp", .expose(["80", "$P/udp"])),
    ("VOLUME [\"/a\", \"/b\"]", .volume(["/a", "/b"])),
    ("VOLUME /a /b", .volume(["/a", "/b"])),
    ("SHELL [\"/bin/bash\", \"-c\"]", .shell(["/bin/bash", "-c"])),
    ("STOPSIGNAL SIGINT", .stopSignal("SIGINT")),
    ("MAINTAINER me", .maintainer("me")),
    ("ONBUILD RUN make", .onBuild("RUN make")),
    (
        "COPY --chown=a:b --chmod=755 x y /d/",
        .copy(.init(isAdd: false, sources: ["x", "y"], destination: "/d/", chown: "a:b", chmod: "755"))
    ),
    ("COPY [\"a b\", \"c\"]", .copy(.init(isAdd: false, sources: ["a b"], destination: "c"))),
    ("COPY --from=build /o .", .copy(.init(isAdd: false, sources: ["/o"], destination: ".", from: "build"))),
    ("ADD x.tar /", .copy(.init(isAdd: true, sources: ["x.tar"], destination: "/"))),
])
func instructionsAreRead(_ text: String, _ expected: Instruction) throws {
    #expect(try parse("FROM a\n" + text).last?.instruction == expected)
}

@Test func stagesAreNamedInLowerCase() throws {
    let from = try parse("FROM --platform=linux/amd64 img:1 aS Build-1")[0].instruction
    #expect(from == .from(.init(image: "img:1", platform: "linux/amd64", name: "build-1")))
}

@Test func healthchecksBecomeDockersDocument() throws {
    let text = "FROM a\nHEALTHCHECK --interval=1m30s --timeout=500ms --retries=3 CMD curl -f x"
    guard case .healthcheck(let json) = try parse(text)[1].instruction else {
        Issue.record("no healthcheck"); return
    }
    #expect(
        json.text
            == #"{"Test":["CMD-SHELL","curl -f x"],"Interval":90000000000,"Timeout":500000000,"Retries":3}"#)
    #expect(
        try parse("FROM a\nHEALTHCHECK none")[1].instruction
            == .healthcheck(.fields(["Test": .array([.string("NONE")])])))
}

@Test func heredocsBelongToTheirInstruction() throws {
    let statements = try parse(
        "FROM a\nCOPY <<A <<-'B' /d/\none\nA\n\ttwo $x\n\tB\nRUN cat <<X\n# kept \\\nX\nCMD y")
    #expect(statements.map(\.line) == [1, 2, 7, 10])
    guard case .copy(let copy) = statements[1].instruction else { Issue.record("no copy"); return }
    #expect(copy.sources.isEmpty && copy.destination == "/d/")
    #expect(
        copy.heredocs == [
            .init(name: "A", expands: true, content: "one\n", written: "A"),
            .init(name: "B", expands: false, content: "two $x\n", written: "'B'"),
        ])
    guard case .run(let run) = statements[2].instruction else { Issue.record("no run"); return }
    #expect(run.heredocs.first?.content == "# kept \\\n")
    #expect(failure("FROM a\nRUN <<EOF\nx") == "dockerfile parse error line 2: unterminated heredoc")
}

@Test(arguments: [
    ("", "the Dockerfile (Dockerfile) cannot be empty"),
    ("# only\n\n", "the Dockerfile (Dockerfile) cannot be empty"),
    ("FROM a\nFOO x", "dockerfile parse error line 2: unknown instruction: FOO"),
    ("FROM a\n\nRNU x", "dockerfile parse error line 3: unknown instruction: RNU"),
    ("FROM a\nCOYP x", "dockerfile parse error line 2: unknown instruction: COYP"),
    ("FROM a\nENVX a", "dockerfile parse error line 2: unknown instruction: ENVX (did you mean ENV?)"),
    ("FROM", "dockerfile parse error line 1: FROM requires either one or three arguments"),
    (
        "FROM a AS 1x",
        "dockerfile parse error line 1: invalid name for build stage: \"1x\", name can't start with a number or contain symbols"
    ),
    ("FROM a\nRUN", "dockerfile parse error line 2: RUN requires at least one argument"),
    ("FROM a\nENV a", "dockerfile parse error line 2: ENV must have two arguments"),
    (
        "FROM a\nENV a=1 b",
        "dockerfile parse error line 2: Syntax error - can't find = in \"b\". Must be of the form: name=value"
    ),
    ("FROM a\nENV =x", "dockerfile parse error line 2: ENV names can not be blank"),
    (
        "FROM a\nCOPY x",
        "dockerfile parse error line 2: COPY requires at least two arguments, but only one was provided. Destination could not be determined"
    ),
    ("FROM a\nCOPY --form=x a b", "dockerfile parse error line 2: unknown flag: --form"),
    ("FROM a\nCOPY --from=x --from=y a b", "dockerfile parse error line 2: duplicate flag specified: from"),
    ("FROM a\nCOPY --chown a b", "dockerfile parse error line 2: missing a value on flag: chown"),
    ("FROM a\nCOPY --link a b", "Dockerfile:2: COPY --link is not supported"),
    ("FROM a\nRUN --mount=type=cache,target=/x y", "Dockerfile:2: RUN --mount is not supported"),
    ("FROM a\nRUN --security=insecure y", "Dockerfile:2: RUN --security is not supported"),
    ("FROM a\nRUN --network=foo y", "dockerfile parse error line 2: invalid network mode: foo"),
    ("FROM a\nADD https://x/y /", "Dockerfile:2: ADD of a remote source (https://x/y) is not supported"),
    ("FROM a\nADD --from=x a b", "dockerfile parse error line 2: unknown flag: --from"),
    ("FROM a\nWORKDIR --x /a", "dockerfile parse error line 2: unknown flag: --x"),
    ("FROM a\nSHELL bash", "dockerfile parse error line 2: SHELL requires the arguments to be in JSON form"),
    (
        "FROM a\nCMD [1]",
        "dockerfile parse error line 2: when using JSON array syntax, arrays must be comprised of strings only"
    ),
    (
        "FROM a\nHEALTHCHECK FOO x",
        "dockerfile parse error line 2: Unknown type \"FOO\" in HEALTHCHECK (try CMD)"
    ),
    (
        "FROM a\nHEALTHCHECK --interval=x CMD y",
        "dockerfile parse error line 2: invalid duration \"x\" on flag: interval"
    ),
    ("FROM a\nHEALTHCHECK CMD", "dockerfile parse error line 2: Missing command after HEALTHCHECK CMD"),
    (
        "FROM a\nONBUILD ONBUILD RUN x",
        "dockerfile parse error line 2: Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"
    ),
    ("FROM a\nONBUILD FROM x", "dockerfile parse error line 2: FROM isn't allowed as an ONBUILD trigger"),
    ("FROM a\nONBUILD FOO x", "dockerfile parse error line 2: unknown instruction: FOO"),
    ("FROM a\nRUN a\0b", "dockerfile parse error line 2: the line holds a NUL byte"),
])
func errorsSayWhatAndWhere(_ text: String, _ expected: String) {
    #expect(failure(text) == expected)
}

@Test func hostileFilesMeetLimits() {
    #expect(failure("FROM a\nRUN " + String(repeating: "x", count: 1 << 20)).contains("longer than 1 MiB"))
    #expect(
        failure("FROM a\nRUN " + String(repeating: String(repeating: "x", count: 1000) + "\\\n", count: 1100))
            .contains("longer than 1 MiB"))
    #expect(failure(String(repeating: "CMD x\n", count: 10_001)).contains("more than 10000 instructions"))
    do {
        _ = try Dockerfile(parsing: [0x46, 0xff, 0xfe], name: "f")
        Issue.record("no error")
    } catch { #expect("\(error)" == "dockerfile parse error line 1: the line is not UTF-8") }
}

@Test func randomBytesNeverTrap() {
    var generator = SystemRandomNumberGenerator()
    let alphabet = Array("FROM a\nRUN COPY --x=[\"'\\`$<<{}:-#%/=E\n\t ".utf8)
    for _ in 0..<2000 {
        let bytes = (0..<Int.random(in: 0..<60, using: &generator)).map { _ in
            alphabet.randomElement(using: &generator) ?? 0
        }
        guard let file = try? Dockerfile(parsing: Array("FROM a\n".utf8) + bytes, name: "f") else { continue }
        for statement in file.statements {
            _ = try? VariableExpander(lookup: { $0.isEmpty ? nil : "v" }).words(statement.text)
        }
    }
}

/// What a base image carries is not what a Dockerfile may say.
@Test(arguments: ["FROM scratch", "ONBUILD RUN x", "MAINTAINER me", ""])
func triggersOfBaseImagesAreChecked(_ text: String) {
    #expect(throws: DockerfileError.self) { try parseTrigger(text) }
}
