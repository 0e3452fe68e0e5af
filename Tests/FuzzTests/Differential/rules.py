"""Why ours is the required result where the others differ: one sentence for each difference that may be."""
import io
import re
import tarfile
import time

from trees import Entry, clean, headers

START = int(time.time())
# name: (what the refusal says, why an archive must be refused so); at least one of the others may read it.
REFUSALS = {
    "dotdot": (r"name with \.\. in it", "a name with .. leads out of the root (cases 02, 03, 08)"),
    "empty name": (r"entry with an empty name", "what has no name would be the root (case 61)"),
    "root": (r"the root must be a directory", "the root is no file and no link (cases 58, 59)"),
    "link to nothing": (r"hard link to .*, which is not there", "a hard link needs its file before it (cases 07, 65)"),
    "link to a directory": (r"hard link to .*, a directory", "a directory has one name (case 63)"),
    "no directory": (r"parent .* is not a directory", "a file that was sent stays a file (case 84)"),
    "no target": (r"symlink without a target", "the kernel has no such link (case 66)"),
    "slash": (r"has a name that ends in a slash", "content for what its name says is a directory (case 62)"),
    "too long": (r"ENAMETOOLONG", "the kernel takes no longer name (cases 37, 38)"),
    "checksum": (r"bad checksum of header", "a header without its checksum is damage (case 50)"),
    "truncated": (r"archive ends early|lone zero block", "an archive that stops is damage (case 47)"),
    "type": (r"has the unknown type", "what it would be is not known (case 56)"),
    "owner": (r"[ug]id -?\d+ is out of range", "it would become another user's file (case 55)"),
    "number": (r"(uid|gid|mode|size|mtime|device number|sparse map|checksum|pax record length) is not a number",
               "a field of other bytes than digits is damage, and readers disagree about its number"),
    "time": (r"time is (not a number|out of range)|mtime is out of range",
             "POSIX writes times as decimal numbers; others would be guessed"),
    "size": (r"size (-?\d+ )?is out of range", "no file has this size (cases 44 to 46)"),
    "device": (r"device number (-?\d+ )?is out of range|character device 0:0",
               "the kernel would make another device of it (case 26)"),
    "record": (r"bad pax record|pax record length is|pax key holds a NUL|path holds a NUL|is empty$",
               "records of another form are damage, and readers disagree where the next begins (case 40)"),
    "header": (r"extension header of \d+ bytes|extension headers before one entry", "memory is bounded (case 43)"),
    "sparse": (r"sparse (map|file)", "a map that does not fit its file is damage (cases 52, 53)"),
    "attribute": (r"extended attribute", "an attribute that cannot be as it is sent is not dropped silently (case 74)"),
    "loop": (r"ELOOP|Too many levels", "a link that leads to itself leads nowhere (cases 81, 82)"),
}


def why_refused(refusal, data):
    for name, (pattern, _) in REFUSALS.items():
        if re.search(pattern, refusal):
            return name
    return None


class Case:
    """One difference, with what can be asked of it."""

    def __init__(self, who, difference, data, words):
        self.who, (self.name, self.field, self.ours, self.theirs) = who, difference
        self.data, self.words = data, words

    @property
    def second(self):
        return 1 if self.who == "python" else 10**9

    @property
    def is_new(self):
        return self.field == "mtime" and self.theirs // self.second >= START

    @property
    def described(self):
        """Whether an entry has just this name; None when tarfile cannot read the archive."""
        try:
            with tarfile.open(fileobj=io.BytesIO(self.data), encoding="utf-8", errors="surrogateescape") as tar:
                return any(clean(info.name) == self.name for info in tar)
        except Exception:
            return None

    @property
    def types(self):
        """The letters of all headers, in order."""
        return "".join(chr(self.data[at + 156]) for at in headers(self.data))

    @property
    def has_two_maps(self):
        return b"GNU.sparse." in self.data and any(
            self.data[at + 257:at + 265] == b"ustar  \0" for at in headers(self.data))

    @property
    def has_old_prefix(self):
        return any(self.data[at + 345] and self.data[at + 257:at + 263] != b"ustar\0" for at in headers(self.data))

    @property
    def names_all(self):
        """Whether a global header has a path, a link's path or a size."""
        for at in headers(self.data):
            if self.data[at + 156:at + 157] == b"g":
                size = int(self.data[at + 124:at + 136].strip(b" \0") or b"0", 8)
                if re.search(rb"\d+ (path|linkpath|size|GNU\.sparse\.\w+)=", self.data[at + 512:at + 512 + size]):
                    return True
        return False


