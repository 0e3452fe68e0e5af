import Engine
import Testing

/// The error of a closure that must refuse, as text.
func refusal(_ body: () throws -> Void) -> String? {
    do {
        try body()
        return nil
    } catch { return "\(error)" }
}

@Suite struct SizeTests {
    @Test(arguments: [
        ("0", 0), ("512", 512), ("64m", 64 << 20), ("1.5g", 3 << 29), ("2GiB", 2 << 30), ("1kb", 1024),
        ("7B", 7),
        ("3 M", 3 << 20), ("1t", 1 << 40),
    ])
    func readsPowersOf1024(text: String, bytes: Int) throws { #expect(try Size.parse(text) == Int64(bytes)) }

    @Test(arguments: [
        "", "abc", "-5", "1x", "m", "1.2.3", "9999999999999g", "0x10", "1ib", "inf", "nan", "+1",
    ])
    func refusesWhatIsNoSize(text: String) {
        #expect(refusal { _ = try Size.parse(text) } == "invalid size: '\(text)'")
    }

    @Test(arguments: [
        (0, "0B"), (999, "999B"), (1000, "1kB"), (1234, "1.23kB"), (77_812_345, "77.8MB"),
        (187_000_000, "187MB"),
        (1_500_000_000, "1.5GB"), (4_500_000, "4.5MB"),
    ])
    func printsThreeDigitsOfPowersOf1000(bytes: Int, text: String) {
        #expect(Size.human(Int64(bytes)) == text)
    }

    @Test func readsProcessors() throws {
        #expect(try Processors.parse("1.5") == 1_500_000_000)
        #expect(try Processors.parse("3/2") == 1_500_000_000)
        #expect(refusal { _ = try Processors.parse("1/3") } == "value is too precise")
        for bad in ["abc", "0.5.5", "1/0", "", "1/2/3", "inf", "nan"] {
            #expect(
                refusal { _ = try Processors.parse(bad) } == "failed to parse \(bad) as a rational number")
        }
    }
}

@Suite struct MountTests {
    private func bind(_ source: String, makes: Bool, recursive: Bool) -> MountOption.Kind {
        var bind = MountOption.Bind(source)
        (bind.makesSource, bind.isRecursive) = (makes, recursive)
        return .bind(bind)
    }
    private func named(_ name: String?, copies: Bool) -> MountOption.Kind {
        var volume = MountOption.Volume(name)
        volume.copies = copies
        return .volume(volume)
    }
    private func volume(_ text: String) throws -> MountOption {
        try MountOption(volume: text, directory: "/home/me")
    }
    private func mount(_ text: String) throws -> MountOption {
        try MountOption(mount: text, directory: "/home/me")
    }

    @Test func readsBindsVolumesAndAnonymousVolumes() throws {
        var expected = MountOption(bind("/a", makes: true, recursive: true), target: "/b")
        (expected.origin, expected.text) = (.volumeFlag, "/a:/b")
        #expect(try volume("/a:/b") == expected)
        expected.text = "/a/../a/.:/b//"
        #expect(try volume("/a/../a/.:/b//") == expected)
        expected.isReadOnly = true
        expected.propagation = "rshared"
        expected.text = "/a:/b:ro,rshared"
        #expect(try volume("/a:/b:ro,rshared") == expected)
        #expect(try volume("./x:/b").kind == bind("/home/me/x", makes: true, recursive: true))
        #expect(try volume("..:/b").kind == bind("/home", makes: true, recursive: true))
        #expect(try volume("data:/b:nocopy").kind == named("data", copies: false))
        #expect(try volume("/cache").kind == named(nil, copies: true))
    }

    @Test(arguments: [
        (":/x", "invalid spec: :/x: empty section between colons"),
        ("a:b:c:d", "invalid volume specification: 'a:b:c:d'"), ("/a:/b:zz", "invalid mode: zz"),
        ("/a:/b:ro,rw", "invalid mode: ro,rw"),
        (
            "/a:/b:nocopy",
            "invalid volume specification: '/a:/b:nocopy': invalid mount config for type \"bind\": field VolumeOptions must not be specified"
        ),
        (
            "data:/b:rshared",
            "invalid volume specification: 'data:/b:rshared': invalid mount config for type \"volume\": field BindOptions must not be specified"
        ),
        (
            "/a:rel",
            "invalid volume specification: '/a:rel': invalid mount config for type \"bind\": invalid mount path: 'rel' mount path must be absolute"
        ),
        (
            "/:/x/..",
            "invalid volume specification: '/:/x/..': invalid mount config for type \"bind\": invalid specification: destination can't be '/'"
        ),
    ])
    func refusesBadVolumes(text: String, why: String) { #expect(refusal { _ = try volume(text) } == why) }

    @Test func refusesAVolumeNameWithASlash() {
        #expect(
            refusal { _ = try volume("a/b:/x") }?.contains("invalid characters for a local volume name")
                == true)
    }

