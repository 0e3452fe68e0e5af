import Images
import Linux
import OCI
import SystemPackage
import Testing

@testable import Build

/// Overlay mounts need it.
private let isRoot = (try? FD.open("/proc/self", [.path]).status().uid) == 0

/// Runs no container: `write NAME TEXT`, `mountpoints`, `fail N`, or `env NAME` on the step's upper directory.
private final class FakeRunner: StepRunner {
    var steps: [RunStep] = []
    /// What was to be executed, where that is a file of the build's.
    var scripts: [String] = []
    /// What can be pulled, and what was.
    var registry: (String) throws -> Void = { throw BuildError("no registry has \($0)") }
    var pulls: [String] = []

    func pull(_ image: String) throws {
        pulls.append(image)
        try registry(image)
    }

    func run(_ step: RunStep, output: @escaping (UnsafeRawBufferPointer) -> Void) throws -> Int32 {
        steps.append(step)
        let upper = try FD.open(step.upper, [.readOnly, .directory])
        if let first = step.argv.first, first.hasPrefix("/.build-") {
            let path = FilePath(String(first.dropFirst()))
            guard try upper.status(of: path)?.permissions == 0o755 else { return 126 }
            scripts.append(try text(path, in: upper) ?? "")
        }
        let words = (step.argv.last ?? "").split(separator: " ").map(String.init)
        Array("ran \(words[0])\n".utf8).withUnsafeBytes(output)
        switch words[0] {
        case "write":
            let file = try upper.open(FilePath(words[1]), [.writeOnly, .create, .truncate], mode: 0o644)
            try file.writeAll(Array(words[2].utf8))
        case "mountpoints":
            for name: FilePath in ["dev", "proc", "sys", "etc"] { try upper.makeDirectory(name, mode: 0o755) }
            _ = try upper.open("etc/hosts", [.writeOnly, .create], mode: 0o644)
        case "env":
            let value = step.env.first { $0.hasPrefix(words[1] + "=") } ?? "unset"
            try upper.replace(FilePath(words[1]), with: Array(value.utf8))
        case "fail": return Int32(words[1]) ?? 1
        default: break
        }
        return 0
    }
}

/// An engine's root with a context beside it.
private final class Site {
    let scratch: Scratch
    let store: ImageStore
    let runner = FakeRunner()
    var reports: [BuildReport] = []

    init() throws {
        scratch = try Scratch()
        try scratch.makeDirectory("context")
        store = try ImageStore(root: scratch.path.pushing("root"))
    }

    func write(_ name: FilePath, _ text: String, mode: UInt32 = 0o644) throws {
        try scratch.write(FilePath("context").pushing(name), text, mode: mode)
    }

    @discardableResult
    func build(_ dockerfile: String, _ change: (inout BuildOptions) -> Void = { _ in }) throws -> Image {
        try write("Dockerfile", dockerfile)
        reports = []
        runner.steps = []
        let builder = try Builder(store: store, runner: runner) { self.reports.append($0) }
        var options = BuildOptions(contextPath: scratch.path.pushing("context"))
        change(&options)
        return try builder.build(options)
    }

    var lines: [String] { reports.compactMap { if case .line(let line) = $0 { line } else { nil } } }
    var warnings: [String] { reports.compactMap { if case .warning(let line) = $0 { line } else { nil } } }
    var hits: Int { lines.filter { $0 == " ---> Using cache" }.count }

    /// The root that a container of the image would see.
    func root(of image: Image) throws -> FD {
        let trees = try store.layerDirectories(of: image).reversed().map { $0 }
        return try mountOverlay(lower: trees, upper: nil, work: nil)
    }

    func leftovers() throws -> [String] {
        try scratch.root.open("root/build/work", [.readOnly, .directory]).entries().map(\.name.string)
    }
}

private func text(_ name: FilePath, in root: borrowing FD) throws -> String? {
    try root.contents(of: name).map { String(decoding: $0, as: UTF8.self) }
}

private func owner(_ name: FilePath, in root: borrowing FD) throws -> String {
    guard let status = try root.resolve(name).status else { return "missing" }
    return "\(status.uid):\(status.gid) \(String(status.permissions, radix: 8))"
}

