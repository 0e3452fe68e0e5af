"""Random trees and archives for the comparison, and what lies in a directory or stands in an archive."""
import hashlib
import os
import stat
import tarfile
from collections import namedtuple

# Times in nanoseconds; `links` is the first of the names of a file that has several; content is a digest.
Entry = namedtuple("Entry", "type mode uid gid mtime size content link device xattrs links")
CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")
OPAQUE = ("trusted.overlay.opaque", b"y")
LARGE = 1 << 24


def digest(path, size):
    """Of all bytes; of what is mostly a hole, of its ends."""
    with open(path, "rb") as file:
        if size <= LARGE:
            return hashlib.sha256(file.read()).hexdigest()
        head = file.read(1 << 16)
        file.seek(size - (1 << 16))
        return hashlib.sha256(head + file.read()).hexdigest()


def entry_of(path, status, first):
    kind = stat.S_IFMT(status.st_mode)
    is_file, is_link = kind == stat.S_IFREG, kind == stat.S_IFLNK
    device = (os.major(status.st_rdev), os.minor(status.st_rdev)) if kind in (stat.S_IFCHR, stat.S_IFBLK) else None
    xattrs = {}
    if is_file or kind == stat.S_IFDIR:
        xattrs = {name: os.getxattr(path, name, follow_symlinks=False)
                  for name in os.listxattr(path, follow_symlinks=False)}
    return Entry(
        {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink", stat.S_IFIFO: "fifo",
         stat.S_IFCHR: "character", stat.S_IFBLK: "block", stat.S_IFSOCK: "socket"}[kind],
        None if is_link else stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_mtime_ns,
        status.st_size if is_file else None, digest(path, status.st_size) if is_file else None,
        os.readlink(path) if is_link else None, device, tuple(sorted(xattrs.items())), first)


def scan(root):
    """Names below a directory to entries; all in bytes."""
    tree, inodes = {}, {}

    def walk(directory, prefix):
        for name in sorted(os.listdir(directory)):
            path, shown = directory + b"/" + name, prefix + name
            status = os.lstat(path)
            first = None
            if not stat.S_ISDIR(status.st_mode) and status.st_nlink > 1:
                first = inodes.setdefault(status.st_ino, shown)
            tree[shown] = entry_of(path, status, first)
            if stat.S_ISDIR(status.st_mode):
                walk(path, shown + b"/")
    walk(os.fsencode(root), b"")
    return tree


def scan_layer(tree):
    """As `scan`, with the root itself under the empty name."""
    return {b"": entry_of(os.fsencode(tree), os.stat(tree), None)} | scan(tree)


def differences(ours, theirs, who):
    """(name, field, our value, their value) for each; fields that `who` does not know are not compared."""
    skipped = {"python": {"xattrs", "links"}, "layers": {"mtime", "xattrs", "links"}}.get(who, set())
    for name in sorted(ours.keys() | theirs.keys()):
        one, other = ours.get(name), theirs.get(name)
        if one is None or other is None:
            yield (name, "entry", one and one.type, other and other.type)
            continue
        if one.type != other.type:
            yield (name, "type", one.type, other.type)
            continue
        for field in Entry._fields[1:]:
            a, b = getattr(one, field), getattr(other, field)
            if field in skipped or a is None and field == "mode":
                continue
            if field == "mtime" and who == "python":
                a, b = a // 10**9, b // 10**9
            if a != b:
                yield (name, field, a, b)


# Trees

def random_name(rng):
    return rng.choice([
        lambda: b"%c" % rng.choice(b"abcdefgh"), lambda: rng.choice([b"a b", b"-x", b"#", b"a\nb", b"*", b"\xc3\xa9"]),
        lambda: bytes([0xff, 0xfe, rng.randrange(0x80, 0xff)]), lambda: b"n" * rng.choice([99, 100, 101, 154, 155, 200, 255]),
        lambda: b"m" * rng.randrange(1, 60)])()


def random_time(rng):
    return rng.choice([0, 1, 1_600_000_000, 1_600_000_000, rng.randrange(1 << 33), (1 << 33) - 1, 1 << 33, -1, -(1 << 31)]) \
        * 10**9 + rng.choice([0, 0, 500_000_000, 1, 999_999_999])


def random_tree(rng):
    """Members as (path, kind, facts), parents first."""
    members, directories, files = [], [b""], []
    for _ in range(rng.randrange(1, 12)):
        parent = rng.choice(directories)
        path = parent + random_name(rng)
        if len(path) > 900 or any(path == member[0] for member in members):
            continue
        kind = rng.choice(["directory", "file", "file", "file", "symlink", "hard", "fifo", "character", "block"])
        if kind == "hard":
            if not files:
                continue
            members.append((path, kind, rng.choice(files)))
            continue
        if kind == "directory":
            directories.append(path + b"/")
        elif kind != "directory":
            files.append(path)
        members.append((path, kind, None))
    return members


