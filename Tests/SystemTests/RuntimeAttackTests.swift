import Support
import Testing

/// What a hostile image or container tries on the runtime, beyond the advisories of its predecessors.
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class RuntimeAttackTests {
    let bundle: OCIBundle
    /// A directory of the host's.
    let canary: String
    private typealias Configuration = OCIBundle.Configuration

    init() throws {
        bundle = try OCIBundle()
        canary = try bundle.makeCanary()
    }
    deinit { bundle.tearDown() }

    /// The directory of a process's cgroup.
    private func cgroup(of pid: String) -> String {
        let lines = (readFile("/proc/\(pid)/cgroup") ?? "").split(separator: "\n")
        return Host.cgroupRoot + (lines.first { $0.hasPrefix("0::") }?.dropFirst(3) ?? "/none")
    }

    /// An image's link to /dev or below it led a directory of the host's there, which then got the devices.
    @Test(arguments: ["/dev", "/dev/net"])
    func devicesAreNotMadeInWhatIsMountedThroughALink(target: String) throws {
        try bundle.inRoot("ln -s \(target) data")
        try writeFile(canary + "/null", "mine\n")
        let outcome = try bundle.run {
            $0.linux =
                ", \"devices\": [{\"path\": \"/dev/net/tun\", \"type\": \"c\", \"major\": 10, \"minor\": 200}]"
            $0.mounts.append(Configuration.mount("/data", "bind", canary, options: ["bind", "rw"]))
        }
        #expect((outcome.code == 0) == (target == "/dev/net"), "\(outcome)")
        #expect(try execute(["ls", "-A", canary]).lines == ["null"])
        #expect(readFile(canary + "/null") == "mine\n")
    }

    /// A remount changes a file system wherever it is mounted: a link of the image must not choose it.
    @Test func noLinkOfTheImageLeadsARemount() throws {
        try bundle.inRoot("mkdir data; ln -s data link")
        let outcome = try bundle.run {
            $0.mounts.append(Configuration.mount("/data", "tmpfs", "tmpfs", options: ["rw"]))
            $0.mounts.append(Configuration.mount("/link", "none", "none", options: ["remount", "ro"]))
        }
        #expect(outcome.code != 0 && outcome.err.contains("/link"), "\(outcome)")
        let direct = try bundle.run {
            $0.mounts.append(Configuration.mount("/data", "tmpfs", "tmpfs", options: ["rw"]))
            $0.mounts.append(Configuration.mount("/data", "none", "none", options: ["remount", "ro"]))
            $0.args = ["touch", "/data/file"]
        }
        #expect(direct.code != 0 && direct.err.contains("Read-only file system"), "\(direct)")
    }

    /// The runtime opened whatever a container had put in the place of its user database, with the host's rights: a
    /// device that the container itself may not open, or a file of the kernel's.
    @Test func noDeviceIsOpenedForAUsersHome() throws {
        // Without a driver: to open it would fail with other words.
        try bundle.inRoot("rm -f etc/passwd; mknod etc/passwd c 10 254")
        _ = try bundle.start { $0.args = ["sleep", "1000"] }
        let outcome = try bundle(["exec", bundle.id, "sh", "-c", "echo $HOME"])
        #expect(outcome.text == "/" && outcome.err.contains("not a regular file"), "\(outcome)")
    }

    @Test func noFileOfTheKernelsIsReadForAUsersHome() throws {
        try bundle.inRoot("ln -sf /proc/kmsg etc/passwd")
        _ = try bundle.start { $0.args = ["sleep", "1000"] }
        let outcome = try bundle(["exec", bundle.id, "sh", "-c", "echo $HOME"])
        #expect(outcome.text == "/" && outcome.err.contains("a file of the kernel's"), "\(outcome)")
    }

    /// Where the runtime lies on a read-only mount, that may become writable later (/usr for an update), a container
    /// that held its file could write to it then (CVE-2019-5736).
    @Test func aReadOnlyMountOfTheHostsIsNoCopyOfTheRuntime() throws {
        try bundle.write { $0.args = ["true"] }
        let script = """
            cp \(Host.bin)/apus-runtime . && mount --bind . . && mount -o remount,bind,ro . && cd . &&
            ./apus-runtime --root ../state create --pid-file ../pid --bundle .. $0 </dev/null >/dev/null 2>../errors
            cat ../errors; readlink /proc/$(cat ../pid)/exe; ./apus-runtime --root ../state delete --force $0
            """
        let outcome = try execute([
            "unshare", "-m", "sh", "-c", "cd \(canary) && mount --make-rprivate / && " + script, bundle.id,
        ])
        #expect(outcome.text == "/" || outcome.text.hasPrefix("/memfd:"), "\(outcome)")
    }

    /// What covers the root is the root of whoever enters the container later, without masks and read-only paths.
    @Test(arguments: ["data", "proc"])
    func nothingIsMountedOnTheRootThroughALink(name: String) throws {
        try bundle.inRoot("rmdir proc; mkdir -p proc; rm -rf \(name); ln -s / \(name)")
        let outcome = try bundle.run {
            $0.mounts = [
                Configuration.mount("/" + name, "bind", name == "proc" ? "/proc" : canary, options: ["rbind"])
            ]
        }
        #expect(outcome.code == 1 && outcome.err.contains("link"), "\(outcome)")
    }

    /// With a writable cgroup a container made so many levels that no descriptors were left to remove them.
    @Test func aDeepTreeOfCgroupsIsRemoved() throws {
        let pid = try bundle.start { $0.args = ["sleep", "1000"] }
        let place = cgroup(of: pid)
        let made = try execute([
            "sh", "-c", "cd $0 && for i in $(seq 300); do mkdir a b && cd a || exit 1; done", place,
        ])
        #expect(made.code == 0, "\(made)")
        for command in [["ps", bundle.id], ["delete", "--force", bundle.id]] {
            let few = try execute(["sh", "-c", "ulimit -n 64; exec \"$@\"", "sh"] + bundle.command(command))
            #expect(few.code == 0, "\(command): \(few)")
        }
        #expect(!Host.has(place))
        // What this test could leave behind.
        _ = try execute(["find", place, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"])
    }

    /// Numbers without a descriptor became those of the runtime's own directories, and its lock.
    @Test(arguments: ["1", "10", "4294967295"])
    func onlyDescriptorsOfTheCallerArePreserved(count: String) throws {
        try bundle.write { $0.args = ["true"] }
        let outcome = try bundle([
            "create", "--preserve-fds", count, "--bundle", bundle.directory, bundle.id,
        ])
        #expect(outcome.code == 1 && outcome.err.contains("3 is not open"), "\(outcome)")
        #expect(try bundle(["list", "-q"]).lines.isEmpty)
    }

    /// Any user in the container could read what a joining process was told: `--env`, paths of the host.
    @Test func theCommandLineOfExecIsNotSeenInside() throws {
        let place = cgroup(of: try bundle.start { $0.args = ["sleep", "1000"] })
        // In a container that stands still it stands still itself, right after it was cloned.
        #expect(try bundle(["pause", bundle.id]).code == 0)
        let exec = try Running(
            bundle.command(["exec", "--ignore-paused", "--env", "PASSWORD=hunter2", bundle.id, "true"]),
            stdin: nil)
        func pids() -> [Substring] { (readFile(place + "/cgroup.procs") ?? "").split(separator: "\n") }
        #expect(eventually { pids().count == 2 })
        let lines = pids().map { readFile("/proc/\($0)/cmdline") ?? "" }
        #expect(lines.contains { $0.hasPrefix("apus-runtime init\0") }, "\(lines)")
        #expect(!lines.contains { $0.contains("hunter2") || $0.contains(bundle.directory) }, "\(lines)")
        #expect(try bundle(["resume", bundle.id]).code == 0)
        #expect(exec.finish(timeout: 10).code == 0)
    }

    /// What is there already may be a device of the host's that is bound there.
    @Test func aDeviceThatIsThereKeepsItsModeAndOwner() throws {
        let node = canary + "/full"
        #expect(try execute(["mknod", "-m", "600", node, "c", "1", "7"]).code == 0)
        let outcome = try bundle.run {
            $0.mounts.append(Configuration.mount("/opt/full", "bind", node, options: ["bind"]))
            $0.linux = """
                , "devices": [{"path": "/opt/full", "type": "c", "major": 1, "minor": 7, "fileMode": 438, "uid": 9}]
                """
        }
        #expect(outcome.code == 0, "\(outcome)")
        #expect(try execute(["stat", "-c", "%a %u", node]).text == "600 0")
    }
}