@Suite(.enabled(if: isRoot, "overlay mounts need root"))
struct BuilderTests {
    @Test func theSameInputsGiveTheSameImage() throws {
        let file = "FROM scratch\nCOPY d /d/\nRUN write f x\nENV a=b\nCMD [\"x\"]"
        var ids: [Digest] = []
        for round in 0..<2 {
            let site = try Site()
            try site.write("d/one", "1")
            try site.write("d/sub/two", "2", mode: 0o755)
            let d = try site.scratch.root.open("context/d", [.readOnly, .directory])
            try d.setTimes(of: "one", seconds: 1000 + Int64(round))
            ids.append(try site.build(file) { $0.sourceDateEpoch = "100" }.digest)
        }
        #expect(ids[0] == ids[1])
    }

    @Test func aBaseThatIsNotHereIsPulledOnce() throws {
        let site = try Site()
        let file = "FROM base AS one\nFROM base\nCOPY --from=tools /f /f\n"
        #expect(message { try site.build(file) } == "Dockerfile:2: no registry has base")
        let image = try site.build("FROM scratch\nRUN write f 1\n")
        site.runner.pulls = []
        site.runner.registry = { [store = site.store] name in
            try store.tag(image, as: try Reference(name))
        }
        try site.build(file)
        #expect(site.runner.pulls == ["base", "tools"])
        try site.build(file)
        #expect(site.runner.pulls.count == 2)
        try site.build(file) { $0.pulls = true }
        #expect(site.runner.pulls == ["base", "tools", "base", "tools"])
    }

