"""An OCI bundle for crun and runc that asks for what `apus run --network none` asks for by default."""
import json
import os
import re

CAPABILITIES = ["CAP_" + name for name in (
    "CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE SYS_CHROOT SETFCAP").split()]
MASKED = ["/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
          "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"]
READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
NAMESPACE_FLAGS = 0x7E020000


def seccomp(repository):
    """docker's profile in the spec's form: the calls it allows are listed in Sources/Linux, its three architectures."""
    with open(os.path.join(repository, "Sources/Linux/SeccompAllowed.swift")) as source:
        text = re.sub(r"//.*", "", source.read())
    names = sorted({name for block in re.findall(r'"""(.*?)"""', text, re.DOTALL) for name in block.split()})

    def argument(value, operator, second=0):
        return {"index": 0, "value": value, "valueTwo": second, "op": operator}

    rules = [{"names": names, "action": "SCMP_ACT_ALLOW"}]
    rules += [{"names": ["personality"], "action": "SCMP_ACT_ALLOW", "args": [argument(value, "SCMP_CMP_EQ")]}
              for value in (0, 8, 0x20000, 0x20008, 0xFFFFFFFF)]
    rules.append({"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [argument(40, "SCMP_CMP_NE")]})
    rules.append({"names": ["clone"], "action": "SCMP_ACT_ALLOW",
                  "args": [argument(NAMESPACE_FLAGS, "SCMP_CMP_MASKED_EQ")]})
    rules.append({"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38})
    architectures = {"x86_64": ["X86_64", "X86", "X32"], "aarch64": ["AARCH64", "ARM"]}[os.uname().machine]
    return {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1, "syscalls": rules,
            "architectures": ["SCMP_ARCH_" + name for name in architectures]}


def mount(destination, kind, source, *options):
    return {"destination": destination, "type": kind, "source": source, "options": list(options)}


def write(directory, root, arguments, repository, filtered=True):
    """Writes DIRECTORY/config.json for a read-write root directory; `filtered`: with docker's seccomp profile."""
    safe = ("nosuid", "noexec", "nodev")
    config = {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False, "user": {"uid": 0, "gid": 0}, "args": arguments, "cwd": "/",
            "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
            "capabilities": {kind: CAPABILITIES for kind in ("bounding", "effective", "permitted")},
        },
        "root": {"path": root}, "hostname": "bench",
        "mounts": [
            mount("/proc", "proc", "proc", *safe),
            mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
            mount("/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"),
            mount("/dev/shm", "tmpfs", "shm", *safe, "mode=1777", "size=65536k"),
            mount("/dev/mqueue", "mqueue", "mqueue", *safe),
            mount("/sys", "sysfs", "sysfs", *safe, "ro"),
            mount("/sys/fs/cgroup", "cgroup", "cgroup", *safe, "relatime", "ro"),
        ],
        "linux": {
            "namespaces": [{"type": kind} for kind in ("mount", "pid", "network", "uts", "ipc", "cgroup")],
            "maskedPaths": MASKED, "readonlyPaths": READ_ONLY,
        },
    }
    if filtered:
        config["linux"]["seccomp"] = seccomp(repository)
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "config.json"), "w") as file:
        json.dump(config, file)
