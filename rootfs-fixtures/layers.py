#!/usr/bin/env python3
"""Hand-made layers, one tar per subject, and what each must become is said beside it.

Usage: layers.py DIRECTORY
"""
import os
import struct
import sys

from tarball import Tarball


def base(tar):
    """The layer that the others are laid over."""
    tar.directory("./")
    tar.directory("keep")
    tar.file("keep/one", b"one\n")
    tar.file("keep/two", b"two\n")
    tar.directory("opaque")
    tar.file("opaque/old", b"old\n")
    tar.directory("opaque/below")
    tar.file("opaque/below/deep", b"deep\n")
    tar.directory("replaced")
    tar.file("replaced/inside", b"inside\n")
    tar.file("plain", b"plain\n", 0o640, uid=1000, gid=1000)
    tar.symlink("link", "keep/one")


def whiteouts(tar):
    """keep/one and replaced/ are gone; plain becomes a directory; keep/two stays."""
    tar.file("keep/.wh.one")
    tar.file(".wh.replaced")
    tar.file(".wh.plain")
    tar.directory("plain")
    tar.file("plain/now-a-directory", b"yes\n")


def opaque(tar):
    """opaque/ holds `new` only, whether the marker stands before or after its neighbours."""
    tar.directory("opaque")
    tar.file("opaque/new", b"new\n")
    tar.file("opaque/.wh..wh..opq")


def hardlinks(tar):
    """first, second and deep/third are one inode with three names; the link to a symlink is a second symlink."""
    tar.directory("./")
    tar.file("first", b"shared\n", 0o600, uid=7, gid=8)
    tar.hardlink("second", "first")
    tar.directory("deep")
    tar.hardlink("deep/third", "./first")
    tar.symlink("arrow", "first")
    tar.hardlink("arrow-again", "arrow")


def xattrs(tar):
    """A user attribute with bytes that are not text, a file capability, and one on a directory."""
    tar.directory("./")
    tar.xattrs("user-attribute", {"user.apus": b"value\x00with zero"})
    # struct vfs_cap_data, revision 2: effective bit, permitted = CAP_NET_BIND_SERVICE.
    capability = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
    tar.xattrs("capable", {"security.capability": capability}, b"#!/bin/sh\n", 0o755)
    tar.directory("marked", pax_headers={"SCHILY.xattr.user.directory": "yes"})


def kinds(tar):
    """Every kind of entry, names that are long, odd or not UTF-8, setuid bits and times outside 32 bits."""
    tar.directory("./")
    tar.file("setuid", b"#!/bin/sh\n", 0o4755)
    tar.directory("sticky", 0o3777)
    tar.fifo("pipe", 0o622)
    tar.device("null", 1, 3)
    tar.file("empty")
    tar.file("big-owner", b"", uid=3_000_000, gid=4_000_000)
    tar.file("old", b"", mtime=-86400)
    tar.file("late", b"", mtime=2**33)
    long_directory = "/".join(["long-directory-name" * 5] * 3)
    parts = long_directory.split("/")
    for depth in range(len(parts)):
        tar.directory("/".join(parts[: depth + 1]))
    tar.file(long_directory + "/" + "f" * 255, b"long\n")
    tar.file("not-utf8-\udcff", b"bytes\n")
    tar.file("with space\nand newline", b"odd\n")


def escape_dotdot(tar):
    """Refused: a name that leaves the root."""
    tar.directory("./")
    tar.file("../escaped", b"out\n")


def escape_symlink(tar):
    """Written inside the root or refused, never through the link to the host's /tmp."""
    tar.directory("./")
    tar.symlink("way-out", "/tmp")
    tar.file("way-out/apus-escaped", b"out\n")


def escape_hardlink(tar):
    """Refused: a hard link whose target is outside the layer."""
    tar.directory("./")
    tar.hardlink("shadow", "../../../../etc/shadow")


LAYERS = [base, whiteouts, opaque, hardlinks, xattrs, kinds, escape_dotdot, escape_symlink, escape_hardlink]

if __name__ == "__main__":
    for layer in LAYERS:
        with Tarball(os.path.join(sys.argv[1], layer.__name__.replace("_", "-") + ".tar")) as archive:
            layer(archive)
