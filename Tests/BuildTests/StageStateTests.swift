import OCI
import Testing

@testable import Build

private func state(_ lines: String..., epoch: Int64 = 0) throws -> StageState {
    var state = StageState.scratch(Platform(architecture: "amd64"), epoch: epoch)
    let text = "FROM scratch\n" + lines.joined(separator: "\n")
    for statement in try Dockerfile(parsing: Array(text.utf8), name: "Dockerfile").statements.dropFirst() {
        let before = state
        let expander = VariableExpander { before.value(of: $0) }
        if case .arg(let list) = statement.instruction {
            for argument in list { state.declare(argument.name, argument.value) }
        }
        _ = try state.apply(statement.instruction, expander: expander)
    }
    return state
}

@Test func environmentKeepsItsOrderAndSeesOldValues() throws {
    let built = try state("ENV abc=hello", "ENV abc=bye def=$abc", "ENV ghi=$abc PATH=/x:$PATH")
    #expect(
        built.config.process.env == [
            "PATH=/x:" + StageState.defaultPath, "abc=bye", "def=hello", "ghi=bye",
        ])
}

/// An image made by import has no PATH: its containers get the default one, so `$PATH` is that.
@Test func pathOfAnImageWithoutOneIsTheDefault() throws {
    var image = ImageConfig(platform: Platform(architecture: "amd64"))
    image = try applyChanges(["ENV PATH=/x:$PATH", "ENV PATH=/y:$PATH"], to: image)
    #expect(image.process.env == ["PATH=/y:/x:" + StageState.defaultPath])
}

@Test func environmentHidesArguments() throws {
    let built = try state("ARG v=arg w=2", "ENV v=env", "ENV x=$v$w")
    #expect(built.config.process.env.suffix(2) == ["v=env", "x=env2"])
    #expect(built.visibleArguments == ["w=2"])
}

@Test func anEntrypointClearsOnlyAnInheritedCommand() throws {
    var inherited = try state("CMD [\"a\"]")
    inherited.setsCommand = false
    _ = try inherited.apply(.entrypoint(.exec(["e"])), expander: VariableExpander { _ in nil })
    #expect(inherited.config.process.cmd == nil)
    #expect(try state("CMD [\"a\"]", "ENTRYPOINT e").config.process.cmd == ["a"])
}

@Test func configurationInstructionsAreApplied() throws {
    let process = try state(
        "ARG u=bob", "SHELL [\"/bin/bash\", \"-c\"]", "CMD x y", "USER $u", "EXPOSE 80 53/udp 90-91/TCP",
        "VOLUME /a /$u", "LABEL a=\"x y\" b='$u'", "STOPSIGNAL sigint", "HEALTHCHECK NONE", "ONBUILD RUN x"
    ).config.process
    #expect(process.cmd == ["/bin/bash", "-c", "x y"])
    #expect(process.user == "bob")
    #expect(process.exposedPorts == ["80/tcp", "53/udp", "90/tcp", "91/tcp"])
    #expect(process.volumes == ["/a", "/bob"])
    #expect(process.labels == ["a": "x y", "b": "$u"])
    #expect(process.stopSignal == "sigint")
    #expect(process.onBuild == ["RUN x"])
    #expect(message { try state("STOPSIGNAL FOO") } == "Invalid signal: FOO")
    #expect(message { try state("EXPOSE x") } == "invalid containerPort: x")
    #expect(message { try state("EXPOSE 80/foo") } == "invalid proto: foo")
    #expect(message { try state("EXPOSE 90-80") } == "invalid containerPort: 90-80")
}

@Test func pathsAreRelativeToTheWorkingDirectory() throws {
    var here = try state()
    #expect(here.absolute("a/../b") == "/b")
    here.config.process.workingDir = "/w"
    #expect(here.absolute("a/") == "/w/a")
    #expect(here.absolute("/a//b") == "/a/b")
    #expect(here.absolute("../..") == "/")
}

private func runKey(_ lines: String..., argv: [String] = ["true"], epoch: Int64 = 0) throws -> Digest {
    let text = lines.joined(separator: "\n")
    let built = text.isEmpty ? try state(epoch: epoch) : try state(text, epoch: epoch)
    let env = built.config.process.env + built.visibleArguments
    return StepKey.run(argv, env: env, network: "default", on: built).digest
}

@Test func keysFollowWhatAStepDependsOn() throws {
    let base = try runKey()
    #expect(try runKey() == base)
    #expect(try runKey("CMD x", "LABEL a=b", "EXPOSE 80", "ENTRYPOINT y", "STOPSIGNAL 9") == base)
    for other in [
        try runKey(argv: ["false"]), try runKey("ENV a=b"), try runKey("ARG a=b"), try runKey("USER u"),
        try runKey(epoch: 1), try runKey("ARG a=c"),
    ] { #expect(other != base) }
    #expect(try runKey("ARG a=b") != runKey("ARG a=c"))
    var placed = try state()
    placed.config.process.workingDir = "/w"
    let env = placed.config.process.env
    #expect(StepKey.run(["true"], env: env, network: "default", on: placed).digest != base)
    var layered = try state()
    layered.config.diffIDs = [base]
    #expect(StepKey.run(["true"], env: env, network: "default", on: layered).digest != base)
}

@Test func durationsAreGoDurations() {
    #expect(parseDuration("1h2m3s") == 3_723_000_000_000)
    #expect(parseDuration("1.5s") == 1_500_000_000)
    #expect(parseDuration("0") == 0)
    for bad in ["", "5", "s", "1x", "-1s", "1s2", "99999999999h"] {
        #expect(parseDuration(bad) == nil, "\(bad)")
    }
}
