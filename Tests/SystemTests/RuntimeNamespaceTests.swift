import Support
import Testing

@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class RuntimeNamespaceTests {
    let bundle: OCIBundle
    init() throws { bundle = try OCIBundle() }
    deinit { bundle.tearDown() }

    private let usual = ["pid", "mount", "ipc", "uts", "network"].map { "{\"type\": \"\($0)\"}" }
    private let ids = "[{\"containerID\": 0, \"hostID\": 100000, \"size\": 65536}]"
    private var maps: String { ", \"uidMappings\": \(ids), \"gidMappings\": \(ids)" }

    /// Runs a script with more namespaces than usual.
    private func run(
        _ script: String, _ more: [String] = [], user: String? = nil, linux: String = "", process: String = ""
    ) throws -> Outcome {
        try bundle.run {
            configure(&$0, script, more, linux, process)
            $0.user = user ?? $0.user
        }
    }

    private func configure(
        _ configuration: inout OCIBundle.Configuration, _ script: String, _ more: [String], _ linux: String,
        _ process: String = ""
    ) {
        configuration.args = ["sh", "-c", script]
        configuration.namespaces = usual + more
        (configuration.linux, configuration.process) = (linux, process)
    }

    private func giveRoot() throws {
        let outcome = try execute([
            "sh", "-c", "chmod 711 \(bundle.directory); chown -R 100000:100000 \(bundle.rootfs)",
        ])
        #expect(outcome.code == 0, "\(outcome)")
    }

    @Test func aUserNamespaceMapsIds() throws {
        try giveRoot()
        let script = "id -u; cat /proc/self/uid_map; touch /made; stat -c %u /made; cat /proc/self/setgroups"
        let outcome = try run(script, ["{\"type\": \"user\"}"], linux: maps)
        #expect(outcome.lines.map(words) == ["0", "0 100000 65536", "0", "allow"], "\(outcome)")
        #expect(try execute(["stat", "-c", "%u", bundle.rootfs + "/made"]).text == "100000")
    }

    /// Its streams belong to the user as the host knows him.
    @Test func pipesBelongToTheMappedUser() throws {
        try giveRoot()
        let fifo = bundle.directory + "/fifo"
        #expect(try execute(["mkfifo", "-m", "600", fifo]).code == 0)
        try bundle.write {
            configure(&$0, "echo hello > /dev/stdout", ["{\"type\": \"user\"}"], maps)
            $0.user = "{\"uid\": 33, \"gid\": 33}"
        }
        let command = bundle.command(["run", "--bundle", bundle.directory, bundle.id]).joined(separator: " ")
        let outcome = try execute([
            "sh", "-c", "exec 3<>\(fifo); \(command) >&3; read line <&3; echo $line; stat -c %u \(fifo)",
        ])
        #expect(outcome.lines == ["hello", "100033"], "\(outcome)")
    }

    @Test func namespacesAreJoinedByPath() throws {
        try giveRoot()
        let user = "{\"type\": \"user\"}", time = "{\"type\": \"time\"}"
        try bundle.write { configure(&$0, "sleep 1000", [user, time], maps) }
        let first = try bundle(["run", "--detach", "--bundle", bundle.directory, bundle.id])
        #expect(first.code == 0, "\(first)")
        let state = try bundle(["state", bundle.id]).out
        let pid = state.split(separator: "\"pid\": ").last.map { $0.prefix { $0.isNumber } } ?? ""
        let kinds = ["user", "net", "uts", "ipc", "pid", "time"]
        let names = ["net": "network"]
        let joined = kinds.map { kind in
            "{\"type\": \"\(names[kind] ?? kind)\", \"path\": \"/proc/\(pid)/ns/\(kind)\"}"
        }
        let show = kinds.map { "readlink /proc/self/ns/\($0)" }.joined(separator: "; ")
        try bundle.write {
            configure(&$0, show, [], "")
            $0.hostname = nil
            $0.namespaces = joined + ["{\"type\": \"mount\"}"]
        }
        let second = try bundle(["run", "--bundle", bundle.directory, bundle.id + "-2"])
        let expected = try kinds.map { try execute(["readlink", "/proc/\(pid)/ns/\($0)"]).text }
        #expect(second.lines == expected, "\(second)")
        let third = try bundle(["exec", bundle.id, "sh", "-c", show])
        #expect(third.lines == expected, "\(third)")
    }

    @Test func aPathThatIsNoSuchNamespaceIsRefused() throws {
        for path in ["/proc/self/ns/uts", "/dev/null", "/proc/self/ns/nothing"] {
            try bundle.write {
                $0.hostname = nil
                $0.namespaces = [
                    "{\"type\": \"mount\"}", "{\"type\": \"network\", \"path\": \(json(path))}",
                ]
            }
            let outcome = try bundle(["run", "--bundle", bundle.directory, bundle.id])
            #expect(outcome.code == 1 && outcome.err.contains("net namespace"), "\(outcome)")
        }
    }

    /// Its root would be attached over the host's.
    @Test func theRuntimesOwnMountNamespaceIsRefused() throws {
        try bundle.write {
            $0.hostname = nil
            $0.namespaces = ["{\"type\": \"mount\", \"path\": \"/proc/self/ns/mnt\"}"]
        }
        let outcome = try bundle(["run", "--bundle", bundle.directory, bundle.id])
        #expect(outcome.code == 1 && outcome.err.contains("own mnt namespace"), "\(outcome)")
    }

    @Test func clocksAreSetBeforeTheFirstProcess() throws {
        let outcome = try run(
            "cat /proc/self/timens_offsets; cut -d. -f1 /proc/uptime", ["{\"type\": \"time\"}"],
            linux: ", \"timeOffsets\": {\"boottime\": {\"secs\": 864000}, \"monotonic\": {\"secs\": 5}}")
        #expect(outcome.lines.first.map(words) == "monotonic 5 0", "\(outcome)")
        #expect((outcome.lines.last.flatMap { Int($0) } ?? 0) > 864_000, "\(outcome)")
    }

    /// An ordinary user's container, and a further process in it.
    @Test func anOrdinaryUserRunsContainersInHisOwnUserNamespace() throws {
        let own = "[{\"containerID\": 0, \"hostID\": 1234, \"size\": 1}]"
        try bundle.write {
            configure(
                &$0, "id -u; echo $1 > /made", ["{\"type\": \"user\"}"],
                ", \"uidMappings\": \(own), \"gidMappings\": \(own)")
        }
        #expect(try execute(["chown", "-R", "1234:1234", bundle.directory]).code == 0)
        let user = ["setpriv", "--reuid", "1234", "--regid", "1234", "--clear-groups"]
        let outcome = try execute(user + bundle.command(["run", "--bundle", bundle.directory, bundle.id]))
        #expect(outcome.code == 0 && outcome.text == "0", "\(outcome)")
        try bundle.write {
            configure(
                &$0, "sleep 1000", ["{\"type\": \"user\"}"],
                ", \"uidMappings\": \(own), \"gidMappings\": \(own)")
        }
        let detached = bundle.command(["run", "--detach", "--bundle", bundle.directory, bundle.id])
        #expect(try execute(user + detached).code == 0)
        let exec = try execute(user + bundle.command(["exec", bundle.id, "cat", "/proc/self/uid_map"]))
        #expect(words(exec.text) == "0 1234 1", "\(exec)")
        #expect(try execute(user + bundle.command(["delete", "--force", bundle.id])).code == 0)
    }

    @Test func attributesAreThoseOfTheConfiguration() throws {
        let linux = ", \"personality\": {\"domain\": \"LINUX32\"}"
        let process = """
            , "oomScoreAdj": 500, "ioPriority": {"class": "IOPRIO_CLASS_IDLE", "priority": 0},
            "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}],
            "capabilities": {"bounding": ["CAP_KILL", "CAP_CHOWN"], "permitted": ["CAP_KILL"],
            "effective": ["CAP_KILL"], "inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL", "CAP_CHOWN"]}
            """
        let script = """
            umask; pwd; cat /proc/self/oom_score_adj; ulimit -n; ulimit -Hn; uname -m
            grep -E '^(Groups|CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs)' /proc/self/status; ionice
            """
        let outcome = try bundle.run {
            configure(&$0, script, [], linux, process)
            $0.user = "{\"uid\": 7, \"gid\": 8, \"umask\": 63, \"additionalGids\": [9]}"
            $0.cwd = "/not/there/yet"
        }
        #expect(
            outcome.lines.map(words) == [
                "0077", "/not/there/yet", "500", "100", "200", "i686", "Groups: 8 9",
                "CapInh: 0000000000000020", "CapPrm: 0000000000000020", "CapEff: 0000000000000020",
                "CapBnd: 0000000000000021", "CapAmb: 0000000000000020", "NoNewPrivs: 1", "idle",
            ], "\(outcome)")
        #expect(outcome.err.contains("can't raise ambient capability CAP_CHOWN"), "\(outcome)")
    }

    /// Users of the container could not reach it after a caller with a umask of its own.
    @Test func whatIsMadeForAContainerIsForItsUsers() throws {
        try bundle.write {
            configure(&$0, "stat -c %a /made /work", [], "", "")
            $0.user = "{\"uid\": 7, \"gid\": 8}"
            $0.cwd = "/work"
            $0.mounts.append(OCIBundle.Configuration.mount("/made/here", "tmpfs"))
        }
        let command = bundle.command(["run", "--bundle", bundle.directory, bundle.id]).joined(separator: " ")
        let outcome = try execute(["sh", "-c", "umask 077; \(command)"])
        #expect(outcome.lines == ["755", "755"], "\(outcome)")
    }

    /// They are for the program: what is done to start it needs more descriptors.
    @Test func limitsThatAreNextToNothingAllowAStart() throws {
        let limit = "{\"type\": \"RLIMIT_NOFILE\", \"soft\": 3, \"hard\": 3}"
        let outcome = try run("ulimit -n", process: ", \"rlimits\": [\(limit)]")
        #expect(outcome.out == "3\n", "\(outcome)")
    }

    /// A user who is not root has no capability that the configuration does not make ambient.
    @Test func cve_2016_8867_ordinaryUsersHaveNoCapabilities() throws {
        let set = "[\"CAP_KILL\", \"CAP_CHOWN\"]"
        let process = """
            , "capabilities": {"bounding": \(set), "permitted": \(set), "effective": \(set)}
            """
        let script = "grep -E '^Cap(Inh|Prm|Eff|Amb)' /proc/self/status"
        let none = ["Inh", "Prm", "Eff", "Amb"].map { "Cap\($0): 0000000000000000" }
        #expect(try run(script, user: "{\"uid\": 7, \"gid\": 8}", process: process).lines.map(words) == none)
    }

    /// The primary group is among the supplementary ones, so that a file cannot be kept from it by its mode.
    @Test func cve_2022_36109_thePrimaryGroupIsAmongTheGroups() throws {
        let outcome = try run(
            "grep ^Groups /proc/self/status", user: "{\"uid\": 7, \"gid\": 2000}")
        #expect(outcome.lines.map(words) == ["Groups: 2000"], "\(outcome)")
    }

    @Test func cve_2024_40635_idsThatWrapAreRefused() throws {
        for id in ["4294967295", "4294967296", "-1"] {
            let outcome = try run("true", user: "{\"uid\": \(id), \"gid\": 0}")
            #expect(outcome.code == 1 && outcome.err.contains("process.user"), "\(outcome)")
        }
    }

    @Test func unknownCapabilitiesAreLeftOutWithAWarning() throws {
        let outcome = try run("true", process: ", \"capabilities\": {\"bounding\": [\"CAP_FLY\"]}")
        #expect(outcome.code == 0, "\(outcome)")
        #expect(outcome.err.contains("ignoring unknown or unavailable capabilities: [CAP_FLY]"), "\(outcome)")
    }

    @Test(arguments: [
        (["RLIMIT_NOFILE", "RLIMIT_NOFILE"], "RLIMIT_NOFILE is given twice"),
        (["RLIMIT_FUN"], "unknown rlimit RLIMIT_FUN"),
    ])
    func limitsThatCannotBeAreRefused(names: [String], message: String) throws {
        let limits = names.map { "{\"type\": \"\($0)\", \"soft\": 9, \"hard\": 9}" }
            .joined(separator: ", ")
        let outcome = try run("true", process: ", \"rlimits\": [\(limits)]")
        #expect(outcome.code == 1 && outcome.err.contains(message), "\(outcome)")
    }
}

/// One blank between words.
private func words(_ text: String) -> String {
    text.split(whereSeparator: { $0 == " " || $0 == "\t" }).joined(separator: " ")
}
