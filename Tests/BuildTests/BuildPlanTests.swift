import OCI
import Testing

@testable import Build

private func plan(
    _ text: String, _ arguments: [String: String] = [:], target: String? = nil
) throws -> BuildPlan {
    let file = try Dockerfile(parsing: Array(text.utf8), name: "Dockerfile")
    return try BuildPlan(
        file, arguments: arguments, target: target, platform: Platform(architecture: "amd64"))
}

private func failure(_ text: String, target: String? = nil) -> String {
    do {
        _ = try plan(text, target: target)
        return "no error"
    } catch { return "\(error)" }
}

private let staged = """
    FROM base AS a
    RUN a
    FROM scratch AS unused
    COPY x y
    FROM a AS b
    COPY --from=tools /t /t
    FROM busybox AS tools
    FROM scratch
    COPY --from=B /x /x
    """

@Test func onlyNeededStagesRemainInOrder() throws {
    #expect(try plan(staged).stages.map(\.index) == [0, 3, 2, 4])
    #expect(try plan(staged, target: "a").stages.map(\.index) == [0])
    #expect(try plan(staged, target: "1").stages.map(\.index) == [1])
    #expect(try plan(staged, target: "TOOLS").stages.map(\.base) == [.image("busybox")])
    #expect(try plan(staged).stepCount == 2 + 1 + 2 + 2)
}

@Test func fromLinesSeeGlobalArgumentsOnly() throws {
    let text =
        "ARG V=1\nARG BASE=img:$V\nARG GONE\nFROM --platform=$TARGETPLATFORM ${BASE}${GONE} AS x\nARG V\nFROM x"
    #expect(try plan(text).stages[0].base == .image("img:1"))
    let given = try plan(text, ["V": "2", "unused": "x"])
    #expect(given.stages[0].base == .image("img:2"))
    #expect(given.globalArguments["V"] == "2" && given.globalArguments["GONE"] == nil)
    #expect(given.consumed == ["V"])
    #expect(given.stages[1].base == .stage(0))
}

@Test(arguments: [
    ("RUN x", "dockerfile parse error line 1: no build stage in current context"),
    ("ARG a\nENV b=c\nFROM x", "dockerfile parse error line 2: no build stage in current context"),
    ("ARG a", "no build stage in current context: Dockerfile has no FROM"),
    ("FROM $X", "Dockerfile:1: base name ($X) should not be blank"),
    ("FROM a AS a\nCOPY --from=a / /", "Dockerfile:2: circular dependency detected on stage: a"),
    (
        "FROM x AS a\nCOPY --from=b / /\nFROM x AS b\nCOPY --from=a / /",
        "Dockerfile:2: circular dependency detected on stage: b"
    ),
    ("FROM x\nCOPY --from=7 / /", "Dockerfile:2: invalid stage index 7"),
    (
        "FROM x\nCOPY --from=$y / /",
        "Dockerfile:2: variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround"
    ),
    (
        "FROM --platform=linux/s390x x",
        "Dockerfile:1: FROM --platform=linux/s390x is not supported: this machine builds linux/amd64 only"
    ),
])
func impossiblePlansAreRefused(_ text: String, _ expected: String) {
    #expect(failure(text) == expected)
}

@Test func unknownTargetsAreRefused() {
    #expect(failure(staged, target: "nope") == "target stage \"nope\" could not be found")
    #expect(failure(staged, target: "9") == "target stage \"9\" could not be found")
}