    @Test func aSecondBuildRunsNothing() throws {
        let site = try Site()
        try site.write("f", "1")
        let file = "FROM scratch\nCOPY f /f\nRUN write a 1\nWORKDIR /w\nRUN true\nENV x=y"
        let first = try site.build(file) { $0.tags = tags("app") }
        #expect(site.hits == 0 && site.runner.steps.count == 2)
        let second = try site.build(file) { $0.tags = tags("app") }
        #expect(site.hits == 4 && site.runner.steps.isEmpty)
        #expect(first.digest == second.digest && first.names == second.names)
        #expect(first.config.diffIDs.count == 3)
        #expect(first.config.history.map(\.emptyLayer) == [false, false, false, true, true])
        #expect(site.lines.first == "Step 1/6 : FROM scratch")
        #expect(
            site.lines.suffix(2) == [
                "Successfully built \(second.id.short)", "Successfully tagged app:latest",
            ])
        try site.build(file) { $0.noCache = true }
        #expect(site.hits == 0 && site.runner.steps.count == 2)
        #expect(try site.leftovers() == [])
    }

    @Test func onlyWhatChangedIsDoneAgain() throws {
        let site = try Site()
        try site.write("f", "1")
        let file = "FROM scratch\nARG v=1\nCOPY f /f\nRUN write a 1\n"
        try site.build(file)
        try site.scratch.root.open("context", [.readOnly, .directory]).setTimes(of: "f", seconds: 5)
        try site.build(file)
        #expect(site.hits == 2)
        // A proxy is neither in the key nor in the history, but the command sees it.
        let proxied = try site.build(file) { $0.buildArguments = [("HTTP_PROXY", "p")] }
        #expect(site.hits == 2 && site.warnings == [])
        #expect(!proxied.config.json.text.contains("HTTP_PROXY"))
        try site.build(file) { $0.buildArguments = [("v", "2"), ("X", "1"), ("Y", nil)] }
        #expect(site.hits == 1 && site.runner.steps.first?.env.contains("v=2") == true)
        #expect(site.warnings == ["[Warning] One or more build-args [X Y] were not consumed"])
        try site.write("f", "1", mode: 0o755)
        try site.build(file)
        #expect(site.hits == 0)
    }

    @Test func aStepThatMakesTheSameJoinsTheOldChain() throws {
        let site = try Site()
        try site.build("FROM scratch\nRUN write a 1\nRUN write b 2\n")
        // Another command, the same bytes: what follows is known.
        try site.build("FROM scratch\nRUN write a 1 \\\n  #\n\nRUN write b 2\n")
        try site.build(
            "FROM scratch\nSHELL [\"/bin/sh\", \"-ec\"]\nRUN write a 1\nSHELL [\"/bin/sh\", \"-c\"]\nRUN write b 2\n"
        )
        #expect(site.hits == 1 && site.runner.steps.count == 1)
    }

    @Test func copiesAreRootsWithKeptModesAndCutTimes() throws {
        let site = try Site()
        try site.write("d/s", "x", mode: 0o4755)
        try site.write("d/e/f", "y", mode: 0o600)
        let context = try site.scratch.root.open("context", [.readOnly, .directory])
        try context.changeOwner(of: "d", uid: 12, gid: 34)
        try context.open("d", [.readOnly, .directory]).changeOwner(of: "s", uid: 12, gid: 34)
        try context.open("d/s").changeMode(0o4755)
        try context.open("d", [.readOnly, .directory]).makeSymlink("l", to: "/nowhere")
        let image = try site.build(
            """
            FROM scratch
            COPY d /a/b/
            COPY --chown=7 d/e/f /c/new/
            COPY --chown=7:8 --chmod=711 d /o
            COPY d/s plain
            """
        ) { $0.sourceDateEpoch = "1000" }
        let root = try site.root(of: image)
        #expect(try owner("a", in: root) == "0:0 755" && owner("a/b", in: root) == "0:0 755")
        #expect(try owner("a/b/s", in: root) == "0:0 4755" && owner("a/b/e/f", in: root) == "0:0 600")
        #expect(try owner("c/new", in: root) == "7:7 755" && owner("c/new/f", in: root) == "7:7 600")
        #expect(try owner("o/s", in: root) == "7:8 711" && owner("o/e", in: root) == "7:8 711")
        #expect(try text("plain", in: root) == "x")
        let b = try root.open("a/b", [.readOnly, .directory])
        #expect(try b.readSymlink("l") == "/nowhere")
        #expect(try b.status(of: "s")?.mtime.seconds == 1000)
        #expect(image.config.created == "1970-01-01T00:16:40Z")
    }

    @Test func linksInTheDestinationStayInTheImage() throws {
        let site = try Site()
        try site.write("f", "x")
        try site.write("d/in", "y")
        let context = try site.scratch.root.open("context/d", [.readOnly, .directory])
        try context.makeSymlink("abs", to: "/real")
        try context.makeSymlink("up", to: "../../../../../../tmp/apus-escape")
        let image = try site.build("FROM scratch\nCOPY d /\nCOPY f /abs/x/\nCOPY f /up/g\nCOPY f /real\n")
        let root = try site.root(of: image)
        #expect(try text("real/x/f", in: root) == "x" && text("real/f", in: root) == "x")
        #expect(try text("tmp/apus-escape/g", in: root) == "x")
        #expect(try FD.open("/tmp", [.path]).status(of: "apus-escape") == nil)
        // Files do not replace directories, nor directories files.
        #expect(
            message { try site.build("FROM scratch\nCOPY d /\nCOPY f /in/g") }.hasPrefix("Dockerfile:3: "))
    }

    @Test func stagesAreCopiedFromWithTheirOwners() throws {
        let site = try Site()
        try site.write("f", "x")
        let file = """
            FROM scratch AS one
            COPY --chown=5:6 f /d/f
            FROM scratch AS never
            RUN fail 1
            FROM scratch
            COPY --from=one /d /k
            COPY --from=0 --chown=1 /d/f /k/g
            """
        let image = try site.build(file)
        let root = try site.root(of: image)
        #expect(try owner("k/f", in: root) == "5:6 644" && owner("k/g", in: root) == "1:1 644")
        #expect(site.lines.contains("Step 1/5 : FROM scratch AS one"))
        try site.build(file)
        #expect(site.hits == 3)
        #expect(
            message { try site.build("FROM scratch AS a\nFROM scratch\nCOPY --from=a /x /y") }
                .hasPrefix("Dockerfile:3: COPY failed: file not found"))
    }

    @Test func workingDirectoriesBelongToTheUser() throws {
        let site = try Site()
        try site.write("etc/passwd", "root:x:0:0::/:\nbob:x:1000:1001::/:\n")
        try site.write("etc/group", "staff:x:50:\n")
        let image = try site.build(
            "FROM scratch\nCOPY etc /etc\nWORKDIR /a\nUSER bob\nWORKDIR b\nWORKDIR /etc\n"
                + "COPY --chown=bob:staff etc/group /n/\nCOPY --chown=bob etc/group /m")
        let root = try site.root(of: image)
        #expect(try owner("a", in: root) == "0:0 755" && owner("a/b", in: root) == "1000:1001 755")
        #expect(try owner("etc", in: root) == "0:0 755")
        #expect(try owner("n/group", in: root) == "1000:50 644" && owner("m", in: root) == "1000:1001 644")
        #expect(image.config.process.workingDir == "/etc")
        #expect(
            message { try site.build("FROM scratch\nCOPY etc /etc\nCOPY --chown=eve etc /x") }
                == "Dockerfile:3: unable to find user eve: no matching entries in passwd file")
    }

    @Test func hostilePasswdFilesAreRefused() throws {
        let site = try Site()
        try site.write("e/x", "")
        try site.scratch.root.open("context/e", [.readOnly, .directory]).makeSymlink("passwd", to: "/p")
        let file = "FROM scratch\nCOPY e /etc\nRUN fifo\nCOPY --chown=bob e /x"
        #expect(message { try site.build(file) }.contains("unable to find user bob"))
        try site.write("p/x", "")
        #expect(
            message { try site.build("FROM scratch\nCOPY e /etc\nCOPY p /p/\nCOPY --chown=bob e /x") }
                .contains("not a regular file"))
    }

    @Test func failedCommandsSayWhatAndLeaveNothing() throws {
        let site = try Site()
        do {
            try site.build("FROM scratch\nRUN fail 9")
            Issue.record("no error")
        } catch let error as BuildError {
            let why = "The command '/bin/sh -c fail 9' returned a non-zero code: 9"
            #expect(error.description == "Dockerfile:2: \(why)")
            #expect(error.exitCode == 9)
        }
        #expect(try site.leftovers() == [])
        #expect(site.reports.contains(.output(Array("ran fail\n".utf8))))
        _ = try? site.build("FROM scratch\nRUN fail 9") { $0.quiet = true }
        guard site.reports.count == 1, case .log(let log)? = site.reports.first else {
            Issue.record("one log for stderr, not \(site.reports)")
            return
        }
        let text = String(decoding: log, as: UTF8.self)
        #expect(text.hasPrefix("Step 1/2 : FROM scratch\n") && text.hasSuffix("ran fail\n"))
        #expect(message { try site.build("FROM nosuch") }.hasPrefix("Dockerfile:1: "))
        #expect(
            message { try site.build("FROM scratch\nCOPY --chmod=u=x . /") }.hasPrefix(
                "Dockerfile:2: --chmod=u=x"))
    }

    @Test func mountPointsOfAStepAreNotInTheImage() throws {
        let site = try Site()
        let image = try site.build("FROM scratch\nRUN mountpoints\n")
        #expect(image.config.diffIDs.isEmpty)
        try site.write("etc/hosts", "")
        let kept = try site.build("FROM scratch\nCOPY etc /etc\nRUN mountpoints\n")
        #expect(try text("etc/hosts", in: try site.root(of: kept)) == "")
    }

    @Test func damagedRecordsAndMissingLayersAreMisses() throws {
        let site = try Site()
        let file = "FROM scratch\nRUN write a 1\n"
        let image = try site.build(file)
        let cache = try site.scratch.root.open("root/build/cache", [.readOnly, .directory])
        let records = try cache.entries().map(\.name)
        #expect(records.count == 1)
        let gone = "{\"version\":1,\"diffID\":\"sha256:\(String(repeating: "0", count: 64))\"}"
        for damage in ["", "{", "{\"version\":1}", gone, "{\"version\":2,\"empty\":true}"] {
            try cache.replace(records[0], with: Array(damage.utf8))
            #expect(try site.build(file).digest == image.digest)
            #expect(site.hits == 0, "\(damage)")
        }
    }

    @Test func heredocsAreFilesAndScripts() throws {
        let site = try Site()
        let image = try site.build(
            "FROM scratch\nARG v=1\nCOPY <<a <<'b' /d/\n$v \"q\" \\$x\na\n$v\nb\nRUN <<E\nwrite s 1\nE\n")
        let root = try site.root(of: image)
        #expect(try text("d/a", in: root) == "1 \"q\" $x\n" && text("d/b", in: root) == "$v\n")
        #expect(site.runner.steps.first?.argv == ["/bin/sh", "-c", "write s 1\n"])
        let scripted = try site.build("FROM scratch\nRUN <<E\n#!/bin/perl\nx\nE\nRUN cat <<E >f\nx\nE\n")
        #expect(site.runner.scripts == ["#!/bin/perl\nx\n"])
        #expect(site.runner.steps.last?.argv == ["/bin/sh", "-c", "cat <<E >f\nx\nE"])
        #expect(scripted.config.diffIDs.isEmpty)
    }

    @Test func triggersRunInTheChildOnly() throws {
        let site = try Site()
        try site.write("f", "x")
        let base = try site.build("FROM scratch\nONBUILD COPY f /t/\n") { $0.tags = tags("base") }
        #expect(base.config.process.onBuild == ["COPY f /t/"] && base.config.diffIDs.isEmpty)
        let image = try site.build("FROM base\nENV a=b\n")
        #expect(site.lines.contains("# Executing 1 build trigger"))
        #expect(image.config.process.onBuild == [])
        #expect(try text("t/f", in: try site.root(of: image)) == "x")
    }

    @Test func archivesAreUnpackedByTheirContent() throws {
        let site = try Site()
        try site.write("tree/sub/f", "x", mode: 0o640)
        try site.write("plain.tar", "no archive")
        let layer = try site.build("FROM scratch\nCOPY --chown=3:4 tree /\n")
        let blob = try #require(layer.manifest.layers.first).digest.hex
        let tar = try FD.open(site.store.root.appending("blobs/sha256/\(blob)"))
        let copy = try site.scratch.root.open("context/named.txt", [.writeOnly, .create], mode: 0o644)
        try copy.copyContents(of: tar)
        let image = try site.build(
            "FROM scratch\nADD named.txt plain.tar /a/\nADD --chown=7:8 named.txt /b\nCOPY named.txt /c\n")
        let root = try site.root(of: image)
        #expect(try owner("a/sub/f", in: root) == "3:4 640" && text("a/sub/f", in: root) == "x")
        #expect(try text("a/plain.tar", in: root) == "no archive")
        #expect(try owner("b/sub/f", in: root) == "7:8 640")
        #expect(try root.resolve("c").status?.type == .regular)
        #expect(
            message { try site.build("FROM scratch\nADD --chmod=755 named.txt /\n") }
                == "Dockerfile:2: ADD --chmod of an archive is not supported")
    }

    @Test func attributesAndCapabilitiesAreKept() throws {
        let site = try Site()
        try site.write("d/f", "x", mode: 0o755)
        let file = try site.scratch.root.open("context/d/f", .readWrite)
        // VFS_CAP_REVISION_2, effective, CAP_NET_BIND_SERVICE.
        let capability: [UInt8] = [1, 0, 0, 2, 0, 4] + [UInt8](repeating: 0, count: 14)
        try file.setAttribute("user.note", Array("n".utf8))
        try file.setAttribute("security.capability", capability)
        try file.setAttribute("trusted.secret", Array("s".utf8))
        let dockerfile = "FROM scratch AS a\nCOPY --chown=5 d /d\nFROM scratch\nCOPY --from=a / /"
        let first = try site.build(dockerfile)
        let copied = try site.root(of: first).open("d/f")
        #expect(try copied.attributeNames() == ["security.capability", "user.note"])
        #expect(try copied.attribute("security.capability") == capability)
        try file.setAttribute("user.note", Array("m".utf8))
        #expect(try site.build(dockerfile).id != first.id)
    }

    @Test func optionsTakeEffect() throws {
        let site = try Site()
        try site.write("f", "x")
        try site.write("x/Other", "FROM scratch\nCOPY . /\n")
        try site.write("x/Other.dockerignore", "*\n!f\n")
        try site.write(".dockerignore", "f\n")
        let image = try site.build("") {
            $0.dockerfilePath = $0.contextPath.appending("x/Other")
            $0.idFile = $0.contextPath.appending("../id")
            $0.labels = [("l", "1")]
            $0.quiet = true
        }
        #expect(site.reports == [.line(image.id.description)])
        #expect(try site.scratch.read("id") == image.id.description)
        #expect(image.config.process.labels == ["l": "1"])
        let root = try site.root(of: image)
        #expect(try root.entries().map(\.name) == ["f"])
        #expect(
            message { try site.build("") } == "the Dockerfile (Dockerfile) cannot be empty")
        #expect(
            message { try site.build("FROM scratch") { $0.contextPath = "/no/such" } }
                == "unable to prepare context: path \"/no/such\" not found")
    }
}

/// A name that is known to be one.
private func tags(_ name: String) -> [Reference] { (try? Reference(name)).map { [$0] } ?? [] }
