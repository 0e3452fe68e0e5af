import Engine
import Linux
import SystemPackage
import Testing

@testable import apus

/// docker's own command line (28.2) gives these texts.
@Suite struct ArgumentsTests {
    private static let flags: [Flag] =
        [
            .toggle("interactive", "i", ""), .toggle("tty", "t", ""), .toggle("sig-proxy", "", default: true),
            .list("publish", "p", ""), .value("memory", "m", "bytes", ""), .value("name", ""),
        ] + Flag.later("restart") + Flag.ignored("isolation")

    private func parse(_ words: String...) throws -> Arguments {
        try Arguments(parsing: words, flags: Self.flags, stopsAtWord: true)
    }

    private func refusal(_ words: String...) -> String? {
        do {
            _ = try Arguments(parsing: words, flags: Self.flags, stopsAtWord: true)
            return nil
        } catch { return "\(error)" }
    }

    @Test func shortFlagsAreCombinedAndTakeValuesInEveryWay() throws {
        for words in [
            ["-itp", "80:80"], ["-it", "-p80:80"], ["-ti", "-p=80:80"], ["-t", "-i", "--publish=80:80"],
        ] {
            let arguments = try Arguments(parsing: words + ["x"], flags: Self.flags, stopsAtWord: true)
            #expect(arguments.isOn("interactive") && arguments.isOn("tty"))
            #expect(arguments.values("publish") == ["80:80"])
            #expect(arguments.words == ["x"])
        }
    }

    @Test func togglesTakeAValueAfterAnEqualsSignOnly() throws {
        #expect(try parse("--tty=false", "x").isOn("tty") == false)
        #expect(try parse("-t=0", "x").isOn("tty") == false)
        #expect(try parse("x").isOn("sig-proxy"))
        #expect(try parse("--sig-proxy=false", "x").isOn("sig-proxy") == false)
        #expect(try parse("--tty", "false").words == ["false"])
    }

    @Test func theFirstWordEndsTheFlagsOfAContainersCommand() throws {
        let arguments = try parse("-p", "1", "image", "-p", "2", "--name", "-x")
        #expect(arguments.values("publish") == ["1"])
        #expect(arguments.words == ["image", "-p", "2", "--name", "-x"])
        #expect(try parse("--", "-p", "x").words == ["-p", "x"])
        #expect(try parse("--name", "--tty", "x").value("name") == "--tty")
        #expect(try parse("-", "x").words == ["-", "x"])
    }

    @Test func elsewhereFlagsMayFollowWords() throws {
        let arguments = try Arguments(
            parsing: ["web", "-i", "db", "--", "-t"], flags: Self.flags, stopsAtWord: false)
        #expect(arguments.words == ["web", "db", "-t"])
        #expect(arguments.isOn("interactive"))
    }

    @Test func theLastValueCountsAndListsKeepAll() throws {
        let arguments = try parse("--name=a", "-p1", "--name", "b", "-p", "2", "x")
        #expect(arguments.value("name") == "b")
        #expect(arguments.values("publish") == ["1", "2"])
        #expect(arguments.value("memory") == nil)
    }

    @Test func refusesInDockersWords() {
        #expect(refusal("--bogus", "x") == "unknown flag: --bogus")
        #expect(refusal("-Z", "x") == "unknown shorthand flag: 'Z' in -Z")
        #expect(refusal("-iZt", "x") == "unknown shorthand flag: 'Z' in -Zt")
        #expect(refusal("-p") == "flag needs an argument: 'p' in -p")
        #expect(refusal("--memory") == "flag needs an argument: --memory")
        #expect(
            refusal("--tty=maybe", "x")
                == "invalid argument \"maybe\" for \"-t, --tty\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax"
        )
        #expect(refusal("---x") == "bad flag syntax: ---x")
        #expect(refusal("--=x") == "bad flag syntax: --=x")
    }

    @Test func flagsHaveTheirOtherNames() throws {
        let arguments = try Arguments(
            parsing: ["--net", "none", "--dns-opt=ndots:1", "--dns-option", "b", "x"], flags: RunFlags.common,
            stopsAtWord: true)
        #expect(arguments.value("network") == "none")
        #expect(arguments.values("dns-option") == ["ndots:1", "b"])
    }

    @Test func whatIsSoAnywayIsTakenWithoutAWord() throws {
        let arguments = try Arguments(
            parsing: ["--progress=plain", "--pull", "--rm", "--cache-from", "a", "."],
            flags: BuildCommand.build.flags, stopsAtWord: false)
        #expect(arguments.words == ["."] && arguments.ignored.isEmpty)
    }

    @Test func nothingOfDockersIsIgnoredInSilence() throws {
        #expect(refusal("--restart", "always", "x") == "--restart is not supported yet")
        #expect(try parse("--isolation=x", "y").ignored == ["isolation"])
    }

    @Test func typedValuesNameTheirFlagWhenTheyAreWrong() throws {
        let arguments = try parse("-m", "abc", "x")
        #expect(throws: FlagError("invalid argument \"abc\" for \"-m, --memory\" flag: invalid size: 'abc'"))
        {
            try arguments.parsed("memory", Size.parse)
        }
    }
}