def make_tree(rng, root, members):
    root = os.fsencode(root)
    for path, kind, target in members:
        make_member(rng, root + b"/" + path, kind, root + b"/" + target if target else None)
    for path, kind, _ in reversed(members):
        if kind != "hard":
            time = random_time(rng)
            os.utime(root + b"/" + path, ns=(time, time), follow_symlinks=False)


def make_member(rng, path, kind, target):
    if kind == "hard":
        return os.link(target, path, follow_symlinks=False)
    if kind == "symlink":
        os.symlink(rng.choice([b"a", b"../b", b"/etc/passwd", b"d/", b"x" * rng.choice([99, 100, 101, 300]), b"\xff"]), path)
    elif kind == "directory":
        os.mkdir(path)
    elif kind == "file":
        with open(path, "wb") as file:
            write_content(rng, file)
    else:
        kinds = {"fifo": stat.S_IFIFO, "character": stat.S_IFCHR, "block": stat.S_IFBLK}
        os.mknod(path, kinds[kind] | 0o600, os.makedev(rng.choice([1, 7, 255, 4095]), rng.choice([1, 3, 255, 1 << 19])))
    ids = [0, 1, 1000, 65534, 0o7777777, 0o10000000, (1 << 32) - 2]
    os.chown(path, rng.choice(ids), rng.choice(ids), follow_symlinks=False)
    if kind != "symlink":
        os.chmod(path, rng.choice([0o644, 0o755, 0, 0o777, 0o4755, 0o2750, 0o1777, 0o7777]))
    if kind in ("file", "directory") and rng.random() < 0.2:
        os.setxattr(path, "user.a", rng.choice([b"", b"v", b"a=b\n", bytes(range(256))]))
    if kind == "file" and rng.random() < 0.1:
        os.setxattr(path, "security.capability", CAPABILITY)


def write_content(rng, file):
    shape = rng.randrange(5)
    if shape < 3:
        file.write(rng.randbytes(rng.choice([0, 1, 511, 512, 513, 5000])))
    elif shape == 3:
        for _ in range(rng.randrange(1, 7)):
            file.seek(rng.randrange(1, 40) * 4096, os.SEEK_CUR)
            file.write(rng.randbytes(rng.choice([1, 4096])))
    else:
        file.truncate(rng.choice([4096, 1 << 20]))


# Archives

def headers(data):
    """Where headers stand, as long as their sizes are octal."""
    at = 0
    while at + 512 <= len(data) and any(data[at:at + 512]):
        yield at
        try:
            size = int(data[at + 124:at + 136].strip(b" \0") or b"0", 8)
        except ValueError:
            return
        at += 512 + (size + 511) // 512 * 512 if data[at + 156:at + 157] in b"\x0007SxgLK" else 512


def damage(rng, data):
    """Changes fields of headers and records of extension headers; checksums fit afterwards."""
    data = bytearray(data)
    places = list(headers(data))
    if not places:
        return bytes(data)
    for _ in range(rng.choice([1, 1, 1, 2])):
        at = rng.choice(places)
        if data[at + 156] in b"xg" and rng.random() < 0.7:
            size = int(data[at + 124:at + 136].strip(b" \0") or b"0", 8)
            if size:
                data[at + 512 + rng.randrange(size)] = rng.choice(b"0189=\n az/.-")
            continue
        change_field(rng, data, at)
    for at in places:
        block = bytes(data[at:at + 148]) + b" " * 8 + bytes(data[at + 156:at + 512])
        data[at + 148:at + 156] = b"%06o\0 " % sum(block)
    return bytes(data)


def change_field(rng, data, at):
    start, width = rng.choice([(100, 8), (108, 8), (116, 8), (124, 12), (136, 12), (329, 8), (337, 8), (156, 1), (257, 8),
                               (0, 100), (157, 100), (345, 155)])
    if width == 1:
        value = rng.choice([b"0", b"\0", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"x", b"g", b"L", b"K", b"S", b"V",
                            b"D", b"A", b"Z"])
    elif start == 257:
        value = rng.choice([b"ustar\x0000", b"ustar  \0", b"\0" * 8, b"ustar\0  ", b"ustar\x0001", b"xstar\x0000"])
    elif width > 12:
        value = rng.choice([b"a", b"a/b", b"./a", b"a//b", b"/a", b"../a", b"a/../b", b".", b"./", b"", b"a/", b"..", b"\xff",
                            b"n" * width, b"b\0c"])
        value = (value + b"\0" * width)[:width]
    else:
        value = rng.choice([
            b"%0*o\0" % (width - 1, rng.choice([0, 1, 7, 0o644, 0o7777, 0o17777, 0o777777])),
            b"%*o " % (width - 1, rng.randrange(1 << 12)), b"%-*o" % (width, rng.randrange(1 << 12)),
            b"0" * width, b"7" * width, b" " * width, b"\0" * width, b"-1" + b"\0" * (width - 2), b"9" * (width - 1) + b"\0",
            b"\x80" + rng.randrange(1 << 20).to_bytes(width - 1, "big"), b"\xff" * width, b"\x80" + b"\xff" * (width - 1),
            b"\x80" + rng.randbytes(width - 1)])
    data[at + start:at + start + width] = value[:width]


