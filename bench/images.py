"""Loading, pulling and listing images beside podman, docker and the plain pipeline, in memory."""
import gzip
import itertools
import os
import shutil
import subprocess

import archives
from measure import APUS, FIXTURES, call, compiled, contest, goal, started, timed


class Images:
    """A file system in memory with the archives, and a fresh store for every run."""

    def __init__(self, scratch, rounds):
        self.scratch, self.rounds = scratch, rounds
        self.place = scratch.at("tmpfs")
        os.makedirs(self.place)
        call(["mount", "-t", "tmpfs", "-o", "size=12g", "tmpfs", self.place])
        self.fresh = (f"{self.place}/fresh{number}" for number in itertools.count())
        scratch.podman_settings()

    def end(self):
        subprocess.run(["umount", "--lazy", self.place], check=False)

    def archive(self, name, layers):
        """What apus saves is an archive that docker reads, too."""
        oci, both = f"{self.place}/{name}-oci.tar", f"{self.place}/{name}.tar"
        archives.oci_archive(oci, f"docker.io/bench/{name}:1", layers, "gzip")
        root = self.root("save")
        call([APUS, "load", "-q", "-i", oci], env=root)
        call([APUS, "save", "-o", both, f"bench/{name}:1"], env=root)
        return both

    def root(self, name):
        return {**os.environ, "APUS_ROOT": f"{self.place}/{name}"}

    def apus(self, *words):
        root = next(self.fresh)
        taken = timed([APUS, *words], {**os.environ, "APUS_ROOT": root})
        shutil.rmtree(root)
        return taken

    def podman(self, archive):
        root = next(self.fresh)
        taken = timed(["podman", "--root", root, "--runroot", root + "-run", "--storage-driver", "overlay", "load", "-q",
                       "--signature-policy", self.scratch.at("policy.json"), "-i", archive])
        subprocess.run(["umount", root + "/overlay"], capture_output=True, check=False)
        subprocess.run(["rm", "-rf", root, root + "-run"], check=True)
        return taken

    def tar(self, layer):
        root = next(self.fresh)
        os.mkdir(root)
        taken = timed(["sh", "-c", f"gzip -dc {layer} | tar -x -C {root}"])
        shutil.rmtree(root)
        return taken


class Docker:
    """docker's own engine, without networks."""

    def __init__(self, scratch, place):
        socket = scratch.at("docker.sock")
        self.client = ["docker", "-H", f"unix://{socket}"]
        server = ["dockerd", "-H", f"unix://{socket}", "--data-root", place + "/docker", "--exec-root", scratch.at("docker-run"),
                  "--pidfile", scratch.at("docker.pid"), "--storage-driver", "overlay2", "--iptables=false", "--bridge=none"]
        self.server = started(server, lambda: subprocess.run([*self.client, "version"], capture_output=True).returncode == 0)

    def load(self, archive, name):
        taken = timed([*self.client, "load", "-q", "-i", archive])
        call([*self.client, "rmi", name])
        return taken

    def end(self):
        self.server.terminate()
        self.server.wait()


def images(scratch, rounds):
    where = Images(scratch, rounds)
    try:
        with open(os.path.join(FIXTURES, "debian.tar"), "rb") as file:
            layer = file.read()
        packed = where.place + "/layer.tar.gz"
        with open(packed, "wb") as file:
            file.write(gzip.compress(layer, 6, mtime=0))
        debian = where.archive("debian", [layer])
        del layer
        load(where, debian, where.archive("twenty", list(twenty_layers())), packed)
        peak = compiled("peak.c", scratch.at("peak"))
        most = int(call([peak, APUS, "load", "-q", "-i", debian], env=where.root("peak")).split()[-1])
        goal("peak memory of load", most / 1024, 64, " MiB")
        pull(where, debian)
        many(where)
    finally:
        where.end()


def twenty_layers():
    """Each with 150 files of its own, one that the next one removes, and one that it replaces."""
    for number in range(20):
        files = {f"d{number}/file{each}": b"%d %d\n" % (number, each) * 500 for each in range(150)}
        files |= {"shared": b"%d\n" % number, f"gone{number}": b""}
        if number:
            files[f".wh.gone{number - 1}"] = b""
        yield archives.layer_of(files)


def load(where, debian, twenty, packed):
    docker = Docker(where.scratch, where.place) if shutil.which("dockerd") else None
    try:
        for archive, name, title, factor in ((debian, "debian", "one gzip layer of 170 MB", 2), (twenty, "twenty", "20 layers", 3)):
            contenders = {"apus load": lambda archive=archive: where.apus("load", "-q", "-i", archive)}
            if name == "debian":
                contenders["gzip -dc | tar -x"] = lambda: where.tar(packed)
            if shutil.which("podman"):
                contenders["podman load"] = lambda archive=archive: where.podman(archive)
            if docker:
                contenders["docker load"] = lambda archive=archive, name=name: docker.load(archive, f"bench/{name}:1")
            medians = contest(f"`load`, {title}, in memory", contenders, where.rounds)
            for peer in ("podman load", "docker load"):
                if peer in medians:
                    goal(f"{peer} / apus load", medians[peer] / medians["apus load"], factor, " x", at_most=False)
            if name == "debian":
                goal("apus load / tar", medians["apus load"] / medians["gzip -dc | tar -x"], 1.6, " x")
    finally:
        if docker:
            docker.end()


def pull(where, archive):
    if not shutil.which("docker-registry"):
        print("\nPulling: left out, docker-registry is not installed")
        return
    settings = where.scratch.at("registry.yml")
    with open(settings, "w") as file:
        file.write(f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {where.place}/registry}}}}\n"
                   "http: {addr: '127.0.0.1:5000'}\n")
    name, root = "127.0.0.1:5000/bench/debian:1", where.root("push")

    def is_up():
        return subprocess.run(["curl", "-s", "http://127.0.0.1:5000/v2/"], capture_output=True).returncode == 0

    server = started(["docker-registry", "serve", settings], is_up)
    try:
        call([APUS, "load", "-q", "-i", archive], env=root)
        call([APUS, "tag", "bench/debian:1", name], env=root)
        call([APUS, "push", "-q", name], env=root)
        contenders = {
            "apus pull": lambda: where.apus("pull", "-q", name),
            "apus load": lambda: where.apus("load", "-q", "-i", archive),
        }
        medians = contest("`pull` of the same from a registry on this host, in memory", contenders, where.rounds)
        goal("apus pull / apus load", medians["apus pull"] / medians["apus load"], 1.2, " x")
    finally:
        server.terminate()
        server.wait()


def many(where):
    archive, root = where.place + "/many.tar", where.root("many")
    archives.many(archive, 1000)
    call([APUS, "load", "-q", "-i", archive], env=root)
    medians = contest("`images` with 1,000 images", {"apus images": lambda: timed([APUS, "images"], root)}, where.rounds)
    goal("images", medians["apus images"], 50, " ms")