@Suite struct CommandTests {
    @Test func everyCommandsFlagsAreUniqueAndExplained() {
        for command in CommandList.all {
            let names = command.flags.map(\.name)
            #expect(Set(names).count == names.count, "\(command.name)")
            let shorts = command.flags.compactMap(\.short)
            #expect(Set(shorts).count == shorts.count, "\(command.name)")
            for flag in command.flags where flag.standing == .works {
                #expect(!flag.help.isEmpty, "--\(flag.name) of \(command.name)")
            }
        }
    }

    @Test func completionsOfBash() throws {
        let script = try #require(Completion.script(for: "bash", commands: CommandList.all))
        func completed(_ words: String...) throws -> Set<String> {
            let list = words.map { "'\($0)'" }.joined(separator: " ")
            let call = """
                apus() { if [ "$1" = ps ]; then echo web; else echo busybox:latest; fi; }
                COMP_WORDS=(apus \(list)); COMP_CWORD=\(words.count); _apus; printf '%s\\n' "${COMPREPLY[@]}"
                """
            return Set(try bash(script + call).split(separator: "\n").map(String.init))
        }
        #expect(try completed("inspect", "") == ["web", "busybox:latest"])
        #expect(try completed("container", "st") == ["start", "stats", "stop"])
        #expect(try completed("container", "stop", "") == ["web"])
        #expect(try completed("image", "").contains("inspect"))
        #expect(try completed("completion", "") == ["bash", "zsh", "fish"])
        #expect(try completed("--ro") == ["--root"])
        #expect(try completed("run", "--memory-s") == ["--memory-swap"])
        #expect(try completed("rmi", "") == ["busybox:latest"])
        #expect(try completed("push", "") == ["busybox:latest"])
        #expect(try completed("pull", "").isEmpty)
    }

    /// What a script prints.
    private func bash(_ script: String) throws -> String {
        let name = FilePath("apus-completion-\(Process.pid)")
        let temporary = try FD.open("/tmp", [.readOnly, .directory])
        try temporary.makeDirectory(name)
        defer { _ = try? temporary.removeTree(name) }  // the test's own failure counts
        let place = try temporary.open(name, [.readOnly, .directory])
        try place.replace("script", with: Array(script.utf8), durable: false)
        let input = try place.open("script")
        let output = try place.open("out", [.writeOnly, .create, .exclusive], mode: 0o600)
        let process = try Process.spawnHeld(
            path: "/bin/bash", arguments: ["bash"], environment: ["PATH=/usr/bin:/bin"],
            stdio: [input.raw, output.raw, 2])
        _ = try process.reap(wait: true)
        return String(decoding: try place.contents(of: "out") ?? [], as: UTF8.self)
    }

    @Test(arguments: [
        (["search", "x"], "apus search is not supported yet"),
        (["swarm", "init"], "apus swarm is not supported yet"),
        (["volume", "update", "x"], "apus volume update is not supported yet"),
    ])
    func commandsOfDockersAreKnownByName(words: [String], refusal: String) {
        #expect(LaterCommands.refusal(of: words[0], Array(words.dropFirst())) == refusal)
        #expect(LaterCommands.refusal(of: "bogus", []) == nil)
        #expect(LaterCommands.refusal(of: "container", ["bogus"]) == nil)
    }