    @Test func readsMountFields() throws {
        var expected = MountOption(bind("/a,b", makes: false, recursive: false), target: "/x")
        expected.isReadOnly = true
        #expect(try mount("type=bind,\"source=/a,b\",dst=/x,ro,bind-nonrecursive") == expected)
        #expect(try mount("target=/x").kind == named(nil, copies: true))
        #expect(try mount("src=v1,target=/x,volume-nocopy").kind == named("v1", copies: false))
        #expect(
            try mount("type=tmpfs,target=/x,tmpfs-size=1m,tmpfs-mode=1700").kind
                == .tmpfs(options: ["size=1048576", "mode=1700"]))
    }

    @Test(arguments: [
        ("foo", "invalid field 'foo' must be a key=value pair"), ("type=bind", "target is required"),
        ("type=bind,source=/a,dst=/x,bogus=1", "unexpected key 'bogus' in 'bogus=1'"),
        ("type=tmpfs,dst=/x,tmpfs-size=abc", "invalid value for tmpfs-size: abc"),
        ("type=tmpfs,dst=/x,tmpfs-mode=9", "invalid value for tmpfs-mode: 9"),
        ("type=bind,readonly=foo,dst=/x", "invalid value for readonly: foo"),
        ("type=volume,target=/x,tmpfs-size=1", "cannot mix 'tmpfs-*' options with mount type 'volume'"),
        ("type=bind,target=/x", "invalid mount config for type \"bind\": field Source must not be empty"),
        ("type=nfs,target=/x", "invalid mount config for type \"nfs\": mount type unknown"),
        (
            "type=bind,src=/a,dst=/x,bind-recursive=foo",
            "invalid value for bind-recursive: foo (must be \"enabled\", \"disabled\", \"writable\", or \"readonly\")"
        ),
        (
            "type=bind,src=/a,dst=/x,bind-recursive=readonly",
            "option 'bind-recursive=readonly' requires 'readonly' to be specified in conjunction"
        ),
        (
            "type=bind,src=/a,dst=/x,bind-recursive=readonly,ro",
            "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction"
        ),
        (
            "type=bind,src=/a,dst=/x,bind-propagation=foo",
            "invalid mount config for type \"bind\": invalid propagation mode: foo"
        ),
    ])
    func refusesBadMounts(text: String, why: String) { #expect(refusal { _ = try mount(text) } == why) }

    @Test func readsTmpfs() throws {
        #expect(try MountOption(tmpfs: "/t:size=1m,exec").kind == .tmpfs(options: ["size=1m", "exec"]))
        #expect(refusal { _ = try MountOption(tmpfs: "/t:zz") } == "invalid tmpfs option [\"zz\"]")
        #expect(
            refusal { _ = try MountOption(tmpfs: "rel") }
                == "invalid mount path: 'rel' mount path must be absolute")
    }
}

@Suite struct EnvFileTests {
    private func parse(_ text: String) throws -> [String] {
        try EnvFile.parse(Array(text.utf8), path: "ef") { ["HOME": "/root"][$0] }
    }

