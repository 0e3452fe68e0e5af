"""How fast bytes go through a container, and what many containers at once cost."""
import concurrent.futures
import os
import shutil
import subprocess
import time

from measure import APUS, call, contest, goal, timed

SIZE = 200 << 20
LINE = b"0123456789012345678901234567890123456789012345678901234567890123456789\n"


def shell(script):
    """Milliseconds of a shell script that has to succeed."""
    return timed(["bash", "-o", "pipefail", "-c", script])


def podman_run(scratch):
    """`podman run` as it works here; None without podman."""
    if not shutil.which("podman"):
        return None
    scratch.prepare_podman()
    for flags in ([], ["--cgroups=disabled"]):
        run = scratch.podman("run", *flags)
        if subprocess.run([*run, "--rm", "--network", "none", "fixture/docker:plain", "true"], capture_output=True).returncode == 0:
            return run
    return None


def docker_run():
    """`docker run` where DOCKER_HOST names a daemon that has the image busybox."""
    return ["docker", "run"] if os.environ.get("DOCKER_HOST") and shutil.which("docker") else None


def streams(scratch, rounds):
    rounds = max(3, rounds // 6)
    # From the page cache: who makes the bytes shall cost next to nothing.
    folder = scratch.at("lines")
    os.mkdir(folder)
    lines = os.path.join(folder, "lines")
    with open(lines, "wb") as file:
        file.write((LINE * (SIZE // len(LINE) + 1))[:SIZE])
    share = ["-v", f"{folder}:/lines:ro"]
    engines = {"apus": [APUS, "run", "--rm", "--network", "none"]}
    if docker_run():
        engines["docker"] = [*docker_run(), "--rm", "--network", "none"]
    for title, before, flags, command, after in (
            (f"{SIZE >> 20} MiB from an attached container", "", share, "cat /lines/lines", "| cat >/dev/null"),
            (f"{SIZE >> 20} MiB into an attached container", f"cat {lines} |", ["-i"], "cat >/dev/null", "")):
        contenders = {}
        for name, run in engines.items():
            words = " ".join([*run, *flags, "busybox"])
            contenders[name] = lambda words=words: shell(f"{before} {words} sh -c '{command}' {after}")
        medians = contest(title, contenders, rounds)
        if "docker" in medians:
            goal("docker / apus", medians["docker"] / medians["apus"], 4, " x", at_most=False)
        else:
            print("  docker: left out (DOCKER_HOST names no daemon)")
    log = {"apus": [APUS, "run", "--rm", "-d", "--network", "none"]}
    contenders = {"apus, json-file": lambda: logged([APUS], [*log["apus"], *share, "busybox"])}
    podman = podman_run(scratch)
    if podman:
        contenders["podman, k8s-file"] = lambda: logged(
            scratch.podman(), [*podman, "-d", *share, "--network", "none", "--log-driver", "k8s-file", "fixture/docker:plain"])
    medians = contest(f"{SIZE >> 20} MiB of lines into a log", contenders, rounds)
    if "podman, k8s-file" in medians:
        goal("podman / apus", medians["podman, k8s-file"] / medians["apus, json-file"], 2, " x", at_most=False)


def logged(engine, run):
    """Milliseconds from the start of a container without a client to its end."""
    begin = time.perf_counter()
    name = call([*run, "cat", "/lines/lines"])
    subprocess.run([*engine, "wait", name], capture_output=True, check=False)
    taken = (time.perf_counter() - begin) * 1000
    subprocess.run([*engine, "rm", "-f", name], capture_output=True, check=False)
    return taken


def at_once(command, count):
    """Milliseconds until `count` of a command, started together, have ended."""
    begin = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        for problem in pool.map(lambda _: subprocess.run(command, capture_output=True).returncode, range(count)):
            if problem:
                raise RuntimeError(f"{' '.join(command)}: exit code {problem}")
    return (time.perf_counter() - begin) * 1000


def parallel(scratch, rounds):
    contenders = {"apus": lambda: at_once([APUS, "run", "--rm", "busybox", "true"], 50)}
    podman = podman_run(scratch)
    if podman:
        contenders["podman"] = lambda: at_once([*podman, "--rm", "fixture/docker:plain", "true"], 50)
    medians = contest("50 `run --rm` on the bridge at once", contenders, max(3, rounds // 10), settle=1)
    if "podman" in medians:
        goal("podman / apus", medians["podman"] / medians["apus"], 5, " x", at_most=False)
    call([APUS, "run", "-d", "--name", "idle", "busybox", "sleep", "1000"])
    medians = contest("`exec` of true", {"apus exec": lambda: timed([APUS, "exec", "idle", "true"])}, rounds)
    goal("exec", medians["apus exec"], 15, " ms")
    call([APUS, "rm", "-f", "idle"])


def many(scratch, _rounds, count=500):
    """`count` containers that run at once."""
    def start(name):
        return timed([APUS, "run", "-d", "--name", name, "busybox", "sleep", "100000"])

    before = mounts(), links()
    taken = [start(f"many{number}") for number in range(count)]
    first, last = sorted(taken[:20])[10], sorted(taken[-20:])[10]
    print(f"\n{count} containers at once\n  start: the first 20 {first:.1f} ms, the last 20 {last:.1f} ms (medians)")
    goal("last / first", last / first, 1.3, " x")
    medians = contest("`ps`", {"apus ps": lambda: timed([APUS, "ps"])}, 20)
    goal("ps", medians["apus ps"], 60, " ms")
    sizes = [monitor_memory(f"many{number}") for number in range(0, count, 10)]
    print(f"  a monitor has {sum(sizes) / len(sizes):.0f} KiB of its own; all {count}: {sum(sizes) / len(sizes) * count / 1024:.0f} MiB")
    begin = time.perf_counter()
    call([APUS, "rm", "-f", *[f"many{number}" for number in range(count)]])
    print(f"  removed in {time.perf_counter() - begin:.1f} s")
    time.sleep(2)
    left = [mounts() - before[0], links() - before[1], len(os.listdir(os.path.join(os.environ["APUS_RUN"], "containers")))]
    goal("mounts, links and run directories left", sum(left), 0, "")


def monitor_memory(name):
    pid = call([APUS, "inspect", "--format", "{{.State.Pid}}", name])
    with open(f"/proc/{pid}/stat") as file:
        monitor = file.read().rpartition(")")[2].split()[1]
    with open(f"/proc/{monitor}/smaps_rollup") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith(("Private_Clean", "Private_Dirty")))


def mounts():
    with open("/proc/self/mountinfo") as file:
        return len(file.readlines())


def links():
    return len(os.listdir("/sys/class/net"))