    @Test func aCommandThatWorksIsNotRefused() {
        for command in CommandList.all {
            #expect(
                command.name.isEmpty || LaterCommands.refusal(of: command.name, []) == nil, "\(command.name)")
            for verb in command.groupNames {
                #expect(LaterCommands.refusal(of: command.group, [verb]) == nil, "\(command.group) \(verb)")
            }
        }
    }

    @Test func helpListsEveryCommandOnce() {
        let listed = CommandList.all.map(\.name).filter { !$0.isEmpty }
        #expect(Set(listed).count == listed.count)
        let text = Help.text(CommandList.sections)
        for name in listed { #expect(text.contains("\n  \(name) "), "\(name)") }
    }

    @Test func complaintsHaveTheUsageBelow() {
        let whole = CommandFailure.usage("unknown flag: --x", "Usage:  apus ps", code: 125, help: "apus ps")
        let text = "unknown flag: --x\n\nUsage:  apus ps\n\nRun 'apus ps --help' for more information"
        #expect(whole.description == text && whole.code == 125 && !whole.isNamed)
        let short = CommandFailure.usage("apus: bad", nil, code: 1, help: "apus run")
        #expect(short.description == "apus: bad\n\nRun 'apus run --help' for more information")
    }

    @Test func severalNamesAreBegunBeforeTheFirstIsWaitedFor() throws {
        var steps: [String] = []
        let code = try EachName.run(["a", "b", "c"]) { name in
            if name == "b" { throw FlagError("no \(name)") }
            steps.append("begin \(name)")
        } finish: { name, _ in
            steps.append("finish \(name)")
        }
        #expect(code == 1 && steps == ["begin a", "begin c", "finish a", "finish c"])
    }

    @Test func helpLooksAsDockers() {
        let text = Help.text(EndCommands.kill, path: "kill")
        #expect(
            text == """
                Usage:  apus kill [OPTIONS] CONTAINER [CONTAINER...]

                Kill one or more running containers

                Aliases:
                  apus container kill, apus kill

                Options:
                  -s, --signal string   Signal to send to the container

                """)
    }

    @Test func onlyOtherNamesAreAliases() {
        let image = Help.text(InspectCommand.image, path: "image inspect")
        #expect(!image.contains("Aliases") && image.contains("Options:"))
        for command in CommandList.all {
            let text = Help.text(command, path: command.name.isEmpty ? command.group : command.name)
            #expect(!text.contains("apus \n") && !text.contains("apus ,"), "\(text)")
        }
        #expect(
            Help.text(ImagesCommand.images, path: "images").contains(
                "Aliases:\n  apus image ls, apus image list, apus images\n"))
    }

    @Test func filtersAreNamed() {
        for name in ["before=", "since=", "until=", "label=", "reference=", "dangling="] {
            #expect(Help.text(ImagesCommand.images, path: "images").contains(name))
        }
        #expect(Help.text(PruneCommands.image, path: "image prune").contains("dangling=false"))
        #expect(!Help.text(PruneCommands.container, path: "container prune").contains("dangling"))
    }

    @Test func contentTrustIsOffAndStaysOff() throws {
        for command in [
            TransferCommands.pull, TransferCommands.push, BuildCommand.build, RunCommand.run,
            RunCommand.create,
        ] {
            let arguments = try Arguments(
                parsing: ["--disable-content-trust", "x"], flags: command.flags, stopsAtWord: true)
            #expect(arguments.words == ["x"] && arguments.ignored.isEmpty)
            #expect(throws: FlagError("--disable-content-trust=false is not supported yet")) {
                try Arguments(
                    parsing: ["--disable-content-trust=false", "x"], flags: command.flags, stopsAtWord: true)
            }
        }
    }

    @Test func completionsNameCommandsAndFlags() {
        for shell in ["bash", "zsh", "fish"] {
            let script = Completion.script(for: shell, commands: CommandList.all) ?? ""
            #expect(script.contains("images") && script.contains("memory-swap"))
            #expect(!script.contains("isolation"))
        }
        #expect(Completion.script(for: "tcsh", commands: []) == nil)
    }
}
