import Support
import Testing

/// What the host has stays as it is, whatever a container's root and the processes in it do.
@Suite(.enabled(if: Host.isReady, Comment(rawValue: Host.reason)), .serialized)
final class RuntimeHostTests {
    let bundle: OCIBundle
    init() throws { bundle = try OCIBundle() }
    deinit { bundle.tearDown() }

    /// A script in a mount namespace of its own, as on a host of systemd: everything is shared. `$run` runs the bundle.
    private func onSharedHost(_ script: String) throws -> Outcome {
        let run = bundle.command(["run", "--bundle", bundle.directory, bundle.id]).joined(separator: " ")
        return try execute([
            "unshare", "-m", "sh", "-c",
            "mount --make-rshared /; run='\(run)'; cd \(bundle.directory); \(script)",
        ])
    }

    @Test(arguments: ["shared", "rshared", "slave", "rslave", "private", "rprivate", "unbindable"])
    func theHostsMountsStayWhateverTheRootPropagates(word: String) throws {
        try bundle.write { $0.linux = ", \"rootfsPropagation\": \"\(word)\"" }
        let outcome = try onSharedHost(
            """
            mount -t tmpfs one /mnt; mkdir /mnt/two; mount -t tmpfs two /mnt/two
            before=$(sort /proc/self/mountinfo); $run; [ "$before" = "$(sort /proc/self/mountinfo)" ] && echo same
            """)
        #expect(outcome.lines == ["same"], "\(outcome)")
    }

    /// Letting go of the host's root must not change what the container's own mounts were asked to be.
    @Test func aMountThatIsToBeSharedIsShared() throws {
        try bundle.write {
            $0.args = ["grep", " /sub ", "/proc/self/mountinfo"]
            $0.mounts.append(OCIBundle.Configuration.mount("/sub", "tmpfs", options: ["shared"]))
        }
        let outcome = try onSharedHost("$run")
        #expect(outcome.text.contains(" shared:"), "\(outcome)")
    }

    @Test func whatIsMountedBelowTheRootStaysInTheContainer() throws {
        try bundle.write {
            $0.args = ["sh", "-c", "mount -t tmpfs inside /sub && mount"]
            $0.process =
                ", \"capabilities\": {\(["bounding", "effective", "permitted"].map { "\"\($0)\": [\"CAP_SYS_ADMIN\"]" }.joined(separator: ", "))}"
        }
        let outcome = try onSharedHost(
            """
            mkdir rootfs/sub; mount -t tmpfs outside rootfs/sub
            $run | grep -c inside; grep -c inside /proc/self/mountinfo
            """)
        #expect(outcome.lines == ["1", "0"], "\(outcome)")
    }

    /// It is one file for all of the host: through masked paths and through streams.
    @Test func theNullDeviceKeepsItsModeAndOwner() throws {
        try bundle.write {
            $0.args = [
                "sh", "-c",
                "for f in /proc/keys /proc/self/fd/0 /proc/self/fd/1; do chmod 0 $f; chown 7:7 $f; done; "
                    + "echo through >/proc/keys; echo written >&2",
            ]
            $0.linux = ", \"maskedPaths\": [\"/proc/keys\"]"
        }
        let outcome = try onSharedHost(
            """
            mount -t tmpfs dev /dev; mknod -m 666 /dev/null c 1 3
            $run </dev/null >/dev/null 2>err; cat err >&2; stat -c '%a %u %g' /dev/null
            """)
        #expect(outcome.lines == ["666 0 0"] && outcome.err.contains("written"), "\(outcome)")
    }

    /// Who enters a container cannot be looked at by its processes (CVE-2016-9962), whoever runs it.
    @Test(arguments: [nil, "1234"])
    func whoEntersHasNothingToShow(user: String?) throws {
        let own = "[{\"containerID\": 0, \"hostID\": \(user ?? "0"), \"size\": 1}]"
        let script = """
            while :; do for f in /proc/[0-9]*/fd/[3-9]; do
                case $f in *[*]* | /proc/1/*) ;; *) [ -e $f ] && echo $f >>/seen ;; esac
            done; done
            """
        try bundle.write {
            $0.args = ["sh", "-c", script]
            if user != nil {
                $0.namespaces.append("{\"type\": \"user\"}")
                $0.linux = ", \"uidMappings\": \(own), \"gidMappings\": \(own)"
            }
        }
        var prefix: [String] = []
        if let user {
            #expect(try execute(["chown", "-R", user + ":" + user, bundle.directory]).code == 0)
            prefix = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"]
        }
        let run = prefix + bundle.command(["run", "--detach", "--bundle", bundle.directory, bundle.id])
        #expect(try execute(run).code == 0)
        for _ in 1...40 {
            let exec = try execute(prefix + bundle.command(["exec", bundle.id, "true"]))
            #expect(exec.code == 0, "\(exec)")
        }
        #expect(readFile(bundle.rootfs + "/seen") == nil)
    }
}
