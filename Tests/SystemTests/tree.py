#!/usr/bin/env python3
"""Prints a line for each entry of a tree: everything of it that an image determines.

Usage: tree.py DIRECTORY|ARCHIVE.tar
"""
import hashlib
import os
import stat
import sys
import tarfile

KINDS = {tarfile.DIRTYPE: "directory", tarfile.SYMTYPE: "link", tarfile.FIFOTYPE: "fifo", tarfile.CHRTYPE: "character",
         tarfile.BLKTYPE: "block"}


def shown(name):
    return os.fsencode(name).decode("latin-1").encode("unicode_escape").decode()


class Tree:
    def __init__(self):
        # For each name its facts, and what it shares with its other names.
        self.facts, self.same = {}, {}

    def add(self, name, kind, mode, uid, gid, nanoseconds, identity, target="", device="", content=None, attributes=()):
        parts = [kind, f"{mode:o}", f"{uid}:{gid}", str(nanoseconds)]
        if kind == "link":
            parts = [kind, f"{uid}:{gid}", str(nanoseconds), "->", shown(target)]
        if device:
            parts.append(device)
        if content is not None:
            parts.append(f"{len(content)} {hashlib.sha256(content).hexdigest()[:16]}")
        parts += [f"{shown(key)}={value.hex()}" for key, value in sorted(attributes)]
        self.facts[name] = " ".join(parts)
        if kind != "directory":
            self.same.setdefault(identity, []).append(name)

    def lines(self):
        first = {name: min(names) for names in self.same.values() for name in names if len(names) > 1}
        for name in sorted(self.facts):
            shares = f" is {shown(first[name])}" if name in first else ""
            yield f"{shown(name)} {self.facts[name]}{shares}"


def of_directory(root):
    tree = Tree()
    for directory, directories, files in os.walk(os.fsencode(root)):
        for name in [b"."] * (directory == os.fsencode(root)) + directories + files:
            path = os.path.join(directory, name)
            status = os.lstat(path)
            kind, content, target, device = "file", None, "", ""
            if stat.S_ISDIR(status.st_mode):
                kind = "directory"
            elif stat.S_ISLNK(status.st_mode):
                kind, target = "link", os.fsdecode(os.readlink(path))
            elif stat.S_ISFIFO(status.st_mode):
                kind = "fifo"
            elif not stat.S_ISREG(status.st_mode):
                kind = "character" if stat.S_ISCHR(status.st_mode) else "block"
                device = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
            else:
                with open(path, "rb") as file:
                    content = file.read()
            attributes = [(key, os.getxattr(path, key, follow_symlinks=False))
                          for key in os.listxattr(path, follow_symlinks=False)]
            tree.add(os.fsdecode(os.path.relpath(path, os.fsencode(root))), kind, stat.S_IMODE(status.st_mode),
                     status.st_uid, status.st_gid, status.st_mtime_ns, (status.st_dev, status.st_ino), target, device,
                     content, attributes)
    return tree


def nanoseconds(entry):
    whole, _, part = entry.pax_headers.get("mtime", str(int(entry.mtime))).partition(".")
    sign = -1 if whole.startswith("-") else 1
    return int(whole) * 10**9 + sign * int((part + "0" * 9)[:9])


def of_archive(path):
    tree, identities = Tree(), {}
    with tarfile.open(path) as archive:
        for entry in archive:
            name = os.path.normpath(entry.name)
            source = entry
            if entry.islnk():
                source = archive.getmember(entry.linkname)
            identities[name] = identities.get(os.path.normpath(entry.linkname), name) if entry.islnk() else name
            content = archive.extractfile(source).read() if source.isreg() else None
            device = f"{source.devmajor}:{source.devminor}" if source.isdev() and not source.isfifo() else ""
            attributes = [(key[13:], os.fsencode(value)) for key, value in source.pax_headers.items()
                          if key.startswith("SCHILY.xattr.")]
            tree.add(name, KINDS.get(source.type, "file"), source.mode & 0o7777, source.uid, source.gid,
                     nanoseconds(source), identities[name], source.linkname if source.issym() else "", device, content,
                     attributes)
    return tree


if __name__ == "__main__":
    found = of_directory(sys.argv[1]) if os.path.isdir(sys.argv[1]) else of_archive(sys.argv[1])
    print("\n".join(found.lines()))
