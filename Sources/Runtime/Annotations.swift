/// The annotations of a configuration that change what this runtime does. All others, images' labels among them, are
/// carried along and have no effect (otherwise whoever made an image could change its container).
enum Annotations {
    /// Makes a property of the container's systemd scope (`--systemd-cgroup`); a prefix.
    static let systemdProperty = "org.systemd.property."
    /// crun's: a seccomp rule for a call that is not known is an error.
    static let failsOnUnknownCalls = "run.oci.seccomp_fail_unknown_syscall"

    /// Those that an engine must not take from an untrusted source.
    static let potentiallyUnsafe = [systemdProperty]
}
