import Linux
import OCI
import Runtime
import SystemPackage

extension Command {
    static let spec = Command(
        "spec", "[--bundle DIR] [--rootless]", "write a config.json to start from",
        flags: ["bundle,b=", "rootless"]
    ) { context throws(RuntimeError) in
        let directory = context.path("bundle") ?? "."
        let document = exampleSpec(rootless: context.arguments.has("rootless"))
        do throws(SysError) {
            let file = try FD.open(directory, [.readOnly, .directory])
                .open("config.json", [.writeOnly, .create, .exclusive], mode: 0o666)
            try file.writeAll(Array((document.json.pretty + "\n").utf8))
        } catch {
            guard error.errno == .fileExists else {
                throw RuntimeError("unable to write config.json: \(error)")
            }
            throw RuntimeError("file config.json exists. Remove it first")
        }
        return 0
    }
}

/// A shell in its own namespaces with few capabilities, as runc's `spec` makes it.
private func exampleSpec(rootless: Bool) -> RuntimeSpec {
    var spec = RuntimeSpec()
    spec.root = RuntimeSpec.Root(path: "rootfs", readonly: true)
    spec.hostname = "apus"
    spec.process.terminal = true
    spec.process.args = ["sh"]
    spec.process.env = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"]
    var capabilities = RuntimeSpec.Capabilities()
    capabilities.bounding = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
    capabilities.effective = capabilities.bounding
    capabilities.permitted = capabilities.bounding
    spec.process.capabilities = capabilities
    spec.process.rlimits = [RuntimeSpec.Rlimit(type: "RLIMIT_NOFILE", soft: 1024, hard: 1024)]
    spec.process.noNewPrivileges = true
    spec.mounts = exampleMounts(rootless: rootless)
    spec.linux.namespaces = [.init(.pid), .init(.ipc), .init(.uts), .init(.mount), .init(.cgroup)]
    spec.linux.maskedPaths = [
        "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
        "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi",
    ]
    spec.linux.readonlyPaths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
    if rootless {
        spec.linux.namespaces.append(.init(.user))
        let own = RuntimeSpec.IDMapping(containerID: 0, hostID: Process.effectiveUser, size: 1)
        (spec.linux.uidMappings, spec.linux.gidMappings) = ([own], [own])
    } else {
        spec.linux.namespaces.append(.init(.network))
        spec.linux.resources.devices = [RuntimeSpec.DeviceRule(allow: false)]
    }
    return spec
}

private func exampleMounts(rootless: Bool) -> [RuntimeSpec.Mount] {
    let hidden = ["nosuid", "noexec", "nodev"]
    let pts = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]
    let sys: RuntimeSpec.Mount =
        rootless
        ? .init(destination: "/sys", type: "none", source: "/sys", options: ["rbind"] + hidden + ["ro"])
        : .init(destination: "/sys", type: "sysfs", source: "sysfs", options: hidden + ["ro"])
    return [
        .init(destination: "/proc", type: "proc", source: "proc"),
        .init(
            destination: "/dev", type: "tmpfs", source: "tmpfs",
            options: ["nosuid", "strictatime", "mode=755", "size=65536k"]),
        .init(
            destination: "/dev/pts", type: "devpts", source: "devpts",
            options: rootless ? pts : pts + ["gid=5"]),
        .init(
            destination: "/dev/shm", type: "tmpfs", source: "shm",
            options: hidden + ["mode=1777", "size=65536k"]),
        .init(destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: hidden),
        sys,
        .init(
            destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup",
            options: hidden + ["relatime", "ro"]),
    ]
}