EVERY = "entry read " + " ".join(Entry._fields)

# (who, field, when, why)
RULES = [
    ("bsd", "mtime", lambda c: c.ours < 0 and c.ours % 10**9,
     "bsdtar adds the fraction of a time before 1970: -1.5 is half a second before -1"),
    ("gnu bsd python", "mtime", lambda c: not -(1 << 31) <= c.theirs // c.second <= 1 << 34,
     "times before 1901 and after 2514 are these years: ext4 and others hold no others (case 54)"),
    ("gnu bsd", "device", lambda c: c.theirs == (0, 0),
     "without ustar's magic they read no device numbers and make devices 0:0, which overlayfs takes for whiteouts"),
    ("gnu bsd", "type entry", lambda c: "File exists" in c.words or "replace existing directory" in c.words,
     "the last of several entries with one name wins, also over a directory (cases 22, 23)"),
    ("gnu bsd", "xattrs", lambda c: all(re.match(r"security\.(?!capability$)|trusted\.|user\.overlay\.", name)
                                        for name, _ in set(c.ours) ^ set(c.theirs)),
     "attributes that grant or hide something on this host are dropped (cases 27 to 30, 32)"),
    ("gnu", EVERY, lambda c: c.has_two_maps,
     "a pax map of a sparse file counts alone; GNU tar looks into the header for another where the magic is its own"),
    ("gnu bsd", EVERY, lambda c: re.search("Malformed extended header|Archive value|Too much data", c.words),
     "records that are not needed, such as the number of parts of a sparse file, may be missing"),
    ("python", "mtime", lambda c: abs(c.ours - c.theirs) <= 1, "Python has times as floats, which round"),
    ("gnu bsd python", "mode uid gid mtime", lambda c: not c.described or (c.ours, c.theirs) == (0o755, 0o777) or c.is_new,
     "a directory that no entry describes is 0755 and as old as what it was made for, not anybody's umask and now"),
    ("gnu bsd python", EVERY, lambda c: c.names_all,
     "a global header says owners and times; one path or size for all files would be nonsense (case 57)"),
    ("gnu bsd python", EVERY, lambda c: re.search("[xgLK][xg]", c.types),
     "of several pax headers before an entry the last counts, which no standard says but most readers do"),
    ("python", EVERY, lambda c: c.has_old_prefix,
     "only POSIX's ustar has a prefix; without its magic these bytes are something else"),
    ("bsd", "entry read", lambda c: "Unrecognized archive format" in c.words,
     "fields that mean nothing for an entry's type are not looked at, as device numbers of a directory"),
    ("python", "entry", lambda c: b"GNU.sparse.name=" in c.data,
     "Python takes a path record for a sparse file, which GNU tar fills with a placeholder"),
]


def explain(who, difference, data, agreeing, words):
    """The sentence, or None. `agreeing`: how many of the two others have what we have."""
    case = Case(who, difference, data, words)
    for readers, fields, holds, why in RULES:
        if who in readers.split() and case.field in fields.split() and holds(case):
            return f"{who}: {why}"
    if who == "gnu" and "Blanks in header" in words:
        return "gnu: a number left blank is zero, as old writers left it"
    if agreeing == 2:
        return f"{who}: the archive can be understood in two ways, and the two others understand it as we do"
    return None