def read_by_python(archive):
    """The tree that tarfile's entries say, made in memory: names as they stand, the last of several wins."""
    try:
        with tarfile.open(archive, "r:", encoding="utf-8", errors="surrogateescape") as tar:
            members = [(info, tar.extractfile(info).read(LARGE) if info.isreg() and info.size <= LARGE else b"")
                       for info in tar]
    except (tarfile.TarError, ValueError, OverflowError, OSError, KeyError, RecursionError, EOFError) as error:
        return None, f"{type(error).__name__}: {error}"
    return applied({}, members, whiteouts=False), ""


# Layers

def clean(name):
    parts = [part for part in os.fsencode(name).split(b"/") if part not in (b"", b".")]
    return b"/".join(parts)


def applied(below, members, whiteouts=True):
    """A tree with a layer over it: first what the layer hides, then what it has."""
    tree = dict(below)
    if whiteouts:
        for info, _ in members:
            parent, _, name = clean(info.name).rpartition(b"/")
            if name == b".wh..wh..opq":
                remove(tree, parent, keep=True)
            elif name.startswith(b".wh."):
                remove(tree, (parent + b"/" if parent else b"") + name[4:])
    first_names = {}
    for info, content in members:
        path = clean(info.name)
        if not path or whiteouts and b".wh." in path:
            continue
        parts = path.split(b"/")
        for i in range(1, len(parts)):
            parent = b"/".join(parts[:i])
            if tree.get(parent) is None:
                tree[parent] = Entry("directory", 0o755, 0, 0, int(info.mtime) * 10**9, None, None, None, None, (), None)
        place(tree, path, info, content, first_names)
    return tree


def remove(tree, path, keep=False):
    for name in [name for name in tree if name.startswith(path + b"/") or not path and keep]:
        del tree[name]
    if not keep:
        tree.pop(path, None)


def place(tree, path, info, content, first_names):
    if info.islnk():
        target = tree.get(clean(info.linkname))
        if target is not None and clean(info.linkname) != path:
            remove(tree, path)
            tree[path] = target
        return
    kind = ("directory" if info.isdir() else "symlink" if info.issym() else "fifo" if info.isfifo() else
            "character" if info.ischr() else "block" if info.isblk() else "file")
    if kind != "directory" or tree.get(path, Entry(*[None] * 11)).type != "directory":
        remove(tree, path)
    tree[path] = Entry(
        kind, None if kind == "symlink" else info.mode & 0o7777, info.uid, info.gid, int(info.mtime // 1) * 10**9,
        info.size if kind == "file" else None, hashlib.sha256(content).hexdigest() if kind == "file" else None,
        os.fsencode(info.linkname) if kind == "symlink" else None,
        (info.devmajor, info.devminor) if kind in ("character", "block") else None, (), None)


def random_layers(rng):
    """Two or three layers of the same few names, each a list of (TarInfo, content)."""
    for number in range(rng.randrange(2, 4)):
        members, taken = [], {}
        for _ in range(rng.randrange(1, 8)):
            path = "/".join(rng.choice("abc") for _ in range(rng.randrange(1, 4)))
            whiteout = number > 0 and rng.random() < 0.4
            if whiteout:
                parent, _, name = path.rpartition("/")
                name = rng.choice([".wh." + name, ".wh." + name, ".wh..wh..opq"])
                path = f"{parent}/{name}" if parent else name
            kind = rng.choice([tarfile.REGTYPE, tarfile.DIRTYPE]) if not whiteout else tarfile.REGTYPE
            # No file is somebody's directory in one layer: that is refused.
            parents = ["/".join(path.split("/")[:i]) for i in range(1, path.count("/") + 1)]
            is_parent = any(name.startswith(path + "/") for name in taken)
            if any(taken.get(parent) == tarfile.REGTYPE for parent in parents) or is_parent and kind == tarfile.REGTYPE:
                continue
            if path in taken:
                continue
            # Directories that no entry describes would be anybody's choice.
            wanted = [(parent, tarfile.DIRTYPE) for parent in parents if parent not in taken] + [(path, kind)]
            for name, kind in wanted:
                taken[name] = kind
                info = tarfile.TarInfo(name)
                info.type, info.mode, info.mtime = kind, rng.choice([0o644, 0o755, 0o700]), 1_600_000_000 + number
                content = rng.randbytes(rng.randrange(5)) if kind == tarfile.REGTYPE and not whiteout else b""
                info.size = len(content)
                members.append((info, content))
        yield members


def merged(trees):
    """What overlayfs shows of trees with its marks, lowest first."""
    result = {}
    for tree in trees:
        opaque = [name for name, entry in tree.items() if OPAQUE in entry.xattrs]
        for name in opaque:
            remove(result, name, keep=True)
        for name, entry in tree.items():
            if not name:
                continue
            if entry.device == (0, 0):
                remove(result, name)
                continue
            if entry.type != "directory" or result.get(name, entry).type != "directory":
                remove(result, name)
            result[name] = entry
    return result