    @Test func keepsQuotesAndLaterHashes() throws {
        #expect(
            try parse("# c\n  A=1 # x\n\nQ=\"quoted\"\nHOME\nGONE\nE=\r\n\tT=a=b")
                == ["A=1 # x", "Q=\"quoted\"", "HOME=/root", "E=", "T=a=b"])
    }

    @Test func namesTheFileInItsErrors() {
        #expect(
            refusal { _ = try parse("A B=1") } == "invalid env file (ef): variable 'A B' contains whitespaces"
        )
        #expect(refusal { _ = try parse("=x") } == "invalid env file (ef): no variable name on line '=x'")
        #expect(
            refusal { _ = try EnvFile.parse([65, 255, 61, 49], path: "ef", lookUp: nil) }
                == "invalid env file (ef): invalid utf8 bytes at line 1: [65 255 61 49]")
    }

    @Test func bareVariablesComeFromTheClientOrRemove() throws {
        #expect(try EnvFile.variable("A") { _ in "1" } == "A=1")
        #expect(try EnvFile.variable("A") { _ in nil } == "A")
        #expect(try EnvFile.variable("A=") { _ in "1" } == "A=")
        #expect(refusal { _ = try EnvFile.variable("=x") { _ in nil } } == "invalid environment variable: =x")
        #expect(refusal { _ = try EnvFile.label("=x") } == "invalid label '=x': empty name")
    }
}

@Suite struct NameTests {
    @Test func followsDockersGrammar() {
        for good in ["ab", "a1", "Web_1.x-y"] { #expect(ContainerName.isValid(good)) }
        for bad in ["", "k", "_a", "a b", "a/b", "ä1", "-a", "a\n"] { #expect(!ContainerName.isValid(bad)) }
    }

    @Test func madeUpNamesAndIdsAreValid() {
        #expect(ContainerName.isValid(ContainerName.random()))
        #expect(ContainerName.random(attempt: 3).last?.isNumber == true)
        let id = ContainerName.newID()
        #expect(id.utf8.count == 64)
        #expect(id != ContainerName.newID())
    }

    @Test func findsByIdThenNameThenPrefix() throws {
        let a = Lookup.Candidate(id: "abc1" + String(repeating: "0", count: 60), name: "web")
        let b = Lookup.Candidate(id: "abc2" + String(repeating: "0", count: 60), name: "abc1")
        #expect(try Lookup.find(a.id, in: [b, a]) == a)
        #expect(try Lookup.find("abc1", in: [a, b]) == b)
        #expect(try Lookup.find("/web", in: [a, b]) == a)
        #expect(try Lookup.find("abc2", in: [a, b]) == b)
        #expect(
            refusal { _ = try Lookup.find("abc", in: [a, b]) }
                == "multiple IDs found with provided prefix: abc")
        #expect(refusal { _ = try Lookup.find("zz", in: [a]) } == "No such container: zz")
        #expect(refusal { _ = try Lookup.find("", in: [a]) } == "No such container: ")
    }
}

@Suite struct SmallOptionTests {
    @Test func readsUlimits() throws {
        #expect(try Ulimit(parsing: "nofile=5:7") == Ulimit(name: "nofile", soft: 5, hard: 7))
        #expect(try Ulimit(parsing: "nofile=-1").rlimit == "RLIMIT_NOFILE")
        let bad = [
            ("foo", "invalid ulimit argument: foo"), ("bogus=5", "invalid ulimit type: bogus"),
            ("nofile=a", "strconv.ParseInt: parsing \"a\": invalid syntax"),
            ("nofile=5:3", "ulimit soft limit must be less than or equal to hard limit: 5 > 3"),
            ("nofile=", "strconv.ParseInt: parsing \"\": invalid syntax"),
        ]
        for (text, why) in bad { #expect(refusal { _ = try Ulimit(parsing: text) } == why) }
    }

    @Test func readsHostsAndServers() throws {
        #expect(try NameOptions.extraHost("a:1.2.3.4") == "a:1.2.3.4")
        #expect(try NameOptions.extraHost("a=[::1]") == "a:::1")
        #expect(try NameOptions.extraHost("a:fe80::1:2") == "a:fe80::1:2")
        #expect(try NameOptions.extraHost("gw:host-gateway") == "gw:host-gateway")
        #expect(refusal { _ = try NameOptions.extraHost("foo") } == "bad format for add-host: \"foo\"")
        #expect(
            refusal { _ = try NameOptions.extraHost("a:999.1.1.1") }
                == "invalid IP address in add-host: \"999.1.1.1\"")
        for good in ["::", "::1", "1::", "1:2:3:4:5:6:7:8", "::ffff:1.2.3.4", "1.2.3.4"] {
            #expect(try NameOptions.server(good) == good)
        }
        for bad in [
            "", ":", ":::", "1::2::3", "1:2:3", "1:2:3:4:5:6:7:8:9", "12345::", "1.2.3", "01.2.3.4", "g::",
        ] {
            #expect(refusal { _ = try NameOptions.server(bad) } != nil, "\(bad)")
        }
        #expect(refusal { _ = try NameOptions.searchDomain("-a") } == "-a is not a valid domain")
    }

