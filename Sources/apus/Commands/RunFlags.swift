import Engine
import OCI

/// The flags of `run` and `create`: docker's whole list, those that apus lacks included, so that none is ignored
/// without a word.
enum RunFlags {
    /// Of both commands.
    static let common: [Flag] =
        naming + streams + process + storage + network + resources + limits + security + sharing + refused

    /// Of `run` alone.
    static let run: [Flag] = [
        .toggle("detach", "d", "Run container in background and print container ID"),
        .toggle("sig-proxy", "Proxy received signals to the process", default: true),
        .value("detach-keys", "Override the key sequence for detaching a container"),
    ]

    private static let naming: [Flag] = [
        .value("name", "Assign a name to the container"),
        .list("label", "l", "Set meta data on a container"),
        .list("label-file", "Read in a line delimited file of labels"),
        .value("cidfile", "Write the container ID to the file"),
        .value("pull", "Pull image before running (\"always\", \"missing\", \"never\")"),
        .toggle("quiet", "q", "Suppress the pull output"),
        .value("platform", "Use the image of this platform (os/architecture)"),
        .value("health-cmd", nil, "string", "Command to run to check health"),
        .value("health-interval", nil, "duration", "Time between running the check (default 30s)"),
        .value("health-retries", nil, "int", "Consecutive failures needed to report unhealthy (default 3)"),
        .value(
            "health-start-interval", nil, "duration",
            "Time between checks during the start period (default 5s)"),
        .value("health-start-period", nil, "duration", "Start period in which failures do not count"),
        .value("health-timeout", nil, "duration", "Maximum time to allow one check to run (default 30s)"),
        .toggle("no-healthcheck", "Disable any container-specified HEALTHCHECK"),
        .toggle("init", "Run an init inside the container that forwards signals and reaps processes"),
        .value("restart", "Restart policy to apply when a container exits"),
        .toggle("rm", "Automatically remove the container and its anonymous volumes when it exits"),
    ]
    private static let streams: [Flag] = [
        .list("attach", "a", "Attach to STDIN, STDOUT or STDERR"),
        .toggle("interactive", "i", "Keep STDIN open even if not attached"),
        .toggle("tty", "t", "Allocate a pseudo-TTY"),
        .value("log-driver", "Logging driver for the container (json-file, journald, none)"),
        .list("log-opt", "Log driver options (max-size, max-file, labels, env, tag)"),
    ]
    private static let process: [Flag] = [
        .list("env", "e", "Set environment variables"),
        .list("env-file", "Read in a file of environment variables"),
        .value("workdir", "w", "Working directory inside the container"),
        .value("user", "u", "Username or UID (format: <name|uid>[:<group|gid>])"),
        .list("group-add", "Add additional groups to join"),
        .value("entrypoint", "Overwrite the default ENTRYPOINT of the image"),
        .value("hostname", "h", "Container host name"),
        .value("domainname", "Container NIS domain name"),
        .value("stop-signal", "Signal to stop the container"),
        .value("stop-timeout", nil, "int", "Timeout (in seconds) to stop a container"),
    ]
    private static let storage: [Flag] = [
        .list("volume", "v", "Bind mount a volume"),
        .list("mount", nil, "mount", "Attach a filesystem mount to the container"),
        .list("tmpfs", "Mount a tmpfs directory"),
        .list("volumes-from", "Mount volumes from the specified container(s)"),
        .toggle("read-only", "Mount the container's root filesystem as read only"),
        .value("shm-size", nil, "bytes", "Size of /dev/shm"),
    ]
    private static let network: [Flag] = [
        .list("network", nil, "network", "Connect a container to a network").or("net"),
        .list("network-alias", "Add network-scoped alias for the container").or("net-alias"),
        .value("ip", "IPv4 address (e.g., 172.30.100.104)"),
        .value("ip6", "IPv6 address (e.g., 2001:db8::33)"),
        .value("mac-address", "Container MAC address (e.g., 92:d0:c6:0a:29:33)"),
        .list("publish", "p", "Publish a container's port(s) to the host"),
        .toggle("publish-all", "P", "Publish all exposed ports to random ports"),
        .list("expose", "Expose a port or a range of ports"),
        .list("add-host", "Add a custom host-to-IP mapping (host:ip)"),
        .list("dns", "Set custom DNS servers"),
        .list("dns-option", "Set DNS options").or("dns-opt"),
        .list("dns-search", "Set custom DNS search domains"),
    ]
    /// What `update` changes too.
    static let resources: [Flag] = [
        .value("memory", "m", "bytes", "Memory limit"),
        .value("memory-reservation", nil, "bytes", "Memory soft limit"),
        .value(
            "memory-swap", nil, "bytes", "Swap limit equal to memory plus swap: '-1' to enable unlimited swap"
        ),
        .value("cpus", nil, "decimal", "Number of CPUs"),
        .value("cpu-shares", "c", "int", "CPU shares (relative weight)"),
        .value("cpu-period", nil, "int", "Limit CPU CFS (Completely Fair Scheduler) period"),
        .value("cpu-quota", nil, "int", "Limit CPU CFS (Completely Fair Scheduler) quota"),
        .value("cpuset-cpus", "CPUs in which to allow execution (0-3, 0,1)"),
        .value("cpuset-mems", "MEMs in which to allow execution (0-3, 0,1)"),
        .value("pids-limit", nil, "int", "Tune container pids limit (set -1 for unlimited)"),
    ]
    private static let limits: [Flag] = [
        .value("oom-score-adj", nil, "int", "Tune host's OOM preferences (-1000 to 1000)"),
        .list("ulimit", nil, "ulimit", "Ulimit options"),
    ]
    private static let security: [Flag] = [
        .list("cap-add", "Add Linux capabilities"),
        .list("cap-drop", "Drop Linux capabilities"),
        .list("security-opt", "Security options (seccomp=FILE|unconfined, no-new-privileges)"),
        .toggle("privileged", "Give extended privileges to this container"),
    ]
    private static let sharing: [Flag] = [
        .list("device", "Add a host device, or a directory of them, to the container"),
        .list("device-cgroup-rule", "Add a rule to the cgroup allowed devices list"),
        .list("sysctl", nil, "map", "Sysctl options"),
        .list("annotation", nil, "map", "Add an annotation to the container (passed to the OCI runtime)"),
        .value("ipc", "IPC mode to use (private, shareable, none, host, container:NAME)"),
        .value("pid", "PID namespace to use (host, container:NAME)"),
        .value("uts", "UTS namespace to use (host)"),
        .value("userns", "User namespace to use (host)"),
        .value("cgroupns", "Cgroup namespace to use (host, private)"),
        .value("cgroup-parent", "Optional parent cgroup for the container"),
        .value("runtime", "Runtime to use for this container (apus-runtime)"),
    ]
    /// What docker has and apus does not have yet, then what means nothing here.
    private static let refused: [Flag] =
        Flag.later("oom-kill-disable", "use-api-socket", toggle: true)
        + Flag.later(
            "gpus", "link", "blkio-weight", "blkio-weight-device", "device-read-bps",
            "device-write-bps", "device-read-iops", "device-write-iops", "memory-swappiness", "storage-opt",
            "volume-driver")
        + Flag.ignored(
            "cpu-count", "cpu-percent", "io-maxbandwidth", "io-maxiops", "isolation", "kernel-memory",
            "cpu-rt-period", "cpu-rt-runtime", "link-local-ip")
        + Flag.constant("disable-content-trust")
    // No health check is run.
}
