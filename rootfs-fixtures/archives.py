#!/usr/bin/env python3
"""Image archives around busybox.tar and the hand-made layers, in both formats and three compressions, and broken ones.

Usage: archives.py OUT      reads OUT/busybox.tar and OUT/layers/*.tar, writes OUT/archives/*.tar*
"""
import gzip
import hashlib
import json
import os
import subprocess
import sys
import tempfile

from tarball import Tarball

CREATED = "2023-11-14T22:13:20Z"
OCI = "application/vnd.oci.image"


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def compress(data, how):
    """`how` is `""`, `gzip` or `zstd`; the same bytes give the same bytes."""
    if how == "gzip":
        return gzip.compress(data, 6, mtime=0)
    if how == "zstd":
        return subprocess.run(["zstd", "-q", "-3", "-c"], input=data, check=True, capture_output=True).stdout
    return data


def config(layers, **settings):
    """The image's configuration: what to run, and the digests of the uncompressed layers."""
    return json.dumps({
        "architecture": os.environ.get("APUS_FIXTURE_ARCH", "amd64" if os.uname().machine == "x86_64" else "arm64"),
        "os": "linux",
        "created": CREATED,
        "config": {"Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": ["/bin/sh"], **settings},
        "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]},
        "history": [{"created": CREATED, "created_by": "hand-made"} for _ in layers],
    }, sort_keys=True).encode()


def docker_archive(path, name, layers, how=""):
    """What `docker save` writes: manifest.json, the config, one directory for each layer; `how` packs the whole."""
    settings = config(layers)
    config_name = digest(settings)[7:] + ".json"
    directories = [digest(layer)[7:] for layer in layers]
    tags = json.dumps([{
        "Config": config_name, "RepoTags": [name], "Layers": [each + "/layer.tar" for each in directories],
    }]).encode()
    plain = path + ".plain"
    with Tarball(plain) as tar:
        for directory, layer in zip(directories, layers):
            tar.directory(directory)
            tar.file(directory + "/VERSION", b"1.0")
            tar.file(directory + "/layer.tar", layer)
        tar.file(config_name, settings)
        tar.file("manifest.json", tags)
    with open(plain, "rb") as whole:
        packed = compress(whole.read(), how)
    os.unlink(plain)
    with open(path, "wb") as out:
        out.write(packed)


def oci_archive(path, name, layers, how="", damage=None, **settings):
    """An OCI image layout in a tar. `damage(blob)` changes the stored bytes of the last layer, not what is said of them."""
    kind = f"{OCI}.layer.v1.tar" + ("+" + how if how else "")
    stored = [compress(layer, how) for layer in layers]
    blobs = {digest(blob): blob for blob in stored}
    settings_json = config(layers, **settings)
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": f"{OCI}.manifest.v1+json",
        "config": {"mediaType": f"{OCI}.config.v1+json", "digest": digest(settings_json), "size": len(settings_json)},
        "layers": [{"mediaType": kind, "digest": digest(blob), "size": len(blob)} for blob in stored],
    }).encode()
    blobs[digest(settings_json)] = settings_json
    blobs[digest(manifest)] = manifest
    if damage:
        blobs[digest(stored[-1])] = damage(stored[-1])
    reference, tag = name, name.rpartition(":")[2]
    index = json.dumps({"schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json", "manifests": [{
        "mediaType": f"{OCI}.manifest.v1+json", "digest": digest(manifest), "size": len(manifest),
        "annotations": {"org.opencontainers.image.ref.name": tag, "io.containerd.image.name": reference},
    }]}).encode()
    with Tarball(path) as tar:
        tar.file("oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        tar.file("index.json", index)
        tar.directory("blobs")
        tar.directory("blobs/sha256")
        for key in sorted(blobs):
            tar.file("blobs/sha256/" + key[7:], blobs[key])


def layer_of(files):
    """A layer's tar of files by name."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "layer.tar")
        with Tarball(path) as tar:
            for name, content in files.items():
                tar.file(name, content)
        with open(path, "rb") as file:
            return file.read()


def many(path, number):
    """An archive of images that differ in their configuration alone."""
    layer = layer_of({"file": b"1"})
    blobs = {digest(layer): layer}
    entries = []
    for each in range(number):
        settings = config([layer], Env=[f"NUMBER={each}"])
        manifest = json.dumps({
            "schemaVersion": 2, "mediaType": f"{OCI}.manifest.v1+json",
            "config": {"mediaType": f"{OCI}.config.v1+json", "digest": digest(settings), "size": len(settings)},
            "layers": [{"mediaType": f"{OCI}.layer.v1.tar", "digest": digest(layer), "size": len(layer)}],
        }).encode()
        blobs |= {digest(settings): settings, digest(manifest): manifest}
        entries.append({
            "mediaType": f"{OCI}.manifest.v1+json", "digest": digest(manifest), "size": len(manifest),
            "annotations": {"io.containerd.image.name": f"docker.io/bench/many:{each}"},
        })
    index = {"schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json", "manifests": entries}
    with Tarball(path) as tar:
        tar.file("oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        tar.file("index.json", json.dumps(index).encode())
        for key in sorted(blobs):
            tar.file("blobs/sha256/" + key[7:], blobs[key])


def flipped(blob):
    """The same length, one bit changed in the middle."""
    middle = len(blob) // 2
    return blob[:middle] + bytes([blob[middle] ^ 1]) + blob[middle + 1:]


def main(out):
    def read(name):
        with open(os.path.join(out, name), "rb") as file:
            return file.read()

    def path(name):
        return os.path.join(out, "archives", name)

    busybox = read("busybox.tar")
    base, whiteouts, opaque = (read(f"layers/{name}.tar") for name in ("base", "whiteouts", "opaque"))
    os.makedirs(os.path.join(out, "archives"), exist_ok=True)
    for how, suffix in (("", ""), ("gzip", ".gz"), ("zstd", ".zst")):
        docker_archive(path("docker.tar" + suffix), "fixture/docker:" + (how or "plain"), [busybox], how)
        oci_archive(path(f"oci-{how or 'plain'}.tar"), "docker.io/fixture/oci:" + (how or "plain"), [busybox], how)
    oci_archive(path("layered.tar"), "docker.io/fixture/layered:latest", [busybox, base, whiteouts, opaque], "gzip")
    every = [read(f"layers/{name}.tar") for name in ("base", "whiteouts", "opaque", "hardlinks", "kinds", "xattrs")]
    oci_archive(path("everything.tar"), "docker.io/fixture/everything:latest", [busybox, *every], "gzip")
    oci_archive(path("user.tar"), "docker.io/fixture/user:latest", [busybox], User="app", WorkingDir="/home/app",
                Env=["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "FROM_IMAGE=yes"])
    for name in ("escape-dotdot", "escape-symlink", "escape-hardlink"):
        oci_archive(path(f"bad-{name}.tar"), f"docker.io/fixture/bad:{name}", [busybox, read(f"layers/{name}.tar")])
    oci_archive(path("bad-digest.tar"), "docker.io/fixture/bad:digest", [busybox], damage=flipped)
    oci_archive(path("bad-short.tar"), "docker.io/fixture/bad:short", [busybox], "gzip", lambda blob: blob[: len(blob) // 2])
    whole = read("archives/oci-plain.tar")
    with open(path("bad-truncated.tar"), "wb") as cut:
        cut.write(whole[: len(whole) // 2])


if __name__ == "__main__":
    main(sys.argv[1])