    @Test func capabilitiesInAnyCaseWithOrWithoutPrefix() throws {
        for text in ["net_admin", "CAP_NET_ADMIN", "cap_net_Admin"] {
            #expect(try HostOptions.capability(text) == "CAP_NET_ADMIN")
        }
        #expect(try HostOptions.capability("all") == "ALL")
        #expect(refusal { _ = try HostOptions.capability("foo") } == "unknown capability: \"CAP_FOO\"")
    }

    @Test func securityOptions() throws {
        var options = HostOptions()
        try options.setSecurity("no-new-privileges") { $0 }
        try options.setSecurity("seccomp=/p.json") { "profile \($0)" }
        #expect(options.noNewPrivileges)
        #expect(options.seccomp == .profile("profile /p.json"))
        try options.setSecurity("seccomp:unconfined") { $0 }
        #expect(options.seccomp == .unconfined)
        #expect(refusal { try options.setSecurity("foo") { $0 } } == "Invalid --security-opt: \"foo\"")
        #expect(refusal { try options.setSecurity("apparmor=x") { $0 } } != nil)
    }

    @Test func limitsAreRefusedInDockersWords() {
        func why(_ set: (inout Limits) -> Void) -> String? {
            var limits = Limits()
            set(&limits)
            return refusal { try limits.validate(processors: 2) }
        }
        #expect(why { _ in } == nil)
        #expect(why { $0.memory = 1 << 20 } == "Minimum memory limit allowed is 6MB")
        #expect(why { $0.memory = 8 << 20 } == nil)
        #expect(why { $0.memorySwap = 8 << 20 }?.hasPrefix("You should always set the Memory limit") == true)
        #expect(
            why { ($0.memory, $0.memorySwap) = (8 << 20, 7 << 20) }?.hasPrefix("Minimum memoryswap") == true)
        #expect(why { ($0.memory, $0.memorySwap) = (8 << 20, -1) } == nil)
        #expect(why { $0.nanoCPUs = 3_000_000_000 }?.hasPrefix("range of CPUs is from 0.01 to 2.00") == true)
        #expect(
            why { ($0.nanoCPUs, $0.cpuQuota) = (1_000_000_000, 5000) }?.hasPrefix("Conflicting options")
                == true)
        #expect(why { $0.cpusetCPUs = "zz" } == "Invalid value zz for cpuset cpus")
        #expect(why { $0.cpusetCPUs = "0-1,1" } == nil)
        #expect(why { $0.cpusetCPUs = "1-0" } != nil)
        #expect(why { $0.cpuPeriod = 5 } != nil)
    }

    @Test func whatOnlyTheWholeShows() {
        var options = RunOptions(image: "x")
        options.workingDirectory = "rel"
        #expect(
            refusal { try options.validate(processors: 1) }
                == "the working directory 'rel' is invalid, it needs to be an absolute path")
        options = RunOptions(image: "x")
        options.name = "a b"
        #expect(
            refusal { try options.validate(processors: 1) }
                == "Invalid container name (a b), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
        options = RunOptions(image: "x")
        options.host.mounts = [MountOption(.tmpfs(options: []), target: "/t")]
        options.host.mounts += options.host.mounts
        #expect(refusal { try options.validate(processors: 1) } == "Duplicate mount point: /t")
    }

    @Test(
        arguments: [
            (nil, "docker.io", "https://index.docker.io/v1/"),
            ("index.docker.io", "docker.io", "https://index.docker.io/v1/"),
            ("https://a.example:5000/v2/x", "a.example:5000", "a.example:5000"),
        ] as [(String?, String, String)])
    func aLoginKnowsItsRegistry(text: String?, host: String, title: String) throws {
        let server = try RegistryServer(text)
        #expect(server.host == host && server.title == title)
    }

    @Test(arguments: ["", "https://", "a b", "name"]) func whatIsNoRegistryIsRefused(text: String) {
        #expect(throws: UsageError.self) { try RegistryServer(text) }
    }
}
