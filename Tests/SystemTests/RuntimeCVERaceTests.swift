import Glibc
import Support
import Testing

/// Attacks by somebody who changes things while a container starts. APUS_RACE_SECONDS makes the races longer.
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class RuntimeCVERaceTests {
    let bundle: OCIBundle
    /// A directory of the host's, for which the containers reach.
    let canary: String
    private typealias Configuration = OCIBundle.Configuration

    init() throws {
        bundle = try OCIBundle()
        canary = try bundle.makeCanary()
    }
    deinit { bundle.tearDown() }

    private func run() throws -> Outcome { try bundle(["run", "--bundle", bundle.directory, bundle.id]) }

    /// Starts containers with a mount below a volume that another one has too, in which `place` is now a directory and
    /// now a link to the canary. `destinations` has one for each start.
    private func raceInVolume(
        _ destinations: () -> String, check: (Outcome) -> Void
    ) throws {
        let volume = bundle.directory + "/volume"
        try bundle.onHost("mkdir -p volume/place rootfs/volume && ln -s \(canary) volume/link")
        let starts = try Race(between: volume + "/place", and: volume + "/link").run {
            try bundle.write {
                $0.mounts += [
                    Configuration.mount("/volume", "bind", volume, options: ["rbind"]),
                    Configuration.mount("/volume" + destinations(), "tmpfs", "marker"),
                ]
                $0.args = ["cat", "/proc/self/mountinfo"]
            }
            let outcome = try run()
            if outcome.code == 0 { check(outcome) }
            return outcome.code == 0
        }
        #expect(starts > 0)
        let made = try execute(["ls", "-A", canary]).lines
        #expect(made.isEmpty, "made on the host: \(made)")
        let mounted = try execute(["grep", bundle.directory, "/proc/self/mountinfo"]).lines
        #expect(mounted.isEmpty, "mounted on the host: \(mounted)")
    }

    /// A mount's place was looked at by its path, and by its path again for the mount.
    @Test func cve_2021_30465_mountsStayInside() throws {
        try raceInVolume {
            "/place"
        } check: { outcome in
            #expect(
                outcome.out.contains(" - tmpfs marker "), "the mount is not in the container: \(outcome)")
        }
    }

    /// So were the directories made that a mount needs.
    @Test func cve_2024_45310_directoriesAreMadeInside() throws {
        var count = 0
        try raceInVolume {
            count += 1
            return "/place/\(count)/deep/deeper"
        } check: { _ in
        }
    }

    /// /proc was a link at one moment and a directory at the next: settings went to a file of the volume.
    @Test func cve_2019_19921_settingsReachTheKernelOnly() throws {
        let file = "volume/sys/kernel/shm_rmid_forced"
        try bundle.onHost(
            "mkdir -p volume/sys/kernel && echo untouched >\(file) && ln -s /volume rootfs/link")
        try bundle.write {
            $0.mounts.insert(
                Configuration.mount("/volume", "bind", bundle.directory + "/volume", options: ["rbind"]),
                at: 0)
            $0.linux = ", \"sysctl\": {\"kernel.shm_rmid_forced\": \"1\"}"
        }
        let race = try Race(between: bundle.rootfs + "/proc", and: bundle.rootfs + "/link")
        let starts = try race.run { try run().code == 0 }
        #expect(starts > 0)
        #expect(readFile(bundle.directory + "/" + file) == "untouched\n")
    }

    /// The same with false files mounted over the kernel's (the attack did it with those that change the host).
    @Test func cve_2025_52881_settingsGoPastWhatIsMountedOverProc() throws {
        try bundle.onHost("mkdir -p proc false rootfs/mnt && echo untouched >false/shm_rmid_forced")
        let (proc, setting) = (bundle.directory + "/proc", "sys/kernel/shm_rmid_forced")
        try bundle.write {
            $0.mounts[0] = Configuration.mount("/proc", "bind", proc, options: ["rbind"])
            $0.linux = ", \"sysctl\": {\"kernel.shm_rmid_forced\": \"1\"}"
            $0.process = Configuration.capabilities(["CAP_SYS_ADMIN"])
            $0.args = ["sh", "-c", "cat /proc/\(setting); mount -t proc proc /mnt && cat /mnt/\(setting)"]
        }
        let script = """
            mount -t proc proc \(proc) && mount --bind \(bundle.directory)/false \(proc)/sys/kernel && exec "$@"
            """
        let outcome = try execute(
            ["unshare", "--mount", "sh", "-c", script, "sh"]
                + bundle.command(["run", "--bundle", bundle.directory, bundle.id]))
        #expect(outcome.lines == ["untouched", "1"], "\(outcome)")
        #expect(readFile(bundle.directory + "/false/shm_rmid_forced") == "untouched\n")
    }

    /// The container's own /dev/null was what a masked file was hidden behind, and it was a link to another one.
    @Test func cve_2025_31133_masksAreTheHostsNullDevice() throws {
        try bundle.onHost("rm -rf rootfs/dev/* && mkdir -p rootfs/dev && mknod rootfs/dev/null c 1 3")
        try bundle.write {
            $0.mounts = [Configuration.mount("/proc", "proc")]
            $0.linux = ", \"maskedPaths\": [\"/proc/version\", \"/proc/fs\", \"/proc/uptime\"]"
            $0.args = [
                "sh", "-c", "stat -c %t:%T /proc/version /proc/uptime; ls /proc/fs; stat -f -c %T /proc/fs",
            ]
        }
        let device = bundle.rootfs + "/dev/null"
        let starts = try Race(between: device, and: device + "-link").run {
            // The one that the last start has replaced.
            unlink(device + "-link")
            symlink("/etc/passwd", device + "-link")
            let outcome = try run()
            #expect(outcome.code != 0 || outcome.lines == ["1:3", "1:3", "tmpfs"], "\(outcome)")
            return outcome.code == 0
        }
        #expect(starts > 0)
    }

    /// The terminal was opened and bound to /dev/console by a path below /dev/pts, which was another file by then.
    @Test func cve_2025_52565_theConsoleIsTheTerminalItself() throws {
        try bundle.onHost(
            "rm -rf rootfs/dev && mkdir -p rootfs/dev/pts rootfs/dev/false && touch rootfs/dev/console")
        try bundle.onHost(
            "cd rootfs/dev/false && mknod ptmx c 5 2 && for n in 0 1 2 3; do ln -s /etc/passwd $n; done")
        try bundle.write {
            $0.mounts = [
                Configuration.mount("/proc", "proc"),
                Configuration.mount("/dev/pts", "devpts", options: ["newinstance", "ptmxmode=0666"]),
            ]
            $0.process = ", \"terminal\": true"
            $0.args = [
                "sh", "-c",
                "stat -L -c 'terminal %t:%T' /proc/self/fd/0; grep ' /dev/console ' /proc/self/mountinfo",
            ]
        }
        let starts = try Race(between: bundle.rootfs + "/dev/pts", and: bundle.rootfs + "/dev/false").run {
            let session = try Terminal(
                bundle.command(["run", "--bundle", bundle.directory, bundle.id]), columns: 200)
            guard session.wait(timeout: 20) == 0 else { return false }
            let seen = session.transcript
            #expect(seen.contains("terminal 88:0") && seen.contains(" - devpts devpts "), "\(seen)")
            return true
        }
        #expect(starts > 0)
    }

}
